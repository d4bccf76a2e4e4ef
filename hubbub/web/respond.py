"""Answers: JSON, the error body, and the headers that every answer has."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from hubbub.errors import ERRORS, ChatError
from hubbub.sids import new_sid

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Scope = MutableMapping[str, Any]
Header = tuple[bytes, bytes]

encode = msgspec.json.Encoder().encode

# The contract names these on every answer; browsers need them for the media service.
CORS: list[Header] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        (
            b"Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, "
            b"If-Unmodified-Since, X-Twilio-Token"
        ),
    ),
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-expose-headers", b"ETag"),
]
JSON: Header = (b"content-type", b"application/json")
CHALLENGE: Header = (b"www-authenticate", b'Basic realm="Twilio API"')
TOKEN_CHALLENGE: Header = (b"www-authenticate", b'X-Twilio-Token realm="Twilio API"')  # no browser asks for a password


def standing() -> list[Header]:
    """The headers that every answer has."""
    return [(b"twilio-request-id", new_sid("RQ").encode()), *CORS]


async def send_bytes(send: Send, status: int, body: bytes, *headers: Header) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                *headers,
                (b"content-length", b"%d" % len(body)),
                *standing(),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, status: int, content: Any) -> None:
    await send_bytes(send, status, encode(content), JSON)


async def send_error(send: Send, error: ChatError, path: str) -> None:
    challenge = []
    if error.status == 401:  # noqa: PLR2004 - an HTTP status names itself
        challenge.append(CHALLENGE if error.code == ERRORS.AUTHENTICATE.code else TOKEN_CHALLENGE)
    await send_bytes(send, error.status, error_body(error, path), JSON, *challenge)


def error_body(error: ChatError, path: str) -> bytes:
    """The error body has exactly these four keys; `path` fills the 404's message, without the version."""
    return encode(
        {
            "code": error.code,
            "message": error.message.replace("{path}", path.removeprefix("/v2")),
            "more_info": f"https://www.twilio.com/docs/errors/{error.code}",
            "status": error.status,
        }
    )
