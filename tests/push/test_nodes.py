"""Several servers on one PostgreSQL: each push is sent by one of them, whichever of them dies."""

import base64
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.load import SHORT_LEASE, Room, Writers
from tests.harness import Server
from tests.postgres import Postgres
from tests.push.peer import Authority, Listener
from tests.push.storm import OPEN, ask, assert_all_arrive, new_street, push_service, pushing, repeated
from tests.robustness.writers import ended, eventually

KEY = {"HUBBUB_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode()}
LEASE = 2 * int(SHORT_LEASE["HUBBUB_NODE_LEASE_SECONDS"])  # seconds for which pushes are taken
ROOMS = 4
WRITERS = 3  # at each node


@pytest.fixture
def listener(authority: Authority) -> Iterator[Listener]:
    with push_service(authority) as it:
        yield it


@pytest.fixture
def nodes(postgres: Postgres, tmp_path: Path, listener: Listener, authority: Authority) -> Iterator[list[Server]]:
    """Two servers on one new database, not started yet."""
    database = postgres.new_database()
    servers = [pushing(tmp_path / str(n), database, listener, authority, **KEY) for n in range(2)]
    with ended(servers[0]), ended(servers[1]):
        yield servers
    assert [server.log for server in servers if "Traceback" in server.log] == []


@contextlib.contextmanager
def writing(servers: list[Server], rooms: list[Room]) -> Iterator[list[Writers]]:
    """Writers at each of the servers, on the same channels."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Writers(server, rooms, WRITERS).running()) for server in servers]


def acknowledged(crowd: list[Writers]) -> list[tuple[str, str, str]]:
    return [each for writers in crowd for each in writers.acknowledged]


def test_nodes_send_each_push_once(nodes: list[Server], listener: Listener) -> None:
    """Writers at both nodes on the same channels, and the badges of the same devices."""
    street = new_street(nodes[0].start(), ROOMS)
    nodes[1].start()

    with writing(nodes, street.rooms) as crowd:
        for writers in crowd:
            writers.wait_for_acknowledged(200)

    assert [writers.refused for writers in crowd if writers.refused] == []
    assert_all_arrive(listener, nodes[0], street, acknowledged(crowd))
    assert repeated(listener) == 0


def test_pushes_of_a_killed_node_are_taken_over(nodes: list[Server], listener: Listener) -> None:
    """One dies under load: the other sends what it had taken when the time for that is over."""
    for server in nodes:
        server.settings |= SHORT_LEASE
    street = new_street(nodes[0].start(), ROOMS)
    nodes[1].start()

    with writing(nodes, street.rooms) as crowd:
        crowd[0].wait_for_acknowledged(150)
        nodes[0].kill()
        crowd[1].wait_for_acknowledged(50)

    assert_all_arrive(listener, nodes[1], street, acknowledged(crowd))


def test_node_that_was_away_loses_nothing(nodes: list[Server], listener: Listener) -> None:
    """A node is stopped for longer than what it takes is its own: the other sends that; then both go on."""
    for server in nodes:
        server.settings |= SHORT_LEASE
    street = new_street(nodes[0].start(), ROOMS)
    nodes[1].start()
    listener.hold()
    with writing(nodes[:1], street.rooms) as [own]:
        own.wait_for_acknowledged(100)
    eventually(lambda: ask(nodes[1].database, OPEN)[0][0] == 0, what="all is spread")
    process = nodes[0].process
    assert process is not None

    process.send_signal(signal.SIGSTOP)
    had = len(listener.requests)
    listener.release()
    eventually(lambda: len(listener.requests) > had + 50, LEASE + 5, "the other sends what it had")
    process.send_signal(signal.SIGCONT)
    with writing(nodes, street.rooms) as crowd:
        for writers in crowd:
            writers.wait_for_acknowledged(50)

    assert_all_arrive(listener, nodes[1], street, acknowledged([own, *crowd]))
