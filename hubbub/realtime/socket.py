"""A client's WebSocket as uvicorn hands it over: carries out what the session says, within bounds.

Frames go straight to the transport, and uvloop writes at once: whoever has several for a client joins them. A
connection has no task of its own but while its token is checked or its requests run, and one timer.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.connection import Connection
from hubbub.realtime.flow import Flow
from hubbub.realtime.frames import (
    BINARY,
    CLOSE,
    GOING_AWAY,
    PING,
    POLICY,
    PONG,
    PROTOCOL_ERROR,
    BadFrame,
    FrameReader,
    close_frame,
    frame,
)
from hubbub.realtime.gateway import Gateway
from hubbub.realtime.handshake import shake_hands
from hubbub.realtime.session import Check, Effects, Run, Send, Session, State
from hubbub.realtime.tunnel import Reply
from hubbub.resources.tokens.model import Access

log = logging.getLogger("hubbub.realtime")

FIRST_LIMIT = 64 * 1024  # bytes of a message before the client is let in: its token, and what it says of itself
LIMIT = 512 * 1024  # after that: the longest body and attributes, escaped
INIT_SECONDS = 10
CLOSE_SECONDS = 2  # for the other side of a closing handshake
RECONNECT = (200, 2_000)  # ms, on top of the SDK's own 3 s: clients that are sent away do not all come back at once
PING_FRAME = frame(b"", PING)


class Socket(asyncio.Protocol):
    """uvicorn's `ws` protocol."""

    __slots__ = (
        "_flow",
        "_gateway",
        "_is_closing",
        "_loop",
        "_origin",
        "_reader",
        "_server_state",
        "_task",
        "_timer",
        "connection",
        "session",
    )

    _flow: Flow

    def __init__(self, gateway: Gateway, *, config: Any, server_state: Any, app_state: Any) -> None:  # noqa: ARG002 - uvicorn's
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._server_state = server_state
        self._reader: FrameReader | None = None  # none before the handshake and after the end
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._origin = ""
        self.session = Session()
        self.connection: Connection | None = None

    # What comes from the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # it is a stream's
        self._flow = Flow(transport)
        self._server_state.connections.add(self)
        self._gateway.sockets += 1

    def data_received(self, data: bytes) -> None:
        self._flow.heard()
        if self._reader is None:
            self._open(data)
            return
        try:
            for opcode, payload in self._reader.receive(data):
                if opcode != BINARY:
                    self._control(opcode, payload)
                elif effects := self.session.receive(payload):  # an acknowledgement has none
                    self._carry_out(effects)
        except BadFrame as error:
            self._close(error.code, error.reason)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._server_state.connections.discard(self)
        self._gateway.sockets -= 1
        self._finish()
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        self._flow.stall()

    def resume_writing(self) -> None:
        self._flow.resume()

    # What comes from uvicorn

    def shutdown(self) -> None:
        """The server stops: the client gets its answers, is told to come back later, and is gone in time."""
        self._carry_out(self.session.offload(random.randint(*RECONNECT)))  # noqa: S311 - no secret
        if self.session.state is not State.ENDED:
            self._set_timer(self._gateway.chat.settings.shutdown_seconds * 0.6, self._give_up)
            if self.session.state is State.LEAVING:
                self._linger()

    def _give_up(self) -> None:
        if self.connection is not None:
            self.connection.give_up()
        self._linger()

    def _linger(self) -> None:
        """The client closes on its own when it has read the `close`; otherwise it is closed."""
        seconds = self._gateway.chat.settings.shutdown_seconds * 0.1
        self._set_timer(seconds, partial(self._close, GOING_AWAY, "the server is stopping"))

    # The handshake

    def _open(self, head: bytes) -> None:
        if self._flow.transport.is_closing():
            return
        peer = self._flow.transport.get_extra_info("peername")
        answer, origin = shake_hands(
            head,
            is_full=self._gateway.is_full,
            scheme="https" if self._flow.transport.get_extra_info("sslcontext") else "http",
            is_proxied=bool(peer) and peer[0] in self._gateway.trusted_proxies,
        )
        self._flow.transport.write(answer)
        if origin is None:
            self._flow.transport.close()
            return
        self._origin = origin
        self._reader = FrameReader(FIRST_LIMIT)
        self._set_timer(min(INIT_SECONDS, self._gateway.chat.settings.realtime_ping_seconds), self._tick)

    # What the session and the requests want

    def _carry_out(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._flow.write(frame(effect.packet))
            elif isinstance(effect, Run):
                self._run(effect)
            elif isinstance(effect, Check):
                self._task = self._loop.create_task(self._check(effect))
            elif effect.code is None:
                self._hang_up()
            else:
                self._close(effect.code, effect.reason)

    def _run(self, effect: Run) -> None:
        assert self.connection is not None  # the session runs nothing before it has let the client in
        self.connection.run(effect.request, partial(self._answer, effect.id))
        self._flow.adjust_reading()

    def _answer(self, packet_id: str, reply: Reply) -> None:
        self._carry_out(self.session.answer(packet_id, reply))
        if self.session.state is State.LEAVING:
            self._linger()
        self._flow.adjust_reading()

    async def _check(self, check: Check) -> None:
        try:
            access = await self._gateway.authenticate(check.token)
            await self._admit(check.id, access)
        except ChatError as error:
            self._carry_out(self.session.refuse(check.id, error))
        except Exception:
            log.exception("A token could not be checked")
            self._carry_out(self.session.refuse(check.id, ERRORS.INTERNAL()))

    async def _admit(self, packet_id: str, access: Access) -> None:
        connection = self.connection or await self._let_in(access)
        if self._is_closing:
            return
        who = (access.service.key, access.caller.identity)
        self._carry_out(self.session.admit(packet_id, who, access.expires, self._now(), str(uuid4())))
        if self.session.who == who:
            connection.access = access
        if self.connection is None:
            self._begin(connection)
        if self.session.state is State.OPEN:
            self._set_tick()

    async def _let_in(self, access: Access) -> Connection:
        return await self._gateway.let_in(access, self._flow.transport.write, self._hang_up, self._origin)

    def _begin(self, connection: Connection) -> None:
        assert self._reader is not None  # its init came through it
        self._reader.limit = LIMIT
        self.connection = connection
        self._flow.let_in(connection)
        self._gateway.add(connection)

    # Time

    def _now(self) -> int:
        return self._gateway.chat.clock()

    def _set_timer(self, seconds: float, callback: Callable[[], object]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, callback)

    def _set_tick(self) -> None:
        seconds: float = self._gateway.chat.settings.realtime_ping_seconds
        if self.session.due is not None:
            seconds = max(0, min(seconds, (self.session.due - self._now()) / 1000))
        self._set_timer(seconds, self._tick)

    def _tick(self) -> None:
        if self.connection is None:
            self._close(POLICY, "no init in time")
            return
        self._carry_out(self.session.wake(self._now()))
        if self._is_closing:
            return
        if self._flow.is_gone():
            log.info("%s has been silent: dropped", self.connection.user.identity)
            self._flow.transport.abort()
            return
        self._flow.write(PING_FRAME)
        self._set_tick()

    # The end

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING and not self._is_closing:
            self._flow.write(frame(payload, PONG))
        elif opcode == CLOSE:
            if not self._is_closing:
                self._flow.write(close_frame(PROTOCOL_ERROR) if len(payload) == 1 else frame(payload[:2], CLOSE))
            self._hang_up()

    def _close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake; whoever is in it already is cut off."""
        if self._is_closing:
            self._flow.transport.abort()
            return
        self._finish()
        self._flow.write(close_frame(code, reason))
        self._flow.adjust_reading(is_closing=True)
        self._set_timer(CLOSE_SECONDS, self._flow.transport.abort)

    def _hang_up(self) -> None:
        """Close the connection when all is sent, or soon in any case."""
        self._finish()
        self._flow.transport.close()
        self._set_timer(CLOSE_SECONDS, self._flow.transport.abort)

    def _finish(self) -> None:
        """The client is not served any more."""
        self._is_closing = True
        self.session.state = State.ENDED
        if self.connection is not None:
            self.connection.end()
