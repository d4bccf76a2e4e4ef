"""Statements on channels."""

from collections.abc import Sequence
from typing import Any

from hubbub.resources.channels.model import Channel, Seen
from hubbub.storage.database import Reader, Transaction, Value
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, placeholders, stored

CHANNEL = (
    f"SELECT {columns(Channel, 'c')}, s.account_sid, s.sid FROM channels c JOIN services s ON s.key = c.service "
    "WHERE s.sid = $1 AND s.account = $2 AND s.deleted = 0 AND c.deleted = 0"
)
BY_SID = f"{CHANNEL} AND c.sid = $3"
BY_UNIQUE_NAME = f"{CHANNEL} AND c.unique_name = $3"


SEEN = (
    f'SELECT {columns(Channel, "c")}, s.account_sid, s.sid, l."index", l.date_created, m.sid, i.sid, '
    "CASE WHEN c.created_by = $2 AND c.type = 'private' AND m.sid IS NULL "
    "THEN NOT EXISTS (SELECT 1 FROM members t WHERE t.channel = c.key AND t.identity = $2) ELSE FALSE END "
    "FROM channels c JOIN services s ON s.key = c.service LEFT JOIN messages l ON l.sid = c.last_message_sid "
    "LEFT JOIN members m ON m.channel = c.key AND m.identity = $2 AND m.deleted = 0 "
    "LEFT JOIN invites i ON i.channel = c.key AND i.identity = $2 AND i.deleted = 0 "
    "WHERE c.service = $1 AND s.deleted = 0 AND c.deleted = 0 AND c.sid"
)


def of_service(types: int) -> Listing[Channel]:
    """The channels of a service, of any of so many types; of all where that is 0."""
    only = f" AND type IN ({placeholders(types, 2)})" if types else ""
    return Listing(Channel, f"channels WHERE service = $1 AND deleted = 0{only}", "sid")


async def add_channel(tx: Transaction, channel: Channel) -> int | None:
    """The new row's key; None when the unique name is taken."""
    sql = f"{insert('channels', Channel)} ON CONFLICT (service, unique_name) DO NOTHING RETURNING key"
    row = await tx.fetch_one(sql, *stored(channel))
    return row[0] if row else None


async def get_channel(reader: Reader, account: int, service_sid: str, sid: str) -> Channel | None:
    row = await reader.fetch_one(BY_SID, service_sid, account, sid)
    return Channel(*row) if row else None


async def get_channel_by_unique_name(
    reader: Reader, account: int, service_sid: str, unique_name: str
) -> Channel | None:
    row = await reader.fetch_one(BY_UNIQUE_NAME, service_sid, account, unique_name)
    return Channel(*row) if row else None


async def channels_by_key(reader: Reader, keys: list[int], shared: tuple[str, str]) -> list[Channel]:
    """Those that are there, all of one service: `shared` are the SIDs of its account and of itself."""
    if not keys:
        return []
    rows = await reader.fetch_all(
        f"SELECT {columns(Channel)} FROM channels WHERE key IN ({placeholders(len(keys))}) AND deleted = 0", *keys
    )
    return [Channel(*(*row, *shared)) for row in rows]


async def see_channels(reader: Reader, service: int, identity: str, sids: list[str]) -> list[Seen]:
    """Those that are there, whether the identity may read them or not."""
    only = "= $3" if len(sids) == 1 else f"IN ({placeholders(len(sids), 3)})"
    rows = await reader.fetch_all(f"{SEEN} {only}", service, identity, *sids)
    return [Seen(Channel(*row[:-5]), row[-5], row[-4], row[-3], row[-2], bool(row[-1])) for row in rows]


async def last_revisions(reader: Reader, keys: Sequence[int]) -> dict[int, int]:
    """Of those of the channels that are there, by key."""
    sql = f"SELECT key, last_revision FROM channels WHERE key IN ({placeholders(len(keys))}) AND deleted = 0"
    return {row[0]: row[1] for row in await reader.fetch_all(sql, *keys)}


async def is_unique_name_taken(reader: Reader, channel: Channel, unique_name: str) -> bool:
    """Whether another channel of the service has the name."""
    sql = "SELECT key FROM channels WHERE service = $1 AND unique_name = $2 AND key <> $3"
    return await reader.fetch_one(sql, channel.service, unique_name, channel.key) is not None


async def lock_channel(tx: Transaction, key: int) -> bool:
    """Hold the row without a new revision, for what no listener of the channel sees; False when it was deleted."""
    row = await tx.fetch_one("UPDATE channels SET deleted = 0 WHERE key = $1 AND deleted = 0 RETURNING key", key)
    return row is not None


