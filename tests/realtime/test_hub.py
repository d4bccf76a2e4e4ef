"""What those who are subscribed hear of each change, whoever made it."""

import asyncio
from collections.abc import Sequence
from copy import copy
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.chat import Emitted
from hubbub.realtime.sync import channel_topic, topics
from hubbub.resources.channels.model import Channel
from hubbub.resources.services.actions import update_service
from hubbub.resources.services.sql import service_by_key
from tests.realtime.mirror import Mirror
from tests.realtime.recorder import App, World, packets, wanted

GRACE = 0.02  # seconds: how long the tests let an event be late


@pytest.fixture
async def general(there: World) -> Channel:
    """A channel with alice and bob in it."""
    channel = await there.create_channel(unique_name="general")
    for identity in ("alice", "bob"):
        await there.add(channel, identity)
    return channel


@pytest.fixture
async def alice(there: World, general: Channel) -> App:
    return await listening(there, general, "alice")


@pytest.fixture
async def bob(there: World, general: Channel) -> App:
    return await listening(there, general, "bob")


def parts_of(app: App, channel: Channel) -> list[str]:
    names = [f"{channel.sid}.{part}" for part in ("channel", "messages", "roster")]
    return [*names, f"{app.user.sid}.myChannels"]


async def listening(there: World, channel: Channel, identity: str) -> App:
    """A member's app as it is after its start."""
    app = await there.connect(identity)
    await app.subscribe(*parts_of(app, channel))
    return app


async def heard(app: App) -> list[str]:
    """The types of the events that the app was told."""
    await app.world.settle()
    return [each["event_type"] for each in app.take()]


async def test_message_reaches_every_device(there: World, general: Channel, alice: App, bob: App) -> None:
    """The list has a new item, the document a newer last message, on each device of each member."""
    second = await listening(there, general, "alice")

    sent = await there.send(general, "hello", from_="bob")

    for app in (alice, second, bob):
        await there.settle()
        item, document = app.take()
        assert item["message_type"] == "com.twilio.rtd.cds.list"
        assert item["event_type"] == "list_item_added"
        assert item["strictly_ordered"] is False
        event = item["event"]
        assert (event["id"], event["item_index"], event["list_sid"]) == (3, 0, f"ES{general.sid[2:]}")
        assert (event["item_data"]["sid"], event["item_data"]["author"]) == (sent.sid, "bob")
        assert event["item_data"]["memberSid"] == (await there.member(general, "bob")).sid
        assert document["event_type"] == "document_updated"
        assert document["event"]["document_data"]["lastMessage"]["index"] == 0


async def test_frame_is_made_once_for_all(there: World, general: Channel, alice: App, bob: App) -> None:
    """Whoever hears of a message gets the very same bytes: the message and the document's change in one piece."""
    frames: list[list[bytes]] = [[], []]
    for app, kept in zip((alice, bob), frames, strict=True):
        app.connection.write_frame = kept.append

    await there.send(general)
    await there.settle()

    assert len(frames[0]) == 1
    assert len(packets(frames[0][0])) == 2
    assert all(one is other for one, other in zip(*frames, strict=True))


async def test_messages_of_one_batch_change_the_document_once(there: World, general: Channel, alice: App) -> None:
    """What is sent at the same moment is committed together, and the last message is the last."""
    await asyncio.gather(*[there.send(general, str(number)) for number in range(5)])
    await there.settle()

    told = alice.take()
    items = [each["event"]["item_index"] for each in told if each["event_type"] == "list_item_added"]
    documents = [each["event"] for each in told if each["event_type"] == "document_updated"]

    assert items == list(range(5))
    assert len(documents) < 5
    assert documents[-1]["document_data"]["lastMessage"]["index"] == 4
    assert documents[-1]["id"] == 7


