"""Statements that show pushes, credentials, and why there may be nothing to show."""

from typing import NamedTuple

from hubbub.delivery.push.model import Notice, Push
from hubbub.delivery.push.sql import OPEN
from hubbub.resources.credentials.model import Credential
from hubbub.storage.database import Reader, Value
from hubbub.storage.statements import columns, names

# What is left out for everybody belongs to each member of the channel, or to the one user whom the event is about.
OF_USER = """(p.identity = {0} OR p.identity = '' AND EXISTS (
    SELECT 1 FROM users u WHERE u.service = n.service AND u.identity = {0} AND (u.key = n."user" OR n."user" IS NULL
        AND EXISTS (SELECT 1 FROM members m WHERE m.channel = n.channel AND m."user" = u.key AND m.deleted = 0))))"""

CONDITIONS = {
    "sid": "p.sid = {}",
    "identity": OF_USER,
    "channel_sid": "n.channel_sid = {}",
    "message_sid": "n.message_sid = {}",
    "service_sid": "n.service_sid = {}",
    "state": "p.state = {}",
    "older": "p.date_created < {}",
    "newer": "p.date_created >= {}",
}
OF_NOTICE = ("channel_sid", "message_sid", "service_sid")

PUSHES = f"""
    SELECT {columns(Push, "p")}, {columns(Notice, "n")}, {columns(Credential, "c")}, b.sid
    FROM pushes p JOIN notices n ON n.sid = p.notice
    LEFT JOIN credentials c ON c.account = n.account AND c.sid = p.credential_sid
    LEFT JOIN bindings b ON b.service = n.service AND b.sid = p.binding_sid
    WHERE %s ORDER BY p.sid DESC LIMIT $1"""

CREDENTIALS = f"""
    SELECT {columns(Credential, "c")}, a.sid, (
        SELECT count(*) FROM pushes p WHERE p.credential_sid = c.sid AND p.{OPEN})
    FROM credentials c JOIN accounts a ON a.key = c.account ORDER BY c.sid DESC"""

SCOPE = "SELECT s.key, s.sid, s.notifications, {} FROM services s {} WHERE s.deleted = 0 AND {} LIMIT $2"
IN_CHANNEL = "JOIN channels c ON c.service = s.key AND c.deleted = 0"
IN_MESSAGE = f"{IN_CHANNEL} JOIN messages m ON m.channel = c.key AND m.deleted = 0"
OF_IDENTITY = "JOIN users u ON u.service = s.key"

# The narrowest first.
SCOPES = {
    "message_sid": SCOPE.format('c.key, c.sid, m."from"', IN_MESSAGE, "m.sid = $1"),
    "channel_sid": SCOPE.format("c.key, c.sid, NULL", IN_CHANNEL, "c.sid = $1"),
    "service_sid": SCOPE.format("NULL, NULL, NULL", "", "s.sid = $1"),
    "identity": SCOPE.format("NULL, NULL, NULL", OF_IDENTITY, "u.identity = $1"),
}

STANDING = """
    SELECT (SELECT count(*) FROM bindings b WHERE b.service = u.service AND b."user" = u.key), m.notification_level
    FROM users u LEFT JOIN members m ON m."user" = u.key AND m.channel_sid = $3 AND m.deleted = 0
    WHERE u.service = $1 AND u.identity = $2"""


class Filter:
    """Which pushes an operator means; every word left out is any."""

    def __init__(self, **words: Value) -> None:
        """By the names in CONDITIONS; `older` and `newer` than moments."""
        self.words = {name: value for name, value in words.items() if value is not None}

    def only(self, *kept: str) -> "Filter":
        return Filter(**{name: value for name, value in self.words.items() if name in kept})

    def where(self, start: int) -> tuple[str, list[Value]]:
        parts = [CONDITIONS[name].format(f"${n}") for n, name in enumerate(self.words, start)]
        return " AND ".join(parts) or "TRUE", list(self.words.values())


class Entry(NamedTuple):
    """A push with all that tells what became of it."""

    push: Push
    notice: Notice
    credential: Credential | None  # None: it had none, or it was deleted
    is_registered: bool  # whether its device still is


class Scope(NamedTuple):
    """Where the pushes that somebody looks for would come from."""

    service: int
    service_sid: str
    notifications: str  # JSON
    channel: int | None
    channel_sid: str | None
    author: str | None  # of the message


class Standing(NamedTuple):
    """What decides whether a user is pushed to."""

    devices: int
    notification_level: str | None  # None: the user is no member, or no channel is named


async def list_pushes(reader: Reader, wanted: Filter, most: int) -> list[Entry]:
    """The newest first."""
    where, values = wanted.where(2)
    rows = await reader.fetch_all(PUSHES % where, most, *values)
    pushes = len(names(Push))
    notices = pushes + len(names(Notice))
    return [
        Entry(
            push=Push(*row[:pushes]),
            notice=Notice(*row[pushes:notices]),
            credential=None if row[notices] is None else Credential(*row[notices:-1]),
            is_registered=row[-1] is not None,
        )
        for row in rows
    ]


async def list_credentials(reader: Reader) -> list[tuple[Credential, str, int]]:
    """The newest first, each with its account's SID and how many pushes are to be sent with it."""
    return [(Credential(*row[:-2]), row[-2], row[-1]) for row in await reader.fetch_all(CREDENTIALS)]


async def identity_of(reader: Reader, user_sid: str) -> tuple[str, str] | None:
    """The identity of a user, and the SID of its service."""
    row = await reader.fetch_one(
        "SELECT u.identity, s.sid FROM users u JOIN services s ON s.key = u.service WHERE u.sid = $1 AND s.deleted = 0",
        user_sid,
    )
    return (row[0], row[1]) if row else None


async def scopes(reader: Reader, wanted: Filter, most: int) -> list[Scope]:
    """What the narrowest word of the filter names; an identity may be a user of several services."""
    name = next(each for each in SCOPES if each in wanted.words)
    return [Scope(*row) for row in await reader.fetch_all(SCOPES[name], wanted.words[name], most)]


async def standing(reader: Reader, scope: Scope, identity: str) -> Standing | None:
    """None when the service has no such user."""
    row = await reader.fetch_one(STANDING, scope.service, identity, scope.channel_sid)
    return Standing(*row) if row else None


async def events_to_spread(reader: Reader, wanted: Filter) -> int:
    """How many events have not been spread over the devices yet."""
    where, values = wanted.only(*OF_NOTICE).where(1)
    row = await reader.fetch_one(f'SELECT count(*) FROM notices n WHERE n."after" IS NOT NULL AND {where}', *values)
    assert row is not None
    return int(row[0])
