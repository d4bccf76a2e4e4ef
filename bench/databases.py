"""Servers to measure: on SQLite, and on a PostgreSQL that waits for its disk as in production."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tests.harness import Server, running
from tests.postgres import Postgres

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
USUAL = {"shared_buffers": "512MB"}


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A directory that PostgreSQL's own user may enter as well."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def durable_postgres(place: Path) -> Iterator[Postgres]:
    """A cluster with every safety on and the usual memory. (initdb's -N leaves out its own last sync, no more.)"""
    cluster = Postgres(place / "cluster").start()
    cluster.stop()
    settings = " ".join(f"-c {name}={value}" for name, value in (DURABLE | USUAL).items())
    options = f"-h 127.0.0.1 -p {cluster.port} -k {quote(str(cluster.directory))} {settings}"
    data, log = str(cluster.directory / "data"), str(cluster.directory / "log")
    cluster.run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
    try:
        asyncio.run(check_durable(cluster))
        yield cluster
    finally:
        cluster.stop("immediate")


async def check_durable(cluster: Postgres) -> None:
    connection = await asyncpg.connect(cluster.admin_url)
    shown = {name: await connection.fetchval(f"SHOW {name}") for name in DURABLE}
    await connection.close()
    if shown != DURABLE:
        raise RuntimeError(f"PostgreSQL would lose what it has acknowledged: {shown}")


@contextlib.contextmanager
def server(engine: str, settings: dict[str, str] | None = None) -> Iterator[Server]:
    """A running server on an empty database of the engine."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(directory())
        database = f"sqlite:///{place / 'hubbub.db'}"
        if engine == "postgres":
            database = stack.enter_context(durable_postgres(place)).new_database()
        yield stack.enter_context(running(Server(place / "data", database, settings or {})))
