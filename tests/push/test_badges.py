"""The number on an app's icon: how many of the user's channels hold unread messages. Apple's devices only."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.steps import Json, at, create_message, delete, update
from tests.push.town import Town
from tests.push.world import World


@pytest.fixture
def town(world: World) -> Town:
    """One that pushes numbers with new messages."""
    return world.town(NewMessage__BadgeCountEnabled="true")


def unread(town: Town, *names: str) -> list[Json]:
    """Channels of bob's with a message of alice's in each."""
    channels = [town.channel("alice", "bob", FriendlyName=name) for name in names]
    for channel in channels:
        write(town, channel)
    return channels


def write(town: Town, channel: Json) -> Json:
    """A message of alice's; the next one comes when all have heard of it, since the number is that of the moment."""
    message = create_message(town.client, channel, From="alice")
    town.settle()
    return message


def read(town: Town, channel: Json, index: int = 0) -> None:
    """By the back end."""
    mine = town.client.get(at(town.service, "Users", "bob", "Channels", channel)).json()
    update(town.client, mine, LastConsumedMessageIndex=str(index))


def set_horizon(client: httpx.Client, channel: Json, identity: str, index: str) -> None:
    """Of what the member has read; empty: nothing."""
    update(client, client.get(at(channel, "Members", identity)).json(), LastConsumedMessageIndex=index)


# With new messages.


def test_number_counts_channels_with_unread_messages(town: Town) -> None:
    """Not messages."""
    bob = town.register("bob")

    one, two = unread(town, "one", "two")
    write(town, one)
    read(town, two)
    town.settle()
    write(town, one)
    write(town, two)

    assert [(arrival.text is not None, arrival.aps["badge"]) for arrival in town.arrived(bob)] == [
        (True, 1),
        (True, 2),
        (True, 2),
        (False, 1),
        (True, 1),
        (True, 2),
    ]


def test_number_counts_what_was_never_read(town: Town) -> None:
    """Also channels that the user was in before there was a device."""
    unread(town, "one", "two")
    bob = town.register("bob")

    unread(town, "three")

    assert town.badges(bob) == [3]


def test_numbers_are_each_users_own(town: Town) -> None:
    bob, carol = town.register("bob"), town.register("carol")
    unread(town, "one")

    write(town, town.channel("bob", "carol"))

    assert town.badges(bob) == [1, 2]
    assert town.badges(carol) == [1]


def test_only_apples_devices_are_told_a_number(town: Town) -> None:
    apple, google, old = town.register("bob"), town.register("bob", "fcm"), town.register("bob", "gcm")
    [channel] = unread(town, "one")

    read(town, channel)

    assert town.badges(apple) == [1, 0]
    for phone in (google, old):
        [arrival] = town.arrived(phone)
        assert arrival.type == "twilio.channel.new_message"
        assert "badge" not in str(arrival.content)


def test_only_new_messages_have_a_number(town: Town) -> None:
    town.enable()
    bob = town.register("bob")

    [channel] = unread(town, "one")
    delete(town.client, channel, "Members", "bob")

    told = [(arrival.type.rpartition(".")[2], arrival.aps.get("badge")) for arrival in town.arrived(bob)]
    assert sorted(told, key=str) == [
        ("added_to_channel", None),
        ("consumption_update", 0),
        ("new_message", 1),
        ("removed_from_channel", None),
    ]


@pytest.mark.parametrize("setting", ["NewMessage__BadgeCountEnabled", "NewMessage__Enabled"])
def test_no_numbers_are_told_where_the_service_does_not_want_them(town: Town, setting: str) -> None:
    bob = town.register("bob")
    one, _ = unread(town, "one", "two")

    town.notify(**{setting: "false"})
    write(town, one)
    read(town, one, 1)

    assert town.badges(bob)[:2] == [1, 2]
    assert [arrival.aps.get("badge") for arrival in town.arrived(bob)[2:]] in ([None], [])
    assert {arrival.type for arrival in town.arrived(bob)} == {"twilio.channel.new_message"}


# When the number falls.


def test_fallen_number_is_told_in_silence(town: Town) -> None:
    bob = town.register("bob")
    [channel] = unread(town, "one")

    read(town, channel)

    [_, arrival] = town.arrived(bob)
    assert arrival.aps == {"badge": 0}
    assert arrival.data == {
        "twi_message_type": "twilio.channel.consumption_update",
        "twi_message_id": arrival.data["twi_message_id"],
        "channel_sid": channel["sid"],
        "channel_id": channel["sid"],
    }
    assert arrival.headers["apns-push-type"] == "alert"
    assert arrival.headers["apns-priority"] == "5"
    assert arrival.headers["apns-collapse-id"] == "badge"


def read_by_member(town: Town, channel: Json) -> None:
    set_horizon(town.client, channel, "bob", "0")


