"""What end users do, in process: a channel with alice, whom the test is about, and the actions with what they need."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from hubbub.chat import Caller, Changes, Chat, Emitted
from hubbub.errors import ERRORS, Kind
from hubbub.events import Event
from hubbub.resources.channels import actions as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.invites import actions as invites
from hubbub.resources.invites.model import Invite
from hubbub.resources.media import actions as media
from hubbub.resources.members import actions as members
from hubbub.resources.members.model import Member
from hubbub.resources.messages import actions as messages
from hubbub.resources.messages.model import Message
from hubbub.resources.roles import sql as roles
from hubbub.resources.roles.model import to_json
from hubbub.resources.services import actions as services
from hubbub.resources.services.model import Service
from hubbub.resources.users import actions as users
from hubbub.resources.users.model import User
from hubbub.storage.pages import Window

SHARED = {
    *("destroyChannel", "inviteMember", "addMember", "removeMember", "editChannelName", "editChannelAttributes"),
    *("editOwnMessage", "editAnyMessage", "editOwnMessageAttributes", "editAnyMessageAttributes"),
    *("deleteOwnMessage", "deleteAnyMessage", "editOwnUserInfo", "editAnyUserInfo", "editAnyMemberAttributes"),
}
IN_SERVICE = SHARED | {"createChannel", "joinChannel"}
IN_CHANNEL = SHARED | {
    *("leaveChannel", "sendMessage", "sendMediaMessage", "editNotificationLevel", "editOwnMemberAttributes")
}

MEMBER, INVITED, STRANGER = "member", "invited", "stranger"
PUBLIC, PRIVATE = "public", "private"
PAGE = Window(50)

# Everything that a refused action could have left behind.
TABLES = {
    "services": "key = $1",
    "roles": "service = $1",
    "users": "service = $1",
    "channels": "service = $1",
    "media": "service = $1",
    **dict.fromkeys(("members", "invites", "messages"), "channel IN (SELECT key FROM channels WHERE service = $1)"),
}


class Hooks:
    """Notes which pre-event webhook would be called; `meanwhile` is what happens while it is."""

    def __init__(self) -> None:
        self.called: list[Event] = []
        self.answer: Changes = {}
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def before(self, event: Event, caller: Caller, place: Any, record: Any) -> Changes:  # noqa: ARG002
        self.called.append(event)
        if self.meanwhile is not None:
            await self.meanwhile()
        return dict(self.answer)


class Scene:
    """One channel: bob is in it, carol is invited, dave is neither; alice is what the test wants her to be."""

    chat: Chat
    hooks: Hooks
    owner: Caller
    service: Service
    channel: Channel
    me: Caller
    users: dict[str, User]
    mine: Message
    others: Message
    bob: Member
    carols: Invite
    file: str

    def __init__(self, chat: Chat, owner: Caller, emitted: list[Emitted]) -> None:
        self.chat, self.owner, self.emitted = chat, owner, emitted
        self.hooks = Hooks()
        chat.hooks = self.hooks
        self.names = (f"name-{n}" for n in itertools.count())

    async def begin(self, type_: str, standing: str) -> "Scene":
        self.service = await services.create_service(self.chat, self.owner, "permissions")
        self.me = Caller(self.owner.account, self.owner.account_sid, "alice", self.service.sid)
        self.users = {name: await self.user(name) for name in ("alice", "bob", "carol", "dave")}
        self.channel = await self.create(self.owner, type_)
        self.bob = await self.add("bob")
        self.carols = await self.invite("carol")
        if standing == MEMBER:
            await self.add("alice")
        if standing == INVITED:
            await self.invite("alice")
        self.mine, self.others = await self.send("alice"), await self.send("bob")
        self.file = await self.upload(self.me)
        return self

    async def upload(self, caller: Caller) -> str:
        uploaded = await media.upload_media(self.chat, caller, self.service, chunks(), "text/plain", None)
        return uploaded.sid

    async def user(self, name: str) -> User:
        return await users.create_user(self.chat, self.owner, self.service, name, {}, webhook_enabled=False)

    async def create(self, caller: Caller, type_: str) -> Channel:
        changes = {"type": type_}
        return await channels.create_channel(self.chat, caller, self.service, changes, webhook_enabled=False)

    async def add(self, identity: str, caller: Caller | None = None, **changes: Any) -> Member:
        by = caller or self.owner
        return await members.add_member(self.chat, by, self.channel, identity, changes, webhook_enabled=False)

    async def remove(self, identity: str, caller: Caller | None = None) -> None:
        member = await members.access_member(self.chat, self.owner, self.channel, identity)
        await members.remove_member(self.chat, caller or self.owner, self.channel, member, webhook_enabled=False)

    async def invite(self, identity: str, caller: Caller | None = None, role_sid: str | None = None) -> Invite:
        return await invites.create_invite(self.chat, caller or self.owner, self.channel, identity, role_sid)

    async def send(self, identity: str) -> Message:
        place, changes = self.channel.place, {"from_": identity, "body": "hello"}
        return await messages.send_message(self.chat, self.owner, place, changes, None, webhook_enabled=False)

    async def say(self, media_sid: str | None = None) -> Message:
        """Alice sends."""
        place = self.channel.place
        return await messages.send_message(self.chat, self.me, place, {}, media_sid, webhook_enabled=False)

    async def edit_channel(self, **changes: Any) -> Channel:
        return await channels.update_channel(self.chat, self.me, self.channel, changes, webhook_enabled=False)

    async def edit_message(self, message: Message, **changes: Any) -> Message:
        place = self.channel.place
        return await messages.update_message(self.chat, self.me, place, message, changes, webhook_enabled=False)

    async def delete_message(self, message: Message) -> None:
        await messages.delete_message(self.chat, self.me, self.channel.place, message, webhook_enabled=False)

    async def edit_member(self, identity: str, **changes: Any) -> Member:
        member = await members.access_member(self.chat, self.owner, self.channel, identity)
        return await members.update_member(self.chat, self.me, self.channel, member, changes, webhook_enabled=False)

    async def edit_user(self, name: str, **changes: Any) -> User:
        return await users.update_user(self.chat, self.me, self.users[name], changes, webhook_enabled=False)

    async def edit_user_channel(self, **changes: Any) -> None:
        await members.update_user_channel(self.chat, self.me, self.users["alice"], self.channel, changes)

    async def drop_invite(self, identity: str) -> None:
        invite = await invites.access_invite(self.chat, self.me, self.channel, identity)
        await invites.delete_invite(self.chat, self.me, self.channel, invite)

    async def grant(self, in_service: set[str], in_channel: set[str]) -> None:
        """What the roles of alice permit from now on: just these, perhaps nothing."""
        granted = {
            self.service.default_service_role_sid: in_service,
            self.service.default_channel_role_sid: in_channel,
        }
        async with self.chat.transaction() as tx:
            for sid, permissions in granted.items():
                role = await roles.get_role(tx, self.service.key, sid)
                assert role is not None
                role.permissions = to_json(sorted(permissions))
                await roles.set_permissions(tx, role)

    async def stored(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the service."""
        return {
            table: sorted(
                (tuple(row) for row in await self.chat.database.fetch_all(sql_of(table), self.service.key)), key=repr
            )
            for table in TABLES
        }


