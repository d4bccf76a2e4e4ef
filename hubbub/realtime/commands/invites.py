"""Invites, by the invited user's identity: declining one is deleting it."""

from typing import Any

import msgspec
from msgspec import UNSET

from hubbub.dates import iso_milliseconds
from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import GONE, Command, Commands, Text, answer
from hubbub.realtime.commands.conversations import access_conversation, conversation_url
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels.model import Channel
from hubbub.resources.invites import actions
from hubbub.resources.invites.model import Invite

commands = Commands()
COLLECTION = "/Conversations/{ConversationSid}/Invites"


class NewInvite(msgspec.Struct):
    identity: Text = UNSET


async def created(command: Command, subject: str) -> Reply:
    channel = await access_conversation(command)
    return answer(201, wire(await actions.access_invite(command.chat, command.caller, channel, subject), channel))


@commands.create(COLLECTION, created)
async def create_invite(command: Command) -> Reply:
    identity = command.body(NewInvite).identity
    if not identity:
        raise ERRORS.MISSING_PARAMETER(name="identity")
    channel = await access_conversation(command)
    invite = await actions.create_invite(command.chat, command.caller, channel, identity, None)
    return answer(201, wire(invite, channel))


@commands.delete(COLLECTION + "/{Sid}")
async def delete_invite(command: Command) -> Reply:
    channel = await access_conversation(command)
    invite = await actions.access_invite(command.chat, command.caller, channel, command.path["sid"])
    await actions.delete_invite(command.chat, command.caller, channel, invite)
    return GONE


def wire(invite: Invite, channel: Channel) -> dict[str, Any]:
    here = conversation_url(channel.sid)
    return {
        "sid": invite.sid,
        "identity": invite.identity,
        "role_sid": invite.role_sid,
        "account_sid": channel.account_sid,
        "chat_service_sid": channel.service_sid,
        "conversation_sid": channel.sid,
        "created_by": invite.created_by,
        "date_created": iso_milliseconds(invite.date_created),
        "date_updated": iso_milliseconds(invite.date_updated),
        "url": f"{here}/Invites/{invite.sid}",
        "links": {"conversation": here},
    }
