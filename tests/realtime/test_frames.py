"""WebSocket frames: ours are read by the `websockets` library, and its frames by us, however they are cut."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from hubbub.realtime.frames import BINARY, CLOSE, PING, PONG, BadFrame, FrameReader, close_frame, frame

LIMIT = 70_000

sizes = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
messages = st.tuples(st.sampled_from([BINARY, PING, PONG, CLOSE]), st.binary(max_size=125)) | st.tuples(
    st.just(BINARY), sizes.map(bytes)
)


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(Opcode(opcode), payload, fin).serialize(mask=True)


def read_all(reader: FrameReader, data: bytes, cuts: list[int]) -> list[tuple[int, bytes]]:
    found = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in pairwise(edges):
        found += list(reader.receive(data[start:stop]))
    return found


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 2**20), max_size=8))
def test_frames_are_read_however_they_are_cut(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Any cut of any frames gives the same messages."""
    data = b"".join(masked(opcode, payload) for opcode, payload in sent)

    assert read_all(FrameReader(LIMIT), data, cuts) == sent


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.lists(st.integers(0, 5000), max_size=8))
def test_fragments_make_one_message(pieces: list[bytes], cuts: list[int]) -> None:
    """A message in fragments is whole again, and a control frame may come between them."""
    data = b""
    for number, piece in enumerate(pieces):
        data += masked(0 if number else BINARY, piece, fin=number == len(pieces) - 1)
        data += masked(PING, b"between") if number < len(pieces) - 1 else b""

    found = read_all(FrameReader(LIMIT), data, cuts)

    assert [payload for opcode, payload in found if opcode == BINARY] == [b"".join(pieces)]
    assert len(found) == len(pieces)


@given(st.binary(max_size=400) | st.binary(max_size=100).map(lambda data: b"\x82\xfe" + data))
def test_arbitrary_bytes_are_frames_or_refused(data: bytes) -> None:
    """No bytes whatsoever raise anything but BadFrame."""
    with contextlib.suppress(BadFrame):
        for opcode, payload in FrameReader(LIMIT).receive(data):
            assert isinstance(payload, bytes)
            assert opcode in {BINARY, CLOSE, PING, PONG}


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_own_frame_is_read_by_others(size: int) -> None:
    """What we send is what the `websockets` library reads."""
    peer = Protocol(CLIENT)

    peer.receive_data(frame(bytes(size)))

    assert peer.events_received() == [Frame(Opcode.BINARY, bytes(size))]


def test_close_frame_is_read_by_others() -> None:
    """A close frame tells its code, and as much of the reason as there is room for."""
    peer = Protocol(CLIENT)

    peer.receive_data(close_frame(1008, "x" * 200))

    (received,) = peer.events_received()
    assert isinstance(received, Frame)
    assert Close.parse(received.data) == Close(1008, "x" * 123)


BROKEN = {
    "text": (masked(1, b"text"), 1003),
    "compressed, which was not agreed on": (b"\xc2\x80\0\0\0\0", 1002),
    "an opcode that there is not": (b"\x83\x80\0\0\0\0", 1002),
    "not masked": (b"\x82\x00\0\0\0\0", 1002),
    "a ping in fragments": (b"\x09\x80\0\0\0\0", 1002),
    "a ping that is too long": (b"\x89\xfe\0\x7e\0\0\0\0", 1002),
    "the end of nothing": (masked(0, b"x"), 1002),
    "a message within a message": (masked(BINARY, b"x", fin=False) + masked(BINARY, b"x"), 1002),
    "endless": (b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0", 1009),
    "a byte too long": (b"\x82\xff" + (LIMIT + 1).to_bytes(8, "big") + b"\0\0\0\0", 1009),
    "a byte too long with its fragments": (masked(BINARY, bytes(LIMIT), fin=False) + masked(0, b"x"), 1009),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
def test_broken_frame_says_how_to_close(data: bytes, code: int) -> None:
    """Each way to break the protocol has its close code, as soon as its first bytes are there."""
    with pytest.raises(BadFrame) as raised:
        list(FrameReader(LIMIT).receive(data))

    assert raised.value.code == code


def test_message_before_a_broken_frame_is_read() -> None:
    """What came whole before the fault is not lost."""
    frames = FrameReader(LIMIT).receive(masked(BINARY, b"good") + masked(1, b"bad"))

    assert next(frames) == (BINARY, b"good")
    with pytest.raises(BadFrame):
        next(frames)
