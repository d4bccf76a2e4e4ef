"""Statements on deliveries, and on the nodes that take them."""

from collections.abc import Iterable

from hubbub.delivery.model import Delivery, Target
from hubbub.storage.database import Reader, Transaction, Value
from hubbub.storage.statements import columns, insert, placeholders, stored

# Lane after lane, each found in the index by what follows the one before: however many deliveries wait in them.
FREE_LANES = """
    WITH RECURSIVE free(lane) AS (
        SELECT min(lane) FROM deliveries WHERE state = 'waiting' AND node IS NULL
        UNION ALL
        SELECT (SELECT min(d.lane) FROM deliveries d
                WHERE d.state = 'waiting' AND d.node IS NULL AND d.lane > free.lane)
        FROM free WHERE free.lane IS NOT NULL)
    SELECT lane, (SELECT d.date_created FROM deliveries d
                  WHERE d.state = 'waiting' AND d.node IS NULL AND d.lane = free.lane ORDER BY d.revision LIMIT 1)
    FROM free WHERE lane IS NOT NULL"""

TAKE_FIRST = f"""
    UPDATE deliveries SET node = $1 WHERE sid IN (
        SELECT sid FROM deliveries WHERE lane = $2 AND state = 'waiting' AND node IS NULL ORDER BY revision LIMIT $3)
    AND state = 'waiting' AND node IS NULL AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.lane = $2 AND d.state = 'waiting' AND d.node IS NOT NULL AND d.node <> $1)
    RETURNING {columns(Delivery)}"""

TAKE_RETRIES = f"""
    UPDATE deliveries SET node = $1 WHERE sid IN (
        SELECT sid FROM deliveries WHERE state = 'retrying' AND due <= $2 AND node IS NULL ORDER BY due LIMIT $3)
    AND state = 'retrying' AND node IS NULL RETURNING {columns(Delivery)}"""

SETTLE = """
    UPDATE deliveries SET state = $3, node = NULL, attempts = $4, status = $5, error = $6, due = $7,
        url = $8, method = $9, retry_count = $10, secret_version = $11, date_updated = $12
    WHERE sid = $1 AND node = $2"""


async def add_deliveries(tx: Transaction, deliveries: list[Delivery]) -> None:
    await tx.execute_many(insert("deliveries", Delivery), [stored(delivery) for delivery in deliveries])


async def lanes_of_others(tx: Transaction, node: int, lanes: list[str]) -> set[str]:
    """Which of the lanes hold something waiting that this node has not taken: it comes first.

    The caller holds the row of the lanes' channel or user, so all that comes before its own is committed and seen,
    and nothing becomes waiting again. What another transaction is taking meanwhile still looks free, and what
    another is settling still looks taken: both only make the answer longer.
    """
    rows = ", ".join(f"(${n})" for n in range(2, len(lanes) + 2))
    # With EXISTS PostgreSQL may read the whole of an index, its dead entries too; for one row it never does.
    found = await tx.fetch_all(
        f"SELECT v.column1 FROM (VALUES {rows}) AS v WHERE "
        "(SELECT 1 FROM deliveries d WHERE d.lane = v.column1 AND d.state = 'waiting' AND d.node IS NULL LIMIT 1) = 1 "
        "OR (SELECT 1 FROM deliveries d WHERE d.lane = v.column1 AND d.state = 'waiting' "
        "AND d.node IS NOT NULL AND d.node <> $1 LIMIT 1) = 1",
        node,
        *lanes,
    )
    return {row[0] for row in found}


async def free_lanes(reader: Reader) -> list[tuple[str, int]]:
    """Lanes with something waiting that no node has taken, and since when it waits."""
    return [(row[0], row[1]) for row in await reader.fetch_all(FREE_LANES)]


