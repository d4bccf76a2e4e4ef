"""A credential: an account's keys for a push service. Its secrets are stored encrypted and never returned."""

from typing import Any

import msgspec

from hubbub.dates import iso
from hubbub.errors import ERRORS
from hubbub.resources.checks import check_length
from hubbub.resources.credentials.keys import read_apns, read_fcm

FRIENDLY_NAME = 64

# What a type cannot do without.
NEEDED = {"apn": ("certificate", "private_key"), "gcm": ("api_key",), "fcm": ("secret",)}


class Credential(msgspec.Struct):
    account: int
    sid: str
    friendly_name: str | None
    type: str
    sandbox: str | None  # "True" or "False"; null where the type has no sandbox
    secrets: str  # JSON, encrypted
    date_created: int
    date_updated: int
    push_error: str | None = None  # why the push service takes nothing with it, since it last said so
    push_due: int = 0  # when it is asked again


def wire(credential: Credential, account_sid: str, origin: str) -> dict[str, Any]:
    return {
        "sid": credential.sid,
        "account_sid": account_sid,
        "friendly_name": credential.friendly_name,
        "type": credential.type,
        "sandbox": credential.sandbox,
        "date_created": iso(credential.date_created),
        "date_updated": iso(credential.date_updated),
        "url": f"{origin}/v2/Credentials/{credential.sid}",
    }


def check_type(type_: str) -> None:
    if type_ not in NEEDED:
        raise ERRORS.INVALID_PARAMETER(name="Type")


def check_friendly_name(friendly_name: str | None) -> None:
    check_length(friendly_name, FRIENDLY_NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)


def check_secrets(type_: str, secrets: dict[str, str], moment: int) -> None:
    """The keys that the type needs are there and good. Raises ERRORS.MISSING_PARAMETER or ERRORS.INVALID_PARAMETER."""
    for name in NEEDED[type_]:
        if not secrets.get(name):
            wire_name = "".join(word.capitalize() for word in name.split("_"))
            raise ERRORS.MISSING_PARAMETER(name=wire_name)
    if type_ == "apn":
        read_apns(secrets, moment)
    else:
        read_fcm(secrets)


def of_type(type_: str, secrets: dict[str, str]) -> dict[str, str]:
    """Without those that the type has no use for: they are not kept."""
    return {name: secret for name, secret in secrets.items() if name in NEEDED[type_]}
