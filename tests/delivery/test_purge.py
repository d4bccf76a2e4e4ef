"""What has been kept long enough goes, and nothing else; a fault does not end the purging."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubbub import purge
from hubbub.app import open_chat
from hubbub.chat import Chat
from hubbub.delivery import sql
from hubbub.delivery.model import DEAD, DELIVERED, REFUSED, RETRYING, WAITING
from hubbub.purge import HOUR, STEP
from hubbub.settings import Settings
from tests.conftest import new_database
from tests.delivery.world import a_delivery

DAY = 24 * HOUR
ENDED = {DELIVERED: HOUR, REFUSED: 2 * DAY, DEAD: 2 * DAY}


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_database(engine, request, tmp_path)


@pytest.fixture
async def chat(url: str, tmp_path: Path) -> AsyncIterator[Chat]:
    """What has arrived is kept for an hour, what has not for two days."""
    settings = Settings(
        data_dir=str(tmp_path),
        database=url,
        deliveries_kept_hours=1,
        deliveries_failed_days=2,
    )
    async with open_chat(settings) as opened:
        yield opened


async def store(chat: Chat, state: str, age: int, count: int = 1) -> None:
    deliveries = [a_delivery(number) for number in range(count)]
    for delivery in deliveries:
        delivery.state, delivery.date_updated = state, chat.clock() - age
    async with chat.transaction() as tx:
        await sql.add_deliveries(tx, deliveries)


async def left(chat: Chat) -> list[str]:
    return sorted(each.state for each in await sql.list_deliveries(chat.database, sql.Filter(), 10_000))


async def test_what_has_ended_goes_after_its_time(chat: Chat) -> None:
    """What waits or is tried again stays, however old it is."""
    for state, kept in ENDED.items():
        await store(chat, state, kept - 60_000)
        await store(chat, state, kept + 60_000)
    for state in (WAITING, RETRYING):
        await store(chat, state, 30 * DAY)

    await purge.purge(chat)

    assert await left(chat) == sorted([*ENDED, WAITING, RETRYING])


async def test_much_goes_in_small_steps(chat: Chat) -> None:
    """More than one step removes."""
    await store(chat, DELIVERED, 2 * HOUR, 2 * STEP + 1)

    await purge.purge(chat)

    assert await left(chat) == []


async def test_purging_goes_on_after_a_fault(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody thought of is logged, and the next look is made."""
    looks = 0
    done = asyncio.Event()

    async def fail_once(_: Chat) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise KeyError("nobody thought of it")
        done.set()

    monkeypatch.setattr(purge, "purge", fail_once)
    monkeypatch.setattr(purge, "SECONDS", 0)
    purging = asyncio.create_task(purge.keep_purging(chat))

    await asyncio.wait_for(done.wait(), 10)
    purging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await purging
    assert looks >= 2
