"""Several servers on one PostgreSQL: each webhook is sent by one of them, in order, whichever of them dies."""

import asyncio
import base64
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.delivery.load import (
    ALLOWED,
    SHORT_LEASE,
    Receiver,
    Room,
    Writers,
    asked_for,
    assert_all_arrive,
    assert_in_order,
    new_rooms,
    repeated,
)
from tests.harness import Server
from tests.postgres import Postgres
from tests.robustness.writers import ended, eventually

KEY = {"HUBBUB_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode()}
LEASE = int(SHORT_LEASE["HUBBUB_NODE_LEASE_SECONDS"])
ROOMS = 4
WRITERS = 4  # at each node
TAKEN = 100  # of what the other node had, before that comes back


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as it:
        yield it


@contextlib.contextmanager
def nodes(postgres: Postgres, directory: Path, count: int, **settings: str) -> Iterator[list[Server]]:
    """Servers on one new database, all of them ready."""
    database = postgres.new_database()
    with contextlib.ExitStack() as stack:
        servers = [Server(directory / str(n), database, ALLOWED | KEY | settings) for n in range(count)]
        for server in servers:
            stack.enter_context(ended(server)).start()
        yield servers
        assert [server.log for server in servers if "Traceback" in server.log] == []


@contextlib.contextmanager
def writing(servers: list[Server], rooms: list[Room]) -> Iterator[list[Writers]]:
    """Writers at each of the servers, on the same channels."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Writers(server, rooms, WRITERS).running()) for server in servers]


def known_nodes(server: Server) -> set[int]:
    """The names of the nodes that take themselves for alive."""

    async def read() -> set[int]:
        connection = await asyncpg.connect(server.database)
        try:
            return {row[0] for row in await connection.fetch("SELECT key FROM nodes")}
        finally:
            await connection.close()

    return asyncio.run(read())


@pytest.mark.parametrize("count", [2, 3])
def test_nodes_send_each_webhook_once_and_in_order(
    postgres: Postgres, tmp_path: Path, receiver: Receiver, count: int
) -> None:
    """Writers at each node on the same channels: each event arrives once at each hook, by revision."""
    with nodes(postgres, tmp_path, count) as servers:
        rooms = new_rooms(servers[0], receiver, ROOMS)
        with writing(servers, rooms) as crowd:
            for writers in crowd:
                writers.wait_for_acknowledged(150)

        acknowledged = [each for writers in crowd for each in writers.acknowledged]
        assert [writers.refused for writers in crowd if writers.refused] == []
        assert_all_arrive(receiver, asked_for(servers[0], rooms, acknowledged))
        assert_in_order(receiver)
        assert repeated(receiver) == 0


def test_webhooks_of_a_killed_node_are_taken_over(postgres: Postgres, tmp_path: Path, receiver: Receiver) -> None:
    """One of three nodes dies under load: the others send what it had taken when its lease is over, in order."""
    receiver.seconds = 0.02  # so that it has something
    with nodes(postgres, tmp_path, 3, **SHORT_LEASE) as servers:
        rooms = new_rooms(servers[0], receiver, ROOMS)
        with writing(servers, rooms) as crowd:
            crowd[0].wait_for_acknowledged(100)
            servers[0].kill()
            crowd[1].wait_for_acknowledged(50)
        receiver.seconds = 0

        acknowledged = [each for writers in crowd for each in writers.acknowledged]
        assert_all_arrive(receiver, asked_for(servers[1], rooms, acknowledged), LEASE + 10)
        assert_in_order(receiver)


def test_node_that_was_away_sends_nothing_again(postgres: Postgres, tmp_path: Path, receiver: Receiver) -> None:
    """A node is stopped for longer than its lease: the other sends what it had; it goes on under a new name."""
    receiver.seconds = 0.05
    with nodes(postgres, tmp_path, 2, **SHORT_LEASE) as servers:
        rooms = new_rooms(servers[0], receiver, ROOMS)
        before = known_nodes(servers[0])
        assert len(before) == 2
        with writing(servers[:1], rooms) as [own]:
            own.wait_for_acknowledged(300)
            process = servers[0].process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            eventually(lambda: len(known_nodes(servers[1])) == 1, LEASE + 5, "it is given up")
            had = len(receiver.arrivals)
            eventually(lambda: len(receiver.arrivals) > had + TAKEN, 10, "the other sends what it had")
            known = {arrival.id for arrival in tuple(receiver.arrivals)}
            had = len(receiver.arrivals)
            process.send_signal(signal.SIGCONT)
            with writing(servers, rooms) as crowd:
                for writers in crowd:
                    writers.wait_for_acknowledged(50)
        receiver.seconds = 0

        acknowledged = [each for writers in (own, *crowd) for each in writers.acknowledged]
        assert_all_arrive(receiver, asked_for(servers[1], rooms, acknowledged), LEASE + 10)
        assert_in_order(receiver)
        again = [arrival for arrival in receiver.arrivals[had:] if arrival.id in known]
        assert again == []
        after = known_nodes(servers[0])
        assert len(after) == 2
        assert len(after & before) == 1
