"""A binding: a user's device that has registered for push notifications."""

from typing import Any

import msgspec
from msgspec import Raw

from hubbub.dates import iso
from hubbub.errors import ERRORS
from hubbub.resources.services.model import Service, url
from hubbub.resources.users.model import User, user_url

TYPES = ("gcm", "apn", "fcm")
MESSAGE_TYPES = ("removed_from_channel", "new_message", "added_to_channel", "invited_to_channel")


class Binding(msgspec.Struct):
    service: int
    sid: str
    user: int
    user_sid: str
    identity: str
    endpoint: str
    binding_type: str
    address: str  # the device's token; never returned
    credential_sid: str  # empty where there was none
    message_types: str  # JSON
    date_created: int
    date_updated: int
    badge: int | None = None  # the number that the device was last given for the app's icon
    conversations: int = 0  # whether its app uses Conversations, which has other names for some things


def shared(binding: Binding) -> dict[str, Any]:
    return {
        "sid": binding.sid,
        "endpoint": binding.endpoint,
        "identity": binding.identity,
        "binding_type": binding.binding_type,
        "credential_sid": binding.credential_sid or None,
        "message_types": Raw(binding.message_types.encode()),
        "date_created": iso(binding.date_created),
        "date_updated": iso(binding.date_updated),
    }


def wire(binding: Binding, service: Service, origin: str) -> dict[str, Any]:
    """`links.user` ends in the identity, the one URL that does."""
    here = url(origin, service.sid)
    return shared(binding) | {
        "account_sid": service.account_sid,
        "service_sid": service.sid,
        "url": f"{here}/Bindings/{binding.sid}",
        "links": {"user": f"{here}/Users/{binding.identity}"},
    }


def user_binding_wire(binding: Binding, user: User, origin: str) -> dict[str, Any]:
    """The same seen from the user: with `user_sid`, without links."""
    return shared(binding) | {
        "account_sid": user.account_sid,
        "service_sid": user.service_sid,
        "user_sid": user.sid,
        "url": f"{user_url(origin, user)}/Bindings/{binding.sid}",
    }


def check_types(types: list[str]) -> None:
    if not set(types) <= set(TYPES):
        raise ERRORS.INVALID_BINDING_TYPE()
