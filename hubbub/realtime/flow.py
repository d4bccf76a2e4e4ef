"""How much goes to a client that does not read, and how much is taken from it meanwhile.

A client that does not read what it is sent: nothing more is read from it, so no more answers arise, and when
notifications beyond the bound have gathered, it is dropped. It comes back and is told what it missed.
"""

import asyncio
import logging

from hubbub.realtime.connection import Connection

log = logging.getLogger("hubbub.realtime")

BACKLOG_LIMIT = 1024 * 1024  # bytes of notifications for a client that does not read, and one more, however long
SILENT_PINGS = 2  # this many unanswered, and the next is not sent any more


class Flow:
    """The two directions of one transport. `connection` is the client, once it has been let in.

    uvloop tells when more waits to be sent than it should, and when that has gone; until then, writing costs nothing
    but the transport's own `write`.
    """

    __slots__ = ("_backlog", "_buffered", "_is_reading", "_is_stalled", "_silent", "connection", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.connection: Connection | None = None
        self._is_reading = True
        self._is_stalled = False
        self._backlog = 0  # bytes of notifications since the client has stalled
        self._buffered = 0  # bytes that waited when last looked at
        self._silent = 0  # pings since it was last heard

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def let_in(self, connection: Connection) -> None:
        self.connection = connection
        if self._is_stalled:
            connection.write_frame = self._write_to_stalled

    def stall(self) -> None:
        """More waits to be sent than should."""
        self._is_stalled = True
        self._backlog = 0
        self._buffered = self.transport.get_write_buffer_size()
        if self.connection is not None and not self.connection.is_ended:
            self.connection.write_frame = self._write_to_stalled
        self.adjust_reading()

    def resume(self) -> None:
        """What waited has gone."""
        self._is_stalled = False
        if self.connection is not None and not self.connection.is_ended:
            self.connection.write_frame = self.transport.write
        self.adjust_reading()

    def adjust_reading(self, *, is_closing: bool = False) -> None:
        """Read while there is room for what may come of it, and for the other side's close."""
        is_full = self.connection is not None and self.connection.is_full
        should_read = is_closing or not (self._is_stalled or is_full)
        if should_read == self._is_reading or self.transport.is_closing():
            return
        self._is_reading = should_read
        if should_read:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def heard(self) -> None:
        self._silent = 0

    def is_gone(self) -> bool:
        """Asked before each ping: nothing came since some pings, and nothing of what waits for the client went."""
        buffered = self.transport.get_write_buffer_size()
        if buffered < self._buffered:
            self._silent = 0
        self._buffered = buffered
        self._silent += 1
        return self._silent > SILENT_PINGS

    def _write_to_stalled(self, data: bytes) -> None:
        if self._backlog <= BACKLOG_LIMIT:
            self._backlog += len(data)
            self.write(data)
        elif not self.transport.is_closing():
            assert self.connection is not None  # only its notifications come here
            log.warning("%s does not read what it is sent: dropped", self.connection.user.identity)
            self.transport.abort()
