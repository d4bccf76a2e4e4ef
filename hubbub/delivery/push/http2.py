"""Sends requests to one push service over HTTP/2: one connection for all of them, made when it is needed."""

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from functools import cache
from urllib.parse import urlsplit

from hpack import HeaderTuple, NeverIndexedHeaderTuple

from hubbub.delivery.outcome import TimedOut, Unreachable
from hubbub.delivery.push.http2_connection import Connection
from hubbub.delivery.push.http2_protocol import Answer, CertificateRefused, Request, refusal

__all__ = ["Answer", "CertificateRefused", "Peer"]

CONNECT_SECONDS = 10.0
TLS_GOODBYE_SECONDS = 1.0
NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
OURS = frozenset({"connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade"})

# Different in each request: in the table that both sides keep they would only drive out what is worth keeping.
VARYING = frozenset({"apns-id", "apns-expiration", "apns-collapse-id"})


class Peer:
    """The way to one server. It belongs to one event loop.

    A request that waits for a place on the connection keeps its turn. One that the peer says it has not looked at (by
    a GOAWAY or REFUSED_STREAM) is sent again without a word; one that was sent and is not answered is not.
    """

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        """`url` is https, a host and maybe a port; the context is set to speak HTTP/2. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
            raise ValueError(f"this is not https and a host: {url}")
        self._host = parts.hostname
        self._port = parts.port or 443
        self._where = f"{self._host} port {self._port}"
        self._authority = HeaderTuple(b":authority", parts.netloc.encode("ascii"))
        self._tls = tls
        tls.set_alpn_protocols(["h2"])
        self.busy_seconds = 0.0  # spent here on reading and writing, in all
        self.waiting: deque[Request] = deque()
        self.connections: set[Connection] = set()
        self._current: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes, seconds: float) -> Answer:
        """Send a request and return its answer, whatever its status; all of it takes at most these seconds.

        The names of headers are in lower case. Raises Unreachable, CertificateRefused, TimedOut; ValueError when the
        path or the headers will not do.
        """
        if self._closed:
            raise Unreachable(f"The connection to {self._where} is closed.")
        loop = asyncio.get_running_loop()
        request = Request(self._head(method, path, headers, body), body, loop.create_future())
        timer = loop.call_later(seconds, self._expire, request)
        self.waiting.append(request)
        self.wake()
        try:
            return await request.answer
        finally:
            timer.cancel()
            self._forget(request)

    async def close(self) -> None:
        """Close every connection; requests that are not answered get Unreachable, as do all that come later."""
        self._closed = True
        error = Unreachable(f"The connection to {self._where} is closed.")
        opening = self._opening
        if opening is not None:
            opening.cancel()
            await asyncio.wait([opening])
        self._fail(error)
        closed = [connection.closed for connection in self.connections]
        for connection in tuple(self.connections):
            connection.end(error)
        await asyncio.gather(*closed)

    # What connections tell.

    def wake(self) -> None:
        if self._current is not None:
            self._current.flush_soon()
        elif self._opening is None and not self._closed:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def left(self, connection: Connection) -> None:
        if self._current is connection:
            self._current = None
        if self.waiting:
            self.wake()

    # Requests.

    def _head(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> list[HeaderTuple]:
        """Raises ValueError."""
        if not (path.startswith("/") and path.isascii() and path.isprintable()) or " " in path:
            raise ValueError(f"this cannot be a path: {path!r}")
        head = [
            HeaderTuple(b":method", method.encode()),
            HeaderTuple(b":scheme", b"https"),
            self._authority,
            NeverIndexedHeaderTuple(b":path", path.encode()),
        ]
        for name, value in headers:
            raw, kind = header(name)
            if not (value.isascii() and value.isprintable() and value == value.strip()):
                raise ValueError(f"this cannot be the value of {name}: {value!r}")
            head.append(kind(raw, value.encode()))
        if body:
            head.append(NeverIndexedHeaderTuple(b"content-length", b"%d" % len(body)))
        return head

    def _expire(self, request: Request) -> None:
        if request.answer.done():
            return
        if request.connection is not None:
            request.connection.drop(request, timed_out=True)
            text = "The answer did not come in time."
        elif self._current is None:
            text = f"No connection to {self._where} came about in time."
        else:
            text = f"{self._where} had no room for the request in time."
        request.answer.set_exception(TimedOut(text))

    def _forget(self, request: Request) -> None:
        """Nobody waits for it any more, answered or not."""
        if request.connection is not None:
            request.connection.drop(request)
            return
        with contextlib.suppress(ValueError):  # none of those that wait
            self.waiting.remove(request)

    def _fail(self, error: Exception) -> None:
        """For all that have no connection."""
        while self.waiting:
            self.waiting.popleft().fail(error)

    # Connections.

    async def _open(self) -> None:
        """Make the connection that takes all requests from now on, or fail those that wait for it."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connect()
        except (Unreachable, OSError, ValueError) as error:
            self._fail(self._explained(error))
        else:
            if not connection.leaving:
                self._current = connection
        finally:
            self._opening = None
        if self.waiting:
            self.wake()

    async def _connect(self) -> Connection:
        """To the first address that takes it. Raises Unreachable, OSError, ValueError.

        Each has an equal share of the time left, so that one that swallows packets does not use up all of it.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CONNECT_SECONDS
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = [entry[4][0] for entry in found]
        for left, address in zip(range(len(addresses), 1, -1), addresses, strict=False):
            try:
                async with asyncio.timeout((deadline - loop.time()) / left):
                    return await self._connect_to(str(address))
            except OSError:  # a time-out is one
                continue
        return await self._connect_to(str(addresses[-1]))

    async def _connect_to(self, address: str) -> Connection:
        """A connection whose peer has said how many requests it takes at a time."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self, self._where),
            address,
            self._port,
            ssl=self._tls,
            server_hostname=self._host,
            ssl_shutdown_timeout=TLS_GOODBYE_SECONDS,
        )
        try:
            await connection.ready
        except BaseException:
            connection.end(Unreachable(f"{self._where} did not begin to speak HTTP/2."))
            raise
        if connection.leaving and not connection.begun:
            raise Unreachable(f"{self._where} takes no requests.")
        return connection

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, Unreachable):
            return error
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unreachable(f"The certificate of {self._where} is not trusted: {error.verify_message}.")
        if isinstance(error, TimeoutError):
            return Unreachable(f"No connection to {self._where} came about in time.")
        reason = str(error) or type(error).__name__
        return refusal(self._where, error) or Unreachable(f"No connection to {self._where} came about: {reason}.")


@cache
def header(name: str) -> tuple[bytes, type[HeaderTuple]]:
    """The name as it is sent, and whether the value may be kept in the table. Raises ValueError."""
    if not name or not NAME_LETTERS.issuperset(name) or name in OURS:
        raise ValueError(f"this cannot be the name of a header: {name!r}")
    return name.encode(), NeverIndexedHeaderTuple if name in VARYING else HeaderTuple
