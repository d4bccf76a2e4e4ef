"""What HTTP/2 takes beside the connection itself: requests and answers, h2 as it is wanted here, frames and alerts."""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import FrameTooLargeError
from h2.settings import SettingCodes, Settings
from hpack import Encoder, HeaderTuple

from hubbub.delivery.outcome import Unreachable

if TYPE_CHECKING:
    from hubbub.delivery.push.http2_connection import Connection

HEAD_LIMIT = 16 * 1024  # of an answer
FRAME_HEAD = 9
GOAWAY = 7  # the type of the frame

# The TLS alerts by which a peer says that it does not take our certificate.
REFUSALS = frozenset(
    {
        "access denied",
        "bad certificate",
        "certificate expired",
        "certificate required",
        "certificate revoked",
        "certificate unknown",
        "handshake failure",
        "unknown ca",
        "unsupported certificate",
    }
)


class Answer(msgspec.Struct, frozen=True):
    """What the peer said; the names of headers are in lower case, and the body is empty when it passed the limit."""

    status: int
    headers: dict[str, str]
    body: bytes


class CertificateRefused(Unreachable):
    """The peer does not accept the certificate that it was shown, or wants one."""


class Request:
    """A request, and as much of its answer as has come."""

    __slots__ = ("answer", "body", "chunks", "connection", "fields", "head", "repeats", "sent", "size", "stream")

    def __init__(self, head: list[HeaderTuple], body: bytes, answer: "asyncio.Future[Answer]") -> None:
        self.head = head
        self.body = body
        self.answer = answer
        self.repeats = 0
        self.begin(None, 0)

    def begin(self, connection: "Connection | None", stream: int) -> None:
        """On this stream of this connection; None: it waits for one."""
        self.connection = connection
        self.stream = stream
        self.sent = 0  # bytes of the body
        self.fields: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.size = 0

    def fail(self, error: Exception) -> None:
        """Each gets an exception of its own, as an exception keeps the traceback of whoever raises it."""
        if not self.answer.done():
            self.answer.set_exception(type(error)(*error.args))


class Owner(Protocol):
    """Whose connections these are."""

    waiting: deque[Request]  # for a stream, in the order of their coming
    connections: set["Connection"]  # that are open
    busy_seconds: float

    def wake(self) -> None:
        """Something waits."""

    def left(self, connection: "Connection") -> None:
        """The connection takes no more requests."""


class PlainEncoder(Encoder):
    """Leaves out the Huffman code: in Python it takes 17 µs a request, to save 50 bytes of it."""

    def encode(self, headers: Any, huffman: bool = False) -> bytes:  # noqa: ARG002 - h2 does not say it
        return super().encode(headers, huffman=False)


def protocol() -> H2Connection:
    """A client that wants nothing pushed. Headers are checked before they get here, and answers by who reads them."""
    made = H2Connection(
        H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
        )
    )
    made.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.MAX_CONCURRENT_STREAMS: 0,  # of the peer's own
            SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_LIMIT,
        },
    )
    made.decoder.max_header_list_size = HEAD_LIMIT
    made.encoder = PlainEncoder()
    return made


class Cutter:
    """Cuts what is received into whole frames.

    h2 is not told of a GOAWAY: it would take the connection for closed, while the requests up to the last one that
    the peer names are still to be answered.
    """

    def __init__(self, frame_limit: int) -> None:
        self._limit = frame_limit
        self._rest = b""  # the beginning of a frame

    def cut(self, data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """All frames up to a GOAWAY, and the payload of that; at last those that no GOAWAY follows, and None.

        Raises FrameTooLargeError; h2 would do so only when it has all of the frame.
        """
        data = self._rest + data if self._rest else data
        begin = at = 0
        while len(data) - at >= FRAME_HEAD:
            size = int.from_bytes(data[at : at + 3], "big")
            if size > self._limit:
                raise FrameTooLargeError(f"a frame of {size} bytes")
            end = at + FRAME_HEAD + size
            if end > len(data):
                break
            if data[at + 3] == GOAWAY:
                yield data[begin:at], data[at + FRAME_HEAD : end]
                begin = end
            at = end
        self._rest = data[at:]
        yield data[begin:at], None


def code_name(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"code {code}"


def refusal(where: str, error: BaseException | None) -> CertificateRefused | None:
    """What it means, if the peer has said that it does not take our certificate."""
    if not isinstance(error, ssl.SSLError):
        return None
    _, _, alert = (error.reason or "").partition("_ALERT_")
    said = alert.replace("_", " ").lower()
    return CertificateRefused(f"{where} does not accept the certificate: {said}.") if said in REFUSALS else None
