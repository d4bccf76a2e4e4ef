"""What devices show: the service's templates and sounds, from end to end."""

import pytest

from tests.api.steps import Json, create_message, create_user, delete
from tests.push.town import KINDS, Town


@pytest.fixture
def channel(town: Town) -> Json:
    return town.channel("bob", "carol", FriendlyName="General")


def test_template_knows_all_variables(town: Town) -> None:
    names = ["USER", "USER_FRIENDLY_NAME", "USER_IDENTITY", "USER_SID", "CHANNEL", "CHANNEL_FRIENDLY_NAME"]
    names += ["CHANNEL_UNIQUE_NAME", "CHANNEL_SID", "MESSAGE", "MESSAGE", "UNKNOWN"]
    town.notify(NewMessage__Template="|".join(f"${{{name}}}" for name in names))
    user = create_user(town.client, town.service, "alice", FriendlyName="Alice")
    channel = town.channel("alice", "bob", FriendlyName="General", UniqueName="general")
    bob = town.register("bob")

    create_message(town.client, channel, "Hi", From="alice")

    values = ["Alice", "Alice", "alice", user["sid"], "general", "General", "general", channel["sid"], "Hi", "Hi"]
    assert town.texts(bob) == ["|".join([*values, "${UNKNOWN}"])]


def test_each_kind_has_its_template(town: Town) -> None:
    town.enable()
    town.notify(**{f"{name}__Template": f"{name} ${{CHANNEL}}" for name in KINDS.values()})
    bob = town.register("bob")

    town.everything("bob")

    assert town.texts(bob) == [
        "InvitedToChannel General",
        "AddedToChannel General",
        "NewMessage General",
        "RemovedFromChannel General",
    ]


def test_changed_template_counts_at_once(town: Town, channel: Json) -> None:
    bob = town.register("bob")

    for template in ("one", "two", ""):
        town.notify(NewMessage__Template=template)
        create_message(town.client, channel, "Hello")
        town.settle()

    assert town.texts(bob) == ["one", "two", "General;system: Hello"]


def test_text_is_cut_to_178_characters(town: Town, channel: Json) -> None:
    """Characters, not bytes."""
    bob, carol = town.register("bob"), town.register("carol", "fcm")

    create_message(town.client, channel, "é日😀" * 1000)

    text = ("General;system: " + "é日😀" * 1000)[:178]
    assert town.texts(bob) == town.texts(carol) == [text]


def test_sound_is_that_of_the_kind(town: Town, channel: Json) -> None:
    town.enable("removed_from_channel")
    town.notify(NewMessage__Sound="ding.caf")
    bob, carol = town.register("bob"), town.register("carol", "fcm")

    create_message(town.client, channel, "Hello")
    town.settle()
    for identity in ("bob", "carol"):
        delete(town.client, channel, "Members", identity)

    for phone in (bob, carol):
        assert [arrival.aps.get("sound") for arrival in town.arrived(phone)] == ["ding.caf", None]
