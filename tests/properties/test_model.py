"""A random life of a service, compared step by step with a model of it that fits on a page."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.harness import Server, unique
from tests.properties.drawing import Reached, bounded, in_path

PROVED = frozenset(
    {
        *("CreateService", "DeleteService", "CreateUser", "FetchUser", "ListUser", "DeleteUser"),
        *("CreateChannel", "FetchChannel", "UpdateChannel", "ListChannel", "DeleteChannel"),
        *("CreateMember", "FetchMember", "UpdateMember", "ListMember", "DeleteMember"),
        *("CreateInvite", "ListInvite", "DeleteInvite"),
        *("CreateMessage", "UpdateMessage", "ListMessage", "DeleteMessage"),
        *("FetchUserChannel", "UpdateUserChannel", "ListUserChannel", "DeleteUserChannel"),
    }
)

IDENTITIES = ["alice", "bob", "carol/ñ"]
UNIQUE_NAMES = ["general", "off topic", "what?"]
ALREADY_MEMBER, ALREADY_INVITED = (409, 50404), (409, 50212)
NOT_FOUND = (404, 20404)

identities = st.sampled_from(IDENTITIES)
unique_names = st.sampled_from(UNIQUE_NAMES)
places = st.integers(0, 30)
horizons = st.none() | st.integers(0, 8)


@dataclass
class Channel:
    """What the model knows of a channel."""

    sid: str
    unique_name: str | None
    created_by: str
    next_index: int = 0
    messages: dict[int, str] = field(default_factory=dict)
    members: dict[str, int | None] = field(default_factory=dict)
    invites: dict[str, str] = field(default_factory=dict)

    @property
    def last_message(self) -> str | None:
        return self.messages[max(self.messages)] if self.messages else None

    def unread(self, identity: str) -> int | None:
        horizon = self.members[identity]
        return None if horizon is None else sum(index > horizon for index in self.messages)


class Life(RuleBasedStateMachine):
    """The rules are what a client may do; after each, answers about what it touched must be the model's."""

    client: httpx.Client

    @initialize()
    def create_service(self) -> None:
        self.service = self.ask("POST", "/v2/Services", {"FriendlyName": unique("life")})
        self.root = f"/v2/Services/{self.service['sid']}"
        self.users: set[str] = set()
        self.channels: list[Channel] = []
        for name in UNIQUE_NAMES[:2]:
            self.create_channel(name, IDENTITIES[0])
        self.add_member(0, IDENTITIES[0])
        self.invite(1, IDENTITIES[0])

    def ask(self, method: str, path: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do what must succeed."""
        response = self.client.request(method, path, data=form)
        assert response.is_success, f"{method} {path}: {response.text}"
        return dict(response.json()) if response.content else {}

    def refused(self, method: str, path: str, form: dict[str, Any], outcome: tuple[int, int]) -> None:
        """Do what must be refused in just this way."""
        response = self.client.request(method, path, data=form)
        assert (response.status_code, response.json().get("code")) == outcome, f"{method} {path}"

    def pick(self, place: int) -> Channel:
        return self.channels[place % len(self.channels)]

    def path(self, channel: Channel, rest: str = "") -> str:
        """The channel's path: by its name where it has one, so that both ways are used."""
        return f"{self.root}/Channels/{in_path(channel.unique_name or channel.sid)}{rest}"

    def user_path(self, identity: str, rest: str = "") -> str:
        return f"{self.root}/Users/{in_path(identity)}{rest}"

    def joined(self, identity: str) -> int:
        return sum(identity in channel.members for channel in self.channels)

    @rule(identity=identities)
    def create_user(self, identity: str) -> None:
        form = {"Identity": identity}
        if identity in self.users:
            self.refused("POST", f"{self.root}/Users", form, (409, 50201))
        else:
            self.ask("POST", f"{self.root}/Users", form)
            self.users.add(identity)
        self.see_user(identity)

    @rule(identity=identities)
    def delete_user(self, identity: str) -> None:
        if identity not in self.users:
            self.refused("DELETE", self.user_path(identity), {}, NOT_FOUND)
            return
        self.ask("DELETE", self.user_path(identity))
        self.users.remove(identity)
        for channel in self.channels:
            channel.members.pop(identity, None)
            channel.invites.pop(identity, None)
        self.see_user(identity)

    @rule(unique_name=st.none() | unique_names, created_by=identities)
    def create_channel(self, unique_name: str | None, created_by: str) -> None:
        form = {"CreatedBy": created_by} | ({"UniqueName": unique_name} if unique_name else {})
        if unique_name and any(each.unique_name == unique_name for each in self.channels):
            self.refused("POST", f"{self.root}/Channels", form, (409, 50307))
            return
        channel = Channel(self.ask("POST", f"{self.root}/Channels", form)["sid"], unique_name, created_by)
        self.channels.append(channel)
        self.see_channel(channel)

    @precondition(lambda self: self.channels)
    @rule(place=places, unique_name=unique_names)
    def rename_channel(self, place: int, unique_name: str) -> None:
        channel = self.pick(place)
        form = {"UniqueName": unique_name}
        if any(each.unique_name == unique_name for each in self.channels if each is not channel):
            self.refused("POST", self.path(channel), form, (409, 50307))
        else:
            self.ask("POST", self.path(channel), form)
            channel.unique_name = unique_name
        self.see_channel(channel)

    @precondition(lambda self: len(self.channels) > 1)
    @rule(place=places)
    def delete_channel(self, place: int) -> None:
        channel = self.pick(place)
        self.ask("DELETE", self.path(channel))
        self.channels.remove(channel)
        self.refused("GET", f"{self.root}/Channels/{channel.sid}", {}, NOT_FOUND)
        for identity in channel.members:
            self.see_user(identity)

    @precondition(lambda self: self.channels)
    @rule(place=places, identity=identities)
    def add_member(self, place: int, identity: str) -> None:
        channel = self.pick(place)
        path, form = self.path(channel, "/Members"), {"Identity": identity}
        if identity in channel.members:
            self.refused("POST", path, form, ALREADY_MEMBER)
        else:
            member = self.ask("POST", path, form)
            # Who was invited gets the invite's role, even the creator.
            invited = identity in channel.invites
            creator = "creator_" if identity == channel.created_by and not invited else ""
            assert member["role_sid"] == self.service[f"default_channel_{creator}role_sid"]
            channel.members[identity] = None
            channel.invites.pop(identity, None)
            self.users.add(identity)
        self.see(channel, identity)

    @precondition(lambda self: self.channels)
    @rule(place=places, identity=identities)
    def remove_member(self, place: int, identity: str) -> None:
        channel = self.pick(place)
        path = self.path(channel, f"/Members/{in_path(identity)}")
        if identity in channel.members:
            self.ask("DELETE", path)
            del channel.members[identity]
        else:
            self.refused("DELETE", path, {}, NOT_FOUND)
        self.see(channel, identity)

    @precondition(lambda self: self.channels)
    @rule(place=places, identity=identities)
    def leave(self, place: int, identity: str) -> None:
        """The user's path to the channel ends a membership and drops an invite."""
        channel = self.pick(place)
        path = self.user_path(identity, f"/Channels/{in_path(channel.unique_name or channel.sid)}")
        if identity in channel.members or identity in channel.invites:
            self.ask("DELETE", path)
            channel.members.pop(identity, None)
            channel.invites.pop(identity, None)
        else:
            self.refused("DELETE", path, {}, NOT_FOUND)
        self.see(channel, identity)

    @precondition(lambda self: self.channels)
    @rule(place=places, identity=identities)
    def invite(self, place: int, identity: str) -> None:
        channel = self.pick(place)
        path, form = self.path(channel, "/Invites"), {"Identity": identity}
        if identity not in self.users:
            self.refused("POST", path, form, NOT_FOUND)
        elif identity in channel.members:
            self.refused("POST", path, form, ALREADY_MEMBER)
        elif identity in channel.invites:
            self.refused("POST", path, form, ALREADY_INVITED)
        else:
            channel.invites[identity] = self.ask("POST", path, form)["sid"]
        self.see(channel, identity)

    @precondition(lambda self: any(channel.invites for channel in self.channels))
    @rule(place=places)
    def revoke_invite(self, place: int) -> None:
        invites = [(channel, identity) for channel in self.channels for identity in channel.invites]
        channel, identity = invites[place % len(invites)]
        self.ask("DELETE", self.path(channel, f"/Invites/{channel.invites.pop(identity)}"))
        self.see(channel, identity)

    @precondition(lambda self: self.channels)
    @rule(place=places, author=identities)
    def send_message(self, place: int, author: str) -> None:
        channel = self.pick(place)
        sent = self.ask("POST", self.path(channel, "/Messages"), {"From": author, "Body": author})
        assert sent["index"] == channel.next_index
        assert (sent["was_edited"], sent["last_updated_by"]) == (False, None)
        channel.messages[channel.next_index] = sent["sid"]
        channel.next_index += 1
        self.see_channel(channel)

    @precondition(lambda self: any(channel.messages for channel in self.channels))
    @rule(place=places)
    def edit_message(self, place: int) -> None:
        channel, index = self.pick_message(place)
        path = self.path(channel, f"/Messages/{channel.messages[index]}")
        edited = self.ask("POST", path, {"Body": "edited"})
        assert (edited["index"], edited["body"]) == (index, "edited")
        assert (edited["was_edited"], edited["last_updated_by"]) == (True, "system")
        self.see_channel(channel)

    @precondition(lambda self: any(channel.messages for channel in self.channels))
    @rule(place=places)
    def delete_message(self, place: int) -> None:
        channel, index = self.pick_message(place)
        path = self.path(channel, f"/Messages/{channel.messages.pop(index)}")
        self.ask("DELETE", path)
        self.refused("GET", path, {}, NOT_FOUND)
        for identity in IDENTITIES:
            self.see(channel, identity)

    def pick_message(self, place: int) -> tuple[Channel, int]:
        messages = [(channel, index) for channel in self.channels for index in channel.messages]
        return messages[-1 - place % len(messages)]

    @precondition(lambda self: any(channel.members for channel in self.channels))
    @rule(place=places, horizon=horizons)
    def consume(self, place: int, horizon: int | None) -> None:
        """The horizon is set to any value, forward, back or to nothing."""
        channel, identity = self.pick_member(place)
        form = {"LastConsumedMessageIndex": "" if horizon is None else str(horizon)}
        answer = self.ask("POST", self.path(channel, f"/Members/{in_path(identity)}"), form)
        channel.members[identity] = horizon
        assert answer["last_consumed_message_index"] == horizon
        self.see(channel, identity)

    @precondition(lambda self: any(channel.members for channel in self.channels))
    @rule(place=places, horizon=horizons)
    def consume_as_user(self, place: int, horizon: int | None) -> None:
        """Set by the user's path, the answer has the new count already."""
        channel, identity = self.pick_member(place)
        form = {"LastConsumedMessageIndex": "" if horizon is None else str(horizon)}
        answer = self.ask("POST", self.user_path(identity, f"/Channels/{channel.sid}"), form)
        channel.members[identity] = horizon
        assert answer["last_consumed_message_index"] == horizon
        assert answer["unread_messages_count"] == channel.unread(identity)
        self.see(channel, identity)

    def pick_member(self, place: int) -> tuple[Channel, str]:
        members = [(channel, identity) for channel in self.channels for identity in channel.members]
        return members[place % len(members)]

    def see(self, channel: Channel, identity: str) -> None:
        """Everything about a channel, a user, and the two together."""
        self.see_channel(channel)
        self.see_user(identity)
        self.see_user_channel(channel, identity)

    def see_channel(self, channel: Channel) -> None:
        found = self.ask("GET", self.path(channel))
        assert (found["sid"], found["unique_name"]) == (channel.sid, channel.unique_name)
        assert found["members_count"] == len(channel.members)
        assert found["messages_count"] == len(channel.messages)
        link = found["links"]["last_message"]
        assert (link and link.rsplit("/", 1)[-1]) == channel.last_message

    def see_user(self, identity: str) -> None:
        if identity in self.users:
            found = self.ask("GET", self.user_path(identity))
            assert found["joined_channels_count"] == self.joined(identity)
        else:
            self.refused("GET", self.user_path(identity), {}, NOT_FOUND)

    def see_user_channel(self, channel: Channel, identity: str) -> None:
        path = self.user_path(identity, f"/Channels/{channel.sid}")
        if identity in channel.members:
            member = self.ask("GET", self.path(channel, f"/Members/{in_path(identity)}"))
            found = self.ask("GET", path)
            assert (found["status"], found["member_sid"]) == ("joined", member["sid"])
            assert found["links"]["member"] == member["url"]
            horizon = channel.members[identity]
            assert found["last_consumed_message_index"] == member["last_consumed_message_index"] == horizon
            assert found["unread_messages_count"] == channel.unread(identity)
        elif identity in channel.invites:
            found = self.ask("GET", path)
            assert (found["status"], found["member_sid"]) == ("invited", None)
            assert found["unread_messages_count"] is None
        else:
            self.refused("GET", path, {}, NOT_FOUND)

    def rows(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """A whole list, in small pages."""
        following: str | None = f"{path}?PageSize=2"
        while following:
            page = self.ask("GET", following)
            yield from page[key]
            following = page["meta"]["next_page_url"]

    def teardown(self) -> None:
        """At the end of a life every list holds exactly what the model does."""
        if sys.exc_info()[0] is not None:
            return  # a step has failed already: that is what there is to tell
        users = self.rows(f"{self.root}/Users", "users")
        assert sorted(each["identity"] for each in users) == sorted(self.users)
        channels = self.rows(f"{self.root}/Channels", "channels")
        assert sorted(each["sid"] for each in channels) == sorted(each.sid for each in self.channels)
        for channel in self.channels:
            messages = self.rows(self.path(channel, "/Messages"), "messages")
            members = self.rows(self.path(channel, "/Members"), "members")
            invites = self.rows(self.path(channel, "/Invites"), "invites")
            expected = sorted(channel.messages.items())
            assert [(each["index"], each["sid"]) for each in messages] == expected
            assert sorted(each["identity"] for each in members) == sorted(channel.members)
            assert sorted(each["identity"] for each in invites) == sorted(channel.invites)
        for identity in self.users:
            seen = self.rows(self.user_path(identity, "/Channels"), "channels")
            statuses = {each.sid: "joined" for each in self.channels if identity in each.members}
            statuses |= {each.sid: "invited" for each in self.channels if identity in each.invites}
            assert {each["channel_sid"]: each["status"] for each in seen} == statuses
        self.ask("DELETE", self.root)


def live_once(life: Life) -> None:
    """Every rule once, so that what the random lives may miss is seen as well."""
    alice, bob, carol = IDENTITIES
    life.create_service()
    life.create_user(carol)
    life.invite(0, carol)
    life.revoke_invite(0)
    life.add_member(0, bob)
    for author in IDENTITIES:
        life.send_message(0, author)
    life.consume(0, 1)
    life.consume_as_user(1, 0)
    life.edit_message(0)
    life.delete_message(1)
    life.remove_member(0, bob)
    life.leave(0, alice)
    life.leave(1, alice)
    life.rename_channel(0, UNIQUE_NAMES[2])
    life.delete_channel(1)
    life.delete_user(carol)
    life.teardown()


def test_random_life_matches_the_model(server: Server) -> None:
    """Counts, conflicts, horizons, links and statuses are at every moment what the rules say."""
    with server.client() as client:
        reached = Reached(client)
        machine = type("LifeHere", (Life,), {"client": client})
        live_once(machine())
        assert reached.operations == PROVED
        run_state_machine_as_test(machine, settings=bounded(30, stateful_step_count=40))
