"""Removes deliveries that have ended long enough ago, in steps too small to hold anyone up."""

import asyncio
import logging
from collections.abc import Callable

from hubbub.delivery import sql
from hubbub.errors import ChatError
from hubbub.settings import Settings
from hubbub.storage.database import Contention, Database

log = logging.getLogger("hubbub.delivery")

SECONDS = 60
STEP = 500
HOUR = 3_600_000


async def keep_purging(database: Database, settings: Settings, clock: Callable[[], int]) -> None:
    """Look every minute. What has arrived is kept for hours, what has not for days, as the settings say."""
    while True:
        moment = clock()
        try:
            await purge(database, "delivered", moment - settings.deliveries_kept_hours * HOUR)
            await purge(database, "failed", moment - settings.deliveries_failed_days * 24 * HOUR)
        except (ChatError, Contention) as error:
            log.warning("old deliveries wait to be removed: %s", error)
        await asyncio.sleep(SECONDS)


async def purge(database: Database, state: str, before: int) -> None:
    more = STEP
    while more == STEP:
        async with database.transaction() as tx:
            more = await sql.purge(tx, state, before, STEP)
