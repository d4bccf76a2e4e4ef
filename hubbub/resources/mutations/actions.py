"""What is done with mutations: they are stored with the change that they name."""

import contextlib
from collections.abc import AsyncIterator

from msgspec.structs import replace

from hubbub.chat import Chat
from hubbub.resources.mutations import sql
from hubbub.resources.mutations.model import LIFETIME, Mutation, Repeated
from hubbub.storage.database import Transaction


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
