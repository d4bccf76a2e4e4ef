"""What the chat emits with each change, in process: the events that webhooks, pushes and apps will hear of."""

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubbub import events
from hubbub.app import build_app, open_chat
from hubbub.chat import Chat, Emitted
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import Member
from hubbub.serve import first_account
from hubbub.settings import load
from tests.api.steps import Json
from tests.harness import ACCOUNT_SID, AUTH_TOKEN

ASKED = {"X-Twilio-Webhook-Enabled": "true"}

# Method, path below the service, form; what it emits, in order.
CHANGES: list[tuple[str, str, dict[str, str], list[events.Event]]] = [
    ("POST", "/Users", {"Identity": "alice"}, [events.USER_ADDED]),
    ("POST", "/Users/alice", {"FriendlyName": "Al"}, [events.USER_UPDATED]),
    ("POST", "/Channels", {"UniqueName": "room"}, [events.CHANNEL_ADDED]),
    ("POST", "/Channels/room", {"FriendlyName": "Room"}, [events.CHANNEL_UPDATED]),
    ("POST", "/Channels/room/Invites", {"Identity": "alice"}, [events.INVITE_ADDED]),
    ("POST", "/Channels/room/Members", {"Identity": "alice"}, [events.MEMBER_ADDED]),
    ("POST", "/Channels/room/Members", {"Identity": "bob"}, [events.USER_ADDED, events.MEMBER_ADDED]),
    ("POST", "/Channels/room/Members/bob", {"Attributes": "[1]"}, [events.MEMBER_UPDATED]),
    ("POST", "/Channels/room/Messages", {"Body": "hello"}, [events.MESSAGE_SENT]),
    ("POST", "/Channels/room/Messages/{message}", {"Body": "hi"}, [events.MESSAGE_UPDATED]),
    ("POST", "/Channels/room/Messages", {"MediaSid": "{media}"}, [events.MEDIA_MESSAGE_SENT]),
    ("POST", "/Users/bob/Channels/room", {"NotificationLevel": "muted"}, [events.USER_CHANNEL_UPDATED]),
    ("POST", "/Users/bob/Channels/room", {"LastConsumedMessageIndex": "0"}, [events.MEMBER_UPDATED]),
    ("DELETE", "/Channels/room/Messages/{message}", {}, [events.MESSAGE_REMOVED]),
    ("DELETE", "/Users/bob/Channels/room", {}, [events.MEMBER_REMOVED]),
    ("POST", "/Channels/room/Invites", {"Identity": "bob"}, [events.INVITE_ADDED]),
    ("DELETE", "/Channels/room/Invites/bob", {}, [events.INVITE_REMOVED]),
    ("DELETE", "/Users/alice", {}, [events.MEMBER_REMOVED, events.USER_REMOVED]),
    ("POST", "/Channels/room/Members", {"Identity": "carol"}, [events.USER_ADDED, events.MEMBER_ADDED]),
    ("POST", "/Channels/room/Invites", {"Identity": "bob"}, [events.INVITE_ADDED]),
    (
        "DELETE",
        "/Channels/room",
        {},
        [events.USER_CHANNEL_REMOVED, events.INVITE_REMOVED, events.CHANNEL_DESTROYED],
    ),
]

# The contract has no header for these: a user channel's update and an invite ask for no webhook, and neither
# does a member that leaves because its user is deleted.
NEVER_ASKED = {
    events.INVITE_ADDED,
    events.INVITE_REMOVED,
    events.USER_CHANNEL_UPDATED,
    events.USER_CHANNEL_REMOVED,
    events.USER_REMOVED,
}
# A client's registration for push makes it, and no operation.
BY_CLIENTS = {events.USER_REACHED}


class Life:
    """A service whose every emitted event is kept."""

    def __init__(self, client: httpx.AsyncClient, chat: Chat) -> None:
        self.client = client
        self.emitted: list[Emitted] = []
        self.known: dict[str, str] = {}
        chat.bus.listen(self.emitted.extend)

    async def begin(self) -> None:
        created = await self.client.post("/v2/Services", data={"FriendlyName": "life"})
        self.service: str = created.json()["sid"]
        uploaded = await self.client.post(f"/v1/Services/{self.service}/Media", content=b"x")
        self.known["media"] = uploaded.json()["sid"]

    async def change(self, method: str, path: str, form: dict[str, str], headers: dict[str, str]) -> list[Emitted]:
        """Make the change; what it emitted."""
        self.emitted.clear()
        data = {name: value.format(**self.known) for name, value in form.items()}
        url = f"/v2/Services/{self.service}{path.format(**self.known)}"
        answer = await self.client.request(method, url, data=data or None, headers=headers)
        assert answer.is_success, answer.text
        body: Json = answer.json() if answer.content else {}
        if body.get("sid", "").startswith("IM"):
            self.known.setdefault("message", body["sid"])
        return list(self.emitted)


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[Life]:
    """The application in this process, on a database of its own, asked over ASGI."""
    environment = {"HUBBUB_DATA_DIR": str(tmp_path), "HUBBUB_ACCOUNT_SID": ACCOUNT_SID, "HUBBUB_AUTH_TOKEN": AUTH_TOKEN}
    credentials = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    async with contextlib.AsyncExitStack() as stack:
        chat = await stack.enter_async_context(open_chat(load({}, environment)))
        await first_account(chat)
        transport: Any = httpx.ASGITransport(build_app(chat))
        headers = {"Authorization": f"Basic {credentials}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://chat.test", headers=headers)
        began = Life(await stack.enter_async_context(client), chat)
        await began.begin()
        yield began


@pytest.mark.parametrize("headers", [{}, ASKED], ids=["not asked", "asked"])
async def test_each_change_emits_its_events(life: Life, headers: dict[str, str]) -> None:
    """Each with whether the caller asked for webhooks, and after the commit only."""
    for method, path, form, expected in CHANGES:
        emitted = await life.change(method, path, form, headers)

        assert [each.event for each in emitted] == expected, (method, path)
        by_user_deletion = path == "/Users/alice" and method == "DELETE"
        horizon = "LastConsumedMessageIndex" in form
        for each in emitted:
            asked = headers == ASKED and not by_user_deletion and not horizon and each.event not in NEVER_ASKED
            assert each.webhook_enabled is asked, (method, path)
            assert each.caller.identity is None


async def test_events_carry_the_record_with_its_revision(life: Life) -> None:
    """The revisions of a channel follow each other without a gap in its events, and those of a user in the user's."""
    by_channel: list[int] = []
    by_user: list[int] = []
    for method, path, form, _ in CHANGES:
        for each in await life.change(method, path, form, {}):
            if each.event.hears is events.Hears.CHANNEL:
                by_channel.append(each.record.revision)
            if getattr(each.record, "identity", None) == "alice":
                seen_by_user = isinstance(each.record, Invite | Member)
                by_user.append(each.record.user_revision if seen_by_user else each.record.revision)

    assert by_channel == list(range(len(by_channel)))
    assert by_user == list(range(6))  # added, updated, invited, joined, left because it was deleted, removed


async def test_refused_change_emits_nothing(life: Life) -> None:
    """What was rolled back did not happen."""
    await life.change("POST", "/Channels", {"UniqueName": "room"}, {})
    life.emitted.clear()

    refused = await life.client.post(f"/v2/Services/{life.service}/Channels", data={"UniqueName": "room"})

    assert refused.status_code == 409
    assert life.emitted == []


def test_every_event_is_emitted_by_some_change() -> None:
    """The table has no row that nothing emits."""
    assert {event for *_, expected in CHANGES for event in expected} | BY_CLIENTS == set(events.EVENTS)
