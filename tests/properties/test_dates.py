"""Dates keep their millisecond, whatever the form they came in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.dates import iso, parse_date

PROVED = frozenset[str]()  # no operation by itself

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001 - bounds are naive


@given(MOMENTS)
def test_date_is_read_to_the_millisecond(moment: datetime) -> None:
    """With any offset; what is finer than a millisecond is cut off, and an answer shows the whole second."""
    date = parse_date(moment.isoformat())

    assert date % 1000 == moment.microsecond // 1000
    assert iso(date) == moment.astimezone(UTC).isoformat()[:19] + "Z"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_date_outside_the_years_is_refused(text: str) -> None:
    """An offset may lead out of the years from 1 to 9999, which no answer could show."""
    with pytest.raises(ValueError, match="out of range"):
        parse_date(text)
