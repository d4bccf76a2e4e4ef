"""The rules that several resources share. Lengths are in characters unless a name says bytes."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from hubbub.chat import SYSTEM
from hubbub.errors import ERRORS, Kind
from hubbub.sids import is_sid

NAME = 256
IDENTITY = 256
AUTHOR = 256

# Bytes; the original's own table is not published, these are its successor's.
MESSAGE_ATTRIBUTES = 4 * 1024
MEMBER_ATTRIBUTES = 4 * 1024
USER_ATTRIBUTES = 16 * 1024
CHANNEL_ATTRIBUTES = 16 * 1024

RETRIES = 3

UTF8_MOST = 4  # bytes of a character


def check_attributes(attributes: Any, longest: int) -> None:
    """A JSON text of any kind, kept as it was sent. Raises ERRORS.ATTRIBUTES_…"""
    if not isinstance(attributes, str):
        return
    check_bytes(attributes, longest, ERRORS.ATTRIBUTES_TOO_LONG)
    try:
        msgspec.json.decode(attributes)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ERRORS.ATTRIBUTES_NOT_JSON() from error


def check_bytes(text: str, longest: int, error: Kind) -> None:
    """The length in UTF-8, looked at only where the characters leave a doubt. Raises the error."""
    if len(text) * UTF8_MOST > longest and len(text.encode()) > longest:
        raise error()


def check_length(text: Any, longest: int, error: Kind) -> None:
    """Raises the error for a text that is too long; anything but a text passes."""
    if isinstance(text, str) and len(text) > longest:
        raise error()


def check_identity(identity: str) -> None:
    """Raises the error of an identity that no user may have.

    `system` is the author of what back ends do: a user of that name would own all of it.
    """
    if not identity:
        raise ERRORS.MISSING_PARAMETER(name="Identity")
    if len(identity) > IDENTITY:
        raise ERRORS.IDENTITY_TOO_LONG()
    if is_sid(identity, "US"):
        raise ERRORS.IDENTITY_LIKE_SID()
    if identity == SYSTEM:
        raise ERRORS.IDENTITY_RESERVED()


def check_url(url: str, error: Kind) -> None:
    """An absolute http or https URL with a host. Raises the error."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise error()


def null_if_empty(changes: dict[str, Any], *names: str) -> None:
    """An empty value clears a nullable text."""
    for name in names:
        if changes.get(name) == "":
            changes[name] = None
