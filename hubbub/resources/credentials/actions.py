"""What can be done with credentials."""

import msgspec

from hubbub.chat import Caller, Changes, Chat
from hubbub.errors import ERRORS
from hubbub.resources.checks import null_if_empty
from hubbub.resources.credentials import sql
from hubbub.resources.credentials.model import (
    Credential,
    check_friendly_name,
    check_secrets,
    check_type,
    of_type,
)
from hubbub.sids import new_sid
from hubbub.storage.pages import Slice, Window


async def access_credential(chat: Chat, caller: Caller, sid: str) -> Credential:
    """Raises ERRORS.NOT_FOUND."""
    credential = await sql.get_credential(chat.database, caller.account, sid)
    if credential is None:
        raise ERRORS.NOT_FOUND()
    return credential


async def list_credentials(chat: Chat, caller: Caller, window: Window) -> Slice[Credential]:
    return await sql.OF_ACCOUNT.page(chat.database, window, caller.account)


def seal(chat: Chat, secrets: dict[str, str]) -> str:
    return chat.vault.encrypt(msgspec.json.encode(secrets).decode())


async def create_credential(
    chat: Chat,
    caller: Caller,
    type_: str,
    friendly_name: str | None,
    secrets: dict[str, str],
    *,
    sandbox: bool,
) -> Credential:
    """Raises the error of the first value that is missing or will not do."""
    check_type(type_)
    check_friendly_name(friendly_name)
    secrets, moment = of_type(type_, secrets), chat.clock()
    check_secrets(type_, secrets, moment)
    credential = Credential(
        account=caller.account,
        sid=new_sid("CR"),
        friendly_name=friendly_name,
        type=type_,
        sandbox=str(sandbox) if type_ == "apn" else None,
        secrets=seal(chat, secrets),
        date_created=moment,
        date_updated=moment,
    )
    async with chat.transaction() as tx:
        await sql.add_credential(tx, credential)
    return credential


async def update_credential(
    chat: Chat, credential: Credential, changes: Changes, secrets: dict[str, str]
) -> Credential:
    """Change what is given; a secret that is not given stays, and all are checked as soon as one is given.

    What the push service said of the old keys does not count for new ones. A sandbox is kept only where the type has
    one.
    """
    null_if_empty(changes, "friendly_name")
    check_friendly_name(changes.get("friendly_name"))
    moment = chat.clock()
    if "sandbox" in changes:
        changes["sandbox"] = str(changes["sandbox"]) if credential.type == "apn" else None
    if given := of_type(credential.type, secrets):
        merged = of_type(credential.type, msgspec.json.decode(chat.vault.decrypt(credential.secrets))) | given
        check_secrets(credential.type, merged, moment)
        changes["secrets"] = seal(chat, merged)
    if not changes:
        return credential
    changes["date_updated"] = moment
    if "secrets" in changes or "sandbox" in changes:
        changes |= {"push_error": None, "push_due": 0}
    async with chat.transaction() as tx:
        updated = await sql.update_credential(tx, credential.account, credential.sid, changes)
    if updated is None:
        raise ERRORS.NOT_FOUND()
    return updated


async def delete_credential(chat: Chat, credential: Credential) -> None:
    """Bindings that use it stop working."""
    async with chat.transaction() as tx:
        if not await sql.remove_credential(tx, credential):
            raise ERRORS.NOT_FOUND()
