"""Pages of a list by key: any depth at the same cost, stable while rows come and go."""

from typing import Generic, TypeVar

import msgspec

from hubbub.storage.database import Reader, Value
from hubbub.storage.statements import columns

R = TypeVar("R", bound=msgspec.Struct)


class Window(msgspec.Struct, frozen=True):
    """Which rows of a list: `size` of them after the key `after` (exclusive), or after `skip` rows."""

    size: int
    after: str | int | None = None
    skip: int = 0


class Slice(msgspec.Struct, Generic[R]):
    """The rows of a page, the key of the last where more follow, and the key that the page before began after."""

    rows: list[R]
    next: str | int | None = None
    previous: str | int | None = None


class Listing(msgspec.Struct, Generic[R], frozen=True):
    """A list that can be read in pages: the record, its table with conditions, and its ordering key.

    `source` begins after FROM and ends in a condition.
    """

    record: type[R]
    source: str
    key: str
    descending: bool = False

    async def page(self, reader: Reader, window: Window, *values: Value, joined: tuple[Value, ...] = ()) -> Slice[R]:
        """The window's rows. `values` fill the placeholders of the source.

        `joined` are the record's last fields, which all rows of the list share and its table does not have.
        """
        forward, backward = (" < ", " >= ") if self.descending else (" > ", " <= ")
        order, reverse = ("DESC", "ASC") if self.descending else ("ASC", "DESC")
        n = len(values) + 1
        listed = columns(self.record)
        if window.after is None:
            sql = f"SELECT {listed} FROM {self.source} ORDER BY {self.key} {order} LIMIT ${n} OFFSET ${n + 1}"
            rows = await reader.fetch_all(sql, *values, window.size + 1, window.skip)
        else:
            sql = (
                f"SELECT {listed} FROM {self.source} AND {self.key}{forward}${n} "
                f"ORDER BY {self.key} {order} LIMIT ${n + 1}"
            )
            rows = await reader.fetch_all(sql, *values, window.after, window.size + 1)
        found: Slice[R] = Slice([self.record(*row, *joined) for row in rows[: window.size]])
        if len(rows) > window.size:
            found.next = getattr(found.rows[-1], self.key.strip('"'))
        if window.after is not None:
            sql = (
                f"SELECT {self.key} FROM {self.source} AND {self.key}{backward}${n} "
                f"ORDER BY {self.key} {reverse} LIMIT 1 OFFSET ${n + 1}"
            )
            before = await reader.fetch_one(sql, *values, window.after, window.size)
            found.previous = before[0] if before else None
        return found
