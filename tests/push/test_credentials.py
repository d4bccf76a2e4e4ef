"""What becomes of a stored credential with time: its certificate expires, its push service refuses it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hubbub.app import open_chat
from hubbub.chat import Caller, Chat
from hubbub.errors import ChatError
from hubbub.resources.credentials import actions, sql
from hubbub.resources.credentials.model import Credential
from hubbub.settings import Settings
from tests.conftest import new_database
from tests.push.keys import apns_certificate

CALLER = Caller(1, "AC" + "0" * 32)
CERTIFICATE, KEY = apns_certificate(days=365)
YEAR = 366 * 24 * 3_600_000


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_database(engine, request, tmp_path)


@pytest.fixture
async def chat(url: str, tmp_path: Path) -> AsyncIterator[Chat]:
    async with open_chat(Settings(data_dir=str(tmp_path), database=url)) as opened:
        yield opened


@pytest.fixture
async def credential(chat: Chat) -> Credential:
    """One for Apple, which has said that it takes nothing with it."""
    secrets = {"certificate": CERTIFICATE, "private_key": KEY}
    made = await actions.create_credential(chat, CALLER, "apn", "Phones", secrets, sandbox=False)
    async with chat.transaction() as tx:
        refused = await sql.update_credential(tx, made.account, made.sid, {"push_error": "403", "push_due": 1})
    assert refused is not None
    return refused


async def test_expired_certificate_does_not_hinder_other_changes(chat: Chat, credential: Credential) -> None:
    """It is looked at only when a secret is given; then the old one will not do any more, and a new one will."""
    clock = chat.clock
    chat.clock = lambda: clock() + YEAR
    renewed, _ = apns_certificate(days=800)

    renamed = await actions.update_credential(chat, credential, {"friendly_name": "Pads", "sandbox": True}, {})
    assert (renamed.friendly_name, renamed.sandbox) == ("Pads", "True")

    with pytest.raises(ChatError, match="Certificate: it expired on "):
        await actions.update_credential(chat, renamed, {}, {"private_key": KEY})
    assert await sql.get_credential(chat.database, CALLER.account, credential.sid) == renamed
    await actions.update_credential(chat, renamed, {}, {"certificate": renewed})


@pytest.mark.parametrize(
    ("changes", "secrets", "is_kept"),
    [
        ({"friendly_name": "Pads"}, {}, True),
        ({"friendly_name": "Pads"}, {"api_key": "of another type"}, True),
        ({"sandbox": True}, {}, False),
        ({}, {"certificate": CERTIFICATE}, False),
    ],
    ids=["name", "another type's key", "sandbox", "certificate"],
)
async def test_what_the_push_service_said_holds_until_the_keys_change(
    chat: Chat, credential: Credential, changes: dict[str, Any], secrets: dict[str, str], *, is_kept: bool
) -> None:
    """Other keys or the other of its addresses may be taken; another name is none of its business."""
    updated = await actions.update_credential(chat, credential, changes, secrets)

    assert (updated.push_error, updated.push_due) == (("403", 1) if is_kept else (None, 0))
