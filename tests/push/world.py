"""A server that pushes, and Apple and Google beside it: what the tests of pushes from end to end run on.

One server for a session, a town for each test: a service with its people, their devices and what these have received.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import httpx

from tests.api.steps import Value, create_service
from tests.delivery.steps import command
from tests.harness import ACCOUNT_SID, Server, running, unique
from tests.push.arrivals import APPLE, GOOGLE, SANDBOX, TOKENS, Arrival, read
from tests.push.peer import Authority, Listener, Reply, Request, echo, listening
from tests.push.town import PROJECT, Phone, Town, create_credential, secrets_of
from tests.tokens import Signer

__all__ = ["Phone", "Town", "World", "create_credential", "making", "new_signer", "secrets_of", "settings_for"]

GRANTED = Reply(body=b'{"access_token":"ya29.c.token","expires_in":3599,"token_type":"Bearer"}')
TAKEN = Reply(body=f'{{"name":"projects/{PROJECT}/messages/1"}}'.encode())


@dataclass
class World:
    """A server, and Apple and Google as it reaches them: one listener, and a path for each."""

    server: Server
    client: httpx.Client
    listener: Listener
    signer: Signer
    file: apsw.Connection | None  # the database, where it is SQLite's
    replies: dict[str, list[Reply]] = field(default_factory=dict)  # to the next pushes to an address, in turn
    credentials: dict[str, str] = field(default_factory=dict)  # the SID of one of each type, made as it is wanted

    def answer(self, request: Request) -> Reply:
        """As Apple and Google do, unless `replies` says otherwise."""
        if request.path == TOKENS:
            return GRANTED
        arrival = read(request)
        if waiting := self.replies.get(arrival.address):
            return waiting.pop(0)
        return TAKEN if arrival.service == GOOGLE else echo(request)

    def arrivals(self) -> list[Arrival]:
        """All that have come, in order."""
        return [read(request) for request in tuple(self.listener.requests) if request.path != TOKENS]

    def credential(self, type_: str) -> str:
        """The SID of a good credential of the type, shared by all tests."""
        if type_ not in self.credentials:
            self.credentials[type_] = create_credential(self.client, type_)["sid"]
        return self.credentials[type_]

    def rows(self, sql: str) -> list[Any]:
        """What stands in the server's database."""
        if self.file is not None:
            return self.file.execute(sql).fetchall()

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.server.database)
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def town(self, **form: Value) -> Town:
        """A new service, which pushes new messages and nothing else; the form is of its notifications."""
        service = create_service(self.client)
        town = Town(self, self.client, self.signer, service)
        town.notify(NewMessage__Enabled="true", **form)
        return town

    @contextlib.contextmanager
    def foreign_town(self) -> Iterator[Town]:
        """One of a new account, which has no credentials."""
        account = command(self.server, "accounts", "create", "--name", unique("account"))
        with self.server.client(account["sid"], account["auth_token"]) as client:
            town = Town(self, client, new_signer(self.server, account["sid"]), create_service(client))
            town.notify(NewMessage__Enabled="true")
            yield town


def new_signer(server: Server, account_sid: str = ACCOUNT_SID) -> Signer:
    """A new API key of the account; in this process, since starting a command takes longer than most tests."""
    key = command(server, "keys", "create", "--account", account_sid)
    return Signer(account_sid, key["sid"], key["secret"])


def settings_for(listener: Listener, authority: Authority) -> dict[str, str]:
    """Those of a server whose Apple and Google the listener is."""
    return {
        "HUBBUB_APNS_URL": listener.url + APPLE,
        "HUBBUB_APNS_SANDBOX_URL": listener.url + SANDBOX,
        "HUBBUB_FCM_URL": listener.url + GOOGLE,
        "HUBBUB_FCM_AUTH_URL": listener.url + TOKENS,
        "HUBBUB_PUSH_CA_FILE": str(authority.file),
        "HUBBUB_WEBHOOK_ALLOW": "127.0.0.0/8",
    }


@contextlib.contextmanager
def reading(database: str) -> Iterator[apsw.Connection | None]:
    """SQLite's file, None of another engine's database; open for as long as the server runs."""
    if not database.startswith("sqlite:"):
        yield None
        return
    with contextlib.closing(apsw.Connection(database.removeprefix("sqlite:///"))) as file:
        yield file


@contextlib.contextmanager
def making(directory: Path, database: str, authority: Authority, **settings: str) -> Iterator[World]:
    """A world whose server is started and stopped with the block; Apple and Google are there as long."""
    with listening(authority.server_context()) as listener, reading(database) as file:
        server = Server(directory, database, settings_for(listener, authority) | settings)
        with running(server), server.client() as client:
            world = World(server, client, listener, new_signer(server), file)
            listener.answer = world.answer
            yield world
        assert not listener.faults
