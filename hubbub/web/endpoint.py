"""One endpoint per path: match the method, authenticate, read the fields, call the handler, answer."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from hubbub.chat import Caller, Chat
from hubbub.errors import ERRORS, ChatError
from hubbub.storage.database import Contention
from hubbub.web.call import Call
from hubbub.web.forms import decode_path_part, parse_form
from hubbub.web.paging import Page
from hubbub.web.params import Contract
from hubbub.web.respond import Receive, Scope, Send, send_bytes, send_error, send_json

log = logging.getLogger("hubbub.web")

BODY_LIMIT = 1024 * 1024  # the largest legal form, a message with everything, stays well below
RETRIES = 3
FORM = b"application/x-www-form-urlencoded"

NOBODY = Caller(0, "")

Headers = list[tuple[bytes, bytes]]
Handler = Callable[..., Awaitable[Any]]


class Operation:
    """One operation of the API: a method on a path, its contract, its handler and its success status.

    A handler returns a resource (a dict or a struct), a `Page`, None after a deletion, or an ASGI application that
    answers. One marked `raw` reads the request's body by itself; one marked `anonymous` needs no credentials.
    """

    def __init__(
        self,
        method: str,
        path: str,
        status: int,
        handler: Handler,
        *,
        raw: bool = False,
        anonymous: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.handler = handler
        self.raw = raw
        self.anonymous = anonymous
        self.contract = Contract(handler)
        self.parameters = self.contract.names


class Operations(list[Operation]):
    """The operations of one resource, collected by decorators as its `routes` module is read."""

    def create(self, path: str, *, raw: bool = False) -> Callable[[Handler], Handler]:
        return self._add("POST", path, 201, raw=raw)

    def fetch(self, path: str, *, anonymous: bool = False) -> Callable[[Handler], Handler]:
        return self._add("GET", path, 200, anonymous=anonymous)

    def update(self, path: str, *, raw: bool = False) -> Callable[[Handler], Handler]:
        return self._add("POST", path, 200, raw=raw)

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        return self._add("DELETE", path, 204)

    def _add(self, method: str, path: str, status: int, **marks: bool) -> Callable[[Handler], Handler]:
        def decorate(handler: Handler) -> Handler:
            self.append(Operation(method, path, status, handler, **marks))
            return handler

        return decorate


class Endpoint:
    """The ASGI application of one path. Every failure becomes the error body; none escapes."""

    def __init__(
        self,
        operations: list[Operation],
        chat: Chat,
        authenticate: Callable[[Chat, Headers], Awaitable[Caller]],
        public_url: str,
    ) -> None:
        self._operations = {operation.method: operation for operation in operations}
        self._chat = chat
        self._authenticate = authenticate
        self._public_url = public_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except ChatError as error:
            if error.status >= 500:  # noqa: PLR2004 - an HTTP status names itself
                log.warning("%s %s: %s (%r)", scope["method"], scope["path"], error.message, error.__cause__)
            await refuse(send, error, scope["path"])
        except Contention:
            await refuse(send, ERRORS.CONFLICT(), scope["path"])
        except asyncio.CancelledError:
            await refuse(send, ERRORS.UNAVAILABLE(reason="the server is stopping"), scope["path"])
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await refuse(send, ERRORS.INTERNAL(), scope["path"])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "OPTIONS":
            await send_bytes(send, 200, b"")
            return
        operation = self._operations.get(method)
        if operation is None:
            raise ERRORS.METHOD_NOT_ALLOWED()
        headers = scope["headers"]
        caller = NOBODY if operation.anonymous else await self._authenticate(self._chat, headers)
        call = Call(self._chat, caller, self._public_url or origin(scope), scope, receive)
        path = {name: decode_path_part(part) for name, part in scope["path_params"].items()}
        form = method == "POST" and not operation.raw
        pairs = parse_form(await read_form(headers, receive) if form else scope["query_string"])
        arguments = operation.contract.bind(pairs, headers)
        try:
            answer = await operation.handler(call, **path, **arguments)
        except Contention:
            answer = await retry(operation, call, path | arguments)
        if callable(answer):
            await answer(scope, receive, send)
        elif operation.status == 204:  # noqa: PLR2004 - an HTTP status names itself
            await send_bytes(send, 204, b"")
        elif isinstance(answer, Page):
            await send_json(send, 200, answer.envelope())
        else:
            await send_json(send, operation.status, answer)


async def retry(operation: Operation, call: Call, arguments: dict[str, Any]) -> Any:
    """Call the handler again after another transaction got in its way: nothing was stored then."""
    for _ in range(RETRIES - 1):
        with contextlib.suppress(Contention):
            return await operation.handler(call, **arguments)
    return await operation.handler(call, **arguments)


async def refuse(send: Send, error: ChatError, path: str) -> None:
    """Send the error, unless the answer has begun already: then the broken connection must tell it."""
    with contextlib.suppress(RuntimeError):
        await send_error(send, error, path)


def origin(scope: Scope) -> str:
    """Scheme and host as the caller wrote them, so that the URLs in an answer lead back the same way."""
    for name, value in scope["headers"]:
        if name == b"host":
            return f"{scope['scheme']}://{value.decode('latin-1')}"
    host, port = scope["server"]
    return f"{scope['scheme']}://{host}:{port}"


async def read_form(headers: Headers, receive: Receive) -> bytes:
    """The body of a form. Any other type is read and ignored, as the original does with JSON.

    Raises ERRORS.TOO_LARGE over the limit.
    """
    body = await read_body(receive)
    for name, value in headers:
        if name == b"content-type":
            return body if value[: len(FORM)].lower() == FORM else b""
    return body


async def read_body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ERRORS.MALFORMED_REQUEST(reason="the body ended early")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > BODY_LIMIT:
            raise ERRORS.TOO_LARGE(limit="1 MB")
        if not message.get("more_body", False):
            return b"".join(pieces)
