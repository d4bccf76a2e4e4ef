"""The user's own channels, and what each is to the user: read horizon, unread messages, notification level."""

from typing import Any

import msgspec
from msgspec import UNSET

from hubbub.realtime.commands.command import Command, Commands, Index, Text, answer, given, given_or_null
from hubbub.realtime.commands.conversations import mine_wire, wire
from hubbub.realtime.commands.pages import MOST, tokens, window
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.members import actions
from hubbub.resources.members.model import UserChannel

commands = Commands()


class Mine(msgspec.Struct):
    """The horizon by the name of either SDK; null resets it."""

    last_consumed_message_index: Index = UNSET
    last_read_message_index: Index = UNSET
    notification_level: Text = UNSET


async def access_mine(command: Command) -> tuple[UserChannel, Channel]:
    """Raises ERRORS.NOT_FOUND for a channel that the user has neither joined nor is invited to."""
    mine, _, channel = await actions.access_user_channel(
        command.chat, command.caller, command.service_sid, command.user.sid, command.path["conversation_sid"]
    )
    return mine, channel


@commands.get("/MyConversations")
async def list_mine(command: Command) -> Reply:
    conversations, meta = await my_page(command)
    return answer(200, {"conversations": conversations, "meta": meta})


async def my_page(command: Command) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The page that is asked for, and what there is beside it."""
    asked = window(command, MOST)
    found = await actions.list_user_channels(command.chat, command.caller, command.user, asked)
    keys = [mine.channel for mine in found.rows]
    shared = command.user.account_sid, command.user.service_sid
    known = {channel.key: channel for channel in await channels.channels_by_key(command.chat.database, keys, shared)}
    near = tokens(asked, found)
    meta = {"page_size": asked.size, "next_token": near.next, "previous_token": near.previous}
    return [wire(known[mine.channel]) | mine_wire(mine) for mine in found.rows if mine.channel in known], meta


@commands.get("/MyConversations/{ConversationSid}")
async def fetch_mine(command: Command) -> Reply:
    mine, channel = await access_mine(command)
    return answer(200, wire(channel) | mine_wire(mine))


async def fetch_again(command: Command, subject: str) -> Reply:  # noqa: ARG001 - the path has it
    return await fetch_mine(command)


@commands.update("/MyConversations/{ConversationSid}", fetch_again)
async def update_mine(command: Command) -> Reply:
    body = command.body(Mine)
    horizon = body.last_read_message_index
    if body.last_consumed_message_index is not UNSET:
        horizon = body.last_consumed_message_index
    changes = given(notification_level=body.notification_level) | given_or_null(last_consumed_message_index=horizon)
    _, channel = await access_mine(command)
    updated = await actions.update_user_channel(command.chat, command.caller, command.user, channel, changes)
    return answer(200, wire(channel) | mine_wire(updated))
