"""An access token: a JWT that a back end signs with the secret of an API key, for one end user of one service.

Pure: what a token says is read here, `actions` knows the keys. The form is that of the official helper libraries.
"""

from typing import Any, NamedTuple

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from hubbub.chat import Caller
from hubbub.errors import ERRORS, ChatError, Kind
from hubbub.resources.checks import check_identity
from hubbub.resources.services.model import Service
from hubbub.sids import is_sid

CONTENT_TYPE = "twilio-fpa;v=1"
LONGEST = 8 * 1024  # characters of a token; the libraries' have some 400
LIFETIME = 24 * 3600
SKEW = 60  # seconds that the clock of the token's maker may differ from ours
GRANTS = ("chat", "ip_messaging")  # the older name is that of the product's first years
FOREIGN = frozenset({"jwk", "jku", "x5c", "x5u", "crit"})  # keys of the token's own choice, and what we do not know


class Hmac(HMACAlgorithm):
    """The secrets of keys have 32 bytes: enough for all three, but the library finds them short for the longer two."""

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002 - the library's signature
        return None


ALGORITHMS = {"HS256": Hmac(Hmac.SHA256), "HS384": Hmac(Hmac.SHA384), "HS512": Hmac(Hmac.SHA512)}

signatures = jwt.PyJWS(algorithms=[])
for _name, _algorithm in ALGORITHMS.items():
    signatures.register_algorithm(_name, _algorithm)


class Claims(msgspec.Struct):
    """What a token says, as it says it: each part is checked in its turn."""

    iss: Any = None
    sub: Any = None
    exp: Any = None
    nbf: Any = None
    iat: Any = None
    grants: Any = None


class Grant(msgspec.Struct):
    """To use the chat of one service."""

    service_sid: str
    deployment_role_sid: str | None = None
    push_credential_sid: str | None = None


class Basis(NamedTuple):
    """What a token rests on: as long as all of it stands, the token is good until it expires."""

    key_sid: str
    secret: str  # encrypted, as it is stored
    service: int


class Access(msgspec.Struct, frozen=True, gc=False):
    """What a good token gives. `service` is as it was when the token was read."""

    caller: Caller
    service: Service
    role_sid: str | None  # for the user, when the token's first use makes it
    push_credential_sid: str | None
    basis: Basis
    expires: int

    @property
    def key_sid(self) -> str:
        return self.basis.key_sid


def read_claims(token: str) -> Claims:
    """What the token says, before anybody knows whether it is true.

    Raises ERRORS.INVALID_TOKEN, or ERRORS.INVALID_TOKEN_HEADER: only HMAC by the key that the issuer names.
    """
    if len(token) > LONGEST or not token.isascii():
        raise ERRORS.INVALID_TOKEN()
    try:
        read = signatures.decode_complete(token, options={"verify_signature": False})
        claims = msgspec.json.decode(read["payload"], type=Claims)
    except (jwt.DecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ERRORS.INVALID_TOKEN() from error
    except jwt.PyJWTError as error:
        raise ERRORS.INVALID_TOKEN_HEADER() from error
    check_header(read["header"])
    return claims


def check_header(header: dict[str, Any]) -> None:
    """Tokens made by hand often have no `cty`, which is let pass. Raises ERRORS.INVALID_TOKEN_HEADER."""
    fits = header.get("typ", "JWT") == "JWT" and header.get("cty", CONTENT_TYPE) == CONTENT_TYPE
    algorithm = header.get("alg")
    if not fits or not isinstance(algorithm, str) or algorithm not in ALGORITHMS or FOREIGN & header.keys():
        raise ERRORS.INVALID_TOKEN_HEADER()


def issuer_of(claims: Claims) -> str:
    """The SID of the API key. An account's own token signs nothing. Raises ERRORS.INVALID_TOKEN_ISSUER."""
    if not isinstance(claims.iss, str) or not is_sid(claims.iss, "SK"):
        raise ERRORS.INVALID_TOKEN_ISSUER()
    return claims.iss


def check_signature(token: str, secret: str) -> None:
    """Raises ERRORS.INVALID_TOKEN_SIGNATURE."""
    try:
        signatures.decode(token, secret, algorithms=list(ALGORITHMS))
    except jwt.PyJWTError as error:
        raise ERRORS.INVALID_TOKEN_SIGNATURE() from error


def check_times(claims: Claims, now: float) -> int:
    """When the token ends, in ms.

    Its lifetime counts from `iat`, or `nbf`, or from now. Raises ERRORS.TOKEN_EXPIRED, also when it has no end,
    ERRORS.TOKEN_NOT_YET_VALID or ERRORS.TOKEN_LIFETIME.
    """
    expires = number(claims.exp, ERRORS.TOKEN_EXPIRED)
    begins = [number(each, ERRORS.INVALID_TOKEN) for each in (claims.iat, claims.nbf) if each is not None]
    if expires <= now:
        raise ERRORS.TOKEN_EXPIRED()
    if begins and max(begins) > now + SKEW:
        raise ERRORS.TOKEN_NOT_YET_VALID()
    if expires - (begins[0] if begins else now) > LIFETIME + SKEW:
        raise ERRORS.TOKEN_LIFETIME()
    return int(expires * 1000)


def number(value: Any, error: Kind) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise error()
    return value


def read_grants(claims: Claims) -> tuple[str, Grant]:
    """Whose token it is, and for what. Raises ERRORS.INVALID_TOKEN_GRANTS."""
    grants = claims.grants if isinstance(claims.grants, dict) else {}
    identity = grants.get("identity")
    if not isinstance(identity, str) or "\0" in identity:
        raise ERRORS.INVALID_TOKEN_GRANTS()
    found = next((grants[name] for name in GRANTS if name in grants), None)
    try:
        grant = msgspec.convert(found, Grant)
        check_identity(identity)
    except (msgspec.ValidationError, ChatError) as error:
        raise ERRORS.INVALID_TOKEN_GRANTS() from error
    if not is_sid(grant.service_sid, "IS"):
        raise ERRORS.INVALID_TOKEN_GRANTS()
    return identity, grant


def write_token(key_sid: str, secret: str, account_sid: str, grants: dict[str, Any], begins: int, seconds: int) -> str:
    """A token as the official libraries make it; the times are in seconds."""
    claims = {
        "jti": f"{key_sid}-{begins}",
        "iss": key_sid,
        "sub": account_sid,
        "iat": begins,
        "exp": begins + seconds,
        "grants": grants,
    }
    return signatures.encode(msgspec.json.encode(claims), secret, "HS256", {"cty": CONTENT_TYPE})
