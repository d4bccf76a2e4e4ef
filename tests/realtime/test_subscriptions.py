"""Subscriptions: what a client is told of what it missed, and that nothing comes twice, too early or not at all."""

import asyncio
from typing import Any

import msgspec
import pytest

from hubbub.errors import ERRORS
from hubbub.realtime import hub as hubs
from hubbub.realtime.sync import subscriptions
from hubbub.resources.channels.model import Channel
from hubbub.sids import new_sid
from tests.realtime.mirror import Mirror
from tests.realtime.recorder import App, World, wanted


@pytest.fixture
async def general(there: World) -> Channel:
    """A channel with alice and bob in it."""
    channel = await there.create_channel(unique_name="general")
    for identity in ("alice", "bob"):
        await there.add(channel, identity)
    return channel


@pytest.fixture
async def alice(there: World) -> App:
    return await there.connect("alice")


def types(told: list[dict[str, Any]]) -> list[str]:
    return [notification["event_type"] for notification in told]


async def test_every_kind_of_object_is_established(there: World, general: Channel, alice: App) -> None:
    """In the order asked for, each with its last event id and the correlation id as it was sent."""
    bob = await there.user("bob")
    names = [f"{general.sid}.{part}" for part in ("channel", "messages", "roster")]
    names += [f"{alice.user.sid}.myChannels", f"{alice.user.sid}.info", f"{bob.sid}.info"]
    requests = [wanted((await alice.root(name))["sid"], None) for name in names]

    status, answer = await alice.post("establish", *requests, correlation_id=1795425384498)

    assert (status, answer["max_batch_size"]) == (200, 100)
    assert answer["estimated_delivery_in_ms"] > 0
    told = alice.take()
    assert types(told) == ["subscription_established"] * 6
    assert {each["correlation_id"] for each in told} == {1795425384498}
    assert {each["message_type"] for each in told} == {"twilio.sync.event"}
    assert [each["event"]["object_sid"] for each in told] == [request["object_sid"] for request in requests]
    assert [each["event"]["last_event_id"] for each in told] == [2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("number", [b"1795425384498", b"1.5", b"1e3", b"-0"])
async def test_correlation_id_is_echoed_as_it_was_written(general: Channel, alice: App, number: bytes) -> None:
    """The SDKs compare it exactly."""
    frames: list[bytes] = []
    alice.connection.write_frame = frames.append
    request = wanted(f"ET{general.sid[2:]}", 0)
    body = b'{"action":"cancel","correlation_id":%s,"requests":[%s]}' % (number, msgspec.json.encode(request))

    await alice.ask("POST", "/v4/Subscriptions", body)
    await alice.world.settle()

    assert b'"correlation_id":%s,' % number in b"".join(frames)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"action":"establish","correlation_id":"7","requests":[]}',
        b'{"action":"establish","correlation_id":{},"requests":[]}',
        b'{"action":"explode","correlation_id":7,"requests":[]}',
        b'{"action":"establish","correlation_id":7,"requests":[{"object_sid":1,"object_type":"map"}]}',
        msgspec.json.encode(
            {"action": "establish", "correlation_id": 7, "requests": [wanted("ET" + "0" * 32, 0)] * 101}
        ),
    ],
)
async def test_body_that_cannot_be_read_is_refused(alice: App, body: bytes) -> None:
    """With a 400, and nothing is subscribed."""
    status, _ = await alice.ask("POST", "/v4/Subscriptions", body)

    assert status == 400
    assert not alice.connection.subscriptions


async def test_replay_tells_what_was_missed(there: World, general: Channel, alice: App) -> None:
    """Items that came, changed and went since, in order; what came and went again is not told."""
    old = [await there.send(general, str(number)) for number in range(3)]
    mirror = await Mirror.of(alice, f"{general.sid}.messages")
    await there.edit(general, old[1], body="one, edited")
    await there.delete(general, old[2])
    new = await there.send(general, "three")
    gone = await there.send(general, "four")
    await there.edit(general, new, body="three, edited")
    await there.delete(general, gone)

    told = await alice.subscribe(f"{general.sid}.messages", since=mirror.last_event_id)

    assert types(told) == [
        "list_item_updated",
        "list_item_removed",
        "list_item_added",
        "list_item_updated",
        "subscription_established",
    ]
    assert all(each["strictly_ordered"] for each in told[:-1])
    assert {each["message_type"] for each in told} == {"twilio.sync.event"}
    mirror.hear(told)
    assert mirror.state == (await Mirror.of(alice, mirror.name)).state
    assert mirror.last_event_id == told[-1]["event"]["last_event_id"] == 11


async def test_no_last_event_replays_nothing(there: World, general: Channel, alice: App) -> None:
    """The SDKs send null for what they have from the browser's cache, and would take a replay for news."""
    await there.send(general)

    told = await alice.subscribe(f"{general.sid}.messages", since=None)

    assert types(told) == ["subscription_established"]
    assert told[0]["event"]["last_event_id"] == 3


async def test_roster_and_own_channels_are_replayed(there: World, general: Channel, alice: App) -> None:
    """Who came, changed and left; an accepted invite is one item that changed."""
    await there.invite(await there.create_channel(unique_name="other"), "alice")
    roster = await Mirror.of(alice, f"{general.sid}.roster")
    mine = await Mirror.of(alice, f"{alice.user.sid}.myChannels")
    info = await Mirror.of(alice, f"{alice.user.sid}.info")
    await there.update_member(general, "alice", attributes='{"x":1}')
    await there.remove(general, "bob")
    await there.add(general, "bob")
    await there.add(general, "carol")
    await there.add(await there.fetch_named("other"), "alice")
    await there.remove(general, "alice")
    await there.add(general, "alice")
    await there.update_user("alice", friendly_name="Al")

    told = await alice.subscribe(roster.name, since=roster.last_event_id)
    roster.hear(told)
    told = await alice.subscribe(mine.name, since=mine.last_event_id)
    mine.hear(told)
    info.hear(await alice.subscribe(info.name, since=info.last_event_id))

    for mirror in (roster, mine, info):
        assert mirror.state == (await Mirror.of(alice, mirror.name)).state
    assert mine.events == ["map_item_updated", "map_item_removed", "map_item_added"]


