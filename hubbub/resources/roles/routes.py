"""Roles on the wire."""

from typing import Any

from hubbub.resources.roles import actions
from hubbub.resources.roles.model import wire
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import url
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging

operations = Operations()


@operations.create("/v2/Services/{ServiceSid}/Roles")
async def create_role(
    call: Call, service_sid: str, *, friendly_name: str, type_: str, permission: list[str]
) -> dict[str, Any]:
    service = await access_service(call.chat, call.caller, service_sid)
    role = await actions.create_role(call.chat, service, friendly_name, type_, permission)
    return wire(role, service, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Roles")
async def list_roles(call: Call, service_sid: str, *, paging: Paging) -> Page:
    service = await access_service(call.chat, call.caller, service_sid)
    found = await actions.list_roles(call.chat, service, paging.by_sid())
    resources = [wire(role, service, call.origin) for role in found.rows]
    collection = f"{url(call.origin, service.sid)}/Roles"
    return Page(collection, "roles", resources, paging, found.next, found.previous)


@operations.fetch("/v2/Services/{ServiceSid}/Roles/{Sid}")
async def fetch_role(call: Call, service_sid: str, sid: str) -> dict[str, Any]:
    role, service = await actions.access_role(call.chat, call.caller, service_sid, sid)
    return wire(role, service, call.origin)


@operations.update("/v2/Services/{ServiceSid}/Roles/{Sid}")
async def update_role(call: Call, service_sid: str, sid: str, *, permission: list[str]) -> dict[str, Any]:
    role, service = await actions.access_role(call.chat, call.caller, service_sid, sid)
    return wire(await actions.update_role(call.chat, role, permission), service, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Roles/{Sid}")
async def delete_role(call: Call, service_sid: str, sid: str) -> None:
    role, _ = await actions.access_role(call.chat, call.caller, service_sid, sid)
    await actions.delete_role(call.chat, role)
