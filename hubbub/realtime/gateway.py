"""Every client of this process: lets them in by their tokens, knows them, and ends those whose right has ended."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable

from uvicorn.middleware.proxy_headers import _TrustedHosts  # the very rule that requests go by

from hubbub.chat import Chat
from hubbub.errors import ERRORS
from hubbub.realtime.connection import ANSWER_SECONDS, Connection
from hubbub.realtime.tunnel import Route, Tunnel
from hubbub.resources.tokens.actions import authenticate_token, find_revoked
from hubbub.resources.tokens.model import Access
from hubbub.resources.users.actions import connect_user

log = logging.getLogger("hubbub.realtime")

CHECK_SECONDS = 3


class Gateway:
    """`opened` holds what is called with each client that has been let in: append to it."""

    def __init__(self, chat: Chat, routes: Iterable[Route]) -> None:
        self.chat = chat
        self.connections: set[Connection] = set()
        self.opened: list[Callable[[Connection], None]] = []
        self.sockets = 0  # all of them, also those that have not been let in
        self.trusted_proxies = _TrustedHosts(chat.settings.trusted_proxies)
        self._tunnel = Tunnel(routes)

    @property
    def is_full(self) -> bool:
        """There are more than there may be."""
        return self.sockets > self.chat.settings.realtime_connections

    async def authenticate(self, token: str) -> Access:
        """What the token gives. Raises the ChatError that the client is to be told."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await authenticate_token(self.chat, token)
        except TimeoutError:
            raise ERRORS.UNAVAILABLE(reason="it took too long") from None

    async def let_in(
        self, access: Access, write_frame: Callable[[bytes], object], drop: Callable[[], None], origin: str
    ) -> Connection:
        """The connection of a client whose token was good; its user is made the first time."""
        user = await connect_user(self.chat, access)
        return Connection(self.chat, access, user, self._tunnel, write_frame, drop, sys.intern(origin))

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        connection.closed.append(lambda: self.connections.discard(connection))
        for hook in self.opened:
            hook(connection)

    async def finish(self) -> None:
        """The server has stopped: wait a little for requests whose clients have been sent away already."""
        await self._tunnel.finish(self.chat.settings.shutdown_seconds * 0.1)

    async def keep_checking(self) -> None:
        """Drop, within seconds, whose key was revoked or changed or whose service was deleted."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except Exception:
                log.exception("The connections' tokens could not be checked")

    async def check(self) -> None:
        """Each is told by its next init: the client comes back and is refused."""
        revoked = await find_revoked(self.chat, {connection.access.basis for connection in self.connections})
        for connection in tuple(self.connections) if revoked else ():
            if connection.access.basis in revoked:
                log.info("%s has no right to be here any more: dropped", connection.user.identity)
                connection.drop()