async def test_last_message_of_a_busy_channel_is_told_from_time_to_time(
    there: World, general: Channel, alice: App, bob: App
) -> None:
    """What changes the channel itself is told at once, and nobody is told what it has read already."""
    await there.send(general)
    await there.settle()
    alice.take()

    for _ in range(3):
        await there.send(general)
    at_once = alice.take()
    await there.update_channel(general, friendly_name="New")
    renamed = alice.take()
    await there.send(general)
    told = await bob.subscribe(f"{general.sid}.channel")
    later = documents(alice)
    seen = documents(bob)

    assert [each["event_type"] for each in at_once] == ["list_item_added"] * 3
    assert [each["event_type"] for each in renamed] == ["document_updated"]
    assert renamed[0]["event"]["document_data"]["lastMessage"]["index"] == 3
    assert [each["lastMessage"]["index"] for each in later] == [4]
    assert told[-1]["event_type"] == "subscription_established"
    assert seen == []


def documents(app: App) -> list[Any]:
    return [each["event"]["document_data"] for each in app.take() if each["event_type"] == "document_updated"]


async def test_edit_and_deletion_of_messages(there: World, general: Channel, alice: App) -> None:
    """An edit is an update; a deletion takes the item, and the last message goes back to the one before."""
    first = await there.send(general, "first")
    last = await there.send(general, "last")
    await heard(alice)

    await there.edit(general, first, body="first, edited")
    assert await heard(alice) == ["list_item_updated"]

    await there.delete(general, last)
    await there.settle()
    item, document = alice.take()
    assert (item["event_type"], item["event"]["item_data"]["text"]) == ("list_item_removed", "last")
    assert document["event"]["document_data"]["lastMessage"]["index"] == 0

    await there.delete(general, first)
    await there.settle()
    assert alice.take()[1]["event"]["document_data"]["lastMessage"] is None


async def test_change_of_the_channel(there: World, general: Channel, alice: App) -> None:
    """The whole document is told anew."""
    await there.update_channel(general, friendly_name="Renamed", attributes='{"x":1}')
    await there.settle()

    [document] = alice.take()
    assert document["event_type"] == "document_updated"
    assert document["event"]["document_data"]["friendlyName"] == "Renamed"
    assert "item_data" not in document["event"]


async def test_members_come_change_and_go(there: World, general: Channel, alice: App, bob: App) -> None:
    """Others hear it of the roster, the member of its own list of channels, too."""
    carol = await there.connect("carol")
    await carol.subscribe(f"{carol.user.sid}.myChannels")

    await there.add(general, "carol")
    assert await heard(alice) == ["map_item_added"]
    assert await heard(carol) == ["map_item_added"]

    await there.update_member(general, "bob", last_consumed_message_index=3)
    assert await heard(alice) == ["map_item_updated"]
    assert await heard(bob) == ["map_item_added", "map_item_updated", "map_item_updated"]

    await there.mute(general, "bob")
    assert await heard(alice) == []
    await there.settle()
    [own] = bob.take()
    assert own["event"]["item_data"]["notificationLevel"] == "muted"

    await there.remove(general, "carol")
    assert await heard(carol) == ["map_item_removed"]
    await there.settle()
    [roster] = alice.take()
    assert roster["event_type"] == "map_item_removed"
    assert roster["event"]["item_data"]["userInfo"] == f"{carol.user.sid}.info"


async def test_invites_are_in_one_s_own_list(there: World, general: Channel, alice: App) -> None:
    """Invited: a new item; declined: it goes; accepted: the same item, updated."""
    private = await there.create_channel(type="private")

    await there.invite(private, "alice")
    await there.settle()
    [invited] = alice.take()
    assert invited["event_type"] == "map_item_added"
    assert (invited["event"]["item_key"], invited["event"]["item_data"]["status"]) == (private.sid, "invited")

    await there.uninvite(private, "alice")
    assert await heard(alice) == ["map_item_removed"]

    await there.invite(private, "alice")
    await there.add(private, "alice")
    assert await heard(alice) == ["map_item_added", "map_item_updated"]


