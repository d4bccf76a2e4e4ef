"""What only PostgreSQL needs: sessions of processes that are frozen."""

import asyncio

import pytest

from hubbub.app import open_database
from hubbub.errors import ERRORS, ChatError
from hubbub.settings import Settings
from hubbub.storage.postgres import session
from tests.postgres import Postgres

PATIENCE = 10


@pytest.fixture
def new_settings(postgres: Postgres) -> Settings:
    return Settings(database=postgres.new_database())


async def test_frozen_process_keeps_nobody_from_its_rows(
    new_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stops within a transaction and goes on when others have had to do without it."""
    monkeypatch.setattr("hubbub.storage.postgres.IDLE_SECONDS", 1)
    frozen, other = [await open_database(new_settings, exclusive=False) for _ in range(2)]
    async with other.transaction() as tx:
        await tx.script("CREATE TABLE things (key BIGINT PRIMARY KEY); INSERT INTO things VALUES (1)")

    async def freeze() -> None:
        async with frozen.transaction() as tx:
            await tx.fetch_all("UPDATE things SET key = 2 RETURNING key")
            async with asyncio.timeout(PATIENCE), other.transaction() as beside:
                assert await beside.fetch_all("UPDATE things SET key = 3 RETURNING key")
            await tx.fetch_all("SELECT key FROM things")

    with pytest.raises(ChatError) as told:
        await freeze()

    assert told.value.code == ERRORS.UNAVAILABLE.code
    assert [row[0] for row in await frozen.fetch_all("SELECT key FROM things")] == [3]
    await frozen.close()
    await other.close()


def test_silent_hosts_are_noticed_within_half_a_minute() -> None:
    told = session()
    times = [int(told[f"tcp_keepalives_{name}"]) for name in ("idle", "interval", "count")]
    assert times[0] + times[1] * times[2] <= 30
