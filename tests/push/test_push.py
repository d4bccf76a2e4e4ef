"""Pushes from end to end: something happens in a channel, and Apple and Google are asked to show it."""

import pytest

from tests.api.steps import (
    Json,
    at,
    create_invite,
    create_member,
    create_message,
    create_user,
    delete,
    update,
    upload_media,
)
from tests.push.town import KINDS, Town

COMPATIBILITY_MESSAGE = "Media messages are not supported by your client"
WITHOUT_TEXT = "General;alice: "


@pytest.fixture
def channel(town: Town) -> Json:
    return town.channel("alice", "bob", "carol", FriendlyName="General")


# New messages.


def test_message_is_pushed_to_all_members_but_its_author(town: Town, channel: Json) -> None:
    alice, bob, carol, dave = (town.register(identity) for identity in ("alice", "bob", "carol", "dave"))

    create_message(town.client, channel, "Hello", From="alice")

    assert town.texts(bob) == town.texts(carol) == ["General;alice: Hello"]
    assert town.texts(alice) == town.texts(dave) == []


def test_message_of_the_back_end_is_pushed_to_all_members(town: Town, channel: Json) -> None:
    alice, bob = town.register("alice"), town.register("bob", "fcm")

    create_message(town.client, channel, "Hello")

    assert town.texts(alice) == town.texts(bob) == ["General;system: Hello"]


def test_message_of_an_app_is_pushed_to_the_other_members(town: Town, channel: Json) -> None:
    """By the name that its user goes by."""
    update(town.client, create_or_fetch(town, "alice"), FriendlyName="Alice Liddell")
    alice, bob = town.register("alice"), town.register("bob", "fcm")

    town.say("alice", channel, "Hello")

    assert town.texts(bob) == ["General;Alice Liddell: Hello"]
    assert town.texts(alice) == []


def test_muted_channel_pushes_no_messages_until_it_is_not(town: Town, channel: Json) -> None:
    bob, carol = town.register("bob"), town.register("carol")
    other = town.channel("bob", FriendlyName="Other")
    mine = town.client.get(at(town.service, "Users", "bob", "Channels", channel)).json()

    update(town.client, mine, NotificationLevel="muted")
    create_message(town.client, channel, "one")
    create_message(town.client, other, "two")
    town.settle()
    town.do("bob", "POST", f"/MyConversations/{channel['sid']}", {"notification_level": "default"})
    create_message(town.client, channel, "three")

    assert town.texts(bob) == ["Other;system: two", "General;system: three"]
    assert town.texts(carol) == ["General;system: one", "General;system: three"]


@pytest.mark.parametrize(("body", "text"), [("Look!", "Look!"), ("", COMPATIBILITY_MESSAGE)])
def test_file_is_pushed_by_its_text_or_as_one(town: Town, channel: Json, body: str, text: str) -> None:
    bob = town.register("bob")

    media = upload_media(town.client, town.service)
    create_message(town.client, channel, body, From="alice", MediaSid=media["sid"])

    assert town.texts(bob) == [WITHOUT_TEXT + text]


def test_file_without_text_is_pushed_in_the_words_of_the_service(town: Town, channel: Json) -> None:
    update(town.client, town.service, **{"Media.CompatibilityMessage": "A file"})
    bob = town.register("bob")

    create_message(town.client, channel, "", From="alice", MediaSid=upload_media(town.client, town.service)["sid"])

    assert town.texts(bob) == [f"{WITHOUT_TEXT}A file"]


def test_who_joined_after_a_message_gets_no_push_of_it(town: Town) -> None:
    """Although it is still spread over all the others."""
    channel = large_channel(town, 500)
    bob = town.register("bob")

    create_message(town.client, channel, "before")
    create_member(town.client, channel, "bob")
    create_message(town.client, channel, "after")

    assert town.texts(bob) == ["General;system: after"]


def test_messages_come_once_each_and_in_order(town: Town, channel: Json) -> None:
    bob, carol = town.register("bob"), town.register("carol", "fcm")

    for number in range(20):
        create_message(town.client, channel, str(number), From="alice")

    indexes = [str(number) for number in range(20)]
    assert [arrival.data["message_index"] for arrival in town.arrived(bob)] == indexes
    assert [arrival.data["message_index"] for arrival in town.arrived(carol)] == indexes


