"""Dates keep their millisecond, whatever the form they came in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.dates import iso, iso_milliseconds, parse_date

PROVED = frozenset[str]()  # no operation by itself

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001 - bounds are naive


@given(MOMENTS)
def test_date_is_read_to_the_millisecond(moment: datetime) -> None:
    """With any offset; what is finer than a millisecond is cut off, and an answer shows the whole second."""
    date = parse_date(moment.isoformat())

    assert date % 1000 == moment.microsecond // 1000
    assert iso(date) == moment.astimezone(UTC).isoformat()[:19] + "Z"


@given(MOMENTS)
def test_date_of_a_webhook_keeps_its_milliseconds(moment: datetime) -> None:
    """It has three digits of them, always, and is read back as the same date."""
    date = parse_date(moment.isoformat())

    assert iso_milliseconds(date) == moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
    assert parse_date(iso_milliseconds(date)) == date


def test_date_of_a_webhook_looks_as_recorded() -> None:
    """The form is that of a webhook which the original sent; whole seconds and the time before 1970 have it, too."""
    assert iso_milliseconds(1_642_501_152_401) == "2022-01-18T10:19:12.401Z"
    assert iso_milliseconds(1_642_501_152_000) == "2022-01-18T10:19:12.000Z"
    assert iso_milliseconds(-1) == "1969-12-31T23:59:59.999Z"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_date_outside_the_years_is_refused(text: str) -> None:
    """An offset may lead out of the years from 1 to 9999, which no answer could show."""
    with pytest.raises(ValueError, match="out of range"):
        parse_date(text)
