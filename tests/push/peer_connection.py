"""One connection of the push service beside the tests: it tells its listener what comes, and does what that says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

if TYPE_CHECKING:
    from tests.push.peer import Listener

WALK = 256  # requests after which h2 may look for streams that have ended
ANY_STREAM = 2**31 - 1


class Reply(NamedTuple):
    """What is said to a request: an answer, or one of the ways not to give one."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reset: ErrorCodes | None = None  # end the stream with this code instead
    drops: bool = False  # end the connection instead
    silent: bool = False  # say nothing, ever


SILENT = Reply(silent=True)
REFUSED = Reply(reset=ErrorCodes.REFUSED_STREAM)
DROPPING = Reply(drops=True)


@dataclass(eq=False, slots=True)
class Request:
    """One request as it came."""

    connection: int  # from 1
    stream: int
    method: str
    path: str
    headers: dict[str, str]  # without those that begin with a colon
    body: bytes = b""
    subject: str | None = None  # the common name in the client's certificate
    literals: frozenset[str] = frozenset()  # the headers that came as "never indexed"


def echo(request: Request) -> Reply:
    """What Apple says to a push that it takes."""
    apns_id = request.headers.get("apns-id")
    return Reply(headers=(("apns-id", apns_id),) if apns_id else ())


Answer = Callable[[Request], Reply]


class Quick(H2Connection):
    """h2 counts the open streams anew for each request, by walking all; the listener counts them itself."""

    walks = 0

    @property
    def open_inbound_streams(self) -> int:
        self.walks += 1
        return 0 if self.walks % WALK else super().open_inbound_streams


class Conversation(asyncio.Protocol):
    """One connection of a listener."""

    transport: asyncio.Transport

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self.h2 = Quick(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=listener.strict,
            )
        )
        limits: dict[SettingCodes, int] = {SettingCodes.MAX_CONCURRENT_STREAMS: listener.streams, **listener.settings}
        self.h2.local_settings = Settings(client=False, initial_values=limits)
        self.open: dict[int, Request] = {}
        self.unsent: dict[int, bytes] = {}  # what is left of bodies that the client's window has no room for
        self.last: int | None = None  # the last stream that is still answered, after a GOAWAY
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        certificate = transport.get_extra_info("ssl_object").getpeercert() or {}
        names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
        self.subject: str | None = names[0] if names else None
        self.number = self.listener.came(self)
        self.h2.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.open.clear()
        self.listener.went(self)
        self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.listener.deaf:
            return
        try:
            events = self.h2.receive_data(data)
        except ProtocolError as error:
            self.listener.note(self.listener.faults, f"{type(error).__name__}: {error}")
            self.flush()
            self.transport.close()
            return
        for event in events:
            handle = self.HANDLERS.get(type(event))
            if handle is not None:
                handle(self, event)
        self.flush()

    def flush(self) -> None:
        if self.listener.greets and (data := self.h2.data_to_send()):
            self.transport.write(data)

    # What the client says.

    def on_request(self, event: h2.events.RequestReceived) -> None:
        stream, headers = event.stream_id, event.headers
        if self.last is not None and stream > self.last:
            return
        found = {bytes(name).decode(): bytes(value).decode() for name, value in headers}
        literals = frozenset(bytes(header[0]).decode() for header in headers if not getattr(header, "indexable", True))
        method, path = found.pop(":method"), found.pop(":path")
        del found[":scheme"], found[":authority"]
        self.open[stream] = Request(self.number, stream, method, path, found, b"", self.subject, literals)
        self.listener.opened(len(self.open))

    def on_data(self, event: h2.events.DataReceived) -> None:
        request = self.open.get(event.stream_id)
        if request is not None:
            request.body += event.data
        if not self.listener.stingy:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def on_end(self, event: h2.events.StreamEnded) -> None:
        request = self.open.get(event.stream_id)
        if request is not None:
            self.listener.asked(self, request)

    def on_reset(self, event: h2.events.StreamReset) -> None:
        request = self.open.pop(event.stream_id, None)
        self.unsent.pop(event.stream_id, None)
        if request is not None:
            self.listener.note(self.listener.resets, (request, event.error_code))
            self.leave()

    def on_window(self, event: h2.events.Event) -> None:  # noqa: ARG002
        for stream in tuple(self.unsent):
            self.send_body(stream)

    def on_ping(self, event: h2.events.PingReceived) -> None:
        self.listener.note(self.listener.pings, event.ping_data)

    def on_goodbye(self, event: h2.events.Event) -> None:  # noqa: ARG002
        self.open.clear()

    # What it is told.

    def reply(self, request: Request, reply: Reply) -> None:
        stream = request.stream
        if stream not in self.open or reply.silent:
            return
        if reply.drops:
            self.transport.abort()
        elif reply.reset is not None:
            del self.open[stream]
            self.h2.reset_stream(stream, reply.reset)
        else:
            fields = [(name.encode(), value.encode()) for name, value in reply.headers]
            status = (b":status", b"%d" % reply.status)
            self.h2.send_headers(stream, [status, *fields], end_stream=not reply.body)
            if reply.body:
                self.unsent[stream] = reply.body
                self.send_body(stream)
            else:
                del self.open[stream]
        self.leave()

    def send_body(self, stream: int) -> None:
        body = self.unsent.pop(stream)
        while body and (size := min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)):
            self.h2.send_data(stream, body[:size], end_stream=len(body) <= size)
            body = body[size:]
        if body:
            self.unsent[stream] = body
        else:
            del self.open[stream]
            self.leave()

    def go_away(self, last: int | None, code: ErrorCodes, data: bytes) -> None:
        """Written by hand: h2 would say nothing more after it, and a server that goes away still answers."""
        self.last = self.h2.highest_inbound_stream_id if last is None else last
        frame = GoAwayFrame(0, last_stream_id=self.last, error_code=code, additional_data=data)
        self.flush()
        self.transport.write(frame.serialize())
        for stream in [stream for stream in self.open if stream > self.last]:
            del self.open[stream]
        self.leave()

    def leave(self) -> None:
        if self.last is not None and self.last != ANY_STREAM and not self.open:
            self.flush()
            self.transport.close()

    HANDLERS: dict[type[h2.events.Event], Callable[[Any, Any], None]] = {  # noqa: RUF012 - it is never changed
        h2.events.RequestReceived: on_request,
        h2.events.DataReceived: on_data,
        h2.events.StreamEnded: on_end,
        h2.events.StreamReset: on_reset,
        h2.events.WindowUpdated: on_window,
        h2.events.RemoteSettingsChanged: on_window,
        h2.events.PingReceived: on_ping,
        h2.events.ConnectionTerminated: on_goodbye,
    }
