"""Channels, by the SDKs' name: conversations."""

from typing import Any

import msgspec
from msgspec import UNSET

from hubbub.dates import iso_milliseconds
from hubbub.realtime.commands.command import (
    BASE,
    GONE,
    Command,
    Commands,
    Text,
    answer,
    given,
    given_or_null,
)
from hubbub.realtime.commands.pages import tokens, window
from hubbub.realtime.sync.objects import of_channel
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels import actions
from hubbub.resources.channels.model import PRIVATE, Channel
from hubbub.resources.members import sql as members
from hubbub.resources.members.model import DEFAULT, UserChannel
from hubbub.resources.services.actions import access_service

NOT_PARTICIPATING = "notParticipating"

commands = Commands()


class NewConversation(msgspec.Struct):
    type: Text = UNSET
    unique_name: Text = UNSET
    friendly_name: Text = UNSET
    attributes: Text = UNSET


class ChangedConversation(msgspec.Struct):
    unique_name: Text = UNSET
    friendly_name: Text = UNSET
    attributes: Text = UNSET


async def access_conversation(command: Command) -> Channel:
    """The channel that the path names. Raises ERRORS.NOT_FOUND."""
    return await actions.access_channel(
        command.chat, command.caller, command.service_sid, command.path["conversation_sid"]
    )


async def described(command: Command, channel: Channel) -> dict[str, Any]:
    """The conversation as it is to the user."""
    mine = await members.get_user_channel(command.chat.database, command.user.key, channel.key)
    return wire(channel) | mine_wire(mine)


async def fetched(command: Command, channel: Channel, status: int = 200) -> Reply:
    """The answer with one conversation."""
    return answer(status, await described(command, channel))


async def shown(command: Command, subject: str) -> Reply:  # noqa: ARG001 - the path has it
    return await fetched(command, await access_conversation(command))


async def created(command: Command, subject: str) -> Reply:
    channel = await actions.access_channel(command.chat, command.caller, command.service_sid, subject)
    return await fetched(command, channel, 201)


@commands.create("/Conversations", created)
async def create_conversation(command: Command) -> Reply:
    """Of no type it is a conversation of the newer SDK, which knows no public ones."""
    body = command.body(NewConversation)
    service = await access_service(command.chat, command.caller, command.service_sid)
    changes = given(
        type=body.type or PRIVATE,
        unique_name=body.unique_name,
        friendly_name=body.friendly_name,
        attributes=body.attributes,
    )
    channel = await actions.create_channel(command.chat, command.caller, service, changes, webhook_enabled=False)
    return answer(201, wire(channel) | mine_wire(None))


@commands.get("/Conversations")
async def list_conversations(command: Command) -> Reply:
    """The public ones."""
    conversations, meta = await public_page(command)
    return answer(200, {"conversations": conversations, "meta": meta})


async def public_page(command: Command) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The page that is asked for, and what there is beside it."""
    asked = window(command)
    service = await access_service(command.chat, command.caller, command.service_sid)
    found = await actions.list_channels(command.chat, command.caller, service, [], asked)
    keys = [channel.key for channel in found.rows]
    mine = await members.user_channels_among(command.chat.database, command.user.key, keys)
    known = {each.channel: each for each in mine}
    near = tokens(asked, found)
    meta = {"page_size": asked.size, "previous_token": near.previous, "next_token": near.next}
    return [wire(channel) | mine_wire(known.get(channel.key)) for channel in found.rows], meta


@commands.get("/Conversations/{ConversationSid}")
async def fetch_conversation(command: Command) -> Reply:
    return await fetched(command, await access_conversation(command))


@commands.update("/Conversations/{ConversationSid}", shown)
async def update_conversation(command: Command) -> Reply:
    body = command.body(ChangedConversation)
    changes = given(attributes=body.attributes) | given_or_null(
        unique_name=body.unique_name, friendly_name=body.friendly_name
    )
    channel = await access_conversation(command)
    updated = await actions.update_channel(command.chat, command.caller, channel, changes, webhook_enabled=False)
    return await fetched(command, updated)


@commands.delete("/Conversations/{ConversationSid}")
async def delete_conversation(command: Command) -> Reply:
    channel = await access_conversation(command)
    await actions.delete_channel(command.chat, command.caller, channel, webhook_enabled=False)
    return GONE


def conversation_url(sid: str) -> str:
    return f"{BASE}/Conversations/{sid}"


def wire(channel: Channel) -> dict[str, Any]:
    document, messages, roster = of_channel(channel.sid)
    here = conversation_url(channel.sid)
    return {
        "sid": channel.sid,
        "conversation_sid": channel.sid,
        "account_sid": channel.account_sid,
        "chat_service_sid": channel.service_sid,
        "type": channel.type,
        "unique_name": channel.unique_name,
        "friendly_name": channel.friendly_name,
        "attributes": channel.attributes,
        "created_by": channel.created_by,
        "date_created": iso_milliseconds(channel.date_created),
        "date_updated": iso_milliseconds(channel.date_updated),
        "messages_count": channel.messages_count,
        "participants_count": channel.members_count,
        "url": here,
        "sync_objects": {"conversation": document, "messages": messages, "participants": roster},
        "links": {
            "messages": f"{here}/Messages",
            "participants": f"{here}/Participants",
            "invites": f"{here}/Invites",
        },
    }


def mine_wire(mine: UserChannel | None) -> dict[str, Any]:
    """What the conversation is to the user. The horizon has another name in the newer SDK."""
    horizon = mine and mine.last_consumed_message_index
    return {
        "status": mine.status if mine else NOT_PARTICIPATING,
        "notification_level": mine.notification_level if mine else DEFAULT,
        "last_consumed_message_index": horizon,
        "last_read_message_index": horizon,
        "unread_messages_count": mine and mine.unread_messages_count,
    }
