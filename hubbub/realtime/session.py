"""What may be said when, in the client SDKs' protocol. Pure: no socket, task or clock; time and randomness come in.

Each method returns the effects that it has, in order; the socket carries them out:

    Send      this packet goes to the client
    Check     check this token, then call `admit`, or `refuse` with the error
    Run       run this request, then call `answer` with its reply
    End       end the WebSocket with this close code, or just drop it

    NEW -init-> CHECKING -admit-> OPEN -offload-> DRAINING -last answer-> LEAVING
    any state -close, a refused init, expiry, a bad packet-> ENDED

The allowed moves are MOVES. A packet that has no move in a state changes nothing; when it is one that waits for an
answer, or has no name that we know, it is told so.
"""

from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any

import msgspec

from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.frames import GOING_AWAY, INVALID, NORMAL, POLICY
from hubbub.realtime.packets import MAGIC, BadPacket, Packet, decode, encode, phrase, read, status
from hubbub.realtime.tunnel import Reply, Request, read_request, stopping

WARNING = 180_000  # ms before its end that a token is said to expire
OFFLOAD = 308
BACKOFF = 1_000  # ms that a client waits that could not be let in now
ACKNOWLEDGEMENT = (  # how the JavaScript SDKs end theirs: one for each notification, and nothing else comes as often
    b'"method":"reply","payload_type":"application/json","status":{"code":200,"status":"OK"},"payload_size":0}\r\n'
)
CONTINUATION = 100  # characters of a continuation token that its client gets back as it sent it


class State(Enum):
    NEW = "new"
    CHECKING = "checking"
    OPEN = "open"
    DRAINING = "draining"
    LEAVING = "leaving"
    ENDED = "ended"


class Send(msgspec.Struct, frozen=True, gc=False):
    packet: bytes


class Check(msgspec.Struct, frozen=True, gc=False):
    id: str
    token: str


class Run(msgspec.Struct, frozen=True, gc=False):
    id: str
    request: Request


class End(msgspec.Struct, frozen=True, gc=False):
    code: int | None = None  # of RFC 6455; None drops the connection without a word
    reason: str = ""


Effect = Send | Check | Run | End
Effects = tuple[Effect, ...]


class Init(msgspec.Struct, gc=False):
    token: str
    continuation_token: str | None = None
    capabilities: list[str] | None = None


class Update(msgspec.Struct, gc=False):
    token: str


