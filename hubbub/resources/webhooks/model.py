"""A channel webhook: what happens in one channel is sent to a URL or starts a flow."""

from typing import Any

import msgspec
from msgspec import Raw

from hubbub.dates import iso
from hubbub.errors import ERRORS
from hubbub.events import CHANNEL_WEBHOOKS
from hubbub.resources.channels.model import Channel, channel_url
from hubbub.resources.checks import RETRIES, check_url
from hubbub.sids import is_sid

MOST = 5
TRIGGERS = 5
TRIGGER = 248
URL = 512

WEBHOOK = "webhook"
TRIGGER_TYPE = "trigger"
STUDIO = "studio"

# Which keys a configuration shows, by type; `filters` of a studio hook only when given.
KEYS = {
    WEBHOOK: ("url", "method", "filters", "retry_count"),
    TRIGGER_TYPE: ("url", "method", "triggers", "retry_count"),
    STUDIO: ("flow_sid", "retry_count", "filters"),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    WEBHOOK: {"method": "POST", "retry_count": 0},
    TRIGGER_TYPE: {"method": "POST", "retry_count": 0},
    STUDIO: {"retry_count": 0},
}


class Webhook(msgspec.Struct):
    channel: int
    sid: str
    type: str
    configuration: str  # JSON
    date_created: int
    date_updated: int


def wire(webhook: Webhook, channel: Channel, origin: str) -> dict[str, Any]:
    return {
        "sid": webhook.sid,
        "account_sid": channel.account_sid,
        "service_sid": channel.service_sid,
        "channel_sid": channel.sid,
        "type": webhook.type,
        "configuration": Raw(webhook.configuration.encode()),
        "date_created": iso(webhook.date_created),
        "date_updated": iso(webhook.date_updated),
        "url": f"{channel_url(origin, channel)}/Webhooks/{webhook.sid}",
    }


def configure(type_: str, before: dict[str, Any], changes: dict[str, Any]) -> str:
    """The configuration's JSON after the changes; keys of other types are ignored.

    Raises the error of the first key that is missing or will not do.
    """
    if type_ not in KEYS:
        raise ERRORS.INVALID_WEBHOOK_TYPE()
    merged = DEFAULTS[type_] | before | {key: changes[key] for key in KEYS[type_] if key in changes}
    for key in ("filters", "triggers"):
        if key in merged:
            merged[key] = [name for name in dict.fromkeys(merged[key]) if name or key == "triggers"]
    CHECKS[type_](merged)
    if not 0 <= merged["retry_count"] <= RETRIES:
        raise ERRORS.INVALID_RETRY_COUNT()
    if not merged.get("filters", [...]):
        del merged["filters"]  # a studio hook may have none
    return msgspec.json.encode({key: merged[key] for key in KEYS[type_] if key in merged}).decode()


def check_target(configuration: dict[str, Any]) -> None:
    url = configuration.get("url")
    if not url:
        raise ERRORS.WEBHOOK_URL_NOT_PROVIDED()
    if len(url) > URL:
        raise ERRORS.WEBHOOK_URL_TOO_LONG()
    check_url(url, ERRORS.INVALID_WEBHOOK)
    if configuration["method"] not in {"GET", "POST"}:
        raise ERRORS.INVALID_WEBHOOK_METHOD()


def check_filters(configuration: dict[str, Any]) -> None:
    if not set(configuration.get("filters", ())) <= set(CHANNEL_WEBHOOKS):
        raise ERRORS.INVALID_FILTER()


def check_webhook(configuration: dict[str, Any]) -> None:
    check_target(configuration)
    if not configuration.get("filters"):
        raise ERRORS.WEBHOOK_FILTER_NOT_PROVIDED()
    check_filters(configuration)


def check_trigger(configuration: dict[str, Any]) -> None:
    check_target(configuration)
    triggers = configuration.get("triggers")
    if not triggers:
        raise ERRORS.WEBHOOK_TRIGGER_NOT_PROVIDED()
    if len(triggers) > TRIGGERS:
        raise ERRORS.TOO_MANY_TRIGGERS()
    if not all(1 <= len(word) <= TRIGGER for word in triggers):
        raise ERRORS.INVALID_TRIGGER()


def check_studio(configuration: dict[str, Any]) -> None:
    if not is_sid(configuration.get("flow_sid") or "", "FW"):
        raise ERRORS.INVALID_FLOW_SID()
    check_filters(configuration)


CHECKS = {WEBHOOK: check_webhook, TRIGGER_TYPE: check_trigger, STUDIO: check_studio}
