"""Who takes what: nodes that take, settle, die and return at the same time never send a lane out of order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubbub.app import open_database
from hubbub.delivery import sql
from hubbub.delivery.lanes import LANE_DEPTH
from hubbub.delivery.model import DELIVERED, WAITING, Delivery
from hubbub.delivery.outbox import Queued, Receipt
from hubbub.delivery.outcome import Unreachable
from hubbub.settings import Settings
from hubbub.storage.database import Database, Transaction
from hubbub.storage.migrate import migrate
from hubbub.storage.sqlite import SQLite
from tests.delivery.world import FINE, LANE, LANES, LEASE, NEVER, NODES, World, a_delivery
from tests.postgres import Postgres

# Interleaved transactions on PostgreSQL.


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await open_database(Settings(database=url, postgres_connections=8), exclusive=False)
    await migrate(opened)
    yield opened
    await opened.close()


async def store(database: Database, *deliveries: Delivery) -> None:
    async with database.transaction() as tx:
        await sql.add_deliveries(tx, list(deliveries))


async def take(database: Database, node: int, most: int = LANE_DEPTH) -> list[int]:
    """The revisions that the node got, in a transaction of its own."""
    async with database.transaction() as tx:
        return [delivery.revision for delivery in await sql.take_lane(tx, node, LANE, most)]


async def new_node(database: Database, alive_until: int = NEVER) -> int:
    async with database.transaction() as tx:
        return await sql.add_node(tx, alive_until)


async def is_held_up(database: Database) -> None:
    """Wait until a transaction waits for another one's lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with asyncio.timeout(10):
        while (await database.fetch_all(waiting))[0][0] == 0:  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.01)


async def test_lane_is_not_shared_by_nodes_that_take_at_once(database: Database) -> None:
    """Who waits for another node's commit gets nothing that comes behind what that node took."""
    await store(database, a_delivery(1), a_delivery(2), a_delivery(3))

    async with database.transaction() as tx:
        first = await sql.take_lane(tx, 1, LANE, 1)
        other = asyncio.create_task(take(database, 2))
        await is_held_up(database)

    assert [delivery.revision for delivery in first] == [1]
    assert await other == []
    assert await take(database, 1) == [2, 3]


async def test_what_is_stored_during_a_take_is_not_taken_by_another(database: Database) -> None:
    """Who waits for another node's commit does not get what has come since that node looked, either."""
    await store(database, a_delivery(1), a_delivery(2))

    async with database.transaction() as tx:
        first = await sql.take_lane(tx, 1, LANE, LANE_DEPTH)
        await store(database, a_delivery(3))
        other = asyncio.create_task(take(database, 2))
        await is_held_up(database)

    assert [delivery.revision for delivery in first] == [1, 2]
    assert await other == []
    assert await take(database, 1) == [3]


async def test_new_event_is_not_sent_before_what_another_is_taking(database: Database) -> None:
    """What is free or being taken in the lane keeps a node from claiming the next event, before and after."""
    await store(database, a_delivery(1))

    async with database.transaction() as event:
        async with database.transaction() as taking:
            assert len(await sql.take_lane(taking, 1, LANE, LANE_DEPTH)) == 1
            during = await sql.lanes_of_others(event, 2, LANES)
        after = await sql.lanes_of_others(event, 2, LANES)

    assert during == after == {LANE}


async def test_node_that_was_kept_meanwhile_is_not_ended(database: Database) -> None:
    """Between being found dead and being ended a node may tell that it lives: then it stays."""
    node = await new_node(database, alive_until=10)
    assert await sql.dead_nodes(database, 20) == [node]

    async with database.transaction() as own:
        assert await sql.keep_node(own, node, 50)
        ending = asyncio.create_task(end(database, node, 20))
        await is_held_up(database)

    assert await ending is False
    assert await sql.all_nodes(database) == [node]


async def test_node_that_is_being_ended_is_not_kept(database: Database) -> None:
    """A node that comes back while it is ended is told so."""
    node = await new_node(database, alive_until=10)

    async with database.transaction() as others:
        assert await sql.end_node(others, node, 20)
        keeping = asyncio.create_task(keep(database, node))
        await is_held_up(database)

    assert await keeping is False


async def end(database: Database, node: int, moment: int) -> bool:
    async with database.transaction() as tx:
        return await sql.end_node(tx, node, moment)


async def keep(database: Database, node: int) -> bool:
    async with database.transaction() as tx:
        return await sql.keep_node(tx, node, NEVER)


@pytest.mark.parametrize("state", ["waiting", "retrying"])
async def test_what_a_node_commits_after_its_end_is_found(database: Database, state: str) -> None:
    """A transaction that outlives its node's end leaves rows that are nobody's: they are found and set free."""
    node = await new_node(database, alive_until=10)
    late = a_delivery(1, node=node)
    late.state = state

    async with database.transaction() as event:
        await sql.add_deliveries(event, [late])
        async with database.transaction() as others:
            assert await sql.end_node(others, node, 20)
            await sql.remove_node(others, node)

    assert await sql.lost_nodes(database, 20) == [node]
    async with database.transaction() as tx:
        await sql.remove_node(tx, node)
    assert await sql.lost_nodes(database, 20) == []
    async with database.transaction() as tx:
        taken = await (sql.take_lane(tx, 7, LANE, 1) if state == WAITING else sql.take_retries(tx, 7, 20, 1))
    assert [delivery.sid for delivery in taken] == [late.sid]


async def test_node_that_was_ended_settles_nothing(database: Database) -> None:
    """What another node has taken meanwhile is that node's to settle."""
    node = await new_node(database)
    mine = a_delivery(1, node=node)
    await store(database, mine)
    async with database.transaction() as tx:
        await sql.remove_node(tx, node)
    assert await take(database, node + 1) == [1]

    mine.state = DELIVERED
    async with database.transaction() as tx:
        await sql.settle(tx, node, [mine])

    [found] = await sql.list_deliveries(database, sql.Filter([mine.sid]), 1)
    assert (found.state, found.node) == (WAITING, node + 1)


