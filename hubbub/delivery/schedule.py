"""What an attempt leads to, and when the next one is due; pure."""

import random
from email.utils import parsedate_to_datetime

from hubbub.delivery.model import DEAD, DELIVERED, REFUSED, RETRYING, Delivery
from hubbub.delivery.outcome import Answer, Blocked, Result

# The fast retries that a hook is configured with are for these, for time-outs and for the unreachable:
# the reference's list, and nothing else.
FAST = {429, 503, 504}
# The patient ones after them.
PATIENT = {408, 429}
SERVER_ERRORS = 500
FAST_GAPS = (0.2, 0.5, 1.0)  # seconds, before the first, second and third

FIRST_GAP = 10_000
GROWTH = 3
LONGEST_GAP = 6 * 3_600_000
JITTER = 0.25
ERROR_LENGTH = 300


def again_at_once(result: Result) -> bool:
    """Whether a fast retry may mend it."""
    return not isinstance(result, Blocked) if isinstance(result, Exception) else result.status in FAST


def may_recover(result: Result) -> bool:
    """Whether a patient retry may mend it; any other answer is the receiver's last word."""
    if isinstance(result, Exception):
        return not isinstance(result, Blocked)
    return result.status in PATIENT or result.status >= SERVER_ERRORS


def gap(attempts: int) -> int:
    """Milliseconds until the next patient retry after so many attempts.

    10 s, then three times as long each time up to 6 hours; a quarter more or less, so that what failed together
    does not come back together.
    """
    growing = min(FIRST_GAP * GROWTH ** min(attempts - 1, 20), LONGEST_GAP)
    return int(growing * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - nothing secret


def asked_gap(answer: Result, moment: int) -> int:
    """The milliseconds that the receiver asks for with Retry-After, in seconds or as a date; 0 when it does not."""
    text = answer.retry_after if isinstance(answer, Answer) else None
    if not text:
        return 0
    if text.strip().isdecimal():
        return int(text.strip()[:9]) * 1000
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp() * 1000) - moment)
    except (ValueError, OverflowError):
        return 0


def settle(delivery: Delivery, result: Result, moment: int) -> None:
    """Write the result of its latest attempt into the delivery, and what follows from it."""
    delivery.date_updated = moment
    delivery.status = result.status if isinstance(result, Answer) else None
    delivery.error = None if isinstance(result, Answer) else str(result)[:ERROR_LENGTH]
    if isinstance(result, Answer) and 200 <= result.status < 300:  # noqa: PLR2004
        delivery.state = DELIVERED
    elif may_recover(result):
        due = moment + max(gap(delivery.attempts), asked_gap(result, moment))
        delivery.state = RETRYING if due <= delivery.expires else DEAD
        delivery.due = due
    else:
        delivery.state = DEAD if isinstance(result, Blocked) else REFUSED
