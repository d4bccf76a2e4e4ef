"""Statements on who is connected where."""

from hubbub.storage.database import Reader, Transaction

DEAD = -1


async def add_gateway(tx: Transaction, alive_until: int) -> int:
    """The key of a new gateway."""
    row = await tx.fetch_one("INSERT INTO gateways (alive_until) VALUES ($1) RETURNING key", alive_until)
    assert row is not None
    return int(row[0])


async def keep_gateway(tx: Transaction, gateway: int, alive_until: int) -> bool:
    """Hold the row, so that nobody finds it dead meanwhile; False when somebody has."""
    sql = "UPDATE gateways SET alive_until = $2 WHERE key = $1 AND alive_until >= 0 RETURNING key"
    return await tx.fetch_one(sql, gateway, alive_until) is not None


async def hurry_others(tx: Transaction, gateway: int, alive_until: int) -> None:
    """No other gateway lives longer than this: no other process serves this database."""
    sql = "UPDATE gateways SET alive_until = $2 WHERE key <> $1 AND alive_until > $2 RETURNING key"
    await tx.fetch_all(sql, gateway, alive_until)


async def find_dead(tx: Transaction, moment: int) -> list[int]:
    """Those that died, now or before: none of them can come back."""
    sql = "UPDATE gateways SET alive_until = $2 WHERE alive_until < $1 RETURNING key"
    return [row[0] for row in await tx.fetch_all(sql, moment, DEAD)]


async def has_dead(reader: Reader, moment: int) -> bool:
    return await reader.fetch_one("SELECT key FROM gateways WHERE alive_until < $1 LIMIT 1", moment) is not None


async def some_users(reader: Reader, gateway: int, most: int) -> list[int]:
    """Up to so many users that are connected there."""
    sql = 'SELECT "user" FROM presences WHERE gateway = $1 ORDER BY "user" LIMIT $2'
    return [row[0] for row in await reader.fetch_all(sql, gateway, most)]


async def remove_gateway(tx: Transaction, gateway: int) -> None:
    await tx.fetch_one("DELETE FROM gateways WHERE key = $1 RETURNING key", gateway)


async def connect(tx: Transaction, user: int, gateway: int) -> None:
    sql = 'INSERT INTO presences ("user", gateway) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING gateway'
    await tx.fetch_one(sql, user, gateway)


async def disconnect(tx: Transaction, user: int, gateway: int) -> None:
    await tx.fetch_one('DELETE FROM presences WHERE "user" = $1 AND gateway = $2 RETURNING gateway', user, gateway)


async def is_connected(reader: Reader, user: int) -> bool:
    """Anywhere."""
    return await reader.fetch_one('SELECT gateway FROM presences WHERE "user" = $1 LIMIT 1', user) is not None


async def reachable_services(reader: Reader) -> set[int]:
    """Those that have reachability on."""
    rows = await reader.fetch_all("SELECT key FROM services WHERE reachability_enabled = 1 AND deleted = 0")
    return {row[0] for row in rows}
