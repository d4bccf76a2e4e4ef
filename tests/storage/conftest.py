"""Databases of either engine, opened in process: an empty one, and one with a table to work on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubbub.app import open_database
from hubbub.settings import Settings
from hubbub.storage.database import Database
from tests.conftest import new_database

CONNECTIONS = 8


@pytest.fixture
def settings(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty database."""
    url = new_database(engine, request, tmp_path)
    return Settings(database=url, data_dir=str(tmp_path), postgres_connections=CONNECTIONS)


@pytest.fixture
async def empty(settings: Settings) -> AsyncIterator[Database]:
    """The database as nothing has touched it."""
    opened = await open_database(settings, exclusive=False)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def workshop(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that name one database for many tests: making one takes longer than most of them."""
    url = new_database(engine, request, tmp_path_factory.mktemp(f"storage-{engine}"))
    return Settings(database=url, postgres_connections=CONNECTIONS)


@pytest.fixture
async def database(workshop: Settings) -> AsyncIterator[Database]:
    """A database with an empty table of things."""
    opened = await open_database(workshop, exclusive=False)
    async with opened.transaction() as tx:
        await tx.script("DROP TABLE IF EXISTS things")
        await tx.script("CREATE TABLE things (key BIGINT PRIMARY KEY, sid TEXT, shelf BIGINT, name TEXT)")
    yield opened
    await opened.close()
