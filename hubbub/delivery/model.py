"""A delivery: one webhook request that somebody asked for, kept until it has arrived or is given up."""

from typing import Any, ClassVar

import msgspec

from hubbub.dates import iso_milliseconds

WAITING = "waiting"  # for its first try, in its lane's order
RETRYING = "retrying"  # failed for now; holds nobody back
DELIVERED = "delivered"
REFUSED = "refused"  # the receiver's last word
DEAD = "dead"  # given up
STATES = (WAITING, RETRYING, DELIVERED, REFUSED, DEAD)

SID_LENGTH = 34

decode_pairs = msgspec.json.Decoder(list[tuple[str, str]]).decode


class Target(msgspec.Struct):
    """Where a hook's requests go, and what they are signed with."""

    account: int
    service_sid: str
    url: str | None
    method: str
    retry_count: int
    secret_version: int


class Delivery(msgspec.Struct, gc=False):
    JOINED: ClassVar[tuple[str, ...]] = ()

    sid: str
    account: int
    service_sid: str
    lane: str
    revision: int
    event: str
    parameters: str  # JSON, pairs
    url: str | None
    method: str
    retry_count: int
    secret_version: int
    state: str
    node: int | None
    attempts: int
    status: int | None
    error: str | None
    due: int
    expires: int
    date_created: int
    date_updated: int

    @property
    def hook(self) -> str:
        """The SID of the service or of the channel webhook."""
        return self.lane[:SID_LENGTH]

    @property
    def subject(self) -> str:
        """The SID of the channel or user."""
        return self.lane[SID_LENGTH:]

    @property
    def target(self) -> Target:
        return Target(self.account, self.service_sid, self.url, self.method, self.retry_count, self.secret_version)


def summary(delivery: Delivery) -> dict[str, Any]:
    """A line of `hubbub deliveries list`."""
    return {
        "sid": delivery.sid,
        "state": delivery.state,
        "event": delivery.event,
        "service_sid": delivery.service_sid,
        "hook": delivery.hook,
        "subject": delivery.subject,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "error": delivery.error,
        "date_created": iso_milliseconds(delivery.date_created),
    }


def wire(delivery: Delivery) -> dict[str, Any]:
    """All that `hubbub deliveries show` tells."""
    return summary(delivery) | {
        "revision": delivery.revision,
        "method": delivery.method,
        "url": delivery.url,
        "retry_count": delivery.retry_count,
        "parameters": dict(msgspec.json.decode(delivery.parameters)),
        "due": iso_milliseconds(delivery.due) if delivery.state == RETRYING else None,
        "expires": iso_milliseconds(delivery.expires),
        "date_updated": iso_milliseconds(delivery.date_updated),
    }
