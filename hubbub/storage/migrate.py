"""Brings a database to the schema of this code: numbered plain SQL, forward only, each in one transaction."""

import contextlib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from hubbub.dates import now
from hubbub.storage.database import BadDatabase, Contention, Database

TRIES = 10

TABLE = (
    "CREATE TABLE IF NOT EXISTS migrations "
    "(number BIGINT PRIMARY KEY, name TEXT NOT NULL, date_applied BIGINT NOT NULL)"
)


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Every migration of this code, in order."""
    folder = resources.files("hubbub.storage") / "migrations"
    files = sorted(Path(str(folder)).glob("*.sql"))
    return [Migration(int(file.name[:4]), file.stem, file.read_text()) for file in files]


async def migrate(database: Database) -> list[str]:
    """Apply what is missing; the names of what was applied. Raises BadDatabase when the database is newer.

    Safe beside other nodes that start at the same moment: each migration is claimed by its row first.
    """
    known = migrations()
    await make_table(database)
    applied = {row[0]: row[1] for row in await database.fetch_all("SELECT number, name FROM migrations")}
    newer = sorted(name for number, name in applied.items() if number > known[-1].number)
    if newer:
        raise BadDatabase(
            f"The database is newer than this version of Hubbub (it has migration {newer[-1]}): "
            "install the newer version again."
        )
    missing = [migration for migration in known if migration.number not in applied]
    return [migration.name for migration in missing if await apply(database, migration)]


async def make_table(database: Database) -> None:
    """Where applied migrations are listed. IF NOT EXISTS does not help two nodes that look at the same moment."""
    for _ in range(TRIES):
        with contextlib.suppress(Contention):
            async with database.transaction() as tx:
                await tx.script(TABLE)
            return
    raise BadDatabase("Other nodes are changing the database at this moment: start again.")


async def apply(database: Database, migration: Migration) -> bool:
    """Apply one migration; False when another node was first."""
    async with database.transaction() as tx:
        claimed = await tx.fetch_one(
            "INSERT INTO migrations (number, name, date_applied) VALUES ($1, $2, $3) "
            "ON CONFLICT (number) DO NOTHING RETURNING number",
            migration.number,
            migration.name,
            now(),
        )
        if claimed is None:
            return False
        await tx.script(migration.sql)
    return True


async def pending(database: Database) -> list[str]:
    """The migrations of this code that the database does not have yet."""
    await make_table(database)
    applied = {row[0] for row in await database.fetch_all("SELECT number FROM migrations")}
    return [migration.name for migration in migrations() if migration.number not in applied]
