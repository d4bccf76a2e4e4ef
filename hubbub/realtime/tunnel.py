"""HTTP inside the WebSocket: which handler answers a tunnelled request, and how a failure is told.

The service is the first label of the request's host (`aim`, `cds`, `ers`); the rest of the host is not looked at.
Each module of handlers has its list of routes, `(service, method, path, handler)`, the path as `/v3/Maps/{Name}`. A
handler gets the connection, the request and the decoded path parameters, named as the REST handlers name them
(`{ConversationSid}` is conversation_sid), and returns a Reply or raises a ChatError.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.packets import BadPacket, Packet, read
from hubbub.storage.database import Contention
from hubbub.web.respond import error_body
from hubbub.web.router import Router

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

log = logging.getLogger("hubbub.realtime")

RETRIES = 3
REGION_SUFFIX = ".twilio.com"


class Request(msgspec.Struct, gc=False):
    """A tunnelled request. `params` are decoded, `path` is as it was sent; header names are in lower case."""

    service: str
    method: str
    path: str
    params: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Reply(msgspec.Struct, gc=False):
    """The answer to it; the body is JSON."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


Handler = Callable[["Connection", Request, dict[str, str]], Awaitable[Reply]]
Route = tuple[str, str, str, Handler]


class HttpRequest(msgspec.Struct, gc=False):
    host: str
    path: str
    method: str = "GET"
    params: dict[str, str | list[str]] | None = None
    headers: dict[str, str] | None = None


class Envelope(msgspec.Struct, gc=False):
    """What a packet has that carries a request."""

    http_request: HttpRequest


def read_request(packet: Packet) -> Request:
    """The request that a packet carries. Raises BadPacket."""
    http = read(packet, Envelope).http_request
    try:
        params = read_params(http.params or {})
    except UnicodeDecodeError as error:
        raise BadPacket("its parameters are not UTF-8") from error
    return Request(
        http.host.partition(".")[0].partition(":")[0].lower(),
        http.method.upper(),
        strip_region(http.path),
        params,
        {name.lower(): value for name, value in (http.headers or {}).items()},
        packet.payload,
    )


def read_params(params: dict[str, str | list[str]]) -> dict[str, list[str]]:
    """The SDKs send the names and values of a query still percent-encoded, and repeated names as a list."""
    decoded: dict[str, list[str]] = {}
    for name, value in params.items():
        values = [value] if isinstance(value, str) else value
        decoded[decode(name)] = [decode(each) for each in values]
    return decoded


def decode(text: str) -> str:
    return unquote(text, errors="strict") if "%" in text else text


def strip_region(path: str) -> str:
    """The path without the `x.twilio.com` that the SDK puts before it when its region is `HOST/x`."""
    first, slash, rest = path[1:].partition("/")
    return slash + rest if slash and first.endswith(REGION_SUFFIX) else path


class Tunnel:
    """Every route of the tunnelled services."""

    def __init__(self, routes: Iterable[Route]) -> None:
        by_path: dict[str, dict[str, Handler]] = defaultdict(dict)
        for service, method, path, handler in routes:
            by_path[f"/{service}{path}"][method] = handler
        self._find = Router(by_path.items()).find
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a request's work to its end, whoever still waits for it."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self, seconds: float) -> None:
        """Give what still runs these seconds, and cut it off then."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in tuple(self._running):
            task.cancel()

    async def answer(self, connection: "Connection", request: Request) -> Reply:
        """The handler's reply, or the failure as REST tells it: no exception leaves but a cancellation."""
        try:
            return await self._call(connection, request)
        except ChatError as error:
            return refusal(error, request.path)
        except Contention:
            return refusal(ERRORS.CONFLICT(), request.path)
        except Exception:
            log.exception("%s %s%s failed", request.method, request.service, request.path)
            return reply(ERRORS.INTERNAL(), request.path)

    async def _call(self, connection: "Connection", request: Request) -> Reply:
        found = self._find(f"/{request.service}{request.path}")
        if found is None:
            raise ERRORS.NOT_FOUND()
        handlers, parts = found
        handler = handlers.get(request.method)
        if handler is None:
            raise ERRORS.METHOD_NOT_ALLOWED()
        try:
            path = {name: decode(part) for name, part in parts.items()}
        except UnicodeDecodeError as error:
            raise ERRORS.MALFORMED_REQUEST(reason="not UTF-8") from error
        check_text(path, request.params)
        for _ in range(RETRIES):
            try:
                return await handler(connection, request, path)  # type: ignore[no-any-return] # the router holds Any
            except Contention:
                continue  # nothing was stored then
        return await handler(connection, request, path)  # type: ignore[no-any-return] # likewise


def check_text(path: dict[str, str], params: dict[str, list[str]]) -> None:
    """No text that is stored has a NUL. Raises ERRORS.NOT_FOUND for a name with one, ERRORS.MALFORMED_REQUEST else."""
    if any("\0" in part for part in path.values()):
        raise ERRORS.NOT_FOUND()
    if any("\0" in value for values in params.values() for value in values):
        raise ERRORS.MALFORMED_REQUEST(reason="a NUL character")


def refusal(error: ChatError, path: str) -> Reply:
    """The error as REST tells it; one that is the server's is logged."""
    if error.status >= 500:  # noqa: PLR2004 - an HTTP status names itself
        log.warning("%s: %s (%r)", path, error.message, error.__cause__)
    return reply(error, path)


def stopping(path: str) -> Reply:
    """What a request gets that the end of the server leaves no time for. The SDKs try GETs again."""
    return reply(ERRORS.UNAVAILABLE(reason="the server is stopping"), path)


def reply(error: ChatError, path: str) -> Reply:
    return Reply(error.status, error_body(error, path))
