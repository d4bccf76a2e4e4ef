"""Statements on accounts and their keys."""

from hubbub.resources.accounts.model import Account, Key
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.statements import columns, insert, stored


async def add_account(tx: Transaction, account: Account) -> bool:
    """False when the SID is taken."""
    sql = f"{insert('accounts', Account)} ON CONFLICT (sid) DO NOTHING RETURNING key"
    return await tx.fetch_one(sql, *stored(account)) is not None


async def get_account(reader: Reader, sid: str) -> Account | None:
    row = await reader.fetch_one(f"SELECT {columns(Account)} FROM accounts WHERE sid = $1", sid)
    return Account(*row) if row else None


async def list_accounts(reader: Reader) -> list[Account]:
    rows = await reader.fetch_all(f"SELECT {columns(Account)} FROM accounts ORDER BY key")
    return [Account(*row) for row in rows]


async def set_auth_token(tx: Transaction, sid: str, auth_token: str, date_updated: int) -> bool:
    """False when there is no such account."""
    sql = "UPDATE accounts SET auth_token = $2, date_updated = $3 WHERE sid = $1 RETURNING key"
    return await tx.fetch_one(sql, sid, auth_token, date_updated) is not None


async def add_key(tx: Transaction, key: Key) -> None:
    await tx.fetch_one(insert("keys", Key), *stored(key))


async def list_keys(reader: Reader, account: int) -> list[Key]:
    rows = await reader.fetch_all(f"SELECT {columns(Key)} FROM keys WHERE account = $1 ORDER BY sid", account)
    return [Key(*row) for row in rows]


async def set_secret(tx: Transaction, sid: str, secret: str) -> bool:
    """False when there is no such key."""
    sql = "UPDATE keys SET secret = $2 WHERE sid = $1 RETURNING sid"
    return await tx.fetch_one(sql, sid, secret) is not None


async def remove_key(tx: Transaction, sid: str) -> bool:
    """False when there is no such key."""
    return await tx.fetch_one("DELETE FROM keys WHERE sid = $1 RETURNING sid", sid) is not None


async def secret_of_account(reader: Reader, sid: str) -> tuple[int, str, str] | None:
    """The account's key and SID, and its encrypted token."""
    row = await reader.fetch_one("SELECT key, sid, auth_token FROM accounts WHERE sid = $1", sid)
    return (row[0], row[1], row[2]) if row else None


async def secret_of_key(reader: Reader, sid: str) -> tuple[int, str, str] | None:
    """The key and SID of the account that owns the API key, and the key's encrypted secret."""
    row = await reader.fetch_one(
        "SELECT a.key, a.sid, k.secret FROM keys k JOIN accounts a ON a.key = k.account WHERE k.sid = $1", sid
    )
    return (row[0], row[1], row[2]) if row else None
