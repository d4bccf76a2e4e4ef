"""Invites on the wire."""

from typing import Any

from msgspec import UNSET

from hubbub.resources.channels.actions import access_channel
from hubbub.resources.channels.model import channel_url
from hubbub.resources.invites import actions
from hubbub.resources.invites.model import wire
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe

operations = Operations()


@operations.create("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Invites")
async def create_invite(
    call: Call, service_sid: str, channel_sid: str, *, identity: str, role_sid: Maybe[str] = UNSET
) -> dict[str, Any]:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    invite = await actions.create_invite(call.chat, call.caller, channel, identity, role_sid or None)
    return wire(invite, channel, call.origin)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Invites")
async def list_invites(
    call: Call, service_sid: str, channel_sid: str, *, identity: Maybe[list[str]] = UNSET, paging: Paging
) -> Page:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    identities = list(identity or [])
    found = await actions.list_invites(call.chat, call.caller, channel, identities, paging.by_sid())
    resources = [wire(invite, channel, call.origin) for invite in found.rows]
    collection = f"{channel_url(call.origin, channel)}/Invites"
    filters = [("Identity", name) for name in identities]
    return Page(collection, "invites", resources, paging, found.next, found.previous, filters)


@operations.fetch("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Invites/{Sid}")
async def fetch_invite(call: Call, service_sid: str, channel_sid: str, sid: str) -> dict[str, Any]:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    return wire(await actions.access_invite(call.chat, call.caller, channel, sid), channel, call.origin)


@operations.delete("/v2/Services/{ServiceSid}/Channels/{ChannelSid}/Invites/{Sid}")
async def delete_invite(call: Call, service_sid: str, channel_sid: str, sid: str) -> None:
    channel = await access_channel(call.chat, call.caller, service_sid, channel_sid)
    invite = await actions.access_invite(call.chat, call.caller, channel, sid)
    await actions.delete_invite(call.chat, call.caller, channel, invite)
