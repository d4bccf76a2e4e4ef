"""Who may ask at all: HTTP Basic against accounts and keys, and making, rotating and revoking those."""

import base64
import binascii
import hmac
import secrets
from functools import lru_cache

from hubbub.chat import Caller, Chat
from hubbub.errors import ERRORS
from hubbub.resources.accounts import sql
from hubbub.resources.accounts.model import FRIENDLY_NAME, Account, Key
from hubbub.resources.checks import check_length
from hubbub.sids import new_sid

AUTHORIZATION = b"authorization"
MOST_CALLERS = 1000


async def authenticate(chat: Chat, headers: list[tuple[bytes, bytes]]) -> Caller:
    """The back end behind a request's Basic credentials. Raises ERRORS.AUTHENTICATE.

    The stored secret is read anew each time, so that a rotated token or a revoked key stops at once; only that a
    header fits a stored secret is remembered.
    """
    for name, value in headers:
        if name == AUTHORIZATION:
            username, password = parse_basic(value)
            break
    else:
        raise ERRORS.AUTHENTICATE()
    find = sql.secret_of_key if username.startswith("SK") else sql.secret_of_account
    found = await find(chat.database, username)
    if found is None:
        raise ERRORS.AUTHENTICATE()
    account, account_sid, sealed = found
    known = chat.callers.get(value)
    if known is not None and known[0] == sealed:
        return known[1]
    if not hmac.compare_digest(chat.vault.decrypt(sealed).encode(), password.encode()):
        raise ERRORS.AUTHENTICATE()
    caller = Caller(account, account_sid)
    if len(chat.callers) >= MOST_CALLERS:
        chat.callers.clear()
    chat.callers[value] = (sealed, caller)
    return caller


@lru_cache(maxsize=1024)
def parse_basic(header: bytes) -> tuple[str, str]:
    """User name and password of an Authorization header. Raises ERRORS.AUTHENTICATE."""
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        raise ERRORS.AUTHENTICATE()
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ERRORS.AUTHENTICATE() from error
    if not colon or "\0" in username:
        raise ERRORS.AUTHENTICATE()
    return username, password


async def create_account(chat: Chat, friendly_name: str, sid: str = "", auth_token: str = "") -> tuple[str, str] | None:
    """Make an account; its SID and token, which is shown only now. None when the given SID is taken."""
    check_length(friendly_name, FRIENDLY_NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)
    sid = sid or new_sid("AC")
    auth_token = auth_token or secrets.token_hex(16)
    moment = chat.clock()
    account = Account(0, sid, friendly_name, chat.vault.encrypt(auth_token), moment, moment)
    async with chat.transaction() as tx:
        added = await sql.add_account(tx, account)
    return (sid, auth_token) if added else None


async def rotate_token(chat: Chat, sid: str) -> str:
    """A new token in place of the account's old one. Raises ERRORS.NOT_FOUND."""
    auth_token = secrets.token_hex(16)
    async with chat.transaction() as tx:
        if not await sql.set_auth_token(tx, sid, chat.vault.encrypt(auth_token), chat.clock()):
            raise ERRORS.NOT_FOUND()
    return auth_token


async def create_key(chat: Chat, account_sid: str, friendly_name: str | None) -> tuple[str, str]:
    """Make an API key; its SID and secret, which is shown only now. Raises ERRORS.NOT_FOUND."""
    check_length(friendly_name, FRIENDLY_NAME, ERRORS.FRIENDLY_NAME_TOO_LONG)
    account = await access_account(chat, account_sid)
    sid, secret = new_sid("SK"), secrets.token_hex(16)
    async with chat.transaction() as tx:
        await sql.add_key(tx, Key(sid, account.key, friendly_name, chat.vault.encrypt(secret), chat.clock()))
    return sid, secret


async def access_account(chat: Chat, sid: str) -> Account:
    """Raises ERRORS.NOT_FOUND."""
    account = await sql.get_account(chat.database, sid)
    if account is None:
        raise ERRORS.NOT_FOUND()
    return account


async def rotate_secret(chat: Chat, sid: str) -> str:
    """A new secret in place of the key's old one. Raises ERRORS.NOT_FOUND."""
    secret = secrets.token_hex(16)
    async with chat.transaction() as tx:
        if not await sql.set_secret(tx, sid, chat.vault.encrypt(secret)):
            raise ERRORS.NOT_FOUND()
    return secret


async def revoke_key(chat: Chat, sid: str) -> None:
    """Raises ERRORS.NOT_FOUND."""
    async with chat.transaction() as tx:
        if not await sql.remove_key(tx, sid):
            raise ERRORS.NOT_FOUND()
