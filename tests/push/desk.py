"""A Pusher in this process, whose clock and push services are the test's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hubbub.app import open_chat
from hubbub.chat import Caller, Chat
from hubbub.delivery.push import pusher as module
from hubbub.delivery.push import sql
from hubbub.delivery.push.model import DELIVERED, Notice, Parcel, Push
from hubbub.delivery.push.pusher import Pusher
from hubbub.delivery.push.verdict import Meaning, PushService, Verdict
from hubbub.metrics import Metrics
from hubbub.resources.bindings import sql as bindings
from hubbub.resources.bindings.model import Binding
from hubbub.resources.credentials import actions
from hubbub.resources.credentials.model import Credential
from hubbub.resources.services.actions import create_service
from hubbub.resources.users.actions import create_user
from hubbub.resources.users.model import User
from hubbub.settings import Settings
from hubbub.sids import new_sid
from tests.push import stage

CALLER = Caller(1, "AC" + "0" * 32)
LEASE = 60_000
HOUR = 3_600_000
TAKEN = Verdict(Meaning.DELIVERED, 200)
BAD = Verdict(Meaning.BAD_CREDENTIAL, 403, "InvalidProviderToken", "The key is bad.")
AWAY = Verdict(Meaning.UNREACHABLE, reason="Nobody is there.")
LATER = Verdict(Meaning.AGAIN, 503, None, "Not now.")


@dataclass
class Puppet:
    """A push service that says what the desk tells it to."""

    desk: "Desk"
    credential: Credential
    busy_seconds: float = 0.0
    closed: bool = False

    async def send(self, parcel: Parcel) -> Verdict:
        self.desk.sent.append(parcel.push.sid)
        self.desk.changed.set()
        said = self.desk.answer(parcel)
        return said if isinstance(said, Verdict) else await said

    async def close(self) -> None:
        self.closed = True


@dataclass
class Desk:
    chat: Chat
    clock: stage.Clock
    answer: Callable[[Parcel], Any] = lambda _: TAKEN  # a verdict, or what can be awaited for it
    sent: list[str] = field(default_factory=list)  # SIDs of pushes, in turn
    opened: list[Puppet] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pusher: Pusher = field(init=False)
    user: User = field(init=False)  # whose all devices are

    def __post_init__(self) -> None:
        self.chat.clock = self.clock
        self.start()

    def start(self) -> None:
        """A new pusher, as after a start of the process."""
        self.pusher = Pusher(self.chat, Metrics(), LEASE)

    def open_service(self, credential: Credential, *_: Any) -> PushService:
        self.opened.append(Puppet(self, credential))
        return self.opened[-1]

    async def credential(self) -> Credential:
        return await actions.create_credential(self.chat, CALLER, "apn", None, stage.token_key(), sandbox=False)

    async def renew(self, credential: Credential) -> Credential:
        """Its keys are set again."""
        self.clock.moment += 1
        return await actions.update_credential(self.chat, credential, {}, stage.token_key())

    async def reload(self, credential: Credential) -> Credential:
        """As it stands in the table."""
        found = await sql.credentials_of(self.chat.database, credential.account)
        return next(each for each in found if each.sid == credential.sid)

    async def store(
        self, credential: Credential, count: int = 1, *, logged: bool = False, hours: int = 24
    ) -> list[str]:
        """Pushes of one event in the table, free to be sent, each to a device of its own; their SIDs."""
        pushes = [self._push(credential, hours) for _ in range(count)]
        notice = pushes[0][1]
        notice.is_logged = int(logged)
        for push, _ in pushes:
            push.notice = notice.sid
        async with self.chat.transaction() as tx:
            await sql.add_notices(tx, [notice])
            await sql.add_pushes(tx, [push for push, _ in pushes])
            for push, _ in pushes:
                await bindings.put_binding(tx, device(push, self.user))
        return [push.sid for push, _ in pushes]

    def _push(self, credential: Credential, hours: int) -> tuple[Push, Notice]:
        moment = self.clock()
        parcel = stage.parcel(expires=moment + hours * HOUR)
        push, notice = parcel.push, parcel.notice
        notice.sid, notice.due, notice.date_created = new_sid("NO"), moment + HOUR, moment
        notice.service = self.user.service
        push.sid, push.binding_sid, push.credential_sid = new_sid("RU"), new_sid("BS"), credential.sid
        push.due = push.date_created = push.date_updated = moment
        return push, notice

    async def look(self) -> None:
        """One look at the table, and all that comes of it."""
        await self.pusher.look()
        await self.quiet()

    async def quiet(self) -> None:
        while tasks := set(self.pusher._tasks):
            await asyncio.wait_for(asyncio.wait(tasks), 10)

    async def until(self, condition: Callable[[], object]) -> None:
        """Until something that happens with a send is so."""
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def states(self) -> dict[str, str]:
        """By SID; what is not there any more has arrived."""
        rows = await self.chat.database.fetch_all("SELECT sid, state FROM pushes")
        return {row[0]: row[1] for row in rows}

    async def until_stored(self, states: dict[str, str]) -> None:
        async with asyncio.timeout(10):
            while await self.states() != states:  # noqa: ASYNC110 - the table tells nobody
                await asyncio.sleep(0.005)

    async def state(self, sid: str) -> str:
        return (await self.states()).get(sid, DELIVERED)

    async def due(self, sid: str) -> int:
        """In so many milliseconds."""
        row = await self.chat.database.fetch_one("SELECT due FROM pushes WHERE sid = $1", sid)
        assert row is not None
        return int(row[0]) - self.clock()


def device(push: Push, user: User) -> Binding:
    """The user's device that the push is for, registered when the push was made."""
    return Binding(
        service=user.service,
        sid=str(push.binding_sid),
        user=user.key,
        user_sid=user.sid,
        identity=user.identity,
        endpoint=str(push.binding_sid),
        binding_type="apn",
        address=stage.DEVICE,
        credential_sid="",
        message_types="[]",
        date_created=push.date_created,
        date_updated=push.date_created,
    )


@contextlib.asynccontextmanager
async def opened(directory: Path, url: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """A desk on the database; its pusher ends with the block."""
    patch.setattr(module, "RETIRING_SECONDS", 0)
    async with open_chat(Settings(data_dir=str(directory), database=url)) as chat:
        desk = Desk(chat, stage.Clock())
        service = await create_service(chat, CALLER, "Service")
        desk.user = await create_user(chat, CALLER, service, "bob", {}, webhook_enabled=False)
        patch.setattr(module, "open_service", desk.open_service)
        yield desk
        await desk.pusher.finish()