def sql_of(table: str) -> str:
    return f"SELECT * FROM {table} WHERE {TABLES[table]}"


async def chunks() -> Any:
    yield b"x"


class Case(NamedTuple):
    """One thing that alice may do.

    `needs`: any of these permissions; none means that everybody may whose standing it suits, `never` that no
    permission opens it. `members`: only who is in the channel. `within`: it is about this channel at all.
    """

    name: str
    act: Callable[[Scene], Awaitable[Any]]
    needs: str = ""
    members: bool = False
    within: bool = True
    standings: tuple[str, ...] = (MEMBER, INVITED, STRANGER)
    types: tuple[str, ...] = (PUBLIC, PRIVATE)
    never: Kind | None = None
    reads: bool = False

    def openers(self) -> set[str]:
        return set(self.needs.split())

    def refusal(self, type_: str, standing: str, held: set[str]) -> Kind | None:
        """What alice is told, None when she may."""
        if self.within and type_ == PRIVATE and standing == STRANGER:
            return ERRORS.NOT_FOUND
        if self.members and standing != MEMBER:
            return ERRORS.NOT_MEMBER
        if self.never is not None:
            return self.never
        return None if not self.needs or held & self.openers() else ERRORS.NOT_AUTHORIZED


OWN = (MEMBER,)

