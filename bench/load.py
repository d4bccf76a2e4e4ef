"""Fills a store with messages by the million, straight into its table: `python -m bench.load URL COUNT`.

Each channel that has a message gets copies of its first one; the columns are those of the server's record.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator

import apsw
import asyncpg
import msgspec

from hubbub.resources.messages.model import Message
from hubbub.sids import new_sid
from hubbub.storage.sqlite import numbered
from hubbub.storage.statements import columns, insert, names, stored

BATCH = 100_000
FIRST = f'SELECT {columns(Message)} FROM messages WHERE "index" = 0'
COUNT = """
UPDATE channels SET messages_count = last.more + 1, last_index = last.more, last_message_sid = last.sid,
last_revision = last_revision + last.more
FROM (SELECT channel, sid, "index" AS more FROM messages WHERE "index" = $1) AS last
WHERE channels.key = last.channel
"""
Values = tuple[str | int | None, ...]


def fill(database: str, count: int) -> None:
    """Give each channel that has one message this many. No server may run on the database."""
    if database.startswith("sqlite:///"):
        fill_sqlite(database.removeprefix("sqlite:///"), count)
    else:
        asyncio.run(fill_postgres(database, count))


def messages(firsts: list[Message], count: int) -> Iterator[Values]:
    """Rows as they arrive in a busy service: the channels take turns."""
    for index in range(1, count):
        for first in firsts:
            yield stored(
                msgspec.structs.replace(first, index=index, sid=new_sid("IM"), revision=first.revision + index)
            )


def fill_sqlite(path: str, count: int) -> None:
    connection = apsw.Connection(path)
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")
    rows = messages([Message(*row) for row in connection.execute(FIRST)], count)
    statement = numbered(insert("messages", Message))
    while batch := list(itertools.islice(rows, BATCH)):
        with connection:
            connection.executemany(statement, batch)
    connection.execute(numbered(COUNT), (count - 1,))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def fill_postgres(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    rows = messages([Message(*row) for row in await connection.fetch(FIRST)], count)
    while batch := list(itertools.islice(rows, BATCH)):
        await connection.copy_records_to_table("messages", records=batch, columns=names(Message))
    await connection.execute(COUNT, count - 1)
    await connection.execute("ANALYZE")
    await connection.close()


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
