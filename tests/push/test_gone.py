"""Devices that Apple or Google say are gone, and those that they only do not like."""

import pytest

from tests.api.steps import Json, create_message, update
from tests.push.peer import Reply
from tests.push.stage import fcm_error, said
from tests.push.town import Phone, Town
from tests.push.world import World

UNREGISTERED = said(410, reason="Unregistered", timestamp=1700000000000)
GONE = {
    "apn": [UNREGISTERED, said(410, reason="ExpiredToken")],
    "fcm": [
        fcm_error(404, "NOT_FOUND", "UNREGISTERED"),
        fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"),
    ],
}
DISLIKED = {
    "apn": [said(400, reason="BadDeviceToken"), said(400, reason="DeviceTokenNotForTopic")],
    "fcm": [
        fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        fcm_error(400, "INVALID_ARGUMENT", field="data"),
    ],
}


@pytest.fixture
def town(world: World) -> Town:
    """Where it is told who can be notified."""
    made = world.town()
    update(made.client, made.service, ReachabilityEnabled="true")
    return made


@pytest.fixture
def channel(town: Town) -> Json:
    return town.channel("bob", "carol")


def push(town: Town, channel: Json, body: str = "Hello") -> None:
    create_message(town.client, channel, body, From="alice")
    town.settle()


def reply(phone: Phone, town: Town, *replies: Reply) -> None:
    """To what the device is sent next."""
    town.world.replies[phone.address] = list(replies)


@pytest.mark.parametrize(
    ("kind", "answer"), [(kind, answer) for kind, answers in GONE.items() for answer in answers], ids=str
)
def test_device_that_is_gone_loses_its_binding(town: Town, channel: Json, kind: str, answer: Reply) -> None:
    """And its user, who has no other, cannot be notified any more."""
    bob = town.register("bob", kind)
    assert town.is_notifiable("bob")

    reply(bob, town, answer)
    push(town, channel)

    assert town.bindings("bob") == []
    assert not town.is_notifiable("bob")
    push(town, channel)
    assert len(town.arrived(bob)) == 1


def test_user_with_another_device_can_be_notified_still(town: Town, channel: Json) -> None:
    phone, tablet = town.register("bob"), town.register("bob")

    reply(phone, town, UNREGISTERED)
    push(town, channel, "one")

    assert town.bindings("bob") == [tablet.binding_sid]
    assert town.is_notifiable("bob")
    push(town, channel, "two")
    assert len(town.arrived(tablet)) == 2
    reply(tablet, town, UNREGISTERED)
    push(town, channel, "three")
    assert not town.is_notifiable("bob")


def test_only_the_device_that_is_gone_loses_its_binding(town: Town, channel: Json) -> None:
    bob, carol = town.register("bob"), town.register("carol")

    reply(bob, town, UNREGISTERED)
    push(town, channel)

    assert town.bindings("carol") == [carol.binding_sid]
    assert town.is_notifiable("carol")


@pytest.mark.parametrize(
    ("kind", "answer"), [(kind, answer) for kind, answers in DISLIKED.items() for answer in answers], ids=str
)
def test_device_that_is_only_disliked_keeps_its_binding(town: Town, channel: Json, kind: str, answer: Reply) -> None:
    """A slip in the credential would cost all devices; each is pushed to again with the next message."""
    bob = town.register("bob", kind)

    reply(bob, town, answer)
    push(town, channel, "one")
    push(town, channel, "two")

    assert town.bindings("bob") == [bob.binding_sid]
    assert town.is_notifiable("bob")
    assert [arrival.data["message_index"] for arrival in town.arrived(bob)] == ["0", "1"]


@pytest.mark.parametrize("kind", ["apn", "fcm"])
@pytest.mark.parametrize("same_token", [False, True])
def test_device_that_registers_while_it_is_said_to_be_gone_stays(
    town: Town, channel: Json, kind: str, same_token: bool
) -> None:
    """What is said of a push that left before counts for the time before, whether its token is a new one or not."""
    town.notify(LogEnabled="true")
    bob = town.register("bob", kind)
    reply(bob, town, *GONE[kind][:1])
    sent = len(town.world.arrivals())
    town.world.listener.hold()
    try:
        create_message(town.client, channel, "one", From="alice")
        town.world.listener.wait_for(lambda: len(town.world.arrivals()) > sent)
        again = town.register("bob", kind, bob.address if same_token else None)
    finally:
        town.world.listener.release()
    town.settle()

    assert ("new_message", "bob", "refused") in {(each.kind, each.identity, each.state) for each in town.trace()}
    assert town.bindings("bob") == [again.binding_sid]
    assert town.is_notifiable("bob")
    push(town, channel, "two")
    assert town.arrived(again)[-1].data["message_index"] == "1"


def test_device_that_was_gone_may_register_again(town: Town, channel: Json) -> None:
    bob = town.register("bob")
    reply(bob, town, UNREGISTERED)
    push(town, channel, "one")
    assert town.bindings("bob") == []

    again = town.register("bob", address=bob.address)
    push(town, channel, "two")

    assert town.is_notifiable("bob")
    assert [arrival.data["message_index"] for arrival in town.arrived(again)] == ["0", "1"]
