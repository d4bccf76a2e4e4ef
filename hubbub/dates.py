"""Points in time: whole milliseconds since 1970 inside, ISO 8601 outside."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def now() -> int:
    """The present moment."""
    return time.time_ns() // 1_000_000


def parse_date(text: str) -> int:
    """The milliseconds of an ISO 8601 date, with or without time, fraction and offset; UTC where none is given.

    Raises ValueError when the text is not such a date.
    """
    parsed = datetime.fromisoformat(text.strip())
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    try:
        return int(parsed.astimezone(UTC).timestamp() * 1000)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


@lru_cache(maxsize=8192)
def iso(date: int) -> str:
    """`2016-03-24T20:37:57Z`: the form of every date in an answer, UTC and whole seconds."""
    return datetime.fromtimestamp(date // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def iso_or_none(date: int | None) -> str | None:
    return None if date is None else iso(date)
