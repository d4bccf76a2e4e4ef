"""The first thing that an app asks for: who it is, how the service is set, and where everything is."""

from typing import Any
from urllib.parse import quote

from hubbub.realtime.commands.command import BASE, ORIGIN, Command, Commands, answer
from hubbub.realtime.commands.pages import MOST
from hubbub.realtime.sync.objects import INFO, MY_CHANNELS, Object
from hubbub.realtime.tunnel import Reply
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import Service

USER_INFOS = 100  # of other users to which an app subscribes at the same time
CACHE_INTERVAL = "PT5S"  # the SDKs take a tenth of it
MOST_MEDIA = 1  # a message has one file

commands = Commands(version="")


@commands.get("/Client/v1/Configuration")
async def read_configuration(command: Command) -> Reply:
    service = await access_service(command.chat, command.caller, command.service_sid)
    return answer(200, configuration(command, service))


@commands.get("/Client/v2/Configuration")
async def read_newer_configuration(command: Command) -> Reply:
    """For Conversations, with what may be attached to a message."""
    service = await access_service(command.chat, command.caller, command.service_sid)
    found = configuration(command, service)
    limit = command.chat.settings.media_size_limit_mb
    found["options"] |= {
        "media_attachments_count_limit": MOST_MEDIA,
        "media_attachment_size_limit_in_mb": limit,
        "media_attachments_total_size_limit_in_mb": limit,
        "email_histories_allowed_mime_types": [],  # there is no e-mail
        "email_bodies_allowed_mime_types": [],
    }
    return answer(200, found)


def configuration(command: Command, service: Service) -> dict[str, Any]:
    identity, user_sid = command.user.identity, command.user.sid
    media = f"{command.chat.settings.public_url.rstrip('/') or command.connection.origin}/v1/Services/{service.sid}"
    return {
        "identity": identity,
        "url": ORIGIN + command.request.path,
        "options": {
            "consumption_report_interval": f"PT{service.consumption_report_interval}S",
            "user_infos_to_subscribe": USER_INFOS,
            "reachability_enabled": bool(service.reachability_enabled),
            "http_cache_interval": CACHE_INTERVAL,
            "my_conversations_page_size": MOST,
        },
        "sync_objects": {
            "my_conversations": Object(MY_CHANNELS, user_sid).unique_name,
            "my_user_info": Object(INFO, user_sid).unique_name,
        },
        "links": {
            "my_conversations": f"{BASE}/MyConversations",
            "conversations": f"{BASE}/Conversations",
            "users": f"{BASE}/Users",
            "current_user": f"{BASE}/Users/{quote(identity, safe='')}",
            "typing": f"{BASE}/typing",
            "media_service": f"{media}/Media",
            "media_set_service": f"{media}/MediaSet",
            "messages_receipts": f"{BASE}/Conversations/%s/Messages/%s/Receipts",
        },
    }
