"""One HTTP/1.1 connection: a request out, its answer back, one at a time."""

import asyncio
from typing import cast

import httptools

from hubbub.delivery.outcome import Answer, TimedOut, Unreachable

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 256 * 1024
WIRE_LIMIT = HEAD_LIMIT + 2 * BODY_LIMIT  # with the sizes of chunks, their extensions and trailers
FINAL = 200  # the first status that ends an exchange; those below announce another


class Dropped(Unreachable):
    """The connection ended before the first byte of an answer."""


class Connection(asyncio.Protocol):
    """Speaks to one receiver; `owner` holds it for as long as it is open."""

    # One object per open connection, and each attribute is read for each request.
    __slots__ = (
        "_chunks",
        "_fields",
        "_headed",
        "_keep",
        "_loop",
        "_owner",
        "_parser",
        "_received",
        "_size",
        "_status",
        "_transport",
        "_waiter",
        "born",
        "closed",
        "idle_since",
    )

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: "set[Connection]") -> None:
        self._loop = loop
        self._owner = owner
        self._waiter: asyncio.Future[Answer] | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self.born = self.idle_since = loop.time()
        self._begin()

    @property
    def reusable(self) -> bool:
        """Whether the last answer ended cleanly and another request may follow."""
        return self._keep and not self._transport.is_closing()

    async def ask(self, request: bytes, deadline: float) -> Answer:
        """Send a request and wait for its answer; the connection is closed when none comes.

        Raises Dropped, Unreachable, TimedOut.
        """
        self._begin()
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_at(deadline, self._expire)
        self._transport.write(request)
        try:
            return await waiter
        except BaseException:
            self.abort()
            raise
        finally:
            timer.cancel()
            self._waiter = None

    def abort(self) -> None:
        self._keep = False
        self._transport.abort()

    def _begin(self) -> None:
        self._keep = False
        self._headed = False
        self._received = 0
        self._size = 0
        self._status = 0
        self._fields: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        self._owner.add(self)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.abort()  # nobody asked: what would it be the answer to?
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            self._fail(Unreachable(f"The answer is not HTTP: {error}."))
        if self._received > (WIRE_LIMIT if self._headed else HEAD_LIMIT):
            self._overflow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.discard(self)
        self.closed.set_result(None)
        del self._parser  # it and this object hold each other
        if self._received == 0:
            self._fail(Dropped(f"The connection was closed without an answer{because(exc)}."))
        elif self._headed and exc is None and self._ends_with_connection():
            self._settle(b"".join(self._chunks))
        else:
            self._fail(Unreachable(f"The connection was closed within the answer{because(exc)}."))

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._headed:
            self._keep = False  # more than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # trailers say nothing
            self._fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._headed:
            return
        if status < FINAL:
            self._fields = {}
            return
        self._headed = True
        self._status = status
        self._keep = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        self._chunks.append(data)
        if self._size > BODY_LIMIT:
            self._overflow()

    def on_message_complete(self) -> None:
        if self._headed:
            self._settle(b"".join(self._chunks))

    # How it ends.

    def _settle(self, body: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if self._transport.get_write_buffer_size():
            self._keep = False  # answered before it had read the request
        field = self._fields.get
        self._waiter.set_result(
            Answer(self._status, text(field(b"content-type")), text(field(b"retry-after")), body),
        )

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _expire(self) -> None:
        self._fail(TimedOut("The answer did not come in time."))

    def _overflow(self) -> None:
        """Stop reading; the status counts, if it has come."""
        self._chunks.clear()
        if self._headed:
            self._settle(b"")
        else:
            self._fail(Unreachable(f"The head of the answer passes {HEAD_LIMIT} bytes."))
        self.abort()

    def _ends_with_connection(self) -> bool:
        return b"content-length" not in self._fields and b"transfer-encoding" not in self._fields


def text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def because(error: Exception | None) -> str:
    return f" ({error})" if error else ""
