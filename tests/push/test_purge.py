"""What is kept of pushes, for how long, and what becomes of those that wait for a credential in vain."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubbub import purge
from hubbub.delivery.push.model import DEAD, DELIVERED, LEFT_OUT, REFUSED, RETRYING, WAITING
from hubbub.purge import STEP
from hubbub.resources.credentials import actions
from hubbub.resources.credentials.model import Credential
from tests.conftest import new_database
from tests.push.desk import BAD, HOUR, LATER, TAKEN, Desk, opened

MINUTE = 60_000
DAY = 24 * HOUR
DAYS = 7 * DAY  # push_log_days, unless set
ENDED = (DELIVERED, REFUSED, DEAD, LEFT_OUT)


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_database(engine, request, tmp_path)


@pytest.fixture
async def desk(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with opened(tmp_path, url, monkeypatch) as it:
        yield it


@pytest.fixture
async def credential(desk: Desk) -> Credential:
    return await desk.credential()


async def kept(desk: Desk, credential: Credential, state: str, age: int, count: int = 1) -> list[str]:
    """Pushes that have been in the state for so long."""
    sids = await desk.store(credential, count)
    listed = ", ".join(f"'{sid}'" for sid in sids)
    sql = f"UPDATE pushes SET state = $1, date_updated = $2 WHERE sid IN ({listed}) RETURNING sid"
    async with desk.chat.transaction() as tx:
        await tx.fetch_all(sql, state, desk.clock() - age)
    return sids


async def notices(desk: Desk) -> int:
    row = await desk.chat.database.fetch_one("SELECT count(*) FROM notices")
    assert row is not None
    return int(row[0])


async def reasons(desk: Desk) -> list[tuple[str, str | None]]:
    """Of each push, with its state."""
    return [tuple(row) for row in await desk.chat.database.fetch_all("SELECT state, reason FROM pushes ORDER BY sid")]


async def pass_minutes(desk: Desk, minutes: int) -> None:
    """As many purges as there are in them."""
    for _ in range(minutes):
        desk.clock.moment += MINUTE
        await purge.purge(desk.chat)


async def test_what_has_ended_is_kept_for_days(desk: Desk, credential: Credential) -> None:
    """However it ended; what waits stays, however old it is."""
    young = [sid for state in ENDED for sid in await kept(desk, credential, state, DAYS - MINUTE)]
    for state in ENDED:
        await kept(desk, credential, state, DAYS + MINUTE)
    waiting = [sid for state in (WAITING, RETRYING) for sid in await kept(desk, credential, state, 30 * DAY)]

    await purge.purge(desk.chat)

    assert sorted(await desk.states()) == sorted(young + waiting)


async def test_much_goes_in_small_steps(desk: Desk, credential: Credential) -> None:
    """Pushes, and the notices that nothing is left of."""
    await kept(desk, credential, DEAD, DAYS + MINUTE, 2 * STEP + 1)
    for _ in range(STEP // 100):
        await kept(desk, credential, REFUSED, DAYS + MINUTE)
    desk.clock.moment += 2 * HOUR

    await purge.purge(desk.chat)

    assert await desk.states() == {}
    assert await notices(desk) == 0


async def test_arrived_pushes_leave_nothing_behind(desk: Desk, credential: Credential) -> None:
    """Where the service does not log them."""
    await desk.store(credential, 3)
    await desk.look()

    await pass_minutes(desk, 2)
    assert await notices(desk) == 1  # it is looked at when it is due
    desk.clock.moment += HOUR
    await pass_minutes(desk, 1)

    assert await desk.states() == {}
    assert await notices(desk) == 0


async def test_notice_goes_with_its_last_push(desk: Desk, credential: Credential) -> None:
    """Not as long as anything may still be sent or shown of it."""
    [sid] = await desk.store(credential, logged=True)
    desk.answer = lambda _: LATER
    await desk.look()
    desk.clock.moment += 2 * HOUR
    await pass_minutes(desk, 1)
    assert (await desk.states(), await notices(desk)) == ({sid: RETRYING}, 1)

    desk.answer = lambda _: TAKEN
    await desk.look()
    desk.clock.moment += DAYS - HOUR
    await pass_minutes(desk, 1)
    assert (await desk.states(), await notices(desk)) == ({sid: DELIVERED}, 1)

    desk.clock.moment += HOUR
    await pass_minutes(desk, 1)
    assert await desk.states() == {}
    desk.clock.moment += 2 * DAYS  # it is looked at more and more rarely
    await pass_minutes(desk, 1)
    assert await notices(desk) == 0


async def test_notice_that_is_not_spread_stays(desk: Desk, credential: Credential) -> None:
    """However old it is."""
    [sid] = await kept(desk, credential, DEAD, DAYS + MINUTE)
    async with desk.chat.transaction() as tx:
        await tx.fetch_all("UPDATE notices SET \"after\" = '' RETURNING sid")
    desk.clock.moment += 30 * DAY

    await purge.purge(desk.chat)

    assert sid not in await desk.states()
    assert await notices(desk) == 1


async def test_pushes_of_a_deleted_credential_are_given_up(desk: Desk, credential: Credential) -> None:
    """And say why; those of others wait on."""
    other = await desk.credential()
    await desk.store(credential, STEP + 1)
    [sid] = await desk.store(other)
    await actions.delete_credential(desk.chat, credential)

    await purge.purge(desk.chat)

    states = await desk.states()
    assert states.pop(sid) == WAITING
    assert set(states.values()) == {DEAD}
    told = set(await reasons(desk))
    assert told == {(WAITING, None), (DEAD, f"The credential {credential.sid} was deleted.")}


async def test_pushes_that_wait_for_a_stopped_credential_expire(desk: Desk, credential: Credential) -> None:
    """With its reason; those that are still worth something wait."""
    desk.answer = lambda _: BAD
    await desk.store(credential, hours=1)
    await desk.store(credential, hours=3)
    await desk.look()
    desk.clock.moment += HOUR

    await purge.purge(desk.chat)

    assert await reasons(desk) == [
        (DEAD, "It was not delivered in time: The key is bad."),
        (RETRYING, "The key is bad."),
    ]


async def test_device_that_answers_too_late_gets_nothing(desk: Desk, credential: Credential) -> None:
    """A push that is due again when it has expired is not sent; the last reason stays."""
    [sid] = await desk.store(credential, hours=1)
    desk.answer = lambda _: LATER
    await desk.look()
    assert await desk.state(sid) == RETRYING
    desk.clock.moment += HOUR

    await desk.look()

    assert len(desk.sent) == 1
    assert await reasons(desk) == [(DEAD, "It was not delivered in time. Not now.")]
