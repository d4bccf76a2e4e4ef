"""A service: the tenant of an account that holds its own roles, users and channels."""

from typing import Any

import msgspec
from msgspec import Raw

from hubbub.dates import iso
from hubbub.errors import ERRORS, Kind
from hubbub.events import WEBHOOKS
from hubbub.resources.checks import NAME, RETRIES, check_length, check_url, null_if_empty

TEMPLATE = 1024
SOUND = 256
COMPATIBILITY_MESSAGE = 1024
MOST_MEMBERS = 1000
MOST_CHANNELS = 1000

LIMITS = '{"channel_members":100,"user_channels":250}'
NOTIFICATIONS = (
    '{"log_enabled":false,"new_message":{"enabled":false},"added_to_channel":{"enabled":false},'
    '"invited_to_channel":{"enabled":false},"removed_from_channel":{"enabled":false}}'
)
MEDIA = '{"size_limit_mb":150,"compatibility_message":"Media messages are not supported by your client"}'


class Service(msgspec.Struct):
    key: int
    account: int
    account_sid: str
    sid: str
    friendly_name: str
    date_created: int
    date_updated: int
    default_service_role_sid: str
    default_channel_role_sid: str
    default_channel_creator_role_sid: str
    read_status_enabled: int = 1
    reachability_enabled: int = 0
    typing_indicator_timeout: int = 5
    consumption_report_interval: int = 10
    limits: str = LIMITS  # JSON
    pre_webhook_url: str | None = None
    post_webhook_url: str | None = None
    webhook_method: str | None = None
    webhook_filters: str | None = None  # JSON
    pre_webhook_retry_count: int = 0
    post_webhook_retry_count: int = 0
    notifications: str = NOTIFICATIONS  # JSON
    media: str = MEDIA  # JSON
    webhook_secret_version: int = 0  # not on the wire: each rotation counts it up

    @property
    def default_roles(self) -> tuple[str, str, str]:
        return (
            self.default_service_role_sid,
            self.default_channel_role_sid,
            self.default_channel_creator_role_sid,
        )


class Limits(msgspec.Struct):
    channel_members: int
    user_channels: int


def limits(service: Service) -> Limits:
    return msgspec.json.decode(service.limits, type=Limits)


class Pushed(msgspec.Struct):
    """How a service pushes one kind of event."""

    enabled: bool = False
    template: str | None = None
    sound: str | None = None
    badge_count_enabled: bool = False


class Notifications(msgspec.Struct):
    new_message: Pushed
    added_to_channel: Pushed
    invited_to_channel: Pushed
    removed_from_channel: Pushed
    log_enabled: bool = False

    def of(self, kind: str) -> Pushed:
        pushed: Pushed = getattr(self, kind)
        return pushed


def notifications(service: Service) -> Notifications:
    return msgspec.json.decode(service.notifications, type=Notifications)


class Media(msgspec.Struct):
    compatibility_message: str


def compatibility_message(service: Service) -> str:
    """What stands in for a file where only text can be shown."""
    return msgspec.json.decode(service.media, type=Media).compatibility_message


def url(origin: str, service_sid: str) -> str:
    return f"{origin}/v2/Services/{service_sid}"


def wire(service: Service, origin: str) -> dict[str, Any]:
    here = url(origin, service.sid)
    filters = service.webhook_filters
    return {
        "sid": service.sid,
        "account_sid": service.account_sid,
        "friendly_name": service.friendly_name,
        "date_created": iso(service.date_created),
        "date_updated": iso(service.date_updated),
        "default_service_role_sid": service.default_service_role_sid,
        "default_channel_role_sid": service.default_channel_role_sid,
        "default_channel_creator_role_sid": service.default_channel_creator_role_sid,
        "read_status_enabled": bool(service.read_status_enabled),
        "reachability_enabled": bool(service.reachability_enabled),
        "typing_indicator_timeout": service.typing_indicator_timeout,
        "consumption_report_interval": service.consumption_report_interval,
        "limits": Raw(service.limits.encode()),
        "pre_webhook_url": service.pre_webhook_url,
        "post_webhook_url": service.post_webhook_url,
        "webhook_method": service.webhook_method,
        "webhook_filters": None if filters is None else Raw(filters.encode()),
        "pre_webhook_retry_count": service.pre_webhook_retry_count,
        "post_webhook_retry_count": service.post_webhook_retry_count,
        "notifications": Raw(service.notifications.encode()),
        "media": Raw(service.media.encode()),
        "url": here,
        "links": {
            "channels": f"{here}/Channels",
            "users": f"{here}/Users",
            "roles": f"{here}/Roles",
            "bindings": f"{here}/Bindings",
        },
    }


