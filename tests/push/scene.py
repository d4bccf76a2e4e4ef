"""A stopped server whose database has pushes of each state, as the tests of the operator's commands look at it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from hubbub.app import open_chat
from hubbub.chat import Chat
from hubbub.delivery.push import sql
from hubbub.delivery.push.model import (
    ADDED,
    DEAD,
    DELIVERED,
    LEFT_OUT,
    NEW_MESSAGE,
    REFUSED,
    RETRYING,
    WAITING,
    Notice,
    Push,
)
from hubbub.resources.accounts import sql as accounts
from hubbub.resources.credentials import sql as credentials
from hubbub.resources.credentials.actions import seal
from hubbub.resources.services.sql import service_by_sid
from hubbub.resources.users.sql import user_of_service
from hubbub.settings import load
from hubbub.sids import new_sid
from tests.api.steps import Json, at, create_channel, create_service, created, update
from tests.delivery.steps import command
from tests.devices import register
from tests.harness import Server
from tests.push import keys

MINUTE = 60_000
HOUR = 60 * MINUTE
KIND = {"new_message": "NewMessage", "added_to_channel": "AddedToChannel"}
LEGACY_KEY = "AIzaSyLegacyLegacyLegacyLegacy"
REASON = "Apple does not accept the certificate: replace it."
TITLE = "General"


@dataclass
class Scene:
    """A stopped server with a push of each state, by name, in one service, and another service with one."""

    server: Server
    one: Json
    two: Json
    channel: Json
    message: Json
    credentials: dict[str, str] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    sids: dict[str, str] = field(default_factory=dict)

    def names(self, *arguments: str) -> list[str]:
        """What is listed, in order."""
        names = {sid: name for name, sid in self.sids.items()}
        return [names[each["sid"]] for each in command(self.server, "push", "list", *arguments)]

    def show(self, name: str) -> Json:
        shown: Json = command(self.server, "push", "show", self.sids[name])
        return shown

    def inside(self, work: Callable[[Chat], Awaitable[Any]]) -> Any:
        """Work on the server's database, as the server would."""

        async def run() -> Any:
            async with open_chat(load({}, self.server.environment())) as chat:
                return await work(chat)

        return asyncio.run(run())


def enable(client: httpx.Client, service: Json, *kinds: str, logged: bool) -> None:
    form = {f"Notifications.{KIND[kind]}.Enabled": "true" for kind in kinds}
    update(client, service, **form, **{"Notifications.LogEnabled": str(logged).lower()})


def create_credential(client: httpx.Client, type_: str, **form: str) -> str:
    data = {"Type": type_, "FriendlyName": f"keys of {type_}"} | form
    return str(created(client.post("/v2/Credentials", data=data))["sid"])


def create_credentials(client: httpx.Client) -> dict[str, str]:
    certificate, key = keys.apns_certificate()
    described, token_key = keys.apns_token()
    return {
        "certificate": create_credential(client, "apn", Certificate=certificate, PrivateKey=key),
        "token": create_credential(client, "apn", Certificate=described, PrivateKey=token_key, Sandbox="true"),
        "google": create_credential(client, "fcm", Secret=keys.service_account()),
        "legacy": create_credential(client, "gcm", ApiKey=LEGACY_KEY),
        "expired": create_credential(client, "apn", Certificate=certificate, PrivateKey=key),
    }


def furnish(server: Server, client: httpx.Client) -> Scene:
    """Services, a channel with a message of alice's, devices of bob's and carol's, and credentials of each kind."""
    one, two = create_service(client), create_service(client)
    channel = create_channel(client, one, FriendlyName=TITLE)
    for identity in ("alice", "bob", "carol", "dave"):
        created(client.post(at(channel, "Members"), data={"Identity": identity}))
    created(client.post(at(one, "Users"), data={"Identity": "eve"}))
    message = created(client.post(at(channel, "Messages"), data={"From": "alice", "Body": "Hello"}))
    scene = Scene(server, one, two, channel, message, create_credentials(client))
    [user] = client.get(at(one, "Users", "dave", "Channels")).raise_for_status().json()["channels"]
    update(client, user, NotificationLevel="muted")
    sids = register(server, one["sid"], "", ("bob", "apn", "phone"), ("carol", "fcm", "tablet"))
    scene.bindings = dict(zip(("bob", "carol"), sids, strict=True))
    enable(client, one, NEW_MESSAGE, logged=True)  # only now: what the server had written itself would be in the way
    return scene


