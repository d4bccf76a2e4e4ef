"""Sends one HTTP request outward: guarded, bounded in time and size, over connections that are kept for the next.

It does less than a general client on purpose: no redirects, no cookies, no proxies, no decompression, no HTTP/2.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from hubbub.delivery.connection import Connection, Dropped
from hubbub.delivery.guard import Guard
from hubbub.delivery.outcome import Answer, TimedOut, Unreachable
from hubbub.delivery.place import Key, Place, read_place, standing

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
KEPT_PLACES = 4096
IDLE_SECONDS = 10.0
SWEEP_SECONDS = 2.0
LIFE_SECONDS = 120.0  # then its host is looked up anew, though it was never idle
TLS_GOODBYE_SECONDS = 1.0

Headers = Iterable[tuple[str, str]]


class Sender:
    """Sends requests to whatever its guard allows. It belongs to one event loop."""

    def __init__(self, guard: Guard, *, context: ssl.SSLContext | None = None, idle_limit: int = 256) -> None:
        self._guard = guard
        self._context = context or default_context()
        self._idle_limit = idle_limit
        self._places: dict[str, Place] = {}
        self._open: set[Connection] = set()
        self._idle: dict[Key, list[Connection]] = {}
        self._idle_count = 0
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, method: str, url: str, headers: Headers, body: bytes, seconds: float) -> Answer:
        """Send a request and return its answer, whatever its status; all of it takes at most these seconds.

        A kept connection that turns out to be closed is replaced once, so a receiver can get the request twice. The
        headers must not say Host, Accept-Encoding, Content-Length, Connection or Transfer-Encoding: they follow from
        the rest. Raises Blocked, Unreachable, TimedOut; ValueError when the method or the headers will not do.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        place, query = self._read(url)
        request = head(method, place, query, headers, body) + body
        connection = self._take(place.key)
        if connection is not None:
            try:
                answer = await connection.ask(request, deadline)
            except Dropped:
                pass  # it was closed while idle, and the news had not come
            else:
                self._keep(place.key, connection)
                return answer
        connection = await self._connect(place.key, deadline)
        answer = await connection.ask(request, deadline)
        self._keep(place.key, connection)
        return answer

    async def close(self) -> None:
        """Close every connection, also those in use. No `send` may begin after it."""
        self._guard.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in self._open:
            connection.abort()
        await asyncio.gather(*(connection.closed for connection in self._open))

    def _read(self, url: str) -> tuple[Place, str]:
        """The place, and the query with its question mark. Raises Blocked."""
        url, _, _ = url.partition("#")
        base, mark, query = url.partition("?")
        place = self._places.get(base)
        if place is None:
            place = read_place(base)
            if len(self._places) >= KEPT_PLACES:
                del self._places[next(iter(self._places))]
            self._places[base] = place
        return place, mark + standing(query) if query else mark

    # Connections.

    async def _connect(self, key: Key, deadline: float) -> Connection:
        """A connection to the first checked address that takes it. Raises Blocked, Unreachable, TimedOut."""
        _, host, port = key
        try:
            async with asyncio.timeout_at(deadline):
                return await self._connect_to_any(key, await self._guard.addresses(host), deadline)
        except TimeoutError as error:
            raise TimedOut(f"No connection to {host} port {port} came about in time.") from error
        except OSError as error:
            raise Unreachable(f"No connection to {host} port {port} came about: {error}.") from error

    async def _connect_to_any(self, key: Key, addresses: tuple[str, ...], deadline: float) -> Connection:
        """Raises OSError, of the last address tried.

        Each has an equal share of the time left, so that one that swallows packets does not use up all of it.
        """
        now = asyncio.get_running_loop().time
        for left, address in zip(range(len(addresses), 1, -1), addresses, strict=False):
            try:
                async with asyncio.timeout_at(now() + (deadline - now()) / left):
                    return await self._connect_to(key, address)
            except OSError:  # a time-out is one
                continue
        return await self._connect_to(key, addresses[-1])

    async def _connect_to(self, key: Key, address: str) -> Connection:
        """Raises OSError."""
        scheme, host, port = key
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if scheme == "https":
            tls = {"ssl": self._context, "server_hostname": host, "ssl_shutdown_timeout": TLS_GOODBYE_SECONDS}
        _, connection = await loop.create_connection(lambda: Connection(loop, self._open), address, port, **tls)
        return connection

    # Idle connections.

    def _take(self, key: Key) -> Connection | None:
        """The connection that was used last: the surest to be open, and the others may grow old."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.reusable:
                return connection
        return None

    def _keep(self, key: Key, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if not connection.reusable or self._idle_count >= self._idle_limit or now - connection.born > LIFE_SECONDS:
            connection.abort()
            return
        connection.idle_since = now
        self._idle.setdefault(key, []).append(connection)
        self._idle_count += 1
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long; one timer for all, which runs while there are any."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS
        for key, idle in tuple(self._idle.items()):
            kept = []
            for connection in idle:
                if connection.reusable and connection.idle_since >= oldest:
                    kept.append(connection)
                else:
                    connection.abort()
            self._idle_count += len(kept) - len(idle)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep) if self._idle else None


def head(method: str, place: Place, query: str, headers: Headers, body: bytes) -> bytes:
    """The head of a request. Raises ValueError when the method or the headers will not do."""
    fields = [f"{name}: {value}\r\n" for name, value in headers]
    lines = "".join(fields)
    if method not in METHODS or lines.count("\r") != len(fields) or lines.count("\n") != len(fields) or "\0" in lines:
        raise ValueError(f"this cannot be the head of a request: {method} {lines!r}")
    length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
    return f"{method} {place.path}{query}{place.lines}{lines}{length}\r\n".encode("latin-1")


def default_context() -> ssl.SSLContext:
    """The system's trust store, with certificates and host names verified."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
