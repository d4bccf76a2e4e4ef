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
MEMORY = 0.8  # of what was measured so far, at the end of a window
SHARE = 0.25  # of the loop, while others use it
OTHERS = 0.2  # of what the loop does, from which on they do
CREDIT = 0.003  # seconds that may be used at once


class Share:
    """Measures what its work takes of the loop's processor time, and has it wait when that is too much.

    All by the processor's clock: by that on the wall, the time for which other programs have the processor would count
    as this work's, and hide what others on the loop want.
    """

    def __init__(self, elsewhere: Callable[[], float]) -> None:
        """`elsewhere` are the processor's seconds spent for this work outside what is run through `metered`."""
        self._elsewhere = elsewhere
        self._spent = 0.0
        self._counted = 0.0  # of what was spent here and elsewhere
        self._debt = 0.0
        self._indebted = time.monotonic()  # when it was last reckoned
        self._contended = False
        self._since = time.monotonic()
        self._cpu = time.thread_time()
        self._own = 0.0  # since then
        self._own_lately = self._all_lately = 0.0

    @types.coroutine
    def metered(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Run a coroutine and count what its steps take."""
        error: BaseException | None = None
        while True:
            begun = time.thread_time()
            try:
                waits_for = work.send(None) if error is None else work.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                self._spent += time.thread_time() - begun
            error = None
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - it is the work's to deal with
                error = thrown

    async def give_way(self) -> None:
        """Let others run; wait where this work has had more than its share while others wanted theirs, too.

        What it has had too much is a debt, which all who call this wait for.
        """
        moment, counted = time.monotonic(), self._spent + self._elsewhere()
        own = max(0.0, counted - self._counted)  # a connection that is closed is counted no more
        self._own += own
        self._debt = max(-CREDIT, self._debt + own - SHARE * (moment - self._indebted))
        self._indebted, self._counted = moment, counted
        if moment - self._since >= WINDOW:
            self._look(moment)
        await asyncio.sleep(max(0.0, self._debt / SHARE) if self._contended else 0.0)

    def _look(self, moment: float) -> None:
        """Whether others want the loop, judged by what they have had of it lately.

        Not in the last window alone: while they wait for the disk they have nothing, and would be held up for it.
        """
        cpu = time.thread_time()
        self._all_lately = MEMORY * self._all_lately + cpu - self._cpu
        self._own_lately = MEMORY * self._own_lately + self._own
        self._contended = self._all_lately - self._own_lately > OTHERS * self._all_lately
        if not self._contended:
            self._debt = 0.0
        self._since, self._cpu, self._own = moment, cpu, 0.0
