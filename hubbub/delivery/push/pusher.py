"""Sends pushes: a line for each credential, many pushes of it at a time, each end written down.

What this process spread itself comes straight from memory once it is on disk; the rest is found by a look at the
table every second: what overflowed, what another process left behind, what is due again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from hubbub.chat import Chat
from hubbub.delivery.push import sql
from hubbub.delivery.push.line import DEPTH, ROOM, Line
from hubbub.delivery.push.model import DELIVERED, Parcel
from hubbub.delivery.push.services import open_service
from hubbub.delivery.push.share import Share
from hubbub.delivery.push.verdict import Meaning, PushService, Verdict, settle
from hubbub.errors import ChatError
from hubbub.metrics import Metrics
from hubbub.resources.bindings.actions import forget_device
from hubbub.resources.credentials.model import Credential
from hubbub.storage.batch import Batch
from hubbub.storage.database import Contention

log = logging.getLogger("hubbub.push")

BURST = 8
TAKE = 500
MOST_HELD = 20_000
RETRY_SECONDS = 1.0
FINISH_SECONDS = 2.0
RETIRING_SECONDS = 30.0
UNUSED = 600_000  # ms after which the connections of a credential are closed
LONGEST_ASKED_REST = 60_000


class Pusher:
    """One for each serving process."""

    def __init__(self, chat: Chat, metrics: Metrics, lease: int) -> None:
        """`lease` is the milliseconds for which what is taken is this process's."""
        self._chat = chat
        self._clock = chat.clock
        self._metrics = metrics
        self._lease = lease
        self._lines: dict[str, Line] = {}
        self.share = Share(self._elsewhere)
        self._held = 0
        self._ends: Batch[Parcel, None] = Batch(lambda parcels: self.share.metered(self._write(parcels)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def _elsewhere(self) -> float:
        return sum(line.service.busy_seconds for line in self._lines.values())

    # What the spreader asks and tells.

    def admit(self, credential: Credential) -> int | None:
        """Until when one more push is this process's; None when it has no room for it."""
        line = self._line(credential)
        moment = self._clock()
        full = line.held >= DEPTH or self._held >= MOST_HELD
        if full or line.behind or line.is_stopped or moment < line.rests_until:
            line.behind = True
            return None
        return moment + self._lease

    def take(self, parcels: list[Parcel]) -> None:
        """They are on disk, and were admitted."""
        for parcel in parcels:
            line = self._lines.get(parcel.push.credential_sid or "")
            if line is not None:
                self._hold(line, [parcel])

    def _hold(self, line: Line, parcels: list[Parcel]) -> None:
        self._held += len(parcels)
        line.queue.extend(parcels)
        line.used = self._clock()
        self._wake(line)

    def _wake(self, line: Line) -> None:
        if line.queue and not line.is_pumping:
            line.is_pumping = True
            self._start(self.share.metered(self._pump(line)))

    # Finding work.

    async def look(self) -> None:
        """Take from the table what is due and nobody sends."""
        moment = self._clock()
        found = await sql.credentials_with_pushes(self._chat.database, moment)
        oldest = min((since for _, since in found), default=moment)
        self._metrics.push_oldest_waiting.set((moment - oldest) / 1000)
        self._tell_stopped(await sql.stopped_credentials(self._chat.database))
        for line in self._lines.values():
            self._wake(line)  # where the database was away
        for credential, _ in found:
            line = self._line(credential)
            line.used = moment
            if moment < line.rests_until or (line.is_stopped and moment < credential.push_due):
                continue
            if line.is_stopped and not line.held:  # one push tells whether the credential is good again
                await self._fetch(line, 1)
            elif not line.is_stopped and not line.queue:
                await self._fetch(line, TAKE)
        self._forget_lines(moment)

    async def _fetch(self, line: Line, most: int) -> None:
        moment = self._clock()
        async with self._chat.database.transaction() as tx:
            parcels = await sql.take_pushes(tx, line.credential.sid, moment, moment + self._lease, most)
        line.behind = len(parcels) == most
        self._hold(line, [parcel for parcel in parcels if parcel.push.sid not in line.flying])

    def _line(self, credential: Credential) -> Line:
        """That of the credential as it is now."""
        line = self._lines.get(credential.sid)
        if line is not None and line.credential.date_updated == credential.date_updated:
            line.credential = credential
            return line
        service = open_service(credential, self._secrets(credential), self._chat.settings, self._clock)
        if line is None:
            line = self._lines[credential.sid] = Line(credential, service)
        else:
            self._start(self._retire(line.service))
            line.renew(credential, service)
        return line

    def _secrets(self, credential: Credential) -> dict[str, str]:
        return msgspec.json.decode(self._chat.vault.decrypt(credential.secrets), type=dict[str, str])

    async def _retire(self, service: PushService) -> None:
        """Close it once what is under way with it has been answered."""
        try:
            await asyncio.sleep(RETIRING_SECONDS)
        finally:
            await service.close()

    def _forget_lines(self, moment: int) -> None:
        for sid in [sid for sid, line in self._lines.items() if not line.held and moment - line.used > UNUSED]:
            self._start(self._lines.pop(sid).service.close())

    def _tell_stopped(self, stopped: list[str]) -> None:
        self._metrics.push_stopped.clear()
        for sid in stopped:
            self._metrics.push_stopped.labels(sid).set(1)

    # Sending.

    async def _pump(self, line: Line) -> None:
        try:
            while line.queue and not self._is_ending:
                if self._clock() < line.rests_until or (line.is_stopped and self._clock() < line.credential.push_due):
                    await self._put_off(line)
                    break
                if len(line.flying) >= ROOM:
                    line.freed.clear()
                    await line.freed.wait()
                    continue
                for _ in range(min(BURST, len(line.queue), ROOM - len(line.flying))):
                    parcel = line.queue.popleft()
                    line.flying.add(parcel.push.sid)
                    self._start(self.share.metered(self._push(line, parcel)))
                await self.share.give_way()
                if line.behind and len(line.queue) < TAKE // 2 and not line.is_stopped:
                    await self._fetch(line, TAKE)
        except (ChatError, Contention) as error:
            log.warning("pushes wait for the database: %s", error)
        finally:
            line.is_pumping = False

    async def _put_off(self, line: Line) -> None:
        """The push service cannot be reached, or takes nothing: what is held is due when it is asked again."""
        held, line.behind = list(line.queue), True
        line.queue.clear()
        for parcel in held:
            parcel.push.due = max(self._clock(), line.rests_until)
        await asyncio.gather(*(self._end(parcel) for parcel in held))
        self._held -= len(held)

    async def _push(self, line: Line, parcel: Parcel) -> None:
        try:
            service = line.service
            verdict = await self._verdict(line, parcel)
            if verdict is not None:
                await self._settle(parcel, verdict)
                if service is line.service:  # what is said of old keys does not count for new ones
                    await self._judge(line, verdict)
                await self._end(parcel)
        except (ChatError, Contention) as error:
            log.warning("a push waits for the database: %s", error)
        except Exception:  # what nobody thought of must not end the pushing for good
            log.exception("the push %s failed and will be tried again", parcel.push.sid)
        finally:
            self._held -= 1
            line.flying.discard(parcel.push.sid)
            line.freed.set()

    async def _verdict(self, line: Line, parcel: Parcel) -> Verdict | None:
        """None when the time in which it is this process's is nearly over: it will be found in the table."""
        push, moment = parcel.push, self._clock()
        if moment >= push.due - self._lease // 3:
            line.behind = True
            return None
        if moment >= push.expires:
            return Verdict(Meaning.REFUSED, reason=f"It was not delivered in time. {push.reason or ''}".strip())
        if parcel.address is None:
            return Verdict(Meaning.REFUSED, reason="The device is not registered any more.")
        push.attempts += 1
        return await line.service.send(parcel)

    async def _settle(self, parcel: Parcel, verdict: Verdict) -> None:
        """Write into the push what became of it, and forget a device that is gone."""
        push, moment = parcel.push, self._clock()
        settle(push, verdict, moment)
        if verdict.meaning is Meaning.GONE:
            service, address = parcel.notice.service, str(parcel.address)
            await forget_device(self._chat, service, str(push.binding_sid), address, push.date_created)
        self._metrics.pushes.labels(push.credential_sid or "", push.state).inc()
        if push.state == DELIVERED:
            self._metrics.push_seconds.observe((moment - parcel.notice.date_created) / 1000)

    async def _judge(self, line: Line, verdict: Verdict) -> None:
        """See to what the verdict says of the line's other pushes."""
        moment = self._clock()
        if verdict.meaning is Meaning.DELIVERED:
            line.reached()
            if line.is_stopped:
                await self._restart(line)
        elif verdict.meaning is Meaning.BAD_CREDENTIAL:
            await self._stop(line, verdict.reason or "", moment)
        elif verdict.meaning is Meaning.UNREACHABLE or verdict.retry_after:
            line.rest(moment, min(verdict.retry_after, LONGEST_ASKED_REST))

    async def _stop(self, line: Line, reason: str, moment: int) -> None:
        """Nothing more is sent with the credential until it is changed, but for one push now and then."""
        if line.is_stopped and moment < line.credential.push_due:
            return
        line.stop(reason, moment)
        log.warning("nothing is pushed with %s: %s", line.credential.sid, reason)
        async with self._chat.database.transaction() as tx:
            await sql.stop_credential(tx, line.credential)

    async def _restart(self, line: Line) -> None:
        line.restart()
        log.warning("pushes are sent with %s again", line.credential.sid)
        async with self._chat.database.transaction() as tx:
            await sql.restart_credential(tx, line.credential.sid)

    # Writing down.

    async def _end(self, parcel: Parcel) -> None:
        """Returns when it is on disk."""
        while True:
            try:
                return await self._ends.add(parcel)
            except (ChatError, Contention):
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, parcels: list[Parcel]) -> list[Exception | None]:
        """Many in one transaction. What has arrived is kept where the service logs it."""
        gone = [each.push for each in parcels if each.push.state == DELIVERED and not each.notice.is_logged]
        kept = [each.push for each in parcels if each.push.state != DELIVERED or each.notice.is_logged]
        async with self._chat.database.transaction() as tx:
            if gone:
                await sql.forget(tx, gone)
            if kept:
                await sql.settle(tx, kept)
        return [None] * len(parcels)

    async def finish(self) -> None:
        """At the end: what is under way may arrive, the rest is free for the next start or another node."""
        self._is_ending = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        left = [parcel for line in self._lines.values() for parcel in line.queue]
        for parcel in left:
            parcel.push.due = self._clock()
        with contextlib.suppress(ChatError, Contention):
            await self._write(left)
        for line in self._lines.values():
            await line.service.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
