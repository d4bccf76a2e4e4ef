"""What can be done with memberships."""

from msgspec.structs import replace

from hubbub.chat import Caller, Changes, Chat, Emitted
from hubbub.errors import ERRORS
from hubbub.events import (
    MEMBER_ADDED,
    MEMBER_REMOVED,
    MEMBER_UPDATED,
    USER_CHANNEL_UPDATED,
)
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.actions import access_channel
from hubbub.resources.channels.model import Channel
from hubbub.resources.checks import check_identity
from hubbub.resources.invites import sql as invites
from hubbub.resources.invites.actions import access_invite, delete_invite
from hubbub.resources.invites.model import Invite
from hubbub.resources.members import sql
from hubbub.resources.members.model import DEFAULT, Member, UserChannel, check_changes
from hubbub.resources.permissions import (
    LEAVE_CHANNEL,
    MEMBER_EDITS,
    REMOVE_MEMBER,
    allow,
    allow_edits,
    allow_entry,
    allow_naming,
    allow_reading,
    check_role_unset,
)
from hubbub.resources.roles.actions import check_role_sid
from hubbub.resources.roles.model import CHANNEL
from hubbub.resources.services.actions import service_of
from hubbub.resources.services.model import Service, limits
from hubbub.resources.users import sql as users
from hubbub.resources.users.actions import access_user, end_membership, ensure_user
from hubbub.resources.users.model import User
from hubbub.sids import is_sid, new_sid
from hubbub.storage.database import Contention, Transaction
from hubbub.storage.pages import Slice, Window


async def access_member(chat: Chat, caller: Caller, channel: Channel, sid_or_identity: str) -> Member:
    """Raises ERRORS.NOT_FOUND, or ERRORS.NOT_MEMBER to an end user who may not know who is in the channel."""
    await allow_naming(chat, caller, channel)
    find = sql.get_member if is_sid(sid_or_identity, "MB") else sql.get_member_by_identity
    member = await find(chat.database, channel.key, sid_or_identity)
    if member is None:
        raise ERRORS.NOT_FOUND()
    return member


async def list_members(
    chat: Chat, caller: Caller, channel: Channel, identities: list[str], window: Window
) -> Slice[Member]:
    """All where no identity is named. Raises ERRORS.NOT_MEMBER to an end user who is none."""
    await allow_reading(chat, caller, channel)
    return await sql.of_channel(len(identities)).page(chat.database, window, channel.key, *identities)


async def add_member(
    chat: Chat, caller: Caller, channel: Channel, identity: str, changes: Changes, *, webhook_enabled: bool
) -> Member:
    """Let the identity in, making its user when it is new; a pending invite is used up.

    Raises ERRORS.MEMBER_EXISTS, ERRORS.CHANNEL_MEMBER_LIMIT, ERRORS.USER_CHANNEL_LIMIT, or the error of the
    first value that will not do.
    """
    check_role_unset(caller, changes.get("role_sid"))
    by_invite = await allow_entry(chat, caller, channel, identity)
    check_identity(identity)
    moment = chat.clock()
    check_changes(changes, moment)
    member = new_member(channel, identity, changes, moment)
    if caller.identity is not None:
        member = await offer(chat, caller, channel, member)
    async with chat.transaction() as tx:
        bumped = await channels.bump_channel(tx, channel.key, members=1)
        if bumped is None:
            raise ERRORS.NOT_FOUND()
        members_count, member.revision = bumped
        if await sql.get_member_by_identity(tx, channel.key, identity):
            raise ERRORS.MEMBER_EXISTS()
        service = await service_of(tx, channel.service)
        if members_count > limits(service).channel_members:
            raise ERRORS.CHANNEL_MEMBER_LIMIT()
        user = await ensure_user(chat, tx, caller, service, identity, webhook_enabled=webhook_enabled)
        member.user = user.key
        member.user_revision = await join(tx, service, user)
        invite = await invites.use_invite_of(tx, channel.key, identity)
        member.user_added = invite.user_revision if invite else None
        if by_invite and invite is None:  # revoked in this very moment
            raise ERRORS.NOT_AUTHORIZED()
        if member.role_sid:
            await check_role_sid(tx, service.key, member.role_sid, CHANNEL)
        else:
            member.role_sid = default_role_sid(service, channel, identity, invite)
        await sql.add_member(tx, member)
        tx.emit(Emitted(MEMBER_ADDED, member, caller, webhook_enabled, channel))
    return member


