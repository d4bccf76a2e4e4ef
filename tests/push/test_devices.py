"""Which devices are pushed to, with which credential, and by what names."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.api.steps import Json, create_invite, create_member, create_message, delete, update
from tests.delivery.receiver import OK, Receiver, Reply, changing, receiving
from tests.delivery.steps import listen, send
from tests.push import keys
from tests.push.arrivals import APPLE, GOOGLE, SANDBOX
from tests.push.town import CONVERSATIONS_TYPES, PROJECT, Town, create_credential, secrets_of

DAY = 24 * 3600  # seconds, for which a push is worth something


@pytest.fixture
def channel(town: Town) -> Json:
    return town.channel("alice", "bob", FriendlyName="General")


@pytest.fixture
def foreign_town(town: Town) -> Iterator[Town]:
    """One of an account that has no credentials yet."""
    with town.world.foreign_town() as made:
        yield made


# What they are sent.


def test_apple_is_told_all_of_a_message(town: Town, channel: Json) -> None:
    bob = town.register("bob")

    message = create_message(town.client, channel, "Hello", From="alice")

    [arrival] = town.arrived(bob)
    push_sid = arrival.data["twi_message_id"]
    assert push_sid.startswith("RU")
    assert arrival.headers["apns-id"].replace("-", "") == push_sid.removeprefix("RU")
    assert arrival.headers["apns-collapse-id"] == channel["sid"]
    assert arrival.headers["apns-priority"] == "10"
    assert arrival.headers["apns-push-type"] == "alert"
    assert arrival.headers["apns-topic"] == keys.TOPIC
    assert int(arrival.headers["apns-expiration"]) - seconds(message) in {DAY, DAY + 1}
    assert arrival.aps == {"alert": "General;alice: Hello"}
    assert arrival.data == message_data(channel, message, push_sid)


def test_google_is_told_all_of_a_message(town: Town, channel: Json) -> None:
    """By the names of its newer interface, with the token that it has given."""
    bob = town.register("bob", "fcm")

    message = create_message(town.client, channel, "Hello", From="alice")

    [arrival] = town.arrived(bob)
    data = message_data(channel, message, arrival.data["twi_message_id"])
    ttl = arrival.content["android"]["ttl"]
    assert DAY - 10 <= int(ttl.removesuffix("s")) <= DAY
    assert arrival.content == {
        "token": bob.address,
        "data": data | {"twi_body": "General;alice: Hello"},
        "android": {"priority": "high", "ttl": ttl},
        "webpush": {"headers": {"TTL": ttl.removesuffix("s"), "Urgency": "high"}},
    }
    [request] = (each for each in town.world.listener.requests if bob.address.encode() in each.body)
    assert request.path == f"{GOOGLE}/v1/projects/{PROJECT}/messages:send"
    assert request.headers["authorization"] == "Bearer ya29.c.token"


def seconds(message: Json) -> int:
    """When it was sent."""
    return int(datetime.fromisoformat(message["date_created"]).timestamp())


def message_data(channel: Json, message: Json, push_sid: str) -> Json:
    return {
        "twi_message_type": "twilio.channel.new_message",
        "twi_message_id": push_sid,
        "channel_sid": channel["sid"],
        "channel_id": channel["sid"],
        "channel_title": channel["friendly_name"],
        "author": message["from"],
        "message_id": message["sid"],
        "message_sid": message["sid"],
        "message_index": str(message["index"]),
    }


@pytest.mark.parametrize("kind", ["apn", "fcm"])
def test_app_of_conversations_is_told_in_its_own_names(town: Town, kind: str) -> None:
    """It knows no invitations."""
    town.enable()
    bob = town.register("bob", kind, message_types=CONVERSATIONS_TYPES)
    channel = town.channel(FriendlyName="General")

    create_invite(town.client, channel, "bob")
    create_member(town.client, channel, "bob")
    message = create_message(town.client, channel, "Hello")
    town.settle()
    delete(town.client, channel, "Members", "bob")

    arrivals = town.arrived(bob)
    told = [{name: value for name, value in each.data.items() if not name.startswith("twi_")} for each in arrivals]
    place = {"conversation_sid": channel["sid"], "conversation_title": "General", "author": "system"}
    assert [arrival.type for arrival in arrivals] == [
        "twilio.conversations.added_to_conversation",
        "twilio.conversations.new_message",
        "twilio.conversations.removed_from_conversation",
    ]
    assert told == [place, place | {"message_sid": message["sid"], "message_index": "0"}, place]


def test_device_gets_what_it_has_registered_for(town: Town) -> None:
    town.enable()
    messages = town.register("bob", message_types=("twilio.channel.new_message",))
    members = town.register("bob", message_types=("twilio.channel.added_to_channel", "twilio.channel.unheard_of"))
    nothing = town.register("bob", message_types=())
    channel = town.channel(FriendlyName="General")

    create_member(town.client, channel, "bob")
    create_message(town.client, channel, "Hello")

    assert town.texts(messages) == ["General;system: Hello"]
    assert town.texts(members) == ["You have been added to channel General by system"]
    assert town.texts(nothing) == []


def test_each_device_of_a_user_is_told(town: Town, channel: Json) -> None:
    phones = [town.register("bob"), town.register("bob"), town.register("bob", "fcm"), town.register("bob", "gcm")]

    create_message(town.client, channel, "Hello")

    assert [town.texts(phone) for phone in phones] == [["General;system: Hello"]] * 4
    sids = {arrival.data["twi_message_id"] for phone in phones for arrival in town.arrived(phone)}
    assert len(sids) == 4


def test_device_that_registers_again_is_told_once(town: Town, channel: Json) -> None:
    bob = town.register("bob")
    assert town.register("bob", address=bob.address) == bob

    create_message(town.client, channel, "Hello")

    assert town.texts(bob) == ["General;system: Hello"]


@pytest.mark.parametrize("by", ["back end", "app"])
def test_device_whose_binding_is_deleted_is_told_nothing(town: Town, channel: Json, by: str) -> None:
    bob, other = town.register("bob"), town.register("bob")

    if by == "app":
        host, params = "ers.us1.twilio.com", {"productId": ["ip_messaging"]}
        path = f"/v1/registrations/{bob.binding_sid}"
        assert town.app("bob", "DELETE", path, host=host, params=params)[0] == 204
    else:
        delete(town.client, town.service, "Bindings", bob.binding_sid)
    create_message(town.client, channel, "Hello")

    assert town.texts(bob) == []
    assert town.texts(other) == ["General;system: Hello"]


def test_device_of_a_deleted_user_is_told_nothing(town: Town, channel: Json) -> None:
    town.enable()
    bob = town.register("bob")

    delete(town.client, town.service, "Users", "bob")
    create_message(town.client, channel, "Hello")

    assert town.texts(bob) == []


# What they are sent with.


@pytest.mark.parametrize(("sandbox", "place"), [("true", SANDBOX), ("false", APPLE)])
def test_credential_says_which_of_apples_services_is_meant(town: Town, channel: Json, sandbox: str, place: str) -> None:
    credential = create_credential(town.client, "apn", **secrets_of("apn"), Sandbox=sandbox)
    bob = town.register("bob", credential_sid=credential["sid"])

    create_message(town.client, channel, "Hello")

    assert [arrival.service for arrival in town.arrived(bob)] == [place]


def test_changed_credential_counts_at_once(town: Town, channel: Json) -> None:
    """Here with another app's topic, and Apple's other service."""
    credential = create_credential(town.client, "apn", **secrets_of("apn"))
    bob = town.register("bob", credential_sid=credential["sid"])
    create_message(town.client, channel, "one")
    town.settle()

    certificate, private_key = keys.apns_token(topic="com.example.other")
    update(town.client, credential, Certificate=certificate, PrivateKey=private_key, Sandbox="true")
    create_message(town.client, channel, "two")

    ways = [(arrival.service, arrival.headers["apns-topic"]) for arrival in town.arrived(bob)]
    assert ways == [(APPLE, keys.TOPIC), (SANDBOX, "com.example.other")]


def test_apple_is_shown_a_certificate_instead_of_a_token(town: Town, channel: Json) -> None:
    certificate, private_key = keys.apns_certificate("com.example.certified")
    credential = create_credential(town.client, "apn", Certificate=certificate, PrivateKey=private_key)
    bob, other = town.register("bob", credential_sid=credential["sid"]), town.register("bob")

    create_message(town.client, channel, "Hello")

    [arrival] = town.arrived(bob)
    assert arrival.headers["apns-topic"] == "com.example.certified"
    assert "authorization" not in arrival.headers
    [arrival] = town.arrived(other)
    assert arrival.headers["authorization"].startswith("bearer ")


@pytest.mark.parametrize("kind", ["apn", "fcm", "gcm"])
def test_device_without_a_credential_is_reached_with_the_newest_of_its_type(foreign_town: Town, kind: str) -> None:
    """Also one that registered before there was any."""
    town = foreign_town
    channel = town.channel("bob", FriendlyName="General")
    early = town.register("bob", kind, credential_sid="")
    create_credential(town.client, kind, **secrets_of(kind))
    newest = create_credential(town.client, kind, **secrets_of(kind))
    other = "fcm" if kind == "apn" else "apn"
    create_credential(town.client, other, **secrets_of(other))
    late = town.register("bob", kind, credential_sid="")
    town.notify(LogEnabled="true")

    create_message(town.client, channel, "Hello")

    assert town.texts(early) == town.texts(late) == ["General;system: Hello"]
    used = {each.credential_sid for each in town.trace() if each.state == "delivered"}
    assert used == {newest["sid"]}


@pytest.mark.parametrize(("kind", "type_"), [("gcm", "fcm"), ("fcm", "gcm")])
def test_old_and_new_names_of_google_are_one(foreign_town: Town, kind: str, type_: str) -> None:
    """Devices of either are reached with credentials of either, which must hold a service account."""
    town = foreign_town
    channel = town.channel("bob", FriendlyName="General")
    credential = create_credential(town.client, type_, **secrets_of(type_))
    named = town.register("bob", kind, credential_sid=credential["sid"])
    unnamed = town.register("bob", kind, credential_sid="")

    create_message(town.client, channel, "Hello")

    assert town.texts(named) == town.texts(unnamed) == ["General;system: Hello"]


# Beside webhooks.


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def test_message_goes_to_webhooks_and_devices_at_once(town: Town, channel: Json, receiver: Receiver) -> None:
    hook = receiver.hook(OK)
    listen(town.client, town.service, hook, "onMessageSent")
    bob, carol = town.register("bob"), town.register("alice", "fcm")

    message = send(town.client, channel, "Hello")

    [request] = hook.wait(1)
    assert request.parameters["MessageSid"] == message["sid"]
    assert town.texts(bob) == town.texts(carol) == ["General;system: Hello"]


def test_message_that_a_webhook_changes_or_refuses_is_pushed_as_it_is_stored(
    town: Town, channel: Json, receiver: Receiver
) -> None:
    hook = receiver.hook(changing(body="Changed"), Reply(403))
    listen(town.client, town.service, hook, "onMessageSend", PreWebhookUrl=hook.url)
    bob = town.register("bob")

    town.say("alice", channel, "Hello")
    status, _ = town.app("alice", "POST", f"/Client/v1/Conversations/{channel['sid']}/Messages", {"body": "Refused"})

    assert status == 403
    assert town.texts(bob) == ["General;alice: Changed"]
