"""Pages of the commands' lists. A token says where its page begins, and for the first one that it is the first."""

from typing import NamedTuple

from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import Command
from hubbub.sids import SID
from hubbub.storage.pages import Slice, Window

USUAL = 50
MOST = 100
PREFIX = "PT"


class Tokens(NamedTuple):
    previous: str | None
    next: str | None


def window(command: Command, usual: int = USUAL) -> Window:
    """Which rows are asked for. Raises ERRORS.INVALID_PARAMETER."""
    size = command.param("PageSize")
    token = command.param("PageToken")
    if size is not None and not (size.isascii() and size.isdecimal() and int(size[:9])):
        raise ERRORS.INVALID_PARAMETER(name="PageSize")
    most = min(int(size[:9]) if size else usual, MOST)
    if not token or token == PREFIX:
        return Window(most)
    sid = token.removeprefix(PREFIX)
    if not SID.fullmatch(sid):
        raise ERRORS.INVALID_PARAMETER(name="PageToken")
    return Window(most, after=sid)


def tokens(asked: Window, found: Slice) -> Tokens:  # type: ignore[type-arg] # of whatever
    """Those of the neighbours; None where there is none."""
    previous = None if asked.after is None else f"{PREFIX}{found.previous or ''}"
    return Tokens(previous, None if found.next is None else f"{PREFIX}{found.next}")