def new_member(channel: Channel, identity: str, changes: Changes, moment: int) -> Member:
    """The membership before it has a user, a role that was not asked for, or a revision."""
    created: int = changes.get("date_created", moment)
    member = Member(
        channel=channel.key,
        sid=new_sid("MB"),
        user=0,
        channel_sid=channel.sid,
        identity=identity,
        role_sid="",
        attributes="{}",
        last_consumed_message_index=None,
        last_consumption_timestamp=None,
        notification_level=DEFAULT,
        date_created=created,
        date_updated=created,
        revision=0,
        user_revision=0,
    )
    return replace(member, **changes)


async def offer(chat: Chat, caller: Caller, channel: Channel, member: Member) -> Member:
    """The membership as the pre-event webhook lets an end user begin it; it is shown the role that is due."""
    service = await service_of(chat.database, channel.service)
    invite = await invites.get_invite_by_identity(chat.database, channel.key, member.identity)
    due = member.role_sid or default_role_sid(service, channel, member.identity, invite)
    changed = await chat.hooks.before(MEMBER_ADDED, caller, channel, replace(member, role_sid=due))
    check_changes(changed, member.date_created)
    return replace(member, **changed)


def default_role_sid(service: Service, channel: Channel, identity: str, invite: Invite | None) -> str:
    """That of the invite; else the creator of a channel gets a role of its own when it joins."""
    if invite is not None:
        return invite.role_sid
    if identity == channel.created_by:
        return service.default_channel_creator_role_sid
    return service.default_channel_role_sid


async def join(tx: Transaction, service: Service, user: User) -> int:
    """Count one more channel for the user; the user's next revision. Raises ERRORS.USER_CHANNEL_LIMIT."""
    bumped = await users.bump_user(tx, user.key, joined=1)
    if bumped is None:  # deleted in this very moment: the next attempt makes it anew
        raise Contention
    joined, user_revision = bumped
    if joined > limits(service).user_channels:
        raise ERRORS.USER_CHANNEL_LIMIT()
    return user_revision


async def update_member(
    chat: Chat, caller: Caller, channel: Channel, member: Member, changes: Changes, *, webhook_enabled: bool
) -> Member:
    """Change what is given, for every listener of the channel and of the user."""
    await allow_edits(chat, caller, channel, MEMBER_EDITS, changes, member.identity)
    moment = chat.clock()
    check_changes(changes, moment)
    if not changes:
        return member
    if caller.identity is not None:
        changed = await chat.hooks.before(MEMBER_UPDATED, caller, channel, replace(member, **changes))
        check_changes(changed, moment)
        changes |= changed
    changes.setdefault("date_updated", moment)
    async with chat.transaction() as tx:
        bumped = await channels.bump_channel(tx, channel.key)
        user = await users.bump_user(tx, member.user)
        if bumped is None or user is None:
            raise ERRORS.NOT_FOUND()
        if "role_sid" in changes:
            await check_role_sid(tx, channel.service, changes["role_sid"], CHANNEL)
        stamped = changes | {"revision": bumped[1], "user_revision": user[1]}
        updated = await sql.update_member(tx, channel.key, member.sid, stamped)
        if updated is None:
            raise ERRORS.NOT_FOUND()
        tx.emit(Emitted(MEMBER_UPDATED, updated, caller, webhook_enabled, channel))
    return updated


