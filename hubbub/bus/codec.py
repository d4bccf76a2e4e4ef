"""What travels between nodes: events of one topic, or who types there. Pure: objects in, bytes out, and back.

During an update nodes of two versions share a bus. A record is encoded by the names of its fields, so one that has got
another field is still read; what cannot be read (another version of this format, an event or a record that this code
does not know, a field that is missing) is left out, and found in the tables like anything else that was lost.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from hubbub.chat import Caller, Emitted, Typing
from hubbub.events import EVENTS
from hubbub.resources.channels.model import Channel
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import Member
from hubbub.resources.messages.model import Message
from hubbub.resources.users.model import User

VERSION = 1
LARGEST = 256 * 1024  # bytes of one parcel, if it holds more than one event; NATS takes 1 MiB unless told otherwise
EVENTS_BY_NAME = {event.name: event for event in EVENTS}
KINDS: dict[str, type[Any]] = {
    "channel": Channel,
    "member": Member,
    "message": Message,
    "invite": Invite,
    "user": User,
}
NAMES = {kind: name for name, kind in KINDS.items()}
ELSEWHERE = Caller(0, "")  # who asks matters to the node that was asked, and to no other


class Where(msgspec.Struct, array_like=True, frozen=True):
    """What listeners need of an event's channel, where the record is not the channel itself."""

    sid: str
    type: str | None


class Item(msgspec.Struct, array_like=True):
    """An event with its record, which is of the kind named."""

    event: str
    kind: str
    record: Raw
    where: Where | None


class Parcel(msgspec.Struct, array_like=True):
    """Either of the two is empty."""

    version: int
    items: list[Raw]
    typing: Typing | None = None


encoder = msgspec.msgpack.Encoder()
parcels = msgspec.msgpack.Decoder(Parcel)
items = msgspec.msgpack.Decoder(Item)
decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in KINDS.items()}


def encode_event(emitted: Emitted) -> bytes | None:
    """One event, to be packed; None when other nodes have no use for it."""
    kind = NAMES.get(type(emitted.record))
    if kind is None:
        return None
    place = emitted.channel
    where = None if place is None else Where(place.sid, getattr(place, "type", None))
    return encoder.encode(Item(emitted.event.name, kind, Raw(encoder.encode(emitted.record)), where))


def pack(encoded: Iterable[bytes]) -> Iterator[bytes]:
    """Parcels with these events in their order, none too large."""
    ready: list[Raw] = []
    size = 0
    for item in encoded:
        if ready and size + len(item) > LARGEST:
            yield encoder.encode(Parcel(VERSION, ready))
            ready, size = [], 0
        ready.append(Raw(item))
        size += len(item)
    if ready:
        yield encoder.encode(Parcel(VERSION, ready))


def pack_typing(typing: Typing) -> bytes:
    return encoder.encode(Parcel(VERSION, [], typing))


def unpack(payload: bytes) -> tuple[list[Emitted], Typing | None]:
    """Whatever of it can be read; nothing of what was never a parcel."""
    try:
        parcel = parcels.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [], None
    if parcel.version != VERSION:
        return [], None
    read = [read_event(item) for item in parcel.items]
    return [emitted for emitted in read if emitted is not None], parcel.typing


def read_event(raw: Raw) -> Emitted | None:
    try:
        item = items.decode(raw)
        record = decoders[item.kind].decode(item.record)
        event = EVENTS_BY_NAME[item.event]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    return Emitted(event, record, ELSEWHERE, webhook_enabled=False, channel=item.where)
