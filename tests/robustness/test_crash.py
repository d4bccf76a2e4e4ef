"""Whatever dies under load: each acknowledged message is there afterwards, once, and indexes have no gap."""

import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness import Server, running
from tests.postgres import Postgres
from tests.robustness.writers import Writers, assert_nothing_lost, eventually, new_channels

KILLS = 4


def test_killed_server_loses_no_acknowledged_message(new_server: Server) -> None:
    """SIGKILL at random moments under 32 writers: what got a 201 is there exactly once, indexes are 0…n-1."""
    new_server.start()
    channels = new_channels(new_server)

    with Writers(new_server, channels).running() as writers:
        for _ in range(KILLS):
            writers.wait_for_acknowledged(random.randint(100, 700))
            new_server.kill()
            new_server.start()
        writers.wait_for_acknowledged(100)

    assert not writers.refused
    assert_nothing_lost(new_server, channels, writers.acknowledged)


@pytest.fixture
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL for this test alone, to be crashed."""
    directory = tmp_path_factory.mktemp("own-pg")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    try:
        cluster = Postgres(directory / "cluster").start()
    except (LookupError, RuntimeError, OSError) as reason:
        pytest.skip(f"PostgreSQL cannot run here: {reason}")
    yield cluster
    cluster.stop("immediate")


def test_server_survives_a_crash_of_its_postgres(own_postgres: Postgres, tmp_path: Path) -> None:
    """While PostgreSQL is away requests are answered 503; when it is back the server goes on by itself."""
    with running(Server(tmp_path / "data", own_postgres.new_database())) as server:
        channels = new_channels(server)
        with Writers(server, channels).running() as writers:
            writers.wait_for_acknowledged(300)

            own_postgres.stop("immediate")
            refused_before = len(writers.refusals)
            eventually(lambda: len(writers.refusals) >= refused_before + 100, what="requests are answered")
            assert_unavailable(httpx.get(server.url + channels[0], auth=server.client().auth))
            assert httpx.get(f"{server.url}/health/live").status_code == 200
            assert httpx.get(f"{server.url}/health/ready").status_code == 503

            own_postgres.start()
            writers.wait_for_acknowledged(300)
            assert httpx.get(f"{server.url}/health/ready").status_code == 200

        assert set(writers.refused) == {503}
        assert {refusal["code"] for refusal in writers.refusals} == {20503}
        assert_nothing_lost(server, channels, writers.acknowledged)


def assert_unavailable(answer: httpx.Response) -> None:
    """The answer is the published error shape for "unavailable"."""
    assert answer.status_code == 503
    error = answer.json()
    assert set(error) == {"code", "message", "more_info", "status"}
    assert (error["code"], error["status"]) == (20503, 503)
    assert "database" in error["message"]
