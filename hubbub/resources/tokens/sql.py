"""Statements on what access tokens rest on: tokens themselves are stored nowhere."""

from hubbub.resources.tokens.model import Basis
from hubbub.storage.database import Reader
from hubbub.storage.statements import placeholders


async def standing(reader: Reader, bases: list[Basis]) -> set[Basis]:
    """Those that still stand: the key with that secret, and the service of the key's account."""
    keys = list({basis.key_sid for basis in bases})
    services = list({basis.service for basis in bases})
    rows = await reader.fetch_all(
        "SELECT k.sid, k.secret, s.key FROM keys k JOIN services s ON s.account = k.account WHERE s.deleted = 0 "
        f"AND k.sid IN ({placeholders(len(keys))}) AND s.key IN ({placeholders(len(services), len(keys) + 1)})",
        *keys,
        *services,
    )
    return {Basis(*row) for row in rows}
