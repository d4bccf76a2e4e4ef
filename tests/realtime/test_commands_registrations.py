"""Devices that register for push notifications: bindings, and whether a user can be notified."""

from typing import Any

import pytest

from hubbub.resources.bindings import sql
from hubbub.resources.bindings.model import Binding, wire
from hubbub.resources.credentials.actions import create_credential
from hubbub.resources.services.actions import update_service
from hubbub.storage.pages import Window
from tests.realtime.client import Client, connect
from tests.realtime.recorder import World

CHAT = [
    "twilio.channel.new_message",
    "twilio.channel.added_to_channel",
    "twilio.channel.invited_to_channel",
    "twilio.channel.removed_from_channel",
    "twilio.channel.consumption_update",
]
CONVERSATIONS = [
    "twilio.conversations.new_message",
    "twilio.conversations.added_to_conversation",
    "twilio.conversations.removed_from_conversation",
    "twilio.ipmsg.typing_indicator",
]


def device(token: str = "FCMTOKEN", kind: str = "fcm", **fields: Any) -> dict[str, Any]:
    usual = {"endpoint_platform": "web", "channel_type": kind, "version": "3", "message_types": CHAT}
    return {**usual, "data": {"registration_id": token}, **fields}


async def new_credential(world: World, kind: str = "fcm") -> str:
    secrets = {"secret": "s"} if kind == "fcm" else {"api_key": "k"}
    made = await create_credential(world.chat, world.caller, kind, None, secrets, sandbox=False)
    return made.sid


async def bindings(client: Client) -> list[Binding]:
    listing = sql.of_user(0)
    found = await listing.page(client.world.chat.database, Window(50), client.user.service, client.user.key)
    return found.rows


@pytest.fixture
async def alice(there: World) -> Client:
    await update_service(there.chat, there.service, {"reachability_enabled": True})
    return await connect(there, "alice", push_credential_sid=await new_credential(there))


async def register(client: Client, **fields: Any) -> Any:
    return await client.do("POST", "/registrations", device(**fields), service="ers", productId="ip_messaging")


async def is_notifiable(client: Client) -> bool:
    return bool((await client.do("GET", "/Users/alice"))["is_notifiable"])


async def test_registration_is_a_binding_until_it_is_removed(alice: Client) -> None:
    assert not await is_notifiable(alice)

    made = await register(alice)

    (binding,) = await bindings(alice)
    assert made == {"id": binding.sid, **device()}
    assert (binding.binding_type, binding.address, binding.identity) == ("fcm", "FCMTOKEN", "alice")
    assert binding.credential_sid == alice.connection.access.push_credential_sid
    assert binding.message_types == ('["removed_from_channel","new_message","added_to_channel","invited_to_channel"]')
    assert "FCMTOKEN" not in binding.endpoint
    assert await is_notifiable(alice)

    assert await alice.command("DELETE", f"/registrations/{made['id']}", b"null", service="ers") == (204, None)
    assert await bindings(alice) == []
    assert not await is_notifiable(alice)


async def test_device_that_registers_again_is_the_same(alice: Client) -> None:
    first = await register(alice)
    again = await register(alice, message_types=CHAT[:1])
    await register(alice, token="OTHER")

    assert again["id"] == first["id"]
    assert next(binding.message_types for binding in await bindings(alice)) == '["new_message"]'
    assert len(await bindings(alice)) == 2


async def test_newer_sdk_names_messages_otherwise_and_removes_by_the_device(alice: Client) -> None:
    await register(alice, message_types=CONVERSATIONS)
    (binding,) = await bindings(alice)
    assert binding.message_types == '["removed_from_channel","new_message","added_to_channel"]'

    body = {"binding_type": "fcm", "address": "FCMTOKEN"}
    assert await alice.command("DELETE", "/registrations", body, service="ers") == (204, None)
    assert await bindings(alice) == []
    assert await alice.command("DELETE", "/registrations", body, service="ers") == (204, None)


async def test_registrations_of_others_are_not_found(there: World, alice: Client) -> None:
    made = await register(alice)
    bob = await connect(there, "bob")

    assert (await bob.command("DELETE", f"/registrations/{made['id']}", service="ers"))[0] == 404
    body = {"binding_type": "fcm", "address": "FCMTOKEN"}
    assert (await bob.command("DELETE", "/registrations", body, service="ers"))[0] == 204
    assert len(await bindings(alice)) == 1


async def test_token_without_a_credential_takes_the_newest_of_the_type(there: World) -> None:
    bob = await connect(there, "bob")
    await new_credential(there, "gcm")
    newest = await new_credential(there, "gcm")

    await bob.do("POST", "/registrations", device(kind="gcm", ttl="PT24H"), service="ers")

    assert [binding.credential_sid for binding in await bindings(bob)] == [newest]


async def test_device_is_registered_before_there_is_a_credential(there: World) -> None:
    """The SDKs try a registration that is refused again without end, and the app waits."""
    bob = await connect(there, "bob")

    await bob.do("POST", "/registrations", device(kind="apn"), service="ers")

    (binding,) = await bindings(bob)
    assert wire(binding, there.service, "")["credential_sid"] is None


@pytest.mark.parametrize(
    "fields",
    [{"channel_type": "pigeon"}, {"data": {}}, {"data": {"registration_id": ""}}, {"token": "x" * 5000}],
)
async def test_registration_that_cannot_be_is_refused(alice: Client, fields: dict[str, Any]) -> None:
    status, _ = await alice.command("POST", "/registrations", device(**fields), service="ers")

    assert status == 400
    assert await bindings(alice) == []


async def test_named_registration_is_repeated(alice: Client) -> None:
    one = await alice.do("POST", "/registrations", device(), service="ers", mutation="m")
    again = await alice.do("POST", "/registrations", device(), service="ers", mutation="m")

    assert one == again
    assert len(await bindings(alice)) == 1
