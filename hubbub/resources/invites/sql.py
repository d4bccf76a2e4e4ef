"""Statements on invites."""

from hubbub.resources.invites.model import Invite
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import columns, insert, placeholders, stored


def of_channel(identities: int) -> Listing[Invite]:
    """The invites of a channel, of any of so many identities; all where that is 0."""
    only = f" AND identity IN ({placeholders(identities, 2)})" if identities else ""
    return Listing(Invite, f"invites WHERE channel = $1 AND deleted = 0{only}", "sid")


async def add_invite(tx: Transaction, invite: Invite) -> None:
    await tx.fetch_one(insert("invites", Invite), *stored(invite))


async def get_invite(reader: Reader, channel: int, sid: str) -> Invite | None:
    sql = f"SELECT {columns(Invite)} FROM invites WHERE channel = $1 AND sid = $2 AND deleted = 0"
    row = await reader.fetch_one(sql, channel, sid)
    return Invite(*row) if row else None


async def get_invite_by_identity(reader: Reader, channel: int, identity: str) -> Invite | None:
    sql = f"SELECT {columns(Invite)} FROM invites WHERE channel = $1 AND identity = $2 AND deleted = 0"
    row = await reader.fetch_one(sql, channel, identity)
    return Invite(*row) if row else None


async def use_invite_of(tx: Transaction, channel: int, identity: str) -> Invite | None:
    """The identity joins: its invite goes without a tombstone, for the membership takes its place; None without one."""
    row = await tx.fetch_one(
        f"DELETE FROM invites WHERE channel = $1 AND identity = $2 AND deleted = 0 RETURNING {columns(Invite)}",
        channel,
        identity,
    )
    return Invite(*row) if row else None


async def end_invite_of(tx: Transaction, channel: int, identity: str, user_revision: int) -> Invite | None:
    """Drop the identity's invite; the invite as it ended, or None where there was none."""
    row = await tx.fetch_one(
        "UPDATE invites SET deleted = 1, user_added = user_revision, user_revision = $3 "
        f"WHERE channel = $1 AND identity = $2 AND deleted = 0 RETURNING {columns(Invite)}",
        channel,
        identity,
        user_revision,
    )
    return Invite(*row) if row else None


async def end_invites(tx: Transaction, channel: int) -> list[Invite]:
    """All invites to a channel that is going, each under the revision that its user just took."""
    rows = await tx.fetch_all(
        "UPDATE invites SET deleted = 1, user_added = user_revision, "
        'user_revision = (SELECT last_revision FROM users u WHERE u.key = invites."user") '
        f"WHERE channel = $1 AND deleted = 0 RETURNING {columns(Invite)}",
        channel,
    )
    return [Invite(*row) for row in rows]


async def remove_invites_of_user(tx: Transaction, user: int) -> None:
    """Without a tombstone: the user who would look for it is going, too."""
    await tx.fetch_all('DELETE FROM invites WHERE "user" = $1 AND deleted = 0 RETURNING sid', user)


async def purge_channel(tx: Transaction, channel: int) -> None:
    await tx.fetch_all("DELETE FROM invites WHERE channel = $1 RETURNING sid", channel)
