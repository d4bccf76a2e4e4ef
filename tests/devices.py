"""Devices that register for push, as the client edge does it: by the same action, on the server's database.

No operation of the contract makes a binding, so the tests come in beside the running server.
"""

import asyncio

from hubbub.app import open_chat
from hubbub.chat import Caller
from hubbub.resources.accounts.actions import access_account
from hubbub.resources.bindings.actions import register_binding
from hubbub.resources.services.actions import access_service
from hubbub.resources.users.actions import access_user
from hubbub.settings import load
from tests.harness import ACCOUNT_SID, Server

ALL_TYPES = ["removed_from_channel", "new_message", "added_to_channel", "invited_to_channel"]

Device = tuple[str, str, str]  # identity, binding type, endpoint


def register(
    server: Server,
    service_sid: str,
    credential_sid: str,
    *devices: Device,
    message_types: list[str] = ALL_TYPES,
) -> list[str]:
    """The SIDs of the bindings, in the order of the devices."""

    async def inside() -> list[str]:
        found = []
        async with open_chat(load({}, server.environment())) as chat:
            account = await access_account(chat, ACCOUNT_SID)
            caller = Caller(account.key, account.sid)
            service = await access_service(chat, caller, service_sid)
            for identity, type_, endpoint in devices:
                user = await access_user(chat, caller, service.sid, identity)
                words = (type_, endpoint, f"token of {endpoint}", credential_sid)
                binding = await register_binding(chat, service, user, *words, message_types)
                found.append(binding.sid)
        return found

    return asyncio.run(inside())
