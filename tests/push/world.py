"""A server that pushes, and Apple and Google beside it: what the tests of pushes from end to end run on.

One server for a session, a town for each test: a service with its people, their devices and what these have received.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import asyncpg
import httpx

from tests.api.steps import Json, Value, at, create_channel, create_member, create_service, created, eventually, update
from tests.delivery.steps import command
from tests.harness import ACCOUNT_SID, Server, running, unique
from tests.push import keys
from tests.push.peer import Authority, Listener, Reply, Request, echo, listening
from tests.realtime.device import device
from tests.tokens import Signer

APPLE, SANDBOX, GOOGLE, TOKENS = "/apple", "/sandbox", "/google", "/token"
PROJECT = "demo"
KINDS = {
    "new_message": "NewMessage",
    "added_to_channel": "AddedToChannel",
    "invited_to_channel": "InvitedToChannel",
    "removed_from_channel": "RemovedFromChannel",
}
CHAT_TYPES = tuple(f"twilio.channel.{kind}" for kind in (*KINDS, "consumption_update"))
CONVERSATIONS_TYPES = (
    "twilio.conversations.new_message",
    "twilio.conversations.added_to_conversation",
    "twilio.conversations.removed_from_conversation",
)
GRANTED = Reply(body=b'{"access_token":"ya29.c.token","expires_in":3599,"token_type":"Bearer"}')
TAKEN = Reply(body=b'{"name":"projects/demo/messages/1"}')

# What became of the pushes of a service, the oldest first. A notice that is still to be spread has no push yet.
TRACE = """
    SELECT n.kind, p.identity, p.binding_sid, p.credential_sid, p.state, p.reason, p.status, p.answer, n."after"
    FROM notices n LEFT JOIN pushes p ON p.notice = n.sid WHERE n.service_sid = '{}' ORDER BY n.sid, p.sid"""


class Phone(NamedTuple):
    """A device that has registered."""

    identity: str
    kind: str
    address: str
    binding_sid: str


class Arrival(NamedTuple):
    """A push as it has come to a device."""

    service: str  # APPLE, SANDBOX or GOOGLE
    address: str
    headers: dict[str, str]
    content: Json  # Apple's payload, or Google's message

    @property
    def data(self) -> Json:
        """What the app is told."""
        if self.service == GOOGLE:
            return dict(self.content["data"])
        return {name: value for name, value in self.content.items() if name != "aps"}

    @property
    def aps(self) -> Json:
        """What the device shows by itself; of Google's pushes, by the same names."""
        if self.service == GOOGLE:
            names = {"alert": "twi_body", "sound": "twi_sound"}
            return {name: self.data[key] for name, key in names.items() if key in self.data}
        return dict(self.content["aps"])

    @property
    def text(self) -> str | None:
        return self.aps.get("alert")

    @property
    def type(self) -> str:
        return str(self.data["twi_message_type"])


class Trace(NamedTuple):
    """What became of a push, or who was left out."""

    kind: str
    identity: str
    binding_sid: str | None
    credential_sid: str | None
    state: str
    reason: str | None
    status: int | None
    answer: str | None


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

    def town(self, **form: Value) -> "Town":
        """A new service, which pushes new messages and nothing else; the form is of its notifications."""
        service = create_service(self.client)
        town = Town(self, self.client, self.signer, service)
        town.notify(NewMessage__Enabled="true", **form)
        return town

    @contextlib.contextmanager
    def foreign_town(self) -> Iterator["Town"]:
        """One of a new account, which has no credentials."""
        account = command(self.server, "accounts", "create", "--name", unique("account"))
        with self.server.client(account["sid"], account["auth_token"]) as client:
            town = Town(self, client, new_signer(self.server, account["sid"]), create_service(client))
            town.notify(NewMessage__Enabled="true")
            yield town


