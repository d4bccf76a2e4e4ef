"""A user: an identity within a service, made on purpose or the first time that it is met."""

from typing import ClassVar

import msgspec

from hubbub.dates import iso
from hubbub.resources.services.model import url


class User(msgspec.Struct, gc=False):
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


class UserLinks(msgspec.Struct, gc=False):
    user_channels: str
    user_bindings: str


class UserResource(msgspec.Struct, gc=False):
    sid: str
    account_sid: str
    service_sid: str
    role_sid: str
    identity: str
    friendly_name: str | None
    attributes: str
    is_online: bool | None
    is_notifiable: bool | None
    joined_channels_count: int
    date_created: str
    date_updated: str
    url: str
    links: UserLinks


def wire(user: User, origin: str, *, fetched: bool = False) -> UserResource:
    """`is_online` and `is_notifiable` are told only by a single fetch, and only with reachability on."""
    here = user_url(origin, user)
    told = fetched and user.reachability_enabled
    return UserResource(
        user.sid,
        user.account_sid,
        user.service_sid,
        user.role_sid,
        user.identity,
        user.friendly_name,
        user.attributes,
        bool(user.is_online) if told and user.is_online is not None else None,
        bool(user.is_notifiable) if told and user.is_notifiable is not None else None,
        user.joined_channels_count,
        iso(user.date_created),
        iso(user.date_updated),
        here,
        UserLinks(here + "/Channels", here + "/Bindings"),
    )
