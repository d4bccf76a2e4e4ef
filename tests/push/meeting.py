"""A peer and a listener that know each other, for the tests of HTTP/2."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

from hubbub.delivery.push.http2 import Answer, Peer
from tests.push.peer import Listener, Reply, Request, echo, listening
from tests.push.tls import Authority

PLENTY = 10.0  # seconds, for what must not take long
SHORT = 0.2  # seconds, for what must end by itself


class Meeting(NamedTuple):
    peer: Peer
    listener: Listener

    async def push(self, name: str = "a", body: bytes = b"{}", seconds: float = PLENTY) -> Answer:
        return await self.peer.ask("POST", f"/3/device/{name}", [("apns-id", name)], body, seconds)

    def pushes(self, names: Iterable[object], seconds: float = PLENTY) -> "list[asyncio.Task[Answer]]":
        """Asked for, all in one turn of the event loop."""
        return [asyncio.ensure_future(self.push(str(name), seconds=seconds)) for name in names]

    async def came(self, number: int) -> list[Request]:
        """The first so many requests."""
        await self.listener.until(lambda: len(self.listener.requests) >= number)
        return self.listener.requests[:number]

    async def parted(self) -> None:
        """Until all connections that are open now are closed, as the peer sees it."""
        async with asyncio.timeout(PLENTY):
            await asyncio.gather(*(connection.closed for connection in self.peer.connections))


@contextlib.asynccontextmanager
async def meeting(
    authority: Authority,
    answer: Callable[[Request], Reply] = echo,
    *,
    certificate: tuple[str, str] | None = None,
    wants_certificate: bool = False,
    **options: Any,
) -> AsyncIterator[Meeting]:
    """For as long as the block, in which the peer has kept to the protocol."""
    with listening(authority.server_context(wants_certificate=wants_certificate), answer, **options) as listener:
        peer = Peer(listener.url, authority.client_context(certificate))
        try:
            yield Meeting(peer, listener)
        finally:
            await peer.close()
        assert not listener.faults
        assert not peer.connections


def paths(requests: Iterable[Request]) -> list[str]:
    """What they were named by the test."""
    return [request.path.removeprefix("/3/device/") for request in requests]
