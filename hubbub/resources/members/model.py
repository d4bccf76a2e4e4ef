"""A membership: a user in a channel, seen from the channel (member) and from the user (user channel)."""

from typing import Any, ClassVar

import msgspec

from hubbub.dates import iso, iso_or_none
from hubbub.errors import ERRORS
from hubbub.resources.channels.model import Channel, channel_url
from hubbub.resources.checks import MEMBER_ATTRIBUTES, check_attributes
from hubbub.resources.users.model import User, user_url

DEFAULT = "default"
MUTED = "muted"


class Member(msgspec.Struct, gc=False):
    channel: int
    sid: str
    user: int
    channel_sid: str
    identity: str
    role_sid: str
    attributes: str
    last_consumed_message_index: int | None
    last_consumption_timestamp: int | None
    notification_level: str
    date_created: int
    date_updated: int
    revision: int
    user_revision: int
    added: int | None = None  # the first revision, where a later change took its place; that of the user likewise
    user_added: int | None = None


class UserChannel(msgspec.Struct):
    """A channel that the user has joined or is invited to."""

    JOINED: ClassVar[tuple[str, ...]] = ()

    channel: int
    channel_sid: str
    member_sid: str | None
    status: str
    last_consumed_message_index: int | None
    unread_messages_count: int | None
    notification_level: str


class MyChannel(msgspec.Struct, gc=False):
    """A channel in a user's list, joined, invited to, or left: its row of either table as the client reads it."""

    channel_sid: str
    status: str
    type: str | None  # None where the channel was purged since
    notification_level: str
    last_consumed_message_index: int | None
    date_created: int
    date_updated: int
    user_revision: int
    user_added: int | None
    deleted: int = 0


class RosterItem(msgspec.Struct, gc=False):
    """A member, or its tombstone, with the user's SID as the client reads it."""

    member: Member
    deleted: int
    user_sid: str | None  # None where the user was deleted


class MemberResource(msgspec.Struct, gc=False):
    sid: str
    account_sid: str
    channel_sid: str
    service_sid: str
    identity: str
    role_sid: str
    last_consumed_message_index: int | None
    last_consumption_timestamp: str | None
    attributes: str
    date_created: str
    date_updated: str
    url: str


def wire(member: Member, channel: Channel, origin: str) -> MemberResource:
    return wires([member], channel, origin)[0]


def wires(members: list[Member], channel: Channel, origin: str) -> list[MemberResource]:
    """A page of them: what they share is worked out once."""
    account_sid, service_sid, channel_sid = channel.account_sid, channel.service_sid, channel.sid
    collection = f"{channel_url(origin, channel)}/Members/"
    return [
        MemberResource(
            member.sid,
            account_sid,
            channel_sid,
            service_sid,
            member.identity,
            member.role_sid,
            member.last_consumed_message_index,
            iso_or_none(member.last_consumption_timestamp),
            member.attributes,
            iso(member.date_created),
            iso(member.date_updated),
            collection + member.sid,
        )
        for member in members
    ]


def user_channel_wire(membership: UserChannel, user: User, origin: str) -> dict[str, Any]:
    channel = f"{origin}/v2/Services/{user.service_sid}/Channels/{membership.channel_sid}"
    member = membership.member_sid
    return {
        "account_sid": user.account_sid,
        "service_sid": user.service_sid,
        "channel_sid": membership.channel_sid,
        "user_sid": user.sid,
        "member_sid": member,
        "status": membership.status,
        "last_consumed_message_index": membership.last_consumed_message_index,
        "unread_messages_count": membership.unread_messages_count,
        "notification_level": membership.notification_level,
        "url": f"{user_url(origin, user)}/Channels/{membership.channel_sid}",
        "links": {"channel": channel, "member": None if member is None else f"{channel}/Members/{member}"},
    }


def check_changes(changes: dict[str, Any], moment: int) -> None:
    """Raises the error of the first value that will not do; completes the read horizon.

    An index without a time is read now; no index means no time either.
    """
    check_attributes(changes.get("attributes"), MEMBER_ATTRIBUTES)
    if changes.get("notification_level", DEFAULT) not in {DEFAULT, MUTED}:
        raise ERRORS.INVALID_NOTIFICATION_LEVEL()
    if "last_consumed_message_index" in changes:
        index = changes["last_consumed_message_index"]
        if index is None:
            changes["last_consumption_timestamp"] = None
        elif index < 0:
            raise ERRORS.INVALID_CONSUMED_INDEX()
        elif changes.get("last_consumption_timestamp") is None:
            changes["last_consumption_timestamp"] = moment
