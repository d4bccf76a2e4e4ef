"""What a webhook says: the parameters of each of the 23 events, and how they travel in a form or a query string."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from hubbub.chat import SYSTEM, Caller
from hubbub.dates import iso_milliseconds
from hubbub.resources.channels.model import Channel, Place
from hubbub.resources.services.model import Service

Pairs = list[tuple[str, str]]

# What every request begins with; `RetryCount` is the sender's, who counts.
COMMON = ("AccountSid", "InstanceSid", "EventType", "Source", "ClientIdentity")

NEW_MESSAGE = ("ChannelSid", "Body", "Attributes", "From", "DateCreated")
OLD_MESSAGE = ("MessageSid", *NEW_MESSAGE)
SENT_MESSAGE = ("MessageSid", "Index", *NEW_MESSAGE)
MEDIA = ("MediaFilename", "MediaContentType", "MediaSid", "MediaSize")
NEW_CHANNEL = ("Attributes", "CreatedBy", "FriendlyName", "UniqueName", "ChannelType")
CHANNEL = ("ChannelSid", "DateCreated", *NEW_CHANNEL)
NEW_MEMBER = ("ChannelSid", "Identity", "RoleSid", "Reason")
OLD_MEMBER = ("MemberSid", *NEW_MEMBER)
CHANGED_MEMBER = (
    *("MemberSid", "ChannelSid", "Identity", "RoleSid", "Attributes"),
    *("DateCreated", "DateUpdated", "LastConsumedMessageIndex"),
)
USER = ("UserSid", "Identity", "FriendlyName", "RoleSid", "Attributes", "DateCreated")
CHANGED_USER = (*USER, "DateUpdated", "IsOnline", "IsNotifiable")

# What follows the common ones. `To` was seen in recorded requests only; it is the channel.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "onMessageSend": (*NEW_MESSAGE, "To"),
    "onMediaMessageSend": (*NEW_MESSAGE, "To", *MEDIA),
    "onMessageUpdate": (*OLD_MESSAGE, "ModifiedBy"),
    "onMessageRemove": (*OLD_MESSAGE, "RemovedBy"),
    "onMessageSent": SENT_MESSAGE,
    "onMediaMessageSent": (*SENT_MESSAGE, *MEDIA),
    "onMessageUpdated": (*SENT_MESSAGE, "ModifiedBy", "DateUpdated"),
    "onMessageRemoved": (*SENT_MESSAGE, "RemovedBy", "DateRemoved"),
    "onChannelAdd": NEW_CHANNEL,
    "onChannelUpdate": CHANNEL,
    "onChannelDestroy": CHANNEL,
    "onChannelAdded": CHANNEL,
    "onChannelUpdated": (*CHANNEL, "DateUpdated"),
    "onChannelDestroyed": (*CHANNEL, "DateDestroyed"),
    "onMemberAdd": NEW_MEMBER,
    "onMemberUpdate": CHANGED_MEMBER,
    "onMemberRemove": OLD_MEMBER,
    "onMemberAdded": (*OLD_MEMBER, "Attributes", "DateCreated"),
    "onMemberUpdated": CHANGED_MEMBER,
    "onMemberRemoved": (*OLD_MEMBER, "Attributes", "DateCreated", "DateRemoved"),
    "onUserUpdate": CHANGED_USER,
    "onUserAdded": USER,
    "onUserUpdated": CHANGED_USER,
}

JOINING = {"onMemberAdd", "onMemberAdded"}


class Occasion(msgspec.Struct, frozen=True, gc=False):
    """One event of one record, as the getters see it."""

    webhook: str
    caller: Caller
    service: Service
    channel: Channel | Place | None
    record: Any
    moment: int


class MediaPart(msgspec.Struct, gc=False):
    """What a message says of its file."""

    sid: str
    size: int
    content_type: str
    filename: str | None


@lru_cache(maxsize=256)
def decode_media(text: str) -> MediaPart:
    return msgspec.json.decode(text, type=MediaPart)


def media_part(occasion: Occasion, name: str) -> Any:
    media = occasion.record.media
    return None if media is None else getattr(decode_media(media), name)


def text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def channel_sid(occasion: Occasion) -> str:
    """A record tells it, too, except for a message: that one needs its channel given."""
    channel, record = occasion.channel, occasion.record
    if channel is not None:
        return channel.sid
    return str(record.sid if isinstance(record, Channel) else record.channel_sid)


def editor(occasion: Occasion) -> str:
    return occasion.caller.identity or occasion.record.last_updated_by or SYSTEM


def reason(occasion: Occasion) -> str:
    """Whether the member came or went by itself."""
    itself = occasion.caller.identity == occasion.record.identity
    if occasion.webhook in JOINING:
        return "JOINED" if itself else "ADDED"
    return "LEFT" if itself else "REMOVED"


def reachable(occasion: Occasion, flag: int | None) -> str | None:
    """Told only where the service has switched reachability on, and once it is known."""
    if flag is None or not occasion.service.reachability_enabled:
        return None
    return "true" if flag else "false"


def moment(occasion: Occasion) -> str:
    return iso_milliseconds(occasion.moment)


# How each parameter is found; one that gives None is left out.
GETTERS: dict[str, Callable[[Occasion], str | None]] = {
    "AccountSid": lambda it: it.service.account_sid,
    "InstanceSid": lambda it: it.service.sid,
    "EventType": lambda it: it.webhook,
    "Source": lambda it: "API" if it.caller.identity is None else "SDK",
    "ClientIdentity": lambda it: it.caller.identity,
    "ChannelSid": channel_sid,
    "MessageSid": lambda it: it.record.sid,
    "MemberSid": lambda it: it.record.sid,
    "UserSid": lambda it: it.record.sid,
    "Index": lambda it: str(it.record.index),
    "Body": lambda it: it.record.body,
    "From": lambda it: it.record.from_,
    "To": channel_sid,
    "Attributes": lambda it: it.record.attributes,
    "ModifiedBy": editor,
    "RemovedBy": editor,
    "MediaFilename": lambda it: media_part(it, "filename"),
    "MediaContentType": lambda it: media_part(it, "content_type"),
    "MediaSid": lambda it: media_part(it, "sid"),
    "MediaSize": lambda it: text_or_none(media_part(it, "size")),
    "CreatedBy": lambda it: it.record.created_by,
    "FriendlyName": lambda it: it.record.friendly_name or "",
    "UniqueName": lambda it: it.record.unique_name or "",
    "ChannelType": lambda it: it.record.type,
    "Identity": lambda it: it.record.identity,
    "RoleSid": lambda it: it.record.role_sid,
    "Reason": reason,
    "LastConsumedMessageIndex": lambda it: text_or_none(it.record.last_consumed_message_index),
    "IsOnline": lambda it: reachable(it, it.record.is_online),
    "IsNotifiable": lambda it: reachable(it, it.record.is_notifiable),
    "DateCreated": lambda it: iso_milliseconds(it.record.date_created),
    "DateUpdated": lambda it: iso_milliseconds(it.record.date_updated),
    "DateRemoved": moment,
    "DateDestroyed": moment,
}

FOUND = {webhook: tuple((name, GETTERS[name]) for name in COMMON + own) for webhook, own in PARAMETERS.items()}


def parameters(
    webhook: str, caller: Caller, service: Service, channel: Channel | Place | None, record: Any, moment: int
) -> Pairs:
    """All that the webhook says of the event but for `RetryCount`, in the order of the table.

    The record is as it is after the action, or would be; its `date_updated` is told as it is, so that a pre-event
    tells of the update before. Nulls are left out, except that names are sent empty: the original does not say.
    """
    occasion = Occasion(webhook, caller, service, channel, record, moment)
    return [(name, value) for name, getter in FOUND[webhook] if (value := getter(occasion)) is not None]


ASCII = tuple(quote_plus(chr(code)) for code in range(128))
UNSAFE = re.compile(r"[^A-Za-z0-9_.~+%-]+")


def escape(run: re.Match[str]) -> str:
    return "%" + run[0].encode().hex("%").upper()


def quoted(text: str) -> str:
    """What `urllib.parse.quote_plus` returns, four to eight times faster.

    Most values are SIDs, names and numbers that stay as they are; of the others, ASCII needs one table.
    """
    if text.isascii():
        return text if text.isalnum() else text.translate(ASCII)
    return UNSAFE.sub(escape, text.replace("%", "%25").replace("+", "%2B").replace(" ", "+"))


def form(pairs: Pairs) -> str:
    """The pairs as `application/x-www-form-urlencoded`, for a body or a query string."""
    return "&".join([f"{quoted(name)}={quoted(value)}" for name, value in pairs])


STANDING = "-._~:/?[]@!$&'()*+,;=%"  # what may be in a path or a query beside letters and digits: RFC 3986


@lru_cache(maxsize=1024)
def request_url(url: str) -> str:
    """The URL as it is sent and as its receiver sees it, which is what must be signed.

    Without a fragment or an empty query, with a path, the host in lower case, all in ASCII. Whether it may be called
    is not looked at.
    """
    target, _, query = url.partition("#")[0].partition("?")
    scheme, _, rest = target.partition("://")
    authority, _, path = rest.partition("/")
    target = f"{scheme.lower()}://{ascii_host(authority)}/{quote(path, STANDING)}"
    return f"{target}?{quote(query, STANDING)}" if query else target


def ascii_host(authority: str) -> str:
    """One that cannot be written in ASCII stays as it is: nothing can be sent there."""
    try:
        return authority.lower() if authority.isascii() else authority.lower().encode("idna").decode()
    except UnicodeError:
        return authority


def query_url(url: str, pairs: Pairs) -> str:
    """The URL as `request_url` has it, with the pairs after what its query says already."""
    target = request_url(url)
    return f"{target}{'&' if '?' in target else '?'}{form(pairs)}"
