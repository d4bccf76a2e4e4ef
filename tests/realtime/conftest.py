"""A world in this process, on one database for all tests: each has a service of its own."""

from collections.abc import AsyncIterator

import pytest

from hubbub.settings import Settings
from tests.conftest import new_database
from tests.realtime.recorder import World, world


@pytest.fixture(scope="session")
def in_process(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the shared database."""
    directory = tmp_path_factory.mktemp(f"realtime-{engine}")
    return Settings(database=new_database(engine, request, directory), data_dir=str(directory), postgres_connections=8)


@pytest.fixture
async def there(in_process: Settings) -> AsyncIterator[World]:
    """A fresh service, and a hub that listens."""
    async with world(in_process) as opened:
        yield opened
