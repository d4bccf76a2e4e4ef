"""What can be done with users."""

from msgspec.structs import replace

from hubbub.chat import Caller, Changes, Chat, Emitted
from hubbub.errors import ERRORS
from hubbub.events import MEMBER_REMOVED, USER_ADDED, USER_REACHED, USER_REMOVED, USER_UPDATED
from hubbub.resources.bindings import sql as bindings
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.checks import (
    NAME,
    USER_ATTRIBUTES,
    check_attributes,
    check_identity,
    check_length,
    null_if_empty,
)
from hubbub.resources.invites import sql as invites
from hubbub.resources.members import sql as members
from hubbub.resources.members.model import Member
from hubbub.resources.permissions import allow_user_edits, check_service
from hubbub.resources.roles import sql as roles
from hubbub.resources.roles.actions import check_role_sid
from hubbub.resources.roles.model import DEPLOYMENT
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import Service
from hubbub.resources.tokens.model import Access
from hubbub.resources.users import sql
from hubbub.resources.users.model import User
from hubbub.sids import is_sid, new_sid
from hubbub.storage.database import Contention, Transaction
from hubbub.storage.pages import Slice, Window


async def access_user(chat: Chat, caller: Caller, service_sid: str, sid_or_identity: str) -> User:
    """Raises ERRORS.SERVICE_NOT_FOUND or ERRORS.NOT_FOUND. The users of a service may all see each other."""
    check_service(caller, service_sid)
    find = sql.get_user if is_sid(sid_or_identity, "US") else sql.get_user_by_identity
    user = await find(chat.database, caller.account, service_sid, sid_or_identity)
    if user is None:
        await access_service(chat, caller, service_sid)
        raise ERRORS.NOT_FOUND()
    return user


async def list_users(chat: Chat, service: Service, window: Window) -> Slice[User]:
    shared = (service.account_sid, service.sid, service.reachability_enabled)
    return await sql.OF_SERVICE.page(chat.database, window, service.key, joined=shared)


def check_changes(changes: Changes) -> None:
    check_attributes(changes.get("attributes"), USER_ATTRIBUTES)
    check_length(changes.get("friendly_name"), NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)
    null_if_empty(changes, "friendly_name")


def new_user(service: Service, identity: str, moment: int) -> User:
    """A user with the service's defaults, not stored yet."""
    return User(
        key=0,
        service=service.key,
        sid=new_sid("US"),
        identity=identity,
        role_sid=service.default_service_role_sid,
        friendly_name=None,
        attributes="{}",
        is_online=None,
        is_notifiable=None,
        joined_channels_count=0,
        date_created=moment,
        date_updated=moment,
        revision=0,
        last_revision=0,
        account_sid=service.account_sid,
        service_sid=service.sid,
        reachability_enabled=service.reachability_enabled,
    )


async def create_user(
    chat: Chat, caller: Caller, service: Service, identity: str, changes: Changes, *, webhook_enabled: bool
) -> User:
    """Raises ERRORS.USER_EXISTS, or the error of the first value that will not do."""
    check_identity(identity)
    check_changes(changes)
    user = replace(new_user(service, identity, chat.clock()), **changes)
    async with chat.transaction() as tx:
        if "role_sid" in changes:
            await check_role_sid(tx, service.key, user.role_sid, DEPLOYMENT)
        key = await sql.add_user(tx, user)
        if key is None:
            raise ERRORS.USER_EXISTS()
        user.key = key
        tx.emit(Emitted(USER_ADDED, user, caller, webhook_enabled))
    return user


async def ensure_user(
    chat: Chat,
    tx: Transaction,
    caller: Caller,
    service: Service,
    identity: str,
    changes: Changes | None = None,
    *,
    webhook_enabled: bool,
) -> User:
    """The user of the identity, made when it is met for the first time: with the service's defaults, and `changes`."""
    user = await sql.user_of_service(tx, service.key, identity)
    if user is not None:
        return user
    user = replace(new_user(service, identity, chat.clock()), **changes or {})
    key = await sql.add_user(tx, user)
    if key is None:  # another node met it in this very moment
        found = await sql.user_of_service(tx, service.key, identity)
        assert found is not None
        return found
    user.key = key
    tx.emit(Emitted(USER_ADDED, user, caller, webhook_enabled))
    return user


