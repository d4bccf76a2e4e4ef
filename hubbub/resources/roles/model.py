"""A role: a named set of permissions, for a user in the whole service or for a member in a channel."""

from typing import Any

import msgspec
from msgspec import Raw

from hubbub.dates import iso
from hubbub.errors import ERRORS
from hubbub.resources.checks import check_length
from hubbub.resources.permissions import PERMISSIONS
from hubbub.resources.services.model import Service, url
from hubbub.sids import new_sid

FRIENDLY_NAME = 64
CHANNEL = "channel"
DEPLOYMENT = "deployment"

SCOPES = {
    DEPLOYMENT: {row.name for row in PERMISSIONS if row.in_service},
    CHANNEL: {row.name for row in PERMISSIONS if row.in_channel},
}

SERVICE_ADMIN = [
    "createChannel",
    "joinChannel",
    "destroyChannel",
    "inviteMember",
    "removeMember",
    "editChannelName",
    "editChannelAttributes",
    "addMember",
    "editAnyMessage",
    "editAnyMessageAttributes",
    "deleteAnyMessage",
    "editAnyUserInfo",
    "editAnyMemberAttributes",
]
SERVICE_USER = ["createChannel", "joinChannel", "editOwnUserInfo"]
CHANNEL_ADMIN = [
    "sendMessage",
    "sendMediaMessage",
    "leaveChannel",
    "destroyChannel",
    "inviteMember",
    "addMember",
    "removeMember",
    "editChannelName",
    "editChannelAttributes",
    "editAnyMessage",
    "editAnyMessageAttributes",
    "deleteAnyMessage",
    "editNotificationLevel",
    "editAnyMemberAttributes",
]
CHANNEL_USER = [
    "sendMessage",
    "sendMediaMessage",
    "leaveChannel",
    "editOwnMessage",
    "editOwnMessageAttributes",
    "deleteOwnMessage",
    "editNotificationLevel",
    "editOwnMemberAttributes",
]


class Role(msgspec.Struct):
    service: int
    sid: str
    friendly_name: str
    type: str
    permissions: str  # JSON
    date_created: int
    date_updated: int


def new_role(service: int, friendly_name: str, type_: str, permissions: list[str], moment: int) -> Role:
    """A role that was not checked yet."""
    return Role(service, new_sid("RL"), friendly_name, type_, to_json(permissions), moment, moment)


def default_roles(moment: int) -> tuple[Role, Role, Role, Role]:
    """The four roles of every new service; their names are lower-case on the wire."""
    return (
        new_role(0, "service admin", DEPLOYMENT, SERVICE_ADMIN, moment),
        new_role(0, "service user", DEPLOYMENT, SERVICE_USER, moment),
        new_role(0, "channel admin", CHANNEL, CHANNEL_ADMIN, moment),
        new_role(0, "channel user", CHANNEL, CHANNEL_USER, moment),
    )


def to_json(permissions: list[str]) -> str:
    """Each permission once, in the order given."""
    return msgspec.json.encode(list(dict.fromkeys(permissions))).decode()


def wire(role: Role, service: Service, origin: str) -> dict[str, Any]:
    return {
        "sid": role.sid,
        "account_sid": service.account_sid,
        "service_sid": service.sid,
        "friendly_name": role.friendly_name,
        "type": role.type,
        "permissions": Raw(role.permissions.encode()),
        "date_created": iso(role.date_created),
        "date_updated": iso(role.date_updated),
        "url": f"{url(origin, service.sid)}/Roles/{role.sid}",
    }


def check_role(friendly_name: str, type_: str) -> None:
    """Raises the error of a name or type that will not do."""
    if not friendly_name:
        raise ERRORS.INVALID_PARAMETER(name="FriendlyName")
    check_length(friendly_name, FRIENDLY_NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)
    if type_ not in SCOPES:
        raise ERRORS.INVALID_ROLE_TYPE()


def check_permissions(type_: str, permissions: list[str]) -> None:
    """At least one, and each one that a role of the type may have. Raises ERRORS.PERMISSION_NOT_FOUND."""
    if not permissions or not set(permissions) <= SCOPES[type_]:
        raise ERRORS.PERMISSION_NOT_FOUND()
