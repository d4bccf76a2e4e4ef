"""A channel or a user that somebody here listens to: its events, put in order, become changes of its objects.

The revisions of a topic have no gap, so an event that comes too early waits for the one before it. What does not come
in a moment was lost on the way, and is read from the tables instead: `heal`.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from hubbub.chat import Emitted
from hubbub.errors import ChatError
from hubbub.realtime.sync.access import Opened
from hubbub.realtime.sync.changes import ADDED, GONE, REMOVED, UPDATED, Change
from hubbub.realtime.sync.listeners import Listeners, write
from hubbub.realtime.sync.missed import Missed
from hubbub.realtime.sync.objects import Object, Part

if TYPE_CHECKING:
    from hubbub.realtime.hub import Hub

log = logging.getLogger("hubbub.realtime")

GRACE_SECONDS = 0.1  # commits of two connections may be told in the wrong order, and another node's come by the bus
RETRY_SECONDS = 1.0
MOST_EARLY = 1000  # beyond it, reading the tables is cheaper than waiting
VERBS = {"added": ADDED, "sent": ADDED, "updated": UPDATED, "removed": REMOVED, "destroyed": GONE, "reached": UPDATED}


def verb_of(emitted: Emitted) -> str:
    return VERBS[emitted.event.name.rpartition("_")[2]]


class Topic:
    """What channels and users have in common: `revision` is the last one delivered, None until it was loaded."""

    parts: tuple[Part, ...]

    def __init__(self, hub: "Hub", sid: str) -> None:
        self.hub = hub
        self.sid = sid
        self.revision: int | None = None
        self.ended = False  # the channel or user is gone
        self.listeners = {part: Listeners(self, Object(part, sid)) for part in self.parts}
        self.outgoing: dict[Listeners, list[bytes]] = {}  # never beyond one turn of the loop
        self._early: dict[int, Emitted] = {}
        self._expected = 0  # a revision that was seen somewhere
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heals = False
        self._looks_up = False

    @property
    def is_heard(self) -> bool:
        return any(self.listeners.values())

    def load(self, opened: Opened) -> None:
        """What the topic is, read by its first subscriber; what came before that was read can go."""
        if self.revision is None:
            self.fill(opened)
            self.revision = opened.revision
            self.pump()

    def take(self, revision: int, emitted: Emitted) -> None:
        """An event, whenever it comes and however often; `pump` delivers what is due."""
        if self.revision is None or revision > self.revision:
            self._early[revision] = emitted

    def pump(self) -> None:
        """Whatever goes wrong is no affair of the one who made the change: it is stored."""
        if self._worker is None and self.revision is not None:
            try:
                self.advance()
            except Exception:
                log.exception("Events of %s could not be told", self.sid)
                self._try_again()  # then the one that failed is read from the tables
            self._work_if_needed()

    def has_delivered(self, revision: int) -> bool:
        return self.revision is not None and self.revision >= revision

    def expect(self, revision: int) -> None:
        """A reader has seen this revision, so its event is on its way; if it does not come, heal."""
        if not self.has_delivered(revision):
            self._expected = max(self._expected, revision)
            self._wait_for_gap()

    def advance(self) -> None:
        """Deliver what follows on what was delivered."""
        try:
            self._apply_next()
            self.flush()
        finally:
            self.write()
        assert self.revision is not None
        if self._early and not self._looks_up:
            self._early = {revision: each for revision, each in self._early.items() if revision > self.revision}
            if len(self._early) > MOST_EARLY:
                self._heals = True
            elif self._early:
                self._wait_for_gap()

    def _apply_next(self) -> None:
        assert self.revision is not None
        while (emitted := self._early.get(self.revision + 1)) is not None:
            if self.lacks(emitted):
                self._looks_up = True
                break
            del self._early[self.revision + 1]
            self.apply(emitted)
            self.revision += 1

    def write(self) -> None:
        """What was sent goes out, before anybody comes or goes who listens."""
        outgoing, self.outgoing = self.outgoing, {}
        if outgoing:
            write(outgoing)

    def _wait_for_gap(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._heal_if_behind, self.revision)

    def _heal_if_behind(self, revision: int | None) -> None:
        self._timer = None
        if self.hub.has(self) and self.revision is not None:
            if self.revision == revision:
                self._heals = True
                self._work_if_needed()
            elif self._early or self.revision < self._expected:
                self._wait_for_gap()

    def _work_if_needed(self) -> None:
        if self._worker is None and (self._heals or self._looks_up):
            self._worker = asyncio.create_task(self._work())

    async def heal(self) -> None:
        """Read what is newer than what was delivered, and deliver it."""
        if self.revision is not None:
            self._heals = True
            self._work_if_needed()
            if self._worker is not None:
                await asyncio.shield(self._worker)

    async def _work(self) -> None:
        try:
            while self._heals or self._looks_up:
                if self._heals:
                    self._heals = False
                    async with self.hub.healing:
                        await self.read_newer()
                self._looks_up = False
                await self.look_up([self._early[revision] for revision in sorted(self._early)])
                self.advance()
        except ChatError as error:
            log.warning("Events of %s wait for the database: %s", self.sid, error.message)
            self._try_again()
        except Exception:
            log.exception("Events of %s could not be delivered", self.sid)
            self._try_again()
        finally:
            self._worker = None

    def _try_again(self) -> None:
        if self._timer is None:
            later = asyncio.get_running_loop().call_later
            self._timer = later(RETRY_SECONDS, self._heal_if_behind, self.revision)

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._worker is not None and self._worker is not asyncio.current_task():
            self._worker.cancel()

    def end(self, change: Change) -> None:
        """The channel or user is gone, and all of its objects."""
        self.ended = True
        for listeners in self.listeners.values():
            listeners.send(change)
        self.write()
        self.hub.remove(self)

    def tell_missed(self, part: Part, found: Missed) -> None:
        """What a part was not told. Each is read at a moment of its own, so one may be ahead of the others."""
        for change in found.changes:
            self.listeners[part].send(change)
        self.listeners[part].told = found.revision
        self.write()

    def fill(self, opened: Opened) -> None:
        """Keep what the changes are worked out from."""
        raise NotImplementedError

    def lacks(self, emitted: Emitted) -> bool:
        """Whether something has to be read before the event can be told."""
        raise NotImplementedError

    async def look_up(self, waiting: list[Emitted]) -> None:
        """Read what these events lack."""
        raise NotImplementedError

    def apply(self, emitted: Emitted) -> None:
        """The event is the next one: tell it."""
        raise NotImplementedError

    def flush(self) -> None:
        """What is told once for several events, if it is time."""

    def flush_now(self) -> None:
        """The same, as what is told next depends on it."""

    async def read_newer(self) -> None:
        """Deliver from the tables what is newer than `revision`, and set it."""
        raise NotImplementedError
