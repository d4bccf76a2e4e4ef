"""What the server remembers of pushes: those that arrived and those that were left out where the service logs them, and
what failed everywhere.
"""

import pytest

from tests.api.steps import at, create_message, delete, eventually, update
from tests.push.stage import said
from tests.push.town import Town, create_credential, secrets_of
from tests.push.world import World

LEGACY_KEY = "AAAAx-an-old-server-key"
BAD_DEVICE = said(400, reason="BadDeviceToken")


@pytest.fixture
def town(world: World) -> Town:
    """One that logs."""
    return world.town(LogEnabled="true")


def reasons(town: Town) -> list[tuple[str, str, str | None]]:
    """Who, in which state, and why."""
    town.settle()
    return sorted(((each.identity, each.state, each.reason) for each in town.trace()), key=str)


# Where the service logs.


def test_each_member_who_gets_nothing_is_remembered_with_the_reason(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("alice", "bob", "carol", "dave", "eve")
    for identity in ("alice", "bob", "carol"):
        town.register(identity)
    eve = town.register("eve", message_types=("twilio.channel.added_to_channel",))
    mine = town.client.get(at(town.service, "Users", "carol", "Channels", channel)).json()
    update(town.client, mine, NotificationLevel="muted")
    town.notify(LogEnabled="true")

    create_message(town.client, channel, "Hello", From="alice")

    assert reasons(town) == [
        ("alice", "left_out", "The user is the author."),
        ("bob", "delivered", None),
        ("carol", "left_out", "The user has muted the channel."),
        ("dave", "left_out", "The user has no device that is registered for pushes."),
        ("eve", "left_out", "The device is not registered for new_message."),
    ]
    [left_out] = (each for each in town.trace() if each.identity == "eve")
    assert (left_out.kind, left_out.binding_sid) == ("new_message", eve.binding_sid)


def test_what_arrived_is_remembered_with_all_that_it_took(town: Town) -> None:
    bob = town.register("bob")
    channel = town.channel("bob")
    town.settle()

    create_message(town.client, channel, "Hello")
    town.settle()

    [row] = (each for each in town.trace() if each.kind == "new_message")
    credential_sid = town.world.credential("apn")
    assert row == ("new_message", "bob", bob.binding_sid, credential_sid, "delivered", None, 200, None)


@pytest.mark.parametrize("kind", ["added_to_channel", "new_message"])
def test_kind_that_is_not_pushed_is_remembered_once_for_everybody(town: Town, kind: str) -> None:
    town.enable("added_to_channel")
    town.enable(kind, value="false")
    town.register("bob")

    create_message(town.client, town.channel("bob", "carol"), "Hello")
    town.settle()

    told = [(each.identity, each.state, each.reason) for each in town.trace() if each.kind == kind]
    once = ("", "left_out", f"The service does not push {kind}.")
    assert told == [once] * (2 if kind == "added_to_channel" else 1)


def test_what_users_do_themselves_is_remembered_as_that(town: Town) -> None:
    town.enable("added_to_channel", "removed_from_channel")
    channel = town.channel(Type="public")
    town.register("bob")

    for method, path in (("POST", ""), ("DELETE", "/bob")):
        body = {"identity": "bob"} if method == "POST" else None
        town.do("bob", method, f"/Conversations/{channel['sid']}/Participants{path}", body)

    assert reasons(town) == [("bob", "left_out", "It is the user's own doing.")] * 2
    assert [each.kind for each in town.trace()] == ["added_to_channel", "removed_from_channel"]


def test_numbers_that_need_not_be_told_are_no_pushes(town: Town) -> None:
    """Of those who read nobody expects anything."""
    town.notify(NewMessage__BadgeCountEnabled="true", LogEnabled="false")
    channel = town.channel("bob")
    town.notify(LogEnabled="true")

    update(town.client, town.client.get(at(channel, "Members", "bob")).json(), LastConsumedMessageIndex="0")

    assert reasons(town) == []


def test_logging_counts_from_when_it_is_switched_on_to_when_it_is_switched_off(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("bob")
    town.register("bob")

    for value in ("false", "true", "false"):
        town.notify(LogEnabled=value)
        create_message(town.client, channel, "Hello")
        town.settle()

    assert reasons(town) == [("bob", "delivered", None)]


# Where it does not.


def test_nothing_remains_of_what_arrived_or_was_left_out(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("alice", "bob", "carol")
    alice, bob = town.register("alice"), town.register("bob")

    create_message(town.client, channel, "Hello", From="alice")

    assert [len(town.arrived(phone)) for phone in (alice, bob)] == [0, 1]
    assert town.trace() == []


def test_what_is_refused_remains(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("bob", "carol")
    bob, _ = town.register("bob"), town.register("carol")
    town.world.replies[bob.address] = [BAD_DEVICE]

    create_message(town.client, channel, "Hello")
    town.settle()

    [row] = town.trace()
    assert (row.identity, row.binding_sid, row.state) == ("bob", bob.binding_sid, "refused")
    assert (row.status, row.answer) == (400, "BadDeviceToken")
    assert (row.reason or "").startswith("Apple does not know the device's token")


# Credentials. What fails is remembered with and without a log.


@pytest.mark.parametrize("logged", ["true", "false"])
def test_device_for_which_there_is_no_credential_is_remembered(town: Town, logged: str) -> None:
    with town.world.foreign_town() as there:
        there.notify(LogEnabled=logged)
        channel = there.channel("bob")
        create_credential(there.client, "fcm", **secrets_of("fcm"))
        bob = there.register("bob", credential_sid="")
        there.settle()

        create_message(there.client, channel, "Hello")
        there.settle()

        [row] = (each for each in there.trace() if each.kind == "new_message")
    reason = "There is no credential for apn."
    assert row == ("new_message", "bob", bob.binding_sid, None, "dead", reason, None, None)


def test_device_whose_credential_was_deleted_is_remembered(town: Town) -> None:
    """It was registered with that one: another app's would not reach it."""
    town.notify(LogEnabled="false")
    credential = create_credential(town.client, "apn", **secrets_of("apn"))
    channel = town.channel("bob")
    bob = town.register("bob", credential_sid=credential["sid"])

    delete(town.client, credential)
    create_message(town.client, channel, "Hello")

    assert town.texts(bob) == []
    assert reasons(town) == [("bob", "dead", f"The credential {credential['sid']} was deleted.")]


def test_device_whose_credential_is_for_others_is_remembered(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("bob")
    credential_sid = town.world.credential("fcm")
    bob = town.register("bob", "apn", credential_sid=credential_sid)

    create_message(town.client, channel, "Hello")

    assert town.texts(bob) == []
    assert reasons(town) == [("bob", "dead", f"The credential {credential_sid} is for fcm, the device for apn.")]


def test_push_with_a_key_of_googles_old_service_waits_for_a_better_one(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("bob", FriendlyName="General")
    credential = create_credential(town.client, "gcm", ApiKey=LEGACY_KEY)
    bob = town.register("bob", "gcm", credential_sid=credential["sid"])

    create_message(town.client, channel, "Hello")

    assert eventually(lambda: [each.state for each in town.trace()] == ["retrying"])
    [row] = town.trace()
    assert "Google stopped its legacy server keys" in (row.reason or "")
    update(town.client, credential, **secrets_of("gcm"))
    assert town.texts(bob) == ["General;system: Hello"]


def test_push_that_waits_for_a_device_that_is_deleted_ends(town: Town) -> None:
    town.notify(LogEnabled="false")
    channel = town.channel("bob")
    credential = create_credential(town.client, "gcm", ApiKey=LEGACY_KEY)
    bob = town.register("bob", "gcm", credential_sid=credential["sid"])
    create_message(town.client, channel, "Hello")
    assert eventually(lambda: [each.state for each in town.trace()] == ["retrying"])

    delete(town.client, town.service, "Bindings", bob.binding_sid)
    update(town.client, credential, **secrets_of("gcm"))

    assert town.texts(bob) == []
    assert reasons(town) == [("bob", "dead", "The device is not registered any more.")]


def test_deleted_service_pushes_nothing_more(town: Town) -> None:
    """Not even what waits for its credential."""
    channel = town.channel("bob")
    credential = create_credential(town.client, "gcm", ApiKey=LEGACY_KEY)
    bob = town.register("bob", "gcm", credential_sid=credential["sid"])
    create_message(town.client, channel, "Hello")
    assert eventually(lambda: "retrying" in [each.state for each in town.trace()])

    delete(town.client, town.service)
    update(town.client, credential, **secrets_of("gcm"))

    assert town.texts(bob) == []
