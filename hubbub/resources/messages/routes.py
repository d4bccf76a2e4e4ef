"""Messages on the wire."""

from msgspec import UNSET

from hubbub.errors import ERRORS
from hubbub.resources.channels.actions import access_channel, locate_channel
from hubbub.resources.channels.model import channel_url
from hubbub.resources.channels.routes import DateCreated, DateUpdated
from hubbub.resources.messages import actions
from hubbub.resources.messages.model import MessageResource, wire, wires
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe, given

operations = Operations()


@operations.create("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Messages")
async def create_message(
    call: Call,
    service_sid: str,
    channel_sid: str,
    *,
    from_: Maybe[str] = UNSET,
    attributes: Maybe[str] = UNSET,
    date_created: Maybe[DateCreated] = UNSET,
    date_updated: Maybe[DateUpdated] = UNSET,
    last_updated_by: Maybe[str] = UNSET,
    body: Maybe[str] = UNSET,
    media_sid: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> MessageResource:
    place = await locate_channel(call.chat, call.caller, service_sid, channel_sid)
    changes = given(
        from_=from_,
        attributes=attributes,
        date_created=date_created,
        date_updated=date_updated,
        last_updated_by=last_updated_by or UNSET,
        body=body,
    )
    message = await actions.send_message(
        call.chat,
        call.caller,
        place,
        changes,
        media_sid or None,
        webhook_enabled=x_twilio_webhook_enabled,
    )
    return wire(message, place, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Messages")
async def list_messages(
    call: Call, service_sid: str, channel_sid: str, *, order: Maybe[str] = UNSET, paging: Paging
) -> Page:
    if order and order not in {"asc", "desc"}:
        raise ERRORS.INVALID_PARAMETER(name="Order")
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    found = await actions.list_messages(call.chat, call.caller, channel, order or "asc", paging.by_index())
    resources = wires(found.rows, channel, call.origin)
    collection = f"{channel_url(call.origin, channel)}/Messages"
    filters = [("Order", order)] if order else []
    return Page(collection, "messages", resources, paging, found.next, found.previous, filters)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Messages/{Sid}")
async def fetch_message(call: Call, service_sid: str, channel_sid: str, sid: str) -> MessageResource:
    place = await locate_channel(call.chat, call.caller, service_sid, channel_sid)
    return wire(await actions.access_message(call.chat, call.caller, place, sid), place, call.origin)


@operations.update("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Messages/{Sid}")
async def update_message(
    call: Call,
    service_sid: str,
    channel_sid: str,
    sid: str,
    *,
    body: Maybe[str] = UNSET,
    attributes: Maybe[str] = UNSET,
    date_created: Maybe[DateCreated] = UNSET,
    date_updated: Maybe[DateUpdated] = UNSET,
    last_updated_by: Maybe[str] = UNSET,
    from_: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> MessageResource:
    place = await locate_channel(call.chat, call.caller, service_sid, channel_sid)
    message = await actions.access_message(call.chat, call.caller, place, sid)
    changes = given(
        body=body,
        attributes=attributes,
        date_created=date_created,
        date_updated=date_updated,
        last_updated_by=last_updated_by or UNSET,
        from_=from_ or UNSET,
    )
    updated = await actions.update_message(
        call.chat, call.caller, place, message, changes, webhook_enabled=x_twilio_webhook_enabled
    )
    return wire(updated, place, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Messages/{Sid}")
async def delete_message(
    call: Call, service_sid: str, channel_sid: str, sid: str, *, x_twilio_webhook_enabled: bool = False
) -> None:
    place = await locate_channel(call.chat, call.caller, service_sid, channel_sid)
    message = await actions.access_message(call.chat, call.caller, place, sid)
    await actions.delete_message(call.chat, call.caller, place, message, webhook_enabled=x_twilio_webhook_enabled)
