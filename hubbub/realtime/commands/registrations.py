"""Devices that register for push notifications: each is a binding."""

from hashlib import blake2b

import msgspec
from msgspec import UNSET

from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import GONE, Command, Commands, Text, answer
from hubbub.realtime.tunnel import Reply
from hubbub.resources.bindings import actions, sql
from hubbub.resources.bindings.model import MESSAGE_TYPES, Binding
from hubbub.resources.credentials import sql as credentials
from hubbub.resources.services.actions import access_service

LONGEST = 4096  # characters of a device's token
CONVERSATIONS = {"added_to_conversation": "added_to_channel", "removed_from_conversation": "removed_from_channel"}

commands = Commands("ers", version="/v1")


class Device(msgspec.Struct):
    registration_id: str


class Registration(msgspec.Struct):
    channel_type: str
    data: Device
    endpoint_platform: Text = UNSET
    version: Text = UNSET
    message_types: list[str] = []


class Removal(msgspec.Struct):
    binding_type: str
    address: str


async def created(command: Command, subject: str) -> Reply:  # noqa: ARG001 - the device is found by what it is
    """To register again is to replace what there is by the same."""
    return await register(command)


@commands.create("/registrations", created)
async def register(command: Command) -> Reply:
    """The same device again replaces what it registered before. Types of messages that are not pushed are left out."""
    body = command.body(Registration)
    address = body.data.registration_id
    if not 1 <= len(address) <= LONGEST:
        raise ERRORS.INVALID_PARAMETER(name="registration_id")
    service = await access_service(command.chat, command.caller, command.service_sid)
    binding = await actions.register_binding(
        command.chat,
        service,
        command.user,
        body.channel_type,
        endpoint_of(command.user.identity, address),
        address,
        await credential_of(command, body.channel_type),
        pushed(body.message_types),
        conversations=any(name.startswith("twilio.conversations.") for name in body.message_types),
    )
    return answer(201, wire(binding, body))


@commands.delete("/registrations/{Sid}")
async def remove(command: Command) -> Reply:
    binding = await actions.access_user_binding(command.chat, command.user, command.path["sid"])
    await actions.delete_binding(command.chat, binding)
    return GONE


@commands.delete("/registrations")
async def remove_device(command: Command) -> Reply:
    """By the device's own token. One that is not registered is what was wanted."""
    body = command.body(Removal)
    binding = await sql.get_binding_of_device(
        command.chat.database, command.user.service, command.user.key, body.binding_type, body.address
    )
    if binding is not None:
        await actions.delete_binding(command.chat, binding)
    return GONE


def endpoint_of(identity: str, address: str) -> str:
    """The same for the same device, and nothing that its token could be read from."""
    return f"{identity}:{blake2b(address.encode(), digest_size=16).hexdigest()}"


async def credential_of(command: Command, type_: str) -> str | None:
    """That of the access token, else the account's newest of the type.

    Where there is none the device is registered all the same: the SDKs would try again without end, and keep the app
    waiting.
    """
    named = command.connection.access.push_credential_sid
    return named or await credentials.newest_of_type(command.chat.database, command.caller.account, type_)


def pushed(message_types: list[str]) -> list[str]:
    """`twilio.channel.new_message` is new_message."""
    names = [name.rpartition(".")[2] for name in message_types]
    return [name for name in (CONVERSATIONS.get(name, name) for name in names) if name in MESSAGE_TYPES]


def wire(binding: Binding, registered: Registration) -> dict[str, object]:
    return {"id": binding.sid, **msgspec.to_builtins(registered)}