async def bump_channel(tx: Transaction, key: int, *, members: int = 0, messages: int = 0) -> tuple[int, int] | None:
    """Hold the row, count members and messages more or fewer, take the next revision.

    Returns the members and the revision; None when the channel was deleted.
    """
    row = await tx.fetch_one(
        "UPDATE channels SET members_count = members_count + $2, messages_count = messages_count + $3, "
        "last_revision = last_revision + 1 WHERE key = $1 AND deleted = 0 RETURNING members_count, last_revision",
        key,
        members,
        messages,
    )
    return (row[0], row[1]) if row else None


async def take_indexes(tx: Transaction, wanted: list[tuple[int, int, str]]) -> dict[int, tuple[int, int]]:
    """Make room for new messages: for each channel's key, how many and the SID of the last.

    Returns for each channel its index and revision before them; a channel that is gone, or its service, is missing.
    """
    rows = ", ".join(
        f"(CAST(${n} AS BIGINT), CAST(${n + 1} AS BIGINT), CAST(${n + 2} AS TEXT))"
        for n in range(1, 3 * len(wanted) + 1, 3)
    )
    values: list[Value] = [value for row in wanted for value in row]
    found = await tx.fetch_all(
        f"WITH w (key, sent, sid) AS (VALUES {rows}) "
        "UPDATE channels SET last_index = last_index + w.sent, last_revision = last_revision + w.sent, "
        "messages_count = messages_count + w.sent, last_message_sid = w.sid "
        "FROM w WHERE channels.key = w.key AND channels.deleted = 0 "
        # No EXISTS: PostgreSQL makes a join of it, and without statistics it then reads all channels of the service.
        "AND (SELECT s.deleted FROM services s WHERE s.key = channels.service) = 0 "
        "RETURNING channels.key, channels.last_index, channels.last_revision",
        *values,
    )
    sent = {key: count for key, count, _ in wanted}
    return {row[0]: (row[1] - sent[row[0]], row[2] - sent[row[0]]) for row in found}


async def set_last_message(tx: Transaction, key: int) -> None:
    """Point at the newest message that is left."""
    await tx.fetch_one(
        "UPDATE channels SET last_message_sid = (SELECT sid FROM messages WHERE channel = $1 AND deleted = 0 "
        'ORDER BY "index" DESC LIMIT 1) WHERE key = $1 RETURNING key',
        key,
    )


async def update_channel(tx: Transaction, key: int, changed: dict[str, Any]) -> Channel | None:
    """Change the channel's own data under its next revision; None when it was deleted."""
    row = await tx.fetch_one(
        "UPDATE channels SET last_revision = last_revision + 1, revision = last_revision + 1, "
        f"{assignments(changed, 2)} WHERE key = $1 AND deleted = 0 RETURNING {columns(Channel)}",
        key,
        *changed.values(),
    )
    return Channel(*row) if row else None


async def mark_deleted(tx: Transaction, key: int) -> int | None:
    """A tombstone without the name, so that the name is free; its revision, or None when deleted before."""
    row = await tx.fetch_one(
        "UPDATE channels SET deleted = 1, unique_name = NULL, friendly_name = NULL, attributes = '{}', "
        "last_message_sid = NULL, last_revision = last_revision + 1, revision = last_revision + 1 "
        "WHERE key = $1 AND deleted = 0 RETURNING last_revision",
        key,
    )
    return row[0] if row else None


async def channels_to_sweep(reader: Reader, most: int) -> list[tuple[int, int]]:
    """Key and last index of deleted channels whose rows remain."""
    rows = await reader.fetch_all("SELECT key, last_index FROM channels WHERE deleted = 1 ORDER BY key LIMIT $1", most)
    return [(row[0], row[1]) for row in rows]


async def mark_swept(tx: Transaction, key: int) -> None:
    """Only the tombstone remains."""
    await tx.fetch_one("UPDATE channels SET deleted = 2 WHERE key = $1 RETURNING key", key)


async def channels_of_service(reader: Reader, service: int, most: int) -> list[tuple[int, int]]:
    """Key and last index of the channels that a deleted service still has, tombstones too."""
    rows = await reader.fetch_all(
        "SELECT key, last_index FROM channels WHERE service = $1 ORDER BY sid LIMIT $2", service, most
    )
    return [(row[0], row[1]) for row in rows]


async def purge_channel(tx: Transaction, key: int) -> None:
    await tx.fetch_one("DELETE FROM channels WHERE key = $1 RETURNING key", key)
