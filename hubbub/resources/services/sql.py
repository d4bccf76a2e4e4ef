"""Statements on services."""

from typing import Any

from hubbub.resources.services.model import Service
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, stored

OF_ACCOUNT = Listing(Service, "services WHERE account = $1 AND deleted = 0", "sid")


async def add_service(tx: Transaction, service: Service) -> int:
    """The new row's key."""
    row = await tx.fetch_one(f"{insert('services', Service)} RETURNING key", *stored(service))
    assert row is not None
    return int(row[0])


async def get_service(reader: Reader, account: int, sid: str) -> Service | None:
    sql = f"SELECT {columns(Service)} FROM services WHERE sid = $1 AND account = $2 AND deleted = 0"
    row = await reader.fetch_one(sql, sid, account)
    return Service(*row) if row else None


async def service_by_key(reader: Reader, key: int) -> Service | None:
    row = await reader.fetch_one(f"SELECT {columns(Service)} FROM services WHERE key = $1 AND deleted = 0", key)
    return Service(*row) if row else None


async def service_by_sid(reader: Reader, sid: str) -> Service | None:
    """For commands, which are nobody's."""
    row = await reader.fetch_one(f"SELECT {columns(Service)} FROM services WHERE sid = $1 AND deleted = 0", sid)
    return Service(*row) if row else None


async def lock_service(tx: Transaction, key: int) -> Service | None:
    """The row as it is now, held until the transaction ends; None when it was deleted."""
    row = await tx.fetch_one(
        f"UPDATE services SET deleted = 0 WHERE key = $1 AND deleted = 0 RETURNING {columns(Service)}", key
    )
    return Service(*row) if row else None


async def update_service(tx: Transaction, key: int, changed: dict[str, Any]) -> Service:
    row = await tx.fetch_one(
        f"UPDATE services SET {assignments(changed, 2)} WHERE key = $1 RETURNING {columns(Service)}",
        key,
        *changed.values(),
    )
    assert row is not None
    return Service(*row)


async def rotate_webhook_secret(tx: Transaction, sid: str) -> int | None:
    """The version of the new secret; None when there is no such service."""
    row = await tx.fetch_one(
        "UPDATE services SET webhook_secret_version = webhook_secret_version + 1 WHERE sid = $1 AND deleted = 0 "
        "RETURNING webhook_secret_version",
        sid,
    )
    return None if row is None else int(row[0])


async def mark_deleted(tx: Transaction, key: int) -> bool:
    """False when it was deleted before."""
    sql = "UPDATE services SET deleted = 1 WHERE key = $1 AND deleted = 0 RETURNING key"
    return await tx.fetch_one(sql, key) is not None


async def services_to_sweep(reader: Reader) -> list[int]:
    return [row[0] for row in await reader.fetch_all("SELECT key FROM services WHERE deleted = 1 ORDER BY key")]


async def purge_service(tx: Transaction, key: int) -> None:
    await tx.fetch_one("DELETE FROM services WHERE key = $1 AND deleted = 1 RETURNING key", key)
