"""Statements on credentials."""

from typing import Any

from hubbub.resources.credentials.model import Credential
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, stored

OF_ACCOUNT = Listing(Credential, "credentials WHERE account = $1", "sid")


async def add_credential(tx: Transaction, credential: Credential) -> None:
    await tx.fetch_one(insert("credentials", Credential), *stored(credential))


async def get_credential(reader: Reader, account: int, sid: str) -> Credential | None:
    row = await reader.fetch_one(
        f"SELECT {columns(Credential)} FROM credentials WHERE account = $1 AND sid = $2", account, sid
    )
    return Credential(*row) if row else None


async def newest_of_type(reader: Reader, account: int, type_: str) -> str | None:
    """The SID of the account's newest credential of the type."""
    row = await reader.fetch_one(
        "SELECT sid FROM credentials WHERE account = $1 AND type = $2 ORDER BY sid DESC LIMIT 1", account, type_
    )
    return row[0] if row else None


async def update_credential(tx: Transaction, account: int, sid: str, changed: dict[str, Any]) -> Credential | None:
    """None when it was deleted meanwhile."""
    row = await tx.fetch_one(
        f"UPDATE credentials SET {assignments(changed, 3)} WHERE account = $1 AND sid = $2 "
        f"RETURNING {columns(Credential)}",
        account,
        sid,
        *changed.values(),
    )
    return Credential(*row) if row else None


async def remove_credential(tx: Transaction, credential: Credential) -> bool:
    """False when it was deleted before."""
    row = await tx.fetch_one(
        "DELETE FROM credentials WHERE account = $1 AND sid = $2 RETURNING sid",
        credential.account,
        credential.sid,
    )
    return row is not None
