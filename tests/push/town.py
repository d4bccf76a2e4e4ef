"""A service of a test's own with its people, their devices, and what these have received."""

import asyncio
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from tests.api.steps import (
    Json,
    Value,
    at,
    create_channel,
    create_invite,
    create_member,
    create_message,
    created,
    delete,
    eventually,
    update,
)
from tests.push import keys
from tests.push.arrivals import Arrival
from tests.realtime.device import device
from tests.tokens import Signer

if TYPE_CHECKING:
    from tests.push.world import World

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
class Town:
    """A service of a test's own, and those who live there."""

    world: "World"
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

    def everything(self, identity: str) -> None:
        """The user is invited to a channel, General, and added, there is a message, and the user is removed."""
        channel = self.channel(FriendlyName="General")
        create_invite(self.client, channel, identity)
        create_member(self.client, channel, identity)
        create_message(self.client, channel)
        self.settle()
        delete(self.client, channel, "Members", identity)

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
