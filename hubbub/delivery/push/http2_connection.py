"""One HTTP/2 connection: as many requests at a time as the peer allows, and each gets its answer or an error."""

import asyncio
from collections.abc import Callable
from time import thread_time
from typing import Any, ClassVar, cast

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from hubbub.delivery.outcome import Unreachable
from hubbub.delivery.push.http2_protocol import Answer, Cutter, Owner, Request, code_name, protocol, refusal

STREAMS = 500  # at a time, though the peer allow more: the end of a connection costs all that are open
LIFETIME = 2**30 - 1  # requests on one connection: then there are no more numbers for them
BURST = 32  # requests written in one go, before others have their turn on the event loop
REPEATS = 3  # of a request that the peer has not looked at
BODY_LIMIT = 256 * 1024  # of an answer
PING_SECONDS = 5.0  # without a word while an answer is due; after as much again the connection counts as dead
IDLE_SECONDS = 180.0  # firewalls on the way forget a silent connection after four minutes and more
TIMEOUTS = 5  # in a row, after which it is not worth keeping


class Connection(asyncio.Protocol):
    """Takes requests out of its owner's queue whenever there is room for them."""

    _transport: asyncio.Transport

    def __init__(self, owner: Owner, where: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._where = where  # for sentences
        self.ready: asyncio.Future[None] = self._loop.create_future()  # the peer has said how many it takes
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.leaving = False  # takes no more requests
        self._h2 = protocol()
        self._cutter = Cutter(self._h2.max_inbound_frame_size)
        self._streams: dict[int, Request] = {}
        self._blocked: dict[int, Request] = {}  # those of them with a body that the peer has no room for yet
        self._limit = 0  # of streams at a time
        self.begun = 0  # requests so far
        self._flushing = False
        self._heard = self._pinged = False  # in this turn of the timer
        self._used = self._loop.time()
        self._timeouts = 0
        self._farewell = ""
        self._broken: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None

    def flush_soon(self) -> None:
        """Send what waits, together with all else that comes up in this turn of the event loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def drop(self, request: Request, *, timed_out: bool = False) -> None:
        """Nobody waits for its answer any more."""
        if self._take(request.stream) is None or self._transport.is_closing():
            return
        self._h2.reset_stream(request.stream, ErrorCodes.CANCEL)
        self.flush_soon()
        self._timeouts += timed_out
        if self._timeouts >= TIMEOUTS:
            self.end(Unreachable(f"{self._where} left {TIMEOUTS} requests in a row without an answer."))

    def end(self, error: Exception) -> None:
        """Close it at once; what is open on it gets the error."""
        if self._broken is None:
            self._broken = error
            self._leave()
            self._transport.abort()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._owner.connections.add(self)
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            self.end(Unreachable(f"{self._where} does not speak HTTP/2."))
            return
        self._h2.initiate_connection()
        self._write()
        self._timer = self._loop.call_later(PING_SECONDS, self._tick)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        began = thread_time()
        self._heard = True
        try:
            for frames, goaway in self._cutter.cut(data):
                for event in self._h2.receive_data(frames):
                    handle = self.HANDLERS.get(type(event))
                    if handle is not None:
                        handle(self, event)
                if goaway is not None:
                    self._go_away(goaway)
        except ProtocolError as error:
            self._write()  # h2 tells the peer
            self.end(Unreachable(f"{self._where} does not keep to HTTP/2: {error}."))
        else:
            self._send()
        self._owner.busy_seconds += thread_time() - began

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._owner.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        error = self._broken or refusal(self._where, exc) or self._loss(exc)
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # nobody may be left to ask for it
        for request in self._streams.values():
            request.fail(error)
        self._streams.clear()
        self.closed.set_result(None)

    def _loss(self, error: Exception | None) -> Unreachable:
        reason = self._farewell or (str(error) if error else "")
        return Unreachable(f"The connection to {self._where} was lost" + (f" ({reason})." if reason else "."))

    # What the peer tells.

    def _go_away(self, payload: bytes) -> None:
        """Requests behind the last that the peer will look at are sent again, elsewhere."""
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        text = payload[8:208].decode("latin-1")
        self._farewell = code_name(int.from_bytes(payload[4:8], "big")) + (f": {text}" if text else "")
        self._leave()
        for stream in sorted((stream for stream in self._streams if stream > last), reverse=True):
            self._repeat(stream)

    def _on_settings(self, event: events.RemoteSettingsChanged) -> None:  # noqa: ARG002 - h2 keeps them all
        self._limit = min(self._h2.remote_settings.max_concurrent_streams, STREAMS)
        if not self.ready.done():
            self.ready.set_result(None)

    def _on_head(self, event: events.ResponseReceived) -> None:
        request = self._streams.get(event.stream_id)
        if request is not None:
            request.fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}

    def _on_data(self, event: events.DataReceived) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        request = self._streams.get(event.stream_id)
        if request is None:
            return
        request.size += len(event.data)
        if request.size <= BODY_LIMIT:
            request.chunks.append(event.data)
        else:
            request.chunks.clear()

    def _on_end(self, event: events.StreamEnded) -> None:
        request = self._streams.get(event.stream_id)
        if request is not None:
            self._settle(request)

    def _on_reset(self, event: events.StreamReset) -> None:
        if event.error_code == ErrorCodes.REFUSED_STREAM:
            self._repeat(event.stream_id)
            return
        request = self._take(event.stream_id)
        if request is not None:
            request.fail(Unreachable(f"{self._where} broke the request off ({code_name(event.error_code)})."))

    HANDLERS: ClassVar[dict[type[events.Event], Callable[[Any, Any], None]]] = {
        events.RemoteSettingsChanged: _on_settings,
        events.ResponseReceived: _on_head,
        events.DataReceived: _on_data,
        events.StreamEnded: _on_end,
        events.StreamReset: _on_reset,
    }

    # How a request ends.

    def _take(self, stream: int) -> Request | None:
        """The stream is over, as far as this side is concerned."""
        self._blocked.pop(stream, None)
        return self._streams.pop(stream, None)

    def _settle(self, request: Request) -> None:
        if request.stream in self._blocked:  # answered before all of it was sent
            self._h2.reset_stream(request.stream, ErrorCodes.CANCEL)
        self._take(request.stream)
        self._timeouts = 0
        status = request.fields.pop(":status", "")
        if not status.isdecimal():
            request.fail(Unreachable(f"{self._where} answered without a status."))
        elif not request.answer.done():
            request.answer.set_result(Answer(int(status), request.fields, b"".join(request.chunks)))

    def _repeat(self, stream: int) -> None:
        """The peer has not looked at it: it waits again, before all others."""
        request = self._take(stream)
        if request is None:
            return
        request.begin(None, 0)
        request.repeats += 1
        if request.repeats > REPEATS:
            request.fail(Unreachable(f"{self._where} refused the request {request.repeats} times."))
        else:
            self._owner.waiting.appendleft(request)
            self._owner.wake()

    # What is sent.

    def _flush(self) -> None:
        self._flushing = False
        if self._transport.is_closing():
            self._leave()
            return
        began = thread_time()
        self._send()
        self._owner.busy_seconds += thread_time() - began

    def _send(self) -> None:
        """All that there is room for: first what is left of bodies, then new requests."""
        for request in tuple(self._blocked.values()):
            self._send_body(request)
        waiting = self._owner.waiting
        for _ in range(BURST):
            if not waiting or self.leaving or len(self._streams) >= self._limit:
                break
            if self._h2.outbound_flow_control_window <= 0:
                break
            self._begin(waiting.popleft())
        else:
            self.flush_soon()
        self._write()
        if self.leaving and not self._streams:
            self._finish()

    def _begin(self, request: Request) -> None:
        if request.answer.done():
            return
        stream = self._h2.get_next_available_stream_id()
        request.begin(self, stream)
        self._streams[stream] = request
        self.begun += 1
        self._used = self._loop.time()
        self._h2.send_headers(stream, request.head, end_stream=not request.body)
        if request.body:
            self._send_body(request)
        if self.begun >= LIFETIME:
            self._leave()

    def _send_body(self, request: Request) -> None:
        """As much of it as there is room for."""
        stream, body = request.stream, request.body
        while request.sent < len(body):
            size = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if size <= 0:
                self._blocked[stream] = request
                return
            chunk = body[request.sent : request.sent + size]
            request.sent += len(chunk)
            self._h2.send_data(stream, chunk, end_stream=request.sent == len(body))
        self._blocked.pop(stream, None)

    def _write(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._transport.write(data)

    # How it ends.

    def _leave(self) -> None:
        if not self.leaving:
            self.leaving = True
            self._owner.left(self)

    def _finish(self) -> None:
        """Close it as is fit; nothing is open."""
        self._h2.close_connection()
        self._write()
        self._transport.close()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(PING_SECONDS, self._tick)
        if self._transport.is_closing():
            return
        if self._heard:
            self._heard = self._pinged = False
        elif self._pinged:
            self.end(Unreachable(f"{self._where} fell silent: it did not answer a PING within {PING_SECONDS:g} s."))
        elif self._streams:
            self._pinged = True
            self._h2.ping(b"are you?")
            self._write()
        elif self._loop.time() - self._used > IDLE_SECONDS:
            self._leave()
            self._finish()
