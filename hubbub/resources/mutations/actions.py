"""What is done with mutations: they are stored with the change that they name, found again, and removed in time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from msgspec.structs import replace

from hubbub.chat import Chat
from hubbub.errors import ChatError
from hubbub.resources.mutations import sql
from hubbub.resources.mutations.model import LIFETIME, Mutation, Repeated
from hubbub.storage.database import Contention, Transaction

log = logging.getLogger("hubbub.mutations")

SECONDS = 60
STEP = 500


class Once(Chat):
    """The chat for one command: what it changes under the mutation happens once.

    The action knows nothing of it. The mutation is stored in the action's own transaction, or, where that is shared
    with others, by whoever writes it. Raises Repeated where the change has happened meanwhile.
    """

    def __init__(self, chat: Chat, mutation: Mutation) -> None:
        vars(self).update(vars(chat))  # one and the same chat but for this
        self.mutation = mutation

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with super().transaction() as tx:
            yield tx
            assert self.mutation is not None
            made: str = tx.emitted[-1].record.sid if tx.emitted else ""
            if not await sql.add_mutations(tx, [replace(self.mutation, subject=made)]):
                raise Repeated


def once(chat: Chat, user: int, id_: str) -> Once:
    """The chat for a command that its user's app has named."""
    return Once(chat, Mutation(user, id_, "", chat.clock() + LIFETIME))


async def keep_purging(chat: Chat) -> None:
    """Look every minute for mutations that have expired, and remove them in small steps."""
    while True:
        try:
            await purge(chat)
        except (ChatError, Contention) as error:
            log.warning("old mutations wait to be removed: %s", error)
        await asyncio.sleep(SECONDS)


async def purge(chat: Chat) -> None:
    more = STEP
    while more == STEP:
        async with chat.database.transaction() as tx:
            more = await sql.purge_some(tx, chat.clock(), STEP)
