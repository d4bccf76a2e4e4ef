"""Dispatchers on one database in one process, whose clock, receivers and deaths are the test's."""

import asyncio
from collections import defaultdict

from hubbub.delivery import sql
from hubbub.delivery.dispatcher import Dispatcher
from hubbub.delivery.lanes import LANE_DEPTH
from hubbub.delivery.ledger import Ledger
from hubbub.delivery.messenger import Messenger
from hubbub.delivery.model import WAITING, Delivery, Target
from hubbub.delivery.node import Node as NodeName
from hubbub.delivery.outbox import Outbox, Queued, Receipt
from hubbub.delivery.outcome import Answer, Result
from hubbub.delivery.parameters import Pairs
from hubbub.metrics import Metrics
from hubbub.settings import Settings
from hubbub.sids import new_sid
from hubbub.storage.database import Database

SERVICE = "IS" + "0" * 32
LANES = [f"{hook}{channel}" for hook in (SERVICE, "WH" + "1" * 32) for channel in ("CH" + "a" * 32, "CH" + "b" * 32)]
LANE = LANES[0]
LEASE = 6000
HOUR = 3_600_000
NEVER = 1 << 60
NODES = 3
FINE = Answer(200, None, None, b"")


def a_delivery(revision: int, lane: str = LANE, node: int | None = None) -> Delivery:
    return Delivery(
        sid=new_sid("DL"),
        account=1,
        service_sid=SERVICE,
        lane=lane,
        revision=revision,
        event="onMessageSent",
        parameters="[]",
        url="http://127.0.0.1/",
        method="POST",
        retry_count=0,
        secret_version=0,
        state=WAITING,
        node=node,
        attempts=0,
        status=None,
        error=None,
        due=0,
        expires=NEVER,
        date_created=0,
        date_updated=0,
    )


class Wire(Messenger):
    """A messenger whose requests are answered when the test says so."""

    def __init__(self, world: "World") -> None:
        self.open: list[asyncio.Future[Result]] = []
        self.dispatcher: Dispatcher
        self._world = world

    async def send(self, target: Target, sid: str, pairs: Pairs, retry: int, revision: int) -> Result:  # noqa: ARG002
        self._world.sent.append(sid)
        [row] = await self._world.database.fetch_all("SELECT node, state FROM deliveries WHERE sid = $1", sid)
        if row[0] != self.dispatcher.node:
            self._world.faults.append(f"node {self.dispatcher.node} sends what is {row[1]} at node {row[0]}")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.open.append(future)
        try:
            return await future
        finally:
            self.open.remove(future)


class Node:
    """A serving process's share in deliveries, without the process."""

    def __init__(self, world: "World") -> None:
        self.wire = Wire(world)
        self.outbox = Outbox(Settings(), world.clock)
        ledger = Ledger(world.database, Metrics(), world.clock, kept=True)
        name = NodeName(world.database, world.clock, LEASE)
        self.dispatcher = Dispatcher(world.database, self.outbox, self.wire, ledger, world.clock, name)
        self.wire.dispatcher = self.dispatcher

    def is_quiet(self) -> bool:
        """Whether all that it does is to wait: for answers, or for room."""
        queued = [turn for hook in self.dispatcher._holding._hooks.values() for turn in hook.queue if not turn.done()]
        open_ = [answer for answer in self.wire.open if not answer.done()]
        return len(self.dispatcher._tasks) == len(open_) + len(queued)


class World:
    """Nodes on one database and one clock; what they have sent, in order."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = 1_000_000
        self.events: dict[str, tuple[str, int]] = {}
        self.sent: list[str] = []
        self.faults: list[str] = []
        self.settled: set[str] = set()
        self.nodes = [Node(self) for _ in range(NODES)]

    def clock(self) -> int:
        return self.now

    # What can happen.

    async def event(self, number: int, lane: int) -> None:
        """A transaction that stores something for a lane, as the outbox does it."""
        outbox = self.nodes[number].outbox
        name = LANES[lane]
        delivery = a_delivery(1 + sum(known == name for known, _ in self.events.values()), name)
        self.events[delivery.sid] = (name, delivery.revision)
        async with self.database.transaction() as tx:
            dispatcher = outbox.dispatcher
            claimed = await outbox._claim(tx, dispatcher, [delivery]) if dispatcher else []
            await sql.add_deliveries(tx, [delivery])
            entries = await dispatcher.ledger.write(tx) if dispatcher else []
        if dispatcher:
            outbox.stored(Queued(Receipt(dispatcher, claimed, entries), None, []))

    async def poll(self, number: int) -> None:
        await self.nodes[number].dispatcher._poll()

    async def answer(self, number: int, result: Result) -> None:
        """Each request that the node has under way ends so."""
        for future in self.nodes[number].wire.open:
            if not future.done():
                future.set_result(result)

    async def write(self, number: int) -> None:
        await self.nodes[number].dispatcher.ledger.write_all()
        rows = await self.database.fetch_all("SELECT sid FROM deliveries WHERE state = 'delivered'")
        self.settled = {row[0] for row in rows}

    async def doubt(self, number: int) -> None:
        self.nodes[number].dispatcher.doubt()

    async def kill(self, number: int) -> None:
        """The process is gone with all that it held; another one is started in its place."""
        tasks = tuple(self.nodes[number].dispatcher._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.nodes[number] = Node(self)

    async def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    async def quiet(self) -> None:
        async with asyncio.timeout(10):
            while not all(node.is_quiet() for node in self.nodes):  # noqa: ASYNC110 - what is under way is not ours
                await asyncio.sleep(0.0002)

    async def finish(self) -> None:
        """Time passes and every receiver answers, until nothing is left to send."""
        for turn in range(100):
            for number in range(len(self.nodes)):
                await self.poll(number)
                await self.quiet()
                while self.nodes[number].wire.open:
                    await self.answer(number, FINE)
                    await self.quiet()
                await self.write(number)
            if self.settled == self.events.keys():
                return
            await self.wait(LEASE // 3 if turn < LANE_DEPTH else HOUR)  # what failed waits long
        raise AssertionError(f"{len(self.events.keys() - self.settled)} deliveries are left")

    def assert_in_order(self) -> None:
        lanes: dict[str, list[int]] = defaultdict(list)
        for sid in dict.fromkeys(self.sent):
            lane, revision = self.events[sid]
            lanes[lane].append(revision)
        assert {lane: found for lane, found in lanes.items() if found != list(range(1, len(found) + 1))} == {}