async def take_lane(tx: Transaction, node: int, lane: str, most: int) -> list[Delivery]:
    """The first of a lane for this node, in order; none while another node has some of it.

    Two statements, for on PostgreSQL each sees what was committed before it began: the first one takes the head alone,
    which only one of several nodes gets, and as long as its row is locked nobody else takes anything of the lane.
    A single one would judge by what it saw before it waited for another node's commit, and take what comes behind
    that node's: it has skipped the rows that were taken from under it, not its idea that the lane was nobody's.
    """
    taken = await tx.fetch_all(TAKE_FIRST, node, lane, 1)
    if taken and most > 1:
        taken += await tx.fetch_all(TAKE_FIRST, node, lane, most - 1)
    return sorted([Delivery(*row) for row in taken], key=lambda delivery: delivery.revision)


async def take_retries(tx: Transaction, node: int, moment: int, most: int) -> list[Delivery]:
    """Retries that are due, for this node."""
    return [Delivery(*row) for row in await tx.fetch_all(TAKE_RETRIES, node, moment, most)]


async def is_taken(reader: Reader, sid: str, node: int) -> bool:
    """Whether the delivery is still there and this node's."""
    return await reader.fetch_one("SELECT sid FROM deliveries WHERE sid = $1 AND node = $2", sid, node) is not None


async def settle(tx: Transaction, node: int, deliveries: Iterable[Delivery]) -> None:
    """Write down how they ended, or when they are due again; what another node took meanwhile is its own."""
    await tx.execute_many(SETTLE, [outcome(node, delivery) for delivery in deliveries])


def outcome(node: int, delivery: Delivery) -> tuple[Value, ...]:
    return (
        delivery.sid,
        node,
        delivery.state,
        delivery.attempts,
        delivery.status,
        delivery.error,
        delivery.due,
        delivery.url,
        delivery.method,
        delivery.retry_count,
        delivery.secret_version,
        delivery.date_updated,
    )


async def forget(tx: Transaction, node: int, deliveries: Iterable[Delivery]) -> None:
    """Remove what has arrived, where nothing is kept."""
    await tx.execute_many(
        "DELETE FROM deliveries WHERE sid = $1 AND node = $2", [(delivery.sid, node) for delivery in deliveries]
    )


async def purge_delivered(tx: Transaction, before: int, most: int) -> int:
    """Remove some of those that had arrived before the moment; how many."""
    return await _purge(tx, "state = 'delivered'", before, most)


async def purge_failed(tx: Transaction, before: int, most: int) -> int:
    """The same of those that were refused or given up."""
    return await _purge(tx, "state IN ('refused', 'dead')", before, most)


async def _purge(tx: Transaction, condition: str, before: int, most: int) -> int:
    rows = await tx.fetch_all(
        "DELETE FROM deliveries WHERE sid IN (SELECT sid FROM deliveries "
        f"WHERE {condition} AND date_updated < $1 ORDER BY date_updated LIMIT $2) RETURNING sid",
        before,
        most,
    )
    return len(rows)


async def add_node(tx: Transaction, alive_until: int) -> int:
    """The key of a new node."""
    row = await tx.fetch_one("INSERT INTO nodes (alive_until) VALUES ($1) RETURNING key", alive_until)
    assert row is not None
    return int(row[0])


async def keep_node(tx: Transaction, node: int, alive_until: int) -> bool:
    """False when the node was given up by the others."""
    sql = "UPDATE nodes SET alive_until = $2 WHERE key = $1 RETURNING key"
    return await tx.fetch_one(sql, node, alive_until) is not None


async def dead_nodes(reader: Reader, moment: int) -> list[int]:
    return [row[0] for row in await reader.fetch_all("SELECT key FROM nodes WHERE alive_until < $1", moment)]


async def lost_nodes(reader: Reader, moment: int) -> list[int]:
    """Nodes that are gone and have something all the same: it was committed after what they had was set free."""
    sql = (
        "SELECT DISTINCT node FROM deliveries d WHERE state = 'waiting' AND node IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.key = d.node) UNION "
        "SELECT DISTINCT node FROM deliveries d WHERE state = 'retrying' AND due <= $1 AND node IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.key = d.node)"
    )
    return [row[0] for row in await reader.fetch_all(sql, moment)]


async def all_nodes(reader: Reader) -> list[int]:
    return [row[0] for row in await reader.fetch_all("SELECT key FROM nodes")]


