"""Clients of the official SDK on different nodes, with a real NATS between them that is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.steps import eventually
from tests.contract.sdk.conftest import new_about
from tests.contract.sdk.flows import run_flow
from tests.postgres import Postgres
from tests.realtime.cluster import cluster
from tests.realtime.nats import Nats
from tests.realtime.node import Node
from tests.tokens import new_signer

CONNECTED = "NATS is connected"
AWAY = "NATS cannot be reached"


@pytest.fixture
def nats(sdks: None) -> Iterator[Nats]:
    """One to kill; without a nats-server the test is skipped with one line."""
    try:
        server = Nats().start()
    except (LookupError, RuntimeError, OSError) as reason:
        pytest.skip(f"NATS cannot run here: {reason}")
    yield server
    server.kill()


@pytest.fixture
def pair(nats: Nats, postgres: Postgres, tmp_path: Path) -> Iterator[list[Node]]:
    """Two nodes on one PostgreSQL and one NATS."""
    with cluster(tmp_path, postgres.new_database(), nats.url) as opened:
        nodes = opened.start({}, {})
        assert eventually(lambda: all(CONNECTED in node.log for node in nodes))
        yield nodes


def test_clients_on_two_nodes_see_each_other_also_while_nats_is_dead(pair: list[Node], nats: Nats) -> None:
    """All that one does, the other is told at once; without NATS later, and still each thing once and in order."""
    here, there = pair
    answers = {"kill NATS": nats.kill, "start NATS": nats.start}

    run_flow("flow-nodes.js", str(here.port), about=new_about(there, new_signer(here)), answers=answers)

    for node in pair:
        assert (node.log.count(AWAY), node.log.count(CONNECTED)) == (1, 2)
        assert "Traceback" not in node.log
