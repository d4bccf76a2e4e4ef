"""Bindings and user bindings on the wire: two views of one row."""

from typing import Any

from msgspec import UNSET

from hubbub.resources.bindings import actions
from hubbub.resources.bindings.model import check_types, user_binding_wire, wire
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import url
from hubbub.resources.users.actions import access_user
from hubbub.resources.users.model import user_url
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe

operations = Operations()


@operations.fetch("/v2/Services/{ServiceSid}/Bindings")
async def list_bindings(
    call: Call,
    service_sid: str,
    *,
    binding_type: Maybe[list[str]] = UNSET,
    identity: Maybe[list[str]] = UNSET,
    paging: Paging,
) -> Page:
    types, identities = list(binding_type or []), list(identity or [])
    check_types(types)
    service = await access_service(call.chat, call.caller, service_sid)
    found = await actions.list_bindings(call.chat, service, types, identities, paging.by_sid())
    resources = [wire(binding, service, call.origin) for binding in found.rows]
    collection = f"{url(call.origin, service.sid)}/Bindings"
    filters = [("BindingType", name) for name in types] + [("Identity", name) for name in identities]
    return Page(collection, "bindings", resources, paging, found.next, found.previous, filters)


@operations.fetch("/v2/Services/{ServiceSid}/Bindings/{Sid}")
async def fetch_binding(call: Call, service_sid: str, sid: str) -> dict[str, Any]:
    service = await access_service(call.chat, call.caller, service_sid)
    return wire(await actions.access_binding(call.chat, service.key, sid), service, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Bindings/{Sid}")
async def delete_binding(call: Call, service_sid: str, sid: str) -> None:
    service = await access_service(call.chat, call.caller, service_sid)
    await actions.delete_binding(call.chat, await actions.access_binding(call.chat, service.key, sid))


@operations.fetch("/v2/Services/{ServiceSid}/Users/{UserSid}/Bindings")
async def list_user_bindings(
    call: Call, service_sid: str, user_sid: str, *, binding_type: Maybe[list[str]] = UNSET, paging: Paging
) -> Page:
    types = list(binding_type or [])
    check_types(types)
    user = await access_user(call.chat, call.caller, service_sid, user_sid)
    found = await actions.list_user_bindings(call.chat, user, types, paging.by_sid())
    resources = [user_binding_wire(binding, user, call.origin) for binding in found.rows]
    collection = f"{user_url(call.origin, user)}/Bindings"
    filters = [("BindingType", name) for name in types]
    return Page(collection, "bindings", resources, paging, found.next, found.previous, filters)


@operations.fetch("/v2/Services/{ServiceSid}/Users/{UserSid}/Bindings/{Sid}")
async def fetch_user_binding(call: Call, service_sid: str, user_sid: str, sid: str) -> dict[str, Any]:
    user = await access_user(call.chat, call.caller, service_sid, user_sid)
    return user_binding_wire(await actions.access_user_binding(call.chat, user, sid), user, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Users/{UserSid}/Bindings/{Sid}")
async def delete_user_binding(call: Call, service_sid: str, user_sid: str, sid: str) -> None:
    user = await access_user(call.chat, call.caller, service_sid, user_sid)
    await actions.delete_binding(call.chat, await actions.access_user_binding(call.chat, user, sid))
