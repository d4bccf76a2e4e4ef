"""A message: the next index of its channel, a text or one media file."""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from hubbub.dates import iso
from hubbub.errors import ERRORS
from hubbub.resources.channels.model import Channel, Place, channel_url
from hubbub.resources.checks import AUTHOR, MESSAGE_ATTRIBUTES, check_attributes, check_bytes, check_length
from hubbub.resources.mutations.model import Mutation

BODY_BYTES = 32 * 1024


class Message(msgspec.Struct, gc=False):
    JOINED: ClassVar[tuple[str, ...]] = ()

    channel: int
    index: int
    sid: str
    from_: str
    body: str
    attributes: str
    media: str | None  # JSON
    was_edited: int
    last_updated_by: str | None
    date_created: int
    date_updated: int
    revision: int


class Draft(msgspec.Struct):
    """A message on its way to disk: it has no index yet."""

    place: Place
    message: Message
    caller: Any
    webhook_enabled: bool
    mutation: Mutation | None = None

    @property
    def sender(self) -> tuple[int, str | None]:
        """The channel, and the identity of an end user who writes to it."""
        return (self.place.key, self.caller.identity)


class MessageResource(msgspec.Struct, rename={"from_": "from"}, gc=False):
    """The wire form. The long lists have theirs as a struct, which is made and encoded in half the time of a dict."""

    sid: str
    account_sid: str
    service_sid: str
    channel_sid: str
    to: str
    from_: str
    body: str
    attributes: str
    index: int
    type: str
    media: Raw | None
    was_edited: bool
    last_updated_by: str | None
    date_created: str
    date_updated: str
    url: str


def wire(message: Message, channel: Channel | Place, origin: str) -> MessageResource:
    return wires([message], channel, origin)[0]


def wires(messages: list[Message], channel: Channel | Place, origin: str) -> list[MessageResource]:
    """A page of them: what they share is worked out once."""
    account_sid, service_sid, channel_sid = channel.account_sid, channel.service_sid, channel.sid
    collection = f"{channel_url(origin, channel)}/Messages/"
    return [
        MessageResource(
            message.sid,
            account_sid,
            service_sid,
            channel_sid,
            channel_sid,
            message.from_,
            message.body,
            message.attributes,
            message.index,
            "text" if message.media is None else "media",
            None if message.media is None else Raw(message.media.encode()),
            bool(message.was_edited),
            message.last_updated_by,
            iso(message.date_created),
            iso(message.date_updated),
            collection + message.sid,
        )
        for message in messages
    ]


def check_changes(changes: dict[str, Any]) -> None:
    """Raises the error of the first value that will not do."""
    check_bytes(changes.get("body", ""), BODY_BYTES, ERRORS.BODY_TOO_LONG)
    check_attributes(changes.get("attributes"), MESSAGE_ATTRIBUTES)
    check_length(changes.get("from_"), AUTHOR, ERRORS.AUTHOR_TOO_LONG)
    check_length(changes.get("last_updated_by"), AUTHOR, ERRORS.LAST_UPDATED_BY_TOO_LONG)
