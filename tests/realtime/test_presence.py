"""Who is online: with the first connection on any node, until a while after the last."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from hubbub.chat import Emitted
from hubbub.errors import ERRORS
from hubbub.events import USER_REACHED
from hubbub.realtime.presence import Presence
from hubbub.resources.services.actions import update_service
from tests.realtime.client import Client, connect
from tests.realtime.recorder import World

PATIENCE = 20
GRACE = 50
LEASE = 600


class Watch:
    """What is told of who is online, in order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.told: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        world.chat.bus.listen(self._hear)

    def _hear(self, batch: Sequence[Emitted]) -> None:
        for emitted in batch:
            if emitted.event is USER_REACHED and emitted.record.service == self.world.service.key:
                self.told.put_nowait((emitted.record.identity, bool(emitted.record.is_online)))

    async def next(self) -> tuple[str, bool]:
        async with asyncio.timeout(PATIENCE):
            return await self.told.get()

    async def is_quiet(self, milliseconds: int = 4 * GRACE) -> bool:
        """Nothing is told in this time."""
        await asyncio.sleep(milliseconds / 1000)
        return self.told.empty()


async def switch(world: World, on: bool) -> None:
    await update_service(world.chat, world.service, {"reachability_enabled": on})


@pytest.fixture
async def watch(there: World) -> Watch:
    """Of a service with reachability on."""
    await switch(there, True)
    return Watch(there)


@contextlib.asynccontextmanager
async def node(world: World, *, alone: bool = False, grace: int = GRACE, lease: int = LEASE) -> AsyncIterator[Presence]:
    """A process that serves."""
    presence = Presence(world.chat, grace=grace, lease=lease)
    task = asyncio.create_task(presence.run(alone=alone))
    try:
        yield presence
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def come(world: World, presence: Presence, identity: str = "alice") -> Client:
    client = await connect(world, identity)
    presence.opened(client.connection)
    return client


async def test_user_is_online_from_the_first_connection_to_the_last(there: World, watch: Watch) -> None:
    async with node(there) as here:
        first = await come(there, here)
        assert await watch.next() == ("alice", True)
        second = await come(there, here)
        first.end()
        assert await watch.is_quiet()
        assert (await there.user("alice")).is_online == 1

        second.end()
        assert await watch.next() == ("alice", False)
        assert (await there.user("alice")).is_online == 0


async def test_reload_within_the_grace_is_no_change(there: World, watch: Watch) -> None:
    async with node(there, grace=300) as here:
        page = await come(there, here)
        assert await watch.next() == ("alice", True)

        page.end()
        await come(there, here)

        assert await watch.is_quiet(600)


async def test_user_is_online_while_any_node_has_a_connection(there: World, watch: Watch) -> None:
    async with node(there) as one, node(there) as other:
        here = await come(there, one)
        assert await watch.next() == ("alice", True)
        elsewhere = await come(there, other)
        here.end()
        assert await watch.is_quiet()

        elsewhere.end()

        assert await watch.next() == ("alice", False)


async def test_what_a_dead_node_leaves_behind_is_tidied_up(there: World, watch: Watch) -> None:
    async with node(there):
        async with node(there) as dying:
            await come(there, dying)
            assert await watch.next() == ("alice", True)
            dying._leave = nothing  # type: ignore[method-assign] # it has no time for it

        assert await watch.next() == ("alice", False)


async def test_node_that_was_found_dead_and_is_not_says_again_who_is_there(there: World, watch: Watch) -> None:
    async with node(there) as here:
        await come(there, here)
        assert await watch.next() == ("alice", True)

        async with there.chat.transaction() as tx:
            await tx.fetch_all("UPDATE gateways SET alive_until = -1 WHERE key = $1 RETURNING key", here._gateway)

        async with node(there):
            assert await watch.next() == ("alice", False)
            assert await watch.next() == ("alice", True)


async def test_process_that_starts_alone_ends_what_its_predecessor_left(there: World, watch: Watch) -> None:
    async with node(there, lease=1 << 40) as before:
        await come(there, before, "alice")
        await come(there, before, "bob")
        assert {await watch.next(), await watch.next()} == {("alice", True), ("bob", True)}
        before._leave = nothing  # type: ignore[method-assign] # it was killed

        async with node(there, alone=True, grace=300) as after:
            await come(there, after, "bob")
            assert await watch.next() == ("alice", False)
            assert await watch.is_quiet()
            assert (await there.user("bob")).is_online == 1


async def nothing() -> None:
    pass


async def test_process_that_ends_leaves_time_to_come_back(there: World, watch: Watch) -> None:
    async with node(there) as other:
        async with node(there, lease=1 << 40) as ending:
            await come(there, ending, "alice")
            await come(there, ending, "bob")
            assert {await watch.next(), await watch.next()} == {("alice", True), ("bob", True)}
        await come(there, other, "bob")

        assert await watch.next() == ("alice", False)
        assert await watch.is_quiet(2 * LEASE)


async def test_service_without_reachability_stores_nothing(there: World) -> None:
    watch = Watch(there)
    async with node(there) as here:
        await come(there, here)
        assert await watch.is_quiet(LEASE)
        assert (await there.user("alice")).is_online is None

        await switch(there, True)
        assert await watch.next() == ("alice", True)


async def test_deleted_user_disturbs_nobody(there: World, watch: Watch) -> None:
    async with node(there) as here:
        alice = await come(there, here)
        assert await watch.next() == ("alice", True)
        await there.delete_user("alice")

        alice.end()
        await come(there, here, "bob")

        assert await watch.next() == ("bob", True)
        async with asyncio.timeout(PATIENCE):
            while await there.chat.database.fetch_all(  # noqa: ASYNC110 - a database has no event
                'SELECT 1 FROM presences WHERE "user" = $1', alice.user.key
            ):
                await asyncio.sleep(GRACE / 1000)


async def test_database_that_was_away_is_told_later(
    there: World, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(there) as here:
        alice = await come(there, here)
        assert await watch.next() == ("alice", True)
        monkeypatch.setattr("hubbub.realtime.presence.RETRY_SECONDS", 0.05)
        with monkeypatch.context() as away:
            away.setattr(there.chat, "transaction", unavailable)
            alice.end()
            assert await watch.is_quiet()

        assert await watch.next() == ("alice", False)


def unavailable() -> None:
    raise ERRORS.UNAVAILABLE(reason="the database cannot be reached")


async def test_reachability_is_shown_to_the_others(there: World, watch: Watch) -> None:
    async with node(there) as here:
        bob = await connect(there, "bob")
        assert (await bob.do("GET", "/Users/bob"))["is_online"] is False
        await come(there, here)
        assert await watch.next() == ("alice", True)

        told = await bob.do("GET", "/Users/alice")

        assert (told["is_online"], told["is_notifiable"]) == (True, False)
