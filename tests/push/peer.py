"""A push service beside the tests: a real HTTP/2 server over TLS, in a thread of its own, that does as it is told.

As a process of its own it stands for Google or Apple in benchmarks:
`python -m tests.push.peer --cert FILE --key FILE` prints its port, takes every POST and counts them at /count.
"""

import argparse
import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from tests.push.peer_connection import DROPPING, REFUSED, SILENT, Answer, Conversation, Reply, Request, echo
from tests.push.tls import AlertingLoop, Authority

__all__ = ["DROPPING", "REFUSED", "SILENT", "Authority", "Listener", "Reply", "Request", "echo", "listening"]

WAIT_SECONDS = 10
STREAMS = 1000  # at a time on one connection, as Apple allows


@dataclass(eq=False)
class Listener:
    """An HTTP/2 server on 127.0.0.1. What is public may be read and set from any thread.

    `answer` is called in the listener's thread for each request, when it has come as a whole.
    """

    tls: ssl.SSLContext
    answer: Answer = echo
    streams: int = STREAMS  # at a time on a connection, as the next one is told
    settings: dict[SettingCodes, int] = field(default_factory=dict)  # more of what it is told
    strict: bool = True  # whether headers are checked
    greets: bool = True  # with its settings, at once
    deaf: bool = False  # reads nothing of what comes
    stingy: bool = False  # gives no room back in its windows
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0  # so far
    most_streams: int = 0  # that were ever open at a time on one connection
    resets: list[tuple[Request, int]] = field(default_factory=list)  # by the client, with its code
    pings: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # what the client did against the protocol
    _held: list[tuple[Conversation, Request]] | None = None
    _conversations: list[Conversation] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _loop: asyncio.AbstractEventLoop = field(default_factory=AlertingLoop)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._conversations)

    # Waiting.

    def wait_for(self, condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        """Wait until something of this listener is so; it is looked at whenever anything happens."""
        with self._changed:
            came = self._changed.wait_for(condition, seconds)
        assert came, f"not in {seconds} s: {self.requests[-3:]}, faults: {self.faults}"

    def wait(self, number: int, seconds: float = WAIT_SECONDS) -> list[Request]:
        """The first so many requests, as soon as they have come."""
        self.wait_for(lambda: len(self.requests) >= number, seconds)
        return self.requests[:number]

    async def until(self, condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        """`wait_for`, for a test that has an event loop."""
        await asyncio.to_thread(self.wait_for, condition, seconds)

    # Telling.

    def hold(self) -> None:
        """Keep all answers back."""
        self._do(lambda: setattr(self, "_held", []))

    def release(self) -> None:
        """Give those that were kept back, and all others at once."""
        self._do(self._release)

    def go_away(
        self,
        last: int | None = None,
        code: ErrorCodes = ErrorCodes.NO_ERROR,
        data: bytes = b"",
        *,
        closes: bool = False,
    ) -> None:
        """Announce the end of each connection after the stream; None: the last that came.

        It ends when all streams up to that one have ended, and at once with `closes`.
        """

        def leave(one: Conversation) -> None:
            one.go_away(last, code, data)
            if closes:
                one.transport.close()

        self._each(leave)

    def greet(self) -> None:
        """Say the settings that were kept back."""
        self.greets = True
        self._each(Conversation.flush)

    def drop(self) -> None:
        """End all connections without a word."""
        self._each(lambda one: one.transport.abort())

    def hang_up(self) -> None:
        """End all connections as TLS wants it."""
        self._each(lambda one: one.transport.close())

    def send(self, data: bytes) -> None:
        """Write these bytes to all connections."""
        self._each(lambda one: one.transport.write(data))

    def change(self, settings: dict[SettingCodes | int, int]) -> None:
        """Tell all connections other settings."""

        def tell(one: Conversation) -> None:
            one.h2.update_settings(settings)
            one.flush()

        self._each(tell)

    def start(self) -> None:
        """Listen, on the same port as before."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(WAIT_SECONDS)

    def stop(self) -> None:
        """End all connections and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(WAIT_SECONDS)

    # Its own thread.

    @contextlib.contextmanager
    def running(self) -> Iterator["Listener"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self.start()
        try:
            yield self
        finally:
            self.stop()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _start(self) -> None:
        make = lambda: Conversation(self)  # noqa: E731
        self._server = await self._loop.create_server(make, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        for each in tuple(self._conversations):
            each.transport.abort()
        await asyncio.gather(*(each.closed for each in tuple(self._conversations)))

    def _do(self, action: Callable[[], object]) -> None:
        """In the listener's thread; returns when it is done."""

        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(WAIT_SECONDS)

    def _each(self, action: Callable[[Conversation], None]) -> None:
        self._do(lambda: [action(each) for each in tuple(self._conversations)])  # type: ignore[func-returns-value]

    def _release(self) -> None:
        held, self._held = self._held or (), None
        for conversation, request in held:
            conversation.reply(request, self.answer(request))
        for conversation in tuple(self._conversations):
            conversation.flush()

    # What its connections tell.

    def came(self, conversation: Conversation) -> int:
        with self._changed:
            self.connections += 1
            self._conversations.append(conversation)
            self._changed.notify_all()
        return self.connections

    def went(self, conversation: Conversation) -> None:
        with self._changed:
            self._conversations.remove(conversation)
            self._changed.notify_all()

    def opened(self, streams: int) -> None:
        if streams > self.most_streams:
            with self._changed:
                self.most_streams = streams
                self._changed.notify_all()

    def asked(self, conversation: Conversation, request: Request) -> None:
        self.note(self.requests, request)
        if self._held is None:
            conversation.reply(request, self.answer(request))
        else:
            self._held.append((conversation, request))

    def note(self, notes: list[Any], note: object) -> None:
        with self._changed:
            notes.append(note)
            self._changed.notify_all()


class Counter(Listener):
    """A listener that only counts."""

    count = 0

    def asked(self, conversation: Conversation, request: Request) -> None:
        if request.method == "GET" and request.path == "/count":
            conversation.reply(request, Reply(body=str(self.count).encode()))
            return
        self.count += 1
        conversation.reply(request, self.answer(request))

    async def serve(self) -> None:
        await self._start()
        print(self.port, flush=True)
        await asyncio.Event().wait()


@contextlib.contextmanager
def listening(tls: ssl.SSLContext, answer: Answer = echo, **options: Any) -> Iterator[Listener]:
    """A listener for as long as the block."""
    with Listener(tls, answer, **options).running() as listener:
        yield listener


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--cert", required=True)
    options.add_argument("--key", required=True)
    options.add_argument("--port", type=int, default=0)
    given = options.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.cert, given.key)
    context.set_alpn_protocols(["h2"])
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Counter(context, port=given.port, strict=False, _loop=runner.get_loop()).serve())


if __name__ == "__main__":
    main()