@pytest.mark.parametrize("type_", ["public", "private"])
async def test_whoever_leaves_hears_no_more(there: World, type_: str) -> None:
    """One's own list says it first; the messages and roster end, and a private channel's document with them."""
    channel = await there.create_channel(type=type_)
    for identity in ("alice", "bob"):
        await there.add(channel, identity)
    alice, bob = [await listening(there, channel, identity) for identity in ("alice", "bob")]
    other = await listening(there, channel, "bob")

    await there.remove(channel, "bob")

    for device in (bob, other):
        await there.settle()
        [removal] = device.take()
        assert (removal["event_type"], removal["event"]["item_key"]) == ("map_item_removed", channel.sid)
    assert await heard(alice) == ["map_item_removed"]
    await there.send(channel)
    await there.update_channel(await there.fetch(channel), friendly_name="x")
    public = ["document_updated"] * 2 if type_ == "public" else []
    assert await heard(bob) == public
    assert await heard(alice) == ["list_item_added", "document_updated", "document_updated"]


async def test_whoever_declines_hears_no_more_of_a_private_channel(there: World) -> None:
    """The invite is all that opened the document."""
    channel = await there.create_channel(type="private")
    await there.invite(channel, "bob")
    bob = await there.connect("bob")
    await bob.subscribe(f"{channel.sid}.channel", f"{bob.user.sid}.myChannels")

    await there.uninvite(channel, "bob")
    await there.update_channel(channel, friendly_name="secret")

    assert await heard(bob) == ["map_item_removed"]


async def test_whoever_is_removed_while_subscribing_is_refused(there: World, general: Channel) -> None:
    """The rows were read before the removal: what they allowed is not allowed any more."""
    bob = await there.connect("bob")
    root = await bob.root(f"{general.sid}.messages")
    establishing = asyncio.create_task(
        bob.post("establish", {"object_sid": root["sid"], "object_type": "list", "last_event_id": 0})
    )
    await asyncio.sleep(0)

    await there.remove(general, "bob")
    await establishing
    bob.take()
    await there.send(general)

    assert await heard(bob) == []
    assert not bob.connection.subscriptions


async def test_whoever_comes_back_hears_again(there: World, general: Channel, bob: App) -> None:
    """A late word of the removal does not end what was subscribed after the return."""
    removals: list[Emitted] = []
    there.chat.bus.listen(lambda batch: removals.extend(each for each in batch if each.event.name == "member_removed"))
    await there.remove(general, "bob")
    await there.add(general, "bob")
    await heard(bob)
    await bob.subscribe(*parts_of(bob, general))

    there.hub.deliver(removals)
    await there.send(general)

    assert await heard(bob) == ["list_item_added", "document_updated"]


async def test_deleted_channel_is_removed_for_everybody(there: World, general: Channel, alice: App) -> None:
    """From the own list first, then document, messages and roster; an invite goes as well."""
    carol = await there.connect("carol")
    await carol.subscribe(f"{carol.user.sid}.myChannels", f"{general.sid}.channel")
    await there.invite(general, "carol")
    await heard(carol)

    await there.delete_channel(await there.fetch(general))

    assert await heard(alice) == ["map_item_removed", "document_removed", "list_removed", "map_removed"]
    assert await heard(carol) == ["map_item_removed", "document_removed"]
    assert set(there.hub.revisions()) == {alice.user.sid, carol.user.sid}


async def test_info_of_a_user_is_told_as_far_as_it_changed(there: World, general: Channel, alice: App) -> None:
    """To those who asked for it: friendly name, attributes, and reachability where the service has it on."""
    service = await service_by_key(there.chat.database, there.service.key)
    assert service is not None
    await update_service(there.chat, service, {"reachability_enabled": 1})
    bob = await there.user("bob")
    await alice.subscribe(f"{bob.sid}.info")

    await there.update_user("bob", friendly_name="Bob")
    await there.update_user("bob", attributes='{"x":1}')
    await there.reach("bob", is_online=1)
    await there.reach("bob", is_notifiable=1)
    await there.settle()

    assert [(each["event"]["item_key"], each["event"]["item_data"]) for each in alice.take()] == [
        ("friendlyName", {"value": "Bob"}),
        ("attributes", {"value": '{"x":1}'}),
        ("reachability", {"online": True, "notifiable": False}),
        ("reachability", {"online": True, "notifiable": True}),
    ]