async def remove_member(chat: Chat, caller: Caller, channel: Channel, member: Member, *, webhook_enabled: bool) -> None:
    """The user leaves the channel; its messages stay."""
    await allow(chat, caller, channel, LEAVE_CHANNEL if member.identity == caller.identity else REMOVE_MEMBER)
    if caller.identity is not None:
        await chat.hooks.before(MEMBER_REMOVED, caller, channel, member)
    async with chat.transaction() as tx:
        await leave(tx, caller, member, channel, webhook_enabled=webhook_enabled)


async def leave(
    tx: Transaction, caller: Caller, member: Member, channel: Channel | None, *, webhook_enabled: bool
) -> None:
    """End a membership within a transaction. Raises ERRORS.NOT_FOUND when it ended before."""
    bumped = await channels.bump_channel(tx, member.channel, members=-1)
    if bumped is None:
        raise ERRORS.NOT_FOUND()
    await end_membership(tx, caller, member, bumped[1], channel, webhook_enabled=webhook_enabled)


async def access_user_channel(
    chat: Chat, caller: Caller, service_sid: str, user: str, channel: str
) -> tuple[UserChannel, User, Channel]:
    """A channel that the user has joined or is invited to. Raises ERRORS.SERVICE_NOT_FOUND or ERRORS.NOT_FOUND.

    An end user's channels are its own affair: nobody else finds them.
    """
    found_user = await access_user(chat, caller, service_sid, user)
    if caller.identity not in {None, found_user.identity}:
        raise ERRORS.NOT_FOUND()
    found_channel = await access_channel(chat, caller, service_sid, channel)
    membership = await sql.get_user_channel(chat.database, found_user.key, found_channel.key)
    if membership is None:
        raise ERRORS.NOT_FOUND()
    return membership, found_user, found_channel


async def list_user_channels(chat: Chat, caller: Caller, user: User, window: Window) -> Slice[UserChannel]:
    """Raises ERRORS.NOT_FOUND to any other end user."""
    if caller.identity not in {None, user.identity}:
        raise ERRORS.NOT_FOUND()
    return await sql.OF_USER.page(chat.database, window, user.key)


async def update_user_channel(
    chat: Chat, caller: Caller, user: User, channel: Channel, changes: Changes
) -> UserChannel:
    """Set the horizon, which every member sees, or the notification level, which is the user's own affair.

    Raises ERRORS.NOT_FOUND for an invitation, which has neither; ERRORS.NOT_MEMBER to an end user.
    """
    check_changes(changes, chat.clock())
    if changes:
        member = await access_member(chat, caller, channel, user.identity)
        if set(changes) == {"notification_level"}:
            await set_notification_level(chat, caller, channel, member, changes)
        else:
            await update_member(chat, caller, channel, member, changes, webhook_enabled=False)
    updated = await sql.get_user_channel(chat.database, user.key, channel.key)
    if updated is None:
        raise ERRORS.NOT_FOUND()
    return updated


async def set_notification_level(
    chat: Chat, caller: Caller, channel: Channel, member: Member, changes: Changes
) -> None:
    await allow_edits(chat, caller, channel, MEMBER_EDITS, changes, member.identity)
    async with chat.transaction() as tx:
        user = await users.bump_user(tx, member.user)
        if user is None:
            raise ERRORS.NOT_FOUND()
        stamped = changes | {"user_revision": user[1]}
        updated = await sql.update_member(tx, channel.key, member.sid, stamped)
        if updated is None:
            raise ERRORS.NOT_FOUND()
        tx.emit(Emitted(USER_CHANNEL_UPDATED, updated, caller, webhook_enabled=False, channel=channel))


async def delete_user_channel(
    chat: Chat, caller: Caller, user: User, channel: Channel, *, webhook_enabled: bool
) -> None:
    """The user leaves the channel, or the invitation is dropped."""
    member = await sql.get_member_by_identity(chat.database, channel.key, user.identity)
    if member is not None:
        await remove_member(chat, caller, channel, member, webhook_enabled=webhook_enabled)
    else:
        await delete_invite(chat, caller, channel, await access_invite(chat, caller, channel, user.identity))
