"""String identifiers: two letters for the kind, then 32 hexadecimal digits that begin with the time of creation."""

import os
import re
import time
from collections.abc import Iterator

SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")

RANDOM_DIGITS = 16
SIDS_PER_READ = 512


def _tails() -> Iterator[str]:
    """Times in milliseconds and a counter, never the same twice, each with random digits, read in bulk."""
    last = 0
    while True:
        digits = os.urandom(SIDS_PER_READ * RANDOM_DIGITS // 2).hex()
        for start in range(0, len(digits), RANDOM_DIGITS):
            last = max(last + 1, time.time_ns() // 1_000_000 << 16)
            yield f"{last:016x}{digits[start : start + RANDOM_DIGITS]}"


_next_tail = _tails().__next__


def new_sid(prefix: str) -> str:
    """A new SID of the kind: 48 bits of milliseconds, 16 of a counter, 64 random.

    SIDs made by one process sort in the order of their making, which is the order of every list. Not for threads.
    """
    return prefix + _next_tail()


def is_sid(value: str, prefix: str) -> bool:
    """Whether the value has the form of a SID of this kind."""
    return value.startswith(prefix) and SID.fullmatch(value) is not None
