"""The engine for more than one node: PostgreSQL through asyncpg, synchronous_commit on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import asyncpg

from hubbub.errors import ERRORS
from hubbub.storage.database import PING, BadDatabase, Contention, Database, Row, Transaction, Value

CACHED_STATEMENTS = 500
SECONDS = 30
IDLE_SECONDS = 15  # within a transaction: whoever is frozen for longer would keep all others from its rows

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)

# Two that did the same at once: whoever repeats it meets what the other has stored.
COLLISIONS = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateTableError,
)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """PostgreSQL's faults as the sentence that a caller may hear."""
    try:
        yield
    except COLLISIONS as error:
        raise Contention(str(error)) from error
    except asyncpg.DiskFullError as error:
        raise ERRORS.UNAVAILABLE(reason="the disk of the database is full") from error
    except AWAY as error:
        raise ERRORS.UNAVAILABLE(reason="the database cannot be reached") from error


class PostgresTransaction(Transaction):
    """Statements of one connection, between BEGIN and COMMIT."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.emitted: list[Any] = []

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        row: Row | None = await self._connection.fetchrow(sql, *values)
        return row

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        return list(await self._connection.fetch(sql, *values))

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        await self._connection.executemany(sql, rows)

    async def script(self, sql: str) -> None:
        await self._connection.execute(sql)


DATABASE = (
    "SELECT CAST(d.oid AS TEXT), CAST(m.date_applied AS TEXT) FROM pg_database d, migrations m "
    "WHERE d.datname = current_database() AND m.number = 1"
)
CLUSTER = "SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()"


async def identify(database: Database) -> str:
    """Letters and digits that are the same for all who open this database, and others for any other one.

    Nothing that is stored would do: a copy of the database that is tried out elsewhere would have it, too.
    """
    found = await database.fetch_one(DATABASE)
    parts = list(found or ())
    with contextlib.suppress(asyncpg.PostgresError):  # a provider may keep it from its customers
        parts += await database.fetch_one(CLUSTER) or ()
    return blake2b("/".join(parts).encode(), digest_size=8).hexdigest()


Lookup = tuple[str, tuple[Value, ...]]


class Lookups:
    """Lookups that are the same and asked at the same time share one query.

    A lookup never joins a query that is under way, which may have read the table too early for it; it waits for
    the next one, together with all that come meanwhile. A busy client's credentials are looked up this way.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._waiting: dict[Lookup, list[asyncio.Future[Row | None]]] = {}  # there while a query is under way
        self._tasks: set[asyncio.Task[None]] = set()

    async def fetch_one(self, sql: str, values: tuple[Value, ...]) -> Row | None:
        lookup = (sql, values)
        waiting = self._waiting.get(lookup)
        if waiting is not None:
            answer: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
            waiting.append(answer)
            return await answer
        self._waiting[lookup] = []
        try:
            row: Row | None = await self._pool.fetchrow(sql, *values)
            return row
        finally:
            self._go_on(lookup)

    def _go_on(self, lookup: Lookup) -> None:
        """Ask once for all who came during the query that has just ended."""
        waiting = self._waiting.pop(lookup)
        if waiting:
            self._waiting[lookup] = []
            task = asyncio.create_task(self._ask(lookup, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, lookup: Lookup, waiting: list[asyncio.Future[Row | None]]) -> None:
        row, failure = None, None
        try:
            row = await self._pool.fetchrow(lookup[0], *lookup[1])
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            failure = error
        for answer in waiting:
            if answer.done():
                continue  # its request has gone away
            if failure is None:
                answer.set_result(row)
            else:
                answer.set_exception(failure)
        self._go_on(lookup)


async def leave_as_it_is(connection: Any) -> None:
    """Between two uses of a connection: we set nothing on a session, so the usual round trip of resets can go."""


def session() -> dict[str, str]:
    """What each session is told. PostgreSQL ends one whose process is frozen, or whose host is gone without a word."""
    return {
        "application_name": "hubbub",
        "synchronous_commit": "on",
        "jit": "off",
        # A queue was empty when its plans were made: it would be read from end to end for each row, however long.
        "enable_seqscan": "off",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


class Postgres:
    """The `Database` behind a postgresql:// URL."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._lookups = Lookups(pool)

    @classmethod
    async def open(cls, url: str, connections: int) -> "Postgres":
        """Connect. Raises BadDatabase with what is wrong."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections,
                statement_cache_size=CACHED_STATEMENTS,
                max_inactive_connection_lifetime=0,
                command_timeout=SECONDS,
                timeout=SECONDS,
                reset=leave_as_it_is,
                server_settings=session(),
            )
        except (*AWAY, asyncpg.PostgresError, ValueError) as error:
            raise BadDatabase(
                f"PostgreSQL cannot be reached with HUBBUB_DATABASE ({error}): "
                "start it, or correct the address, the user or the password."
            ) from error
        return cls(pool)

    async def fetch_one(self, sql: str, *values: Value) -> Row | None:
        with told():
            return await self._lookups.fetch_one(sql, values)

    async def fetch_all(self, sql: str, *values: Value) -> list[Row]:
        with told():
            return list(await self._pool.fetch(sql, *values))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        with told():
            async with self._pool.acquire() as connection, connection.transaction():
                yield PostgresTransaction(connection)

    async def ping(self) -> None:
        await self.fetch_one(PING)

    async def check(self) -> list[str]:
        await self.ping()  # PostgreSQL looks after itself: checksums, amcheck
        return []

    async def close(self) -> None:
        await self._pool.close()