async def test_deleted_user_is_gone(there: World, general: Channel, alice: App, bob: App) -> None:
    """Members hear that it left, those who asked for its info that there is none any more, and its apps are dropped."""
    await alice.subscribe(f"{bob.user.sid}.info")

    await there.delete_user("bob")

    assert await heard(alice) == ["map_removed", "map_item_removed"]
    assert await heard(bob) == ["map_item_removed", "map_removed"]
    assert bob.connection.is_ended
    assert not alice.connection.is_ended


async def test_typing_is_told_to_the_others(there: World, general: Channel, alice: App, bob: App) -> None:
    """Not to the one who types, on whatever device, and not to those outside."""
    second = await listening(there, general, "bob")
    carol = await there.connect("carol")
    await carol.subscribe(f"{general.sid}.channel")

    there.hub.typing(general.place, "bob", 6)

    assert [app.take() for app in (bob, second, carol)] == [[], [], []]
    assert alice.take() == [
        {
            "message_type": "twilio.ipmsg.typing_indicator",
            "channel_sid": general.sid,
            "identity": "bob",
            "typing_timeout": 6,
        }
    ]


async def test_connection_that_ends_is_forgotten(there: World, general: Channel, alice: App, bob: App) -> None:
    """Nothing is written to it, and what nobody else listens to is let go."""
    alice.end()
    await there.send(general)
    await there.settle()

    assert alice.take() == []
    assert len(bob.take()) == 2
    bob.end()
    assert there.hub.revisions() == {}


async def test_connection_that_ends_while_it_subscribes_is_forgotten(there: World, general: Channel) -> None:
    """Its request runs on, and leaves nothing behind."""
    app = await there.connect("alice")
    requests = [wanted((await app.root(name))["sid"], None) for name in parts_of(app, general)]
    info = wanted((await app.root(f"{(await there.user('bob')).sid}.info"))["sid"], None)
    establishing = asyncio.create_task(app.post("establish", *requests, info))
    await asyncio.sleep(0)

    app.end()
    await establishing
    await app.post("cancel", *requests)
    await app.post("establish", *requests)

    assert not app.connection.subscriptions
    assert there.hub.revisions() == {}
    assert not there.hub._devices


async def test_connection_that_ends_while_it_is_written_to_disturbs_nobody(
    there: World, general: Channel, alice: App, bob: App
) -> None:
    """A client that does not keep up is dropped in the middle of telling the others."""
    alice.connection.write_frame = lambda _: alice.end()

    await there.send(general)

    assert await heard(bob) == ["list_item_added", "document_updated"]
    assert not alice.connection.subscriptions


