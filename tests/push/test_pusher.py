"""A pusher in this process: what it makes of each verdict, and what the table says afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubbub.delivery.push import sql
from hubbub.delivery.push.model import DELIVERED, REFUSED, WAITING
from hubbub.delivery.push.piles import TURN
from hubbub.delivery.push.spread import Spreader
from hubbub.delivery.push.verdict import Meaning, Verdict
from hubbub.errors import ERRORS
from hubbub.sids import new_sid
from tests.conftest import new_database
from tests.push import stage
from tests.push.desk import AWAY, BAD, HOUR, LEASE, TAKEN, Desk, opened

MINUTE = 60_000


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_database(engine, request, tmp_path)


@pytest.fixture
async def desk(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    async with opened(tmp_path, url, monkeypatch) as it:
        yield it


async def test_what_is_taken_leaves_nothing_behind(desk: Desk) -> None:
    """Unless the service logs it."""
    credential = await desk.credential()
    [plain], [logged] = await desk.store(credential), await desk.store(credential, logged=True)

    await desk.look()

    assert await desk.states() == {logged: DELIVERED}
    assert sorted(desk.sent) == [plain, logged]


async def test_verdict_on_old_keys_says_nothing_of_new_ones(desk: Desk) -> None:
    """A push is under way when the keys are set anew, and is refused: the new keys are used at once."""
    credential = await desk.credential()
    [sid] = await desk.store(credential)
    answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    desk.answer = lambda _: answer
    await desk.pusher.look()
    await desk.until(lambda: desk.sent == [sid])

    await desk.renew(credential)
    await desk.store(credential)
    desk.answer = lambda _: TAKEN
    await desk.pusher.look()
    await desk.until_stored({sid: WAITING})
    answer.set_result(BAD)
    await desk.quiet()
    await desk.look()

    assert (await desk.reload(credential)).push_error is None
    assert await desk.states() == {}


async def test_verdict_on_old_keys_does_not_let_new_ones_rest(desk: Desk) -> None:
    """They may be for another address."""
    credential = await desk.credential()
    [sid] = await desk.store(credential)
    answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    desk.answer = lambda _: answer
    await desk.pusher.look()
    await desk.until(lambda: desk.sent == [sid])

    await desk.renew(credential)
    [other] = await desk.store(credential)
    desk.answer = lambda _: TAKEN
    await desk.pusher.look()
    await desk.until_stored({sid: WAITING})
    answer.set_result(AWAY)
    await desk.quiet()
    [third] = await desk.store(credential)
    await desk.look()

    assert {sid} == set(await desk.states())
    assert desk.sent == [sid, other, third]


async def test_line_goes_on_after_the_database_was_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was held in memory is not forgotten there."""
    credential = await desk.credential()
    await desk.store(credential, 600)
    fetch, fetches = desk.pusher._fetch, 0

    async def fail_once(*arguments: object) -> None:
        nonlocal fetches
        fetches += 1
        if fetches == 2:
            raise ERRORS.UNAVAILABLE(reason="the database cannot be reached")
        await fetch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.pusher, "_fetch", fail_once)
    await desk.look()
    await desk.look()
    await desk.look()

    assert await desk.states() == {}
    assert len(desk.sent) == len(set(desk.sent)) == 600


async def test_end_takes_nothing_more_from_the_table(desk: Desk) -> None:
    """What is under way is answered, the rest is free for whoever comes next, and nothing is sent twice."""
    credential = await desk.credential()
    sids = await desk.store(credential, 1200)
    going = asyncio.Event()

    async def slowly() -> Verdict:
        await going.wait()
        return TAKEN

    desk.answer = lambda _: slowly()
    await desk.pusher.look()
    await desk.until(lambda: len(desk.sent) >= 8)
    finishing = asyncio.create_task(desk.pusher.finish())
    await asyncio.sleep(0)
    going.set()
    await finishing
    begun = len(desk.sent)
    left = await desk.states()
    desk.start()
    await desk.look()
    for _ in range(4):
        await desk.look()

    assert begun <= 500
    assert len(left) == len(sids) - begun
    assert sorted(desk.sent) == sids
    assert await desk.states() == {}


