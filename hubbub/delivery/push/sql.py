"""Statements on notices and pushes, and on what they are sent with."""

from collections.abc import Iterable

from hubbub.delivery.push.model import Notice, Parcel, Push
from hubbub.resources.bindings.model import Binding
from hubbub.resources.credentials.model import Credential
from hubbub.resources.members.sql import UNREAD
from hubbub.storage.database import Reader, Row, Transaction, Value
from hubbub.storage.statements import columns, insert, names, placeholders, stored

OPEN = "state IN ('waiting', 'retrying')"
DEVICE = columns(Binding, "b")

# A notice whose claim has run out belongs to whoever writes the next `due` into it.
TAKE_NOTICES = f"""
    UPDATE notices SET due = $1 WHERE sid IN (
        SELECT sid FROM notices WHERE "after" IS NOT NULL AND service = $2 AND due <= $3 ORDER BY due LIMIT $4)
    AND "after" IS NOT NULL AND due <= $3 RETURNING {columns(Notice)}"""

# One service after another, each found in the index by what follows the one before.
SERVICES = """
    WITH RECURSIVE asking(service) AS (
        SELECT min(service) FROM notices WHERE "after" IS NOT NULL
        UNION ALL
        SELECT (SELECT min(n.service) FROM notices n WHERE n."after" IS NOT NULL AND n.service > asking.service)
        FROM asking WHERE asking.service IS NOT NULL)
    SELECT service FROM asking WHERE service IS NOT NULL AND EXISTS (
        SELECT 1 FROM notices n WHERE n."after" IS NOT NULL AND n.service = asking.service AND n.due <= $1)"""

SPREAD = """
    UPDATE notices SET "after" = $3, due = $4, channel_title = $5, text = $6, sound = $7
    WHERE sid = $1 AND "after" = $2 RETURNING sid"""

MEMBERS = f"""
    SELECT m.sid, m."user", m.identity, m.notification_level, {DEVICE} FROM (
        SELECT sid, "user", identity, notification_level FROM members
        WHERE channel = $1 AND deleted = 0 AND sid > $2 AND COALESCE(added, revision) < $3 ORDER BY sid LIMIT $4) AS m
    LEFT JOIN bindings b ON b.service = $5 AND b."user" = m."user" ORDER BY m.sid"""

ONE_USER = f"""
    SELECT '', u.key, u.identity, 'default', {DEVICE} FROM users u
    LEFT JOIN bindings b ON b.service = u.service AND b."user" = u.key WHERE u.key = $1"""

# What was never read counts as unread: whoever shows numbers on icons reports what is read.
BADGES = f"""
    SELECT m."user", count(*) FROM members m JOIN channels c ON c.key = m.channel
    WHERE m."user" IN (%s) AND m.deleted = 0 AND c.deleted = 0
        AND CASE WHEN m.last_consumed_message_index IS NULL THEN c.messages_count ELSE {UNREAD} END > 0
    GROUP BY m."user" """

WITH_PUSHES = f"""
    SELECT {columns(Credential, "c")}, (
        SELECT p.date_created FROM pushes p WHERE p.credential_sid = c.sid AND p.{OPEN} AND p.due <= $1
        ORDER BY p.due LIMIT 1) AS since
    FROM credentials c WHERE EXISTS (
        SELECT 1 FROM pushes p WHERE p.credential_sid = c.sid AND p.{OPEN} AND p.due <= $1)"""

# One credential after another, each found in the index by what follows the one before.
UNUSABLE = f"""
    WITH RECURSIVE used(sid) AS (
        SELECT min(credential_sid) FROM pushes WHERE {OPEN}
        UNION ALL
        SELECT (SELECT min(p.credential_sid) FROM pushes p WHERE p.{OPEN} AND p.credential_sid > used.sid)
        FROM used WHERE used.sid IS NOT NULL)
    SELECT used.sid, c.push_error FROM used LEFT JOIN credentials c ON c.sid = used.sid
    WHERE used.sid IS NOT NULL AND (c.sid IS NULL OR c.push_error IS NOT NULL)"""

TAKE_PUSHES = f"""
    UPDATE pushes SET due = $1 WHERE sid IN (
        SELECT sid FROM pushes WHERE credential_sid = $2 AND {OPEN} AND due <= $3 ORDER BY due LIMIT $4)
    AND {OPEN} AND due <= $3 RETURNING sid"""

