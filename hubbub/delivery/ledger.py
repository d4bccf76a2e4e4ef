"""Writes down how deliveries end, many in one transaction, and counts them."""

import asyncio
import logging
from collections.abc import Callable

from hubbub.delivery import sql
from hubbub.delivery.model import DELIVERED, STATES, WAITING, Delivery
from hubbub.errors import ChatError
from hubbub.metrics import Metrics
from hubbub.storage.database import Contention, Database, Transaction

log = logging.getLogger("hubbub.delivery")

GATHER_SECONDS = 0.05  # nobody waits for it: one that is sent again after a crash keeps its id
RETRY_SECONDS = 1.0
MOST = 500
ENDS = [state for state in STATES if state != WAITING]


class Ledger:
    """What has ended is kept here until it is on disk, also while the database is away."""

    def __init__(self, database: Database, metrics: Metrics, clock: Callable[[], int], *, kept: bool) -> None:
        """`kept` says whether what has arrived stays in the table for a time."""
        self.node = 0
        self.goes_along = False  # whether the database has one writer at a time
        self._database = database
        self._counted = {state: metrics.webhooks.labels(state) for state in ENDS}
        self._took = metrics.webhook_seconds
        self._clock = clock
        self._kept = kept
        self._ended: list[Delivery] = []
        self._any = asyncio.Event()
        self._busy = False  # a transaction that is under way writes the first of them
        self._waits_since: int | None = None
        metrics.oldest_waiting.set_function(self._oldest_waiting)

    def add(self, delivery: Delivery) -> None:
        """The delivery has ended, or will be tried again."""
        self.put_off(delivery)
        self._counted[delivery.state].inc()
        if delivery.state == DELIVERED:
            self._took.observe((delivery.date_updated - delivery.date_created) / 1000)

    def put_off(self, delivery: Delivery) -> None:
        """The delivery is as it was, but for when it is due."""
        self._ended.append(delivery)
        self._any.set()

    def waits_since(self, moment: int | None) -> None:
        """Since when the oldest first try waits."""
        self._waits_since = moment

    def _oldest_waiting(self) -> float:
        return 0.0 if self._waits_since is None else max(0, self._clock() - self._waits_since) / 1000

    async def keep_writing(self) -> None:
        while True:
            await self._any.wait()
            await asyncio.sleep(GATHER_SECONDS)
            try:
                await self.write_all()
            except (ChatError, Contention) as error:
                log.warning("the ends of deliveries wait for the database: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # what nobody thought of must not end the writing for good
                log.exception("the ends of deliveries could not be written and wait")
                await asyncio.sleep(RETRY_SECONDS)

    async def write_all(self) -> None:
        """All that has ended until now is on disk afterwards."""
        while self._ended:
            entries: list[Delivery] = []
            try:
                async with self._database.transaction() as tx:
                    entries = await self.write(tx)
            except BaseException:
                self.failed(entries)
                raise
            self.written(entries)
            if not entries:  # another transaction has them
                await asyncio.sleep(GATHER_SECONDS)

    async def write_along(self, tx: Transaction) -> list[Delivery]:
        """What has ended, in an event's transaction: under load it needs none of its own.

        Not where it can be written beside: there the event would only wait for it.
        """
        return await self.write(tx) if self.goes_along else []

    async def write(self, tx: Transaction) -> list[Delivery]:
        """Write what has ended within a transaction; to be given to `written` when that is on disk, or to `failed`."""
        if self._busy or not self._ended:
            return []
        entries = self._ended[:MOST]
        gone = [delivery for delivery in entries if delivery.state == DELIVERED and not self._kept]
        rest = [delivery for delivery in entries if delivery.state != DELIVERED or self._kept]
        self._busy = True
        try:
            if rest:
                await sql.settle(tx, self.node, rest)
            if gone:
                await sql.forget(tx, self.node, gone)
        except BaseException:
            self._busy = False
            raise
        return entries

    def written(self, entries: list[Delivery]) -> None:
        """They are on disk."""
        if entries:
            self._busy = False
            del self._ended[: len(entries)]
            if not self._ended:
                self._any.clear()

    def failed(self, entries: list[Delivery]) -> None:
        """Perhaps they are on disk; twice is no harm, for what is written is not this node's any more."""
        if entries:
            self._busy = False
