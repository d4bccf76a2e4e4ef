"""Requests at the same moment: indexes are distinct and consecutive, names are taken once, limits hold."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import Server, unique
from tests.properties.drawing import Reached, bounded

PROVED = frozenset({"CreateMessage", "ListMessage", "CreateChannel", "CreateUser", "CreateMember"})
WRITERS = 6


class Crowd:
    """Several connections that send their requests at the same moment."""

    def __init__(self, server: Server) -> None:
        self.clients = [server.client() for _ in range(WRITERS)]
        self.pool = ThreadPoolExecutor(WRITERS)
        self.reached = Reached(*self.clients)

    def post(self, path: str, forms: list[dict[str, Any]]) -> list[httpx.Response]:
        """Send the forms over all the connections, each taking the next; answers in the forms' order."""
        lanes = [forms[number::WRITERS] for number in range(WRITERS)]

        def send(number: int) -> list[httpx.Response]:
            return [self.clients[number].post(path, data=form) for form in lanes[number]]

        answers = list(self.pool.map(send, range(WRITERS)))
        return [answers[place % WRITERS][place // WRITERS] for place in range(len(forms))]

    def close(self) -> None:
        self.pool.shutdown()
        for client in self.clients:
            client.close()


@pytest.fixture
def crowd(server: Server) -> Iterator[Crowd]:
    gathered = Crowd(server)
    yield gathered
    gathered.close()


def new_channel(client: httpx.Client, service: dict[str, Any]) -> str:
    path = f"/v2/Services/{service['sid']}/Channels"
    return f"{path}/{client.post(path).json()['sid']}"


def test_sends_get_consecutive_indexes(crowd: Crowd, client: httpx.Client, service: dict[str, Any]) -> None:
    """However many send at once, their messages are numbered 0 to n-1 and each keeps its own body."""

    @bounded(6)
    @given(count=st.integers(1, 40))
    def property_holds(count: int) -> None:
        channel = new_channel(client, service)
        answers = crowd.post(f"{channel}/Messages", [{"Body": str(number)} for number in range(count)])

        assert [answer.status_code for answer in answers] == [201] * count
        sent = {answer.json()["index"]: answer.json()["body"] for answer in answers}
        assert sorted(sent) == list(range(count))
        stored = crowd.clients[0].get(f"{channel}/Messages", params={"PageSize": 100}).json()["messages"]
        assert {each["index"]: each["body"] for each in stored} == sent
        assert client.get(channel).json()["messages_count"] == count

    property_holds()

    assert crowd.reached.operations >= {"CreateMessage", "ListMessage"}


def test_each_name_is_taken_once(crowd: Crowd, client: httpx.Client, service: dict[str, Any]) -> None:
    """Of several that ask for one name at once, one gets it and the others hear that it is taken."""
    root = f"/v2/Services/{service['sid']}"

    @bounded(5)
    @given(count=st.integers(2, WRITERS))
    def property_holds(count: int) -> None:
        name, channel = unique("ñ/"), new_channel(client, service)
        asked = {
            50307: crowd.post(f"{root}/Channels", [{"UniqueName": name}] * count),
            50201: crowd.post(f"{root}/Users", [{"Identity": name}] * count),
            50404: crowd.post(f"{channel}/Members", [{"Identity": name}] * count),
        }
        # Those who are no users yet: the membership makes the user, once.
        crowd.post(f"{channel}/Members", [{"Identity": f"{name}2"}] * count)

        for code, answers in asked.items():
            outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
            assert outcomes == {(201, None): 1, (409, code): count - 1}
        assert client.get(channel).json()["members_count"] == 2

    property_holds()

    assert crowd.reached.operations >= {"CreateChannel", "CreateUser", "CreateMember"}


def test_member_limit_holds(crowd: Crowd, client: httpx.Client, service: dict[str, Any]) -> None:
    """A crowd that joins at once fills a channel to its limit and not beyond."""
    client.post(f"/v2/Services/{service['sid']}", data={"Limits.ChannelMembers": "4"})

    @bounded(4)
    @given(count=st.integers(2, 10))
    def property_holds(count: int) -> None:
        channel = new_channel(client, service)
        answers = crowd.post(f"{channel}/Members", [{"Identity": f"user{n}"} for n in range(count)])

        outcomes = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
        assert outcomes == Counter({(201, None): min(count, 4), (403, 50403): max(count - 4, 0)})
        assert client.get(channel).json()["members_count"] == min(count, 4)
        assert len(client.get(f"{channel}/Members").json()["members"]) == min(count, 4)

    property_holds()
