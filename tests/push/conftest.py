"""What the tests of push notifications share. Those of HTTP/2 and of the share run on both event loops."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.conftest import new_database
from tests.delivery.conftest import BOTH, STANDARD
from tests.push.tls import Authority
from tests.push.town import Town
from tests.push.world import World, making

LoopFactories = Mapping[str, Callable[[], object]]


def pytest_asyncio_loop_factories(item: pytest.Item) -> LoopFactories:
    return BOTH if item.path.name.startswith(("test_http2", "test_share")) else STANDARD


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def world(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[World]:
    """A server that pushes, shared by the tests of the session: make your own town, leave others alone."""
    directory = tmp_path_factory.mktemp(f"pushing-{engine}")
    with making(directory, new_database(engine, request, directory), authority) as made:
        yield made


@pytest.fixture
def town(world: World) -> Town:
    """A service of the test's own, which pushes new messages and nothing else."""
    return world.town()
