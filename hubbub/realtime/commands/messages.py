"""Messages of a conversation, and what the newer SDK asks of them that there is not: receipts, recipients, metadata."""

from typing import Any

import msgspec
from msgspec import UNSET

from hubbub.dates import iso_milliseconds
from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import GONE, Command, Commands, Text, answer, given
from hubbub.realtime.commands.conversations import conversation_url
from hubbub.realtime.sync.items import MediaData, stored_media
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels.actions import locate_channel
from hubbub.resources.channels.model import Place
from hubbub.resources.members.sql import get_member_by_identity
from hubbub.resources.messages import actions
from hubbub.resources.messages.model import Message
from hubbub.resources.permissions import allow_reading
from hubbub.web.params import LARGEST_INTEGER

commands = Commands()
COLLECTION = "/Conversations/{ConversationSid}/Messages"
INSTANCE = COLLECTION + "/{Sid}"


class NewMessage(msgspec.Struct):
    body: Text = UNSET
    attributes: Text = UNSET
    media_sid: Text = UNSET
    media_sids: list[str] | None = None  # the newer SDK's


class ChangedMessage(msgspec.Struct):
    body: Text = UNSET
    attributes: Text = UNSET


async def locate(command: Command) -> Place:
    """The channel that the path names. Raises ERRORS.NOT_FOUND."""
    return await locate_channel(command.chat, command.caller, command.service_sid, command.path["conversation_sid"])


async def access(command: Command) -> tuple[Place, Message]:
    """By SID, or by index as the older SDKs do. Raises ERRORS.NOT_FOUND, or ERRORS.NOT_MEMBER."""
    place = await locate(command)
    name = command.path["sid"]
    key = as_index(name) if name.isdecimal() else name
    return place, await actions.access_message(command.chat, command.caller, place, key)


def as_index(text: str) -> int:
    """Raises ERRORS.NOT_FOUND for one that no message can have."""
    if not text.isascii() or len(text) > len(str(LARGEST_INTEGER)) or int(text) > LARGEST_INTEGER:
        raise ERRORS.NOT_FOUND()
    return int(text)


async def told(command: Command, status: int, place: Place, message: Message) -> Reply:
    member = await get_member_by_identity(command.chat.database, place.key, message.from_)
    return answer(status, wire(message, place, member.sid if member else None))


async def created(command: Command, subject: str) -> Reply:
    place = await locate(command)
    return await told(command, 201, place, await actions.access_message(command.chat, command.caller, place, subject))


async def shown(command: Command, subject: str) -> Reply:  # noqa: ARG001 - the path has it
    return await told(command, 200, *await access(command))


@commands.create(COLLECTION, created)
async def send_message(command: Command) -> Reply:
    body = command.body(NewMessage)
    files = body.media_sids or ([body.media_sid] if body.media_sid else [])
    if len(files) > 1:  # a message has one
        raise ERRORS.INVALID_PARAMETER(name="media_sids")
    place = await locate(command)
    changes = given(body=body.body, attributes=body.attributes)
    message = await actions.send_message(
        command.chat, command.caller, place, changes, files[0] if files else None, webhook_enabled=False
    )
    return await told(command, 201, place, message)


@commands.update(INSTANCE, shown)
async def update_message(command: Command) -> Reply:
    body = command.body(ChangedMessage)
    place, message = await access(command)
    changes = given(body=body.body, attributes=body.attributes)
    updated = await actions.update_message(command.chat, command.caller, place, message, changes, webhook_enabled=False)
    return await told(command, 200, place, updated)


@commands.delete(INSTANCE)
async def delete_message(command: Command) -> Reply:
    place, message = await access(command)
    await actions.delete_message(command.chat, command.caller, place, message, webhook_enabled=False)
    return GONE


@commands.get(INSTANCE + "/Receipts")
async def list_receipts(command: Command) -> Reply:
    """None: they are of messages that leave for telephones."""
    await access(command)
    return answer(200, {"delivery_receipts": [], "meta": {"previous_token": None, "next_token": None}})


@commands.get("/Conversations/{ConversationSid}/MessageRecipients")
async def list_recipients(command: Command) -> Reply:
    """None: they are of e-mails."""
    await allow_reading(command.chat, command.caller, await locate(command))
    return answer(200, {"message_recipients": [], "meta": {"previous_token": None, "next_token": None}})


@commands.get(INSTANCE + "/ChannelMetadata")
async def fetch_metadata(command: Command) -> Reply:
    """Likewise. The SDK takes this very error for none."""
    await access(command)
    raise ERRORS.CHANNEL_METADATA_NOT_FOUND()


def wire(message: Message, place: Place, member_sid: str | None) -> dict[str, Any]:
    conversation = conversation_url(place.sid)
    here = f"{conversation}/Messages/{message.sid}"
    return {
        "sid": message.sid,
        "index": message.index,
        "body": message.body,
        "author": message.from_,
        "attributes": message.attributes,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "conversation_sid": place.sid,
        "participant_sid": member_sid,
        "last_updated_by": message.last_updated_by,
        "date_created": iso_milliseconds(message.date_created),
        "date_updated": iso_milliseconds(message.date_updated),
        "media": None if message.media is None else [media_wire(message.media)],
        "url": here,
        "links": {"conversation": conversation, "messages_receipts": f"{here}/Receipts"},
    }


def media_wire(stored: str) -> MediaData:
    media = stored_media(stored)
    return MediaData(media.sid, media.filename, media.content_type, media.size)
