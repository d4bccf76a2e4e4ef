"""Removes what has been kept long enough, in steps too small to hold anyone up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hubbub.chat import Chat
from hubbub.delivery import sql as deliveries
from hubbub.delivery.push import sql as pushes
from hubbub.errors import ChatError
from hubbub.resources.mutations import sql as mutations
from hubbub.storage.database import Contention, Transaction

log = logging.getLogger("hubbub.purge")

SECONDS = 60
STEP = 500
HOUR = 3_600_000
FOREVER = 1 << 60


async def keep_purging(chat: Chat) -> None:
    """Look every minute, and go on after what failed."""
    while True:
        try:
            await purge(chat)
        except (ChatError, Contention) as error:
            log.warning("what is old waits to be removed: %s", error)
        except Exception:  # what nobody thought of must not end the purging, or the server, for good
            log.exception("purging failed and will be tried again")
        await asyncio.sleep(SECONDS)


async def purge(chat: Chat) -> None:
    """Deliveries that have arrived are kept for hours, others for days; the names of changes until they expire."""
    moment, settings = chat.clock(), chat.settings
    arrived = moment - settings.deliveries_kept_hours * HOUR
    failed = moment - settings.deliveries_failed_days * 24 * HOUR
    await in_steps(chat, lambda tx: deliveries.purge_delivered(tx, arrived, STEP))
    await in_steps(chat, lambda tx: deliveries.purge_failed(tx, failed, STEP))
    await in_steps(chat, lambda tx: mutations.purge_some(tx, moment, STEP))
    await purge_pushes(chat, moment)


async def purge_pushes(chat: Chat, moment: int) -> None:
    """Those that have waited too long for a credential end; what has ended is kept for days."""
    for sid, error in await pushes.unusable_credentials(chat.database):
        reason = f"It was not delivered in time: {error}" if error else f"The credential {sid} was deleted."
        expired = moment if error else FOREVER
        await in_steps(chat, lambda tx: pushes.give_up(tx, sid, reason, moment, expired, STEP))  # noqa: B023 - awaited
    ended = moment - chat.settings.push_log_days * 24 * HOUR
    await in_steps(chat, lambda tx: pushes.purge_ended(tx, ended, STEP))
    await in_steps(chat, lambda tx: pushes.purge_notices(tx, moment, STEP))


async def in_steps(chat: Chat, step: Callable[[Transaction], Awaitable[int]]) -> None:
    more = STEP
    while more == STEP:
        async with chat.database.transaction() as tx:
            more = await step(tx)
