"""Statements on mutations."""

from hubbub.resources.mutations.model import Mutation
from hubbub.storage.database import Reader, Transaction, Value
from hubbub.storage.statements import columns, placeholders, stored

FIELDS = len(Mutation.__struct_fields__)


async def add_mutations(tx: Transaction, mutations: list[Mutation]) -> set[str]:
    """The subjects of those that had not happened before; another node that does the same is waited for."""
    ordered = sorted(mutations, key=name_of)  # two nodes never wait for each other
    rows = ", ".join(f"({placeholders(FIELDS, 1 + FIELDS * n)})" for n in range(len(ordered)))
    values: list[Value] = [value for mutation in ordered for value in stored(mutation)]
    added = await tx.fetch_all(
        f"INSERT INTO mutations ({columns(Mutation)}) VALUES {rows} "
        'ON CONFLICT ("user", id) DO NOTHING RETURNING subject',
        *values,
    )
    return {row[0] for row in added}


def name_of(mutation: Mutation) -> tuple[int, str]:
    return mutation.user, mutation.id


async def get_mutation(reader: Reader, user: int, id_: str) -> Mutation | None:
    row = await reader.fetch_one(f'SELECT {columns(Mutation)} FROM mutations WHERE "user" = $1 AND id = $2', user, id_)
    return Mutation(*row) if row else None


async def purge_some(tx: Transaction, before: int, most: int) -> int:
    """Remove up to so many that expired before the moment; how many there were."""
    rows = await tx.fetch_all(
        'DELETE FROM mutations WHERE ("user", id) IN '
        '(SELECT "user", id FROM mutations WHERE expires < $1 ORDER BY expires LIMIT $2) RETURNING id',
        before,
        most,
    )
    return len(rows)
