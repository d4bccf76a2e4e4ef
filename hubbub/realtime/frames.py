"""WebSocket frames (RFC 6455), both ways. Pure: bytes in, messages out.

Our own reader because each notification brings an acknowledgement: one whole frame costs a microsecond here.
"""

from collections.abc import Iterator

from websockets.frames import apply_mask  # type: ignore[attr-defined] # in C where it can be

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CONTROLS = (CLOSE, PING, PONG)

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED, INVALID, POLICY, TOO_BIG = 1000, 1001, 1002, 1003, 1007, 1008, 1009

FIN, RESERVED, OPCODE = 0x80, 0x70, 0x0F
MASKED, LENGTH = 0x80, 0x7F
SHORT, MEDIUM = 125, 126  # the longest length in one byte; what says that two bytes follow
MASK_SIZE = 4
SMALLEST = 2 + MASK_SIZE
USUAL = bytes((FIN | BINARY, MASKED | MEDIUM))  # how nearly all that clients send begins
USUAL_START = 4 + MASK_SIZE  # where its payload does


class BadFrame(Exception):  # noqa: N818 - it names what came
    """The peer broke the protocol: close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """A whole message as a server's frame."""
    size = len(payload)
    if size <= SHORT:
        return bytes((FIN | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((FIN | opcode, MEDIUM)) + size.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, MEDIUM + 1)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(code.to_bytes(2, "big") + reason.encode()[:123], CLOSE)


class FrameReader:
    """A client's frames, however they are cut. `limit` is the longest message, and may be changed between messages."""

    __slots__ = ("_message", "_needed", "_rest", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = bytearray()  # the beginning of a frame
        self._needed = 0  # how long it must be before it is worth a look
        self._message: bytearray | None = None  # the fragments of a message so far

    def receive(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The opcode and payload of each message and control frame that is complete now. Raises BadFrame."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest = bytearray()
        at = 0
        while at < len(data):
            if self._message is None and data.startswith(USUAL, at):
                start = at + USUAL_START
                stop = start + int.from_bytes(data[at + 2 : at + 4], "big")
                if stop <= len(data) and stop - start <= self.limit:
                    yield BINARY, apply_mask(data[start:stop], data[start - MASK_SIZE : start])
                    at = stop
                    continue
            first = data[at]
            start, stop = self._measure(data, at)
            if stop > len(data):
                self._rest = bytearray(data[at:])
                self._needed = stop - at
                return
            payload = apply_mask(data[start:stop], data[start - MASK_SIZE : start])
            at = stop
            opcode = first & OPCODE
            if first & FIN and (opcode >= CLOSE or (opcode and self._message is None)):
                yield opcode, payload
            else:
                yield from self._gather(first, payload)

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        """Where the payload of the frame begins and ends; the end may only be the least that is needed to know it."""
        check_first(data[at])
        if len(data) < at + SMALLEST:
            return at, at + SMALLEST
        if not data[at + 1] & MASKED:
            raise BadFrame(PROTOCOL_ERROR, "a client's frames are masked")
        size = data[at + 1] & LENGTH
        start = at + SMALLEST
        if size > SHORT:
            wide = 2 if size == MEDIUM else 8
            start += wide
            if len(data) < start:
                return at, start
            size = int.from_bytes(data[at + 2 : at + 2 + wide], "big")
        self._check_size(data[at], size)
        return start, start + size

    def _check_size(self, first: int, size: int) -> None:
        if first & OPCODE >= CLOSE:
            if size > SHORT:
                raise BadFrame(PROTOCOL_ERROR, "a control frame is short")
        elif size + len(self._message or b"") > self.limit:
            raise BadFrame(TOO_BIG, f"a message has at most {self.limit} bytes")

    def _gather(self, first: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        """A fragment. Only the payload is kept of it, so that endless empty ones cost nothing."""
        opcode = first & OPCODE
        if (opcode == CONTINUATION) == (self._message is None):
            raise BadFrame(PROTOCOL_ERROR, "fragments follow each other")
        if self._message is None:
            self._message = bytearray()
        self._message += payload
        if first & FIN:
            whole, self._message = bytes(self._message), None
            yield BINARY, whole


def check_first(first: int) -> None:
    """The first byte of a frame. Raises BadFrame."""
    opcode = first & OPCODE
    if first & RESERVED:
        raise BadFrame(PROTOCOL_ERROR, "no extension was agreed on")
    if opcode == TEXT:
        raise BadFrame(UNSUPPORTED, "messages are binary")
    if opcode not in (CONTINUATION, BINARY, *CONTROLS):
        raise BadFrame(PROTOCOL_ERROR, "there is no such opcode")
    if opcode >= CLOSE and not first & FIN:
        raise BadFrame(PROTOCOL_ERROR, "a control frame is whole")
