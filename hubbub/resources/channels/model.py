"""A channel: where members write messages."""

from typing import Any, ClassVar

import msgspec

from hubbub.dates import iso
from hubbub.errors import ERRORS
from hubbub.resources.checks import (
    AUTHOR,
    CHANNEL_ATTRIBUTES,
    NAME,
    check_attributes,
    check_length,
    null_if_empty,
)
from hubbub.sids import is_sid

PUBLIC = "public"
PRIVATE = "private"


class Place(msgspec.Struct, frozen=True):
    """What never changes of a channel: enough to write to it and to name it."""

    key: int
    service: int
    sid: str
    account_sid: str
    service_sid: str


class Channel(msgspec.Struct, gc=False):
    JOINED: ClassVar[tuple[str, ...]] = ("account_sid", "service_sid")

    key: int
    service: int
    sid: str
    unique_name: str | None
    friendly_name: str | None
    attributes: str
    type: str
    created_by: str
    members_count: int
    messages_count: int
    last_message_sid: str | None
    date_created: int
    date_updated: int
    revision: int
    last_revision: int
    last_index: int
    account_sid: str = ""
    service_sid: str = ""

    @property
    def place(self) -> Place:
        return Place(self.key, self.service, self.sid, self.account_sid, self.service_sid)


class Seen(msgspec.Struct, gc=False):
    """A channel with its newest message, and what decides which of its parts an end user may read."""

    channel: Channel
    last_message: int | None  # its index
    last_message_date: int | None
    member_sid: str | None
    invite_sid: str | None
    awaited: bool  # the maker of a private channel who has not been in it yet

    @property
    def visible(self) -> bool:
        """Whether there is such a channel for the end user."""
        return self.channel.type == PUBLIC or self.joined or self.invite_sid is not None or self.awaited

    @property
    def joined(self) -> bool:
        """Messages and roster are for members."""
        return self.member_sid is not None


def channel_url(origin: str, channel: Channel | Place) -> str:
    return f"{origin}/v2/Services/{channel.service_sid}/Channels/{channel.sid}"


class ChannelLinks(msgspec.Struct, gc=False):
    members: str
    messages: str
    invites: str
    webhooks: str
    last_message: str | None


class ChannelResource(msgspec.Struct, gc=False):
    sid: str
    account_sid: str
    service_sid: str
    friendly_name: str | None
    unique_name: str | None
    attributes: str
    type: str
    date_created: str
    date_updated: str
    created_by: str
    members_count: int
    messages_count: int
    url: str
    links: ChannelLinks


def wire(channel: Channel, origin: str) -> ChannelResource:
    return located(channel, channel_url(origin, channel))


def wires(channels: list[Channel], collection: str) -> list[ChannelResource]:
    """A page of them, below the URL of their collection."""
    return [located(channel, f"{collection}/{channel.sid}") for channel in channels]


def located(channel: Channel, here: str) -> ChannelResource:
    last = channel.last_message_sid
    return ChannelResource(
        channel.sid,
        channel.account_sid,
        channel.service_sid,
        channel.friendly_name,
        channel.unique_name,
        channel.attributes,
        channel.type,
        iso(channel.date_created),
        iso(channel.date_updated),
        channel.created_by,
        channel.members_count,
        channel.messages_count,
        here,
        ChannelLinks(
            here + "/Members",
            here + "/Messages",
            here + "/Invites",
            here + "/Webhooks",
            None if last is None else f"{here}/Messages/{last}",
        ),
    )


def check_changes(changes: dict[str, Any]) -> None:
    """Raises the error of the first value that will not do; empty names become null."""
    null_if_empty(changes, "friendly_name", "unique_name")
    check_attributes(changes.get("attributes"), CHANNEL_ATTRIBUTES)
    check_length(changes.get("friendly_name"), NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)
    check_length(changes.get("unique_name"), NAME, ERRORS.UNIQUE_NAME_TOO_LONG)
    check_length(changes.get("created_by"), AUTHOR, ERRORS.AUTHOR_TOO_LONG)
    if is_sid(changes.get("unique_name") or "", "CH"):
        raise ERRORS.UNIQUE_NAME_LIKE_SID()
    if changes.get("type", PUBLIC) not in {PUBLIC, PRIVATE}:
        raise ERRORS.INVALID_PARAMETER(name="Type")