async def notice_of(chat: Chat, scene: Scene, service: Json, **changed: Any) -> Notice:
    """That of the message, spread already."""
    found = await service_by_sid(chat.database, service["sid"])
    assert found is not None
    row = await chat.database.fetch_one("SELECT key FROM channels WHERE sid = $1", scene.channel["sid"])
    assert row is not None
    values: dict[str, Any] = {
        "sid": new_sid("NO"),
        "account": found.account,
        "service": found.key,
        "service_sid": found.sid,
        "kind": NEW_MESSAGE,
        "channel": row[0],
        "channel_sid": scene.channel["sid"],
        "revision": 1,
        "user": None,
        "author": "alice",
        "message_sid": scene.message["sid"],
        "message_index": 0,
        "body": "Hello",
        "channel_title": TITLE,
        "text": f"{TITLE};alice: Hello",
        "sound": "",
        "is_enabled": 1,
        "is_badged": 0,
        "is_logged": 1,
        "after": None,
        "due": chat.clock() + HOUR,
        "date_created": chat.clock(),
    }
    return Notice(**(values | changed))


def push_of(notice: Notice, identity: str, state: str, **changed: Any) -> Push:
    moment = notice.date_created
    values: dict[str, Any] = {
        "sid": new_sid("RU"),
        "notice": notice.sid,
        "identity": identity,
        "binding_sid": None,
        "binding_type": None,
        "credential_sid": None,
        "conversations": 0,
        "badge": None,
        "state": state,
        "reason": None,
        "status": None,
        "answer": None,
        "attempts": 0,
        "due": moment + MINUTE,
        "expires": moment + HOUR,
        "date_created": moment,
        "date_updated": moment,
    }
    return Push(**(values | changed))


async def write_pushes(chat: Chat, scene: Scene) -> None:
    """What a server would have left behind."""
    message = await notice_of(chat, scene, scene.one)
    bob = await user_of_service(chat.database, message.service, "bob")
    assert bob is not None
    silent = {"kind": ADDED, "is_enabled": 0, "message_sid": None, "message_index": None, "user": bob.key}
    addition = await notice_of(chat, scene, scene.one, **silent)
    elsewhere = await notice_of(chat, scene, scene.two, channel_sid="CH" + "1" * 32, channel=0, message_sid=None)
    phone = {"binding_sid": scene.bindings["bob"], "binding_type": "apn"}
    tablet = {"binding_sid": scene.bindings["carol"], "binding_type": "fcm"}
    apple = phone | {"credential_sid": scene.credentials["certificate"]}
    stopped = phone | {"credential_sid": scene.credentials["token"]}
    google = tablet | {"credential_sid": scene.credentials["google"]}
    words = {"status": 400, "answer": "BadDeviceToken", "reason": "Apple does not know the device's token."}
    missing = {"reason": "There is no credential for fcm."}
    pushes = {
        "delivered": push_of(message, "bob", DELIVERED, status=200, attempts=1, badge=3, **apple),
        "refused": push_of(message, "bob", REFUSED, attempts=1, **apple, **words),
        "retrying": push_of(message, "carol", RETRYING, status=503, attempts=2, reason="Not now.", **google),
        "waiting": push_of(message, "bob", WAITING, **stopped),
        "dead": push_of(message, "carol", DEAD, **tablet, **missing),
        "left_out": push_of(message, "dave", LEFT_OUT, reason="The user has muted the channel."),
        "everybody": push_of(addition, "", LEFT_OUT, reason="The service does not push added_to_channel."),
        "other": push_of(elsewhere, "bob", DELIVERED, status=200, date_created=message.date_created - HOUR),
    }
    async with chat.database.transaction() as tx:
        await sql.add_notices(tx, [message, addition, elsewhere])
        await sql.add_pushes(tx, list(pushes.values()))
    scene.sids = {name: push.sid for name, push in pushes.items()}


async def spoil_credentials(chat: Chat, scene: Scene) -> None:
    """Apple takes nothing with one of them any more; the certificate of another one has expired since it was set."""
    [account] = await accounts.list_accounts(chat.database)
    found = await sql.credentials_of(chat.database, account.key)
    stopped = next(each for each in found if each.sid == scene.credentials["token"])
    stopped.push_error, stopped.push_due = REASON, chat.clock() + HOUR
    certificate, key = keys.apns_certificate(days=-1)
    secrets = seal(chat, {"certificate": certificate, "private_key": key})
    async with chat.database.transaction() as tx:
        await sql.stop_credential(tx, stopped)
        await credentials.update_credential(tx, stopped.account, scene.credentials["expired"], {"secrets": secrets})
