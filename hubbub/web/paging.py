"""List pages on the wire: PageSize, Page and PageToken in; the envelope with its seven `meta` keys out."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from hubbub.errors import ERRORS
from hubbub.sids import SID
from hubbub.storage.pages import Window

DEFAULT_SIZE = 50
LARGEST_SIZE = 1000  # larger ones are clamped: official clients send `list(limit=5000)` as PageSize=5000
HUGE = 2**62  # more than any list holds, and a BIGINT still
PREFIX = "PT"  # of a page token


class Paging(msgspec.Struct, frozen=True):
    """What a list request asks for. Raises nothing by itself: `by_sid` and `by_index` read the token."""

    page_size: int = DEFAULT_SIZE
    page: int = 0
    page_token: str | None = None

    def by_sid(self) -> Window:
        """The window of a list in SID order. Raises ERRORS.INVALID_PARAMETER for a token that is not ours."""
        if self.page_token is None:
            return Window(self.page_size, skip=self._skip())
        sid = self.page_token.removeprefix(PREFIX)
        if not SID.fullmatch(sid):
            raise ERRORS.INVALID_PARAMETER(name="PageToken")
        return Window(self.page_size, after=sid)

    def by_index(self) -> Window:
        """The window of a list of messages. Raises ERRORS.INVALID_PAGE_TOKEN."""
        if self.page_token is None:
            return Window(self.page_size, skip=self._skip())
        digits = self.page_token.removeprefix(PREFIX)
        if not is_number(digits):
            raise ERRORS.INVALID_PAGE_TOKEN()
        return Window(self.page_size, after=read_number(digits))

    def _skip(self) -> int:
        return min(self.page * self.page_size, HUGE)


def parse_paging(pairs: Sequence[tuple[str, str]], default_size: int) -> Paging:
    """Raises ERRORS.INVALID_PARAMETER for a size below 1, a page below 0, or what is not a number."""
    fields = dict(pairs)
    size = number(fields, "PageSize", default_size, least=1)
    page = number(fields, "Page", 0, least=0)
    return Paging(min(size, LARGEST_SIZE), page, fields.get("PageToken") or None)


def number(fields: dict[str, str], name: str, default: int, *, least: int) -> int:
    text = fields.get(name)
    if text is None:
        return default
    if not is_number(text) or read_number(text) < least:
        raise ERRORS.INVALID_PARAMETER(name=name)
    return read_number(text)


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def read_number(digits: str) -> int:
    """A long row of digits is not worth reading: it is HUGE."""
    return int(digits) if len(digits) < len(str(HUGE)) else HUGE


class Page(msgspec.Struct):
    """A list's answer: the collection's absolute URL and key, the resources, and where its neighbours begin.

    `filters` are kept in every URL, before the paging, in the order given.
    """

    collection: str
    key: str
    resources: list[Any]
    paging: Paging
    next: str | int | None
    previous: str | int | None
    filters: Sequence[tuple[str, str]] = ()

    def envelope(self) -> dict[str, Any]:
        """The JSON object."""
        here = self.paging
        prefix = f"{self.collection}?{urlencode(self.filters)}&" if self.filters else f"{self.collection}?"
        prefix = f"{prefix}PageSize={here.page_size}&Page="

        def url(page: int, token: object) -> str:
            return f"{prefix}{page}" if token is None else f"{prefix}{page}&PageToken={token}"

        following = None if self.next is None else url(here.page + 1, f"{PREFIX}{self.next}")
        before = None
        if here.page > 0 and here.page_token is not None and (self.previous is None or here.page == 1):
            before = url(0, None)  # what comes before fits into one page
        elif here.page > 0:
            before = url(here.page - 1, None if self.previous is None else f"{PREFIX}{self.previous}")
        return {
            "meta": {
                "page": here.page,
                "page_size": here.page_size,
                "first_page_url": url(0, None),
                "previous_page_url": before,
                "url": url(here.page, here.page_token),
                "next_page_url": following,
                "key": self.key,
            },
            self.key: self.resources,
        }
