"""What happened to an object after a revision, read from the rows themselves: there is no log of events."""

from typing import NamedTuple

from hubbub.realtime.sync.access import Opened
from hubbub.realtime.sync.changes import (
    UPDATED,
    Change,
    message_changes,
    my_channel_changes,
    roster_changes,
)
from hubbub.realtime.sync.items import channel_data, info_items
from hubbub.realtime.sync.objects import CHANNEL, INFO, MESSAGES, ROSTER
from hubbub.resources.channels.model import Seen
from hubbub.resources.members import sql as members
from hubbub.resources.messages import sql as messages
from hubbub.resources.users.model import User
from hubbub.storage.database import Reader

MOST = 300  # rows that one look brings; each may be a long message


class Missed(NamedTuple):
    """The changes in order, complete up to `revision`; there is more to ask for when that is not the present."""

    changes: list[Change]
    revision: int
    complete: bool


async def missed(reader: Reader, opened: Opened, revision: int) -> Missed:
    """What a client that knows the object as of the revision has missed."""
    part = opened.object.part
    if revision >= opened.revision:
        return Missed([], opened.revision, complete=True)
    if part is CHANNEL:
        seen = opened.channel
        return Missed([document_change(seen, opened.revision)], opened.revision, complete=True)
    if part is MESSAGES:
        return await missed_messages(reader, opened.channel, revision)
    if part is ROSTER:
        return await missed_roster(reader, opened.channel, revision)
    if part is INFO:
        return Missed(info_changes(opened.owner, revision), opened.revision, complete=True)
    return await missed_channels(reader, opened.owner, revision)


def document_change(seen: Seen, revision: int) -> Change:
    data = channel_data(seen.channel, seen.last_message, seen.last_message_date)
    return Change(revision, UPDATED, None, data, seen.channel.date_updated)


async def missed_messages(reader: Reader, seen: Seen, revision: int) -> Missed:
    newer = await messages.newer_messages(reader, seen.channel.key, revision, MOST)
    if newer is None:
        return Missed([], seen.channel.last_revision, complete=True)
    changes = [change for change in message_changes(newer.rows, revision) if change.id <= newer.up_to]
    return Missed(changes, newer.up_to, complete=newer.up_to == newer.revision)


async def missed_roster(reader: Reader, seen: Seen, revision: int) -> Missed:
    rows, now = await members.newer_roster(reader, seen.channel.key, revision, MOST)
    if not rows:
        return Missed([], seen.channel.last_revision, complete=True)
    up_to = rows[-1].member.revision if len(rows) == MOST else now
    changes = [change for change in roster_changes(rows, revision) if change.id <= up_to]
    return Missed(changes, up_to, complete=up_to == now)


async def missed_channels(reader: Reader, user: User, revision: int) -> Missed:
    rows = await members.newer_my_channels(reader, user.key, revision)
    newest = rows[-1].user_revision if rows else 0
    return Missed(my_channel_changes(rows, revision), max(user.last_revision, newest), complete=True)


def info_changes(user: User, revision: int) -> list[Change]:
    if user.revision <= revision:
        return []
    return [Change(user.revision, UPDATED, key, data, user.date_updated) for key, data in info_items(user).items()]
