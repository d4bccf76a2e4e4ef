"""Keeps pushes from slowing down those who wait for answers.

A message to a channel of a thousand members is one request, and two thousand pushes on the same event loop.
"""

import asyncio
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

WINDOW = 0.02  # seconds
SHARE = 0.3  # of the loop, while others use it
OTHERS = 0.1  # of the loop, from which on they do


class Share:
    """Measures what its work takes of the loop's processor time, and has it wait when that is too much."""

    def __init__(self, elsewhere: Callable[[], float]) -> None:
        """`elsewhere` are the seconds that were spent for this work outside what is run through `metered`."""
        self._elsewhere = elsewhere
        self._spent = 0.0
        self._worked = 0.0  # of that, the processor's time: less where other programs want it, too
        self._contended = False
        self._begin()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._others = time.thread_time() - self._worked
        self._outside = self._elsewhere()
        self._own = self._spent + self._outside

    @types.coroutine
    def metered(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Run a coroutine and count what its steps take."""
        error: BaseException | None = None
        while True:
            begun, worked = time.perf_counter(), time.thread_time()
            try:
                waits_for = work.send(None) if error is None else work.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                self._worked += time.thread_time() - worked
                self._spent += time.perf_counter() - begun
            error = None
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - it is the work's to deal with
                error = thrown

    async def give_way(self) -> None:
        """Let others run; wait for the next window where this work has had its share of one that others want, too."""
        moment = time.monotonic()
        elapsed = moment - self._since
        outside = self._elsewhere()
        own = self._spent + outside - self._own
        if elapsed >= WINDOW:
            others = time.thread_time() - self._worked - self._others - (outside - self._outside)
            self._contended = others > OTHERS * elapsed
            late = own - SHARE * elapsed if self._contended else 0.0
            self._begin()
            await asyncio.sleep(max(0.0, late / SHARE))
        elif self._contended and own > SHARE * WINDOW:
            await asyncio.sleep(WINDOW - elapsed)
        else:
            await asyncio.sleep(0)
