"""Every client of this process: lets them in by their tokens, knows them, and ends those whose right has ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from hubbub.chat import Chat
from hubbub.errors import ERRORS
from hubbub.realtime.connection import ANSWER_SECONDS, Connection
from hubbub.realtime.tunnel import Route, Tunnel

log = logging.getLogger("hubbub.realtime")

Authenticate = Callable[[Chat, str], Awaitable[Any]]
ConnectUser = Callable[[Chat, Any], Awaitable[Any]]


class Gateway:
    """`opened` holds what is called with each client that has been let in: append to it."""

    def __init__(
        self, chat: Chat, routes: Iterable[Route], authenticate: Authenticate, connect_user: ConnectUser
    ) -> None:
        self.chat = chat
        self.connections: set[Connection] = set()
        self.opened: list[Callable[[Connection], None]] = []
        self.sockets = 0  # all of them, also those that have not been let in
        self._tunnel = Tunnel(routes)
        self._authenticate = authenticate
        self._connect_user = connect_user

    @property
    def is_full(self) -> bool:
        """There are more than there may be."""
        return self.sockets > self.chat.settings.realtime_connections

    async def authenticate(self, token: str) -> Any:
        """What the token gives. Raises the ChatError that the client is to be told."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._authenticate(self.chat, token)
        except TimeoutError:
            raise ERRORS.UNAVAILABLE(reason="it took too long") from None

    async def let_in(self, access: Any, write_frame: Callable[[bytes], object], drop: Callable[[], None]) -> Connection:
        """The connection of a client whose token was good; its user is made the first time."""
        user = await self._connect_user(self.chat, access)
        return Connection(self.chat, access, user, self._tunnel, write_frame, drop)

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        connection.closed.append(lambda: self.connections.discard(connection))
        for hook in self.opened:
            hook(connection)
