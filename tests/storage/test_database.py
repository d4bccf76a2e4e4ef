"""The port to the database, the same on both engines: what is read, what is kept and what is not."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from hubbub.app import open_database
from hubbub.bus.memory import MemoryBus
from hubbub.chat import Caller, Chat, Emitted
from hubbub.delivery.outbox import Outbox
from hubbub.events import USER_ADDED
from hubbub.settings import Settings
from hubbub.storage.database import Contention, Database, Transaction
from hubbub.storage.files import Folder
from hubbub.storage.migrate import migrate
from hubbub.vault import Vault
from tests.harness import ACCOUNT_SID

INSERT = "INSERT INTO things (key, shelf, name) VALUES ($1, $2, $3)"
COUNT_UP = "UPDATE things SET shelf = shelf + 1 WHERE key = $1 RETURNING shelf"

VALUES = [0, -1, 2**31, 2**63 - 1, -(2**63)]
TEXTS = ["", " ", "'", '"', "$1", "?1", "%s", "\\", "ünï-çödé 😀", "a\r\nb\t", "x" * 100_000, None]


class Refusal(Exception):  # noqa: N818 - as a handler raises one
    """Something in the middle of a transaction that must end it."""


async def add(database: Database, *keys: int) -> None:
    async with database.transaction() as tx:
        await tx.execute_many(INSERT, [(key, 0, str(key)) for key in keys])


async def keys(database: Database) -> list[int]:
    """The keys of all things."""
    return [row[0] for row in await database.fetch_all("SELECT key FROM things ORDER BY key")]


async def test_first_row_is_fetched_or_none(database: Database) -> None:
    """A row is a sequence in the order of the columns."""
    await add(database, 2, 1)

    row = await database.fetch_one("SELECT key, name FROM things ORDER BY key")

    assert row is not None
    assert tuple(row) == (1, "1")
    assert await database.fetch_one("SELECT key FROM things WHERE key = $1", 3) is None


async def test_all_rows_are_fetched(database: Database) -> None:
    """In the order that the statement asks for; none is an empty list."""
    await add(database, 3, 1, 2)

    rows = await database.fetch_all("SELECT key FROM things WHERE key > $1 ORDER BY key DESC", 1)

    assert [tuple(row) for row in rows] == [(3,), (2,)]
    assert await database.fetch_all("SELECT key FROM things WHERE key > $1", 9) == []


async def test_placeholders_are_numbered(database: Database) -> None:
    """In any order and as often as needed."""
    sql = "SELECT name FROM things WHERE key = $2 AND shelf = $1 OR key = $2 AND name = $3"
    await add(database, 7)

    assert await database.fetch_one(sql, 0, 7, "no") is not None
    assert await database.fetch_one(sql, 7, 0, "no") is None


@pytest.mark.parametrize("value", VALUES)
async def test_integers_of_64_bits_are_kept(database: Database, value: int) -> None:
    """Sizes, dates and counters need them."""
    async with database.transaction() as tx:
        await tx.fetch_one(INSERT, value, value, None)

    row = await database.fetch_one("SELECT key, shelf FROM things")

    assert row is not None
    assert tuple(row) == (value, value)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:20])
async def test_texts_are_kept_as_they_are(database: Database, text: str | None) -> None:
    """No quoting, no substitution, no trimming; null is not the empty text."""
    async with database.transaction() as tx:
        await tx.fetch_one(INSERT, 1, 0, text)

    row = await database.fetch_one("SELECT name FROM things")

    assert row is not None
    assert row[0] == text


async def test_statement_is_run_for_each_row_of_values(database: Database) -> None:
    """Also for none at all."""
    async with database.transaction() as tx:
        await tx.execute_many(INSERT, [])
        await tx.execute_many(INSERT, [(n, 0, None) for n in range(1000)])

    assert await keys(database) == list(range(1000))


async def test_transaction_reads_its_own_writes(database: Database) -> None:
    """What a statement returns and what a later one sees is what was just written."""
    async with database.transaction() as tx:
        await tx.fetch_one(INSERT, 1, 5, "a")
        returned = await tx.fetch_one(COUNT_UP, 1)
        seen = await tx.fetch_all("SELECT shelf FROM things")

    assert returned is not None
    assert returned[0] == 6
    assert [row[0] for row in seen] == [6]


async def test_nobody_sees_a_transaction_before_its_end(database: Database) -> None:
    """Readers are not held up; they see what was before."""
    await add(database, 1)

    async with database.transaction() as tx:
        await tx.fetch_one(INSERT, 2, 0, None)
        assert await keys(database) == [1]

    assert await keys(database) == [1, 2]


async def test_failed_transaction_leaves_nothing(database: Database) -> None:
    """Whatever goes wrong in its block, the error comes out as it was and all is as before."""
    await add(database, 1)

    with pytest.raises(Refusal):
        await fail_in_the_middle(database)

    assert await keys(database) == [1]
    await add(database, 4)
    assert await keys(database) == [1, 4]


async def fail_in_the_middle(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute_many(INSERT, [(2, 0, None), (3, 0, None)])
        await tx.fetch_one("DELETE FROM things WHERE key = $1 RETURNING key", 1)
        raise Refusal


async def test_failed_statement_ends_its_transaction(database: Database) -> None:
    """A key that is taken rolls back what came before it."""
    await add(database, 1)

    with pytest.raises((Contention, apsw.ConstraintError)):
        await add(database, 2, 3, 1)

    assert await keys(database) == [1]


async def test_what_is_emitted_is_told_after_the_commit(database: Database, tmp_path: Path) -> None:
    """Those who listen find what they are told about; a failed transaction tells nothing."""
    no_hooks: Any = None
    chat = Chat(database, Folder(tmp_path), Vault(b"k" * 32), Settings(), no_hooks, Outbox(Settings()), MemoryBus())
    first, second = (Emitted(USER_ADDED, name, Caller(1, ACCOUNT_SID), webhook_enabled=False) for name in "ab")
    told: list[Sequence[Any]] = []
    chat.bus.listen(told.append)

    async with chat.transaction() as tx:
        await tx.fetch_one(INSERT, 1, 0, None)
        tx.emit(first)
        tx.emit(second)
        assert told == []
    with pytest.raises(Refusal):
        await emit_and_fail(chat)
    async with chat.transaction():
        pass  # nothing emitted, nothing told

    assert [list(emitted) for emitted in told] == [[first, second]]


async def emit_and_fail(chat: Chat) -> None:
    async with chat.transaction() as tx:
        tx.emit("never")
        raise Refusal


async def test_concurrent_transactions_lose_no_update(database: Database) -> None:
    """`UPDATE … RETURNING` is the lock: everyone gets a number of their own."""
    await add(database, 1)

    async def count_up() -> int:
        async with database.transaction() as tx:
            row = await tx.fetch_one(COUNT_UP, 1)
            await asyncio.sleep(0)
        assert row is not None
        return int(row[0])

    numbers = await asyncio.gather(*(count_up() for _ in range(50)))

    assert sorted(numbers) == list(range(1, 51))


async def test_transactions_in_each_others_way_end_in_contention_at_worst(database: Database) -> None:
    """Two that lock in opposite orders: whoever loses stored nothing and may repeat."""
    await add(database, 1, 2)

    async def count_both(*order: int) -> None:
        try:
            async with database.transaction() as tx:
                for key in order:
                    await tx.fetch_one(COUNT_UP, key)
                    await asyncio.sleep(0.01)
        except Contention:
            await count_both(*order)

    await asyncio.gather(*(count_both(*order) for order in [(1, 2), (2, 1)]))

    assert [row[0] for row in await database.fetch_all("SELECT shelf FROM things")] == [2, 2]


async def test_cancellation_leaves_all_or_nothing_and_a_usable_database(database: Database) -> None:
    """Wherever in a transaction its request goes away, from its begin to the middle of the commit."""
    finished, pause = False, 0.0
    stored: list[set[int]] = []

    while not finished:
        task = asyncio.create_task(add(database, len(stored), 1000 + len(stored)))
        if pause:
            await asyncio.sleep(pause)
        finished = task.done()
        task.cancel()
        await asyncio.wait([task])
        pause = pause * 1.2 + 0.0001
        stored.append({len(stored), 1000 + len(stored)} & set(await keys(database)))

    assert all(len(pair) in {0, 2} for pair in stored)
    assert (len(stored[0]), len(stored[-1])) == (0, 2)
    async with asyncio.timeout(10):
        await add(database, 5000)


async def test_cancelled_again_and_again_leaves_a_usable_database(database: Database) -> None:
    for number in range(20):
        task = asyncio.create_task(add(database, number))
        for _ in range(number):
            await asyncio.sleep(0)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled() or task.exception() is None

    await add(database, 100)
    assert await database.fetch_one("SELECT name FROM things WHERE key = 100") is not None


async def test_cancelled_waiter_does_not_block_the_next(database: Database) -> None:
    """One transaction is under way, a second one waits and goes away, a third one follows."""
    await add(database, 1)

    async def count_up() -> None:
        async with database.transaction() as tx:
            await tx.fetch_one(COUNT_UP, 1)

    async with database.transaction() as tx:
        await tx.fetch_one(COUNT_UP, 1)
        waiter, follower = asyncio.create_task(count_up()), asyncio.create_task(count_up())
        await asyncio.sleep(0.05)
        waiter.cancel()
        await asyncio.wait([waiter])
    async with asyncio.timeout(10):
        await follower

    assert waiter.cancelled()
    assert await database.fetch_one("SELECT shelf FROM things WHERE shelf = 2") is not None


async def test_cancelled_lookups_do_not_disturb_the_others(database: Database) -> None:
    """Many ask the same at once and some of them go away."""
    await add(database, 1)
    sql = "SELECT name FROM things WHERE key = $1"
    tasks = [asyncio.create_task(one_of_many(database, sql)) for _ in range(20)]
    await asyncio.sleep(0)

    for task in tasks[::2]:
        task.cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1::2] == ["1"] * 10
    assert await one_of_many(database, sql) == "1"


async def one_of_many(database: Database, sql: str) -> str:
    row = await database.fetch_one(sql, 1)
    assert row is not None
    return str(row[0])


async def test_lookup_after_a_commit_sees_it(database: Database) -> None:
    """However many ask the same at the same time."""
    await add(database, 1)
    sql = "SELECT shelf FROM things WHERE key = $1"

    for number in range(1, 30):
        running = [asyncio.create_task(database.fetch_one(sql, 1)) for _ in range(3)]
        await asyncio.sleep(0)
        async with database.transaction() as tx:
            await tx.fetch_one(COUNT_UP, 1)
        row = await database.fetch_one(sql, 1)
        assert row is not None
        assert row[0] == number
        await asyncio.gather(*running)


async def test_sound_database_passes_its_check(database: Database) -> None:
    """There is nothing to tell."""
    await migrate(database)
    await add(database, *range(100))

    assert await database.check() == []


async def test_damaged_file_fails_its_check(tmp_path: Path) -> None:
    """An index that lost its rows is found, which no ordinary statement notices."""
    settings = Settings(database=f"sqlite:///{tmp_path / 'x.db'}")
    database = await open_database(settings, exclusive=False)
    async with database.transaction() as tx:
        await tx.script("CREATE TABLE things (key BIGINT PRIMARY KEY, name TEXT)")
        await tx.script("INSERT INTO things VALUES (1, 'a'), (2, 'b')")
    await database.close()
    lose_the_index(tmp_path / "x.db")

    reopened = await open_database(settings, exclusive=False)

    assert await reopened.check() != []
    await reopened.close()


def lose_the_index(path: Path) -> None:
    """Empty the page of the one index, behind SQLite's back."""
    connection = apsw.Connection(str(path))
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'index'").fetchall()
    ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    assert isinstance(page, int)
    assert isinstance(size, int)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size + 3 : (page - 1) * size + 5] = b"\0\0"  # the number of cells on the page
    path.write_bytes(content)


async def test_closed_database_can_be_opened_again(settings: Settings) -> None:
    """What was committed is there."""
    first = await open_database(settings, exclusive=False)
    async with first.transaction() as tx:
        await make_a_thing(tx)
    await first.close()

    second = await open_database(settings, exclusive=False)

    assert await keys(second) == [1]
    await second.close()


async def make_a_thing(tx: Transaction) -> None:
    await tx.script("CREATE TABLE things (key BIGINT PRIMARY KEY, shelf BIGINT, name TEXT)")
    await tx.fetch_one(INSERT, 1, 0, None)
