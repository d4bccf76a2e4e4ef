"""What can be done with invites."""

from hubbub.chat import Caller, Chat, Emitted
from hubbub.errors import ERRORS
from hubbub.events import INVITE_ADDED, INVITE_REMOVED
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.invites import sql
from hubbub.resources.invites.model import Invite
from hubbub.resources.members import sql as members
from hubbub.resources.permissions import INVITE_MEMBER, allow, check_role_unset
from hubbub.resources.roles.actions import check_role_sid
from hubbub.resources.roles.model import CHANNEL
from hubbub.resources.services.actions import service_of
from hubbub.resources.users import sql as users
from hubbub.sids import is_sid, new_sid
from hubbub.storage.pages import Slice, Window


async def access_invite(chat: Chat, caller: Caller, channel: Channel, sid_or_identity: str) -> Invite:
    """Raises ERRORS.NOT_FOUND.

    An end user finds its own, and others' with the permission to invite: ERRORS.NOT_AUTHORIZED. Who has joined
    has none to decline: ERRORS.DECLINED_AS_MEMBER.
    """
    find = sql.get_invite if is_sid(sid_or_identity, "IN") else sql.get_invite_by_identity
    invite = await find(chat.database, channel.key, sid_or_identity)
    if caller.identity not in {None, sid_or_identity, invite and invite.identity}:
        await allow(chat, caller, channel, INVITE_MEMBER)
    if invite is None:
        if sid_or_identity == caller.identity and await members.get_member_by_identity(
            chat.database, channel.key, sid_or_identity
        ):
            raise ERRORS.DECLINED_AS_MEMBER()
        raise ERRORS.NOT_FOUND()
    return invite


async def list_invites(
    chat: Chat, caller: Caller, channel: Channel, identities: list[str], window: Window
) -> Slice[Invite]:
    """All where no identity is named. Raises ERRORS.NOT_AUTHORIZED to an end user who may not invite."""
    await allow(chat, caller, channel, INVITE_MEMBER)
    return await sql.of_channel(len(identities)).page(chat.database, window, channel.key, *identities)


async def create_invite(chat: Chat, caller: Caller, channel: Channel, identity: str, role_sid: str | None) -> Invite:
    """Invite a user that exists: an invite makes none.

    Raises ERRORS.NOT_FOUND for an unknown identity, ERRORS.MEMBER_EXISTS, ERRORS.USER_INVITED, or the error of a
    role that will not do.
    """
    check_role_unset(caller, role_sid)
    await allow(chat, caller, channel, INVITE_MEMBER)
    moment = chat.clock()
    async with chat.transaction() as tx:
        if not await channels.lock_channel(tx, channel.key):
            raise ERRORS.NOT_FOUND()
        service = await service_of(tx, channel.service)
        user = await users.user_of_service(tx, service.key, identity)
        bumped = await users.bump_user(tx, user.key) if user else None
        if user is None or bumped is None:
            raise ERRORS.NOT_FOUND()
        if await members.get_member_by_identity(tx, channel.key, identity):
            raise ERRORS.MEMBER_EXISTS()
        if await sql.get_invite_by_identity(tx, channel.key, identity):
            raise ERRORS.USER_INVITED()
        if role_sid is not None:
            await check_role_sid(tx, service.key, role_sid, CHANNEL)
        invite = Invite(
            channel=channel.key,
            sid=new_sid("IN"),
            user=user.key,
            channel_sid=channel.sid,
            identity=identity,
            role_sid=role_sid or service.default_channel_role_sid,
            created_by=caller.author,
            date_created=moment,
            date_updated=moment,
            user_revision=bumped[1],
        )
        await sql.add_invite(tx, invite)
        tx.emit(Emitted(INVITE_ADDED, invite, caller, webhook_enabled=False, channel=channel))
    return invite


async def delete_invite(chat: Chat, caller: Caller, channel: Channel, invite: Invite) -> None:
    """Revoke or decline it."""
    async with chat.transaction() as tx:
        bumped = await users.bump_user(tx, invite.user)
        if bumped is None:
            raise ERRORS.NOT_FOUND()
        ended = await sql.end_invite_of(tx, channel.key, invite.identity, bumped[1])
        if ended is None:
            raise ERRORS.NOT_FOUND()
        tx.emit(Emitted(INVITE_REMOVED, ended, caller, webhook_enabled=False, channel=channel))
