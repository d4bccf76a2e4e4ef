"""Users on the wire."""

from msgspec import UNSET

from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import url
from hubbub.resources.users import actions
from hubbub.resources.users.model import UserResource, wire
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe, given

operations = Operations()


@operations.create("/v2/Services/{ServiceSid}/Users")
async def create_user(
    call: Call,
    service_sid: str,
    *,
    identity: str,
    role_sid: Maybe[str] = UNSET,
    attributes: Maybe[str] = UNSET,
    friendly_name: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> UserResource:
    service = await access_service(call.chat, call.caller, service_sid)
    user = await actions.create_user(
        call.chat,
        call.caller,
        service,
        identity,
        given(role_sid=role_sid, attributes=attributes, friendly_name=friendly_name),
        webhook_enabled=x_twilio_webhook_enabled,
    )
    return wire(user, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Users")
async def list_users(call: Call, service_sid: str, *, paging: Paging) -> Page:
    service = await access_service(call.chat, call.caller, service_sid)
    found = await actions.list_users(call.chat, service, paging.by_sid())
    resources = [wire(user, call.origin) for user in found.rows]
    collection = f"{url(call.origin, service.sid)}/Users"
    return Page(collection, "users", resources, paging, found.next, found.previous)


@operations.fetch("/v2/Services/{ServiceSid}/Users/{Sid}")
async def fetch_user(call: Call, service_sid: str, sid: str) -> UserResource:
    user = await actions.access_user(call.chat, call.caller, service_sid, sid)
    return wire(user, call.origin, fetched=True)


@operations.update("/v2/Services/{ServiceSid}/Users/{Sid}")
async def update_user(
    call: Call,
    service_sid: str,
    sid: str,
    *,
    role_sid: Maybe[str] = UNSET,
    attributes: Maybe[str] = UNSET,
    friendly_name: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> UserResource:
    user = await actions.access_user(call.chat, call.caller, service_sid, sid)
    updated = await actions.update_user(
        call.chat,
        call.caller,
        user,
        given(role_sid=role_sid, attributes=attributes, friendly_name=friendly_name),
        webhook_enabled=x_twilio_webhook_enabled,
    )
    return wire(updated, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Users/{Sid}")
async def delete_user(call: Call, service_sid: str, sid: str) -> None:
    user = await actions.access_user(call.chat, call.caller, service_sid, sid)
    await actions.delete_user(call.chat, call.caller, user)
