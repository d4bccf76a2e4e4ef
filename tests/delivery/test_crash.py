"""Whatever dies under load: each event that was asked for arrives, in order, and what comes twice says so."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import running_postgres
from tests.delivery.load import (
    ALLOWED,
    SHORT_LEASE,
    Receiver,
    Writers,
    asked_for,
    assert_all_arrive,
    assert_in_order,
    new_rooms,
    repeated,
)
from tests.harness import Server, running
from tests.postgres import Postgres
from tests.robustness.writers import eventually

KILLS = 3
ROOMS = 6


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as it:
        yield it


def test_killed_server_loses_no_webhook(new_server: Server, receiver: Receiver) -> None:
    """SIGKILL at random moments under load: all that is stored arrives at every hook, first tries in order."""
    new_server.settings |= ALLOWED | SHORT_LEASE
    rooms = new_rooms(new_server.start(), receiver, ROOMS)

    with Writers(new_server, rooms).running() as writers:
        for _ in range(KILLS):
            writers.wait_for_acknowledged(random.randint(50, 400))
            new_server.kill()
            new_server.start()
        writers.wait_for_acknowledged(100)

    assert not writers.refused
    assert_all_arrive(receiver, asked_for(new_server, rooms, writers.acknowledged))
    assert_in_order(receiver)


def test_stopped_server_loses_no_webhook_and_sends_none_twice(new_server: Server, receiver: Receiver) -> None:
    """SIGTERM under load: what had not been sent is sent after the next start, and what had been is not."""
    new_server.settings |= ALLOWED
    rooms = new_rooms(new_server.start(), receiver, ROOMS)

    with Writers(new_server, rooms).running() as writers:
        for _ in range(2):
            writers.wait_for_acknowledged(200)
            assert new_server.stop() == 0
            new_server.start()
        writers.wait_for_acknowledged(50)

    assert not writers.refused
    assert_all_arrive(receiver, asked_for(new_server, rooms, writers.acknowledged))
    assert_in_order(receiver)
    assert repeated(receiver) == 0


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for this test alone, to be crashed."""
    with running_postgres() as cluster:
        yield cluster


def test_crash_of_postgres_loses_no_webhook(own_postgres: Postgres, tmp_path: Path, receiver: Receiver) -> None:
    """PostgreSQL dies under load and comes back: all that is stored arrives, first tries in order."""
    with running(Server(tmp_path / "data", own_postgres.new_database(), ALLOWED.copy())) as server:
        rooms = new_rooms(server, receiver, ROOMS)
        with Writers(server, rooms).running() as writers:
            writers.wait_for_acknowledged(random.randint(100, 300))
            own_postgres.stop("immediate")
            eventually(lambda: sum(writers.refused.values()) > 20, what="requests are answered")
            own_postgres.start()
            writers.wait_for_acknowledged(100)

        assert set(writers.refused) == {503}
        assert_all_arrive(receiver, asked_for(server, rooms, writers.acknowledged))
        assert_in_order(receiver)
