"""Batches: writes that gather, in their order, with an outcome for each."""

import asyncio

import pytest

from hubbub.storage.batch import MOST, TRIES, Batch
from hubbub.storage.database import Contention


class Refusal(Exception):  # noqa: N818 - as an action raises one
    """An item, or a batch, that will not do."""


class Disk:
    """Stores what a batch writes: slowly, and one batch at a time or it complains."""

    def __init__(self, contentions: int = 0) -> None:
        self.written: list[list[int]] = []
        self.contentions = contentions
        self.busy = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def write(self, items: list[int]) -> list[int | Exception]:
        """Negative items are refused, 13 ruins its batch, the others are answered with their tenfold."""
        assert not self.busy
        self.busy = True
        try:
            await asyncio.sleep(0)
            await self.go_on.wait()
        finally:
            self.busy = False
        if self.contentions:
            self.contentions -= 1
            raise Contention
        if 13 in items:
            raise Refusal
        self.written.append(items)
        return [Refusal(item) if item < 0 else item * 10 for item in items]

    @property
    def stored(self) -> list[int]:
        return [item for batch in self.written for item in batch]


def adding(batch: Batch[int, int], *items: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(batch.add(item)) for item in items]


async def outcomes(tasks: list[asyncio.Task[int]]) -> list[int | BaseException]:
    async with asyncio.timeout(10):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_lone_item_waits_for_nobody() -> None:
    """A quiet server writes at once."""
    disk = Disk()

    assert await Batch(disk.write).add(1) == 10

    assert disk.written == [[1]]


async def test_items_are_written_in_the_order_they_came() -> None:
    """Everyone gets the outcome of their own item."""
    disk = Disk()
    numbers = list(range(100, 1100))

    answers = await outcomes(adding(Batch(disk.write), *numbers))

    assert answers == [number * 10 for number in numbers]
    assert disk.stored == numbers


async def test_what_comes_during_a_commit_is_written_together() -> None:
    """Far fewer commits than items, and none larger than the limit."""
    disk = Disk()
    numbers = list(range(100, 1100))

    await outcomes(adding(Batch(disk.write), *numbers))

    assert len(disk.written) < len(numbers) / 10
    assert max(len(batch) for batch in disk.written) <= MOST


async def test_batch_works_again_after_a_pause() -> None:
    """Its writer ends when nothing waits, and starts anew."""
    disk = Disk()
    batch = Batch(disk.write)
    await outcomes(adding(batch, 1, 2))
    await asyncio.sleep(0.01)

    assert await batch.add(3) == 30


async def test_refused_item_is_told_to_the_one_who_added_it() -> None:
    """The others of its batch are stored."""
    disk = Disk()

    answers = await outcomes(adding(Batch(disk.write), 1, -2, 3))

    assert answers[::2] == [10, 30]
    assert isinstance(answers[1], Refusal)
    assert disk.written == [[1, -2, 3]]


async def test_failed_write_is_told_to_all_of_the_batch_and_to_nobody_else() -> None:
    """The next batch starts with a clean slate."""
    disk = Disk()
    batch = Batch(disk.write)

    answers = await outcomes(adding(batch, 1, 13, 3))

    assert all(isinstance(answer, Refusal) for answer in answers)
    assert await batch.add(4) == 40
    assert disk.stored == [4]


@pytest.mark.parametrize("gone", [[0], [1], [4], [0, 2, 4], [0, 1, 2, 3, 4]], ids=str)
async def test_cancelled_waiters_do_no_harm(gone: list[int]) -> None:
    """Whose request has gone away hears nothing; what was under way is stored for all."""
    disk = Disk()
    disk.go_on.clear()
    batch = Batch(disk.write)
    tasks = adding(batch, 0, 1, 2, 3, 4)
    await asyncio.sleep(0.01)
    assert disk.busy

    for n in gone:
        tasks[n].cancel()
    disk.go_on.set()

    answers = await outcomes(tasks)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, asyncio.CancelledError)] == gone
    assert [answer for answer in answers if isinstance(answer, int)] == [n * 10 for n in range(5) if n not in gone]
    assert await batch.add(5) == 50
    assert disk.stored == [0, 1, 2, 3, 4, 5]


async def test_contention_is_tried_again() -> None:
    """Nothing was stored, so a repeat is safe; nobody hears of it."""
    disk = Disk(contentions=TRIES - 1)

    answers = await outcomes(adding(Batch(disk.write), 1, 2))

    assert answers == [10, 20]
    assert disk.written == [[1, 2]]


async def test_contention_without_end_is_told() -> None:
    """After so many tries those who wait hear of it, and the next item is tried afresh."""
    disk = Disk(contentions=TRIES)
    batch = Batch(disk.write)

    answers = await outcomes(adding(batch, 1, 2))

    assert all(isinstance(answer, Contention) for answer in answers)
    assert await batch.add(3) == 30
    assert disk.stored == [3]