# Dispatchers in one process, in any order of what can happen to them.


async def test_doubt_that_comes_while_a_node_is_kept_is_heeded(database: Database) -> None:
    """A lane that was dropped during the renewal is looked for under a new name, before anything is sent after it."""
    world = World(database)
    await world.poll(0)
    dispatcher = world.nodes[0].dispatcher
    name = dispatcher.node
    await world.wait(LEASE // 3)

    async with database.transaction() as other:
        assert await sql.keep_node(other, name, world.now + LEASE)
        renewing = asyncio.create_task(world.poll(0))
        await is_held_up(database)
        dispatcher.doubt()
    await renewing

    assert dispatcher.node != name
    assert await sql.all_nodes(database) == [dispatcher.node]


async def test_backlog_is_sent_without_another_look(database: Database) -> None:
    """However much waits in a lane, a node that has begun with it goes on until it is done."""
    world = World(database)
    for _ in range(3 * LANE_DEPTH):
        await world.event(1, 0)

    await world.poll(0)
    await world.quiet()
    while world.nodes[0].wire.open:
        await world.answer(0, FINE)
        await world.quiet()

    assert len(world.sent) == 3 * LANE_DEPTH
    world.assert_in_order()


async def test_event_that_is_committed_after_its_node_has_ended_is_sent(database: Database) -> None:
    """A node stops within a transaction and never comes back: another one sends what that stored at last."""
    world = World(database)
    await world.poll(0)
    late = a_delivery(1)
    world.events[late.sid] = (LANE, 1)

    async with database.transaction() as event:
        await world.nodes[0].outbox._claim(event, world.nodes[0].dispatcher, [late])
        await sql.add_deliveries(event, [late])
        await world.wait(2 * LEASE)
        await world.poll(1)
    assert late.node is not None
    assert late.node not in await sql.all_nodes(database)
    world.nodes = [world.nodes[1]]

    await world.finish()

    assert world.sent == [late.sid]
    assert world.faults == []


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored"])
async def test_event_whose_commit_is_told_of_late_is_not_overtaken(database: Database, is_stored: bool) -> None:
    """PostgreSQL lets the next transaction of a channel go on before it answers the one before."""
    world = World(database)
    await world.poll(0)
    outbox, dispatcher = world.nodes[0].outbox, world.nodes[0].dispatcher
    first, second = a_delivery(1), a_delivery(2)
    for delivery in (first, second):
        async with database.transaction() as tx:
            await outbox._claim(tx, dispatcher, [delivery])
            await sql.add_deliveries(tx, [delivery])

    outbox.stored(Queued(Receipt(dispatcher, [second], []), None, []))
    await world.quiet()
    assert world.sent == []
    if is_stored:
        outbox.stored(Queued(Receipt(dispatcher, [first], []), None, []))
    else:
        dispatcher.release([first])
    await world.quiet()
    await world.answer(0, FINE)
    await world.quiet()

    assert world.sent == ([first.sid, second.sid] if is_stored else [second.sid])


async def test_lane_is_looked_at_only_where_others_may_be_in_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that follow each other in one process leave no room for another's between them."""
    looked: list[str] = []
    really = sql.lanes_of_others

    async def look(tx: Transaction, node: int, lanes: list[str]) -> set[str]:
        looked.extend(lanes)
        return await really(tx, node, lanes)

    monkeypatch.setattr(sql, "lanes_of_others", look)
    world = World(database)
    await world.poll(0)
    await world.poll(1)

    for node, looks in ((0, 1), (0, 1), (0, 1), (1, 2), (0, 3), (1, 4), (1, 5)):
        await world.event(node, 0)
        assert len(looked) == looks
    await world.finish()

    world.assert_in_order()
    assert world.faults == []
    await world.event(0, 0)
    await world.event(0, 0)
    assert len(looked) == 6


NODE = st.integers(0, NODES - 1)
HAPPENINGS = st.one_of(
    st.tuples(st.just(World.event), NODE, st.integers(0, len(LANES) - 1)),
    st.tuples(st.just(World.event), NODE, st.just(0)),
    st.tuples(st.just(World.poll), NODE),
    st.tuples(st.just(World.answer), NODE, st.sampled_from([FINE, FINE, Unreachable("nobody there")])),
    st.tuples(st.just(World.write), NODE),
    st.tuples(st.just(World.doubt), NODE),
    st.tuples(st.just(World.kill), NODE),
    st.tuples(st.just(World.wait), st.sampled_from([LEASE // 6, LEASE - 1, 2 * LEASE])),
)


async def play(path: Path, story: list[tuple[Callable[..., Awaitable[None]], *tuple[Any, ...]]]) -> None:
    database = SQLite(path)
    try:
        await migrate(database)
        async with database.transaction() as tx:
            await tx.script("DELETE FROM deliveries; DELETE FROM nodes")
        world = World(database)
        for number in range(NODES):
            await world.poll(number)
        for happens, *details in story:
            await happens(world, *details)
            await world.quiet()
        await world.finish()
        world.assert_in_order()
        assert world.faults == []
        for number in range(NODES):
            await world.kill(number)
    finally:
        await database.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(HAPPENINGS, min_size=20, max_size=60))
def test_first_tries_of_a_lane_are_in_order_whatever_happens(tmp_path: Path, story: list[Any]) -> None:
    """Events, answers, failures, deaths, doubts and pauses of three nodes: each lane goes out by revision."""
    asyncio.run(play(tmp_path / "hubbub.db", story))
