"""Credentials on the wire: the only resource beside the service that belongs to the account itself."""

from typing import Any

from msgspec import UNSET

from hubbub.resources.credentials import actions
from hubbub.resources.credentials.model import wire
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe, given

operations = Operations()


@operations.create("/v2/Credentials")
async def create_credential(
    call: Call,
    *,
    type_: str,
    friendly_name: Maybe[str] = UNSET,
    certificate: Maybe[str] = UNSET,
    private_key: Maybe[str] = UNSET,
    sandbox: Maybe[bool] = UNSET,
    api_key: Maybe[str] = UNSET,
    secret: Maybe[str] = UNSET,
) -> dict[str, Any]:
    secrets = given(certificate=certificate, private_key=private_key, api_key=api_key, secret=secret)
    credential = await actions.create_credential(
        call.chat, call.caller, type_, friendly_name or None, secrets, sandbox=bool(sandbox)
    )
    return wire(credential, call.caller.account_sid, call.origin)


@operations.fetch("/v2/Credentials")
async def list_credentials(call: Call, *, paging: Paging) -> Page:
    found = await actions.list_credentials(call.chat, call.caller, paging.by_sid())
    resources = [wire(credential, call.caller.account_sid, call.origin) for credential in found.rows]
    collection = f"{call.origin}/v2/Credentials"
    return Page(collection, "credentials", resources, paging, found.next, found.previous)


@operations.fetch("/v2/Credentials/{Sid}")
async def fetch_credential(call: Call, sid: str) -> dict[str, Any]:
    credential = await actions.access_credential(call.chat, call.caller, sid)
    return wire(credential, call.caller.account_sid, call.origin)


@operations.update("/v2/Credentials/{Sid}")
async def update_credential(
    call: Call,
    sid: str,
    *,
    friendly_name: Maybe[str] = UNSET,
    certificate: Maybe[str] = UNSET,
    private_key: Maybe[str] = UNSET,
    sandbox: Maybe[bool] = UNSET,
    api_key: Maybe[str] = UNSET,
    secret: Maybe[str] = UNSET,
) -> dict[str, Any]:
    credential = await actions.access_credential(call.chat, call.caller, sid)
    secrets = given(certificate=certificate, private_key=private_key, api_key=api_key, secret=secret)
    changes = given(friendly_name=friendly_name, sandbox=sandbox)
    updated = await actions.update_credential(call.chat, credential, changes, secrets)
    return wire(updated, call.caller.account_sid, call.origin)


@operations.delete("/v2/Credentials/{Sid}")
async def delete_credential(call: Call, sid: str) -> None:
    await actions.delete_credential(call.chat, await actions.access_credential(call.chat, call.caller, sid))
