"""Statements on messages."""

from typing import Any, NamedTuple

from hubbub.resources.messages.model import Message
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, stored

OF_CHANNEL = {
    order: Listing(Message, "messages WHERE channel = $1 AND deleted = 0", '"index"', descending=order == "desc")
    for order in ("asc", "desc")
}

THERE = (
    f"SELECT {columns(Message, 'm')} FROM messages m JOIN channels c ON c.key = m.channel "
    "JOIN services s ON s.key = c.service "
    "WHERE m.channel = $1 AND m.deleted = 0 AND c.deleted = 0 AND s.deleted = 0"
)
BY_SID = f"{THERE} AND m.sid = $2"
BY_INDEX = f'{THERE} AND m."index" = $2'


KEEP_ADDED = "added = COALESCE(added, revision)"  # of a new message it is NULL, and stays so until it changes


# What a client reads of a message: the record, when it came, whether it is a tombstone, and the author's membership.
READ = (
    f"{columns(Message, 'm')}, COALESCE(m.added, m.revision), m.deleted, "
    '(SELECT a.sid FROM members a WHERE a.channel = m.channel AND a.identity = m."from" AND a.deleted = 0)'
)

# Messages come in the order of their revisions, so the first new one is found by halving; it needs no index, which
# every new message would have to write. Those that changed since they came have one. The message in the middle is a
# scalar subquery: as a join, PostgreSQL may read the whole channel for it.
MIDDLE = "(s.low + s.high + 1) / 2"
HAS_MIDDLE = (
    f'(SELECT COALESCE(t.added, t.revision) FROM messages t WHERE t.channel = $1 AND t."index" = {MIDDLE}) <= $2'
)
NEWER = f"""WITH RECURSIVE search (low, high) AS (
    SELECT CAST(-1 AS BIGINT), last_index FROM channels WHERE key = $1
    UNION ALL
    SELECT CASE WHEN {HAS_MIDDLE} THEN {MIDDLE} ELSE s.low END,
        CASE WHEN {HAS_MIDDLE} THEN s.high ELSE {MIDDLE} - 1 END
    FROM search s WHERE s.low < s.high)
SELECT {READ}, 0, (SELECT last_revision FROM channels WHERE key = $1)
    FROM search s JOIN messages m ON m.channel = $1 AND m."index" > s.low AND m."index" <= s.low + $3
    WHERE s.low = s.high
UNION ALL
SELECT {READ}, 1, (SELECT last_revision FROM channels WHERE key = $1)
    FROM (SELECT * FROM messages WHERE channel = $1 AND added IS NOT NULL AND revision > $2
        ORDER BY revision LIMIT $3) m"""


class ReadMessage(NamedTuple):
    message: Message
    added: int
    deleted: int
    member_sid: str | None


class Newer(NamedTuple):
    """Rows with a revision above the one asked for, up to `revision`, the channel's at that moment.

    Not more than were asked for came since, and not more changed; `up_to` is how far they are complete.
    """

    rows: list[ReadMessage]
    revision: int
    up_to: int


async def newer_messages(reader: Reader, channel: int, revision: int, most: int) -> Newer | None:
    """What came and what changed after the revision; None when nothing did."""
    rows = await reader.fetch_all(NEWER, channel, revision, most)
    if not rows:
        return None
    read = {row[1]: ReadMessage(Message(*row[:-5]), *row[-5:-2]) for row in rows}
    came = [row[-5] for row in rows if row[-2] == 0]
    changed = [row[-6] for row in rows if row[-2] == 1]
    now: int = rows[0][-1]
    up_to = min([now] + [max(found) for found in (came, changed) if len(found) == most])
    return Newer(list(read.values()), now, up_to)


async def read_messages(
    reader: Reader, channel: int, bound: int | None, most: int, *, inclusive: bool, descending: bool
) -> list[ReadMessage]:
    """Up to so many, from the index `bound` on in the direction."""
    compare = ("<" if descending else ">") + ("=" if inclusive else "")
    beyond = "" if bound is None else f' AND m."index" {compare} $3'
    rows = await reader.fetch_all(
        f"SELECT {READ} FROM messages m WHERE m.channel = $1 AND m.deleted = 0{beyond} "
        f'ORDER BY m."index" {"DESC" if descending else "ASC"} LIMIT $2',
        channel,
        most,
        *([] if bound is None else [bound]),
    )
    return [ReadMessage(Message(*row[:-3]), *row[-3:]) for row in rows]


async def add_messages(tx: Transaction, messages: list[Message]) -> None:
    await tx.execute_many(insert("messages", Message), [stored(message) for message in messages])


async def get_message(reader: Reader, channel: int, sid_or_index: str | int) -> Message | None:
    """None also when the channel or its service is gone."""
    row = await reader.fetch_one(BY_INDEX if isinstance(sid_or_index, int) else BY_SID, channel, sid_or_index)
    return Message(*row) if row else None


async def update_message(tx: Transaction, message: Message, changed: dict[str, Any]) -> Message | None:
    """None when it was deleted meanwhile."""
    row = await tx.fetch_one(
        f"UPDATE messages SET {KEEP_ADDED}, {assignments(changed, 3)} "
        'WHERE channel = $1 AND "index" = $2 AND deleted = 0 '
        f"RETURNING {columns(Message)}",
        message.channel,
        message.index,
        *changed.values(),
    )
    return Message(*row) if row else None


async def bury_message(tx: Transaction, message: Message, revision: int) -> bool:
    """A tombstone without the words, so that the index is never used again; False when buried before."""
    row = await tx.fetch_one(
        f"UPDATE messages SET deleted = 1, {KEEP_ADDED}, body = '', attributes = '{{}}', media = NULL, \"from\" = '', "
        'last_updated_by = NULL, revision = $3 WHERE channel = $1 AND "index" = $2 AND deleted = 0 RETURNING sid',
        message.channel,
        message.index,
        revision,
    )
    return row is not None


async def purge_up_to(tx: Transaction, channel: int, index: int) -> None:
    """Remove the rows up to this index of a channel that is gone."""
    await tx.execute_many('DELETE FROM messages WHERE channel = $1 AND "index" <= $2', [(channel, index)])