class Session:
    """One client: `who` is its user, and `due` the next time, in ms, when `wake` has something to do."""

    __slots__ = (
        "_checking",
        "_continuation",
        "_expires",
        "_is_told_of_expiry",
        "_reconnect",
        "_running",
        "due",
        "state",
        "who",
    )

    def __init__(self) -> None:
        self.state = State.NEW
        self.due: int | None = None
        self._checking: str | None = None  # the id of the init or update whose token is being checked
        self._continuation: str | None = None
        self._expires = 0
        self._is_told_of_expiry = False
        self.who: Hashable = None
        self._running = 0  # requests without an answer yet
        self._reconnect = 0

    def receive(self, message: bytes) -> Effects:
        """A message came."""
        if self.state is State.ENDED or (message.endswith(ACKNOWLEDGEMENT) and message.startswith(MAGIC)):
            return ()
        try:
            packet = decode(message)
        except BadPacket as error:
            return self._end(INVALID, f"no packet: {error}")
        move = MOVES.get((self.state, packet.method))
        if move is None:
            return out_of_place(self.state, packet)
        try:
            return move(self, packet)
        except BadPacket as error:
            return (refused(packet.id, 400, f"malformed {packet.method}: {error}"),)

    def admit(self, packet_id: str, who: Hashable, expires: int, now: int, fresh: str) -> Effects:
        """The token is good: it is `who`'s until `expires`. A client without a continuation token gets the `fresh` one.

        The token of an update must be the same user's as before.
        """
        if self.state is State.ENDED:
            return ()
        self._checking = None
        if self.who not in (None, who):
            return (refused(packet_id, 403, "the token is another user's", ERRORS.INVALID_TOKEN.code),)
        self.who = who
        self._expires = expires
        # A token of a few minutes is not said to expire at once, or each new one would be asked for at once, too.
        self.due = max(expires - WARNING, now + (expires - now) // 2) if self._is_told_of_expiry else expires
        if self.state is not State.CHECKING:
            return (Send(encode({"method": "reply", "id": packet_id, "status": status(200)})),)
        self.state = State.OPEN
        return (Send(welcome(packet_id, self._continuation, fresh)),)

    def refuse(self, packet_id: str, error: ChatError) -> Effects:
        """The token is not good, or could not be checked. A refused update leaves the old token in force."""
        if self.state is State.ENDED:
            return ()
        self._checking = None
        told = refused(packet_id, error.status, error.message, error.code)
        return (told, *self._end(POLICY, "refused")) if self.state is State.CHECKING else (told,)

    def answer(self, packet_id: str, reply: Reply) -> Effects:
        """The reply to a request that was to be run."""
        if self.state is State.ENDED:
            return ()
        self._running -= 1
        return (answered(packet_id, reply), *self._leave_when_drained())

    def wake(self, now: int) -> Effects:
        """Time has passed.

        A token that ends drops the connection without a `close`: the client comes back, is refused with 20104, and
        its `updateToken` works then, which it would not after a `close` of 410 (the JavaScript SDK hangs).
        """
        if self.due is None or now < self.due:
            return ()
        if now >= self._expires:
            return self._end()
        self.due = self._expires
        return (
            Send(encode({"method": "client_update", "id": "expiry", "client_update_type": "token_about_to_expire"})),
        )

    def offload(self, reconnect: int) -> Effects:
        """The server is going: tell the client to come back in `reconnect` ms, once it has all its answers.

        The SDKs leave a request without an answer hanging for 30 s after a `close`.
        """
        if self.state in (State.NEW, State.CHECKING):
            return self._end(GOING_AWAY, "the server is stopping")
        if self.state is not State.OPEN:
            return ()
        self.state = State.DRAINING
        self._reconnect = reconnect
        return self._leave_when_drained()

    def _leave_when_drained(self) -> Effects:
        if self.state is not State.DRAINING or self._running:
            return ()
        self.state = State.LEAVING
        header = {"method": "close", "id": "offload", "status": status(OFFLOAD)}
        return (Send(encode(header, backoff(self._reconnect))),)

    def _end(self, code: int | None = None, reason: str = "") -> Effects:
        self.state = State.ENDED
        self.due = None
        return (End(code, reason),)

    def _init(self, packet: Packet) -> Effects:
        init = read(packet, Init)
        self.state = State.CHECKING
        self._checking = packet.id
        self._is_told_of_expiry = "client_update" in (init.capabilities or ())
        if init.continuation_token and len(init.continuation_token) <= CONTINUATION:
            self._continuation = init.continuation_token
        return (Check(packet.id, init.token),)

    def _update(self, packet: Packet) -> Effects:
        token = read(packet, Update).token
        if self._checking is not None:
            return (refused(packet.id, 429, "another token is being checked"),)
        self._checking = packet.id
        return (Check(packet.id, token),)

    def _message(self, packet: Packet) -> Effects:
        request = read_request(packet)
        self._running += 1
        return (Run(packet.id, request),)

    def _turn_away(self, packet: Packet) -> Effects:
        """A request that comes too late is answered: GETs are tried again by the SDKs, on the next connection."""
        return (answered(packet.id, stopping(read_request(packet).path)),)

    def _acknowledge(self, packet: Packet) -> Effects:
        """Every client gets all types of notifications, whatever contexts it has."""
        return (Send(encode({"method": "reply", "id": packet.id, "status": status(200)})),)

    def _ignore(self, packet: Packet) -> Effects:  # noqa: ARG002 - one signature for all moves
        return ()

    def _close(self, packet: Packet) -> Effects:  # noqa: ARG002 - likewise
        return self._end(NORMAL)


Move = Callable[[Session, Packet], Effects]

IN: dict[str, Move] = {
    "message": Session._message,  # noqa: SLF001 - the class's own table
    "update": Session._update,  # noqa: SLF001 - likewise
    "put_notification_ctx": Session._acknowledge,  # noqa: SLF001 - likewise
    "delete_notification_ctx": Session._acknowledge,  # noqa: SLF001 - likewise
}
ALWAYS: dict[str, Move] = {
    "reply": Session._ignore,  # noqa: SLF001 - likewise; it acknowledges a packet of ours
    "telemetry.v1": Session._ignore,  # noqa: SLF001 - likewise; and nobody asked for it
    "close": Session._close,  # noqa: SLF001 - likewise
}
GOING = {**IN, "message": Session._turn_away}  # noqa: SLF001 - likewise

BY_STATE: dict[State, dict[str, Move]] = {
    State.NEW: {"init": Session._init, **ALWAYS},  # noqa: SLF001 - likewise
    State.CHECKING: ALWAYS,
    State.OPEN: {**IN, **ALWAYS},
    State.DRAINING: {**GOING, **ALWAYS},
    State.LEAVING: {**GOING, **ALWAYS},
}
MOVES: dict[tuple[State, str], Move] = {
    (state, method): move for state, moves in BY_STATE.items() for method, move in moves.items()
}
KNOWN = {method for _, method in MOVES}


def out_of_place(state: State, packet: Packet) -> Effects:
    """A packet that may not come now, or whose name says nothing to us, changes nothing and is told so."""
    if packet.method not in KNOWN:
        return (refused(packet.id, 400, f"unknown method {packet.method[:50]}"),) if packet.id else ()
    if state in (State.NEW, State.CHECKING):
        return (refused(packet.id, 401, "init comes first, and once"),)
    return (refused(packet.id, 400, "init comes once"),)


def welcome(packet_id: str, continuation: str | None, fresh: str) -> bytes:
    """The reply to a good init. No `offline_storage`: a client that keeps nothing has nothing stale."""
    return encode(
        {
            "method": "reply",
            "id": packet_id,
            "status": status(200),
            "continuation_token": continuation or fresh,
            "continuation_token_status": {"reissued": continuation is None, "reissue_message": ""},
            "capabilities": ["client_update"],
        }
    )


def refused(packet_id: str, code: int, description: str, error: int | None = None) -> Send:
    """A request that failed as a packet. One that may work later says when to try again."""
    header = {"method": "reply", "id": packet_id, "status": status(code, description, error)}
    later = code == 429 or code >= 500  # noqa: PLR2004 - an HTTP status names itself
    return Send(encode(header, backoff(BACKOFF) if later else b""))


def answered(packet_id: str, reply: Reply) -> Send:
    """The HTTP answer stands in `http_status`; the packet's own status is 200 even for an error of HTTP."""
    header: dict[str, Any] = {
        "method": "reply",
        "id": packet_id,
        "status": status(200),
        "http_status": {"code": reply.status, "status": phrase(reply.status)},
        "http_headers": {"Content-Type": "application/json", **reply.headers},
    }
    return Send(encode(header, reply.body))


def backoff(milliseconds: int) -> bytes:
    return msgspec.json.encode({"backoff_policy": {"reconnect_min_ms": milliseconds}})
