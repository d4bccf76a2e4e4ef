"""What can be done with messages.

Sending is the hot path: concurrent messages are written together, see `storage.batch`.
"""

from collections import defaultdict
from collections.abc import Container

from msgspec.structs import replace

from hubbub.chat import SYSTEM, Caller, Changes, Chat, Emitted
from hubbub.errors import ERRORS, ChatError
from hubbub.events import MEDIA_MESSAGE_SENT, MESSAGE_REMOVED, MESSAGE_SENT, MESSAGE_UPDATED
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.actions import access_channel
from hubbub.resources.channels.model import Channel, Place
from hubbub.resources.media import sql as media
from hubbub.resources.media.actions import attach_media, describe_media
from hubbub.resources.members import sql as members
from hubbub.resources.messages import sql
from hubbub.resources.messages.model import Draft, Message, check_changes
from hubbub.resources.mutations import sql as mutations
from hubbub.resources.mutations.model import Repeated
from hubbub.resources.permissions import (
    DELETE_ANY_MESSAGE,
    DELETE_OWN_MESSAGE,
    MESSAGE_EDITS,
    SEND_MEDIA_MESSAGE,
    SEND_MESSAGE,
    allow,
    allow_edits,
    allow_reading,
)
from hubbub.sids import new_sid
from hubbub.storage.database import Transaction
from hubbub.storage.pages import Slice, Window


async def access_message(chat: Chat, caller: Caller, place: Place, sid_or_index: str | int) -> Message:
    """Raises ERRORS.SERVICE_NOT_FOUND or ERRORS.NOT_FOUND, or ERRORS.NOT_MEMBER to an end user who is none."""
    await allow_reading(chat, caller, place)
    message = await sql.get_message(chat.database, place.key, sid_or_index)
    if message is None:
        raise await missing(chat, caller, place)
    return message


async def missing(chat: Chat, caller: Caller, place: Place) -> ChatError:
    """What to say when a message is not there: perhaps its channel or service is gone, too."""
    chat.places.pop((caller.account, place.service_sid, place.sid), None)
    await access_channel(chat, caller, place.service_sid, place.sid)
    return ERRORS.NOT_FOUND()


async def list_messages(chat: Chat, caller: Caller, channel: Channel, order: str, window: Window) -> Slice[Message]:
    """In the order of their indexes, `asc` or `desc`. Raises ERRORS.NOT_MEMBER to an end user who is none."""
    await allow_reading(chat, caller, channel)
    return await sql.OF_CHANNEL[order].page(chat.database, window, channel.key)


async def send_message(
    chat: Chat,
    caller: Caller,
    place: Place,
    changes: Changes,
    media_sid: str | None,
    *,
    webhook_enabled: bool,
) -> Message:
    """Store the message under the next index of its channel; on disk before it returns.

    Raises the error of the first value that will not do, ERRORS.SERVICE_NOT_FOUND, or ERRORS.NOT_FOUND when the
    channel is gone.
    """
    await allow(chat, caller, place, SEND_MESSAGE if media_sid is None else SEND_MEDIA_MESSAGE)
    check_changes(changes)
    message = draft(chat, caller, place, changes)
    if caller.identity is not None:
        message = await offer(chat, caller, place, message, media_sid)
    try:
        if media_sid is None:
            mutation = chat.mutation and replace(chat.mutation, subject=message.sid)
            return await chat.drafts.add(Draft(place, message, caller, webhook_enabled, mutation))
        async with chat.transaction() as tx:
            message.media = await attach_media(tx, caller, place, message.sid, media_sid, chat.clock())
            return settled(await write(tx, [Draft(place, message, caller, webhook_enabled)]))
    except ChatError as error:
        if error.code == ERRORS.NOT_FOUND.code:
            raise await missing(chat, caller, place) from error
        if error.code == ERRORS.NOT_MEMBER.code:  # with the channel itself, perhaps
            await access_channel(chat, caller, place.service_sid, place.sid)
        raise


async def offer(chat: Chat, caller: Caller, place: Place, message: Message, media_sid: str | None) -> Message:
    """The message as the pre-event webhook lets an end user send it."""
    if media_sid is None:
        changed = await chat.hooks.before(MESSAGE_SENT, caller, place, message)
    else:
        proposed = replace(message, media=await describe_media(chat, caller, place, media_sid))
        changed = await chat.hooks.before(MEDIA_MESSAGE_SENT, caller, place, proposed)
    check_changes(changed)
    return replace(message, **changed)


def draft(chat: Chat, caller: Caller, place: Place, changes: Changes) -> Message:
    """The message before it has an index. One that says who edited it, or when, was edited."""
    created: int = changes.get("date_created", chat.clock())
    updated: int = changes.get("date_updated", created)
    last_updated_by = changes.get("last_updated_by")
    return Message(
        channel=place.key,
        index=-1,
        sid=new_sid("IM"),
        from_=changes.get("from_") or caller.author,
        body=changes.get("body", ""),
        attributes=changes.get("attributes", "{}"),
        media=None,
        was_edited=int(updated != created or last_updated_by is not None),
        last_updated_by=last_updated_by,
        date_created=created,
        date_updated=updated,
        revision=0,
    )


