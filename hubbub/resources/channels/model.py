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


class Channel(msgspec.Struct):
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


def channel_url(origin: str, channel: Channel | Place) -> str:
    return f"{origin}/v2/Services/{channel.service_sid}/Channels/{channel.sid}"


def wire(channel: Channel, origin: str) -> dict[str, Any]:
    here = channel_url(origin, channel)
    last = channel.last_message_sid
    return {
        "sid": channel.sid,
        "account_sid": channel.account_sid,
        "service_sid": channel.service_sid,
        "friendly_name": channel.friendly_name,
        "unique_name": channel.unique_name,
        "attributes": channel.attributes,
        "type": channel.type,
        "date_created": iso(channel.date_created),
        "date_updated": iso(channel.date_updated),
        "created_by": channel.created_by,
        "members_count": channel.members_count,
        "messages_count": channel.messages_count,
        "url": here,
        "links": {
            "members": f"{here}/Members",
            "messages": f"{here}/Messages",
            "invites": f"{here}/Invites",
            "webhooks": f"{here}/Webhooks",
            "last_message": None if last is None else f"{here}/Messages/{last}",
        },
    }


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
