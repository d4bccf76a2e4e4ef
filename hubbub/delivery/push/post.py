"""The push side of a serving process, put together and kept running."""

import asyncio
import logging

from hubbub.chat import Chat
from hubbub.delivery.outbox import Outbox
from hubbub.delivery.push import sql
from hubbub.delivery.push.pusher import Pusher
from hubbub.delivery.push.spread import Spreader
from hubbub.errors import ChatError
from hubbub.metrics import Metrics
from hubbub.storage.database import Contention

log = logging.getLogger("hubbub.push")

POLL_SECONDS = 1.0
HOUR = 3_600_000


async def keep_pushing(chat: Chat, outbox: Outbox, metrics: Metrics, *, alone: bool) -> None:
    """Push until cancelled. `alone` says that no other process pushes from this database."""
    settings = chat.settings
    lease = 2_000 * settings.node_lease_seconds
    pusher = Pusher(chat, metrics, lease)
    spreader = Spreader(chat, pusher, lease, settings.push_expiry_hours * HOUR)
    spreading = asyncio.create_task(spreader.run())
    is_new = alone
    try:
        while True:
            try:
                if is_new:
                    await free_all(chat)
                    is_new = False
                outbox.spreader = spreader
                await spreader.look()
                await pusher.look()
            except (ChatError, Contention) as error:
                log.warning("pushes wait for the database: %s", error)
            except Exception:  # what nobody thought of must not end the pushing for good
                log.exception("looking for pushes failed and will be tried again")
            await asyncio.sleep(POLL_SECONDS)
    finally:
        outbox.spreader = None
        await spreader.finish(spreading)
        await pusher.finish()


async def free_all(chat: Chat) -> None:
    async with chat.database.transaction() as tx:
        await sql.free_all(tx, chat.clock())