def check_friendly_name(friendly_name: str) -> None:
    """1 to 256 characters."""
    if not friendly_name:
        raise ERRORS.INVALID_PARAMETER(name="FriendlyName")
    check_length(friendly_name, NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)


RANGES: dict[str, tuple[int, int, Kind]] = {
    "typing_indicator_timeout": (0, 2**31 - 1, ERRORS.INVALID_TYPING_INDICATOR),
    "consumption_report_interval": (0, 2**31 - 1, ERRORS.INVALID_CONSUMPTION_INTERVAL),
    "limits__channel_members": (1, MOST_MEMBERS, ERRORS.INVALID_CHANNEL_MEMBERS_LIMIT),
    "limits__user_channels": (1, MOST_CHANNELS, ERRORS.INVALID_USER_CHANNELS_LIMIT),
    "pre_webhook_retry_count": (0, RETRIES, ERRORS.INVALID_RETRY_COUNT),
    "post_webhook_retry_count": (0, RETRIES, ERRORS.INVALID_RETRY_COUNT),
}


def check_changes(changes: dict[str, Any]) -> None:
    """Raises the error of the first value that will not do; brings empty and listed values into stored form."""
    if "friendly_name" in changes:
        check_friendly_name(changes["friendly_name"])
    for name, (least, most, error) in RANGES.items():
        if name in changes and not least <= changes[name] <= most:
            raise error()
    for name, value in changes.items():
        if name.endswith("__template"):
            check_length(value, TEMPLATE, ERRORS.TEMPLATE_TOO_LONG)
        elif name.endswith("__sound"):
            check_length(value, SOUND, ERRORS.SOUND_TOO_LONG)
    if len(changes.get("media__compatibility_message", "")) > COMPATIBILITY_MESSAGE:
        raise ERRORS.INVALID_PARAMETER(name="Media.CompatibilityMessage")
    check_webhooks(changes)


def check_webhooks(changes: dict[str, Any]) -> None:
    null_if_empty(changes, "pre_webhook_url", "post_webhook_url", "webhook_method")
    if changes.get("pre_webhook_url"):
        check_url(changes["pre_webhook_url"], ERRORS.INVALID_PRE_WEBHOOK_URL)
    if changes.get("post_webhook_url"):
        check_url(changes["post_webhook_url"], ERRORS.INVALID_POST_WEBHOOK_URL)
    if changes.get("webhook_method") not in {None, "GET", "POST"}:
        raise ERRORS.INVALID_WEBHOOK_METHOD()
    if "webhook_filters" in changes:
        filters = [name for name in changes["webhook_filters"] if name]
        if not set(filters) <= set(WEBHOOKS):
            raise ERRORS.INVALID_WEBHOOK()
        changes["webhook_filters"] = msgspec.json.encode(filters).decode() if filters else None


def merge(service: Service, changes: dict[str, Any]) -> dict[str, Any]:
    """The columns to write: `limits__user_channels` goes to its place within the JSON of `limits`.

    An empty template or sound is taken out, as it was before one was set.
    """
    columns: dict[str, Any] = {}
    documents: dict[str, Any] = {}
    for name, value in changes.items():
        column, *path = name.split("__")
        if not path:
            columns[column] = value
            continue
        document = documents.setdefault(column, msgspec.json.decode(getattr(service, column)))
        for part in path[:-1]:
            document = document[part]
        if value == "" and path[-1] in {"template", "sound"}:
            document.pop(path[-1], None)
        else:
            document[path[-1]] = value
    return columns | {column: msgspec.json.encode(content).decode() for column, content in documents.items()}
