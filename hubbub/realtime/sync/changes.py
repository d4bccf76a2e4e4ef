"""What happens to an object: a change, as rows tell it or an event does, and its form on the wire. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from hubbub.dates import iso_milliseconds
from hubbub.realtime.sync.items import member_data, message_data, my_channel_data
from hubbub.realtime.sync.objects import Object
from hubbub.resources.members.model import MyChannel, RosterItem
from hubbub.resources.messages.sql import ReadMessage

ADDED, UPDATED, REMOVED, GONE = "item_added", "item_updated", "item_removed", "removed"
CONTEXT = "context_updated"  # of a session list
PROTOCOL = 4
REPLAYED = "twilio.sync.event"

encode = msgspec.json.Encoder().encode


class Change(msgspec.Struct, gc=False):
    """One event of an object: its id is the revision. A document has no key and is only updated, or gone."""

    id: int
    verb: str
    key: str | int | None
    data: Any
    date: int


def expand(revision: int, id_: int, added: int, deleted: int, key: str | int, data: Any, date: int) -> list[Change]:
    """What a row that is newer than the revision says happened to it since.

    What came is told at its place, so that things come in their order, with what it has become; what came and went
    again is not told at all.
    """
    if deleted:
        return [Change(id_, REMOVED, key, data, date)] if added <= revision else []
    if added <= revision:
        return [Change(id_, UPDATED, key, data, date)]
    came = Change(added, ADDED, key, data, date)
    return [came] if added == id_ else [came, Change(id_, UPDATED, key, data, date)]


def message_changes(rows: Iterable[ReadMessage], revision: int) -> list[Change]:
    changes = []
    for message, added, deleted, member_sid in rows:
        data = message_data(message, member_sid)
        changes += expand(revision, message.revision, added, deleted, message.index, data, message.date_updated)
    return sorted(changes, key=by_id)


def roster_changes(rows: Iterable[RosterItem], revision: int) -> list[Change]:
    changes = []
    for row in rows:
        member = row.member
        added = member.revision if member.added is None else member.added
        data = member_data(member, row.user_sid)
        changes += expand(revision, member.revision, added, row.deleted, member.sid, data, member.date_updated)
    return sorted(changes, key=by_id)


def my_channel_changes(rows: Iterable[MyChannel], revision: int) -> list[Change]:
    changes = []
    for row in rows:
        added = row.user_revision if row.user_added is None else row.user_added
        data = my_channel_data(row)
        changes += expand(revision, row.user_revision, added, row.deleted, row.channel_sid, data, row.date_updated)
    return sorted(changes, key=by_id)


def by_id(change: Change) -> int:
    return change.id


def event(of: Object, change: Change) -> dict[str, Any]:
    """The event as both a live notification and a replay carry it."""
    type_ = of.part.type.name
    body = {
        "id": change.id,
        f"{type_}_sid": of.sid,
        f"{type_}_unique_name": of.unique_name,
        f"{type_}_revision": str(change.id),
        "date_created": iso_milliseconds(change.date),
        "date_expires": None,
    }
    if of.part.type.key is not None and change.key is not None:
        body[f"item_{of.part.type.key}"] = change.key
        if change.verb != REMOVED:
            body["item_url"] = f"{of.url}/Items/{change.key}"
            body["item_revision"] = str(change.id)
        body["item_data"] = change.data
    elif change.data is not None:
        body["context_data" if change.verb == CONTEXT else "document_data"] = change.data
    return body


def live_type(of: Object) -> str:
    """The message type of a live notification."""
    return f"com.twilio.rtd.cds.{of.part.type.name}"


def event_type(of: Object, change: Change) -> str:
    """`map_item_added`, `document_updated`, `list_removed`."""
    if of.part.type.key is None and change.verb == UPDATED:
        return "document_updated"
    return f"{of.part.type.name}_{change.verb}"


def live(of: Object, change: Change) -> bytes:
    """The payload for whoever is subscribed."""
    return encode(
        {
            "event_type": event_type(of, change),
            "event_protocol_version": PROTOCOL,
            "strictly_ordered": False,
            "event": event(of, change),
        }
    )


def replayed(of: Object, change: Change, correlation_id: msgspec.Raw) -> bytes:
    """The payload for a client that asked for what it missed; later live events have a higher id."""
    return encode(
        {
            "event_type": event_type(of, change),
            "event_protocol_version": PROTOCOL,
            "correlation_id": correlation_id,
            "strictly_ordered": True,
            "event": event(of, change),
        }
    )
