"""An empty database of either engine, opened in process, and one with a table to work on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubbub.app import open_database
from hubbub.settings import Settings
from hubbub.storage.database import Database
from tests.conftest import new_database


@pytest.fixture
def settings(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty database."""
    return Settings(database=new_database(engine, request, tmp_path), data_dir=str(tmp_path), postgres_connections=8)


@pytest.fixture
async def empty(settings: Settings) -> AsyncIterator[Database]:
    """The database as nothing has touched it."""
    opened = await open_database(settings, exclusive=False)
    yield opened
    await opened.close()


@pytest.fixture
async def database(empty: Database) -> Database:
    """A database with a table of things."""
    async with empty.transaction() as tx:
        await tx.script("CREATE TABLE things (key BIGINT PRIMARY KEY, sid TEXT, shelf BIGINT, name TEXT)")
    return empty