PARCELS = f"""
    SELECT {columns(Push, "p")}, {columns(Notice, "n")}, b.address FROM pushes p JOIN notices n ON n.sid = p.notice
    LEFT JOIN bindings b ON b.service = n.service AND b.sid = p.binding_sid WHERE p.sid IN (%s)"""

SETTLE = f"""
    UPDATE pushes SET state = $2, reason = $3, status = $4, answer = $5, attempts = $6, due = $7, date_updated = $8
    WHERE sid = $1 AND {OPEN}"""


async def add_notices(tx: Transaction, notices: list[Notice]) -> None:
    await tx.execute_many(insert("notices", Notice), [stored(notice) for notice in notices])


async def services_with_notices(reader: Reader, moment: int) -> list[int]:
    """The keys of services that have notices which nobody spreads."""
    return [row[0] for row in await reader.fetch_all(SERVICES, moment)]


async def take_notices(tx: Transaction, service: int, moment: int, until: int, most: int) -> list[Notice]:
    """Notices of the service that nobody spreads, for this process until then."""
    return [Notice(*row) for row in await tx.fetch_all(TAKE_NOTICES, until, service, moment, most)]


async def spread(tx: Transaction, notice: Notice, after: str | None, due: int) -> bool:
    """Write how far the notice is spread now; False when another process has gone on with it."""
    row = await tx.fetch_one(
        SPREAD, notice.sid, notice.after, after, due, notice.channel_title, notice.text, notice.sound
    )
    return row is not None


async def remove_notice(tx: Transaction, notice: Notice) -> bool:
    """False when another process has gone on with it."""
    sql = 'DELETE FROM notices WHERE sid = $1 AND "after" = $2 RETURNING sid'
    return await tx.fetch_one(sql, notice.sid, notice.after) is not None


async def free_notices(tx: Transaction, notices: list[Notice], moment: int) -> None:
    """They are whoever's that comes next, from where they are spread to."""
    sql = 'UPDATE notices SET due = $3 WHERE sid = $1 AND "after" = $2'
    await tx.execute_many(sql, [(notice.sid, notice.after, moment) for notice in notices])


async def members_after(reader: Reader, notice: Notice, most: int) -> list[Row]:
    """The next members who were in the channel at the event: SID, user, identity, level, each with each binding."""
    return await reader.fetch_all(MEMBERS, notice.channel, notice.after, notice.revision, most, notice.service)


async def devices_of_user(reader: Reader, user: int) -> list[Row]:
    """One user as `members_after` has members."""
    return await reader.fetch_all(ONE_USER, user)


async def badges(reader: Reader, users: list[int]) -> dict[int, int]:
    """How many channels with unread messages the users have; one who has none is left out."""
    rows = await reader.fetch_all(BADGES % placeholders(len(users)), *users)
    return {row[0]: row[1] for row in rows}


async def set_badges(tx: Transaction, told: list[tuple[int, str, int]]) -> None:
    """Remember for each binding, by service and SID, the number that its device is given."""
    sql = "UPDATE bindings SET badge = $3 WHERE service = $1 AND sid = $2"
    await tx.execute_many(sql, told)


async def add_pushes(tx: Transaction, pushes: list[Push]) -> None:
    await tx.execute_many(insert("pushes", Push), [stored(push) for push in pushes])


async def credentials_of(reader: Reader, account: int) -> list[Credential]:
    """The newest first."""
    sql = f"SELECT {columns(Credential)} FROM credentials WHERE account = $1 ORDER BY sid DESC"
    return [Credential(*row) for row in await reader.fetch_all(sql, account)]


async def credentials_with_pushes(reader: Reader, moment: int) -> list[tuple[Credential, int]]:
    """Those that something is due with, and since when the one that is due longest is wanted."""
    return [(Credential(*row[:-1]), row[-1]) for row in await reader.fetch_all(WITH_PUSHES, moment)]


async def stopped_credentials(reader: Reader) -> list[str]:
    """The SIDs of those that the push services take nothing with."""
    return [row[0] for row in await reader.fetch_all("SELECT sid FROM credentials WHERE push_error IS NOT NULL")]


async def stop_credential(tx: Transaction, credential: Credential) -> None:
    """Write down why nothing is sent with it, and until when, unless it was changed meanwhile."""
    await tx.execute_many(
        "UPDATE credentials SET push_error = $3, push_due = $4 WHERE sid = $1 AND date_updated = $2",
        [(credential.sid, credential.date_updated, credential.push_error, credential.push_due)],
    )


