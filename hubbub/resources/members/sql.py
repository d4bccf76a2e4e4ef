"""Statements on memberships, from both sides."""

from typing import Any

from hubbub.resources.members.model import Member, UserChannel
from hubbub.storage.database import Reader, Row, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, placeholders, stored

# By arithmetic, not by counting messages: what is above the horizon, less the tombstones there (in a channel
# where nothing was deleted there are none to look for).
UNREAD = """CASE
    WHEN m.last_consumed_message_index IS NULL THEN NULL
    WHEN m.last_consumed_message_index >= c.last_index THEN 0
    WHEN c.messages_count = c.last_index + 1 THEN c.last_index - m.last_consumed_message_index
    ELSE c.last_index - m.last_consumed_message_index - (
        SELECT count(*) FROM messages t
        WHERE t.channel = m.channel AND t."index" > m.last_consumed_message_index AND t.deleted = 1)
    END"""

USER_CHANNELS = f"""(
    SELECT m.channel, m.channel_sid, m.sid AS member_sid, 'joined' AS status, m.last_consumed_message_index,
        {UNREAD} AS unread_messages_count, m.notification_level
    FROM members m JOIN channels c ON c.key = m.channel WHERE m."user" = $1 AND m.deleted = 0
    UNION ALL
    SELECT i.channel, i.channel_sid, NULL, 'invited', NULL, NULL, 'default'
    FROM invites i WHERE i."user" = $1 AND i.deleted = 0) AS u WHERE TRUE"""

STANDING = """
    SELECT c.type, r.permissions, m.sid, mr.permissions, i.sid,
        CASE WHEN c.created_by = $2 AND c.type = 'private' AND m.sid IS NULL
            THEN (SELECT count(*) FROM members t WHERE t.channel = c.key AND t.identity = $2) END
    FROM channels c
    LEFT JOIN users u ON u.service = c.service AND u.identity = $2
    LEFT JOIN roles r ON r.service = c.service AND r.sid = u.role_sid
    LEFT JOIN members m ON m.channel = c.key AND m.identity = $2 AND m.deleted = 0
    LEFT JOIN roles mr ON mr.service = c.service AND mr.sid = m.role_sid
    LEFT JOIN invites i ON i.channel = c.key AND i.identity = $2 AND i.deleted = 0
    WHERE c.key = $1 AND c.deleted = 0"""

OF_USER = Listing(UserChannel, USER_CHANNELS, "channel_sid")


def of_channel(identities: int) -> Listing[Member]:
    """The members of a channel, of any of so many identities; all where that is 0."""
    only = f" AND identity IN ({placeholders(identities, 2)})" if identities else ""
    return Listing(Member, f"members WHERE channel = $1 AND deleted = 0{only}", "sid")


async def add_member(tx: Transaction, member: Member) -> None:
    await tx.fetch_one(insert("members", Member), *stored(member))


async def get_member(reader: Reader, channel: int, sid: str) -> Member | None:
    sql = f"SELECT {columns(Member)} FROM members WHERE channel = $1 AND sid = $2 AND deleted = 0"
    row = await reader.fetch_one(sql, channel, sid)
    return Member(*row) if row else None


async def get_member_by_identity(reader: Reader, channel: int, identity: str) -> Member | None:
    sql = f"SELECT {columns(Member)} FROM members WHERE channel = $1 AND identity = $2 AND deleted = 0"
    row = await reader.fetch_one(sql, channel, identity)
    return Member(*row) if row else None


async def get_standing(reader: Reader, channel: int, identity: str) -> Row | None:
    """All that an end user's permissions in a channel depend on; None when the channel is gone.

    Type, permissions of the service role, member SID, permissions of the channel role, invite SID; and for the
    maker of a private channel who is not in it, how often it was.
    """
    return await reader.fetch_one(STANDING, channel, identity)


async def shared_permissions(reader: Reader, service: int, identity: str, other: str) -> list[str]:
    """The permissions of the roles that the identity has in those of its channels that the other is in, too."""
    rows = await reader.fetch_all(
        'SELECT DISTINCT r.permissions FROM users u JOIN members m ON m."user" = u.key AND m.deleted = 0 '
        "JOIN members o ON o.channel = m.channel AND o.identity = $3 AND o.deleted = 0 "
        "JOIN roles r ON r.service = u.service AND r.sid = m.role_sid WHERE u.service = $1 AND u.identity = $2",
        service,
        identity,
        other,
    )
    return [row[0] for row in rows]


async def members_among(reader: Reader, senders: list[tuple[int, str]]) -> set[tuple[int, str]]:
    """Which of these identities, each with a channel's key, are in that channel."""
    pairs = ", ".join(f"(CAST(${n} AS BIGINT), CAST(${n + 1} AS TEXT))" for n in range(1, 2 * len(senders) + 1, 2))
    rows = await reader.fetch_all(
        f"WITH w (channel, identity) AS (VALUES {pairs}) SELECT m.channel, m.identity FROM w "
        "JOIN members m ON m.channel = w.channel AND m.identity = w.identity AND m.deleted = 0",
        *[value for sender in senders for value in sender],
    )
    return {(row[0], row[1]) for row in rows}


async def members_of_user(reader: Reader, user: int) -> list[Member]:
    """In the order in which channels are locked."""
    sql = f'SELECT {columns(Member)} FROM members WHERE "user" = $1 AND deleted = 0 ORDER BY channel'
    return [Member(*row) for row in await reader.fetch_all(sql, user)]


async def get_user_channel(reader: Reader, user: int, channel: int) -> UserChannel | None:
    row = await reader.fetch_one(f"SELECT {columns(UserChannel)} FROM {USER_CHANNELS} AND channel = $2", user, channel)
    return UserChannel(*row) if row else None


KEEP_ADDED = "added = COALESCE(added, revision), user_added = COALESCE(user_added, user_revision)"


async def update_member(tx: Transaction, channel: int, sid: str, changed: dict[str, Any]) -> Member | None:
    """None when the member left meanwhile."""
    row = await tx.fetch_one(
        f"UPDATE members SET {KEEP_ADDED}, {assignments(changed, 3)} WHERE channel = $1 AND sid = $2 AND deleted = 0 "
        f"RETURNING {columns(Member)}",
        channel,
        sid,
        *changed.values(),
    )
    return Member(*row) if row else None


async def end_membership(tx: Transaction, member: Member) -> bool:
    """A tombstone with the revisions of the end; False when it ended before."""
    row = await tx.fetch_one(
        f"UPDATE members SET deleted = 1, attributes = '{{}}', {KEEP_ADDED}, revision = $3, user_revision = $4 "
        "WHERE channel = $1 AND sid = $2 AND deleted = 0 RETURNING sid",
        member.channel,
        member.sid,
        member.revision,
        member.user_revision,
    )
    return row is not None


async def end_memberships(tx: Transaction, channel: int, revision: int) -> list[Member]:
    """All memberships of a channel that is going, each under the revision that its user just took."""
    rows = await tx.fetch_all(
        f"UPDATE members SET deleted = 1, attributes = '{{}}', {KEEP_ADDED}, revision = $2, "
        'user_revision = (SELECT last_revision FROM users u WHERE u.key = members."user") '
        f"WHERE channel = $1 AND deleted = 0 RETURNING {columns(Member)}",
        channel,
        revision,
    )
    return [Member(*row) for row in rows]


async def purge_channel(tx: Transaction, channel: int) -> None:
    await tx.fetch_all("DELETE FROM members WHERE channel = $1 RETURNING sid", channel)
