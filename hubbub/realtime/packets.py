r"""The codec of the client SDKs' packets. Pure: bytes to packet, packet to bytes.

    TWILSOCK V3.0 <length of the header>\r\n<header, JSON>\r\n<payload, as many bytes as header.payload_size says>

One packet is one binary WebSocket message. Whatever is not a packet raises BadPacket and nothing else.
"""

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

MAGIC = b"TWILSOCK V3.0 "
BREAK = b"\r\n"
HEADER_LIMIT = 64 * 1024
LENGTH_DIGITS = 5  # enough for the limit
JSON = "application/json"


class BadPacket(Exception):  # noqa: N818 - it names what came
    """These bytes are no packet, or no packet of the kind that they claim to be."""


class Head(msgspec.Struct, gc=False):
    """What every packet's header has."""

    method: str
    id: str = ""
    payload_size: int = 0
    payload_type: str | None = None


class Packet(msgspec.Struct, gc=False):
    """A packet as it came; `header` is its JSON, of which `read` makes the fields of one kind."""

    method: str
    id: str
    header: bytes
    payload_type: str | None = None
    payload: bytes = b""


decode_head = msgspec.json.Decoder(Head).decode
encode_json = msgspec.json.Encoder().encode

Kind = TypeVar("Kind")
CANNOT_BE_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(message: bytes) -> Packet:
    """The packet that a message is. Raises BadPacket."""
    if not message.startswith(MAGIC):
        raise BadPacket("it does not begin with TWILSOCK V3.0")
    start = len(MAGIC)
    stop = message.find(BREAK, start, start + LENGTH_DIGITS + len(BREAK))
    length = message[start:stop]
    if stop < 0 or not length.isdigit():
        raise BadPacket("its header has no length")
    start = stop + len(BREAK)
    stop = start + int(length)
    if int(length) > HEADER_LIMIT:
        raise BadPacket("its header is too long")
    if message[stop : stop + len(BREAK)] != BREAK:
        raise BadPacket("its header does not end where it says")
    header = message[start:stop]
    payload = message[stop + len(BREAK) :]
    try:
        head = decode_head(header)
    except CANNOT_BE_READ as error:
        raise BadPacket("its header is not as it must be") from error
    if len(payload) != head.payload_size:
        raise BadPacket("its payload is not as long as it says")
    return Packet(head.method, head.id, header, head.payload_type, payload)


def read(packet: Packet, kind: type[Kind]) -> Kind:
    """The header's fields as a packet of this kind has them. Raises BadPacket."""
    try:
        return msgspec.json.decode(packet.header, type=kind)
    except CANNOT_BE_READ as error:
        raise BadPacket(str(error)) from error


def encode(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """A packet with a payload of JSON, or with none.

    The SDKs read a payload only where the header tells its size, and drop what is neither JSON nor plain text.
    """
    if payload:
        header = {**header, "payload_type": JSON, "payload_size": len(payload)}
    head = encode_json(header)
    return b"".join((MAGIC, str(len(head)).encode(), BREAK, head, BREAK, payload))


def status(code: int, description: str = "", error: int | None = None) -> dict[str, Any]:
    """The status of a reply or a close; `error` is a code of the table of errors."""
    told: dict[str, Any] = {"code": code, "status": phrase(code)}
    if description:
        told["description"] = description
    if error is not None:
        told["errorCode"] = error
    return told


def phrase(code: int) -> str:
    """The words of an HTTP status."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown"