CASES = [
    # The service
    Case("create a public channel", lambda s: s.create(s.me, PUBLIC), "createChannel", within=False),
    Case("create a private channel", lambda s: s.create(s.me, PRIVATE), "createChannel", within=False),
    Case(
        "edit one's own user info",
        lambda s: s.edit_user("alice", friendly_name=next(s.names)),
        "editOwnUserInfo editAnyUserInfo",
        within=False,
    ),
    Case(
        "edit one's own user attributes",
        lambda s: s.edit_user("alice", attributes="[1]"),
        "editOwnUserInfo editAnyUserInfo",
        within=False,
    ),
    Case(
        "edit the user info of a member",
        lambda s: s.edit_user("bob", friendly_name=next(s.names), attributes="[2]"),
        "editAnyUserInfo",
        within=False,
    ),
    Case(
        "take another service role",
        lambda s: s.edit_user("alice", role_sid=s.service.default_service_role_sid),
        within=False,
        never=ERRORS.ROLE_UNAUTHORIZED,
    ),
    # The channel
    Case(
        "see the channel",
        lambda s: channels.access_channel(s.chat, s.me, s.service.sid, s.channel.sid),
        reads=True,
    ),
    Case("rename", lambda s: s.edit_channel(friendly_name=next(s.names)), "editChannelName"),
    Case("change the unique name", lambda s: s.edit_channel(unique_name=next(s.names)), "editChannelName"),
    Case("change the channel's attributes", lambda s: s.edit_channel(attributes="[1]"), "editChannelAttributes"),
    Case(
        "date the channel back",
        lambda s: s.edit_channel(date_created=1),
        standings=(MEMBER,),
        never=ERRORS.NOT_AUTHORIZED,
    ),
    Case(
        "delete the channel",
        lambda s: channels.delete_channel(s.chat, s.me, s.channel, webhook_enabled=False),
        "destroyChannel",
    ),
    # Coming and going
    Case("join a public channel", lambda s: s.add("alice", s.me), "joinChannel", standings=(STRANGER,)),
    Case("join by invite", lambda s: s.add("alice", s.me), standings=(INVITED,)),
    Case("add somebody", lambda s: s.add("dave", s.me), "addMember"),
    Case(
        "add somebody with a role",
        lambda s: s.add("dave", s.me, role_sid=s.service.default_channel_role_sid),
        standings=OWN,
        never=ERRORS.ROLE_UNAUTHORIZED,
    ),
    Case("leave", lambda s: s.remove("alice", s.me), "leaveChannel", standings=OWN),
    Case("remove a member", lambda s: s.remove("bob", s.me), "removeMember"),
    # Invites
    Case("invite", lambda s: s.invite("dave", s.me), "inviteMember"),
    Case(
        "invite with a role",
        lambda s: s.invite("dave", s.me, s.service.default_channel_role_sid),
        standings=OWN,
        never=ERRORS.ROLE_UNAUTHORIZED,
    ),
    Case("revoke an invite", lambda s: s.drop_invite("carol"), "inviteMember"),
    Case("revoke an invite by SID", lambda s: s.drop_invite(s.carols.sid), "inviteMember"),
    Case("decline an invite", lambda s: s.drop_invite("alice"), standings=(INVITED,)),
    Case(
        "see the invites",
        lambda s: invites.list_invites(s.chat, s.me, s.channel, [], PAGE),
        "inviteMember",
        reads=True,
    ),
    # Members
    Case("see the roster", lambda s: members.list_members(s.chat, s.me, s.channel, [], PAGE), members=True, reads=True),
    Case("set one's own horizon", lambda s: s.edit_user_channel(last_consumed_message_index=1), standings=OWN),
    Case(
        "set another's horizon",
        lambda s: s.edit_member("bob", last_consumed_message_index=1),
        standings=OWN,
        never=ERRORS.NOT_AUTHORIZED,
    ),
    Case(
        "set the notification level",
        lambda s: s.edit_user_channel(notification_level="muted"),
        "editNotificationLevel",
        standings=OWN,
    ),
    Case(
        "set another's notification level",
        lambda s: s.edit_member("bob", notification_level="muted"),
        standings=OWN,
        never=ERRORS.NOT_AUTHORIZED,
    ),
    Case(
        "edit one's own member attributes",
        lambda s: s.edit_member("alice", attributes="[1]"),
        "editOwnMemberAttributes editAnyMemberAttributes",
        standings=OWN,
    ),
    Case(
        "edit the attributes of a member",
        lambda s: s.edit_member("bob", attributes="[1]"),
        "editAnyMemberAttributes",
        members=True,
    ),
    Case(
        "take another channel role",
        lambda s: s.edit_member("alice", role_sid=s.service.default_channel_creator_role_sid),
        standings=OWN,
        never=ERRORS.ROLE_UNAUTHORIZED,
    ),
    # Messages
    Case(
        "see the messages",
        lambda s: messages.list_messages(s.chat, s.me, s.channel, "asc", PAGE),
        members=True,
        reads=True,
    ),
    Case(
        "see a message",
        lambda s: messages.access_message(s.chat, s.me, s.channel.place, s.others.sid),
        members=True,
        reads=True,
    ),
    Case("send", lambda s: s.say(), "sendMessage", members=True),
    Case("send a file", lambda s: s.say(s.file), "sendMediaMessage", members=True),
    Case("edit one's own", lambda s: s.edit_message(s.mine, body="x"), "editOwnMessage editAnyMessage", members=True),
    Case("edit another's", lambda s: s.edit_message(s.others, body="x"), "editAnyMessage", members=True),
    Case(
        "edit the attributes of one's own",
        lambda s: s.edit_message(s.mine, attributes="[1]"),
        "editOwnMessageAttributes editAnyMessageAttributes",
        members=True,
    ),
    Case(
        "edit the attributes of another's",
        lambda s: s.edit_message(s.others, attributes="[1]"),
        "editAnyMessageAttributes",
        members=True,
    ),
    Case(
        "take over a message",
        lambda s: s.edit_message(s.others, from_="alice"),
        standings=OWN,
        never=ERRORS.NOT_AUTHORIZED,
    ),
    Case("delete one's own", lambda s: s.delete_message(s.mine), "deleteOwnMessage deleteAnyMessage", members=True),
    Case("delete another's", lambda s: s.delete_message(s.others), "deleteAnyMessage", members=True),
]
