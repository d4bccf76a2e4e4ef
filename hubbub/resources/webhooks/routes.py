"""Channel webhooks on the wire."""

from typing import Annotated, Any

from msgspec import UNSET

from hubbub.errors import ERRORS
from hubbub.resources.channels.actions import access_channel
from hubbub.resources.channels.model import channel_url
from hubbub.resources.webhooks import actions
from hubbub.resources.webhooks.model import MOST, wire
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe, given

operations = Operations()

RetryCount = Annotated[int, ERRORS.INVALID_RETRY_COUNT]


@operations.create("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Webhooks")
async def create_webhook(
    call: Call,
    service_sid: str,
    channel_sid: str,
    *,
    type_: str,
    configuration__url: Maybe[str] = UNSET,
    configuration__method: Maybe[str] = UNSET,
    configuration__filters: Maybe[list[str]] = UNSET,
    configuration__triggers: Maybe[list[str]] = UNSET,
    configuration__flow_sid: Maybe[str] = UNSET,
    configuration__retry_count: Maybe[RetryCount] = UNSET,
) -> dict[str, Any]:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    configuration = given(
        url=configuration__url,
        method=configuration__method,
        filters=configuration__filters,
        triggers=configuration__triggers,
        flow_sid=configuration__flow_sid,
        retry_count=configuration__retry_count,
    )
    webhook = await actions.create_webhook(call.chat, channel, type_, configuration)
    return wire(webhook, channel, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Webhooks")
async def list_webhooks(
    call: Call,
    service_sid: str,
    channel_sid: str,
    *,
    paging: Paging = Paging(page_size=MOST),  # noqa: B008 - frozen
) -> Page:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    found = await actions.list_webhooks(call.chat, channel, paging.by_sid())
    resources = [wire(webhook, channel, call.origin) for webhook in found.rows]
    collection = f"{channel_url(call.origin, channel)}/Webhooks"
    return Page(collection, "webhooks", resources, paging, found.next, found.previous)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Webhooks/{Sid}")
async def fetch_webhook(call: Call, service_sid: str, channel_sid: str, sid: str) -> dict[str, Any]:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    return wire(await actions.access_webhook(call.chat, channel, sid), channel, call.origin)


@operations.update("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Webhooks/{Sid}")
async def update_webhook(
    call: Call,
    service_sid: str,
    channel_sid: str,
    sid: str,
    *,
    configuration__url: Maybe[str] = UNSET,
    configuration__method: Maybe[str] = UNSET,
    configuration__filters: Maybe[list[str]] = UNSET,
    configuration__triggers: Maybe[list[str]] = UNSET,
    configuration__flow_sid: Maybe[str] = UNSET,
    configuration__retry_count: Maybe[RetryCount] = UNSET,
) -> dict[str, Any]:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    webhook = await actions.access_webhook(call.chat, channel, sid)
    configuration = given(
        url=configuration__url,
        method=configuration__method,
        filters=configuration__filters,
        triggers=configuration__triggers,
        flow_sid=configuration__flow_sid,
        retry_count=configuration__retry_count,
    )
    updated = await actions.update_webhook(call.chat, channel, webhook, configuration)
    return wire(updated, channel, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Webhooks/{Sid}")
async def delete_webhook(call: Call, service_sid: str, channel_sid: str, sid: str) -> None:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    await actions.delete_webhook(call.chat, await actions.access_webhook(call.chat, channel, sid))
