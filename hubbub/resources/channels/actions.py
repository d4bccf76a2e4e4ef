"""What can be done with channels."""

from msgspec.structs import replace

from hubbub.chat import Caller, Changes, Chat, Emitted
from hubbub.errors import ERRORS
from hubbub.events import CHANNEL_ADDED, CHANNEL_DESTROYED, CHANNEL_UPDATED, INVITE_REMOVED, USER_CHANNEL_REMOVED
from hubbub.resources.channels import sql
from hubbub.resources.channels.model import PRIVATE, PUBLIC, Channel, Place, check_changes
from hubbub.resources.invites import sql as invites
from hubbub.resources.media import sql as media
from hubbub.resources.members import sql as members
from hubbub.resources.permissions import (
    CHANNEL_EDITS,
    CREATE_CHANNEL,
    DESTROY_CHANNEL,
    allow,
    allow_edits,
    allow_in_service,
    check_service,
)
from hubbub.resources.services.actions import access_service, service_of
from hubbub.resources.services.model import Service
from hubbub.resources.users import sql as users
from hubbub.sids import is_sid, new_sid
from hubbub.storage.pages import Slice, Window

MOST_PLACES = 50_000


async def access_channel(chat: Chat, caller: Caller, service_sid: str, sid_or_unique_name: str) -> Channel:
    """The only way from a caller to a channel. Raises ERRORS.SERVICE_NOT_FOUND or ERRORS.NOT_FOUND.

    A private channel is not found by an end user who is neither in it nor invited; its maker finds it until the
    first time in it has ended.
    """
    check_service(caller, service_sid)
    find = sql.get_channel if is_sid(sid_or_unique_name, "CH") else sql.get_channel_by_unique_name
    channel = await find(chat.database, caller.account, service_sid, sid_or_unique_name)
    if channel is None:
        await access_service(chat, caller, service_sid)
        raise ERRORS.NOT_FOUND()
    if channel.type == PRIVATE:
        await allow(chat, caller, channel)
    return channel


async def locate_channel(chat: Chat, caller: Caller, service_sid: str, sid_or_unique_name: str) -> Place:
    """Where a message goes. Raises ERRORS.SERVICE_NOT_FOUND or ERRORS.NOT_FOUND.

    A place never changes, so it is remembered by SID; that it is still there, the sending transaction makes sure,
    and that an end user may see it, the lookup of what it may do there.
    """
    check_service(caller, service_sid)
    address = (caller.account, service_sid, sid_or_unique_name)
    place = chat.places.get(address)
    if place is None:
        channel = await access_channel(chat, caller, service_sid, sid_or_unique_name)
        place = channel.place
        if sid_or_unique_name == channel.sid:
            if len(chat.places) >= MOST_PLACES:
                chat.places.clear()
            chat.places[address] = place
    return place


async def list_channels(
    chat: Chat, caller: Caller, service: Service, types: list[str], window: Window
) -> Slice[Channel]:
    """All types where none is named. An end user finds the public ones here, whatever is named."""
    if caller.identity is not None:
        types = [PUBLIC]
    shared = (service.account_sid, service.sid)
    return await sql.of_service(len(types)).page(chat.database, window, service.key, *types, joined=shared)


async def create_channel(
    chat: Chat, caller: Caller, service: Service, changes: Changes, *, webhook_enabled: bool
) -> Channel:
    """Raises ERRORS.UNIQUE_NAME_EXISTS, or the error of the first value that will not do. The creator does not join."""
    await allow_in_service(chat, caller, service, CREATE_CHANNEL)
    check_changes(changes)
    moment = changes.get("date_created", chat.clock())
    channel = Channel(
        key=0,
        service=service.key,
        sid=new_sid("CH"),
        unique_name=None,
        friendly_name=None,
        attributes="{}",
        type=PUBLIC,
        created_by=caller.author,
        members_count=0,
        messages_count=0,
        last_message_sid=None,
        date_created=moment,
        date_updated=moment,
        revision=0,
        last_revision=0,
        last_index=-1,
        account_sid=service.account_sid,
        service_sid=service.sid,
    )
    channel = replace(channel, **changes)
    if caller.identity is not None:
        changed = await chat.hooks.before(CHANNEL_ADDED, caller, channel, channel)
        check_changes(changed)
        channel = replace(channel, **changed)
    async with chat.transaction() as tx:
        await service_of(tx, service.key)
        key = await sql.add_channel(tx, channel)
        if key is None:
            raise ERRORS.UNIQUE_NAME_EXISTS()
        channel.key = key
        tx.emit(Emitted(CHANNEL_ADDED, channel, caller, webhook_enabled, channel))
    return channel


async def update_channel(
    chat: Chat, caller: Caller, channel: Channel, changes: Changes, *, webhook_enabled: bool
) -> Channel:
    """Change what is given; without a DateUpdated the update is stamped now."""
    await allow_edits(chat, caller, channel, CHANNEL_EDITS, changes)
    check_changes(changes)
    if not changes:
        return channel
    if caller.identity is not None:
        changed = await chat.hooks.before(CHANNEL_UPDATED, caller, channel, replace(channel, **changes))
        check_changes(changed)
        changes = changes | changed
    changes.setdefault("date_updated", chat.clock())
    async with chat.transaction() as tx:
        name = changes.get("unique_name")
        if name and await sql.is_unique_name_taken(tx, channel, name):
            raise ERRORS.UNIQUE_NAME_EXISTS()
        updated = await sql.update_channel(tx, channel.key, changes)
        if updated is None:
            raise ERRORS.NOT_FOUND()
        updated.account_sid, updated.service_sid = channel.account_sid, channel.service_sid
        tx.emit(Emitted(CHANNEL_UPDATED, updated, caller, webhook_enabled, updated))
    return updated


async def delete_channel(chat: Chat, caller: Caller, channel: Channel, *, webhook_enabled: bool) -> None:
    """The channel, its members and invites vanish at once; messages and files are swept afterwards."""
    await allow(chat, caller, channel, DESTROY_CHANNEL)
    if caller.identity is not None:
        await chat.hooks.before(CHANNEL_DESTROYED, caller, channel, channel)
    async with chat.transaction() as tx:
        revision = await sql.mark_deleted(tx, channel.key)
        if revision is None:
            raise ERRORS.NOT_FOUND()
        channel.revision = channel.last_revision = revision
        await users.leave_deleted_channel(tx, channel.key)
        for member in await members.end_memberships(tx, channel.key, revision):
            tx.emit(Emitted(USER_CHANNEL_REMOVED, member, caller, webhook_enabled=False, channel=channel))
        for invite in await invites.end_invites(tx, channel.key):
            tx.emit(Emitted(INVITE_REMOVED, invite, caller, webhook_enabled=False, channel=channel))
        await media.mark_channel_deleted(tx, channel.key)
        tx.emit(Emitted(CHANNEL_DESTROYED, channel, caller, webhook_enabled, channel))
    chat.to_sweep.set()
