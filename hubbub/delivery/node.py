"""A process among those that send from one database: a row that says until when it lives.

What a delivery's row says is taken belongs to the node of that key for as long as the node renews its own row.
"""

import logging
from collections.abc import Callable

from hubbub.delivery import sql
from hubbub.storage.database import Database

log = logging.getLogger("hubbub.delivery")

RENEWALS = 6  # in the time of a lease
FOR_GOOD = 1 << 60


class LeaseOver(Exception):  # noqa: N818 - a fact, not a fault
    """What this node had taken may be another's by now."""

    def __str__(self) -> str:
        return "this node has not told for too long that it lives"


class Node:
    """`key` is 0 while it has no name."""

    def __init__(self, database: Database, clock: Callable[[], int], lease: int) -> None:
        """`lease` is the milliseconds for which the others take a node for alive that they hear nothing of."""
        self.key = 0
        self.is_alone = False  # no other process sends from this database
        self._database = database
        self._clock = clock
        self._lease = lease
        self._renewal = lease // RENEWALS
        self._renewed = 0
        self._is_doubtful = False

    def doubt(self) -> None:
        """It is not known whether something was stored for this node: it will be looked for under a new name."""
        self._is_doubtful = True

    @property
    def is_alive(self) -> bool:
        """Whether the others still know that this node lives, by the end of a request that begins now."""
        return self.is_alone or 0 <= self._clock() - self._renewed < self._lease - self._renewal

    @property
    def is_due(self) -> bool:
        """Whether there is something to do for its name."""
        current = self.is_alone or 0 <= self._clock() - self._renewed < self._renewal
        return not (self.key and current) or self._is_doubtful

    async def keep(self) -> bool:
        """Live for another lease. False when the name has to be given up: it is in doubt, or others have ended it."""
        moment = self._clock()
        if not self._is_doubtful:
            async with self._database.transaction() as tx:
                kept = await sql.keep_node(tx, self.key, moment + self._lease)
            if not kept:
                self._is_doubtful = True
        self._renewed = moment
        return not self._is_doubtful

    async def join(self) -> None:
        """Get a new name. Whoever is alone frees what all before it had taken."""
        moment = self._clock()
        for key in await sql.all_nodes(self._database) if self.is_alone else []:
            await self._remove(key)
        async with self._database.transaction() as tx:
            self.key = await sql.add_node(tx, FOR_GOOD if self.is_alone else moment + self._lease)
        self._renewed = moment
        self._is_doubtful = False

    async def leave(self) -> None:
        """Give up the name: what was taken under it is free."""
        await self._remove(self.key)
        self.key = 0

    async def free_others(self) -> None:
        """Free what nodes had taken that are dead, or were gone before their last transaction was on disk."""
        moment = self._clock()
        for key in await sql.dead_nodes(self._database, moment):
            async with self._database.transaction() as tx:
                if await sql.end_node(tx, key, moment):
                    await sql.remove_node(tx, key)
                    log.warning("node %s is gone: what it had taken is free", key)
        for key in await sql.lost_nodes(self._database, moment):
            await self._remove(key)

    async def _remove(self, key: int) -> None:
        async with self._database.transaction() as tx:
            await sql.remove_node(tx, key)
