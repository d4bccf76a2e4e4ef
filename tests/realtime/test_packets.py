"""The codec: every packet there and back, what the SDK sent in a capture, and bytes that are no packet."""

import ast
import contextlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.realtime.packets import HEADER_LIMIT, MAGIC, BadPacket, Packet, decode, encode, read, status
from hubbub.realtime.session import Init
from hubbub.realtime.tunnel import read_request

CAPTURE = Path(__file__).with_name("packets-chat-6.0.0.txt")
LINE = re.compile(r"([CS])>[CS] (\d+) (b.*)")

words = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), max_size=5)


def captured(who: str) -> list[bytes]:
    """What the SDK (C) or the server (S) sent. Tokens were taken out of the capture: their room is filled."""
    packets = []
    for line in CAPTURE.read_text("utf-8").splitlines():
        sender, size, literal = LINE.fullmatch(line).groups()  # type: ignore[union-attr] # each line is one
        raw = ast.literal_eval(literal)
        if sender == who:
            packets.append(raw.replace(b"<jwt>", b"x" * (int(size) - len(raw) + 5)))
    return packets


def raw(header: bytes, payload: bytes = b"") -> bytes:
    return MAGIC + b"%d\r\n" % len(header) + header + b"\r\n" + payload


@given(st.text(min_size=1), st.text(), words, st.binary())
def test_what_was_encoded_is_decoded(method: str, packet_id: str, more: dict[str, object], payload: bytes) -> None:
    """Whatever header and payload a packet has, they come back."""
    header = {**more, "method": method, "id": packet_id}

    packet = decode(encode({**header, "payload_size": 0} if not payload else header, payload))

    assert (packet.method, packet.id, packet.payload) == (method, packet_id, payload)
    told = msgspec.json.decode(packet.header)
    assert {name: told[name] for name in header} == header


@given(st.binary() | st.binary().map(lambda data: MAGIC + data) | st.binary().map(raw))
def test_arbitrary_bytes_are_a_packet_or_refused(data: bytes) -> None:
    """No bytes whatsoever raise anything but BadPacket."""
    try:
        packet = decode(data)
    except BadPacket:
        return
    assert isinstance(packet, Packet)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_as_header_is_a_packet_or_refused(header: object) -> None:
    """No JSON whatsoever as a header raises anything but BadPacket."""
    try:
        packet = decode(raw(msgspec.json.encode(header)))
        read_request(packet)
    except BadPacket:
        pass


@given(st.sampled_from(captured("C")), st.integers(0, 600), st.binary(max_size=3))
def test_damaged_packets_are_packets_or_refused(packet: bytes, at: int, put: bytes) -> None:
    """A real packet with bytes exchanged in it raises nothing but BadPacket."""
    with contextlib.suppress(BadPacket):
        read_request(decode(packet[:at] + put + packet[at + len(put) :]))


@pytest.mark.parametrize("sent", captured("C"), ids=range(len(captured("C"))))
def test_packet_of_the_sdk_is_read(sent: bytes) -> None:
    """Every kind of packet that twilio-chat 6.0.0 sends is read, and each tunnelled request with it."""
    packet = decode(sent)

    if packet.method == "message":
        request = read_request(packet)
        assert request.service in {"aim", "cds", "ers"}
        assert request.path.startswith("/")
    if packet.method == "init":
        assert "client_update" in (read(packet, Init).capabilities or [])


@pytest.mark.parametrize("sent", captured("S"), ids=range(len(captured("S"))))
def test_packet_that_the_sdk_accepted_is_read_alike(sent: bytes) -> None:
    """What a server sent that the SDK understood is a packet to us, too."""
    packet = decode(sent)

    assert packet.method in {"reply", "notification", "client_update", "close", "ping"}
    if packet.payload:
        msgspec.json.decode(packet.payload)


def test_packet_has_the_form_that_the_sdk_parses() -> None:
    """The bytes are as the SDK wants them: the size of the header in bytes, not characters, and of the payload."""
    packet = encode({"method": "reply", "id": "é"}, b'{"a":1}')

    head = '{"method":"reply","id":"é","payload_type":"application/json","payload_size":7}'.encode()
    assert packet == b"TWILSOCK V3.0 %d\r\n%s\r\n" % (len(head), head) + b'{"a":1}'


def test_header_up_to_the_limit_is_read() -> None:
    """A header of 64 KiB is read, one byte more is refused."""
    filler = HEADER_LIMIT - len(b'{"method":"init","token":""}')
    longest = b'{"method":"init","token":"' + b"x" * filler + b'"}'

    assert decode(raw(longest)).method == "init"
    with pytest.raises(BadPacket, match="too long"):
        decode(raw(longest.replace(b"init", b"inits")))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"TWILSOCK V3.0 ",
        b"TWILSOCK V3.0 -1\r\n{}\r\n",
        b"TWILSOCK V3.0 +2\r\n{}\r\n",
        b"TWILSOCK V3.0 \r\n\r\n",
        b"TWILSOCK V4.0 15\r\n" + b'{"method":"ab"}\r\n',
        b"TWILSOCK V3.0 14\r\n" + b'{"method":"ab"}\r\n',
        b"TWILSOCK V3.0 15\r\n" + b'{"method":"ab"}\n\n',
        b"TWILSOCK V3.0 15\r\n" + b'{"method":"ab"}',
        b"TWILSOCK V3.0 999999999999999999999\r\n{}\r\n",
        raw(b"{}"),
        raw(b"[]"),
        raw(b'{"method":1}'),
        raw(b'{"method":"a","id":7}'),
        raw(b'{"method":"\xff"}'),
        raw(b'{"method":"a"}', b"more than it says"),
        raw(b'{"method":"a","payload_size":4}', b"abc"),
        raw(b'{"method":"a","payload_size":-1}'),
        raw(b'{"method":"a","b":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    ],
    ids=range(19),
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    """Each way to break a packet is noticed."""
    with pytest.raises(BadPacket):
        decode(data)


def test_status_has_words_for_every_code() -> None:
    """A code that HTTP does not know has words nevertheless: the SDK shows them."""
    assert status(308)["status"] == "Permanent Redirect"
    assert status(799, "why", 20101) == {"code": 799, "status": "Unknown", "description": "why", "errorCode": 20101}
