"""A user: an identity within a service, made on purpose or the first time that it is met."""

from typing import Any, ClassVar

import msgspec

from hubbub.dates import iso
from hubbub.resources.services.model import url


class User(msgspec.Struct):
    JOINED: ClassVar[tuple[str, ...]] = ("account_sid", "service_sid", "reachability_enabled")

    key: int
    service: int
    sid: str
    identity: str
    role_sid: str
    friendly_name: str | None
    attributes: str
    is_online: int | None  # null before the first connection
    is_notifiable: int | None  # null before the first push registration
    joined_channels_count: int
    date_created: int
    date_updated: int
    revision: int
    last_revision: int
    account_sid: str = ""
    service_sid: str = ""
    reachability_enabled: int = 0


def user_url(origin: str, user: User) -> str:
    return f"{url(origin, user.service_sid)}/Users/{user.sid}"


def wire(user: User, origin: str, *, fetched: bool = False) -> dict[str, Any]:
    """`is_online` and `is_notifiable` are told only by a single fetch, and only with reachability on."""
    here = user_url(origin, user)
    told = fetched and user.reachability_enabled
    return {
        "sid": user.sid,
        "account_sid": user.account_sid,
        "service_sid": user.service_sid,
        "role_sid": user.role_sid,
        "identity": user.identity,
        "friendly_name": user.friendly_name,
        "attributes": user.attributes,
        "is_online": bool(user.is_online) if told and user.is_online is not None else None,
        "is_notifiable": bool(user.is_notifiable) if told and user.is_notifiable is not None else None,
        "joined_channels_count": user.joined_channels_count,
        "date_created": iso(user.date_created),
        "date_updated": iso(user.date_updated),
        "url": here,
        "links": {"user_channels": f"{here}/Channels", "user_bindings": f"{here}/Bindings"},
    }
