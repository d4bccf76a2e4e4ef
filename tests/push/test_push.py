"""Pushes from end to end."""

from tests.api.steps import create_message
from tests.push.world import Town


def test_message_is_pushed_to_all_members_but_its_author(town: Town) -> None:
    channel = town.channel("alice", "bob", "carol", FriendlyName="General")
    alice, bob, carol = town.register("alice"), town.register("bob"), town.register("carol", "fcm")

    create_message(town.client, channel, "Hello", From="alice")

    assert town.texts(bob) == town.texts(carol) == ["General;alice: Hello"]
    assert town.texts(alice) == []