async def connect_user(chat: Chat, access: Access) -> User:
    """The user whose token it is; the first one makes it, with the role that the token grants.

    Raises ERRORS.INVALID_TOKEN_GRANTS when its service has no such role for users.
    """
    service, identity = access.service, access.caller.identity
    assert identity is not None
    user = await sql.user_of_service(chat.database, service.key, identity)
    if user is not None:
        return user
    async with chat.transaction() as tx:
        if access.role_sid is not None:
            role = await roles.lock_role(tx, service.key, access.role_sid)
            if role is None or role.type != DEPLOYMENT:
                raise ERRORS.INVALID_TOKEN_GRANTS()
        changes = {"role_sid": access.role_sid} if access.role_sid is not None else {}
        return await ensure_user(chat, tx, access.caller, service, identity, changes, webhook_enabled=False)


async def update_user(chat: Chat, caller: Caller, user: User, changes: Changes, *, webhook_enabled: bool) -> User:
    """Change what is given. Raises the error of the first value that will not do."""
    await allow_user_edits(chat, caller, user, changes)
    check_changes(changes)
    if not changes:
        return user
    if caller.identity is not None:
        changed = await chat.hooks.before(USER_UPDATED, caller, None, replace(user, **changes))
        check_changes(changed)
        changes = changes | changed
    changes = changes | {"date_updated": chat.clock()}
    async with chat.transaction() as tx:
        if "role_sid" in changes:
            await check_role_sid(tx, user.service, changes["role_sid"], DEPLOYMENT)
        updated = await sql.update_user(tx, user, changes)
        if updated is None:
            raise ERRORS.NOT_FOUND()
        tx.emit(Emitted(USER_UPDATED, updated, caller, webhook_enabled))
    return updated


async def reach_user(tx: Transaction, key: int, reached: Changes) -> None:
    """Store whether the user is connected (`is_online`) or can be pushed to (`is_notifiable`).

    Raises ERRORS.NOT_FOUND when it was deleted meanwhile.
    """
    user = await sql.user_by_key(tx, key)
    updated = await sql.update_user(tx, user, reached) if user else None
    if updated is None:
        raise ERRORS.NOT_FOUND()
    itself = Caller(0, updated.account_sid, updated.identity, updated.service_sid)
    tx.emit(Emitted(USER_REACHED, updated, itself, webhook_enabled=False))


async def delete_user(chat: Chat, caller: Caller, user: User) -> None:
    """The user leaves every channel, its invites and bindings go, its messages stay; the identity is free again."""
    async with chat.transaction() as tx:
        await leave_everything(tx, caller, user)
        await bindings.remove_bindings_of_user(tx, user.service, user.key)
        revision = await sql.remove_user(tx, user.key)
        if revision is None:
            raise ERRORS.NOT_FOUND()
        removed = replace(user, revision=revision, last_revision=revision)
        tx.emit(Emitted(USER_REMOVED, removed, caller, webhook_enabled=False))


async def end_membership(
    tx: Transaction, caller: Caller, member: Member, revision: int, channel: Channel | None, *, webhook_enabled: bool
) -> None:
    """The user's half of leaving, once the channel is locked."""
    user = await sql.bump_user(tx, member.user, joined=-1)
    if user is None:
        raise ERRORS.NOT_FOUND()
    member.revision, member.user_revision = revision, user[1]
    if not await members.end_membership(tx, member):
        raise ERRORS.NOT_FOUND()
    tx.emit(Emitted(MEMBER_REMOVED, member, caller, webhook_enabled, channel))


async def leave_everything(tx: Transaction, caller: Caller, user: User) -> None:
    """End all memberships and invites of a user that is going.

    Every channel is locked before the user, as everywhere; one that the user joins meanwhile is a contention.
    """
    leaving = await members.members_of_user(tx, user.key)
    revisions = {}
    for member in leaving:
        bumped = await channels.bump_channel(tx, member.channel, members=-1)
        if bumped is None:
            raise Contention
        revisions[member.channel] = bumped[1]
    if not await sql.lock_user(tx, user.key):
        raise ERRORS.NOT_FOUND()
    if len(await members.members_of_user(tx, user.key)) != len(leaving):
        raise Contention
    for member in leaving:
        await end_membership(tx, caller, member, revisions[member.channel], None, webhook_enabled=False)
    await invites.remove_invites_of_user(tx, user.key)
