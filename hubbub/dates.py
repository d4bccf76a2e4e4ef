"""Points in time: whole milliseconds since 1970 inside, ISO 8601 outside."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND


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
    date = (parsed - EPOCH) // MILLISECOND
    if not FIRST <= date <= LAST:  # an offset may lead out of the years that can be written
        raise ValueError(f"{text!r} is out of range")
    return date


@lru_cache(maxsize=8192)
def iso(date: int) -> str:
    """`2016-03-24T20:37:57Z`: the form of every date in an answer, UTC and whole seconds."""
    return datetime.fromtimestamp(date // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


@lru_cache(maxsize=8192)
def iso_milliseconds(date: int) -> str:
    """`2022-01-18T10:19:12.401Z`: the form of every date in a webhook, UTC and whole milliseconds."""
    return f"{iso(date // 1000 * 1000)[:-1]}.{date % 1000:03}Z"  # whole seconds: all of one second share a hit


def iso_or_none(date: int | None) -> str | None:
    return None if date is None else iso(date)
