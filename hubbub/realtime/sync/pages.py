"""Pages of an object's items, asked for by a key to begin at, or by a token that an earlier page gave.

Newer SDKs look only whether there is a token and go on by `From`; older ones send nothing but the token, so a token
says all: the order, the size, the direction, and the key that the page lies beside.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from hubbub.errors import ERRORS

MOST = 100
USUAL = 50

Params = dict[str, list[str]]


class Window(NamedTuple):
    """Which items: so many in the order, from `bound` on, or before it when the page lies `backward` of it."""

    size: int = USUAL
    descending: bool = False
    bound: str | int | None = None
    inclusive: bool = True
    backward: bool = False


# Reads up to so many items from a bound on: `(bound, most, inclusive, descending)`.
Read = Callable[[Any, int, bool, bool], Awaitable[Sequence[Any]]]


class Page(NamedTuple):
    items: list[Any]
    meta: dict[str, Any]


def window(params: Params, number: bool) -> Window:
    """What the parameters ask for. Raises ERRORS.INVALID_PARAMETER or ERRORS.INVALID_PAGE_TOKEN."""
    token = first(params, "PageToken")
    if token is not None:
        return from_token(token, number)
    size = first(params, "PageSize")
    start = first(params, "From")
    order = first(params, "Order") or "asc"
    if order not in {"asc", "desc"}:
        raise ERRORS.INVALID_PARAMETER(name="Order")
    if size is not None and not (size.isascii() and size.isdigit() and int(size[:9])):
        raise ERRORS.INVALID_PARAMETER(name="PageSize")
    bound = None if start is None else as_key(start, number, "From")
    return Window(min(int((size or "")[:9] or USUAL), MOST), order == "desc", bound)


def first(params: Params, name: str) -> str | None:
    values = params.get(name)
    return values[0] if values else None


def as_key(text: str, number: bool, name: str) -> str | int:
    """A key as the items have it. Raises ERRORS.INVALID_PARAMETER."""
    if not number:
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - digits of a BIGINT
        raise ERRORS.INVALID_PARAMETER(name=name)
    return int(text)


def to_token(of: Window, key: str | int, *, backward: bool) -> str:
    text = f"{'d' if of.descending else 'a'}.{of.size}.{'p' if backward else 'n'}.{key}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def from_token(token: str, number: bool) -> Window:
    """Raises ERRORS.INVALID_PAGE_TOKEN."""
    try:
        order, size, direction, key = base64.urlsafe_b64decode(token).decode().split(".", 3)
        bound = as_key(key, number, "PageToken")
        return Window(max(1, min(int(size), MOST)), order == "d", bound, inclusive=False, backward=direction == "p")
    except (binascii.Error, ValueError) as error:
        raise ERRORS.INVALID_PAGE_TOKEN() from error


async def page(of: Window, read: Read) -> Page:
    """The items of the window, and tokens where there are more before and after them in the order."""
    downward = of.descending != of.backward
    found = list(await read(of.bound, of.size + 1, of.inclusive, downward))
    items = found[: of.size]
    ahead = len(found) > of.size
    behind = of.bound is not None and await is_beyond(of, read, items, upward=downward)
    if of.backward:
        items.reverse()
        ahead, behind = behind, ahead
    begin, end = (items[0].key, items[-1].key) if items else (of.bound, of.bound)
    meta = {
        "key": "items",
        "page_size": of.size,
        "previous_token": to_token(of, begin, backward=True) if behind and begin is not None else None,
        "next_token": to_token(of, end, backward=False) if ahead and end is not None else None,
    }
    return Page(items, meta)


async def is_beyond(of: Window, read: Read, items: list[Any], *, upward: bool) -> bool:
    """Whether there is anything on the side of the bound that the page leads away from."""
    edge, inclusive = (items[0].key, False) if items else (of.bound, not of.inclusive)
    return bool(await read(edge, 1, inclusive, not upward))
