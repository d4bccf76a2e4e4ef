"""Statements on memberships, from both sides."""

from typing import Any

from hubbub.resources.members.model import Member, MyChannel, RosterItem, UserChannel
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
    """Which of these identities, each with a channel's key, are in that channel. There is at least one."""
    size = 1 << (len(senders) - 1).bit_length()  # the last one again and again: few statements for the engines to know
    padded = senders + senders[-1:] * (size - len(senders))
    pairs = ", ".join(f"(CAST(${n} AS BIGINT), CAST(${n + 1} AS TEXT))" for n in range(1, 2 * size + 1, 2))
    rows = await reader.fetch_all(
        f"WITH w (channel, identity) AS (VALUES {pairs}) SELECT m.channel, m.identity FROM w "
        "JOIN members m ON m.channel = w.channel AND m.identity = w.identity AND m.deleted = 0",
        *[value for sender in padded for value in sender],
    )
    return {(row[0], row[1]) for row in rows}


async def members_of_user(reader: Reader, user: int) -> list[Member]:
    """In the order in which channels are locked."""
    sql = f'SELECT {columns(Member)} FROM members WHERE "user" = $1 AND deleted = 0 ORDER BY channel'
    return [Member(*row) for row in await reader.fetch_all(sql, user)]


async def get_user_channel(reader: Reader, user: int, channel: int) -> UserChannel | None:
    row = await reader.fetch_one(f"SELECT {columns(UserChannel)} FROM {USER_CHANNELS} AND channel = $2", user, channel)
    return UserChannel(*row) if row else None


async def user_channels_among(reader: Reader, user: int, channels: list[int]) -> list[UserChannel]:
    """Those of the channels that the user has joined or is invited to."""
    if not channels:
        return []
    rows = await reader.fetch_all(
        f"SELECT {columns(UserChannel)} FROM {USER_CHANNELS} AND channel IN ({placeholders(len(channels), 2)})",
        user,
        *channels,
    )
    return [UserChannel(*row) for row in rows]


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


ROSTER = f'SELECT {columns(Member, "m")}, m.deleted, u.sid FROM members m LEFT JOIN users u ON u.key = m."user"'


async def read_roster(
    reader: Reader, channel: int, bound: str | None, most: int, *, inclusive: bool, descending: bool
) -> list[RosterItem]:
    """Up to so many members, from the SID `bound` on in the direction."""
    compare = ("<" if descending else ">") + ("=" if inclusive else "")
    beyond = "" if bound is None else f" AND m.sid {compare} $3"
    rows = await reader.fetch_all(
        f"{ROSTER} WHERE m.channel = $1 AND m.deleted = 0{beyond} "
        f"ORDER BY m.sid {'DESC' if descending else 'ASC'} LIMIT $2",
        channel,
        most,
        *([] if bound is None else [bound]),
    )
    return [RosterItem(Member(*row[:-2]), *row[-2:]) for row in rows]


async def newer_roster(reader: Reader, channel: int, revision: int, most: int) -> tuple[list[RosterItem], int]:
    """Up to so many of those who came, changed or left after the revision, in that order; the channel's revision then.

    The revision is 0 where there are none.
    """
    rows = await reader.fetch_all(
        f"SELECT {columns(Member, 'm')}, m.deleted, u.sid, (SELECT last_revision FROM channels WHERE key = $1) "
        'FROM members m LEFT JOIN users u ON u.key = m."user" '
        "WHERE m.channel = $1 AND m.revision > $2 ORDER BY m.revision LIMIT $3",
        channel,
        revision,
        most,
    )
    return [RosterItem(Member(*row[:-3]), *row[-3:-1]) for row in rows], rows[0][-1] if rows else 0


async def people(reader: Reader, channel: int, service: int, identities: list[str]) -> list[Row]:
    """Identity, user SID and, of those who are in the channel, the member SID."""
    return await reader.fetch_all(
        "SELECT u.identity, u.sid, m.sid FROM users u "
        "LEFT JOIN members m ON m.channel = $1 AND m.identity = u.identity AND m.deleted = 0 "
        f"WHERE u.service = $2 AND u.identity IN ({placeholders(len(identities), 3)})",
        channel,
        service,
        *identities,
    )


def my_channels(condition: str) -> str:
    """Both tables as MyChannel; the condition is on the alias `x`."""
    shared = "x.date_created, x.date_updated, x.user_revision, x.user_added, x.deleted"
    return (
        "SELECT x.channel_sid, 'joined' AS status, c.type, x.notification_level, x.last_consumed_message_index, "
        f'{shared} FROM members x LEFT JOIN channels c ON c.key = x.channel WHERE x."user" = $1 AND {condition} '
        f"UNION ALL SELECT x.channel_sid, 'invited', c.type, 'default', NULL, {shared} "
        f'FROM invites x LEFT JOIN channels c ON c.key = x.channel WHERE x."user" = $1 AND {condition}'
    )


async def read_my_channels(
    reader: Reader, user: int, bound: str | None, most: int, *, inclusive: bool, descending: bool
) -> list[MyChannel]:
    """Up to so many channels that the user has joined or is invited to, from the SID `bound` on in the direction."""
    compare = ("<" if descending else ">") + ("=" if inclusive else "")
    beyond = "" if bound is None else f" AND x.channel_sid {compare} $3"
    rows = await reader.fetch_all(
        f"{my_channels('x.deleted = 0' + beyond)} ORDER BY 1 {'DESC' if descending else 'ASC'} LIMIT $2",
        user,
        most,
        *([] if bound is None else [bound]),
    )
    return [MyChannel(*row) for row in rows]


async def newer_my_channels(reader: Reader, user: int, revision: int) -> list[MyChannel]:
    """What came, changed or went after the user's revision, in that order."""
    live, gone = (my_channels(f"x.deleted = {deleted} AND x.user_revision > $2") for deleted in (0, 1))
    rows = await reader.fetch_all(f"{live} UNION ALL {gone} ORDER BY 8", user, revision)
    return [MyChannel(*row) for row in rows]


async def purge_channel(tx: Transaction, channel: int) -> None:
    await tx.fetch_all("DELETE FROM members WHERE channel = $1 RETURNING sid", channel)
