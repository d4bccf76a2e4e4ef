"""Statements on users."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from hubbub.resources.users.model import User
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, placeholders, stored

USER = (
    f"SELECT {columns(User, 'u')}, s.account_sid, s.sid, s.reachability_enabled "
    "FROM users u JOIN services s ON s.key = u.service"
)

OF_SERVICE = Listing(User, "users WHERE service = $1", "sid")


async def add_user(tx: Transaction, user: User) -> int | None:
    """The new row's key; None when the identity is taken."""
    sql = f"{insert('users', User)} ON CONFLICT (service, identity) DO NOTHING RETURNING key"
    row = await tx.fetch_one(sql, *stored(user))
    return row[0] if row else None


async def get_user(reader: Reader, account: int, service_sid: str, sid: str) -> User | None:
    sql = f"{USER} WHERE s.sid = $1 AND s.account = $2 AND s.deleted = 0 AND u.sid = $3"
    row = await reader.fetch_one(sql, service_sid, account, sid)
    return User(*row) if row else None


async def get_user_by_identity(reader: Reader, account: int, service_sid: str, identity: str) -> User | None:
    sql = f"{USER} WHERE s.sid = $1 AND s.account = $2 AND s.deleted = 0 AND u.identity = $3"
    row = await reader.fetch_one(sql, service_sid, account, identity)
    return User(*row) if row else None


async def user_of_service(reader: Reader, service: int, identity: str) -> User | None:
    row = await reader.fetch_one(f"{USER} WHERE u.service = $1 AND u.identity = $2", service, identity)
    return User(*row) if row else None


async def user_by_key(reader: Reader, key: int) -> User | None:
    row = await reader.fetch_one(f"{USER} WHERE u.key = $1", key)
    return User(*row) if row else None


async def users_by_key(reader: Reader, keys: list[int]) -> list[User]:
    """Those that are there."""
    if not keys:
        return []
    rows = await reader.fetch_all(f"{USER} WHERE u.key IN ({placeholders(len(keys))})", *keys)
    return [User(*row) for row in rows]


async def users_by_sid(reader: Reader, service: int, sids: list[str]) -> list[User]:
    """Those of the service that are there."""
    sql = f"{USER} WHERE u.service = $1 AND s.deleted = 0 AND u.sid IN ({placeholders(len(sids), 2)})"
    return [User(*row) for row in await reader.fetch_all(sql, service, *sids)]


async def last_revisions(reader: Reader, keys: Sequence[int]) -> dict[int, int]:
    """Of those of the users that are there, by key."""
    sql = f"SELECT key, last_revision FROM users WHERE key IN ({placeholders(len(keys))})"
    return {row[0]: row[1] for row in await reader.fetch_all(sql, *keys)}


async def get_permissions(reader: Reader, service: int, identity: str) -> str | None:
    """What the service role of the identity permits, as it is stored; None when there is no such user."""
    row = await reader.fetch_one(
        "SELECT r.permissions FROM users u JOIN roles r ON r.service = u.service AND r.sid = u.role_sid "
        "WHERE u.service = $1 AND u.identity = $2",
        service,
        identity,
    )
    return row[0] if row else None


async def lock_user(tx: Transaction, key: int) -> bool:
    """Hold the row without a new revision; False when the user was deleted."""
    row = await tx.fetch_one("UPDATE users SET service = service WHERE key = $1 RETURNING key", key)
    return row is not None


async def bump_user(tx: Transaction, key: int, joined: int = 0) -> tuple[int, int] | None:
    """Hold the row, count `joined` channels more or fewer, take the next revision.

    Returns the joined channels and the revision; None when the user was deleted.
    """
    row = await tx.fetch_one(
        "UPDATE users SET joined_channels_count = joined_channels_count + $2, last_revision = last_revision + 1 "
        "WHERE key = $1 RETURNING joined_channels_count, last_revision",
        key,
        joined,
    )
    return (row[0], row[1]) if row else None


async def update_user(tx: Transaction, user: User, changed: dict[str, Any]) -> User | None:
    """Change the user's own data under its next revision; the user as it is now, or None when it was deleted."""
    row = await tx.fetch_one(
        "UPDATE users SET last_revision = last_revision + 1, revision = last_revision + 1, "
        f"{assignments(changed, 2)} WHERE key = $1 RETURNING {columns(User)}",
        user.key,
        *changed.values(),
    )
    joined = {name: getattr(user, name) for name in User.JOINED}
    return replace(User(*row), **joined) if row else None


async def leave_deleted_channel(tx: Transaction, channel: int) -> None:
    """Each member of a channel that is going has one channel fewer, under the user's next revision."""
    await tx.fetch_all(
        "UPDATE users SET joined_channels_count = joined_channels_count - 1, last_revision = last_revision + 1 "
        'WHERE key IN (SELECT "user" FROM members WHERE channel = $1 AND deleted = 0) RETURNING key',
        channel,
    )
    await tx.fetch_all(
        "UPDATE users SET last_revision = last_revision + 1 "
        'WHERE key IN (SELECT "user" FROM invites WHERE channel = $1 AND deleted = 0) RETURNING key',
        channel,
    )


async def remove_user(tx: Transaction, key: int) -> int | None:
    """The revision of its end; None when it was deleted before."""
    row = await tx.fetch_one("DELETE FROM users WHERE key = $1 RETURNING last_revision + 1", key)
    return row[0] if row else None


async def purge_some(tx: Transaction, service: int, most: int) -> int:
    """Remove up to so many users of a deleted service; how many there were."""
    rows = await tx.fetch_all(
        "DELETE FROM users WHERE key IN (SELECT key FROM users WHERE service = $1 LIMIT $2) RETURNING key",
        service,
        most,
    )
    return len(rows)