async def test_stopped_credential_is_opened_once(desk: Desk) -> None:
    """Not at each look: reading the keys and what the system trusts takes its time."""
    credential = await desk.credential()
    desk.answer = lambda _: BAD
    await desk.store(credential)
    await desk.look()
    desk.start()
    del desk.opened[:]
    for _ in range(3):
        await desk.look()

    assert len(desk.opened) == 1


async def test_probes_become_rarer_up_to_an_hour(desk: Desk) -> None:
    """One push each, after a minute at first; a success restarts all."""
    credential = await desk.credential()
    desk.answer = lambda _: BAD
    await desk.store(credential, 20, hours=24 * 7)
    await desk.look()
    del desk.sent[:]
    gaps = []
    for _ in range(9):
        gaps.append((await desk.reload(credential)).push_due - desk.clock())
        desk.clock.moment += gaps[-1] - 1000
        await desk.look()
        assert not desk.sent
        desk.clock.moment += 1000
        await desk.look()
        assert len(desk.sent) == 1
        desk.sent.clear()

    assert [gap // MINUTE for gap in gaps] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    desk.answer = lambda _: TAKEN
    desk.clock.moment += HOUR
    await desk.look()
    await desk.look()
    assert (await desk.reload(credential)).push_error is None
    assert await desk.states() == {}


async def test_unreachable_service_gets_all_soon_after_it_is_back(desk: Desk) -> None:
    """However often it was tried: within a minute or so after ten hours."""
    credential = await desk.credential()
    desk.answer = lambda _: AWAY
    await desk.store(credential, 30, hours=100)
    for _ in range(40):
        await desk.look()
        desk.clock.moment += 15 * MINUTE
    desk.answer = lambda _: TAKEN

    await desk.look()
    desk.clock.moment += 80_000
    await desk.look()

    assert await desk.states() == {}


async def test_push_under_way_is_not_taken_again_by_the_same_process(desk: Desk) -> None:
    """Even when its answer takes longer than it is this process's."""
    credential = await desk.credential()
    [sid] = await desk.store(credential)
    answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    desk.answer = lambda _: answer
    await desk.pusher.look()
    await desk.until(lambda: desk.sent == [sid])

    desk.clock.moment += LEASE + 1
    await desk.pusher.look()
    answer.set_result(TAKEN)
    await desk.quiet()

    assert desk.sent == [sid]
    assert await desk.states() == {}


async def test_end_frees_what_is_not_spread(desk: Desk) -> None:
    """What is being spread is done, the rest is free at once and not when its time has run out."""
    moment = desk.clock()
    notices = [stage.parcel().notice for _ in range(TURN + 5)]
    for notice in notices:
        notice.sid, notice.after, notice.due, notice.text = new_sid("NO"), "", moment + LEASE, ""
    async with desk.chat.transaction() as tx:
        await sql.add_notices(tx, notices)
    spreader = Spreader(desk.chat, desk.pusher, LEASE, HOUR)
    spreader.take(notices)
    running = asyncio.create_task(spreader.run())
    await asyncio.sleep(0)

    await spreader.finish(running)

    assert await desk.chat.database.fetch_all("SELECT sid, due FROM notices ORDER BY sid") == [
        (notice.sid, moment) for notice in notices[TURN:]
    ]


async def test_device_that_is_gone_is_forgotten(desk: Desk) -> None:
    credential = await desk.credential()
    [sid] = await desk.store(credential)
    desk.answer = lambda _: Verdict(Meaning.GONE, 410, "Unregistered", "It is gone.")

    await desk.look()

    assert await desk.state(sid) == REFUSED
    assert await desk.chat.database.fetch_all("SELECT sid FROM bindings") == []
