"""Several nodes on one PostgreSQL, for the tests of what they tell each other."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.api.steps import Json, create_channel, create_member, create_service, fetch
from tests.realtime.node import Node
from tests.tokens import Signer

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass
class Cluster:
    """Nodes that have nothing in common but their database, their key and their bus."""

    directory: Path
    database: str
    bus: str
    nodes: list[Node] = field(default_factory=list)

    def node(self, **settings: str) -> Node:
        """One more, not started yet."""
        common = {"HUBBUB_ENCRYPTION_KEY": KEY, "HUBBUB_BUS": self.bus}
        node = Node(self.directory / f"node-{len(self.nodes)}", self.database, common | settings)
        self.nodes.append(node)
        return node

    def start(self, *settings: dict[str, str]) -> list[Node]:
        """A new node with each of the settings, started one after another: the first makes the account."""
        started = [self.node(**each) for each in settings]
        for node in started:
            node.start()
        return started

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
                node.process.wait()


@contextlib.contextmanager
def cluster(directory: Path, database: str, bus: str) -> Iterator[Cluster]:
    opened = Cluster(directory, database, bus)
    try:
        yield opened
    finally:
        opened.stop()


class Room:
    """A service with a channel in which some are members, changed through one node."""

    def __init__(self, client: httpx.Client, signer: Signer, *identities: str) -> None:
        self.client = client
        self.signer = signer
        self.service = create_service(client)
        self.channel = create_channel(client, self.service)
        self.members = {identity: create_member(client, self.channel, identity) for identity in identities}

    def token(self, identity: str) -> str:
        return self.signer.token(identity, self.service["sid"])

    def user(self, identity: str) -> Json:
        return fetch(self.client, self.service, "Users", identity)

    def parts(self, identity: str) -> list[str]:
        """What an app of the member subscribes to."""
        channel, user = self.channel["sid"], self.user(identity)["sid"]
        return [*(f"{channel}.{part}" for part in ("channel", "messages", "roster")), f"{user}.myChannels"]