@pytest.mark.parametrize("size", [100, 201])
def test_large_channel_is_told_as_a_whole(town: Town, size: int) -> None:
    """Its members are gone through by the hundred: nobody is left out between two of them, and nobody told twice."""
    channel = large_channel(town, size)
    edges = {number for edge in range(0, size + 1, 100) for number in (edge - 1, edge, edge + 1)} | {size - 1}
    phones = [town.register(f"user-{number}") for number in sorted(edges) if 0 <= number < size]

    create_message(town.client, channel, "Hello")

    assert [town.texts(phone) for phone in phones] == [["General;system: Hello"]] * len(phones)


# Who was added, invited or removed.


def test_who_is_added_invited_or_removed_is_told(town: Town) -> None:
    """And nobody else."""
    channel = town.channel("alice", FriendlyName="General")
    town.enable()
    alice, bob, carol = town.register("alice"), town.register("bob"), town.register("carol", "fcm")

    create_invite(town.client, channel, "bob")
    create_member(town.client, channel, "bob")
    create_member(town.client, channel, "carol")
    delete(town.client, channel, "Members", "bob")

    assert town.texts(bob) == [
        "system has invited you to join the channel General",
        "You have been added to channel General by system",
        "system has removed you from the channel General",
    ]
    assert town.texts(carol) == ["You have been added to channel General by system"]
    assert town.texts(alice) == []


def test_what_an_app_does_to_others_is_told_in_its_users_name(town: Town) -> None:
    town.enable()
    bob = town.register("bob")
    create_or_fetch(town, "alice", FriendlyName="Alice Liddell")
    made = town.do("alice", "POST", "/Conversations", {"friendly_name": "General", "type": "private"})
    here = f"/Conversations/{made['sid']}"
    town.do("alice", "POST", f"{here}/Participants", {"identity": "alice"})

    town.do("alice", "POST", f"{here}/Invites", {"identity": "bob"})
    town.do("alice", "POST", f"{here}/Participants", {"identity": "bob"})
    town.do("alice", "DELETE", f"{here}/Participants/bob")

    assert town.texts(bob) == [
        "Alice Liddell has invited you to join the channel General",
        "You have been added to channel General by Alice Liddell",
        "Alice Liddell has removed you from the channel General",
    ]
    assert {arrival.data["author"] for arrival in town.arrived(bob)} == {"alice"}


def test_what_users_do_themselves_is_not_told_them(town: Town) -> None:
    """They join, accept an invitation, leave."""
    town.enable("added_to_channel", "removed_from_channel")
    bob = town.register("bob")
    public, private = town.channel(Type="public"), town.channel(Type="private")
    create_invite(town.client, private, "bob")

    for channel in (public, private):
        town.do("bob", "POST", f"/Conversations/{channel['sid']}/Participants", {"identity": "bob"})
        town.do("bob", "DELETE", f"/Conversations/{channel['sid']}/Participants/bob")

    assert town.texts(bob) == []


@pytest.mark.parametrize("kind", KINDS)
def test_only_enabled_kinds_are_pushed(town: Town, kind: str) -> None:
    town.enable(value="false")
    town.enable(kind)
    bob, carol = town.register("bob"), town.register("carol", "fcm")

    for identity in ("bob", "carol"):
        town.everything(identity)

    assert [arrival.type for arrival in town.arrived(bob)] == [f"twilio.channel.{kind}"]
    assert [arrival.type for arrival in town.arrived(carol)] == [f"twilio.channel.{kind}"]


def test_new_service_pushes_nothing(town: Town) -> None:
    town.enable(value="false")
    bob = town.register("bob")

    town.everything("bob")

    assert town.texts(bob) == []
    assert town.trace() == []


def test_changes_push_nothing(town: Town, channel: Json) -> None:
    """Of messages, members, channels and users."""
    town.enable()
    bob = town.register("bob")
    message = create_message(town.client, channel, "Hello")
    member = town.client.get(at(channel, "Members", "bob")).json()

    update(town.client, message, Body="Changed")
    update(town.client, message, Attributes='{"a":1}')
    update(town.client, member, Attributes='{"a":1}')
    update(town.client, channel, FriendlyName="Changed")
    update(town.client, create_or_fetch(town, "bob"), FriendlyName="Changed")
    delete(town.client, message)
    delete(town.client, channel)

    assert [arrival.type for arrival in town.arrived(bob)] == ["twilio.channel.new_message"]


# Steps.


def large_channel(town: Town, size: int) -> Json:
    """Of user-0 and so on."""
    update(town.client, town.service, **{"Limits.ChannelMembers": "1000"})
    return town.channel(*(f"user-{number}" for number in range(size)), FriendlyName="General")


def create_or_fetch(town: Town, identity: str, **form: str) -> Json:
    found = town.client.get(at(town.service, "Users", identity))
    if found.is_success:
        return dict(found.json())
    return create_user(town.client, town.service, identity, **form)