async def restart_credential(tx: Transaction, sid: str) -> None:
    await tx.execute_many("UPDATE credentials SET push_error = NULL, push_due = 0 WHERE sid = $1", [(sid,)])


async def take_pushes(tx: Transaction, credential_sid: str, moment: int, until: int, most: int) -> list[Parcel]:
    """Pushes that are due with the credential, for this process until then, the longest due first."""
    taken = [row[0] for row in await tx.fetch_all(TAKE_PUSHES, until, credential_sid, moment, most)]
    if not taken:
        return []
    width = len(names(Push))
    rows = await tx.fetch_all(PARCELS % placeholders(len(taken)), *taken)
    parcels = [Parcel(Push(*row[:width]), Notice(*row[width:-1]), row[-1]) for row in rows]
    return sorted(parcels, key=lambda parcel: parcel.push.sid)


async def settle(tx: Transaction, pushes: Iterable[Push]) -> None:
    """Write down how they ended, or when they are due again."""
    await tx.execute_many(SETTLE, [outcome(push) for push in pushes])


def outcome(push: Push) -> tuple[Value, ...]:
    return (
        push.sid,
        push.state,
        push.reason,
        push.status,
        push.answer,
        push.attempts,
        push.due,
        push.date_updated,
    )


async def forget(tx: Transaction, pushes: Iterable[Push]) -> None:
    """Remove what has arrived and nobody wants to see."""
    await tx.execute_many("DELETE FROM pushes WHERE sid = $1", [(push.sid,) for push in pushes])


async def free_all(tx: Transaction, moment: int) -> None:
    """What a process that is no more had taken is free: for one that is alone on its database, at its start."""
    for sql in (
        "UPDATE pushes SET due = $1 WHERE state = 'waiting' AND due > $1",
        'UPDATE notices SET due = $1 WHERE "after" IS NOT NULL AND due > $1',
    ):
        await tx.execute_many(sql, [(moment,)])


async def unusable_credentials(reader: Reader) -> list[tuple[str, str | None]]:
    """The SIDs of credentials that pushes wait for and that are stopped, with the reason, or deleted, without one."""
    return [(row[0], row[1]) for row in await reader.fetch_all(UNUSABLE)]


async def give_up(tx: Transaction, credential_sid: str, reason: str, moment: int, expired: int, most: int) -> int:
    """Give up some of a credential's pushes that are worth nothing any more at `expired`; how many."""
    rows = await tx.fetch_all(
        "UPDATE pushes SET state = 'dead', reason = $2, date_updated = $3 WHERE sid IN (SELECT sid FROM pushes "
        f"WHERE credential_sid = $1 AND {OPEN} AND expires <= $4 LIMIT $5) RETURNING sid",
        credential_sid,
        reason,
        moment,
        expired,
        most,
    )
    return len(rows)


async def purge_ended(tx: Transaction, before: int, most: int) -> int:
    """Remove some of those that ended before the moment; how many."""
    rows = await tx.fetch_all(
        "DELETE FROM pushes WHERE sid IN (SELECT sid FROM pushes WHERE state NOT IN ('waiting', 'retrying') "
        "AND date_updated < $1 ORDER BY date_updated LIMIT $2) RETURNING sid",
        before,
        most,
    )
    return len(rows)


async def purge_notices(tx: Transaction, moment: int, most: int) -> int:
    """Remove some notices that have no pushes left, and look at the others later; how many were looked at."""
    due = [
        row[0]
        for row in await tx.fetch_all(
            'SELECT sid FROM notices WHERE "after" IS NULL AND due <= $1 ORDER BY due LIMIT $2', moment, most
        )
    ]
    if due:
        await tx.fetch_all(
            f"DELETE FROM notices WHERE sid IN ({placeholders(len(due))}) AND NOT EXISTS "
            "(SELECT 1 FROM pushes p WHERE p.notice = notices.sid) RETURNING sid",
            *due,
        )
        await tx.fetch_all(
            "UPDATE notices SET due = $1 + ($1 - date_created) "
            f"WHERE sid IN ({placeholders(len(due), 2)}) RETURNING sid",
            moment,
            *due,
        )
    return len(due)
