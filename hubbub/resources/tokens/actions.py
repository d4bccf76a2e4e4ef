"""Who an end user is: access tokens read and checked, what they rest on watched, and one made for trying things out."""

from collections.abc import Iterable

from hubbub.chat import Caller, Chat
from hubbub.errors import ERRORS
from hubbub.resources.accounts import sql as accounts
from hubbub.resources.accounts.actions import authenticate, create_key
from hubbub.resources.checks import check_identity
from hubbub.resources.roles import sql as roles
from hubbub.resources.roles.model import DEPLOYMENT
from hubbub.resources.services import sql as services
from hubbub.resources.services.model import Service
from hubbub.resources.tokens import sql
from hubbub.resources.tokens.model import (
    LIFETIME,
    Access,
    Basis,
    check_signature,
    check_times,
    issuer_of,
    read_claims,
    read_grants,
    write_token,
)

HEADER = b"x-twilio-token"
AT_ONCE = 500
MOST_SERVICES = 1000
OWN_KEY = "hubbub tokens create"


async def authenticate_token(chat: Chat, token: str) -> Access:
    """What the token gives: its signature, its times and its grants are checked.

    The key and the service are read anew each time, so that a revoked key, a rotated secret or a deleted service stops
    its tokens at once. Raises one of the ERRORS of access tokens; any text is answered so.
    """
    claims = read_claims(token)
    key_sid = issuer_of(claims)
    found = await accounts.secret_of_key(chat.database, key_sid)
    if found is None:
        raise ERRORS.INVALID_TOKEN_ISSUER()
    account, account_sid, sealed = found
    check_signature(token, chat.vault.decrypt(sealed))
    if claims.sub != account_sid:
        raise ERRORS.INVALID_TOKEN_ISSUER()
    expires = check_times(claims, chat.clock() / 1000)
    identity, grant = read_grants(claims)
    service = await services.get_service(chat.database, account, grant.service_sid)
    if service is None:
        raise ERRORS.INVALID_TOKEN_GRANTS()
    return Access(
        caller=Caller(account, account_sid, identity, service.sid),
        service=shared(chat, service),
        role_sid=grant.deployment_role_sid or None,
        push_credential_sid=grant.push_credential_sid or None,
        basis=Basis(key_sid, sealed, service.key),
        expires=expires,
    )


def shared(chat: Chat, service: Service) -> Service:
    """One record for all clients of the service that is as they have it: a process has thousands of them."""
    known = chat.services.get(service.key)
    if known != service:
        if len(chat.services) >= MOST_SERVICES:
            chat.services.clear()
        chat.services[service.key] = known = service
    return known


async def find_revoked(chat: Chat, bases: Iterable[Basis]) -> set[Basis]:
    """Those that stand no more: the key was revoked, its secret rotated, or the service deleted.

    Connections give each their token's basis; thousands of them have few different ones, so this is cheap enough for
    every few seconds.
    """
    given = sorted(set(bases))
    standing: set[Basis] = set()
    for start in range(0, len(given), AT_ONCE):
        standing |= await sql.standing(chat.database, given[start : start + AT_ONCE])
    return set(given) - standing


async def authenticate_anyone(chat: Chat, headers: list[tuple[bytes, bytes]]) -> Caller:
    """The end user behind a request's `X-Twilio-Token`, or else the back end behind its Basic credentials.

    Raises ERRORS.AUTHENTICATE, or one of the ERRORS of access tokens: a bad token is not made good by a password.
    """
    for name, value in headers:
        if name == HEADER:
            access = await authenticate_token(chat, value.decode("latin-1"))
            return access.caller
    return await authenticate(chat, headers)


async def create_token(
    chat: Chat, service_sid: str, identity: str, key_sid: str | None, seconds: int, role_sid: str | None
) -> str:
    """A token for the identity, signed with the key, or else with the account's key of the name OWN_KEY.

    Raises ERRORS.NOT_FOUND for the service or the key, or the error of the first value that will not do.
    """
    service = await services.service_by_sid(chat.database, service_sid)
    if service is None:
        raise ERRORS.NOT_FOUND()
    check_identity(identity)
    if not 1 <= seconds <= LIFETIME:
        raise ERRORS.INVALID_PARAMETER(name=f"--ttl: from 1 to {LIFETIME} seconds")
    if role_sid is not None:
        role = await roles.get_role(chat.database, service.key, role_sid)
        if role is None or role.type != DEPLOYMENT:
            raise ERRORS.DEPLOYMENT_ROLE_NOT_FOUND()
    key_sid, secret = await signing_key(chat, service, key_sid)
    chat_grant = {"service_sid": service.sid} | ({"deployment_role_sid": role_sid} if role_sid else {})
    grants = {"identity": identity, "chat": chat_grant}
    return write_token(key_sid, secret, service.account_sid, grants, chat.clock() // 1000, seconds)


async def signing_key(chat: Chat, service: Service, key_sid: str | None) -> tuple[str, str]:
    """A key of the service's account with its secret: the one named, or that which these tokens have of their own.

    It is made when it is missing, and revoking it ends no other tokens. Raises ERRORS.NOT_FOUND.
    """
    keys = await accounts.list_keys(chat.database, service.account)
    for key in keys:
        if key.sid == key_sid or (key_sid is None and key.friendly_name == OWN_KEY):
            return key.sid, chat.vault.decrypt(key.secret)
    if key_sid is not None:
        raise ERRORS.NOT_FOUND()
    return await create_key(chat, service.account_sid, OWN_KEY)
