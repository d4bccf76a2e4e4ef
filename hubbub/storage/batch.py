"""Writes that gather: what arrives while one transaction commits is written together by the next.

One batch is under way at a time, so a busy server pays for one commit per batch and a quiet one waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hubbub.storage.database import Contention

T = TypeVar("T")
R = TypeVar("R")

LEAST = 32
MOST = 256
TRIES = 5


class Batch(Generic[T, R]):
    """Gathers items for `write`, which stores them in one transaction and returns an outcome for each.

    An outcome that is an exception is raised to the one who added the item; an exception of `write` itself
    is raised to all of the batch.
    """

    def __init__(self, write: Callable[[list[T]], Awaitable[list[R | Exception]]]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """Store the item with others; returns its outcome once it is on disk."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                # Half of a long queue: those who are answered send their next item while the other half is
                # written, so that neither the processor nor the disk ever waits for the other.
                size = min(max(LEAST, len(self._waiting) // 2), MOST)
                batch, self._waiting = self._waiting[:size], self._waiting[size:]
                await self._flush(batch)
        finally:
            self._writer = None

    async def _flush(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            outcomes = await self._attempt([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            outcomes = [error] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue  # its request has gone away; the item is stored all the same
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    async def _attempt(self, items: list[T]) -> list[R | Exception]:
        for _ in range(TRIES - 1):
            try:
                return await self._write(items)
            except Contention:
                continue
        return await self._write(items)
