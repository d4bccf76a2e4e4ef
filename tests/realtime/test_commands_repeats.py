"""Commands that their apps have named (X-Twilio-Mutation-Id): each happens once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from hubbub.chat import Emitted
from hubbub.errors import ERRORS
from hubbub.purge import purge
from hubbub.resources.media.actions import upload_media
from hubbub.resources.mutations import sql
from hubbub.resources.mutations.model import LIFETIME
from hubbub.storage.database import Transaction
from tests.harness import unique
from tests.realtime.client import Client, connect, tunnel
from tests.realtime.recorder import World


class Room:
    """A conversation with two people in it, and everything that is emitted."""

    def __init__(self, world: World, alice: Client, bob: Client, sid: str) -> None:
        self.world = world
        self.alice, self.bob, self.sid = alice, bob, sid
        self.path = f"/Conversations/{sid}"
        self.emitted: list[str] = []
        world.chat.bus.listen(self._hear)

    def _hear(self, batch: Sequence[Emitted]) -> None:
        self.emitted += [emitted.event.name for emitted in batch]

    async def bodies(self) -> list[str]:
        return [item["data"]["text"] for item in (await self.bob.items(f"{self.sid}.messages")).values()]


@pytest.fixture
async def room(there: World) -> Room:
    alice, bob = await connect(there, "alice"), await connect(there, "bob")
    sid = await alice.create()
    await bob.join(sid)
    return Room(there, alice, bob, sid)


async def test_repeated_send_makes_one_message(room: Room) -> None:
    first = await room.alice.send(room.sid, "once", mutation="m")
    again = await room.alice.send(room.sid, "once", mutation="m")

    assert again == first
    assert await room.bodies() == ["once"]
    assert room.emitted == ["message_sent"]


async def test_send_under_way_is_waited_for(room: Room) -> None:
    answers = await asyncio.gather(*[room.alice.send(room.sid, "once", mutation="m") for _ in range(10)])

    assert answers == answers[:1] * 10
    assert await room.bodies() == ["once"]


async def test_repeat_after_a_reconnect_and_on_another_node_is_found(room: Room) -> None:
    first = await room.alice.send(room.sid, "once", mutation="m")
    room.alice.end()
    elsewhere = await connect(room.world, "alice", tunnel(room.world))

    assert await elsewhere.send(room.sid, "once", mutation="m") == first
    assert await room.bodies() == ["once"]


async def test_two_nodes_at_the_same_time_make_one_message(room: Room) -> None:
    nodes = [await connect(room.world, "alice", tunnel(room.world)) for _ in range(6)]

    answers = await asyncio.gather(*[node.send(room.sid, "once", mutation="m") for node in nodes])

    assert answers == answers[:1] * 6
    assert await room.bodies() == ["once"]
    assert room.emitted == ["message_sent"]


@pytest.mark.parametrize("command", ["join", "invite", "create", "leave", "media"])
async def test_two_nodes_at_the_same_time_do_it_once(room: Room, command: str) -> None:
    await room.world.user("carol")
    nodes = [await connect(room.world, "alice", tunnel(room.world)) for _ in range(6)]
    name = unique("name")
    method, path, body, status = {
        "join": ("POST", f"{room.path}/Participants", {"identity": "carol"}, 201),
        "invite": ("POST", f"{room.path}/Invites", {"identity": "carol"}, 201),
        "create": ("POST", "/Conversations", {"unique_name": name}, 201),
        "leave": ("DELETE", f"{room.path}/Participants/bob", None, 204),
        "media": ("POST", f"{room.path}/Messages", {"media_sid": await upload(room.alice)}, 201),
    }[command]

    room.emitted.clear()

    answers = await asyncio.gather(*[node.command(method, path, body, mutation="m") for node in nodes])

    assert {answer[0] for answer in answers} == {status}
    assert answers == answers[:1] * 6
    assert len(room.emitted) == 1


async def upload(client: Client) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"bytes"

    world = client.world
    made = await upload_media(
        world.chat, client.connection.access.caller, world.service, chunks(), "text/plain", "a.txt"
    )
    return made.sid


async def test_name_belongs_to_one_user_and_one_command(room: Room) -> None:
    await room.alice.send(room.sid, "of alice", mutation="m")
    await room.bob.send(room.sid, "of bob", mutation="m")
    await room.alice.do("POST", room.path, {"friendly_name": "Room"}, mutation="m")

    assert await room.bodies() == ["of alice", "of bob"]
    assert room.emitted == ["message_sent", "message_sent", "channel_updated"]


async def test_commands_without_a_name_are_all_done(room: Room) -> None:
    await room.alice.send(room.sid, "twice")
    await room.alice.send(room.sid, "twice")

    assert await room.bodies() == ["twice", "twice"]


async def test_refused_command_may_be_tried_again(room: Room) -> None:
    carol = await connect(room.world, "carol")
    body = {"body": "hello"}
    status, _ = await carol.command("POST", f"{room.path}/Messages", body, mutation="m")
    assert status == 403

    await carol.join(room.sid)
    status, _ = await carol.command("POST", f"{room.path}/Messages", body, mutation="m")

    assert status == 201
    assert await room.bodies() == ["hello"]


async def test_repeated_change_is_not_made_over_a_later_one(room: Room) -> None:
    await room.alice.do("POST", room.path, {"friendly_name": "first"}, mutation="m")
    await room.alice.do("POST", room.path, {"friendly_name": "second"}, mutation="n")

    again = await room.alice.do("POST", room.path, {"friendly_name": "first"}, mutation="m")

    assert again["friendly_name"] == "second"
    assert room.emitted == ["channel_updated", "channel_updated"]


async def test_repeat_of_what_has_gone_since_has_happened_all_the_same(room: Room) -> None:
    sent = await room.alice.send(room.sid, "once", mutation="m")
    await room.bob.do("DELETE", f"{room.path}/Participants/bob", mutation="m")
    await room.world.delete_channel(await room.world.fetch_named(room.sid))

    again = await room.alice.command("POST", f"{room.path}/Messages", {"body": "once"}, mutation="m")
    left = await room.bob.command("DELETE", f"{room.path}/Participants/bob", mutation="m")

    assert again == (201, {"sid": sent["sid"]})
    assert left == (204, None)


async def test_horizon_is_repeated_with_the_present_count(room: Room) -> None:
    await room.bob.send(room.sid)
    path, body = f"/MyConversations/{room.sid}", {"last_consumed_message_index": 0}
    assert (await room.alice.do("POST", path, body, mutation="m"))["unread_messages_count"] == 0
    await room.bob.send(room.sid)

    assert (await room.alice.do("POST", path, body, mutation="m"))["unread_messages_count"] == 1


async def test_name_is_stored_with_the_change_or_not_at_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails leaves neither the message nor its name behind: the next try makes it."""
    with monkeypatch.context() as failing:
        failing.setattr(room.world.chat.outbox, "queue", fail)
        status, _ = await room.alice.command("POST", f"{room.path}/Messages", {"body": "once"}, mutation="m")
        assert status == 503
        status, _ = await room.alice.command("POST", room.path, {"friendly_name": "once"}, mutation="m")
        assert status == 503
    assert await names(room) == 0

    await room.alice.send(room.sid, "once", mutation="m")
    await room.alice.do("POST", room.path, {"friendly_name": "once"}, mutation="m")

    assert await room.bodies() == ["once"]
    assert await names(room) == 2


