"""A receiver of webhooks beside the tests: a real HTTP server in a thread, with a script for each of its URLs.

`receivers.py` has those that live in a test's own event loop and speak byte by byte; this one is for tests of a whole
server: it reads requests as a back end would, remembers them and answers what it was told to.
"""

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator

from tests.harness import AUTH_TOKEN

WAIT_SECONDS = 10


class Reply(NamedTuple):
    """What a hook answers to one request: a status, or no more than closing the connection."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    held: bool = False  # until the hook is released
    closes: bool = False


OK = Reply()
HANGING = Reply(held=True)
CLOSING = Reply(closes=True)


def changing(status: int = 200, content_type: str = "application/json", **changes: Any) -> Reply:
    """An answer in JSON."""
    return Reply(status, (("Content-Type", content_type),), json.dumps(changes).encode())


class Request(NamedTuple):
    """One request as it came."""

    moment: float  # monotonic
    method: str
    url: str
    headers: dict[str, str]  # names in lower case
    content: str  # the body of a POST, the query of a GET

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters in the order in which they came."""
        return parse_qsl(self.content, keep_blank_values=True, strict_parsing=bool(self.content))

    @property
    def parameters(self) -> dict[str, str]:
        found = dict(self.pairs)
        assert len(found) == len(self.pairs), self.content
        return found

    @property
    def event(self) -> str:
        return self.parameters["EventType"]

    @property
    def retry(self) -> int:
        return int(self.parameters["RetryCount"])

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_ours(self, auth_token: str = AUTH_TOKEN) -> bool:
        """What Twilio's own library says of the signature."""
        form = self.parameters if self.method == "POST" else {}
        valid: bool = RequestValidator(auth_token).validate(self.url, form, self.headers["x-twilio-signature"])
        return valid

    def verify(self, secret: str) -> None:
        """As the library of Standard Webhooks does. Raises WebhookVerificationError."""
        Webhook(secret).verify(self.content, self.headers, json_parse=False)


@dataclass
class Hook:
    """One URL of the receiver: what has come there and what is answered, the last reply for ever."""

    url: str
    path: str
    wants: threading.Condition
    run_soon: Callable[..., object]
    replies: list[Reply] = field(default_factory=lambda: [OK])
    requests: list[Request] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def answers(self, *replies: Reply) -> "Hook":
        self.replies = list(replies)
        return self

    def wait(self, number: int, seconds: float = WAIT_SECONDS) -> list[Request]:
        """The first so many requests, as soon as they have come."""
        with self.wants:
            came = self.wants.wait_for(lambda: len(self.requests) >= number, seconds)
        assert came, f"{len(self.requests)} of {number} requests in {seconds} s: {self.requests}"
        return self.requests[:number]

    def release(self) -> None:
        """Let every held reply go, now and in future."""
        self.run_soon(self._released.set)

    async def reply(self, request: Request) -> Reply:
        with self.wants:
            reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
            self.requests.append(request)
            self.wants.notify_all()
        if reply.held:
            await self._released.wait()
        return reply


class Receiver:
    """An HTTP server on a port of its own, in a thread of its own."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._hooks: dict[str, Hook] = {}
        self._numbers = itertools.count(1)
        self._wants = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = threading.Event()
        self._over = asyncio.Event()

    def hook(self, *replies: Reply, path: str | None = None) -> Hook:
        """A new URL."""
        path = path or f"/hooks/{next(self._numbers)}"
        hook = Hook(f"http://127.0.0.1:{self.port}{path}", path, self._wants, self._loop.call_soon_threadsafe)
        self._hooks[path] = hook
        return hook.answers(*(replies or [OK]))

    @contextlib.contextmanager
    def running(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        assert self._up.wait(WAIT_SECONDS)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join()
            self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._over.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)
        await server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass  # the receiver stops
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and answer it; whether another one may follow."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path, _, query = target.partition("?")
        content = query if method == "GET" else body.decode()
        request = Request(time.monotonic(), method, f"http://{headers['host']}{target}", headers, content)
        reply = await self._hooks[path].reply(request)
        if reply.closes:
            return False
        writer.write(written(reply))
        await writer.drain()
        return True


def written(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} Said"]
    lines += [f"{name}: {value}" for name, value in (*reply.headers, ("Content-Length", str(len(reply.body))))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body


@contextlib.contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver for as long as the block."""
    with Receiver(port).running() as receiver:
        yield receiver
