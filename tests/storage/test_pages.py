"""Pages of a list by key, the same on both engines: whole, in order, and unmoved by what comes and goes."""

import msgspec
import pytest

from hubbub.sids import new_sid
from hubbub.storage.database import Database
from hubbub.storage.pages import Listing, Slice, Window

ROWS = 7
SHELF = 1


class Thing(msgspec.Struct):
    key: int
    sid: str
    shelf: int
    name: str | None


def listing(key: str = "key", *, descending: bool = False) -> Listing[Thing]:
    return Listing(Thing, "things WHERE shelf = $1", key, descending=descending)


@pytest.fixture
async def things(database: Database) -> list[Thing]:
    """Seven things on the shelf, and others around them that must never show up."""
    found = [Thing(n, new_sid("CH"), SHELF if 2 <= n < 2 + ROWS else SHELF + 1, None) for n in range(ROWS + 4)]
    async with database.transaction() as tx:
        sql = "INSERT INTO things (key, sid, shelf, name) VALUES ($1, $2, $3, $4)"
        await tx.execute_many(sql, [(thing.key, thing.sid, thing.shelf, thing.name) for thing in found])
    return [thing for thing in found if thing.shelf == SHELF]


async def page(database: Database, window: Window, which: Listing[Thing] | None = None) -> Slice[Thing]:
    return await (which or listing()).page(database, window, SHELF)


async def remove(database: Database, thing: Thing) -> None:
    async with database.transaction() as tx:
        await tx.fetch_one("DELETE FROM things WHERE key = $1 RETURNING key", thing.key)


async def walk(database: Database, size: int, which: Listing[Thing]) -> list[Slice[Thing]]:
    """Every page from the first on."""
    pages = [await page(database, Window(size), which)]
    while pages[-1].next is not None:
        pages.append(await page(database, Window(size, after=pages[-1].next), which))
    return pages


@pytest.mark.parametrize("key", ["key", "sid", '"key"'])
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 1000])
async def test_pages_together_are_the_list(
    database: Database, things: list[Thing], key: str, descending: bool, size: int
) -> None:
    """Every row once, in order, by a number or by a SID; only the last page is short."""
    pages = await walk(database, size, listing(key, descending=descending))

    assert [row for each in pages for row in each.rows] == (things[::-1] if descending else things)
    assert [len(each.rows) for each in pages[:-1]] == [size] * (len(pages) - 1)
    assert 0 < len(pages[-1].rows) <= size


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
async def test_previous_is_where_the_page_before_began(
    database: Database, things: list[Thing], descending: bool
) -> None:
    """None for the second page, as the first began after nothing."""
    pages = await walk(database, 2, listing(descending=descending))

    assert len(things) == ROWS
    begins = [None, *(each.next for each in pages[:-1])]
    assert [each.previous for each in pages] == [None, *begins[:-1]]


async def test_empty_list_is_one_empty_page(database: Database) -> None:
    """With nothing before and after it."""
    assert await page(database, Window(5)) == Slice([], None, None)


@pytest.mark.parametrize(("skip", "first"), [(0, 0), (1, 1), (6, 6), (7, None), (2**62, None)])
async def test_rows_are_skipped(database: Database, things: list[Thing], skip: int, first: int | None) -> None:
    """As far as the numbers go; past the end there is nothing."""
    found = await page(database, Window(2, skip=skip))

    assert found.rows == ([] if first is None else things[first : first + 2])
    assert (found.next is not None) == (skip < ROWS - 2)


async def test_page_begins_after_a_row_that_is_gone(database: Database, things: list[Thing]) -> None:
    """A key is a place in the order."""
    first = await page(database, Window(3))
    assert first.next == things[2].key

    await remove(database, things[2])

    assert (await page(database, Window(3, after=first.next))).rows == things[3:6]


async def test_rows_that_come_shift_nothing(database: Database, things: list[Thing]) -> None:
    """One that comes before the place is not seen, one after it is."""
    await remove(database, things[0])
    await remove(database, things[-1])
    first = await page(database, Window(2))
    async with database.transaction() as tx:
        for thing in (things[0], things[-1]):
            sql = "INSERT INTO things (key, sid, shelf) VALUES ($1, $2, $3)"
            await tx.fetch_one(sql, thing.key, thing.sid, thing.shelf)

    rest = await page(database, Window(100, after=first.next))

    assert first.rows == things[1:3]
    assert rest.rows == things[3:]


async def test_list_is_read_within_a_transaction(database: Database, things: list[Thing]) -> None:
    """It sees what the transaction has done so far."""
    async with database.transaction() as tx:
        await tx.fetch_one("DELETE FROM things WHERE key = $1 RETURNING key", things[0].key)
        found = await listing().page(tx, Window(100), SHELF)

    assert found.rows == things[1:]
