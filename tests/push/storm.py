"""Load with devices on: channels that are written to, and a push service that notes what comes to whom."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import asyncpg

from hubbub.app import open_chat
from hubbub.chat import Caller
from hubbub.resources.accounts.actions import access_account
from hubbub.resources.bindings.actions import register_binding
from hubbub.resources.services.actions import access_service
from hubbub.resources.users.actions import access_user
from hubbub.settings import load
from tests.api.steps import create_channel, create_member, create_service, update
from tests.delivery.load import Room
from tests.harness import ACCOUNT_SID, Server
from tests.push.arrivals import GOOGLE, TOKENS, read
from tests.push.peer import Authority, Listener, Reply, Request, echo, listening
from tests.push.town import create_credential, new_address
from tests.push.world import GRANTED, TAKEN, settings_for
from tests.robustness.writers import eventually, stored_messages

SECONDS = 20
PEOPLE = (("alice", "apn"), ("bob", "fcm"))  # each with a device of that kind
OPEN = """
    SELECT (SELECT count(*) FROM notices WHERE "after" IS NOT NULL),
        (SELECT count(*) FROM pushes WHERE state IN ('waiting', 'retrying'))"""


class Arrival(NamedTuple):
    """A push of a message to a device."""

    message: str
    address: str
    sid: str  # of the push


@dataclass
class Street:
    """Channels whose members all have a device."""

    rooms: list[Room]
    addresses: list[str]


def answer(request: Request) -> Reply:
    """As Apple and Google do."""
    if request.path == TOKENS:
        return GRANTED
    return TAKEN if request.path.startswith(GOOGLE) else echo(request)


@contextlib.contextmanager
def push_service(authority: Authority) -> Iterator[Listener]:
    """Apple and Google, who take everything."""
    with listening(authority.server_context(), answer) as listener:
        yield listener
    assert not listener.faults


def pushing(directory: Path, database: str, listener: Listener, authority: Authority, **settings: str) -> Server:
    """A server that pushes to the listener, not started yet."""
    return Server(directory, database, settings_for(listener, authority) | settings)


def new_street(server: Server, count: int) -> Street:
    """Channels of a new service, which counts badges; all people are members of all."""
    with server.client() as client:
        service = create_service(client)
        form = {"Notifications.NewMessage.Enabled": "true", "Notifications.NewMessage.BadgeCountEnabled": "true"}
        update(client, service, **form)
        credentials = {kind: create_credential(client, kind)["sid"] for _, kind in PEOPLE}
        channels = [create_channel(client, service) for _ in range(count)]
        for channel in channels:
            for identity, _ in PEOPLE:
                create_member(client, channel, identity)
    rooms = [Room(f"/v2/Services/{service['sid']}/Channels/{channel['sid']}", []) for channel in channels]
    return Street(rooms, asyncio.run(register(server, service["sid"], credentials)))


async def register(server: Server, service_sid: str, credentials: dict[str, str]) -> list[str]:
    """A device for each of the people, by the action that registers an app's; their tokens."""
    addresses = []
    async with open_chat(load({}, server.environment())) as chat:
        account = await access_account(chat, ACCOUNT_SID)
        caller = Caller(account.key, account.sid)
        service = await access_service(chat, caller, service_sid)
        for identity, kind in PEOPLE:
            user = await access_user(chat, caller, service.sid, identity)
            address = new_address(kind)
            words = (kind, f"{identity}'s", address, credentials[kind], ["new_message"])
            await register_binding(chat, service, user, *words)
            addresses.append(address)
    return addresses


def ask(database: str, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a server's database, beside it."""
    if database.startswith("sqlite:"):
        with contextlib.closing(apsw.Connection(database.removeprefix("sqlite:///"))) as file:
            file.set_busy_timeout(10_000)
            return list(file.execute(sql))

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(database)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(run())


def arrivals(listener: Listener) -> list[Arrival]:
    """All that have come, in order."""
    found = [read(request) for request in tuple(listener.requests) if request.path != TOKENS]
    return [Arrival(each.data["message_sid"], each.address, each.data["twi_message_id"]) for each in found]


def assert_all_arrive(
    listener: Listener, server: Server, street: Street, acknowledged: Iterable[tuple[str, str, str]]
) -> None:
    """Each message that was acknowledged or is stored comes to each device, nothing else does, and nothing is left.

    What comes twice is the same push.
    """
    messages = {sid for _, sid, _ in acknowledged}
    with server.client() as client:
        for room in street.rooms:
            messages |= {message["sid"] for message in stored_messages(client, room.path)}
    wanted = {(message, address) for message in messages for address in street.addresses}

    def missing() -> set[tuple[str, str]]:
        return wanted - {(arrival.message, arrival.address) for arrival in arrivals(listener)}

    assert wanted
    eventually(lambda: len(listener.requests) >= len(wanted), SECONDS, "as many arrive")
    eventually(lambda: not missing(), SECONDS, "all arrive")
    eventually(lambda: ask(server.database, OPEN) == [(0, 0)], SECONDS, "nothing is open")
    came = arrivals(listener)
    assert {(arrival.message, arrival.address) for arrival in came} == wanted
    sids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for message, address, sid in came:
        sids[message, address].add(sid)
    assert {what: known for what, known in sids.items() if len(known) > 1} == {}
    assert [address for address in street.addresses if address in server.log] == []


def repeated(listener: Listener) -> int:
    """How many arrivals were of a push that had come before."""
    came = arrivals(listener)
    return len(came) - len({arrival.sid for arrival in came})
