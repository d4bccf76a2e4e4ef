"""What a push service said to one push, and what that means."""

from enum import Enum
from typing import Protocol

import msgspec

from hubbub.delivery.push.model import DEAD, DELIVERED, REFUSED, RETRYING, Parcel, Push
from hubbub.delivery.schedule import gap

LONGEST_AWAY = 60_000  # ms


class Meaning(Enum):
    DELIVERED = "delivered"
    GONE = "gone"  # the device's token is worth nothing any more
    REFUSED = "refused"  # this push will never be taken
    AGAIN = "again"  # not now: 429, 5xx, no answer
    UNREACHABLE = "unreachable"  # not now, nor any other push to the same service
    BAD_CREDENTIAL = "bad_credential"  # no push with this credential will be taken until it is changed


class Verdict(msgspec.Struct, frozen=True):
    meaning: Meaning
    status: int | None = None  # HTTP
    answer: str | None = None  # the service's own word, such as BadDeviceToken
    reason: str | None = None  # a sentence for the operator; None where it is delivered
    retry_after: int = 0  # milliseconds that the service asks for


class PushService(Protocol):
    """The way to a push service with one credential."""

    @property
    def busy_seconds(self) -> float:
        """What its connections have taken of the event loop's time so far."""

    async def send(self, parcel: Parcel) -> Verdict:
        """Send one push; any number at a time. Never raises for what the other side does."""

    async def close(self) -> None:
        """Let go of its connections."""


def settle(push: Push, verdict: Verdict, moment: int) -> None:
    """Write into a push what has become of it, and when it is due again."""
    push.status, push.answer, push.reason = verdict.status, verdict.answer, verdict.reason
    push.date_updated = moment
    if verdict.meaning is Meaning.DELIVERED:
        push.state = DELIVERED
    elif verdict.meaning is Meaning.GONE:
        push.state = REFUSED
    elif verdict.meaning is Meaning.REFUSED:
        push.state = REFUSED if verdict.status else DEAD
    elif verdict.meaning is Meaning.BAD_CREDENTIAL:
        push.state, push.due, push.attempts = RETRYING, moment, push.attempts - 1  # it is tried with a good one
    else:
        growing = gap(push.attempts)
        if verdict.meaning is Meaning.UNREACHABLE:  # it is for all that wait to wait longer each time, not for this one
            growing = min(growing, LONGEST_AWAY)
        push.due = moment + max(growing, verdict.retry_after)
        push.state = RETRYING if push.due < push.expires else DEAD
