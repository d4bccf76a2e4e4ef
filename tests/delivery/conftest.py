"""What the tests of webhooks run on: a server that may reach this machine, and a receiver there.

Those of sockets run on both event loops, that of Python and that of production.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import httpx
import pytest
import uvloop

from hubbub.delivery.http import Sender
from tests.conftest import new_database
from tests.delivery.receiver import Receiver, receiving
from tests.delivery.receivers import sending
from tests.delivery.steps import ASKED, FLOW, FLOW_PATH
from tests.harness import Server, running

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]

STANDARD: LoopFactories = {"asyncio": asyncio.new_event_loop}
BOTH: LoopFactories = {**STANDARD, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    return BOTH if item.path.name.startswith("test_http") else STANDARD


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as it:
        yield it


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver for all tests: make your own hook on it."""
    with receiving() as started:
        yield started


@pytest.fixture(scope="session")
def server(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Iterator[Server]:
    """A server that webhooks may leave for this machine; one flow is mapped, to a path of the receiver."""
    directory = tmp_path_factory.mktemp(f"hooks-{engine}")
    settings = {
        "HUBBUB_WEBHOOK_ALLOW": "127.0.0.0/8",
        "HUBBUB_STUDIO_FLOWS": f"{FLOW}=http://127.0.0.1:{receiver.port}{FLOW_PATH}",
    }
    with running(Server(directory, new_database(engine, request, directory), settings)) as started:
        yield started


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    """The first account's client, which asks for no webhooks."""
    with server.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def asking(server: Server) -> Iterator[httpx.Client]:
    """A client whose every request asks for webhooks."""
    with server.client() as opened:
        opened.headers.update(ASKED)
        yield opened
