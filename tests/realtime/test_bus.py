"""What travels between nodes, where to, and what the settings say of it."""

import sys
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hubbub.app import open_bus
from hubbub.bus import codec
from hubbub.bus.codec import encode_event, pack, pack_typing, unpack
from hubbub.bus.topics import key_of_user, of_user, topics
from hubbub.chat import Caller, Emitted, Typing
from hubbub.cli import shown
from hubbub.events import (
    CHANNEL_ADDED,
    CHANNEL_DESTROYED,
    EVENTS,
    INVITE_ADDED,
    INVITE_REMOVED,
    MEMBER_ADDED,
    MESSAGE_SENT,
    USER_ADDED,
    USER_CHANNEL_UPDATED,
    USER_UPDATED,
    Event,
)
from hubbub.resources.channels.model import Channel, Place
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import Member
from hubbub.resources.messages.model import Message
from hubbub.resources.users.model import User
from hubbub.settings import BadSettings, Settings, load

ALICE = Caller(1, "AC", "alice", "IS")
PLACE = Place(3, 2, "CH3", "AC", "IS")
CHANNEL = Channel(3, 2, "CH3", None, "é", "{}", "private", "alice", 1, 2, "IM", 5, 6, 7, 8, 9, "AC", "IS")
MESSAGE = Message(3, 9, "IM", "alice", "漢😀", "{}", None, 0, None, 5, 6, 8)
MEMBER = Member(3, "MB", 4, "CH3", "alice", "RL", "{}", None, None, "default", 5, 6, 7, 8, None, 2)
INVITE = Invite(3, "IN", 4, "CH3", "alice", "RL", "bob", 5, 6, 7)
USER = User(4, 2, "US4", "alice", "RL", None, "{}", 1, None, 3, 5, 6, 7, 8, "AC", "IS", 1)


def event(kind: Event, record: Any, channel: Any = None) -> Emitted:
    return Emitted(kind, record, ALICE, webhook_enabled=True, channel=channel)


SAMPLES = [
    event(MESSAGE_SENT, MESSAGE, PLACE),
    event(MEMBER_ADDED, MEMBER, CHANNEL),
    event(CHANNEL_DESTROYED, CHANNEL, CHANNEL),
    event(INVITE_ADDED, INVITE, CHANNEL),
    event(USER_UPDATED, USER),
]


def sent(*events: Emitted) -> list[bytes]:
    encoded = [encode_event(each) for each in events]
    return list(pack([each for each in encoded if each is not None]))


def told(emitted: Emitted) -> Any:
    """What listeners look at."""
    place = emitted.channel
    where = None if place is None else (place.sid, getattr(place, "type", None))
    return emitted.event, emitted.record, where


def test_events_arrive_as_they_were_sent() -> None:
    """With their records, in their order; who asked and for what webhooks stays behind."""
    [parcel] = sent(*SAMPLES)

    received, typing = unpack(parcel)

    assert [told(each) for each in received] == [told(each) for each in SAMPLES]
    assert {(each.caller.identity, each.webhook_enabled) for each in received} == {(None, False)}
    assert typing is None


def test_every_event_of_an_object_can_travel() -> None:
    """There is a kind for each record that an app is told of."""
    assert set(codec.NAMES) == {Channel, Member, Message, Invite, User}
    assert encode_event(event(EVENTS[0], object())) is None


def test_typing_travels_by_itself() -> None:
    typing = Typing("CH3", "alice", 6)

    assert unpack(pack_typing(typing)) == ([], typing)


def test_many_events_make_several_parcels() -> None:
    """NATS takes messages up to a size; one event always fits into it."""
    long = replace(MESSAGE, body="x" * 32_000)
    events = [event(MESSAGE_SENT, replace(long, index=index), PLACE) for index in range(20)]

    parcels = sent(*events)

    assert len(parcels) == 3
    assert max(map(len, parcels)) < codec.LARGEST + 100
    received = [each for parcel in parcels for each in unpack(parcel)[0]]
    assert [each.record.index for each in received] == list(range(20))


def changed(parcel: bytes, *path: int, to: Any) -> bytes:
    """The parcel with another value at one place."""
    content = msgspec.msgpack.decode(parcel)
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return msgspec.msgpack.encode(content)


@pytest.mark.parametrize(
    ("path", "to"),
    [((1, 0, 0), "message_exploded"), ((1, 0, 1), "bot"), ((1, 0, 2), {"sid": "IM"}), ((1, 0), "nonsense")],
)
def test_what_another_version_sends_is_left_out(path: tuple[int, ...], to: Any) -> None:
    """An event or a kind that is not known, or a record that lacks a field; the others beside it are read."""
    [parcel] = sent(*SAMPLES[:2])

    received, _ = unpack(changed(parcel, *path, to=to))

    assert [told(each) for each in received] == [told(SAMPLES[1])]