async def test_long_replay_comes_in_parts(
    there: World, general: Channel, alice: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told that there is more, and asks for it from where it is."""
    monkeypatch.setattr(subscriptions, "MOST_REPLAYED_BYTES", 2000)
    mirror = await Mirror.of(alice, f"{general.sid}.messages")
    for number in range(20):
        await there.send(general, f"{number:100}")

    parts = 0
    told: list[dict[str, Any]] = []
    while not told or told[-1]["event"].get("replay_status") == "interrupted":
        told = await alice.subscribe(mirror.name, since=mirror.last_event_id)
        mirror.hear(told)
        parts += 1

    assert parts > 3
    assert mirror.state == (await Mirror.of(alice, mirror.name)).state


async def test_client_far_behind_catches_up(there: World, general: Channel, alice: App) -> None:
    """Across more than one look at the tables, with edits of what it has and has not."""
    first = await there.send(general, "first")
    mirror = await Mirror.of(alice, f"{general.sid}.messages")
    sent = [await there.send(general, str(number)) for number in range(700)]
    await there.edit(general, first, body="first, edited")
    await there.edit(general, sent[5], body="five, edited")
    await there.delete(general, sent[650])

    told: list[dict[str, Any]] = []
    while not told or told[-1]["event"].get("replay_status") == "interrupted":
        told = await alice.subscribe(mirror.name, since=mirror.last_event_id)
        mirror.hear(told)

    assert mirror.events.count("list_item_added") == 699
    assert mirror.state == (await Mirror.of(alice, mirror.name)).state


async def test_what_happens_meanwhile_comes_once_and_afterwards(there: World, general: Channel, alice: App) -> None:
    """However sending and subscribing fall together, each message is heard once and in order."""
    for delay in range(12):
        app = await there.connect("alice")
        mirror = await Mirror.of(app, f"{general.sid}.messages")

        async def send_some(ticks: int) -> None:
            for _ in range(ticks):
                await asyncio.sleep(0)
            for number in range(8):
                await there.send(general, str(number))

        sending = asyncio.create_task(send_some(delay))
        request = wanted(mirror.sid, mirror.last_event_id)
        await asyncio.gather(app.post("establish", request), sending)
        await there.settle()

        mirror.hear(app.take())
        assert mirror.events == ["list_item_added"] * 8
        assert mirror.state == (await Mirror.of(app, mirror.name)).state
        app.end()


async def test_what_cannot_be_read_fails_by_itself(there: World, general: Channel, alice: App) -> None:
    """With the 404 of its type; the others of the request are established."""
    private = await there.create_channel(type="private")
    await alice.post(
        "establish",
        wanted(f"ET{private.sid[2:]}", 0),
        wanted(f"ES{general.sid[2:]}", None),
        wanted(new_sid("MP"), 0),
        {"object_sid": "x", "object_type": "stream", "last_event_id": 0},
    )

    told = alice.take()

    assert types(told) == [
        "subscription_failed",
        "subscription_established",
        "subscription_failed",
        "subscription_failed",
    ]
    assert [each["event"].get("error", {}).get("code") for each in told] == [54100, None, 54200, 20404]
    assert told[0]["event"]["error"]["status"] == 404
    assert len(alice.connection.subscriptions) == 1


async def test_cancelled_subscription_hears_no_more(there: World, general: Channel, alice: App) -> None:
    """Each is answered, also what was never subscribed."""
    await alice.subscribe(f"{general.sid}.messages")

    await alice.post("cancel", wanted(f"ES{general.sid[2:]}", None), wanted(f"ET{general.sid[2:]}", None))
    told = alice.take()
    await there.send(general)
    await there.settle()

    assert types(told) == ["subscription_canceled"] * 2
    assert alice.take() == []
    assert not alice.connection.subscriptions
    assert there.hub.revisions() == {}


async def test_subscribing_again_is_no_second_subscription(there: World, general: Channel, alice: App) -> None:
    """Clients do so every hour and after every reconnect: each event comes once."""
    for _ in range(2):
        await alice.subscribe(f"{general.sid}.messages")
    await there.send(general)
    await there.settle()

    assert types(alice.take()) == ["list_item_added"]


async def test_one_connection_has_a_bounded_number(
    there: World, general: Channel, alice: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beyond fails, what is there stays."""
    monkeypatch.setattr(hubs, "MOST_SUBSCRIPTIONS", 1)
    await alice.subscribe(f"{general.sid}.messages")

    told = await alice.subscribe(f"{general.sid}.messages", f"{general.sid}.roster")

    assert types(told) == ["subscription_established", "subscription_failed"]
    assert told[1]["event"]["error"]["status"] == 429


async def test_database_that_is_away_leaves_nothing_behind(
    there: World, general: Channel, alice: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told to come again, and nothing is held for it."""
    request = wanted(f"ES{general.sid[2:]}", 0)

    async def fail(*_: Any) -> None:
        raise ERRORS.UNAVAILABLE(reason="it is away")

    monkeypatch.setattr(subscriptions, "open_objects", fail)
    status, _ = await alice.post("establish", request)

    assert status == 503
    assert not alice.connection.subscriptions
    assert there.hub.revisions() == {}
