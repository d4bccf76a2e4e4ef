"""A share of the event loop: all of it while nobody else wants any, some of it beside others. In counts of steps."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterator

import pytest

from hubbub.delivery.push.share import SHARE, WINDOW, Share

MOST = 0.45  # SHARE, and some for a machine that does other things
STEPS = 3000


def step() -> None:
    """A few tens of microseconds of the processor's time, always the same work."""
    sum(range(1500))


def seconds_of_step() -> float:
    begun = time.thread_time()
    for _ in range(200):
        step()
    return (time.thread_time() - begun) / 200


class Work:
    """Steps that are counted, a few between two looks at whether others wait."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.done = 0

    async def run(self, steps: int) -> None:
        while self.done < steps:
            await self.share.metered(self.some())
            await self.share.give_way()

    async def some(self) -> None:
        for _ in range(5):
            step()
            self.done += 1


class Processor:
    """How much of the time that passed this thread has had the processor: the share is one of all that time."""

    def __init__(self) -> None:
        self._since, self._had = time.monotonic(), time.thread_time()

    def most(self) -> float:
        """What may be had of the steps that were done since."""
        return MOST * (time.monotonic() - self._since) / (time.thread_time() - self._had)


def no_more() -> float:
    return 0.0


async def test_alone_it_takes_what_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never waits for a window to end."""
    waits = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr("hubbub.delivery.push.share.asyncio.sleep", noted)
    await Work(Share(no_more)).run(STEPS)

    assert len(waits) == STEPS / 5
    assert sum(1 for wait in waits if wait) <= len(waits) / 20


async def test_beside_others_it_takes_no_more_than_its_share() -> None:
    """Others always have something to do: of equal steps it does less than a third."""
    work, processor = Work(Share(no_more)), Processor()
    others = 0
    running = asyncio.create_task(work.run(1 << 60))
    while others < STEPS:
        step()
        others += 1
        if others % 5 == 0:
            await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert 0.1 < work.done / (work.done + others) < processor.most()


async def test_work_that_is_done_elsewhere_counts() -> None:
    """Such as that of connections, in callbacks of the loop: it is told, and what is metered gets the less."""
    cost = seconds_of_step()
    spent = 0.0
    work, processor = Work(Share(lambda: spent)), Processor()
    others = elsewhere = 0
    running = asyncio.create_task(work.run(1 << 60))
    while others < STEPS:
        for _ in range(5):
            step()
        others += 5
        if elsewhere < work.done:  # as much as what is metered
            for _ in range(5):
                step()
            elsewhere += 5
            spent += 5 * cost
        await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert 0.1 < (work.done + elsewhere) / (work.done + elsewhere + others) < processor.most()


async def test_it_takes_all_again_when_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window later."""
    work = Work(Share(no_more))
    running = asyncio.create_task(work.run(STEPS))
    for _ in range(300):
        for _ in range(5):
            step()
        await asyncio.sleep(0)
    waits = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr("hubbub.delivery.push.share.asyncio.sleep", noted)
    await running

    assert sum(waits) < 3 * WINDOW / SHARE


async def fail() -> None:
    await asyncio.sleep(0)
    raise KeyError("of the work's own")


async def test_what_the_work_returns_and_raises_comes_through() -> None:
    share = Share(no_more)

    async def four() -> int:
        await asyncio.sleep(0)
        return 4

    assert await share.metered(four()) == 4
    with pytest.raises(KeyError, match="of the work's own"):
        await share.metered(fail())


async def test_work_waits_for_what_it_wants() -> None:
    """A future, a task, a time-out, a lock: as if it were not metered."""
    share = Share(no_more)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()

    async def work() -> list[int]:
        found = [await future]
        found += await asyncio.gather(*(asyncio.sleep(0, number) for number in (2, 3)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await loop.create_future()
        async with asyncio.Lock():
            found.append(4)
        return found

    task = asyncio.create_task(share.metered(work()))
    await asyncio.sleep(0)
    future.set_result(1)

    assert await task == [1, 2, 3, 4]


async def test_failed_future_fails_the_work_where_it_waits() -> None:
    share = Share(no_more)
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await future
        except KeyError:
            await asyncio.sleep(0)
            return "dealt with"
        return "not raised"

    task = asyncio.create_task(share.metered(work()))
    await asyncio.sleep(0)
    future.set_exception(KeyError())

    assert await task == "dealt with"


async def test_cancelling_reaches_the_work() -> None:
    """Which may clean up, with waiting, before it goes."""
    share, steps = Share(no_more), []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    task = asyncio.create_task(share.metered(work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert steps == ["cleaned up"]
    assert task.cancelled()


async def test_work_may_survive_being_cancelled() -> None:
    share = Share(no_more)

    async def work() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        return "here"

    task = asyncio.create_task(share.metered(work()))
    await asyncio.sleep(0)
    task.cancel()

    assert await task == "here"


async def test_work_within_work_counts_for_both() -> None:
    inner, outer = Share(no_more), Share(no_more)

    async def work() -> None:
        for _ in range(20):
            step()
            await asyncio.sleep(0)

    await outer.metered(inner.metered(work()))

    assert 0 < inner._spent <= outer._spent


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No collection of another test's garbage within a step."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
