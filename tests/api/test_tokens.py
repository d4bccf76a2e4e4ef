"""Access tokens: what the official library makes lets in, and whatever is wrong with one is told."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.more_steps import command, create_account
from tests.api.steps import NOBODY, Json, create_service, created, delete, refused
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server
from tests.tokens import CONTENT_TYPE, Signer, new_signer

# The tests sign with the 32 bytes of a key's secret, too.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

Forge = Callable[[Signer, str], str]
DAY = 24 * 3600


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return new_signer(server)


@pytest.fixture(scope="module")
def home(server: Server) -> Iterator[Json]:
    """The service of the tokens."""
    with server.client() as client:
        service = create_service(client)
        yield service
        delete(client, service)


@pytest.fixture(scope="module")
def app(server: Server) -> Iterator[httpx.Client]:
    """A client without credentials of its own."""
    with httpx.Client(base_url=server.url, timeout=30) as opened:
        yield opened


def upload(app: httpx.Client, service: Json, token: str | bytes) -> httpx.Response:
    """What tells whether a token is good: an upload in its name."""
    if isinstance(token, str):
        token = token.encode()
    headers = {b"X-Twilio-Token": token, b"Content-Type": b"text/plain"}
    return app.post(f"/v1/Services/{service['sid']}/Media", content=b"x", headers=headers)


def accepted(app: httpx.Client, service: Json, token: str, identity: str = "alice") -> None:
    assert created(upload(app, service, token))["author"] == identity


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def now() -> int:
    return int(time.time())


# What lets in


def test_token_of_the_official_library_is_accepted(app: httpx.Client, home: Json, signer: Signer) -> None:
    """Every option of the grant and of the token included."""
    grant = {"endpoint_id": "browser", "deployment_role_sid": f"RL{NOBODY}", "push_credential_sid": f"CR{NOBODY}"}

    accepted(app, home, signer.token("alice", home["sid"]))
    accepted(app, home, signer.token("alice", home["sid"], grant=grant, nbf=now() - 10, ttl=DAY, region="us1"))
    accepted(app, home, signer.token("alice", home["sid"], nbf=None, valid_until=now() + DAY))


GOOD: dict[str, Forge] = {
    "old grant": lambda by, sid: by.sign(
        by.claims("alice", sid, grants={"identity": "alice", "ip_messaging": {"service_sid": sid}})
    ),
    "other grants beside": lambda by, sid: by.sign(
        by.claims("alice", sid, grants={"identity": "alice", "video": {}, "chat": {"service_sid": sid, "x": [1]}})
    ),
    "HS384": lambda by, sid: by.sign(by.claims("alice", sid), "HS384"),
    "HS512": lambda by, sid: by.sign(by.claims("alice", sid), "HS512"),
    "no content type": lambda by, sid: by.sign(by.claims("alice", sid), cty=None),
    "no type": lambda by, sid: by.sign(by.claims("alice", sid), typ=None),
    "a region": lambda by, sid: by.sign(by.claims("alice", sid), twr="ie1"),
    "fractions of seconds": lambda by, sid: by.sign(by.claims("alice", sid, exp=now() + 60.5, nbf=now() - 0.5)),
    "a clock somewhat ahead": lambda by, sid: by.sign(by.claims("alice", sid, nbf=now() + 20, iat=now() + 20)),
    "a day from its making": lambda by, sid: by.sign(by.claims("alice", sid, iat=now() - 5, exp=now() - 5 + DAY)),
    "null for an option": lambda by, sid: by.sign(
        by.claims("alice", sid, grants={"identity": "alice", "chat": {"service_sid": sid, "push_credential_sid": None}})
    ),
}


@pytest.mark.parametrize("forge", GOOD.values(), ids=GOOD)
def test_token_made_in_another_way_is_accepted(app: httpx.Client, home: Json, signer: Signer, forge: Forge) -> None:
    """By an older library or by hand, as long as it says the same."""
    accepted(app, home, forge(signer, home["sid"]))


@pytest.mark.parametrize("identity", ["Zoë", "日本", "a b/c", "i" * 256, "SYSTEM", " "])
def test_identity_of_a_token_is_any_that_a_user_may_have(
    app: httpx.Client, home: Json, signer: Signer, identity: str
) -> None:
    """Whatever its script and length."""
    accepted(app, home, signer.token(identity, home["sid"]), identity)


# What is refused


def claiming(**changed: Any) -> Forge:
    return lambda by, sid: by.sign(by.claims("alice", sid, **changed))


def headed(algorithm: str = "HS256", key: Any = None, **header: Any) -> Forge:
    return lambda by, sid: by.sign(by.claims("alice", sid), algorithm, key, **header)


def granting(**grants: Any) -> Forge:
    return claiming(grants=grants)


def for_chat(chat: Any) -> Forge:
    return granting(identity="alice", chat=chat)


def named(identity: Any) -> Forge:
    return lambda by, sid: by.sign(by.claims("", sid, grants={"identity": identity, "chat": {"service_sid": sid}}))


def said(header: bytes, payload: bytes) -> Forge:
    """The two parts byte for byte, with a good signature."""

    def forge(by: Signer, _: str) -> str:
        signed = f"{encoded(header)}.{encoded(payload)}"
        signature = jwt.get_algorithm_by_name("HS256").sign(signed.encode(), by.secret.encode())
        return f"{signed}.{encoded(signature)}"

    return forge


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GOOD_HEADER = json.dumps({"alg": "HS256", "cty": CONTENT_TYPE, "typ": "JWT"}).encode()
LATER = 3600

FAULTS: dict[str, tuple[int, Forge]] = {
    "empty": (20101, lambda _, __: ""),
    "no token": (20101, lambda _, __: "open sesame"),
    "two parts": (20101, lambda by, sid: by.token("alice", sid).rpartition(".")[0]),
    "four parts": (20101, lambda by, sid: by.token("alice", sid) + ".x"),
    "not ASCII": (20101, lambda by, sid: by.token("alice", sid) + "\u00e9"),
    "huge": (20101, lambda by, sid: by.token("alice", sid, grant={"endpoint_id": "x" * 9000})),
    "header no JSON": (20101, said(b"{", b"{}")),
    "header no object": (20101, said(b"[]", b"{}")),
    "payload no JSON": (20101, said(GOOD_HEADER, b"{")),
    "payload no object": (20101, said(GOOD_HEADER, b"[]")),
    "payload not UTF-8": (20101, said(GOOD_HEADER, b'{"iss": "\xff"}')),
    "payload without bottom": (20101, said(GOOD_HEADER, b'{"grants": ' + b"[" * 5000 + b"}")),
    "number out of range": (20101, said(GOOD_HEADER, b'{"exp": 1e999}')),
    "beginning that is no number": (20101, claiming(nbf="now")),
    "making that is no number": (20101, claiming(iat=True)),
    "unsigned": (20102, lambda by, sid: jwt.encode(by.claims("alice", sid), "", "none")),
    "signed with a private key": (20102, headed("RS256", RSA)),
    "key inside": (20102, headed(jwk={"kty": "oct", "k": "AAAA"})),
    "key elsewhere": (20102, headed(jku="https://example.com/keys")),
    "certificate inside": (20102, headed(x5c=["AAAA"])),
    "algorithm missing": (20102, said(b"{}", b"{}")),
    "algorithm that is no text": (20102, said(b'{"alg": ["HS256"]}', b"{}")),
    "algorithm in lower case": (20102, said(b'{"alg": "hs256"}', b"{}")),
    "critical extension": (20102, said(b'{"alg": "HS256", "crit": ["x"], "x": 1}', b"{}")),
    "other content": (20102, headed(cty="JWT")),
    "other type": (20102, headed(typ="JWS")),
    "key id that is no text": (20102, said(b'{"alg": "HS256", "kid": 1}', b"{}")),
    "issuer missing": (20103, claiming(iss=None)),
    "issuer that is no text": (20103, claiming(iss=["SK"])),
    "issuer with a NUL": (20103, claiming(iss="SK\0")),
    "unknown key": (20103, claiming(iss=f"SK{NOBODY}")),
    "account as issuer": (
        20103,
        lambda by, sid: by.sign(by.claims("alice", sid, iss=ACCOUNT_SID), key=AUTH_TOKEN),
    ),
    "subject missing": (20103, claiming(sub=None)),
    "other account": (20103, claiming(sub=f"AC{NOBODY}")),
    "expired": (20104, claiming(exp=int(time.time()) - 1)),
    "expired long ago": (20104, claiming(exp=-1e300)),
    "no end": (20104, claiming(exp=None)),
    "end that is no number": (20104, claiming(exp="tomorrow")),
    "begins later": (20105, claiming(nbf=int(time.time()) + LATER)),
    "made later": (20105, claiming(iat=int(time.time()) + LATER)),
    "no grants": (20106, claiming(grants=None)),
    "grants that are no object": (20106, claiming(grants=["chat"])),
    "no identity": (20106, lambda by, sid: by.sign(by.claims("", sid, grants={"chat": {"service_sid": sid}}))),
    "empty identity": (20106, named("")),
    "identity that is no text": (20106, named(7)),
    "reserved identity": (20106, named("system")),
    "identity too long": (20106, named("i" * 257)),
    "identity like a SID": (20106, named(f"US{NOBODY}")),
    "identity with a NUL": (20106, named("a\0b")),
    "no chat": (20106, granting(identity="alice", video={"room": "x"})),
    "chat that is no object": (20106, for_chat("IS")),
    "no service": (20106, for_chat({})),
    "service that is no SID": (20106, for_chat({"service_sid": "IS\0"})),
    "unknown service": (20106, for_chat({"service_sid": f"IS{NOBODY}"})),
    "role that is no text": (
        20106,
        lambda by, sid: by.sign(
            by.claims("", "", grants={"identity": "a", "chat": {"service_sid": sid, "deployment_role_sid": 1}})
        ),
    ),
    "other secret": (20107, headed(key="x" * 32)),
    "auth token as secret": (20107, headed(key=AUTH_TOKEN)),
    "other secret, expired": (
        20107,
        lambda by, sid: by.sign(by.claims("alice", sid, exp=1), key="x" * 32),
    ),
    "too long to live": (20157, lambda by, sid: by.token("alice", sid, ttl=DAY + 100)),
    "too long from its making": (20157, lambda by, sid: by.sign(by.claims("a", sid, iat=now() - DAY))),
    "too long, without a beginning": (20157, lambda by, sid: by.sign(by.claims("a", sid, exp=now() + DAY + 100))),
    "for ever": (20157, claiming(exp=1e300)),
}

MESSAGES = {
    20101: "Invalid Access Token",
    20102: "Invalid Access Token header",
    20103: "Invalid Access Token issuer/subject",
    20104: "Access Token expired or expiration date invalid",
    20105: "Access Token not yet valid",
    20106: "Invalid Access Token grants",
    20107: "Invalid Access Token signature",
    20157: "Expiration Time in the Access Token Exceeds Maximum Time Allowed",
}


@pytest.mark.parametrize(("code", "forge"), FAULTS.values(), ids=FAULTS)
def test_fault_of_a_token_is_told(app: httpx.Client, home: Json, signer: Signer, code: int, forge: Forge) -> None:
    """Each with its own code, all of them 401; no browser asks for a password then."""
    token = forge(signer, home["sid"]).encode("latin-1")

    response = upload(app, home, token)

    refused(response, 401, code, MESSAGES[code])
    assert response.headers["WWW-Authenticate"] == 'X-Twilio-Token realm="Twilio API"'


def test_no_character_of_a_token_can_be_changed(app: httpx.Client, home: Json, signer: Signer) -> None:
    """Not one, wherever it stands."""
    token = signer.token("alice", home["sid"])
    accepted(app, home, token)

    for place, character in enumerate(token):
        other = "A" if character != "A" else "B"
        response = upload(app, home, token[:place] + other + token[place + 1 :])
        assert (response.status_code, 20101 <= response.json()["code"] <= 20107) == (401, True), place


def test_key_signs_for_its_own_account_only(server: Server, app: httpx.Client, home: Json, signer: Signer) -> None:
    """Neither for a service of another account, nor in its name."""
    stranger = new_signer(server, create_account(server)["sid"])

    refused(upload(app, home, stranger.token("eve", home["sid"])), 401, 20106)
    forged = Signer(ACCOUNT_SID, stranger.key_sid, stranger.secret).token("eve", home["sid"])
    refused(upload(app, home, forged), 401, 20103)
    forged = Signer(ACCOUNT_SID, signer.key_sid, stranger.secret).token("eve", home["sid"])
    refused(upload(app, home, forged), 401, 20107)


def test_revoked_key_stops_its_tokens_at_once(server: Server, app: httpx.Client, home: Json) -> None:
    """And no others."""
    revoked, kept = new_signer(server), new_signer(server)
    token = revoked.token("alice", home["sid"])
    accepted(app, home, token)

    command(server, "keys", "revoke", revoked.key_sid)

    refused(upload(app, home, token), 401, 20103)
    accepted(app, home, kept.token("alice", home["sid"]))


def test_rotated_secret_stops_the_tokens_of_the_old_one_at_once(server: Server, app: httpx.Client, home: Json) -> None:
    """The key goes on with its new secret, for tokens and for requests."""
    old = new_signer(server)
    token = old.token("alice", home["sid"])
    accepted(app, home, token)

    rotated = command(server, "keys", "rotate-secret", old.key_sid)

    refused(upload(app, home, token), 401, 20107)
    accepted(app, home, Signer(old.account_sid, rotated["sid"], rotated["secret"]).token("alice", home["sid"]))
    assert httpx.get(f"{server.url}/v2/Services", auth=(old.key_sid, old.secret)).status_code == 401
    assert httpx.get(f"{server.url}/v2/Services", auth=(old.key_sid, rotated["secret"])).status_code == 200


def test_deleted_service_stops_its_tokens_at_once(client: httpx.Client, app: httpx.Client, signer: Signer) -> None:
    """There is nothing left that they are for."""
    service = create_service(client)
    token = signer.token("alice", service["sid"])
    accepted(app, service, token)

    delete(client, service)

    refused(upload(app, service, token), 401, 20106)


def test_token_is_for_one_service(client: httpx.Client, app: httpx.Client, home: Json, signer: Signer) -> None:
    """To an end user no other exists, though its account has it."""
    other = create_service(client)

    refused(upload(app, other, signer.token("alice", home["sid"])), 403, 50050)


def test_token_does_not_open_the_rest_api(app: httpx.Client, home: Json, signer: Signer) -> None:
    """It is for back ends, with the credentials of their accounts."""
    token = signer.token("alice", home["sid"])

    for path in ("/v2/Services", f"/v2/Services/{home['sid']}/Users"):
        response = app.get(path, headers={"X-Twilio-Token": token})
        refused(response, 401, 20003)
        assert response.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'


def test_password_does_not_make_a_bad_token_good(client: httpx.Client, home: Json) -> None:
    """Whoever sends a token is taken for the end user."""
    refused(upload(client, home, "nonsense"), 401, 20101)


# Whatever comes

KNOWN = {(201, None)} | {(401, code) for code in MESSAGES}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CLAIMS = st.fixed_dictionaries({}, optional=dict.fromkeys(("iss", "sub", "exp", "nbf", "iat", "grants"), JSON))
HEADERS = st.fixed_dictionaries({}, optional=dict.fromkeys(("alg", "cty", "typ", "kid", "b64", "crit", "jwk"), JSON))
# Not visible ASCII alone: what is in Latin-1 may stand in a header, too.
LINE = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=200).map(str.strip)
PATIENT = settings(max_examples=150, deadline=None)


def answered(app: httpx.Client, home: Json, token: str) -> None:
    """It is good, or one of the faults of tokens."""
    response = upload(app, home, token.encode("latin-1"))

    assert (response.status_code, response.json().get("code")) in KNOWN, response.text


@PATIENT
@given(text=LINE)
def test_any_text_is_answered(app: httpx.Client, home: Json, text: str) -> None:
    """No text is too strange to be refused."""
    answered(app, home, text)


@PATIENT
@given(parts=st.tuples(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=40)))
def test_any_three_parts_are_answered(app: httpx.Client, home: Json, parts: tuple[bytes, ...]) -> None:
    """Whatever they hold."""
    answered(app, home, ".".join(encoded(part) for part in parts))


@PATIENT
@given(header=HEADERS, claims=CLAIMS, keeps_issuer=st.booleans())
def test_anything_well_signed_is_answered(
    app: httpx.Client, home: Json, signer: Signer, header: Json, claims: Json, keeps_issuer: bool
) -> None:
    """The holder of a key can say what it likes."""
    usual = signer.claims("alice", home["sid"])
    kept = {"iss": usual["iss"]} if keeps_issuer else {}
    forge = said(json.dumps({"alg": "HS256"} | header).encode(), json.dumps(usual | claims | kept).encode())

    answered(app, home, forge(signer, home["sid"]))
