"""A channel full of users with devices: they join by REST; devices go straight into the table, as REST makes none."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import apsw
import asyncpg

from bench.world import Client
from hubbub.dates import now
from hubbub.resources.bindings.model import Binding
from hubbub.sids import new_sid
from hubbub.storage.sqlite import numbered
from hubbub.storage.statements import insert, names, stored
from tests.harness import Server
from tests.push import keys

MOST_MEMBERS = 1000
MESSAGE_TYPES = '["new_message"]'
ADDRESSES = {"apn": "{:064x}", "fcm": "dGVzdA{:016x}:" + "A" * 140}
USERS = "SELECT s.sid, u.service, u.key, u.sid, u.identity FROM users u JOIN services s ON s.key = u.service"
LEFT = "notices", "pushes"


@dataclass(frozen=True)
class Audience:
    """A channel of a service of its own, whose members have devices of these types."""

    service_sid: str
    path: str
    types: Sequence[str]


def audience(server: Server, members: int, types: Sequence[str], *, pushes: bool) -> Audience:
    """A new one, without its devices. `pushes` says whether the service pushes new messages."""
    client = Client(server)
    sid = client.post("/v2/Services", FriendlyName="bench")["sid"]
    service = f"/v2/Services/{sid}"
    form = {"Limits.ChannelMembers": str(MOST_MEMBERS), "Notifications.NewMessage.Enabled": str(pushes).lower()}
    client.post(service, **form)
    path = f"{service}/Channels/{client.post(f'{service}/Channels', FriendlyName='Room')['sid']}"
    for number in range(members):
        client.post(f"{path}/Members", Identity=f"user-{number}@example.com")
    return Audience(sid, path, types)


def credentials(server: Server) -> None:
    """What the devices of both types are pushed to with."""
    client = Client(server)
    certificate, private_key = keys.apns_token()
    client.post("/v2/Credentials", Type="apn", Certificate=certificate, PrivateKey=private_key)
    client.post("/v2/Credentials", Type="fcm", Secret=keys.service_account())


def fill(database: str, audiences: Sequence[Audience]) -> None:
    """Give all users of these their devices. No server may run on the database."""
    types = {each.service_sid: each.types for each in audiences}
    if database.startswith("sqlite:///"):
        connection = apsw.Connection(database.removeprefix("sqlite:///"))
        with connection:
            rows = map(stored, bindings(list(connection.execute(USERS)), types))
            connection.executemany(numbered(insert("bindings", Binding)), rows)
            connection.execute("ANALYZE")
        connection.close()
    else:
        asyncio.run(fill_postgres(database, types))


async def fill_postgres(url: str, types: Mapping[str, Sequence[str]]) -> None:
    connection = await asyncpg.connect(url)
    rows = [stored(binding) for binding in bindings(await connection.fetch(USERS), types)]
    await connection.copy_records_to_table("bindings", records=rows, columns=names(Binding))
    await connection.execute("ANALYZE")
    await connection.close()


def bindings(users: Sequence[Sequence[object]], types: Mapping[str, Sequence[str]]) -> Iterator[Binding]:
    moment = now()
    for number, (service_sid, service, user, user_sid, identity) in enumerate(users):
        for type_ in types[str(service_sid)]:
            yield Binding(
                service=int(str(service)),
                sid=new_sid("BS"),
                user=int(str(user)),
                user_sid=str(user_sid),
                identity=str(identity),
                endpoint=f"endpoint-{number}",
                binding_type=type_,
                address=ADDRESSES[type_].format(number),
                credential_sid="",
                message_types=MESSAGE_TYPES,
                date_created=moment,
                date_updated=moment,
            )


def clear(database: str) -> None:
    """Forget all pushes that are left. No server may run on the database."""
    statements = [f"DELETE FROM {table}" for table in LEFT]
    if database.startswith("sqlite:///"):
        connection = apsw.Connection(database.removeprefix("sqlite:///"))
        connection.execute("; ".join(statements))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    else:
        asyncio.run(clear_postgres(database))


async def clear_postgres(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"TRUNCATE {', '.join(LEFT)}")
    await connection.close()
