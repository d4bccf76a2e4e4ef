"""String identifiers: two letters for the kind, then 32 hexadecimal digits that begin with the time of creation."""

import re
import secrets
import threading
import time

SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")

_lock = threading.Lock()
_last = 0


def new_sid(prefix: str) -> str:
    """A new SID of the kind: 48 bits of milliseconds, 16 of a counter, 64 random.

    SIDs made by one process sort in the order of their making, which is the order of every list.
    """
    global _last  # noqa: PLW0603 - one counter for the process is the point
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1_000_000 << 16)
        ordered = _last
    return f"{prefix}{ordered:016x}{secrets.token_hex(8)}"


def is_sid(value: str, prefix: str) -> bool:
    """Whether the value has the form of a SID of this kind."""
    return value.startswith(prefix) and SID.fullmatch(value) is not None
