"""What stands in the objects: each record as the client SDKs read it. Pure."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from hubbub.dates import iso_milliseconds
from hubbub.realtime.sync.objects import of_channel
from hubbub.resources.channels.model import Channel
from hubbub.resources.members.model import Member, MyChannel
from hubbub.resources.messages.model import Message
from hubbub.resources.users.model import User


class LastMessage(msgspec.Struct, gc=False):
    index: int
    timestamp: str


class ChannelData(msgspec.Struct, rename="camel", gc=False):
    """No `status` here: the SDKs would take it for the user's own."""

    friendly_name: str | None
    unique_name: str | None
    attributes: str
    type: str
    created_by: str
    date_created: str
    date_updated: str
    messages: str
    roster: str
    sid: str
    last_message: LastMessage | UnsetType | None  # null where all were deleted: left out, the SDKs keep the old one


class MediaData(msgspec.Struct, rename="camel", gc=False):
    sid: str
    filename: str | None
    content_type: str
    size: int
    category: str = "media"


class MessageData(msgspec.Struct, rename="camel", gc=False):
    sid: str
    text: str
    author: str
    member_sid: str | None
    attributes: str
    timestamp: str
    date_updated: str
    last_updated_by: str | None
    type: str = "text"
    media: MediaData | UnsetType = UNSET
    medias: list[MediaData] | UnsetType = UNSET


class StoredMedia(msgspec.Struct, gc=False):
    """As a message carries it."""

    sid: str
    size: int
    content_type: str
    filename: str | None


class MemberData(msgspec.Struct, rename="camel", gc=False):
    identity: str
    role_sid: str
    attributes: str
    date_created: str
    date_updated: str
    last_consumed_message_index: int | None
    last_consumption_timestamp: str | None
    type: str
    user_info: str | None


class MyChannelData(msgspec.Struct, rename="camel", gc=False):
    """Nothing of the channel itself: when it is out of date it would overrule the document."""

    channel: str
    messages: str
    roster: str
    status: str
    notification_level: str
    type: str | None
    last_consumed_message_index: int | None


stored_media = msgspec.json.Decoder(StoredMedia).decode


def channel_data(channel: Channel, last_message: int | None, last_message_date: int | None) -> ChannelData:
    _, messages, roster = of_channel(channel.sid)
    last: LastMessage | UnsetType | None = UNSET if channel.last_index < 0 else None
    if last_message is not None and last_message_date is not None:
        last = LastMessage(last_message, iso_milliseconds(last_message_date))
    return ChannelData(
        channel.friendly_name,
        channel.unique_name,
        channel.attributes,
        channel.type,
        channel.created_by,
        iso_milliseconds(channel.date_created),
        iso_milliseconds(channel.date_updated),
        messages,
        roster,
        channel.sid,
        last,
    )


def message_data(message: Message, member_sid: str | None) -> MessageData:
    data = MessageData(
        message.sid,
        message.body,
        message.from_,
        member_sid,
        message.attributes,
        iso_milliseconds(message.date_created),
        iso_milliseconds(message.date_updated),
        message.last_updated_by,
    )
    if message.media is not None:
        media = stored_media(message.media)
        data.type = "media"
        data.media = MediaData(media.sid, media.filename, media.content_type, media.size)
        data.medias = [data.media]
    return data


def member_data(member: Member, user_sid: str | None) -> MemberData:
    read = member.last_consumption_timestamp
    return MemberData(
        member.identity,
        member.role_sid,
        member.attributes,
        iso_milliseconds(member.date_created),
        iso_milliseconds(member.date_updated),
        member.last_consumed_message_index,
        None if read is None else iso_milliseconds(read),
        "chat",
        None if user_sid is None else f"{user_sid}.info",
    )


def my_channel_data(mine: MyChannel) -> MyChannelData:
    return MyChannelData(
        *of_channel(mine.channel_sid),
        mine.status,
        mine.notification_level,
        mine.type,
        mine.last_consumed_message_index,
    )


def info_items(user: User) -> dict[str, dict[str, Any]]:
    """By key, in order. Reachability is there where the service has it on."""
    items: dict[str, dict[str, Any]] = {
        "attributes": {"value": user.attributes},
        "friendlyName": {"value": user.friendly_name},
    }
    if user.reachability_enabled:
        items["reachability"] = {"online": bool(user.is_online), "notifiable": bool(user.is_notifiable)}
    return items
