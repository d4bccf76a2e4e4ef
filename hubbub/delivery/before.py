"""Pre-event webhooks: a service's back end has a say in what its end users do, before it is done."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from hubbub.chat import Caller, Changes
from hubbub.dates import now
from hubbub.delivery.messenger import Messenger
from hubbub.delivery.model import Target
from hubbub.delivery.outcome import Answer, Result, TimedOut
from hubbub.delivery.parameters import parameters
from hubbub.delivery.schedule import FAST_GAPS, again_at_once
from hubbub.errors import ERRORS
from hubbub.events import (
    CHANNEL_ADDED,
    CHANNEL_UPDATED,
    MEDIA_MESSAGE_SENT,
    MEMBER_ADDED,
    MEMBER_UPDATED,
    MESSAGE_SENT,
    MESSAGE_UPDATED,
    USER_UPDATED,
    Event,
)
from hubbub.resources.services import sql as services
from hubbub.resources.services.model import Service
from hubbub.sids import new_sid
from hubbub.storage.database import Reader

log = logging.getLogger("hubbub.delivery")

# The original's codes, which are logged only: the action goes ahead.
FAILED = 50057
LATE = 50076

ATTRIBUTES = {"attributes": "attributes"}
NAME = {"friendly_name": "friendly_name", "friendlyName": "friendly_name"}
MESSAGE = {"body": "body", "author": "from_", "from": "from_", **ATTRIBUTES}
CHANNEL = {**NAME, "unique_name": "unique_name", "uniqueName": "unique_name", **ATTRIBUTES}
MEMBER = {"role_sid": "role_sid", "roleSid": "role_sid", **ATTRIBUTES}

# What a hook may change, by the spellings of its answer; of anything else nothing.
CHANGEABLE: dict[Event, dict[str, str]] = {
    MESSAGE_SENT: MESSAGE,
    MEDIA_MESSAGE_SENT: MESSAGE,
    MESSAGE_UPDATED: MESSAGE,
    CHANNEL_ADDED: CHANNEL,
    CHANNEL_UPDATED: CHANNEL,
    MEMBER_ADDED: MEMBER,
    MEMBER_UPDATED: MEMBER,
    USER_UPDATED: NAME,
}


class PreEvents:
    """The `Hooks` of the chat: asks the service's URL when its filters name the event."""

    def __init__(self, reader: Reader, messenger: Messenger, clock: Callable[[], int] = now) -> None:
        self._reader = reader
        self._messenger = messenger
        self._clock = clock

    async def before(self, event: Event, caller: Caller, place: Any, record: Any) -> Changes:
        """What the hook wants changed. Raises ERRORS.CANCELLED when it answers and not with 2xx.

        One that does not answer in time, after the retries that the service is configured with, or cannot be
        reached, has no say: the action goes ahead as it is.
        """
        service = await services.service_by_key(self._reader, record.service if place is None else place.service)
        if service is None or not asks(service, event):
            return {}
        assert event.webhook_before is not None
        pairs = parameters(event.webhook_before, caller, service, place, record, self._clock())
        result = await self._ask(target(service), pairs)
        if isinstance(result, Exception):
            code = LATE if isinstance(result, TimedOut) else FAILED
            log.warning("%s: %s of %s had no say: %s", code, event.webhook_before, service.sid, result)
            return {}
        if not 200 <= result.status < 300:  # noqa: PLR2004
            raise ERRORS.CANCELLED()
        return self._read(event, service, result)

    async def _ask(self, target: Target, pairs: list[tuple[str, str]]) -> Result:
        sid = new_sid("DL")
        for retry in range(target.retry_count + 1):
            if retry:
                await asyncio.sleep(FAST_GAPS[retry - 1])
            result = await self._messenger.send(target, sid, pairs, retry, 0)
            if not again_at_once(result):
                break
        return result

    def _read(self, event: Event, service: Service, answer: Answer) -> Changes:
        """The changes in the answer; one that is not understood changes nothing."""
        if (
            not answer.body.strip()
            or (answer.content_type or "").partition(";")[0].strip().lower() != "application/json"
        ):
            return {}
        try:
            return read_changes(CHANGEABLE.get(event, {}), answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s: what %s of %s answered is not understood: %s", FAILED, event.name, service.sid, error)
            return {}


def asks(service: Service, event: Event) -> bool:
    filters = service.webhook_filters
    return bool(service.pre_webhook_url and filters) and event.webhook_before in msgspec.json.decode(filters or "[]")


def target(service: Service) -> Target:
    return Target(
        service.account,
        service.sid,
        service.pre_webhook_url,
        service.webhook_method or "POST",
        service.pre_webhook_retry_count,
        service.webhook_secret_version,
    )


def read_changes(changeable: dict[str, str], body: bytes) -> Changes:
    """Texts by field; attributes may also be given as the JSON that they hold. Raises msgspec.DecodeError."""
    answer = msgspec.json.decode(body, type=dict[str, Any])
    changes: Changes = {}
    for spelling, field in changeable.items():
        value = answer.get(spelling)
        if value is None:
            continue
        if field == "attributes" and not isinstance(value, str):
            value = msgspec.json.encode(value).decode()
        if not isinstance(value, str):
            raise msgspec.ValidationError(f"{spelling} is no text")
        changes[field] = value
    return changes
