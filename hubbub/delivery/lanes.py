"""What the dispatcher holds in memory: lanes, whose deliveries go one after another, and how hooks are doing."""

import asyncio
from collections import deque

from hubbub.delivery.model import Delivery

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

    __slots__ = ("behind", "hook", "name", "waiting")

    def __init__(self, name: str, hook: Hook) -> None:
        self.name = name
        self.hook = hook
        self.waiting: deque[Delivery] = deque()
        self.behind = False  # more of it waits in the database

    def add(self, delivery: Delivery) -> None:
        """In its place behind the first, which is under way.

        Two transactions of one channel may tell of their commits in the wrong order.
        """
        self.waiting.append(delivery)
        if len(self.waiting) > 2 and self.waiting[-2].revision > delivery.revision:  # noqa: PLR2004
            first = self.waiting.popleft()
            self.waiting = deque([first, *sorted(self.waiting, key=lambda each: each.revision)])
