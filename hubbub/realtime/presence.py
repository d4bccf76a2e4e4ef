"""Who is online: a user with a connection on any node, in services that have reachability on.

What is stored follows what is: whenever the first connection of a user comes to this node, and a while after the last
has gone, the user is looked at and made what it is by then. A look that fails is made again, and nothing is lost when
a process dies: each is a gateway with a lease, and another one tidies up behind it.

Being reached or not is no webhook's affair, before or after: the original fires none before, and we none at all.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from hubbub.chat import Chat
from hubbub.errors import ChatError
from hubbub.realtime import sql
from hubbub.resources.users import sql as users
from hubbub.resources.users.actions import reach_user
from hubbub.storage.database import Contention, Transaction

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

log = logging.getLogger("hubbub.realtime")

GRACE = 5_000  # ms: a page that is loaded again comes back within this
LEASE = 30_000
RENEWALS = 6  # in the time of a lease
FOREVER = 1 << 60
RETURN = 2  # times the grace, for clients whose process has ended
RETRY_SECONDS = 1.0
AT_ONCE = 50  # users in one transaction


class Presence:
    """One for each serving process."""

    def __init__(self, chat: Chat, *, grace: int = GRACE, lease: int = LEASE) -> None:
        self._chat = chat
        self._grace = grace
        self._lease = lease
        self._gateway = 0
        self._lease_end = 0
        self._renewed = 0
        self._connections: dict[int, int] = {}  # how many of each user are here
        self._users: dict[int, set[int]] = defaultdict(set)  # those who are here, by service
        self._shown: set[int] = set()  # those who are stored as being here
        self._due: dict[int, None] = {}  # to be looked at, in this order
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._woken = asyncio.Event()

    # What comes and goes

    def opened(self, connection: "Connection") -> None:
        """A client has been let in."""
        user = connection.user
        connection.closed.append(partial(self._closed, user.key, user.service))
        count = self._connections[user.key] = self._connections.get(user.key, 0) + 1
        if count == 1:
            self._users[user.service].add(user.key)
            if user.reachability_enabled:
                self._look_at(user.key)

    def _closed(self, user: int, service: int) -> None:
        self._connections[user] -= 1
        if self._connections[user]:
            return
        del self._connections[user]
        self._users[service].discard(user)
        if not self._users[service]:
            del self._users[service]
        if user in self._shown or user in self._due:
            self._forget_timer(user)
            self._timers[user] = asyncio.get_running_loop().call_later(self._grace / 1000, self._look_at, user)

    def _look_at(self, user: int) -> None:
        self._forget_timer(user)
        self._due[user] = None
        self._woken.set()

    def _forget_timer(self, user: int) -> None:
        timer = self._timers.pop(user, None)
        if timer is not None:
            timer.cancel()

    # What is stored of it

    async def run(self, *, alone: bool) -> None:
        """Keep the tables up to date until cancelled. `alone` says that no other process serves this database."""
        try:
            while True:
                seconds = self._lease / RENEWALS / 1000
                try:
                    await self._pass(alone=alone)
                except (ChatError, Contention) as error:
                    log.warning("who is online waits for the database: %s", error)
                    seconds = RETRY_SECONDS
                except Exception:  # what nobody thought of must not end this for good
                    log.exception("who is online could not be stored and will be tried again")
                    seconds = RETRY_SECONDS
                with contextlib.suppress(TimeoutError):  # `wait_for` of Python 3.11 may lose a cancellation
                    async with asyncio.timeout(seconds):
                        await self._woken.wait()
        finally:
            for timer in self._timers.values():
                timer.cancel()
            await self._leave()

    async def _pass(self, *, alone: bool) -> None:
        self._woken.clear()
        moment = self._chat.clock()
        if not self._gateway or not 0 <= moment - self._renewed < self._lease // RENEWALS:
            if not (self._gateway and alone):
                await self._renew(moment, alone=alone)
            self._renewed = moment
            await self._look_for_switched()
            await self._bury(moment)
        while self._due:
            await self._settle(list(self._due)[:AT_ONCE])

    async def _renew(self, moment: int, *, alone: bool) -> None:
        """Be a gateway that is alive. One that was found dead is a new one, which has everybody still to store."""
        self._lease_end = FOREVER if alone else moment + self._lease
        async with self._chat.transaction() as tx:
            gateway = self._gateway
            if not gateway or not await sql.keep_gateway(tx, gateway, self._lease_end):
                gateway = await sql.add_gateway(tx, self._lease_end)
            if alone:  # what the process before this one has left behind; its clients come back to this one
                await sql.hurry_others(tx, gateway, moment + RETURN * self._grace)
        if gateway != self._gateway:
            self._gateway = gateway
            self._due |= dict.fromkeys(self._shown)
            self._shown.clear()

    async def _look_for_switched(self) -> None:
        """The users of services that have switched reachability on since their users came."""
        if not self._connections:
            return
        for service in await sql.reachable_services(self._chat.database) & self._users.keys():
            self._due |= dict.fromkeys(self._users[service] - self._shown)

    async def _settle(self, looked_at: list[int]) -> None:
        """Store what these users are now."""
        here = {user for user in looked_at if user in self._connections}
        shown = set()
        async with self._chat.transaction() as tx:
            if not await sql.keep_gateway(tx, self._gateway, self._lease_end):
                self._gateway = 0
                raise Contention
            for user in sorted(looked_at):
                if await store(tx, user, self._gateway, here=user in here):
                    shown.add(user)
        self._shown = self._shown - set(looked_at) | shown
        for user in looked_at:
            if (user in self._connections) == (user in here):
                del self._due[user]

    async def _bury(self, moment: int) -> None:
        """Tidy up behind gateways that have died."""
        if not await sql.has_dead(self._chat.database, moment):
            return
        async with self._chat.transaction() as tx:
            dead = await sql.find_dead(tx, moment)
        for gateway in dead:
            while left := await sql.some_users(self._chat.database, gateway, AT_ONCE):
                async with self._chat.transaction() as tx:
                    for user in left:
                        await store(tx, user, gateway, here=False)
            async with self._chat.transaction() as tx:
                await sql.remove_gateway(tx, gateway)

    async def _leave(self) -> None:
        """The process ends: whoever does not come back to another one in time is offline then."""
        if not self._gateway:
            return
        with contextlib.suppress(ChatError, Contention):
            async with self._chat.transaction() as tx:
                await sql.keep_gateway(tx, self._gateway, self._chat.clock() + RETURN * self._grace)


async def store(tx: Transaction, user: int, gateway: int, *, here: bool) -> bool:
    """Make the user what it is, with the user's row held: two nodes look at it one after the other.

    Returns whether it is stored as being here, which those of services without reachability are not.
    """
    found = await users.user_by_key(tx, user) if await users.lock_user(tx, user) else None
    shown = here and found is not None and bool(found.reachability_enabled)
    if shown:
        await sql.connect(tx, user, gateway)
    else:
        await sql.disconnect(tx, user, gateway)
    if found is not None:
        is_online = await sql.is_connected(tx, user)
        if is_online != bool(found.is_online):
            await reach_user(tx, user, {"is_online": int(is_online)})
    return shown
