"""Users: everybody sees everybody in the service; the members of a channel are listed as users, too."""

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET

from hubbub.dates import iso_milliseconds
from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import BASE, Command, Commands, Text, answer, given, given_or_null
from hubbub.realtime.commands.pages import tokens, window
from hubbub.realtime.sync.objects import INFO, Object
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels.actions import access_channel
from hubbub.resources.members.actions import list_members
from hubbub.resources.users import actions, sql
from hubbub.resources.users.model import User

commands = Commands()


class ChangedUser(msgspec.Struct):
    friendly_name: Text = UNSET
    attributes: Text = UNSET


async def access(command: Command) -> User:
    """Raises ERRORS.NOT_FOUND."""
    return await actions.access_user(command.chat, command.caller, command.service_sid, command.path["identity"])


@commands.get("/Users")
async def list_users(command: Command) -> Reply:
    """Those who are in the channel, which the older SDKs call by another name. There is no list of all."""
    asked = window(command)
    name = command.param("ConversationSid") or command.param("ChannelSid")
    if not name:
        raise ERRORS.INVALID_PARAMETER(name="ConversationSid")
    channel = await access_channel(command.chat, command.caller, command.service_sid, name)
    found = await list_members(command.chat, command.caller, channel, [], asked)
    keys = [member.user for member in found.rows]
    known = {user.key: user for user in await sql.users_by_key(command.chat.database, keys)}
    near = tokens(asked, found)
    meta = {"page_size": asked.size, "prev_token": near.previous, "next_token": near.next}  # so the SDKs call it here
    return answer(200, {"users": [wire(known[key]) for key in keys if key in known], "meta": meta})


@commands.get("/Users/{Identity}")
async def fetch_user(command: Command) -> Reply:
    return answer(200, wire(await access(command)))


async def fetch_again(command: Command, subject: str) -> Reply:  # noqa: ARG001 - the path has it
    return await fetch_user(command)


@commands.update("/Users/{Identity}", fetch_again)
async def update_user(command: Command) -> Reply:
    body = command.body(ChangedUser)
    changes = given(attributes=body.attributes) | given_or_null(friendly_name=body.friendly_name)
    user = await access(command)
    return answer(
        200, wire(await actions.update_user(command.chat, command.caller, user, changes, webhook_enabled=False))
    )


def wire(user: User) -> dict[str, Any]:
    """Unlike REST's lists, those of the SDKs tell who is online, where the service has reachability on."""
    info = Object(INFO, user.sid).unique_name
    return {
        "sid": user.sid,
        "identity": user.identity,
        "role_sid": user.role_sid,
        "account_sid": user.account_sid,
        "chat_service_sid": user.service_sid,
        "friendly_name": user.friendly_name,
        "attributes": user.attributes,
        "is_online": bool(user.is_online) if user.reachability_enabled else None,
        "is_notifiable": bool(user.is_notifiable) if user.reachability_enabled else None,
        "date_created": iso_milliseconds(user.date_created),
        "date_updated": iso_milliseconds(user.date_updated),
        "sync_unique_name": info,
        "sync_objects": {"user_info_map": info},
        "url": f"{BASE}/Users/{quote(user.identity, safe='')}",
    }
