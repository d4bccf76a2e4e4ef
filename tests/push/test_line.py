"""How a line rests, stops and begins again: pure."""

from collections import deque

import pytest

from hubbub.delivery.push.line import FIRST_REST, FIRST_STOP, LONGEST_REST, LONGEST_STOP, Line
from hubbub.resources.credentials.model import Credential
from tests.push import stage
from tests.push.desk import Puppet

MOMENT = 1_000_000


@pytest.fixture
def line() -> Line:
    credential = Credential(1, "CR" + "a" * 32, None, "apn", "False", "", 0, 0)
    return Line(credential, Puppet.__new__(Puppet))


def rests(line: Line, times: int) -> list[int]:
    """How long each rest is, each one begun when the one before is over."""
    found, moment = [], max(MOMENT, line.rests_until)
    for _ in range(times):
        line.rest(moment, 0)
        found.append(line.rests_until - moment)
        moment = line.rests_until
    return found


def stops(line: Line, times: int) -> list[int]:
    found = []
    for _ in range(times):
        line.stop("It is bad.", MOMENT)
        found.append(line.credential.push_due - MOMENT)
    return found


def test_each_rest_is_twice_as_long_up_to_a_minute(line: Line) -> None:
    assert rests(line, 9) == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]


def test_many_that_fail_at_once_make_one_rest(line: Line) -> None:
    for late in (0, 1, FIRST_REST - 1):
        line.rest(MOMENT + late, 0)

    assert line.rests_until == MOMENT + FIRST_REST
    line.rest(MOMENT + FIRST_REST, 0)
    assert line.rests_until == MOMENT + FIRST_REST + 2 * FIRST_REST


def test_rests_are_short_again_once_a_push_was_taken(line: Line) -> None:
    rests(line, 5)

    line.reached()

    assert rests(line, 2) == [FIRST_REST, 2 * FIRST_REST]


def test_rest_that_the_push_service_asks_for_only_becomes_longer(line: Line) -> None:
    """It does not count as one that could not be reached."""
    line.rest(MOMENT, 5000)
    line.rest(MOMENT + 100, 2000)
    assert line.rests_until == MOMENT + 5000

    line.rest(MOMENT + 200, 5000)
    assert line.rests_until == MOMENT + 5200

    line.rest(line.rests_until, 0)
    assert line.rests_until == MOMENT + 5200 + FIRST_REST


def test_asked_rest_is_not_cut_short_by_one_that_cannot_be_reached(line: Line) -> None:
    line.rest(MOMENT, 30_000)
    line.rest(MOMENT + 1, 0)

    assert line.rests_until == MOMENT + 30_000


def test_each_stop_is_twice_as_long_up_to_an_hour(line: Line) -> None:
    minutes = [due // FIRST_STOP for due in stops(line, 9)]

    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_stopped_line_says_why(line: Line) -> None:
    """Even where there is no word for it."""
    assert not line.is_stopped

    line.stop("", MOMENT)
    assert line.is_stopped

    line.stop("It is bad.", MOMENT)
    assert line.credential.push_error == "It is bad."


def test_restart_begins_anew(line: Line) -> None:
    """What waits in the table is looked for, and the next stop is short again."""
    stops(line, 4)

    line.restart()

    assert not line.is_stopped
    assert line.credential.push_due == 0
    assert line.behind
    assert stops(line, 1) == [FIRST_STOP]


def test_growth_never_overflows(line: Line) -> None:
    """After years of it the longest is the longest."""
    assert rests(line, 500)[-1] == LONGEST_REST
    assert stops(line, 500)[-1] == LONGEST_STOP


def test_new_keys_begin_as_if_nothing_had_failed(line: Line) -> None:
    """What waits and what is under way goes on."""
    line.queue.extend([stage.parcel()])
    line.flying.add("RU")
    rests(line, 4)
    stops(line, 4)
    changed = Credential(1, line.credential.sid, None, "apn", "True", "", 0, 1)
    service = Puppet.__new__(Puppet)

    line.renew(changed, service)

    assert (line.credential, line.service) == (changed, service)
    assert not line.is_stopped
    assert line.rests_until <= MOMENT
    assert rests(line, 1) == [FIRST_REST]
    assert stops(line, 1) == [FIRST_STOP]
    assert line.held == 2
    assert line.queue == deque([stage.parcel()])
