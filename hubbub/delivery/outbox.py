"""Writes what an event asks for, webhooks' deliveries and notices of pushes, in the event's own transaction."""

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec

from hubbub.chat import Emitted
from hubbub.dates import now
from hubbub.delivery import sql
from hubbub.delivery.ledger import Ledger
from hubbub.delivery.model import DEAD, WAITING, Delivery, Target
from hubbub.delivery.parameters import parameters
from hubbub.delivery.push import sql as pushes
from hubbub.delivery.push.model import Notice
from hubbub.delivery.push.notices import may_push, notices_of
from hubbub.events import CHANNEL_WEBHOOKS, MEDIA_MESSAGE_SENT, MESSAGE_SENT
from hubbub.resources.services import sql as services
from hubbub.resources.services.model import Service
from hubbub.resources.webhooks import sql as webhooks
from hubbub.resources.webhooks.model import STUDIO, TRIGGER_TYPE, Webhook
from hubbub.settings import Settings
from hubbub.sids import new_sid
from hubbub.storage.database import Transaction

log = logging.getLogger("hubbub.delivery")

decode = lru_cache(maxsize=4096)(msgspec.json.decode)  # of filters and configurations, which nobody changes

HOUR = 3_600_000
MESSAGES = {MESSAGE_SENT.webhook_after, MEDIA_MESSAGE_SENT.webhook_after}
NOT_MAPPED = "No URL is mapped to {flow_sid}: name one in HUBBUB_STUDIO_FLOWS and replay this delivery."


class Dispatcher(Protocol):
    """What sends the deliveries of this process."""

    @property
    def node(self) -> int:
        """The key under which this process takes deliveries."""

    ledger: Ledger

    def admit(self, lane: str) -> bool:
        """Whether a delivery of the lane may be held in memory; if not, it is found in the table later."""

    def follows(self, delivery: Delivery) -> bool:
        """Whether it comes next in its lane after what this process has reserved: the lane need not be looked at."""

    def reserve(self, deliveries: list[Delivery]) -> None:
        """A transaction is storing these for this node; the order of these calls is that of their sending."""

    def release(self, deliveries: list[Delivery]) -> None:
        """They will not be stored."""

    def take(self, deliveries: list[Delivery]) -> None:
        """Send what has been reserved and is stored now."""

    def doubt(self) -> None:
        """It is not known whether something was stored for this node."""


class Spreader(Protocol):
    """What spreads the notices of this process over the devices."""

    def admit(self, service: int) -> int | None:
        """Until when the next notice of the service is this process's; None when there is no room for it."""

    def take(self, notices: list[Notice]) -> None:
        """They are on disk, and were admitted."""


class Receipt(NamedTuple):
    """What a transaction has written for the dispatcher."""

    dispatcher: Dispatcher
    deliveries: list[Delivery]  # to be sent by this process
    entries: list[Delivery]  # of the ledger


class Queued(NamedTuple):
    """What a transaction has written for this process."""

    receipt: Receipt | None
    spreader: Spreader | None
    notices: list[Notice]


