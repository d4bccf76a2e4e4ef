"""One connected client: who it is, what is sent to it, and its tunnelled requests, run within bounds.

For the modules of handlers and for the hub:

- `chat`, `access` (of the token in force: a new token replaces it), `user` (as it was when the client connected);
- `notify(type, payload)` sends a notification to this client alone;
- `write_frame(frame)` sends a ready WebSocket frame, such as `notification_frame` makes once for many connections;
  several frames joined are fine too. Both do nothing once the connection has ended, and neither waits: whoever does
  not read what it is sent is dropped;
- `drop()` ends the connection without a word: the client comes back, and its token is checked anew;
- `closed` holds what is called, once, when the connection ends: append to it;
- `subscriptions` is a place for the subscriptions' own record, of which this module knows nothing.

A connection is made when a client has been let in, and is told to those in `Gateway.opened`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any
from uuid import uuid4

from hubbub.chat import Chat
from hubbub.errors import ERRORS
from hubbub.realtime.frames import frame
from hubbub.realtime.packets import encode
from hubbub.realtime.tunnel import Reply, Request, Tunnel, refusal, stopping
from hubbub.resources.tokens.model import Access
from hubbub.resources.users.model import User

log = logging.getLogger("hubbub.realtime")

AT_ONCE = 8  # requests of one client that run at the same time
WAITING_BYTES = 256 * 1024  # of requests that wait: beyond it, nothing more is read from the client
WEIGHT = 512  # what a request costs beside its body
ANSWER_SECONDS = 25.0  # the SDKs give up after 30

Answer = Callable[[Reply], None]


def notification_frame(message_type: str, payload: bytes) -> bytes:
    """A notification as a WebSocket frame, to be sent as it is to everybody whom it concerns.

    All get the same packet id: the SDKs acknowledge it and look at nothing but the events' ids for doubles.
    """
    header = {"method": "notification", "id": f"TM{uuid4()}", "message_type": message_type}
    return frame(encode(header, payload))


class Job:
    """A request that waits or runs."""

    __slots__ = ("answer", "deadline", "request")

    def __init__(self, request: Request, answer: Answer) -> None:
        self.request = request
        self.answer = answer
        self.deadline = monotonic() + ANSWER_SECONDS

    @property
    def weight(self) -> int:
        return WEIGHT + len(self.request.body)


class Connection:
    """One client that has been let in."""

    __slots__ = (
        "__weakref__",
        "_running",
        "_tunnel",
        "_waiting",
        "access",
        "chat",
        "closed",
        "drop",
        "subscriptions",
        "user",
        "waiting_bytes",
        "write_frame",
    )

    def __init__(
        self,
        chat: Chat,
        access: Access,
        user: User,
        tunnel: Tunnel,
        write_frame: Callable[[bytes], object],
        drop: Callable[[], None],
    ) -> None:
        self.chat = chat
        self.access = access
        self.user = user
        self.write_frame = write_frame
        self.drop = drop
        self.closed: list[Callable[[], None]] = []
        self.subscriptions: Any = None
        self.waiting_bytes = 0
        self._tunnel = tunnel
        self._waiting: deque[Job] | None = None  # made when needed, gone when empty: most connections are idle
        self._running: set[asyncio.Task[None]] | None = None

    def notify(self, message_type: str, payload: bytes) -> None:
        self.write_frame(notification_frame(message_type, payload))

    @property
    def is_full(self) -> bool:
        """So much waits that no more is to be read from the client."""
        return self.waiting_bytes > WAITING_BYTES

    def run(self, request: Request, answer: Answer) -> None:
        """Run a request, in turn; `answer` gets its reply in time, whatever happens, or never when this has ended."""
        if self._waiting is None or self._running is None:
            self._waiting, self._running = deque(), set()
        job = Job(request, answer)
        self._waiting.append(job)
        self.waiting_bytes += job.weight
        if len(self._running) < AT_ONCE:
            self._running.add(asyncio.create_task(self._work(self._waiting, self._running)))

    async def _work(self, waiting: deque[Job], running: set[asyncio.Task[None]]) -> None:
        try:
            while waiting:
                job = waiting.popleft()
                self.waiting_bytes -= job.weight
                job.answer(await self._reply(job))
        finally:
            running.discard(asyncio.current_task())
            if not running and not waiting:
                self._waiting = self._running = None

    async def _reply(self, job: Job) -> Reply:
        try:
            async with asyncio.timeout(job.deadline - monotonic()):
                return await self._tunnel.answer(self, job.request)
        except TimeoutError:
            return refusal(ERRORS.UNAVAILABLE(reason="it took too long"), job.request.path)
        except asyncio.CancelledError:
            job.answer(stopping(job.request.path))
            raise

    def give_up(self) -> None:
        """Answer what waits and what runs: there is no time left for it."""
        for job in self._waiting or ():
            job.answer(stopping(job.request.path))
        self._cancel()

    def end(self) -> None:
        """The client is gone: nothing more is sent, what runs is cancelled, and who asked for it is told."""
        self.write_frame = discard
        self.drop = nothing
        self._cancel()
        hooks, self.closed = self.closed, []
        for hook in hooks:
            try:
                hook()
            except Exception:
                log.exception("A connection of %s ended badly", self.user.identity)

    def _cancel(self) -> None:
        if self._waiting:
            self._waiting.clear()
        self.waiting_bytes = 0
        for task in tuple(self._running or ()):
            task.cancel()


def discard(data: bytes) -> None:
    """Where frames go when nobody is there any more."""


def nothing() -> None:
    """How to drop what is gone."""
