"""What an operator can do with deliveries and with the secrets that they are signed with."""

from argparse import Namespace
from typing import Any

from hubbub.chat import Chat
from hubbub.delivery import sql
from hubbub.delivery.model import DEAD, REFUSED, STATES, summary, wire
from hubbub.delivery.signing import secret_of
from hubbub.errors import ERRORS
from hubbub.resources.services import sql as services

STEP = 500
HOUR = 3_600_000
MINUTE = 60_000
UNITS = {"s": 1000, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}
AGE_LENGTH = 9  # beyond it lies the time before all time, which a database cannot hold
MOST_LISTED = 1_000_000


def wanted(chat: Chat, parsed: Namespace) -> sql.Filter:
    """The filter that the command's options name. Raises ERRORS.INVALID_PARAMETER."""
    if parsed.state is not None and parsed.state not in STATES:
        raise ERRORS.INVALID_PARAMETER(name=f"--state: one of {', '.join(STATES)}")
    return sql.Filter(
        getattr(parsed, "sids", ()),
        service_sid=parsed.service,
        event=parsed.event,
        state=parsed.state,
        older=moment(chat, parsed.older, "--older"),
        newer=moment(chat, parsed.newer, "--newer"),
    )


def moment(chat: Chat, age: str | None, option: str) -> int | None:
    """The moment that lies so far back: `90s`, `15m`, `6h` or `2d`. Raises ERRORS.INVALID_PARAMETER."""
    if age is None:
        return None
    if len(age) > AGE_LENGTH or not age[:-1].isdecimal() or age[-1] not in UNITS:
        raise ERRORS.INVALID_PARAMETER(name=f"{option}: write an age such as 90s, 15m, 6h or 2d")
    return chat.clock() - int(age[:-1]) * UNITS[age[-1]]


async def list_deliveries(chat: Chat, parsed: Namespace) -> list[dict[str, Any]]:
    """Raises ERRORS.INVALID_PARAMETER."""
    if not 1 <= parsed.limit <= MOST_LISTED:
        raise ERRORS.INVALID_PARAMETER(name=f"--limit: a number from 1 to {MOST_LISTED}")
    found = await sql.list_deliveries(chat.database, wanted(chat, parsed), parsed.limit)
    return [summary(delivery) for delivery in found]


async def show_delivery(chat: Chat, parsed: Namespace) -> dict[str, Any]:
    """Raises ERRORS.NOT_FOUND."""
    found = await sql.list_deliveries(chat.database, sql.Filter([parsed.sid]), 1)
    if not found:
        raise ERRORS.NOT_FOUND()
    return wire(found[0])


async def replay_deliveries(chat: Chat, parsed: Namespace) -> dict[str, Any]:
    """Those named, or those refused and dead that the filter finds. They go where their hooks point now."""
    chosen = wanted(chat, parsed)
    filters = [chosen]
    if not chosen.sids and parsed.state is None:
        filters = [chosen.narrowed(state=state) for state in (REFUSED, DEAD)]
    now = chat.clock()
    expires = now + chat.settings.webhook_retry_hours * HOUR
    replayed = 0
    for each in filters:
        more = STEP
        while more == STEP:
            async with chat.transaction() as tx:
                more = await sql.replay(tx, each, now, expires, STEP)
            replayed += more
    return {"replayed": replayed}


async def drop_deliveries(chat: Chat, parsed: Namespace) -> dict[str, Any]:
    """Those that the filter finds; all of them only when asked for by `--all`. Raises ERRORS.INVALID_PARAMETER."""
    chosen = wanted(chat, parsed)
    if not (chosen.sids or chosen.words or parsed.all):
        raise ERRORS.INVALID_PARAMETER(name="filter: name deliveries, a filter, or --all")
    dropped, more = 0, STEP
    while more == STEP:
        async with chat.transaction() as tx:
            more = await sql.drop(tx, chosen, STEP)
        dropped += more
    return {"dropped": dropped}


async def show_secret(chat: Chat, parsed: Namespace) -> dict[str, Any]:
    """Raises ERRORS.NOT_FOUND."""
    found = await sql.target_of_service(chat.database, parsed.sid)
    if found is None:
        raise ERRORS.NOT_FOUND()
    return {"sid": parsed.sid, "secret": secret_of(chat.vault, parsed.sid, found.secret_version)}


async def rotate_secret(chat: Chat, parsed: Namespace) -> dict[str, Any]:
    """Raises ERRORS.NOT_FOUND."""
    async with chat.transaction() as tx:
        version = await services.rotate_webhook_secret(tx, parsed.sid)
    if version is None:
        raise ERRORS.NOT_FOUND()
    return {"sid": parsed.sid, "secret": secret_of(chat.vault, parsed.sid, version)}
