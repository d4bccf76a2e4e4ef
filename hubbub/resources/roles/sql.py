"""Statements on roles."""

from hubbub.resources.roles.model import Role
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import columns, insert, stored

OF_SERVICE = Listing(Role, "roles WHERE service = $1", "sid")


async def add_role(tx: Transaction, role: Role) -> None:
    await tx.fetch_one(insert("roles", Role), *stored(role))


async def get_role(reader: Reader, service: int, sid: str) -> Role | None:
    row = await reader.fetch_one(f"SELECT {columns(Role)} FROM roles WHERE service = $1 AND sid = $2", service, sid)
    return Role(*row) if row else None


async def lock_role(tx: Transaction, service: int, sid: str) -> Role | None:
    """The role, held until the transaction ends: who assigns it and who deletes it wait for each other."""
    row = await tx.fetch_one(
        f"UPDATE roles SET type = type WHERE service = $1 AND sid = $2 RETURNING {columns(Role)}", service, sid
    )
    return Role(*row) if row else None


async def set_permissions(tx: Transaction, role: Role) -> bool:
    """False when the role was deleted meanwhile."""
    row = await tx.fetch_one(
        "UPDATE roles SET permissions = $3, date_updated = $4 WHERE service = $1 AND sid = $2 RETURNING sid",
        role.service,
        role.sid,
        role.permissions,
        role.date_updated,
    )
    return row is not None


async def is_assigned(reader: Reader, role: Role) -> bool:
    """Whether a user, a member or an invite has the role."""
    row = await reader.fetch_one(
        "SELECT EXISTS (SELECT 1 FROM users WHERE service = $1 AND role_sid = $2) "
        "OR EXISTS (SELECT 1 FROM members WHERE role_sid = $2 AND deleted = 0) "
        "OR EXISTS (SELECT 1 FROM invites WHERE role_sid = $2 AND deleted = 0)",
        role.service,
        role.sid,
    )
    return row is not None and bool(row[0])


async def remove_role(tx: Transaction, role: Role) -> None:
    await tx.fetch_one("DELETE FROM roles WHERE service = $1 AND sid = $2 RETURNING sid", role.service, role.sid)


async def purge_service(tx: Transaction, service: int) -> None:
    await tx.fetch_all("DELETE FROM roles WHERE service = $1 RETURNING sid", service)
