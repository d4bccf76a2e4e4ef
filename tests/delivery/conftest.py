"""What the tests run on: those of sockets on both event loops, that of Python and that of production."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]

STANDARD: LoopFactories = {"asyncio": asyncio.new_event_loop}
BOTH: LoopFactories = {**STANDARD, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    return BOTH if item.path.name == "test_http.py" else STANDARD