async def end_node(tx: Transaction, node: int, moment: int) -> bool:
    """Whether the node is dead; if so it cannot be kept any more. It may have been kept since it was found dead."""
    sql = "DELETE FROM nodes WHERE key = $1 AND alive_until < $2 RETURNING key"
    return await tx.fetch_one(sql, node, moment) is not None


async def remove_node(tx: Transaction, node: int) -> None:
    """The node is gone: what it had taken is free again."""
    for sql in (
        "UPDATE deliveries SET node = NULL WHERE state = 'waiting' AND node IS NOT NULL AND node = $1",
        "UPDATE deliveries SET node = NULL WHERE state = 'retrying' AND node = $1",
        "DELETE FROM nodes WHERE key = $1",
    ):
        await tx.execute_many(sql, [(node,)])


async def target_of_service(reader: Reader, service_sid: str) -> Target | None:
    """Where a service's post-event requests go now."""
    row = await reader.fetch_one(
        "SELECT account, sid, post_webhook_url, coalesce(webhook_method, 'POST'), post_webhook_retry_count, "
        "webhook_secret_version FROM services WHERE sid = $1 AND deleted = 0",
        service_sid,
    )
    return Target(*row) if row else None


async def configuration_of_hook(reader: Reader, hook: str) -> tuple[str, str] | None:
    """The type and configuration of a channel webhook."""
    row = await reader.fetch_one("SELECT type, configuration FROM webhooks WHERE sid = $1", hook)
    return (row[0], row[1]) if row else None


async def auth_token(reader: Reader, account: int) -> str | None:
    """Encrypted."""
    row = await reader.fetch_one("SELECT auth_token FROM accounts WHERE key = $1", account)
    return row[0] if row else None


class Filter:
    """Which deliveries an operator means; every word left out is any."""

    def __init__(self, sids: Iterable[str] = (), **words: Value) -> None:
        """`service_sid`, `event`, `state`; `older` and `newer` than moments."""
        self.sids = list(sids)
        self.words = {name: value for name, value in words.items() if value is not None}

    def narrowed(self, **words: Value) -> "Filter":
        return Filter(self.sids, **(self.words | words))

    def where(self, start: int) -> tuple[str, list[Value]]:
        comparisons = {"older": "date_created < ", "newer": "date_created >= "}
        parts = [f"{comparisons.get(name, f'{name} = ')}${n}" for n, name in enumerate(self.words, start)]
        values: list[Value] = list(self.words.values())
        if self.sids:
            parts.append(f"sid IN ({placeholders(len(self.sids), start + len(values))})")
            values += self.sids
        return " AND ".join(parts) or "TRUE", values


async def list_deliveries(reader: Reader, wanted: Filter, most: int) -> list[Delivery]:
    """The newest first."""
    where, values = wanted.where(2)
    rows = await reader.fetch_all(
        f"SELECT {columns(Delivery)} FROM deliveries WHERE {where} ORDER BY sid DESC LIMIT $1", most, *values
    )
    return [Delivery(*row) for row in rows]


async def replay(tx: Transaction, wanted: Filter, moment: int, expires: int, most: int) -> int:
    """Give some of them another try at once, and time to arrive; how many. None of them holds another back."""
    where, values = wanted.where(4)
    rows = await tx.fetch_all(
        "UPDATE deliveries SET state = 'retrying', node = NULL, due = $1, date_updated = $1, expires = $2 "
        f"WHERE sid IN (SELECT sid FROM deliveries WHERE {where} AND state <> 'waiting' "
        "AND (state <> 'retrying' OR due > $1) LIMIT $3) RETURNING sid",
        moment,
        expires,
        most,
        *values,
    )
    return len(rows)


async def drop(tx: Transaction, wanted: Filter, most: int) -> int:
    """Remove some of them; how many."""
    where, values = wanted.where(2)
    rows = await tx.fetch_all(
        f"DELETE FROM deliveries WHERE sid IN (SELECT sid FROM deliveries WHERE {where} LIMIT $1) RETURNING sid",
        most,
        *values,
    )
    return len(rows)
