"""Pieces of SQL that follow from a record's fields, so that columns are named in one place: the record."""

from collections.abc import Iterable
from functools import cache

import msgspec


@cache
def names(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """The columns of a record's table: its fields, without the underscore that keeps `from_` legal in Python.

    Fields that come from a joined table are listed in the record's `JOINED`.
    """
    joined = getattr(record, "JOINED", ())
    return tuple(field.rstrip("_") for field in record.__struct_fields__ if field not in joined)


@cache
def columns(record: type[msgspec.Struct], table: str = "") -> str:
    """`"sid", "from", …`, each with the table's alias where one is given."""
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{name}"' for name in names(record))


def placeholders(count: int, start: int = 1) -> str:
    """`$1, $2, $3`."""
    return ", ".join(f"${n}" for n in range(start, start + count))


@cache
def insert(table: str, record: type[msgspec.Struct]) -> str:
    """An INSERT of a whole record; one with a `key` leaves the key to the database."""
    stored = [name for name in names(record) if name != "key"]
    listed = ", ".join(f'"{name}"' for name in stored)
    # Every table and column name here comes from the code, never from a caller.
    return f"INSERT INTO {table} ({listed}) VALUES ({placeholders(len(stored))})"


@cache
def _unstored(record: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(
        field for field in record.__struct_fields__ if field == "key" or field in getattr(record, "JOINED", ())
    )


def stored(record: msgspec.Struct) -> tuple[str | int | None, ...]:
    """The values for `insert`, in its order."""
    left_out = _unstored(type(record))
    if not left_out:
        return msgspec.structs.astuple(record)
    return tuple(getattr(record, field) for field in record.__struct_fields__ if field not in left_out)


def assignments(changed: Iterable[str], start: int) -> str:
    """`"a" = $3, "b" = $4` for an UPDATE of just these columns."""
    return ", ".join(f'"{name.rstrip("_")}" = ${n}' for n, name in enumerate(changed, start))
