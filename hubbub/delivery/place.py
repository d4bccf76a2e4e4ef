"""Where a request goes: a URL, read strictly.

Not `urllib.parse`: it drops control characters and lets through what other readers of the same URL understand
differently, and each such difference is a way around the guard.
"""

import string
from urllib.parse import quote

import msgspec

from hubbub.delivery.guard import canonical_host, shown
from hubbub.delivery.outcome import Blocked

DEFAULT_PORTS = {"http": 80, "https": 443}
PORT_LENGTH = 5
PORTS = range(1, 65536)
# All that RFC 3986 lets stand in a path or a query; the rest is percent-encoded.
STANDING = string.ascii_letters + string.digits + "-._~:/?[]@!$&'()*+,;=%"
STANDING_BYTES = STANDING.encode()

Key = tuple[str, str, int]


class Place(msgspec.Struct, frozen=True):
    """A URL without its query, taken apart."""

    key: Key  # scheme, host without brackets, port: what a connection is made to
    path: str
    lines: str  # what never changes in the head of a request to it


def read_place(url: str) -> Place:
    """The place that a URL without query and fragment names.

    Raises Blocked when it is not http or https, has a user, or has a host or a port that is written oddly.
    """
    scheme, found, rest = url.partition("://")
    scheme = scheme.lower()
    if not found or scheme not in DEFAULT_PORTS:
        raise Blocked("The URL does not begin with http:// or https://.")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise Blocked("The URL has a user or a password.")
    name, port = split_authority(authority, DEFAULT_PORTS[scheme])
    host = canonical_host(name)
    where = f"[{host}]" if ":" in host else host
    if port != DEFAULT_PORTS[scheme]:
        where = f"{where}:{port}"
    lines = f" HTTP/1.1\r\nHost: {where}\r\nAccept-Encoding: identity\r\n"
    return Place((scheme, host, port), standing(slash + path) or "/", lines)


def split_authority(authority: str, default: int) -> tuple[str, int]:
    """The host, without brackets, and the port. Raises Blocked."""
    if authority.startswith("["):
        host, closed, after = authority[1:].partition("]")
        if not closed or ":" not in host or (after and after[0] != ":"):
            raise Blocked(f"The URL has {shown(authority)} where its host should stand.")
        return host, read_port(after[1:], default)
    host, _, port = authority.partition(":")
    return host, read_port(port, default)


def read_port(text: str, default: int) -> int:
    """Raises Blocked."""
    if not text:
        return default
    if len(text) > PORT_LENGTH or not (text.isascii() and text.isdigit()) or int(text) not in PORTS:
        raise Blocked(f"The URL has {shown(text)} where its port should stand.")
    return int(text)


def standing(text: str) -> str:
    """The path or query with only what may stand in a request line."""
    if text.isascii() and not text.encode().translate(None, STANDING_BYTES):
        return text
    return quote(text, safe=STANDING, errors="replace")
