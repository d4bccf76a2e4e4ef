"""What every test may ask for: a database URL of either engine, a running server, a client, a fresh service."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Server, running, unique
from tests.postgres import Postgres

ENGINES = ("sqlite", "postgres")


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A new PostgreSQL; whoever asks for it is skipped with one line where none can run.

    Not below pytest's own folder, which no other user may enter, and PostgreSQL runs as another user than root.
    """
    with tempfile.TemporaryDirectory(prefix="hubbub-postgres-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        try:
            cluster = Postgres(Path(directory) / "cluster").start()
        except (LookupError, RuntimeError, OSError) as reason:
            pytest.skip(f"PostgreSQL cannot run here: {reason}")
        yield cluster
        cluster.stop("immediate")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL."""
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Both engines: each test that depends on this runs once on either."""
    return str(request.param)


def new_database(engine: str, request: pytest.FixtureRequest, directory: Path) -> str:
    """The URL of an empty database of the engine."""
    if engine == "sqlite":
        return f"sqlite:///{directory / 'hubbub.db'}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.new_database()


@pytest.fixture(scope="session")
def server(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server, shared by the tests of the session: make your own service, leave others alone."""
    directory = tmp_path_factory.mktemp(f"server-{engine}")
    with running(Server(directory, new_database(engine, request, directory))) as started:
        yield started


@pytest.fixture
def new_server(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, not started yet, to stop, kill and configure at will."""
    server = Server(tmp_path / "data", new_database(engine, request, tmp_path))
    yield server
    if server.process is not None:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """An HTTP client with the first account's credentials; paths begin with /v2."""
    with server.client() as opened:
        yield opened


@pytest.fixture
def service(client: httpx.Client) -> Iterator[dict[str, Any]]:
    """A fresh service, deleted afterwards."""
    created = client.post("/v2/Services", data={"FriendlyName": unique("service")})
    assert created.status_code == 201, created.text
    yield created.json()
    client.delete(f"/v2/Services/{created.json()['sid']}")
