"""THE table of the session list's actions: which command each is, by another name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.commands import conversations, invites, messages, my_conversations, participants, users
from hubbub.realtime.commands.command import MUTATION, Command, Declared, Do, Index, Repeats, Text, encode
from hubbub.realtime.sync.objects import of_channel
from hubbub.realtime.tunnel import Request

NOUNS = (conversations, invites, messages, my_conversations, participants, users)
COMMANDS: dict[Do, Declared] = {declared.do: declared for noun in NOUNS for declared in noun.commands}
REPORT = "consumptionReportV2"
MOST_REPORTED = 1000  # channels in one report: as many as a user can be in


class Horizon(msgspec.Struct, rename="camel"):
    """How far the user has read a channel; null is not at all."""

    channel_sid: str
    message_idx: Index = None


class Asked(msgspec.Struct, rename="camel"):
    """What any action may say."""

    action: str
    channel_sid: Text = UNSET
    username: Text = UNSET
    member_sid: Text = UNSET
    message_idx: int | str | UnsetType | None = UNSET
    media_sid: Text = UNSET
    type: Text = UNSET
    text: Text = UNSET
    attributes: Text = UNSET
    friendly_name: Text = UNSET
    unique_name: Text = UNSET
    notification_level: Text = UNSET
    report: list[Horizon] = []


def nothing(content: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - one signature for all
    return {}


def made(content: dict[str, Any]) -> dict[str, Any]:
    sid = content["sid"]
    document = of_channel(sid)[0]
    return {"channelSid": sid, "channel": document, "conversationSid": sid, "conversation": document}


def sent(content: dict[str, Any]) -> dict[str, Any]:
    return {"messageId": content.get("index")}


NO_FIELDS: dict[str, str] = {}


class Action(NamedTuple):
    """The command's handler, and which words of the action are the parts of its path and the fields of its body.

    Besides those of the action, there are the words `me`, which is the user's identity, and `member`, which is the
    member that is named, by SID or identity. `told` is what the answer has of the command's.
    """

    do: Do
    path: dict[str, str]
    body: dict[str, str] = NO_FIELDS
    told: Callable[[dict[str, Any]], dict[str, Any]] = nothing


CHANNEL = {"conversation_sid": "channelSid"}
MEMBER = CHANNEL | {"sid": "member"}
OWN = CHANNEL | {"sid": "me"}
MESSAGE = CHANNEL | {"sid": "messageIdx"}
USER = {"identity": "username"}
ATTRIBUTES = {"attributes": "attributes"}
FRIENDLY_NAME = {"friendly_name": "friendlyName"}
UNIQUE_NAME = {"unique_name": "uniqueName"}
NEW = {"type": "type"} | ATTRIBUTES | FRIENDLY_NAME | UNIQUE_NAME
LEVEL = {"notification_level": "notificationLevel"}

ACTIONS = {
    "createChannel": Action(conversations.create_conversation, {}, NEW, made),
    "createConversation": Action(conversations.create_conversation, {}, NEW, made),
    "destroyChannel": Action(conversations.delete_conversation, CHANNEL),
    "editAttributes": Action(conversations.update_conversation, CHANNEL, ATTRIBUTES),
    "editFriendlyName": Action(conversations.update_conversation, CHANNEL, FRIENDLY_NAME),
    "editUniqueName": Action(conversations.update_conversation, CHANNEL, UNIQUE_NAME),
    "joinChannelV2": Action(participants.add_participant, CHANNEL, {"identity": "me"}),
    "leaveChannel": Action(participants.remove_participant, OWN),
    "addMemberV2": Action(participants.add_participant, CHANNEL, {"identity": "username"} | ATTRIBUTES),
    "removeMember": Action(participants.remove_participant, MEMBER),
    "editMemberAttributes": Action(participants.update_participant, MEMBER, ATTRIBUTES),
    "inviteMember": Action(invites.create_invite, CHANNEL, {"identity": "username"}),
    "declineInvitation": Action(invites.delete_invite, OWN),
    "sendMessage": Action(messages.send_message, CHANNEL, {"body": "text"} | ATTRIBUTES, sent),
    "sendMediaMessage": Action(messages.send_message, CHANNEL, {"media_sid": "mediaSid"} | ATTRIBUTES, sent),
    "editMessage": Action(messages.update_message, MESSAGE, {"body": "text"}),
    "editMessageAttributes": Action(messages.update_message, MESSAGE, ATTRIBUTES),
    "deleteMessage": Action(messages.delete_message, MESSAGE),
    "editNotificationLevel": Action(my_conversations.update_mine, CHANNEL, LEVEL),
    "editUserFriendlyName": Action(users.update_user, USER, FRIENDLY_NAME),
    "editUserAttributes": Action(users.update_user, USER, ATTRIBUTES),
}


async def act(repeats: Repeats, command: Command, asked: Asked, command_id: str) -> dict[str, Any]:
    """Do it, once for each command's id. Returns what the answer says beside the status. Raises as the command does."""
    if asked.action == REPORT:
        return {"report": await report(repeats, command, asked.report)}
    action = ACTIONS.get(asked.action)
    if action is None:
        raise ERRORS.INVALID_PARAMETER(name="action")
    words = msgspec.to_builtins(asked) | {"me": command.user.identity}
    words["member"] = words.get("memberSid") or words.get("username")
    content = await give(repeats, command, action, words, command_id)
    return action.told(content)


async def report(repeats: Repeats, command: Command, horizons: list[Horizon]) -> list[dict[str, Any]]:
    """The unread messages of each channel. One whose horizon cannot be set is left out, and the SDK refuses that."""
    if len(horizons) > MOST_REPORTED:
        raise ERRORS.INVALID_PARAMETER(name="report")
    action = Action(my_conversations.update_mine, CHANNEL, {"last_consumed_message_index": "messageIdx"})
    told = []
    for horizon in horizons:
        try:
            content = await give(repeats, command, action, msgspec.to_builtins(horizon))
        except ChatError as error:
            if error.status >= 500:  # noqa: PLR2004 - an HTTP status names itself
                raise
            continue
        told.append({"channelSid": horizon.channel_sid, "unreadMessagesCount": content["unread_messages_count"]})
    return told


async def give(
    repeats: Repeats, command: Command, action: Action, words: dict[str, Any], command_id: str = ""
) -> dict[str, Any]:
    """Run the command as if it had come as a request of its own, and return the content of its reply."""
    declared = COMMANDS[action.do]
    path = {name: needed(words, word) for name, word in action.path.items()}
    body = {name: words[word] for name, word in action.body.items() if word in words}
    headers = {MUTATION: command_id}
    request = Request("aim", declared.method, declared.path, {}, headers, encode(body))
    reply = await repeats.bind(declared)(command.connection, request, path)
    content: dict[str, Any] = msgspec.json.decode(reply.body) if reply.body else {}
    return content


def needed(words: dict[str, Any], word: str) -> str:
    value = words.get(word)
    if value is None or value == "":
        raise ERRORS.MISSING_PARAMETER(name=word)
    return str(value)
