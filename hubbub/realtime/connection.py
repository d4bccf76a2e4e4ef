"""One connected client: who it is, what is sent to it, and its tunnelled requests, run within bounds.

For the modules of handlers and for the hub:

- `chat`, `access` (of the token in force: a new token replaces it), `user` (as it was when the client connected);
- `notify(type, payload)` sends a notification to this client alone;
- `write_frame(frame)` sends a ready WebSocket frame, such as `notification_frame` makes once for many connections;
  several frames joined are fine too. Both do nothing once the connection has ended, and neither waits: whoever does
  not read what it is sent is dropped;
- `drop()` ends the connection without a word: the client comes back, and its token is checked anew;
- `closed` holds what is called, once, when the connection ends: append to it;
- `origin` is the scheme and host that the client came to;
- `subscriptions` is a place for the subscriptions' own record, of which this module knows nothing.

A connection is made when a client has been let in, and is told to those in `Gateway.opened`.
"""

import asyncio
import itertools
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

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

notification_ids = map("TM{:032x}".format, itertools.count(secrets.randbits(64) << 60))

Answer = Callable[[Reply], None]


def notification_frame(message_type: str, payload: bytes) -> bytes:
    """A notification as a WebSocket frame, to be sent as it is to everybody whom it concerns.

    All get the same packet id: the SDKs acknowledge it and look at nothing but the events' ids for doubles.
    """
    header = {"method": "notification", "id": next(notification_ids), "message_type": message_type}
    return frame(encode(header, payload))


class Job:
    """A request that waits or runs, answered once: by its handler, or when its time is over."""

    __slots__ = ("_answer", "_timer", "request")

    def __init__(self, request: Request, answer: Answer) -> None:
        self.request = request
        self._answer: Answer | None = answer
        self._timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._expire)

    @property
    def weight(self) -> int:
        return WEIGHT + len(self.request.body)

    @property
    def is_answered(self) -> bool:
        return self._answer is None

    def finish(self, reply: Reply) -> None:
        answer, self._answer = self._answer, None
        self._timer.cancel()
        if answer is not None:
            answer(reply)

    def forget(self) -> None:
        """Nobody waits for the answer any more."""
        self._answer = None
        self._timer.cancel()

    def _expire(self) -> None:
        self.finish(refusal(ERRORS.UNAVAILABLE(reason="it took too long"), self.request.path))


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
        "origin",
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
        origin: str = "",
    ) -> None:
        self.chat = chat
        self.access = access
        self.user = user
        self.write_frame = write_frame
        self.drop = drop
        self.origin = origin
        self.closed: list[Callable[[], None]] = []
        self.subscriptions: Any = None
        self.waiting_bytes = 0
        self._tunnel = tunnel
        self._running: tuple[Job, ...] = ()
        self._waiting: deque[Job] | None = None  # made when needed, gone when empty: most connections are idle

    def notify(self, message_type: str, payload: bytes) -> None:
        self.write_frame(notification_frame(message_type, payload))

    @property
    def is_ended(self) -> bool:
        return self.write_frame is discard

    @property
    def is_full(self) -> bool:
        """So much waits that no more is to be read from the client."""
        return self.waiting_bytes > WAITING_BYTES

    def run(self, request: Request, answer: Answer) -> None:
        """Run a request, in turn; `answer` gets its reply in time, whatever happens, or never when this has ended.

        What runs is not cut off when its client is gone or has been answered otherwise: a commit whose end nobody
        awaits would not be told to the others.
        """
        job = Job(request, answer)
        if len(self._running) < AT_ONCE:
            self._start(job)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(job)
        self.waiting_bytes += job.weight

    def _start(self, job: Job) -> None:
        self._running = (*self._running, job)
        self._tunnel.start(self._serve(job))

    async def _serve(self, job: Job) -> None:
        try:
            job.finish(await self._tunnel.answer(self, job.request))
        except asyncio.CancelledError:
            job.finish(stopping(job.request.path))
            raise
        finally:
            self._running = tuple(other for other in self._running if other is not job)
            self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < AT_ONCE:
            job = self._waiting.popleft()
            self.waiting_bytes -= job.weight
            if not job.is_answered:
                self._start(job)
        if not self._waiting:
            self._waiting = None

    def give_up(self) -> None:
        """Answer what waits and what runs: there is no time left for it."""
        for job in self._take_all():
            job.finish(stopping(job.request.path))

    def end(self) -> None:
        """The client is gone: nothing more is sent, what waits is forgotten, and who asked for it is told."""
        self.write_frame = discard
        self.drop = nothing
        for job in self._take_all():
            job.forget()
        hooks, self.closed = self.closed, []
        for hook in hooks:
            try:
                hook()
            except Exception:
                log.exception("A connection of %s ended badly", self.user.identity)

    def _take_all(self) -> list[Job]:
        """Every job without an answer, of which those that wait are not started any more."""
        jobs = [*self._running, *(self._waiting or ())]
        self._waiting = None
        self.waiting_bytes = 0
        return jobs


def discard(data: bytes) -> None:
    """Where frames go when nobody is there any more."""


def nothing() -> None:
    """How to drop what is gone."""
