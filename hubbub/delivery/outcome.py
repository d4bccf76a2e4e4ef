"""How sending one request can end: with an answer, or in one of three ways without."""

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What the receiver said; the body is empty when it passed the limit."""

    status: int
    content_type: str | None
    retry_after: str | None
    body: bytes


class Blocked(Exception):  # noqa: N818 - it names what happened
    """One sentence that says why nothing may be sent to this URL."""


class Unreachable(Exception):  # noqa: N818 - likewise
    """One sentence that says why no answer came."""


class TimedOut(Exception):  # noqa: N818 - likewise
    """One sentence that says what did not come in time."""


Result = Answer | Exception
