"""What the dispatcher holds in memory: lanes, whose deliveries go one after another, and how hooks are doing."""

import asyncio
from collections import deque
from collections.abc import Callable

from hubbub.delivery.model import SID_LENGTH, Delivery

LANE_DEPTH = 32
MOST_HELD = 10_000
FIRST_ROOM = 4
WIDEST_ROOM = 128
FAILING = 3  # failures in a row


class Hook:
    """How many of a hook's requests may be under way: more with each answer, half with each failure, never none."""

    __slots__ = ("busy", "failures", "flying", "queue", "room")

    def __init__(self) -> None:
        self.room = FIRST_ROOM
        self.flying = 0
        self.failures = 0
        self.busy = 0  # lanes and retries that this process works on
        self.queue: deque[asyncio.Future[None]] = deque()

    @property
    def failing(self) -> bool:
        """Then it gets one request at a time, and nothing of it is held in memory beside that."""
        return self.failures >= FAILING

    @property
    def full(self) -> bool:
        """Whether another lane of it would only wait in memory."""
        return self.busy >= (1 if self.failing else 2 * self.room)

    async def enter(self) -> None:
        """Wait for a turn."""
        while self.flying >= self.room:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.queue.append(turn)
            await turn
        self.flying += 1

    def leave(self, *, answered: bool | None) -> None:
        """Give the turn back and say how it went; None when the receiver had no say in it."""
        self.flying -= 1
        if answered:
            self.failures = 0
            self.room = min(self.room + 1, WIDEST_ROOM)
        elif answered is not None:
            self.failures += 1
            self.room = max(self.room // 2, 1)
        free = self.room - self.flying
        while free > 0 and self.queue:
            turn = self.queue.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


class Lane:
    """Deliveries of one hook for one channel or user, in order."""

    __slots__ = ("behind", "hook", "is_draining", "is_sending", "name", "unstored", "waiting")

    def __init__(self, name: str, hook: Hook) -> None:
        self.name = name
        self.hook = hook
        self.waiting: deque[Delivery] = deque()
        self.unstored: set[str] = set()  # SIDs of those whose transactions are under way
        self.behind = False  # more of it waits in the database
        self.is_draining = False
        self.is_sending = False  # the first is under way

    @property
    def has_work(self) -> bool:
        """Whether its first can be sent, or is to be looked for."""
        return self.waiting[0].sid not in self.unstored if self.waiting else self.behind

    def add(self, delivery: Delivery) -> None:
        """In its place, behind what is under way: what comes from the table may be told of after what followed it."""
        waiting = self.waiting
        waiting.append(delivery)
        if len(waiting) > 1 and waiting[-2].revision > delivery.revision:
            first = [waiting.popleft()] if self.is_sending else []
            self.waiting = deque([*first, *sorted(waiting, key=lambda each: each.revision)])


class Holding:
    """All that a process holds in memory: its lanes, and what it knows of hooks."""

    def __init__(self, start: Callable[[Lane], None]) -> None:
        """`start` has a lane drained."""
        self.lanes: dict[str, Lane] = {}
        self.count = 0
        self._hooks: dict[str, Hook] = {}
        self._reserved: dict[str, int] = {}  # by lane: see `follows`
        self._start = start

    @property
    def is_full(self) -> bool:
        return self.count >= MOST_HELD

    def admit(self, name: str) -> bool:
        """Whether a delivery of the lane may be held; if not, it is found in the table later."""
        lane = self.lanes.get(name)
        hook = self._hooks.get(name[:SID_LENGTH])
        admitted = (
            not self.is_full
            and (lane is None or not (lane.behind or len(lane.waiting) >= LANE_DEPTH))
            and (hook is None or not hook.failing)
        )
        if not admitted:
            self._reserved.pop(name, None)
            if lane is not None:
                lane.behind = True
        return admitted

    def follows(self, delivery: Delivery) -> bool:
        """Whether nothing has happened to its channel or user since this process reserved a place in its lane.

        Each event takes the next revision, so nobody else can have put anything into the lane since.
        """
        return self._reserved.get(delivery.lane) == delivery.revision - 1

    def reserve(self, delivery: Delivery) -> None:
        """The place of a delivery that a transaction is storing; those behind it wait until its fate is known.

        Transactions of one channel come here one after another, for each holds the channel until its commit. They may
        hear of their commits in another order: PostgreSQL lets the next one go on before it answers.
        """
        lane = self._lane(delivery.lane)
        lane.unstored.add(delivery.sid)
        lane.add(delivery)
        self.count += 1
        if len(self._reserved) >= MOST_HELD:
            self._reserved.clear()
        self._reserved[delivery.lane] = delivery.revision

    def confirm(self, delivery: Delivery) -> None:
        """It is on disk."""
        lane = self.lanes.get(delivery.lane)
        if lane is not None and delivery.sid in lane.unstored:
            lane.unstored.discard(delivery.sid)
            self.go(lane)

    def release(self, delivery: Delivery) -> None:
        """It will not be stored."""
        self._reserved.pop(delivery.lane, None)
        lane = self.lanes.get(delivery.lane)
        if lane is not None and delivery.sid in lane.unstored:
            lane.unstored.discard(delivery.sid)
            lane.waiting.remove(delivery)
            self.count -= 1
            self.go(lane)

    def put(self, delivery: Delivery) -> None:
        """One from the table."""
        lane = self._lane(delivery.lane)
        lane.add(delivery)
        self.count += 1
        self.go(lane)

    def sent(self, lane: Lane) -> None:
        """The lane's first is done with."""
        lane.waiting.popleft()
        lane.is_sending = False
        self.count -= 1

    def go(self, lane: Lane) -> None:
        """Have the lane drained if it can be and is not; one with nothing in it is forgotten."""
        if lane.is_draining:
            return
        if lane.has_work:
            lane.is_draining = True
            self._start(lane)
        elif not lane.waiting:
            self.close(lane)

    def close(self, lane: Lane) -> None:
        """Forget the lane with all that it holds."""
        if self.lanes.get(lane.name) is lane:
            self.count -= len(lane.waiting)
            lane.hook.busy -= 1
            del self.lanes[lane.name]
        lane.waiting.clear()
        lane.behind = False

    def clear(self) -> None:
        """Forget everything but how the hooks are doing."""
        self.lanes.clear()
        self._reserved.clear()
        self.count = 0
        for hook in self._hooks.values():
            hook.busy = 0

    def hook(self, sid: str) -> Hook:
        hook = self._hooks.get(sid)
        if hook is None:
            hook = self._hooks[sid] = Hook()
        return hook

    def forget_hooks(self) -> None:
        """Those that do well and have nothing to do; when there are many, also those that fail."""
        many = len(self._hooks) > MOST_HELD
        idle = [sid for sid, hook in self._hooks.items() if not (hook.busy or hook.flying)]
        for sid in [sid for sid in idle if many or not self._hooks[sid].failures]:
            del self._hooks[sid]

    def waits_since(self) -> int | None:
        """When the oldest that is held happened."""
        return min((lane.waiting[0].date_created for lane in self.lanes.values() if lane.waiting), default=None)

    def _lane(self, name: str) -> Lane:
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane(name, self.hook(name[:SID_LENGTH]))
            lane.hook.busy += 1
        return lane
