"""The opening of a WebSocket: which requests become one."""

from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.tunnel import strip_region
from hubbub.web.respond import error_body

PATH = "/v3/wsconnect"


def shake_hands(head: bytes, *, is_full: bool, scheme: str, is_proxied: bool) -> tuple[bytes, str | None]:
    """The answer to a request head, and, when a WebSocket begins after it, the scheme and host that the app reaches.

    Any origin may connect: the token says who it is. No extension and no subprotocol is agreed on. `is_proxied` says
    that the request comes from a proxy that is believed.
    """
    protocol = ServerProtocol()
    protocol.receive_data(head)
    requests = protocol.events_received()
    if requests and isinstance(request := requests[0], Request):
        refusal = refuse(request, is_full=is_full)
        response = refusal or protocol.accept(request)
        protocol.send_response(response)
        is_open = response.status_code == 101  # noqa: PLR2004 - an HTTP status
        reached = reached_at(request, scheme, is_proxied=is_proxied) if is_open else None
        return b"".join(protocol.data_to_send()), reached
    return b"".join(protocol.data_to_send()), None


def reached_at(request: Request, scheme: str, *, is_proxied: bool) -> str:
    """Where the app has come to, so that the URLs in its answers lead there, too."""
    if is_proxied:
        forwarded = request.headers.get_all("X-Forwarded-Proto")
        scheme = "https" if forwarded and forwarded[0].strip() in {"https", "wss"} else scheme
    hosts = request.headers.get_all("Host")
    return f"{scheme}://{hosts[0]}" if hosts else ""


def refuse(request: Request, *, is_full: bool) -> Response | None:
    """The refusal of a request that shall not become a WebSocket. A region of `HOST/x` puts a part before the path."""
    path = urlsplit(request.path).path
    if strip_region(path) != PATH:
        return failure(ERRORS.NOT_FOUND(), path)
    if is_full:
        return failure(ERRORS.UNAVAILABLE(reason="too many connections"), path)
    return None


def failure(error: ChatError, path: str) -> Response:
    body = error_body(error, path)
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
    return Response(error.status, "Refused", headers, body)
