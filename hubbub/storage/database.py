"""The port to the database. Two engines stand behind it: `sqlite` and `postgres`.

SQL is written once: `$1` placeholders, TEXT and BIGINT, `RETURNING`, `ON CONFLICT`, `UPDATE … RETURNING` as the
lock. A row is a sequence of values in the order of the statement's columns.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

PING = "SELECT number FROM migrations ORDER BY number DESC LIMIT 1"

Value = str | int | None
Row = Sequence[Any]


class BadDatabase(Exception):  # noqa: N818 - it names what is wrong
    """The database cannot be used as it is: one sentence that says why and what to do."""


class Contention(Exception):  # noqa: N818 - a fact, not a fault
    """Another transaction got in the way (a deadlock); nothing was stored and a repeat is safe."""


class Reader(Protocol):
    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        """The first row, or None."""

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        """Every row."""


class Transaction(Reader, Protocol):
    """A write transaction: all of it is on disk when its block ends, or none of it."""

    emitted: list[Any]

    def emit(self, event: Any) -> None:
        """What happened, kept with the change and told to others only after the commit."""
        self.emitted.append(event)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run the statement once for each row of values."""

    async def script(self, sql: str) -> None:
        """Run the statements of a migration."""


class Database(Reader, Protocol):
    """Raises ERRORS.UNAVAILABLE while the database cannot be reached or written."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A new write transaction. A failure rolls everything back."""

    async def ping(self) -> None:
        """Return when the database answers and holds its schema."""

    async def check(self) -> list[str]:
        """What a full integrity check of the database finds wrong; empty when it is sound."""

    async def close(self) -> None: ...
