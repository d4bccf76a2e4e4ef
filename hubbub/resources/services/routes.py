"""Services on the wire."""

from typing import Annotated, Any

from msgspec import UNSET

from hubbub.errors import ERRORS
from hubbub.resources.services import actions
from hubbub.resources.services.model import wire
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations
from hubbub.web.paging import Page, Paging
from hubbub.web.params import Maybe, given

operations = Operations()

RetryCount = Annotated[int, ERRORS.INVALID_RETRY_COUNT]


@operations.create("/v2/Services")
async def create_service(call: Call, *, friendly_name: str) -> dict[str, Any]:
    return wire(await actions.create_service(call.chat, call.caller, friendly_name), call.origin)


@operations.fetch("/v2/Services")
async def list_services(call: Call, *, paging: Paging) -> Page:
    found = await actions.list_services(call.chat, call.caller, paging.by_sid())
    resources = [wire(service, call.origin) for service in found.rows]
    return Page(f"{call.origin}/v2/Services", "services", resources, paging, found.next, found.previous)


@operations.fetch("/v2/Services/{Sid}")
async def fetch_service(call: Call, sid: str) -> dict[str, Any]:
    return wire(await actions.access_service_itself(call.chat, call.caller, sid), call.origin)


@operations.update("/v2/Services/{Sid}")
async def update_service(
    call: Call,
    sid: str,
    *,
    friendly_name: Maybe[str] = UNSET,
    default_service_role_sid: Maybe[str] = UNSET,
    default_channel_role_sid: Maybe[str] = UNSET,
    default_channel_creator_role_sid: Maybe[str] = UNSET,
    read_status_enabled: Maybe[bool] = UNSET,
    reachability_enabled: Maybe[bool] = UNSET,
    typing_indicator_timeout: Maybe[Annotated[int, ERRORS.INVALID_TYPING_INDICATOR]] = UNSET,
    consumption_report_interval: Maybe[Annotated[int, ERRORS.INVALID_CONSUMPTION_INTERVAL]] = UNSET,
    notifications__log_enabled: Maybe[bool] = UNSET,
    notifications__new_message__enabled: Maybe[bool] = UNSET,
    notifications__new_message__template: Maybe[str] = UNSET,
    notifications__new_message__sound: Maybe[str] = UNSET,
    notifications__new_message__badge_count_enabled: Maybe[bool] = UNSET,
    notifications__added_to_channel__enabled: Maybe[bool] = UNSET,
    notifications__added_to_channel__template: Maybe[str] = UNSET,
    notifications__added_to_channel__sound: Maybe[str] = UNSET,
    notifications__removed_from_channel__enabled: Maybe[bool] = UNSET,
    notifications__removed_from_channel__template: Maybe[str] = UNSET,
    notifications__removed_from_channel__sound: Maybe[str] = UNSET,
    notifications__invited_to_channel__enabled: Maybe[bool] = UNSET,
    notifications__invited_to_channel__template: Maybe[str] = UNSET,
    notifications__invited_to_channel__sound: Maybe[str] = UNSET,
    pre_webhook_url: Maybe[str] = UNSET,
    post_webhook_url: Maybe[str] = UNSET,
    webhook_method: Maybe[str] = UNSET,
    webhook_filters: Maybe[list[str]] = UNSET,
    limits__channel_members: Maybe[Annotated[int, ERRORS.INVALID_CHANNEL_MEMBERS_LIMIT]] = UNSET,
    limits__user_channels: Maybe[Annotated[int, ERRORS.INVALID_USER_CHANNELS_LIMIT]] = UNSET,
    media__compatibility_message: Maybe[str] = UNSET,
    pre_webhook_retry_count: Maybe[RetryCount] = UNSET,
    post_webhook_retry_count: Maybe[RetryCount] = UNSET,
) -> dict[str, Any]:
    changes = given(**{name: value for name, value in locals().items() if name not in {"call", "sid"}})
    service = await actions.access_service_itself(call.chat, call.caller, sid)
    return wire(await actions.update_service(call.chat, service, changes), call.origin)


@operations.delete("/v2/Services/{Sid}")
async def delete_service(call: Call, sid: str) -> None:
    await actions.delete_service(call.chat, await actions.access_service_itself(call.chat, call.caller, sid))