def read_by_app(town: Town, channel: Json) -> None:
    town.do("bob", "POST", f"/MyConversations/{channel['sid']}", {"last_consumed_message_index": 0})


def read_by_app_of_conversations(town: Town, channel: Json) -> None:
    town.do("bob", "POST", f"/MyConversations/{channel['sid']}", {"last_read_message_index": 0})


def be_removed(town: Town, channel: Json) -> None:
    delete(town.client, channel, "Members", "bob")


def leave(town: Town, channel: Json) -> None:
    town.do("bob", "DELETE", f"/Conversations/{channel['sid']}/Participants/bob")


def leave_by_user_channel(town: Town, channel: Json) -> None:
    delete(town.client, town.service, "Users", "bob", "Channels", channel)


def delete_channel(town: Town, channel: Json) -> None:
    delete(town.client, channel)


def delete_message(town: Town, channel: Json) -> None:
    [message] = town.client.get(at(channel, "Messages")).json()["messages"]
    delete(town.client, message)


WAYS: tuple[Callable[[Town, Json], None], ...] = (
    read,
    read_by_member,
    read_by_app,
    read_by_app_of_conversations,
    be_removed,
    leave,
    leave_by_user_channel,
    delete_channel,
    delete_message,
)


@pytest.mark.parametrize("way", WAYS)
def test_number_falls_with_each_way_in_which_a_channel_ceases_to_be_unread(
    town: Town, way: Callable[[Town, Json], None]
) -> None:
    """On all of the user's devices, and on nobody else's."""
    phones = [town.register("bob"), town.register("bob"), town.register("alice")]
    one, _ = unread(town, "one", "two")

    way(town, one)

    assert [town.badges(phone) for phone in phones] == [[1, 2, 1], [1, 2, 1], []]
    assert town.arrived(phones[0])[-1].text is None


def test_deleted_message_lowers_the_number_of_all_who_had_only_that_to_read(town: Town) -> None:
    bob, carol, dave = (town.register(identity) for identity in ("bob", "carol", "dave"))
    channel = town.channel("bob", "carol", "dave")
    messages = [write(town, channel) for _ in range(2)]
    for identity, index in (("carol", "0"), ("dave", "1")):
        set_horizon(town.client, channel, identity, index)
    town.settle()

    delete(town.client, messages[1])

    assert town.badges(bob) == [1, 1]
    assert town.badges(carol) == [1, 1, 0]
    assert town.badges(dave) == [1, 1, 0]
    assert [arrival.text for arrival in town.arrived(carol)].count(None) == 1


def test_number_that_does_not_fall_is_not_told(town: Town) -> None:
    """Some is read and some is not, nothing is read, or what is left was read."""
    bob = town.register("bob")
    one, two = unread(town, "one", "two")
    write(town, one)
    read(town, two)
    told = [1, 2, 2, 1]
    assert town.badges(bob) == told

    read(town, one, 0)
    update(town.client, town.client.get(at(one, "Members", "bob")).json(), Attributes='{"a":1}')
    set_horizon(town.client, one, "bob", "")
    read(town, two, 0)
    delete(town.client, two, "Members", "bob")

    assert town.badges(bob) == told


def test_device_that_was_told_no_number_hears_of_none_that_falls(town: Town) -> None:
    [channel] = unread(town, "one")
    bob = town.register("bob")

    read(town, channel)

    assert town.badges(bob) == []


def test_number_that_rises_again_is_told_with_the_next_message_alone(town: Town) -> None:
    bob = town.register("bob")
    one, _ = unread(town, "one", "two")
    read(town, one)

    set_horizon(town.client, one, "bob", "")
    town.settle()
    assert town.badges(bob) == [1, 2, 1]
    unread(town, "three")

    assert town.badges(bob) == [1, 2, 1, 3]


def test_last_number_is_right_after_much_at_once(town: Town) -> None:
    """Messages, readings and deletions by several back ends at a time, until all but one channel is read."""
    people = ["bob", "carol", "dave"]
    phones = [town.register(identity) for identity in people]
    channels = [town.channel(*people) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: live(town, channels, people, seed), range(4)))
        write(town, town.channel(*people))
        list(pool.map(lambda channel: read_all(town, channel, people), channels))

    assert [town.badges(phone)[-1] for phone in phones] == [1, 1, 1]


def live(town: Town, channels: list[Json], people: list[str], seed: int) -> None:
    """Messages to channels, each read by somebody, and some deleted."""
    choice = random.Random(seed).choice
    with town.world.server.client() as client:
        for _ in range(25):
            channel = choice(channels)
            message = create_message(client, channel, From="alice")
            set_horizon(client, channel, choice(people), str(message["index"]))
            if choice([True, False, False]):
                delete(client, message)


def read_all(town: Town, channel: Json, people: list[str]) -> None:
    """To the end of the channel."""
    with town.world.server.client() as client:
        for identity in people:
            set_horizon(client, channel, identity, "100")
