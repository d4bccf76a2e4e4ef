"""Statements on bindings."""

from hubbub.resources.bindings.model import Binding
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import columns, insert, placeholders, stored


def of_service(types: int, identities: int) -> Listing[Binding]:
    """The bindings of a service, of any of so many types and identities; of all where a number is 0."""
    source = "bindings WHERE service = $1"
    if types:
        source += f" AND binding_type IN ({placeholders(types, 2)})"
    if identities:
        source += f" AND identity IN ({placeholders(identities, 2 + types)})"
    return Listing(Binding, source, "sid")


def of_user(types: int) -> Listing[Binding]:
    source = 'bindings WHERE service = $1 AND "user" = $2'
    if types:
        source += f" AND binding_type IN ({placeholders(types, 3)})"
    return Listing(Binding, source, "sid")


async def put_binding(tx: Transaction, binding: Binding) -> Binding:
    """Add it, or replace what the endpoint registered before, which keeps its SID."""
    row = await tx.fetch_one(
        f'{insert("bindings", Binding)} ON CONFLICT (service, "user", binding_type, endpoint) DO UPDATE SET '
        "address = excluded.address, credential_sid = excluded.credential_sid, "
        "message_types = excluded.message_types, date_updated = excluded.date_updated, "
        "conversations = excluded.conversations "
        f"RETURNING {columns(Binding)}",
        *stored(binding),
    )
    assert row is not None
    return Binding(*row)


async def get_binding(reader: Reader, service: int, sid: str) -> Binding | None:
    row = await reader.fetch_one(
        f"SELECT {columns(Binding)} FROM bindings WHERE service = $1 AND sid = $2", service, sid
    )
    return Binding(*row) if row else None


async def get_binding_of_device(
    reader: Reader, service: int, user: int, binding_type: str, address: str
) -> Binding | None:
    """The user's binding of the device with this token."""
    row = await reader.fetch_one(
        f'SELECT {columns(Binding)} FROM bindings WHERE service = $1 AND "user" = $2 AND binding_type = $3 '
        "AND address = $4",
        service,
        user,
        binding_type,
        address,
    )
    return Binding(*row) if row else None


async def remove_binding(tx: Transaction, binding: Binding) -> bool:
    """False when it was deleted before."""
    sql = "DELETE FROM bindings WHERE service = $1 AND sid = $2 RETURNING sid"
    return await tx.fetch_one(sql, binding.service, binding.sid) is not None


async def remove_older_binding(tx: Transaction, service: int, sid: str, address: str, moment: int) -> int | None:
    """The key of its user; None when it is gone, or its device has another token, or registered after the moment."""
    row = await tx.fetch_one(
        'DELETE FROM bindings WHERE service = $1 AND sid = $2 AND address = $3 AND date_updated <= $4 RETURNING "user"',
        service,
        sid,
        address,
        moment,
    )
    return row[0] if row else None


async def remove_bindings_of_user(tx: Transaction, service: int, user: int) -> None:
    await tx.fetch_all('DELETE FROM bindings WHERE service = $1 AND "user" = $2 RETURNING sid', service, user)


async def purge_service(tx: Transaction, service: int) -> None:
    await tx.fetch_all("DELETE FROM bindings WHERE service = $1 RETURNING sid", service)
