"""Channels on the wire."""

from typing import Annotated

from msgspec import UNSET

from hubbub.errors import ERRORS
from hubbub.resources.channels import actions
from hubbub.resources.channels.model import PRIVATE, PUBLIC, ChannelResource, wire, wires
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import url
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Date, Maybe, given

operations = Operations()

DateCreated = Annotated[Date, ERRORS.INVALID_DATE_CREATED]
DateUpdated = Annotated[Date, ERRORS.INVALID_DATE_UPDATED]


@operations.create("/v2/Services/{ServiceSid}/Channels")
async def create_channel(
    call: Call,
    service_sid: str,
    *,
    friendly_name: Maybe[str] = UNSET,
    unique_name: Maybe[str] = UNSET,
    attributes: Maybe[str] = UNSET,
    type_: Maybe[str] = UNSET,
    date_created: Maybe[DateCreated] = UNSET,
    date_updated: Maybe[DateUpdated] = UNSET,
    created_by: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> ChannelResource:
    service = await access_service(call.chat, call.caller, service_sid)
    changes = given(
        friendly_name=friendly_name,
        unique_name=unique_name,
        attributes=attributes,
        type=type_,
        date_created=date_created,
        date_updated=date_updated,
        created_by=created_by or UNSET,
    )
    channel = await actions.create_channel(
        call.chat, call.caller, service, changes, webhook_enabled=x_twilio_webhook_enabled
    )
    return wire(channel, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Channels")
async def list_channels(call: Call, service_sid: str, *, type_: Maybe[list[str]] = UNSET, paging: Paging) -> Page:
    types = list(type_ or [])
    if not set(types) <= {PUBLIC, PRIVATE}:
        raise ERRORS.INVALID_PARAMETER(name="Type")
    service = await access_service(call.chat, call.caller, service_sid)
    found = await actions.list_channels(call.chat, call.caller, service, types, paging.by_sid())
    collection = f"{url(call.origin, service.sid)}/Channels"
    resources = wires(found.rows, collection)
    filters = [("Type", name) for name in types]
    return Page(collection, "channels", resources, paging, found.next, found.previous, filters)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{Sid}")
async def fetch_channel(call: Call, service_sid: str, sid: str) -> ChannelResource:
    return wire(await actions.access_channel(call.chat, call.caller, service_sid, sid), call.origin)


@operations.update("/v2/Services/{ServiceSid}/Channels/{Sid}")
async def update_channel(
    call: Call,
    service_sid: str,
    sid: str,
    *,
    friendly_name: Maybe[str] = UNSET,
    unique_name: Maybe[str] = UNSET,
    attributes: Maybe[str] = UNSET,
    date_created: Maybe[DateCreated] = UNSET,
    date_updated: Maybe[DateUpdated] = UNSET,
    created_by: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> ChannelResource:
    channel = await actions.access_channel(call.chat, call.caller, service_sid, sid)
    changes = given(
        friendly_name=friendly_name,
        unique_name=unique_name,
        attributes=attributes,
        date_created=date_created,
        date_updated=date_updated,
        created_by=created_by or UNSET,
    )
    updated = await actions.update_channel(
        call.chat, call.caller, channel, changes, webhook_enabled=x_twilio_webhook_enabled
    )
    return wire(updated, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Channels/{Sid}")
async def delete_channel(call: Call, service_sid: str, sid: str, *, x_twilio_webhook_enabled: bool = False) -> None:
    channel = await actions.access_channel(call.chat, call.caller, service_sid, sid)
    await actions.delete_channel(call.chat, call.caller, channel, webhook_enabled=x_twilio_webhook_enabled)
