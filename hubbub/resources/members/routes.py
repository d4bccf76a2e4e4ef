"""Members and user channels on the wire: two views of one membership."""

from typing import Annotated, Any

from msgspec import UNSET

from hubbub.errors import ERRORS
from hubbub.resources.channels.actions import access_channel
from hubbub.resources.channels.model import channel_url
from hubbub.resources.channels.routes import DateCreated, DateUpdated
from hubbub.resources.members import actions
from hubbub.resources.members.model import MemberResource, user_channel_wire, wire, wires
from hubbub.resources.users.actions import access_user
from hubbub.resources.users.model import user_url
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Date, Maybe, Nullable, given

operations = Operations()

MessageIndex = Annotated[Nullable[int], ERRORS.INVALID_CONSUMED_INDEX]
Timestamp = Annotated[Nullable[Date], ERRORS.INVALID_CONSUMPTION_TIMESTAMP]


@operations.create("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Members")
async def create_member(
    call: Call,
    service_sid: str,
    channel_sid: str,
    *,
    identity: str,
    role_sid: Maybe[str] = UNSET,
    last_consumed_message_index: Maybe[MessageIndex] = UNSET,
    last_consumption_timestamp: Maybe[Timestamp] = UNSET,
    date_created: Maybe[DateCreated] = UNSET,
    date_updated: Maybe[DateUpdated] = UNSET,
    attributes: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> MemberResource:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    changes = given(
        role_sid=role_sid,
        last_consumed_message_index=last_consumed_message_index,
        last_consumption_timestamp=last_consumption_timestamp,
        date_created=date_created,
        date_updated=date_updated,
        attributes=attributes,
    )
    member = await actions.add_member(
        call.chat, call.caller, channel, identity, changes, webhook_enabled=x_twilio_webhook_enabled
    )
    return wire(member, channel, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Members")
async def list_members(
    call: Call, service_sid: str, channel_sid: str, *, identity: Maybe[list[str]] = UNSET, paging: Paging
) -> Page:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    identities = list(identity or [])
    found = await actions.list_members(call.chat, call.caller, channel, identities, paging.by_sid())
    resources = wires(found.rows, channel, call.origin)
    collection = f"{channel_url(call.origin, channel)}/Members"
    filters = [("Identity", name) for name in identities]
    return Page(collection, "members", resources, paging, found.next, found.previous, filters)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Members/{Sid}")
async def fetch_member(call: Call, service_sid: str, channel_sid: str, sid: str) -> MemberResource:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    return wire(await actions.access_member(call.chat, call.caller, channel, sid), channel, call.origin)


@operations.update("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Members/{Sid}")
async def update_member(
    call: Call,
    service_sid: str,
    channel_sid: str,
    sid: str,
    *,
    role_sid: Maybe[str] = UNSET,
    last_consumed_message_index: Maybe[MessageIndex] = UNSET,
    last_consumption_timestamp: Maybe[Timestamp] = UNSET,
    date_created: Maybe[DateCreated] = UNSET,
    date_updated: Maybe[DateUpdated] = UNSET,
    attributes: Maybe[str] = UNSET,
    x_twilio_webhook_enabled: bool = False,
) -> MemberResource:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    member = await actions.access_member(call.chat, call.caller, channel, sid)
    changes = given(
        role_sid=role_sid,
        last_consumed_message_index=last_consumed_message_index,
        last_consumption_timestamp=last_consumption_timestamp,
        date_created=date_created,
        date_updated=date_updated,
        attributes=attributes,
    )
    updated = await actions.update_member(
        call.chat, call.caller, channel, member, changes, webhook_enabled=x_twilio_webhook_enabled
    )
    return wire(updated, channel, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Members/{Sid}")
async def delete_member(
    call: Call, service_sid: str, channel_sid: str, sid: str, *, x_twilio_webhook_enabled: bool = False
) -> None:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    member = await actions.access_member(call.chat, call.caller, channel, sid)
    await actions.remove_member(call.chat, call.caller, channel, member, webhook_enabled=x_twilio_webhook_enabled)


@operations.fetch("/v2/Services/{ServiceSid}/Users/{UserSid}/Channels")
async def list_user_channels(call: Call, service_sid: str, user_sid: str, *, paging: Paging) -> Page:
    user = await access_user(call.chat, call.caller, service_sid, user_sid)
    found = await actions.list_user_channels(call.chat, call.caller, user, paging.by_sid())
    resources = [user_channel_wire(membership, user, call.origin) for membership in found.rows]
    collection = f"{user_url(call.origin, user)}/Channels"
    return Page(collection, "channels", resources, paging, found.next, found.previous)


@operations.fetch("/v2/Services/{ServiceSid}/Users/{UserSid}/Channels/{ChannelSid}")
async def fetch_user_channel(call: Call, service_sid: str, user_sid: str, channel_sid: str) -> dict[str, Any]:
    membership, user, _ = await actions.access_user_channel(call.chat, call.caller, service_sid, user_sid, channel_sid)
    return user_channel_wire(membership, user, call.origin)


@operations.update("/v2/Services/{ServiceSid}/Users/{UserSid}/Channels/{ChannelSid}")
async def update_user_channel(
    call: Call,
    service_sid: str,
    user_sid: str,
    channel_sid: str,
    *,
    notification_level: Maybe[str] = UNSET,
    last_consumed_message_index: Maybe[MessageIndex] = UNSET,
    last_consumption_timestamp: Maybe[Timestamp] = UNSET,
) -> dict[str, Any]:
    _, user, channel = await actions.access_user_channel(call.chat, call.caller, service_sid, user_sid, channel_sid)
    changes = given(
        notification_level=notification_level,
        last_consumed_message_index=last_consumed_message_index,
        last_consumption_timestamp=last_consumption_timestamp,
    )
    updated = await actions.update_user_channel(call.chat, call.caller, user, channel, changes)
    return user_channel_wire(updated, user, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Users/{UserSid}/Channels/{ChannelSid}")
async def delete_user_channel(
    call: Call, service_sid: str, user_sid: str, channel_sid: str, *, x_twilio_webhook_enabled: bool = False
) -> None:
    _, user, channel = await actions.access_user_channel(call.chat, call.caller, service_sid, user_sid, channel_sid)
    await actions.delete_user_channel(call.chat, call.caller, user, channel, webhook_enabled=x_twilio_webhook_enabled)
