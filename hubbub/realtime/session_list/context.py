"""The context of a session list, which is what an older app is told first: who it is, and where everything is.

A session list is its user's, and nothing of it is stored: its SID follows from the user's, its context from the
service, and what is put into it is done and answered at once. So a client may go on with it after it has lost its
connection, on any node.
"""

from typing import TYPE_CHECKING, Any

from hubbub.realtime.commands.command import VERSION
from hubbub.realtime.commands.configuration import CACHE_INTERVAL, USER_INFOS
from hubbub.realtime.sync.changes import CONTEXT, Change
from hubbub.realtime.sync.missed import Missed
from hubbub.realtime.sync.objects import INFO, MY_CHANNELS, Object
from hubbub.resources.services.actions import access_service

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

CONTEXT_ID = 1  # above that of the list and of its GET, which is 0: else the SDK never takes notice of the event


async def session_context(connection: "Connection") -> dict[str, Any]:
    """The links are paths: the SDK puts its own host before them."""
    access, user_sid = connection.access, connection.user.sid
    service = await access_service(connection.chat, access.caller, access.service.sid)
    return {
        "type": "IpMsgSession",
        "apiVersion": "3",
        "identity": connection.user.identity,
        "userInfo": Object(INFO, user_sid).unique_name,
        "myChannels": Object(MY_CHANNELS, user_sid).unique_name,
        "channels": f"{service.sid}.channels",  # the SDK insists on it, and does not look into it
        "reachabilityEnabled": bool(service.reachability_enabled),
        "httpCacheInterval": CACHE_INTERVAL,
        "consumptionReportInterval": f"PT{service.consumption_report_interval}S",
        "userInfosToSubscribe": USER_INFOS,
        "links": {
            "publicChannelsUrl": f"{VERSION}/PublicChannels",
            "myChannelsUrl": f"{VERSION}/MyChannels",
            "syncListUrl": f"{VERSION}/SyncList",
            "usersUrl": f"{VERSION}/Users",
            "typingUrl": "/v1/typing",
            "messagesReceiptsUrl": f"{VERSION}/Conversations/%s/Messages/%s/Receipts",
            "mediaServiceUrl": f"/v1/Services/{service.sid}/Media",
        },
    }


async def missed_context(connection: "Connection", last_event_id: int | None) -> Missed:
    """The context, for a client that subscribes the first time. Answers are not missed: see `items`."""
    if last_event_id != 0:
        return Missed([], last_event_id or CONTEXT_ID, complete=True)
    context = await session_context(connection)
    return Missed([Change(CONTEXT_ID, CONTEXT, None, context, connection.chat.clock())], CONTEXT_ID, complete=True)
