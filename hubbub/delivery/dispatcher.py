"""Sends what waits: takes deliveries for this node, keeps each lane's order, and writes down how they end.

What this process stored itself comes straight from memory once it is on disk; the rest is found by a look at the
table every second: what overflowed, what another process wrote, what a node that died had taken, what is due again.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from hubbub.delivery import sql
from hubbub.delivery.lanes import LANE_DEPTH, Holding, Hook, Lane
from hubbub.delivery.ledger import Ledger
from hubbub.delivery.messenger import Messenger
from hubbub.delivery.model import RETRYING, SID_LENGTH, Delivery, decode_pairs
from hubbub.delivery.node import LeaseOver, Node
from hubbub.delivery.outbox import Outbox
from hubbub.delivery.outcome import Blocked, Result
from hubbub.delivery.schedule import FAST_GAPS, again_at_once, settle
from hubbub.delivery.targets import refresh
from hubbub.errors import ChatError
from hubbub.storage.database import Contention, Database

log = logging.getLogger("hubbub.delivery")

POLL_SECONDS = 1.0
MOST_RETRIES = 500
LANES_PER_TAKE = 50
FINISH_SECONDS = 2.0
MINUTE = 60_000
DROPPABLE = 200  # ms of age from which it is looked for before it is sent: no command of an operator is as fast
SHORT_PAUSE = 3_000
LONGEST_PAUSE = 60 * MINUTE


class Dispatcher:
    """One for each serving process. It is a node: what it has taken, no other node sends."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        messenger: Messenger,
        ledger: Ledger,
        clock: Callable[[], int],
        node: Node,
    ) -> None:
        self._node = node
        self._database = database
        self._outbox = outbox
        self._messenger = messenger
        self.ledger = ledger
        self._clock = clock
        self._holding = Holding(lambda lane: self._start(self._drain(lane)))
        self._retries = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # What a transaction asks and tells.

    @property
    def node(self) -> int:
        """The key under which this process takes deliveries."""
        return self._node.key

    def admit(self, lane: str) -> bool:
        """Whether a delivery of the lane may be held in memory; if not, it is found in the table later."""
        return self._holding.admit(lane)

    def follows(self, delivery: Delivery) -> bool:
        """Whether it comes next in its lane after what this process has reserved: the lane need not be looked at."""
        return self._node.is_alive and self._holding.follows(delivery)

    def reserve(self, deliveries: list[Delivery]) -> None:
        """A transaction is storing these for this node: what comes behind them in their lanes waits."""
        for delivery in deliveries:
            self._holding.reserve(delivery)

    def release(self, deliveries: list[Delivery]) -> None:
        """The transaction has failed."""
        for delivery in deliveries:
            self._holding.release(delivery)

    def take(self, deliveries: list[Delivery]) -> None:
        """Send what has been reserved, now that it is on disk.

        What was reserved under a name that has been given up meanwhile is free in the table, or found there as lost.
        """
        if self._outbox.dispatcher is self:  # it is not giving up its name
            for delivery in deliveries:
                self._holding.confirm(delivery)

    def doubt(self) -> None:
        """What the table says is this node's may not be held here: it will be looked for under a new name.

        Until then nothing comes from memory, or it would overtake in its lane what is in doubt.
        """
        self._node.doubt()
        self._outbox.dispatcher = None

    # Being a node.

    async def run(self, *, alone: bool) -> None:
        """Send until cancelled. `alone` says that no other process sends from this database."""
        self._node.is_alone = alone
        self.ledger.goes_along = alone
        writer = asyncio.create_task(self.ledger.keep_writing())
        try:
            while True:
                try:
                    await self._poll()
                except (ChatError, Contention) as error:
                    log.warning("deliveries wait for the database: %s", error)
                except Exception:  # what nobody thought of must not end the sending for good
                    log.exception("looking for deliveries failed and will be tried again")
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._outbox.dispatcher = None
            await self._finish()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    async def _poll(self) -> None:
        await self._keep_node()
        await self._take_lanes()
        await self._take_retries()
        self._holding.forget_hooks()

    async def _keep_node(self) -> None:
        """Be a node that is alive, and free what the dead ones had taken."""
        node = self._node
        if not node.is_due:
            return
        if node.key and not await node.keep():
            await self._leave()
        if not node.key:
            await node.join()
            self.ledger.node = node.key
            self._outbox.dispatcher = self
        if not node.is_alone:
            await node.free_others()

    async def _leave(self) -> None:
        """Drop what is held; it is free in the table, for whoever takes it next."""
        self._outbox.dispatcher = None
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._holding.clear()  # a task that was cancelled has not tidied up
        self._retries = 0
        await self.ledger.write_all()
        await self._node.leave()

    async def _finish(self) -> None:
        """At the end: what is under way may arrive, the rest is left for the next start or another node."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
        if self.node:
            with contextlib.suppress(ChatError, Contention):
                await self._leave()

    # Finding work.

    async def _take_lanes(self) -> None:
        holding = self._holding
        free = await sql.free_lanes(self._database)
        oldest = [since for since in (holding.waits_since(), *(since for _, since in free)) if since is not None]
        self.ledger.waits_since(min(oldest, default=None))
        wanted: list[str] = []
        begun: dict[Hook, int] = {}
        for name, _ in free:
            hook = holding.hook(name[:SID_LENGTH])
            if (lane := holding.lanes.get(name)) is not None:
                lane.behind = True
                holding.go(lane)
            elif not hook.full and begun.get(hook, 0) < hook.room:
                begun[hook] = begun.get(hook, 0) + 1
                wanted.append(name)
        for start in range(0, len(wanted), LANES_PER_TAKE):
            if holding.is_full:
                break
            await self._take(wanted[start : start + LANES_PER_TAKE])

    async def _take(self, lanes: list[str]) -> None:
        """The first of each lane."""
        taken: dict[str, list[Delivery]] = {}
        try:
            async with self._database.transaction() as tx:
                for name in lanes:
                    most = 1 if self._holding.hook(name[:SID_LENGTH]).failing else LANE_DEPTH
                    taken[name] = await sql.take_lane(tx, self.node, name, most)
        except Contention:
            raise
        except BaseException:
            self.doubt()
            raise
        if self._outbox.dispatcher is not self:  # it is giving up its name
            return
        for name, deliveries in taken.items():
            for delivery in deliveries:
                self._holding.put(delivery)
            if len(deliveries) == LANE_DEPTH:
                self._holding.lanes[name].behind = True

    async def _take_retries(self) -> None:
        room = MOST_RETRIES - self._retries
        if room <= 0:
            return
        moment = self._clock()
        try:
            async with self._database.transaction() as tx:
                due = await sql.take_retries(tx, self.node, moment, room)
        except Contention:
            raise
        except BaseException:
            self.doubt()
            raise
        for delivery in due:
            hook = self._holding.hook(delivery.hook)
            if hook.full and moment < delivery.expires:
                delivery.due = min(moment + pause(hook), delivery.expires)
                self.ledger.put_off(delivery)
            else:
                hook.busy += 1
                self._retries += 1
                self._start(self._retry(delivery, hook))

    # Sending.

    async def _drain(self, lane: Lane) -> None:
        """Send what the lane holds, one after another, and then what waits in the table."""
        try:
            while lane.has_work:
                if lane.waiting:
                    lane.is_sending = True
                    await self._send(lane.waiting[0], lane.hook)
                    self._holding.sent(lane)
                else:
                    lane.behind = False
                    await self._take([lane.name])
        except Contention as error:
            log.warning("deliveries wait for the database: %s", error)
        except (ChatError, LeaseOver) as error:
            log.warning("deliveries wait for the database: %s", error)
            self._give_up(lane)
        except Exception:  # what nobody thought of
            log.exception("sending the deliveries of a lane failed and will be tried again")
            self._give_up(lane)
        lane.is_draining = False
        self._holding.go(lane)

    def _give_up(self, lane: Lane) -> None:
        """What the lane holds is looked for under a new name."""
        self._holding.close(lane)
        self.doubt()

    async def _retry(self, delivery: Delivery, hook: Hook) -> None:
        try:
            await refresh(self._database, self._outbox.flows, delivery)
            await self._send(delivery, hook)
        except (ChatError, Contention, LeaseOver):
            self.doubt()
        except Exception:  # likewise
            log.exception("retrying the delivery %s failed and will be tried again", delivery.sid)
            self.doubt()
        finally:
            hook.busy -= 1
            self._retries -= 1

    async def _send(self, delivery: Delivery, hook: Hook) -> None:
        """Try, retry fast where the hook says so, and have the result written down.

        Raises LeaseOver, or ERRORS.UNAVAILABLE while the database is away.
        """
        await hook.enter()
        answered = None
        try:
            if await self._is_dropped(delivery):
                return
            pairs = decode_pairs(delivery.parameters)
            tries = 1 if delivery.state == RETRYING else 1 + delivery.retry_count
            for n in range(tries):
                if n:
                    await asyncio.sleep(FAST_GAPS[n - 1])
                if not self._node.is_alive:
                    raise LeaseOver
                delivery.attempts += 1
                result = await self._attempt(delivery, pairs)
                answered = not again_at_once(result)
                if answered:
                    break
            settle(delivery, result, self._clock())
        finally:
            hook.leave(answered=answered)
        self.ledger.add(delivery)

    async def _attempt(self, delivery: Delivery, pairs: list[tuple[str, str]]) -> Result:
        if delivery.url is None:
            return Blocked(delivery.error or "There is no URL to send it to.")
        retry = delivery.attempts - 1
        return await self._messenger.send(delivery.target, delivery.sid, pairs, retry, delivery.revision)

    async def _is_dropped(self, delivery: Delivery) -> bool:
        """Whether an operator has removed it while it waited; what has just happened cannot be."""
        if self._clock() - delivery.date_created < DROPPABLE:
            return False
        return not await sql.is_taken(self._database, delivery.sid, self.node)

    # Small things.

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def pause(hook: Hook) -> int:
    """Milliseconds for which a retry is put off when its hook has enough to do; longer the longer the hook fails."""
    base = min(MINUTE * hook.failures, LONGEST_PAUSE) if hook.failing else SHORT_PAUSE
    return int(base * random.uniform(0.75, 1.25))  # noqa: S311 - nothing secret