def settled(outcomes: list[Message | Exception]) -> Message:
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def write_drafts(chat: Chat, drafts: list[Draft]) -> list[Message | Exception]:
    """Store a batch in one transaction."""
    async with chat.transaction() as tx:
        return await write(tx, drafts)


async def write(tx: Transaction, drafts: list[Draft]) -> list[Message | Exception]:
    """Give each draft its index and revision and insert them, in the order given within each channel.

    What an end user may not send, or has sent already, is refused.
    """
    refused = await refuse(tx, drafts)
    by_channel: dict[int, list[Draft]] = defaultdict(list)
    staying = [item for item in drafts if item.message.sid not in refused] if refused else drafts
    for item in staying:
        by_channel[item.message.channel].append(item)
    # In key order, so that two nodes never wait for each other.
    wanted = [(key, len(by_channel[key]), by_channel[key][-1].message.sid) for key in sorted(by_channel)]
    room = await channels.take_indexes(tx, wanted) if wanted else {}
    for key, (index, revision) in room.items():
        for n, item in enumerate(by_channel[key], 1):
            item.message.index = index + n
            item.message.revision = revision + n
    placed = [item for item in staying if item.message.channel in room]
    await sql.add_messages(tx, [item.message for item in placed])
    for item in placed:
        event = MESSAGE_SENT if item.message.media is None else MEDIA_MESSAGE_SENT
        tx.emit(Emitted(event, item.message, item.caller, item.webhook_enabled, item.place))
    return [refused.get(item.message.sid) or outcome(item, room) for item in drafts]


def outcome(item: Draft, room: Container[int]) -> Message | Exception:
    return item.message if item.message.channel in room else ERRORS.NOT_FOUND()


async def refuse(tx: Transaction, drafts: list[Draft]) -> dict[str, Exception]:
    """What end users may not send, by its SID: they left since they were asked, or they sent it before."""
    senders = {(item.place.key, item.caller.identity) for item in drafts if item.caller.identity is not None}
    if not senders:
        return {}
    left = senders - await members.members_among(tx, sorted(senders))
    refused: dict[str, Exception] = {item.message.sid: ERRORS.NOT_MEMBER() for item in drafts if item.sender in left}
    named = [item.mutation for item in drafts if item.mutation and item.sender not in left]
    if named:
        new = await mutations.add_mutations(tx, named)
        refused |= {mutation.subject: Repeated() for mutation in named if mutation.subject not in new}
    return refused


def check_update(message: Message, changes: Changes) -> None:
    check_changes(changes)
    if message.media is not None and "body" in changes:
        raise ERRORS.MEDIA_BODY_UPDATE()


async def update_message(
    chat: Chat, caller: Caller, place: Place, message: Message, changes: Changes, *, webhook_enabled: bool
) -> Message:
    """Change what is given; the message counts as edited from now on.

    Raises ERRORS.MEDIA_BODY_UPDATE, or the error of the first value that will not do.
    """
    await allow_edits(chat, caller, place, MESSAGE_EDITS, changes, message.from_)
    check_update(message, changes)
    if not changes:
        return message
    if caller.identity is not None:
        proposed = replace(message, **(changes | {"last_updated_by": caller.author}))
        changed = await chat.hooks.before(MESSAGE_UPDATED, caller, place, proposed)
        check_update(message, changed)
        changes |= changed
    changes.setdefault("date_updated", chat.clock())
    if not changes.get("last_updated_by"):
        changes["last_updated_by"] = caller.identity or SYSTEM
    async with chat.transaction() as tx:
        bumped = await channels.bump_channel(tx, place.key)
        if bumped is None:
            raise ERRORS.NOT_FOUND()
        updated = await sql.update_message(tx, message, changes | {"was_edited": 1, "revision": bumped[1]})
        if updated is None:
            raise ERRORS.NOT_FOUND()
        tx.emit(Emitted(MESSAGE_UPDATED, updated, caller, webhook_enabled, place))
    return updated


async def delete_message(chat: Chat, caller: Caller, place: Place, message: Message, *, webhook_enabled: bool) -> None:
    """Its words and its file go, its index is never used again."""
    own = message.from_ == caller.identity
    await allow(chat, caller, place, DELETE_OWN_MESSAGE if own else DELETE_ANY_MESSAGE)
    if caller.identity is not None:
        await chat.hooks.before(MESSAGE_REMOVED, caller, place, message)
    async with chat.transaction() as tx:
        bumped = await channels.bump_channel(tx, place.key, messages=-1)
        if bumped is None or not await sql.bury_message(tx, message, bumped[1]):
            raise ERRORS.NOT_FOUND()
        await channels.set_last_message(tx, place.key)
        if message.media is not None:
            await media.mark_message_deleted(tx, place.service, message.sid)
        message.revision = bumped[1]
        tx.emit(Emitted(MESSAGE_REMOVED, message, caller, webhook_enabled, place))
    if message.media is not None:
        chat.to_sweep.set()
