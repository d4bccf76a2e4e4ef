"""What the older SDKs ask for by GET: public channels, the user's own, and the list that they begin with."""

from typing import Any

from hubbub.realtime.commands.command import Command, Commands, answer
from hubbub.realtime.commands.conversations import access_conversation, described, public_page
from hubbub.realtime.commands.my_conversations import my_page
from hubbub.realtime.tunnel import Reply
from hubbub.resources.channels.actions import access_channel
from hubbub.resources.channels.model import Channel
from hubbub.resources.members.sql import get_user_channel

commands = Commands()


def descriptor(conversation: dict[str, Any]) -> dict[str, Any]:
    """The same, and by the older names."""
    objects = conversation["sync_objects"]
    return conversation | {
        "channel_sid": conversation["sid"],
        "members_count": conversation["participants_count"],
        "channel": objects["conversation"],
        "messages": objects["messages"],
        "roster": objects["participants"],
    }


def listed(conversations: list[dict[str, Any]], meta: dict[str, Any]) -> Reply:
    return answer(200, {"channels": [descriptor(each) for each in conversations], "meta": meta})


@commands.get("/PublicChannels")
async def list_public(command: Command) -> Reply:
    return listed(*await public_page(command))


@commands.get("/PublicChannels/{ConversationSid}")
@commands.get("/MyChannels/{ConversationSid}")
async def fetch_one(command: Command) -> Reply:
    """Any channel that the user sees, by SID or unique name."""
    return answer(200, descriptor(await described(command, await access_conversation(command))))


@commands.get("/SyncList")
async def list_joined(command: Command) -> Reply:
    """Where the user is or is invited to."""
    return listed(*await my_page(command))


@commands.get("/MyChannels")
async def list_mine(command: Command) -> Reply:
    """The same, or one channel of it: the SDK expects an empty list for one that is not the user's."""
    name = command.param("ChannelSid")
    if not name:
        return await list_joined(command)
    channel = await access_channel(command.chat, command.caller, command.service_sid, name)
    return listed(await own(command, channel), {"previous_token": None, "next_token": None})


async def own(command: Command, channel: Channel) -> list[dict[str, Any]]:
    mine = await get_user_channel(command.chat.database, command.user.key, channel.key)
    return [] if mine is None else [await described(command, channel)]