class Outbox:
    """Asked by each transaction that emitted something. A process that only writes has no dispatcher."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = now) -> None:
        self._settings = settings
        self.flows = settings.flows
        self._clock = clock
        self.dispatcher: Dispatcher | None = None
        self.spreader: Spreader | None = None

    async def queue(self, tx: Transaction, emitted: list[Emitted]) -> Queued | None:
        """Store a notice of what a service pushes, and a delivery for every hook that asks for one of the events."""
        asked = [each for each in emitted if is_asked(each)]
        pushed = [each for each in emitted if may_push(each)]
        if not asked and not pushed:
            return None
        keys = {service_key(each) for each in asked} | {service_key(each) for each in pushed}
        found = {key: await services.service_by_key(tx, key) for key in keys}
        spreader, notices = await self._notice(tx, pushed, found)
        receipt = await self._deliver(tx, asked, found) if asked else None
        return Queued(receipt, spreader, notices) if receipt or spreader else None

    async def _notice(
        self, tx: Transaction, pushed: list[Emitted], found: dict[int, Service | None]
    ) -> tuple[Spreader | None, list[Notice]]:
        """Who spreads in this process, and what it has room for: nobody where there is none of either."""
        moment = self._clock()
        notices = [
            notice
            for each in pushed
            if (service := found[service_key(each)]) is not None
            for notice in notices_of(each, service, moment)
        ]
        if not notices:
            return None, []
        spreader, mine = self.spreader, []
        if spreader is not None:
            for notice in notices:
                until = spreader.admit(notice.service)
                if until is not None:
                    notice.due = until
                    mine.append(notice)
        await pushes.add_notices(tx, notices)
        return (spreader, mine) if mine else (None, [])

    async def _deliver(self, tx: Transaction, asked: list[Emitted], found: dict[int, Service | None]) -> Receipt | None:
        deliveries = await self._deliveries(tx, asked, found)
        if not deliveries:
            return None
        dispatcher = self.dispatcher
        if dispatcher is None:
            await sql.add_deliveries(tx, deliveries)
            return None
        claimed = await self._claim(tx, dispatcher, deliveries)
        try:
            await sql.add_deliveries(tx, deliveries)
            return Receipt(dispatcher, claimed, await dispatcher.ledger.write_along(tx))
        except BaseException:
            dispatcher.release(claimed)
            raise

    async def _deliveries(
        self, tx: Transaction, asked: list[Emitted], found: dict[int, Service | None]
    ) -> list[Delivery]:
        moment = self._clock()
        hooks = await webhooks.of_channels(tx, channel_keys(asked))
        deliveries: list[Delivery] = []
        for each in asked:
            service = found[service_key(each)]
            if service is None:
                continue
            targets = list(targets_of(each, service, hooks, self.flows))
            if targets:
                deliveries += self._write(each, service, targets, moment)
        return deliveries

    def _write(
        self, each: Emitted, service: Service, targets: list[tuple[str, Target]], moment: int
    ) -> Iterable[Delivery]:
        assert each.event.webhook_after is not None
        pairs = parameters(each.event.webhook_after, each.caller, service, each.channel, each.record, moment)
        said = msgspec.json.encode(pairs).decode()
        subject = each.record.sid if each.channel is None else each.channel.sid
        expires = moment + self._settings.webhook_retry_hours * HOUR
        for hook, target in targets:
            yield Delivery(
                sid=new_sid("DL"),
                account=target.account,
                service_sid=target.service_sid,
                lane=hook + subject,
                revision=each.record.revision,
                event=each.event.webhook_after,
                parameters=said,
                url=target.url,
                method=target.method,
                retry_count=target.retry_count,
                secret_version=target.secret_version,
                state=WAITING if target.url else DEAD,
                node=None,
                attempts=0,
                status=None,
                error=None if target.url else NOT_MAPPED,
                due=0,
                expires=expires,
                date_created=moment,
                date_updated=moment,
            )

    async def _claim(self, tx: Transaction, dispatcher: Dispatcher, deliveries: list[Delivery]) -> list[Delivery]:
        """Take for this node what it can send next: room for it, and nothing of its lane left for others."""
        mine = [each for each in deliveries if each.state == WAITING and dispatcher.admit(each.lane)]
        if not mine:
            return []
        node = dispatcher.node
        asked = lanes_to_look_at(mine, dispatcher)
        others = await sql.lanes_of_others(tx, node, asked) if asked else set()
        if self.dispatcher is not dispatcher or dispatcher.node != node:  # it gives up its name
            return []
        claimed = [each for each in mine if each.lane not in others]
        for delivery in claimed:
            delivery.node = node
        dispatcher.reserve(claimed)
        return claimed

    def stored(self, queued: Queued) -> None:
        """It is on disk: let it go."""
        if queued.receipt is not None:
            queued.receipt.dispatcher.ledger.written(queued.receipt.entries)
            queued.receipt.dispatcher.take(queued.receipt.deliveries)
        if queued.spreader is not None:
            queued.spreader.take(queued.notices)

    def failed(self, queued: Queued) -> None:
        """Whether it is on disk is not known; notices that are will be found in the table."""
        if queued.receipt is not None:
            queued.receipt.dispatcher.ledger.failed(queued.receipt.entries)
            queued.receipt.dispatcher.doubt()


def lanes_to_look_at(deliveries: list[Delivery], dispatcher: Dispatcher) -> list[str]:
    """The lanes in which there may be something of others: those whose first does not follow what was reserved."""
    first: dict[str, Delivery] = {}
    for delivery in deliveries:
        first.setdefault(delivery.lane, delivery)
    return [lane for lane, delivery in first.items() if not dispatcher.follows(delivery)]


def is_asked(each: Emitted) -> bool:
    """An end user's action always tells; a back end's where its request says so."""
    return each.event.webhook_after is not None and (each.webhook_enabled or each.caller.identity is not None)


def service_key(each: Emitted) -> int:
    key: int = each.record.service if each.channel is None else each.channel.service
    return key


def channel_keys(asked: list[Emitted]) -> list[int]:
    return sorted(
        {
            each.channel.key
            for each in asked
            if each.channel is not None and each.event.webhook_after in CHANNEL_WEBHOOKS
        }
    )


def targets_of(
    each: Emitted, service: Service, hooks: dict[int, list[Webhook]], flows: dict[str, str]
) -> Iterable[tuple[str, Target]]:
    """The hooks that ask for the event, by SID: the service's own, then those of the channel."""
    name = each.event.webhook_after
    if service.post_webhook_url and service.webhook_filters and name in decode(service.webhook_filters):
        yield service.sid, service_target(service)
    if each.channel is None or name not in CHANNEL_WEBHOOKS:
        return
    for hook in hooks.get(each.channel.key, ()):
        configuration = decode(hook.configuration)
        if listens(hook.type, configuration, str(name), each.record):
            yield hook.sid, hook_target(service, hook.type, configuration, flows)


def service_target(service: Service) -> Target:
    return Target(
        service.account,
        service.sid,
        service.post_webhook_url,
        service.webhook_method or "POST",
        service.post_webhook_retry_count,
        service.webhook_secret_version,
    )


def hook_target(service: Service, type_: str, configuration: dict[str, Any], flows: dict[str, str]) -> Target:
    """Of a channel webhook; a studio hook goes where the operator has mapped its flow, if anywhere."""
    if type_ == STUDIO:
        url, method = flows.get(configuration["flow_sid"]), "POST"
        if url is None:
            log.warning("no URL is mapped to the flow %s of a studio webhook", configuration["flow_sid"])
    else:
        url, method = configuration["url"], configuration["method"]
    return Target(
        service.account, service.sid, url, method, configuration["retry_count"], service.webhook_secret_version
    )


def listens(type_: str, configuration: dict[str, Any], name: str, record: Any) -> bool:
    """Whether a channel webhook asks for the event. A studio hook without filters starts with each new message."""
    if type_ == TRIGGER_TYPE:
        return name in MESSAGES and any(word in record.body for word in configuration["triggers"])
    filters: list[str] = configuration.get("filters", [])
    if type_ == STUDIO and not filters:
        return name in MESSAGES
    return name in filters