@dataclass
class Town:
    """A service of a test's own, and those who live there."""

    world: World
    client: httpx.Client
    signer: Signer
    service: Json

    def notify(self, **form: Value) -> None:
        """Change the service's notifications: `NewMessage__Enabled` is Notifications.NewMessage.Enabled."""
        named = {f"Notifications.{name.replace('__', '.')}": value for name, value in form.items()}
        update(self.client, self.service, **named)

    def enable(self, *kinds: str, value: str = "true") -> None:
        """Push these kinds, all four when none is named."""
        self.notify(**{f"{KINDS[kind]}__Enabled": value for kind in kinds or KINDS})

    def channel(self, *members: str, **form: Value) -> Json:
        """A channel with these members."""
        made = create_channel(self.client, self.service, **form)
        for identity in members:
            create_member(self.client, made, identity)
        return made

    # What apps do.

    def register(
        self,
        identity: str,
        kind: str = "apn",
        address: str | None = None,
        *,
        credential_sid: str | None = None,
        message_types: tuple[str, ...] = CHAT_TYPES,
    ) -> Phone:
        """A device of the user's, as its app registers it; the user is made. An empty credential: its token names none.

        By default the credential is the shared one of the kind.
        """
        if credential_sid is None:
            credential_sid = self.world.credential(kind)
        address = address or new_address(kind)
        body = {
            "endpoint_platform": "web",
            "channel_type": kind,
            "version": "3",
            "message_types": message_types,
            "data": {"registration_id": address},
        }
        grant = {"push_credential_sid": credential_sid} if credential_sid else {}
        product = {"productId": ["ip_messaging"]}
        status, made = self.app(
            identity, "POST", "/v1/registrations", body, host="ers.us1.twilio.com", params=product, grant=grant
        )
        assert status == 201, made
        return Phone(identity, kind, address, made["id"])

    def app(
        self, identity: str, method: str, path: str, body: Any = None, *, grant: Json | None = None, **options: Any
    ) -> tuple[int, Any]:
        """The answer to what the user's app asks for over a connection of its own."""

        async def ask() -> tuple[int, Any]:
            async with device(self.world.server, init=False) as opened:
                greeting = await opened.init(self.signer.token(identity, self.service["sid"], grant=grant))
                assert greeting["status"]["code"] == 200, greeting
                content = b"" if body is None else json.dumps(body).encode()
                return await opened.request(path, content, method=method, **options)

        return asyncio.run(ask())

    def do(self, identity: str, method: str, path: str, body: Any = None) -> Any:
        """The content of the answer to a command of the app that succeeds; the path is below /Client/v1."""
        status, content = self.app(identity, method, f"/Client/v1{path}", body)
        assert status < 300, content
        return content

    def say(self, identity: str, channel: Json, body: str = "Hello") -> Json:
        """A message of the user's app."""
        content = {"body": body, "attributes": "{}"}
        said: Json = self.do(identity, "POST", f"/Conversations/{channel['sid']}/Messages", content)
        return said

    # What has come of it.

    def trace(self) -> list[Trace]:
        """What the server remembers of its pushes, by the tables, the oldest event first."""
        return [Trace(*row[:-1]) for row in self._rows() if row[4] is not None]

    def settle(self) -> None:
        """Until nothing is on its way: what has not come now will not come."""
        assert eventually(lambda: not any(is_open(row) for row in self._rows())), self._rows()

    def arrived(self, phone: Phone) -> list[Arrival]:
        """All that the device has received when nothing more is on its way."""
        self.settle()
        return [arrival for arrival in self.world.arrivals() if arrival.address == phone.address]

    def texts(self, phone: Phone) -> list[str | None]:
        """What it has shown, None where there was nothing to show."""
        return [arrival.text for arrival in self.arrived(phone)]

    def badges(self, phone: Phone) -> list[int | None]:
        """The numbers that it was told for the app's icon."""
        return [arrival.aps.get("badge") for arrival in self.arrived(phone)]

    def is_notifiable(self, identity: str) -> bool:
        found = self.client.get(at(self.service, "Users", identity)).raise_for_status()
        return bool(found.json()["is_notifiable"])

    def bindings(self, identity: str) -> list[str]:
        """The SIDs of the user's devices."""
        found = self.client.get(at(self.service, "Users", identity, "Bindings")).raise_for_status()
        return [each["sid"] for each in found.json()["bindings"]]

    def _rows(self) -> list[Any]:
        return self.world.rows(TRACE.format(self.service["sid"]))


def is_open(row: Any) -> bool:
    """Whether something will still come of this row of the TRACE."""
    return row[4] in {"waiting", "retrying"} or row[-1] is not None


def read(request: Request) -> Arrival:
    """A push as Apple or Google is asked for it."""
    content = json.loads(request.body)
    service, _, rest = request.path[1:].partition("/")
    if f"/{service}" == GOOGLE:
        message = content["message"]
        return Arrival(GOOGLE, message["token"], request.headers, message)
    return Arrival(f"/{service}", rest.removeprefix("3/device/"), request.headers, content)


def new_address(kind: str) -> str:
    """A token that no other device has."""
    return secrets.token_hex(32) if kind == "apn" else f"dGVzdA:APA91b{secrets.token_hex(16)}"


def secrets_of(type_: str) -> dict[str, str]:
    """The form's fields with the keys of a good credential of the type."""
    if type_ == "apn":
        certificate, private_key = keys.apns_token()
        return {"Certificate": certificate, "PrivateKey": private_key}
    return {"Secret" if type_ == "fcm" else "ApiKey": keys.service_account(PROJECT)}


def create_credential(client: httpx.Client, type_: str, **form: Value) -> Json:
    return created(client.post("/v2/Credentials", data={"Type": type_} | (form or secrets_of(type_))))


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
