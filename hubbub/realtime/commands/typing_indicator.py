"""Who is typing: told to the others in the channel, stored nowhere."""

from functools import partial
from typing import TYPE_CHECKING

from hubbub.errors import ERRORS
from hubbub.realtime.commands.command import VERSION, answer
from hubbub.realtime.hub import Hub
from hubbub.realtime.tunnel import Reply, Request, Route
from hubbub.resources.channels.actions import locate_channel
from hubbub.resources.permissions import allow_reading
from hubbub.resources.services.actions import access_service
from hubbub.web.forms import parse_form

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

LONGER = 1  # seconds that the others show it beyond the time after which the one who types says so again


async def indicate(hub: Hub, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:  # noqa: ARG001
    """Members only. The answer says for how long the app need not repeat it."""
    name = dict(parse_form(request.body)).get("ChannelSid")
    if not name:
        raise ERRORS.MISSING_PARAMETER(name="ChannelSid")
    chat, caller, service_sid = connection.chat, connection.access.caller, connection.access.service.sid
    place = await locate_channel(chat, caller, service_sid, name)
    await allow_reading(chat, caller, place)
    service = await access_service(chat, caller, service_sid)
    hub.typing(place, connection.user.identity, service.typing_indicator_timeout + LONGER)
    return answer(200, {"typing_timeout": service.typing_indicator_timeout})


def routes(hub: Hub) -> list[Route]:
    """The second is the one place that the older SDKs know."""
    return [("aim", "POST", path, partial(indicate, hub)) for path in (VERSION + "/typing", "/v1/typing")]
