"""Spreads notices over the devices that are to show them: from one row of an event to one for each push.

Members come in order of their SIDs, a chunk in each transaction, which also writes down how far the notice is spread.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from hubbub.chat import Chat
from hubbub.delivery.push import sql
from hubbub.delivery.push.audience import Candidate, credential_for, grouped, why_not
from hubbub.delivery.push.model import (
    BADGE,
    DEAD,
    LEFT_OUT,
    NEW_MESSAGE,
    WAITING,
    Notice,
    Parcel,
    Push,
)
from hubbub.delivery.push.piles import MOST_OF_SERVICE, Piles
from hubbub.delivery.push.share import Share
from hubbub.delivery.push.templates import text_of, title_of
from hubbub.errors import ChatError
from hubbub.resources.bindings.model import Binding
from hubbub.resources.channels import sql as channels
from hubbub.resources.credentials.model import Credential
from hubbub.resources.services import sql as services
from hubbub.resources.services.model import notifications
from hubbub.resources.users import sql as users
from hubbub.sids import new_sid
from hubbub.storage.database import Contention, Transaction

log = logging.getLogger("hubbub.push")

MEMBERS = 50  # of a notice in one transaction
PUSHES = 100  # in one transaction, about: SQLite has one at a time, and messages wait for its end
RETRY_SECONDS = 1.0
FINISH_SECONDS = 2.0
FIRST_LOOK = 60_000  # ms until it is seen whether all pushes of a notice have ended

decode_types = msgspec.json.Decoder(list[str]).decode


class Pusher(Protocol):
    """What sends the pushes of this process."""

    share: Share

    def admit(self, credential: Credential) -> int | None:
        """Until when one more push is this process's; None when it has no room for it."""

    def take(self, parcels: list[Parcel]) -> None:
        """They are on disk, and were admitted."""


class Step(NamedTuple):
    """What a transaction has spread of a notice."""

    notice: Notice
    after: str | None  # the member up to whom it is spread now
    parcels: list[Parcel]


