"""Whatever dies under load: each message that was acknowledged is pushed to each device; what comes twice says so."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import new_database, running_postgres
from tests.delivery.load import SHORT_LEASE, Writers
from tests.harness import Server
from tests.postgres import Postgres
from tests.push.peer import Authority, Listener
from tests.push.storm import assert_all_arrive, new_street, push_service, pushing, repeated
from tests.robustness.writers import ended, eventually

KILLS = 3
ROOMS = 5
WRITERS = 6
FAULT = "will be tried again"  # what the pushing says of an error that nobody thought of


@pytest.fixture
def listener(authority: Authority) -> Iterator[Listener]:
    with push_service(authority) as it:
        yield it


@pytest.fixture
def server(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, listener: Listener, authority: Authority
) -> Iterator[Server]:
    """One that pushes to the listener, not started yet."""
    database = new_database(engine, request, tmp_path)
    with ended(pushing(tmp_path / "data", database, listener, authority)) as it:
        yield it


def test_killed_server_loses_no_push(server: Server, listener: Listener) -> None:
    """SIGKILL at random moments under load, in the middle of spreading and of sending."""
    server.settings |= SHORT_LEASE
    street = new_street(server.start(), ROOMS)

    with Writers(server, street.rooms, WRITERS).running() as writers:
        for _ in range(KILLS):
            writers.wait_for_acknowledged(random.randint(50, 300))
            server.kill()
            server.start()
        writers.wait_for_acknowledged(100)

    assert not writers.refused
    assert_all_arrive(listener, server, street, writers.acknowledged)
    assert FAULT not in server.log


def test_stopped_server_loses_no_push_and_sends_none_twice(server: Server, listener: Listener) -> None:
    """SIGTERM under load: what had not been sent is sent after the next start, at once, and what had been is not."""
    street = new_street(server.start(), ROOMS)

    with Writers(server, street.rooms, WRITERS).running() as writers:
        for _ in range(2):
            writers.wait_for_acknowledged(200)
            assert server.stop() == 0
            server.start()
        writers.wait_for_acknowledged(50)

    assert not writers.refused
    assert_all_arrive(listener, server, street, writers.acknowledged)
    assert repeated(listener) == 0
    assert FAULT not in server.log


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for this test alone, to be crashed."""
    with running_postgres() as cluster:
        yield cluster


def test_crash_of_postgres_loses_no_push(
    own_postgres: Postgres, tmp_path: Path, listener: Listener, authority: Authority
) -> None:
    """PostgreSQL dies under load and comes back while pushes are spread and sent."""
    with ended(pushing(tmp_path / "data", own_postgres.new_database(), listener, authority, **SHORT_LEASE)) as server:
        street = new_street(server.start(), ROOMS)
        with Writers(server, street.rooms, WRITERS).running() as writers:
            writers.wait_for_acknowledged(random.randint(100, 300))
            own_postgres.stop("immediate")
            eventually(lambda: sum(writers.refused.values()) > 20, what="requests are answered")
            own_postgres.start()
            writers.wait_for_acknowledged(100)

        assert set(writers.refused) == {503}
        assert_all_arrive(listener, server, street, writers.acknowledged)
        assert FAULT not in server.log
