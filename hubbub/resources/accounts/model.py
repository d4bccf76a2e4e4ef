"""An account owns services and credentials; its token, or the secret of one of its keys, opens them."""

import msgspec

from hubbub.dates import iso

FRIENDLY_NAME = 64


class Account(msgspec.Struct):
    key: int
    sid: str
    friendly_name: str
    auth_token: str  # encrypted
    date_created: int
    date_updated: int


class Key(msgspec.Struct):
    sid: str
    account: int
    friendly_name: str | None
    secret: str  # encrypted
    date_created: int


def account_wire(account: Account) -> dict[str, object]:
    """What `hubbub accounts list` shows: never a secret."""
    return {
        "sid": account.sid,
        "friendly_name": account.friendly_name,
        "date_created": iso(account.date_created),
        "date_updated": iso(account.date_updated),
    }


def key_wire(key: Key) -> dict[str, object]:
    """What `hubbub keys list` shows: never a secret."""
    return {"sid": key.sid, "friendly_name": key.friendly_name, "date_created": iso(key.date_created)}
