"""What the tests run on: those of sockets on both event loops, that of Python and that of production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from hubbub.delivery.http import Sender
from tests.delivery.receivers import sending

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]

STANDARD: LoopFactories = {"asyncio": asyncio.new_event_loop}
BOTH: LoopFactories = {**STANDARD, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    return BOTH if item.path.name.startswith("test_http") else STANDARD


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as it:
        yield it
