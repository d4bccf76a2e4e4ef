"""Paging: a row that is there throughout a walk is met exactly once, whatever happens to the others."""

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import Server, unique
from tests.properties.drawing import Reached, bounded

PROVED = frozenset(
    {
        "ListService",
        "ListRole",
        "ListUser",
        "ListChannel",
        "ListMember",
        "ListInvite",
        "ListMessage",
        "ListUserChannel",
        "ListCredential",
    }
)


class Collection:
    """A list of the API with a way to add a row and to remove one; rows are known by their SIDs."""

    key = ""
    lists = ""
    sid = "sid"

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.service = self.create("/v2/Services", FriendlyName=unique())["sid"]
        self.root = f"/v2/Services/{self.service}"
        self.query: dict[str, str] = {}

    def create(self, path: str, **form: Any) -> dict[str, Any]:
        response = self.client.post(path, data=form)
        assert response.status_code == 201, response.text
        return dict(response.json())

    @property
    def path(self) -> str:
        return f"{self.root}/{self.key.title()}"

    def add(self) -> str:
        raise NotImplementedError

    def remove(self, sid: str) -> None:
        response = self.client.delete(f"{self.path}/{sid}")
        assert response.status_code == 204, response.text

    def close(self) -> None:
        self.client.delete(f"/v2/Services/{self.service}")


class Services(Collection):
    key, lists = "services", "ListService"

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(client)
        self.root = "/v2"
        self.made: list[str] = []

    def add(self) -> str:
        self.made.append(str(self.create(self.path, FriendlyName=unique())["sid"]))
        return self.made[-1]

    def close(self) -> None:
        super().close()
        for sid in self.made:
            self.client.delete(f"{self.path}/{sid}")


class Credentials(Services):
    key, lists = "credentials", "ListCredential"

    def add(self) -> str:
        self.made.append(str(self.create(self.path, Type="gcm", ApiKey="key")["sid"]))
        return self.made[-1]


class Roles(Collection):
    key, lists = "roles", "ListRole"

    def add(self) -> str:
        return str(self.create(self.path, FriendlyName="r", Type="channel", Permission="sendMessage")["sid"])


class Users(Collection):
    key, lists = "users", "ListUser"

    def add(self) -> str:
        return str(self.create(self.path, Identity=unique())["sid"])


class Channels(Collection):
    key, lists = "channels", "ListChannel"

    def add(self) -> str:
        return str(self.create(self.path)["sid"])


class UserChannels(Collection):
    key, lists, sid = "channels", "ListUserChannel", "channel_sid"

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(client)
        self.channels = self.path
        self.create(f"{self.root}/Users", Identity="alice")
        self.root = f"{self.root}/Users/alice"

    def add(self) -> str:
        channel = str(self.create(self.channels)["sid"])
        self.create(f"{self.channels}/{channel}/Members", Identity="alice")
        return channel


class InChannel(Collection):
    def __init__(self, client: httpx.Client) -> None:
        super().__init__(client)
        self.users = f"{self.root}/Users"
        self.root = f"{self.root}/Channels/{self.create(f'{self.root}/Channels')['sid']}"


class Members(InChannel):
    key, lists = "members", "ListMember"

    def add(self) -> str:
        return str(self.create(self.path, Identity=unique())["sid"])


class Invites(InChannel):
    key, lists = "invites", "ListInvite"

    def add(self) -> str:
        identity = unique()
        self.create(self.users, Identity=identity)
        return str(self.create(self.path, Identity=identity)["sid"])


class Messages(InChannel):
    key, lists = "messages", "ListMessage"

    def add(self) -> str:
        return str(self.create(self.path, Body="x")["sid"])


class NewestMessages(Messages):
    def __init__(self, client: httpx.Client) -> None:
        super().__init__(client)
        self.query = {"Order": "desc"}


KINDS = [
    *(Services, Credentials, Roles, Users, Channels, UserChannels),
    *(Members, Invites, Messages, NewestMessages),
]


