"""Members, by the SDKs' name: participants. Joining is adding oneself, leaving is removing oneself."""

from typing import Any

import msgspec
from msgspec import UNSET

from hubbub.dates import iso_milliseconds
from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import GONE, Command, Commands, Text, answer, given
from hubbub.realtime.commands.conversations import access_conversation, conversation_url
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels.model import Channel
from hubbub.resources.members import actions
from hubbub.resources.members.model import Member

commands = Commands()
COLLECTION = "/Conversations/{ConversationSid}/Participants"
INSTANCE = COLLECTION + "/{Sid}"


class NewParticipant(msgspec.Struct):
    identity: Text = UNSET
    attributes: Text = UNSET


class ChangedParticipant(msgspec.Struct):
    attributes: Text = UNSET


async def created(command: Command, subject: str) -> Reply:
    channel = await access_conversation(command)
    return answer(201, wire(await actions.access_member(command.chat, command.caller, channel, subject), channel))


async def shown(command: Command, subject: str) -> Reply:  # noqa: ARG001 - the path has it
    channel = await access_conversation(command)
    member = await actions.access_member(command.chat, command.caller, channel, command.path["sid"])
    return answer(200, wire(member, channel))


@commands.create(COLLECTION, created)
async def add_participant(command: Command) -> Reply:
    """By identity alone: there are no telephones here."""
    body = command.body(NewParticipant)
    if not body.identity:
        raise ERRORS.MISSING_PARAMETER(name="identity")
    channel = await access_conversation(command)
    changes = given(attributes=body.attributes)
    member = await actions.add_member(
        command.chat, command.caller, channel, body.identity, changes, webhook_enabled=False
    )
    return answer(201, wire(member, channel))


@commands.update(INSTANCE, shown)
async def update_participant(command: Command) -> Reply:
    changes = given(attributes=command.body(ChangedParticipant).attributes)
    channel = await access_conversation(command)
    member = await actions.access_member(command.chat, command.caller, channel, command.path["sid"])
    updated = await actions.update_member(command.chat, command.caller, channel, member, changes, webhook_enabled=False)
    return answer(200, wire(updated, channel))


@commands.delete(INSTANCE)
async def remove_participant(command: Command) -> Reply:
    channel = await access_conversation(command)
    member = await actions.access_member(command.chat, command.caller, channel, command.path["sid"])
    await actions.remove_member(command.chat, command.caller, channel, member, webhook_enabled=False)
    return GONE


def wire(member: Member, channel: Channel) -> dict[str, Any]:
    here = conversation_url(channel.sid)
    read = member.last_consumption_timestamp
    return {
        "sid": member.sid,
        "identity": member.identity,
        "role_sid": member.role_sid,
        "attributes": member.attributes,
        "account_sid": channel.account_sid,
        "chat_service_sid": channel.service_sid,
        "conversation_sid": channel.sid,
        "last_read_message_index": member.last_consumed_message_index,
        "last_read_timestamp": None if read is None else iso_milliseconds(read),
        "date_created": iso_milliseconds(member.date_created),
        "date_updated": iso_milliseconds(member.date_updated),
        "messaging_binding": None,
        "url": f"{here}/Participants/{member.sid}",
        "links": {"conversation": here},
    }