class Spreader:
    """Works through the notices of this process."""

    def __init__(self, chat: Chat, pusher: Pusher, lease: int, expiry: int) -> None:
        """`lease` is the milliseconds for which what is taken is this process's, `expiry` what pushes are good for."""
        self._database = chat.database
        self._clock = chat.clock
        self._pusher = pusher
        self._lease = lease
        self._expiry = expiry
        self._piles = Piles()
        self._any = asyncio.Event()
        self._is_ending = False

    # What a transaction asks and tells.

    def admit(self, service: int) -> int | None:
        """Until when the next notice of the service is this process's; None when there is no room for it."""
        return self._clock() + self._lease if self._piles.room(service) > 0 else None

    def take(self, notices: list[Notice]) -> None:
        """They are on disk, and were admitted."""
        self._piles.add(notices)
        self._any.set()

    # Work.

    async def look(self) -> None:
        """Take notices from the table that nobody spreads."""
        moment = self._clock()
        for service in await sql.services_with_notices(self._database, moment):
            room = self._piles.room(service) - MOST_OF_SERVICE // 2
            if room > 0:
                async with self._database.transaction() as tx:
                    found = await sql.take_notices(tx, service, moment, moment + self._lease, room)
                self.take(sorted(found, key=lambda notice: notice.sid))

    async def run(self) -> None:
        """Spread until `finish`. What fails is found in the table when its time has run out."""
        while not self._is_ending:
            batch = self._piles.next()
            if not batch:
                self._any.clear()
                await self._any.wait()
                continue
            try:
                await self._pusher.share.metered(self._spread(batch))
            except (ChatError, Contention) as error:
                log.warning("pushes wait for the database: %s", error)
                self._piles.put_back(batch)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # what nobody thought of must not end the pushing for good
                log.exception("notices could not be spread and will be tried again")
            await self._pusher.share.give_way()

    async def finish(self, running: asyncio.Task[None]) -> None:
        """At the end of `run`: what is begun is done, the rest is free for the next start or another node."""
        self._is_ending = True
        self._any.set()
        await asyncio.wait([running], timeout=FINISH_SECONDS)
        running.cancel()
        await asyncio.wait([running])
        with contextlib.suppress(ChatError, Contention):
            async with self._database.transaction() as tx:
                await sql.free_notices(tx, self._piles.all(), self._clock())

    async def _spread(self, batch: list[Notice]) -> None:
        tried, steps, made = 0, list[Step](), 0
        async with self._database.transaction() as tx:
            while tried < len(batch) and made < PUSHES:
                step = await self._step(tx, batch[tried])
                tried += 1
                if step is not None:
                    steps.append(step)
                    made += len(step.parcels)
        for step in steps:
            step.notice.after = step.after
        self._pusher.take([parcel for step in steps for parcel in step.parcels if is_claimed(parcel.push)])
        self._piles.put_back([step.notice for step in steps if step.after is not None] + batch[tried:])

    async def _step(self, tx: Transaction, notice: Notice) -> Step | None:
        """Spread a notice over its next members; None when it is gone, or another process has gone on with it."""
        if not notice.text and not await self._word(tx, notice):
            await sql.remove_notice(tx, notice)
            return None
        rows = await self._rows(tx, notice)
        candidates = list(grouped(rows))
        is_last = notice.user is not None or not notice.is_enabled or len(candidates) < MEMBERS
        parcels = await self._pushes(tx, notice, candidates)
        if is_last and not parcels and notice.after == "":
            await sql.remove_notice(tx, notice)
            return None
        after = None if is_last else rows[-1][0]
        due = self._clock() + (FIRST_LOOK if is_last else self._lease)
        if not await sql.spread(tx, notice, after, due):
            return None
        await sql.add_pushes(tx, [parcel.push for parcel in parcels])
        return Step(notice, after, parcels)

    async def _word(self, tx: Transaction, notice: Notice) -> bool:
        """Put the notice into words; False when its channel or service is gone, and with it whoever would be told."""
        service = await services.service_by_key(tx, notice.service)
        if service is None:
            return False
        if notice.kind == BADGE:
            notice.text = BADGE
            return True
        found = await channels.channels_by_key(tx, [notice.channel], (service.account_sid, service.sid))
        if not found:
            return False
        channel = found[0]
        author = await users.user_of_service(tx, notice.service, notice.author)
        pushed = notifications(service).of(notice.kind)
        notice.channel_title = title_of(channel)
        notice.text = text_of(pushed.template, notice.kind, channel, author, notice.author, notice.body)
        notice.sound = pushed.sound or ""
        return True

    async def _rows(self, tx: Transaction, notice: Notice) -> list[Sequence[Any]]:
        if not notice.is_enabled:
            return []
        if notice.user is not None:
            return await sql.devices_of_user(tx, notice.user)
        return await sql.members_after(tx, notice, MEMBERS)

    async def _pushes(self, tx: Transaction, notice: Notice, candidates: list[Candidate]) -> list[Parcel]:
        if not notice.is_enabled:
            return [self._left_out(notice, "", f"The service does not push {notice.kind}.")]
        counted = await self._badges(tx, notice, candidates)
        credentials = await sql.credentials_of(tx, notice.account) if any(each.bindings for each in candidates) else []
        parcels = [
            parcel
            for each in candidates
            for parcel in self._for_user(notice, each, credentials, counted.get(each.user))
        ]
        told = [
            (notice.service, parcel.push.binding_sid, parcel.push.badge)
            for parcel in parcels
            if parcel.push.badge is not None and parcel.push.binding_sid is not None
        ]
        if told:
            await sql.set_badges(tx, sorted(told))  # in an order, so that two nodes never wait for each other
        return parcels

    async def _badges(self, tx: Transaction, notice: Notice, candidates: list[Candidate]) -> dict[int, int]:
        """The numbers for the icons of those who have a device that shows one."""
        if not notice.is_badged or notice.kind not in {NEW_MESSAGE, BADGE}:
            return {}
        asking = [each.user for each in candidates if any(device.binding_type == "apn" for device in each.bindings)]
        found = await sql.badges(tx, asking) if asking else {}
        return {user: found.get(user, 0) for user in asking}

    def _for_user(
        self, notice: Notice, candidate: Candidate, credentials: list[Credential], count: int | None
    ) -> Iterator[Parcel]:
        if notice.kind == BADGE:
            for binding in candidate.bindings:
                if count is not None and binding.badge is not None and count < binding.badge:
                    yield self._for_device(notice, binding, credentials, count)
            return
        reason = why_not(notice, candidate)
        if reason is not None:
            if notice.is_logged:
                yield self._left_out(notice, candidate.identity, reason)
            return
        for binding in candidate.bindings:
            badge = count if binding.binding_type == "apn" else None
            if notice.kind in decode_types(binding.message_types):
                yield self._for_device(notice, binding, credentials, badge)
            elif notice.is_logged:
                yield self._left_out(
                    notice, candidate.identity, f"The device is not registered for {notice.kind}.", binding
                )

    def _for_device(self, notice: Notice, binding: Binding, credentials: list[Credential], badge: int | None) -> Parcel:
        push = self._new(notice, binding.identity, binding)
        push.badge = badge
        credential = credential_for(binding, credentials)
        if isinstance(credential, str):
            push.state, push.reason = DEAD, credential
            return Parcel(push, notice, None)
        push.credential_sid = credential.sid
        until = self._pusher.admit(credential)
        if until is not None:
            push.due = until
        return Parcel(push, notice, binding.address)

    def _left_out(self, notice: Notice, identity: str, reason: str, binding: Binding | None = None) -> Parcel:
        push = self._new(notice, identity, binding)
        push.state, push.reason = LEFT_OUT, reason
        return Parcel(push, notice, None)

    def _new(self, notice: Notice, identity: str, binding: Binding | None) -> Push:
        moment = self._clock()
        return Push(
            sid=new_sid("RU"),
            notice=notice.sid,
            identity=identity,
            binding_sid=binding.sid if binding else None,
            binding_type=binding.binding_type if binding else None,
            credential_sid=binding.credential_sid or None if binding else None,
            conversations=binding.conversations if binding else 0,
            badge=None,
            state=WAITING,
            reason=None,
            status=None,
            answer=None,
            attempts=0,
            due=moment,
            expires=notice.date_created + self._expiry,
            date_created=moment,
            date_updated=moment,
        )


def is_claimed(push: Push) -> bool:
    """Whether it is this process's to send."""
    return push.state == WAITING and push.due > push.date_created
