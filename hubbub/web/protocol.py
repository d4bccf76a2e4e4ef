"""uvicorn's HTTP protocol with two things added: an end to the head of a request, and answers in one piece."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 * 1024
HEAD = b"HTTP/1.1 "
INTERIM = b"HTTP/1.1 1"  # 100 Continue: the client waits for it


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request line and headers that together pass the limit, which the parser would gather without end."""

    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", JoiningTransport(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.scope is None or "method" in self.scope:  # uvicorn adds the method when the head is complete
            self._head = 0
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def handle_websocket_upgrade(self) -> None:
        """Hand the bare transport over, and let go of what held the request: it would wait for the next collection."""
        self.transport = cast("JoiningTransport", self.transport).hand_over()
        super().handle_websocket_upgrade()
        self.parser = self.cycle = self.scope = None  # type: ignore[assignment] # nothing comes here any more


class JoiningTransport:
    """Sends the head of an answer with the body that follows at once: one system call where uvicorn makes two."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
            return
        if data.startswith(HEAD) and not data.startswith(INTERIM):
            self._head = data
            self._loop.call_soon(self._flush)  # when no body follows at once
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def hand_over(self) -> asyncio.Transport:
        """The transport itself."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own; kept, because its methods never change."""
        value = getattr(self._transport, name)
        self.__dict__[name] = value
        return value