class Faulty:
    """A bus that loses, repeats or mixes events on their way to the hub."""

    def __init__(self, there: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(topics, "GRACE_SECONDS", GRACE)
        self.kept: list[Emitted] = []
        bus: Any = there.chat.bus
        bus._listeners.remove(there.hub.deliver)
        bus.listen(self.keep)

    def keep(self, batch: Sequence[Emitted]) -> None:
        """As it was told: these tests change the records that they got further on."""
        self.kept += [replace(each, record=copy(each.record)) for each in batch]


@pytest.fixture
def faulty(there: World, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    return Faulty(there, monkeypatch)


async def live_through(there: World, channel: Channel) -> None:
    """Something of everything."""
    sent = [await there.send(channel, str(number)) for number in range(4)]
    await there.edit(channel, sent[0], body="edited")
    await there.delete(channel, sent[3])
    await there.add(channel, "carol")
    await there.update_member(channel, "bob", attributes='{"x":1}')
    await there.update_channel(await there.fetch(channel), friendly_name="Renamed")
    await there.remove(channel, "carol")


async def mirrors_of(app: App, channel: Channel) -> list[Mirror]:
    return [await Mirror.of(app, name) for name in parts_of(app, channel)]


async def test_events_in_the_wrong_order_are_told_in_the_right_one(
    there: World, general: Channel, alice: App, faulty: Faulty
) -> None:
    """Each waits for the one before; what comes twice is told once."""
    mirrors = await mirrors_of(alice, general)
    await live_through(there, general)

    for each in [*reversed(faulty.kept), *faulty.kept]:
        there.hub.deliver([each])
    await there.settle()

    told = alice.take()
    for mirror in mirrors:
        mirror.hear(told)
        assert mirror.state == (await Mirror.of(alice, mirror.name)).state


@pytest.mark.parametrize("lost", ["all but the last", "every second", "the first", "all"])
async def test_lost_events_are_read_from_the_tables(
    there: World, general: Channel, alice: App, faulty: Faulty, lost: str
) -> None:
    """A gap heals by itself after a moment; what is lost at the end heals when it is asked for."""
    mirrors = await mirrors_of(alice, general)
    await live_through(there, general)
    kept = {
        "all but the last": faulty.kept[-1:],
        "every second": faulty.kept[1::2],
        "the first": faulty.kept[1:],
        "all": [],
    }[lost]

    there.hub.deliver(kept)
    for _ in range(100):
        if not kept or there.hub.revisions()[general.sid] == faulty.kept[-1].record.revision:
            break
        await asyncio.sleep(GRACE)
    if not kept:
        await there.hub.heal(general.sid)
        await there.hub.heal(alice.user.sid)
    there.hub.deliver(faulty.kept)
    await there.settle()

    told = alice.take()
    for mirror in mirrors:
        mirror.hear(told)
        assert mirror.state == (await Mirror.of(alice, mirror.name)).state


async def test_removal_that_was_lost_ends_the_subscriptions_when_it_heals(
    there: World, general: Channel, bob: App, faulty: Faulty
) -> None:
    """Healing either the channel or the user's own list is enough."""
    second = await listening(there, general, "bob")
    await there.remove(general, "bob")

    await there.hub.heal(general.sid)
    await there.hub.heal(bob.user.sid)
    await there.send(general)
    there.hub.deliver(faulty.kept)

    for device in (bob, second):
        assert "list_item_added" not in await heard(device)
        assert len(device.connection.subscriptions) == 2


async def test_deletion_that_was_lost_is_told_when_it_heals(
    there: World, general: Channel, alice: App, faulty: Faulty
) -> None:
    """The channel is not there any more: its objects are removed."""
    await there.delete_channel(await there.fetch(general))

    await there.hub.heal(alice.user.sid)
    await there.hub.heal(general.sid)

    assert await heard(alice) == ["map_item_removed", "document_removed"]


async def test_fault_while_telling_does_not_reach_the_sender(
    there: World, general: Channel, alice: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is stored and its sender is told so; whoever listens hears of it when the fault is over."""

    def fail(*_: Any) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(topics, "RETRY_SECONDS", GRACE)
    await there.send(general, "before")
    await there.settle()
    alice.take()
    with monkeypatch.context() as broken:
        broken.setattr(channel_topic, "message_data", fail)
        await there.send(general, "stored")

    for _ in range(100):
        if alice.told:
            break
        await asyncio.sleep(GRACE)
    await there.send(general, "after")

    assert await heard(alice) == ["list_item_added", "document_updated"] * 2


async def test_revisions_tell_how_far_each_topic_is(there: World, general: Channel, alice: App) -> None:
    """So that whoever compares them with the tables knows what is behind."""
    await there.send(general)
    await there.settle()

    assert there.hub.revisions() == {general.sid: 3, alice.user.sid: 1}