async def fail(tx: Transaction, emitted: Any) -> None:
    raise ERRORS.UNAVAILABLE(reason="the disk is full")


async def names(room: Room) -> int:
    rows = await room.world.chat.database.fetch_all('SELECT id FROM mutations WHERE "user" = $1', room.alice.user.key)
    return len(rows)


async def test_batch_stores_the_others_beside_a_repeat(room: Room) -> None:
    await room.alice.send(room.sid, "first", mutation="m")
    elsewhere = await connect(room.world, "alice", tunnel(room.world))

    with unread_names(room.world):
        await asyncio.gather(
            room.bob.send(room.sid, "of bob", mutation="b"),
            elsewhere.send(room.sid, "first", mutation="m"),
            room.alice.send(room.sid, "second", mutation="n"),
        )

    assert sorted(await room.bodies()) == ["first", "of bob", "second"]


@contextlib.contextmanager
def unread_names(world: World) -> Any:
    """As if every node had looked before the others had stored: the first look finds nothing."""
    looked: set[str] = set()
    find = sql.get_mutation

    async def late(reader: Any, user: int, id_: str) -> Any:
        if id_ in looked:
            return await find(reader, user, id_)
        looked.add(id_)
        return None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sql, "get_mutation", late)
        yield


async def test_old_names_are_removed(room: Room) -> None:
    await room.alice.send(room.sid, "once", mutation="m")
    await purge(room.world.chat)
    assert await names(room) == 1

    clock = room.world.chat.clock
    room.world.chat.clock = lambda: clock() + LIFETIME + 1
    await purge(room.world.chat)
    room.world.chat.clock = clock

    assert await names(room) == 0