def walk(rows: Collection, size: int, between: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Every page from the first to the last, with something happening between one and the next."""
    response = rows.client.get(rows.path, params={**rows.query, "PageSize": size})
    met: set[str] = set()
    while True:
        assert response.status_code == 200, response.text
        page = response.json()
        yield page
        following = page["meta"]["next_page_url"]
        if following is None:
            return
        # Told at once: a walk that goes in circles has no end at which to tell it.
        here = {row[rows.sid] for row in page[rows.key]}
        assert here, "a page is empty and not the last"
        assert not here & met, "a row was met twice"
        met |= here
        between()
        response = rows.client.get(following)


def all_sids(rows: Collection) -> list[str]:
    pages = walk(rows, 1000, lambda: None)
    return [row[rows.sid] for page in pages for row in page[rows.key]]


changes = st.lists(st.none() | st.integers(0, 30), max_size=3)


@pytest.mark.parametrize("kind", KINDS)
def test_walk_meets_what_stays_exactly_once(client: httpx.Client, kind: type[Collection]) -> None:
    """Rows are added and removed between the pages: what was there throughout is met once, nothing twice."""
    reached = Reached(client)

    @bounded(10)
    @given(initial=st.integers(0, 9), size=st.integers(1, 4), turns=st.lists(changes, max_size=5))
    def property_holds(initial: int, size: int, turns: list[list[int | None]]) -> None:
        rows = kind(client)
        present = [rows.add() for _ in range(initial)]
        throughout = set(present)
        every = set(all_sids(rows))
        assert every >= throughout
        script = iter(turns)

        def change() -> None:
            for choice in next(script, []):
                if choice is None:
                    present.append(rows.add())
                elif present:
                    victim = present.pop(choice % len(present))
                    rows.remove(victim)
                    throughout.discard(victim)
            every.update(present)

        met = [row for page in walk(rows, size, change) for row in page[rows.key]]
        sids = [row[rows.sid] for row in met]
        rows.close()

        assert len(sids) == len(set(sids)), "a row was met twice"
        assert throughout <= set(sids), "a row was skipped"
        if isinstance(rows, Messages):
            indexes = [row["index"] for row in met]
            assert indexes == sorted(indexes, reverse=bool(rows.query))

    property_holds()

    assert kind.lists in PROVED
    assert kind.lists in reached.operations


@bounded(6)
@given(initial=st.integers(3, 12), size=st.integers(1, 4))
def test_pages_lead_back_the_way_they_came(client: httpx.Client, initial: int, size: int) -> None:
    """Of an unchanged list, `previous_page_url` is the URL of the page before and shows the same rows."""
    rows = Messages(client)
    for _ in range(initial):
        rows.add()

    pages = list(walk(rows, size, lambda: None))
    for before, after in pairwise(pages):
        assert after["meta"]["previous_page_url"] == before["meta"]["url"]
        assert client.get(after["meta"]["previous_page_url"]).json() == before
    rows.close()


@pytest.mark.parametrize("kind", [Channels, Messages, NewestMessages])
def test_walk_beside_a_busy_writer(server: Server, client: httpx.Client, kind: type[Collection]) -> None:
    """Walks over a list that another connection changes all the time still meet each lasting row once."""
    rows = kind(client)
    lasting = {rows.add() for _ in range(24)}
    done = threading.Event()
    faults: list[BaseException] = []

    def write() -> None:
        with server.client() as other:
            try:
                while not done.is_set():
                    sid = other.post(rows.path, data={}).json()["sid"]
                    assert other.delete(f"{rows.path}/{sid}").status_code == 204
            except BaseException as fault:  # noqa: BLE001 - told to the test below
                faults.append(fault)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        walks = [[row["sid"] for page in walk(rows, 5, lambda: None) for row in page[rows.key]] for _ in range(5)]
    finally:
        done.set()
        writer.join()
    rows.close()

    assert not faults
    for sids in walks:
        assert len(sids) == len(set(sids))
        assert lasting <= set(sids)
