"""Migrations: on an empty database, on one that has them, beside other nodes, and on one that is too new."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest

from hubbub.app import open_database
from hubbub.settings import Settings
from hubbub.storage.database import BadDatabase, Database
from hubbub.storage.migrate import Migration, apply, migrate, migrations
from tests.harness import Server

NODES = 4


def names() -> list[str]:
    return [migration.name for migration in migrations()]


async def recorded(database: Database) -> list[str]:
    return [row[0] for row in await database.fetch_all("SELECT name FROM migrations ORDER BY number")]


async def make_newer(database: Database) -> None:
    """Leave what a later version of the program would have left."""
    await migrate(database)
    async with database.transaction() as tx:
        await tx.fetch_one("INSERT INTO migrations (number, name, date_applied) VALUES (9999, '9999_later', 0)")


def test_migrations_are_numbered_without_gaps() -> None:
    """Each file's number is its place."""
    assert [migration.number for migration in migrations()] == list(range(1, len(names()) + 1))


async def test_empty_database_gets_every_migration(empty: Database) -> None:
    """In their order, and each is recorded."""
    assert await migrate(empty) == names()

    assert await recorded(empty) == names()
    assert await empty.fetch_all("SELECT sid FROM messages") == []


async def test_second_time_changes_nothing(empty: Database) -> None:
    """A start of the same version finds all done."""
    await migrate(empty)
    before = await empty.fetch_all("SELECT number, name, date_applied FROM migrations")

    assert await migrate(empty) == []

    assert await empty.fetch_all("SELECT number, name, date_applied FROM migrations") == before


async def test_nodes_that_start_together_apply_each_migration_once(settings: Settings) -> None:
    """Whoever comes first does it, the others go on."""
    async with AsyncExitStack() as stack:
        nodes = [await open_database(settings, exclusive=False) for _ in range(NODES)]
        for node in nodes:
            stack.push_async_callback(node.close)

        applied = await asyncio.gather(*(migrate(node) for node in nodes), return_exceptions=True)

        assert [done for done in applied if isinstance(done, BaseException)] == []
        assert sorted(name for done in applied if isinstance(done, list) for name in done) == names()
        assert await recorded(nodes[0]) == names()


def test_processes_that_start_together_all_succeed(new_server: Server) -> None:
    """The same with real processes on an empty database."""
    new_server.data_dir.mkdir(parents=True)
    command = [sys.executable, "-m", "hubbub", "migrate", "--json"]

    processes = [
        subprocess.Popen(
            command, env=new_server.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(NODES)
    ]

    ended = [(process.communicate(timeout=60)[0], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0] * NODES, ended
    assert sum(output.count(names()[0]) for output, _ in ended) == 1


async def test_newer_database_is_refused_and_left_alone(empty: Database) -> None:
    """A version that went back must not write into what it does not understand."""
    await make_newer(empty)

    with pytest.raises(BadDatabase, match=r"newer.*9999_later.*install the newer version"):
        await migrate(empty)

    assert await recorded(empty) == [*names(), "9999_later"]


async def test_server_does_not_start_on_a_newer_database(empty: Database, settings: Settings) -> None:
    """It ends at once with one line that says what to do."""
    await make_newer(empty)

    command = [sys.executable, "-m", "hubbub", "serve", "--database", settings.database]
    done = await asyncio.create_subprocess_exec(
        *command, "--data-dir", settings.data_dir, "--port", "0", stderr=subprocess.PIPE
    )
    _, said = await asyncio.wait_for(done.communicate(), 30)

    assert done.returncode == 2
    assert len(said.splitlines()) == 1
    assert b"newer" in said


async def test_failed_migration_leaves_nothing(empty: Database) -> None:
    """Neither its first half nor the record of it."""
    await migrate(empty)
    broken = Migration(9998, "9998_broken", "CREATE TABLE half (key BIGINT); NONSENSE;")

    with pytest.raises(Exception, match="syntax error"):
        await apply(empty, broken)

    assert await recorded(empty) == names()
    assert await apply(empty, broken._replace(sql="CREATE TABLE half (key BIGINT);")) is True
    assert await apply(empty, broken) is False