def test_new_field_of_a_record_does_no_harm() -> None:
    """It comes from a newer node, and this one knows nothing of it."""
    [parcel] = sent(SAMPLES[0])
    record = msgspec.msgpack.decode(parcel)[1][0][2]

    received, _ = unpack(changed(parcel, 1, 0, 2, to=record | {"colour": "red"}))

    assert [told(each) for each in received] == [told(SAMPLES[0])]


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"text", b"\x93", msgspec.msgpack.encode({"version": 1}), b"\x91" * 9999]
)
def test_what_was_never_a_parcel_is_left_out(payload: bytes) -> None:
    assert unpack(payload) == ([], None)


def test_another_format_is_left_out() -> None:
    [parcel] = sent(SAMPLES[0])

    assert unpack(changed(parcel, 0, to=codec.VERSION + 1)) == ([], None)


@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        (event(MESSAGE_SENT, MESSAGE, PLACE), ["CH3"]),
        (event(MEMBER_ADDED, MEMBER, CHANNEL), ["US4", "CH3"]),
        (event(USER_CHANNEL_UPDATED, MEMBER, CHANNEL), ["US4"]),
        (event(CHANNEL_DESTROYED, CHANNEL, CHANNEL), ["CH3"]),
        (event(CHANNEL_ADDED, CHANNEL, CHANNEL), []),
        (event(INVITE_ADDED, INVITE, CHANNEL), ["US4"]),
        (event(INVITE_REMOVED, INVITE, CHANNEL), ["US4", "CH3"]),
        (event(USER_UPDATED, USER), ["US4"]),
        (event(USER_ADDED, USER), []),
    ],
    ids=lambda value: value.event.name if isinstance(value, Emitted) else "",
)
def test_topics_of_an_event(emitted: Emitted, expected: list[str]) -> None:
    """The channel whose objects change, and the user whose list or info does."""
    assert list(topics(emitted)) == expected


def test_topic_of_a_user_is_read_back() -> None:
    assert key_of_user(of_user(4711)) == 4711
    assert key_of_user("CH" + "1" * 32) is None


# Settings

POSTGRES = {"HUBBUB_DATABASE": "postgresql://localhost/chat"}


@pytest.mark.parametrize(
    ("bus", "servers"),
    [
        ("memory", ()),
        ("nats://one", ("nats://one",)),
        ("nats://me:s%2Fecret@one:4222, two:4223", ("nats://me:s%2Fecret@one:4222", "nats://me:s%2Fecret@two:4223")),
        ("tls://token@[::1]:4222", ("tls://token@[::1]:4222",)),
    ],
)
def test_servers_of_the_bus(bus: str, servers: tuple[str, ...]) -> None:
    assert load({}, POSTGRES | {"HUBBUB_BUS": bus}).nats_servers == servers


@pytest.mark.parametrize(
    "bus",
    ["", "nats", "nats://", "http://one", "nats://one:port", "nats://one:99999", "nats://one,", "nats://one/path"],
)
def test_bus_that_will_not_do_stops_the_start(bus: str) -> None:
    """With a sentence that says what to write, and does not repeat what may be a password."""
    with pytest.raises(BadSettings, match=r"HUBBUB_BUS will not do: write memory, nats://host:4222") as raised:
        load({}, POSTGRES | {"HUBBUB_BUS": bus})
    assert not bus or repr(bus) not in str(raised.value)


def test_nats_is_not_for_one_sqlite_file() -> None:
    """No second node could open it."""
    with pytest.raises(BadSettings, match=r"HUBBUB_BUS names NATS.* SQLite file: set HUBBUB_DATABASE"):
        load({}, {"HUBBUB_BUS": "nats://one"})


async def test_client_that_is_not_installed_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "hubbub.bus.nats", None)
    database: Any = None

    with pytest.raises(BadSettings, match=r"pip install 'hubbub\[nats\]'"):
        await open_bus(Settings(bus="nats://one"), database)


@pytest.mark.parametrize(
    ("bus", "told"),
    [
        ("nats://one:4222,two", "nats://one:4222,two"),
        ("nats://me:secret@one,two", "nats://***@one,two"),
        ("tls://token@one", "tls://***@one"),
    ],
)
def test_credentials_of_the_bus_are_not_shown(bus: str, told: str) -> None:
    """`hubbub settings` prints what is in force without its secrets."""
    assert shown(Settings(bus=bus), "bus") == told
