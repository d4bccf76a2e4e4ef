"""Keys for push services are read in whatever form they come, and what cannot be one is told without giving it away."""

import base64
import datetime as dt
import json
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from hubbub.dates import now
from hubbub.errors import ChatError
from hubbub.resources.credentials.keys import (
    LONGEST,
    ApnsCertificate,
    ApnsToken,
    Keys,
    LegacyKey,
    ServiceAccount,
    read_apns,
    read_fcm,
)
from tests.properties.drawing import bounded
from tests.push.keys import (
    DEVELOPMENT,
    PASSPHRASE,
    TOPIC,
    apns_certificate,
    apns_token,
    authority,
    curve_key,
    load,
    other_key,
    pem,
    rsa_key,
    service_account,
)

CERTIFICATE, KEY = apns_certificate()
TOKEN, TOKEN_KEY = apns_token()
ACCOUNT = service_account()
DAY = 24 * 3_600_000

ATTRIBUTES = (
    "Bag Attributes\n    friendlyName: Apple Push Services\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n"
)
PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


def read(certificate: str, private_key: str, moment: int | None = None) -> ApnsCertificate | ApnsToken:
    return read_apns({"certificate": certificate, "private_key": private_key}, moment or now())


def refusal(certificate: str, private_key: str) -> str:
    """What is said of them."""
    with pytest.raises(ChatError) as refused:
        read(certificate, private_key)
    assert (refused.value.code, refused.value.status) == (20001, 400)
    return refused.value.message.removeprefix("Invalid parameter ")


def brief(text: str) -> str:
    """Enough of a value to tell which test it is."""
    return text[:24]


def refusal_of_account(text: str) -> str:
    with pytest.raises(ChatError) as refused:
        read_fcm({"secret": text})
    return refused.value.message.removeprefix("Invalid parameter Secret: ")


# Apple's certificates


def test_certificate_is_read() -> None:
    """With its app and the moment at which it ends, to the second."""
    found = read(CERTIFICATE, KEY)

    assert isinstance(found, ApnsCertificate)
    assert (found.certificate, found.private_key, found.topic) == (CERTIFICATE, KEY, TOPIC)
    expires = x509.load_pem_x509_certificate(CERTIFICATE.encode()).not_valid_after_utc
    assert dt.datetime.fromtimestamp(found.expires / 1000, dt.UTC) == expires


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (CERTIFICATE.replace("\n", "\r\n"), KEY.replace("\n", "\r\n")),
        (CERTIFICATE.replace("\n", " "), KEY.replace("\n", " ")),
        (CERTIFICATE.replace("\n", "\\n"), KEY.replace("\n", "\\n")),
        (CERTIFICATE.replace("\n", ""), KEY.replace("\n", "")),
        (CERTIFICATE.replace("\n", "\n  "), KEY.replace("\n", "\n\t")),
        (f"\n\n{CERTIFICATE.strip()}", KEY.strip()),
        (ATTRIBUTES + CERTIFICATE, ATTRIBUTES + KEY),
        (KEY + CERTIFICATE, CERTIFICATE + KEY),
        (CERTIFICATE, PARAMETERS + pem(load(KEY), PrivateFormat.TraditionalOpenSSL)),
    ],
    ids=["crlf", "spaces", "escaped", "one line", "indented", "stripped", "attributes", "both in each", "sec 1"],
)
def test_form_of_the_text_does_not_matter(certificate: str, key: str) -> None:
    """What people paste and tools write is all the same certificate and key."""
    assert read(certificate, key) == read(CERTIFICATE, KEY)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_rsa_key_is_read_in_both_its_forms(form: PrivateFormat) -> None:
    """Apple's own certificates have such keys."""
    certificate, key = apns_certificate(key=rsa_key())

    assert read(certificate, pem(load(key), form)) == read(certificate, key)


@pytest.mark.parametrize("text", [CERTIFICATE + authority(), authority() + CERTIFICATE], ids=["before", "behind"])
def test_chain_comes_along_behind_the_certificate(text: str) -> None:
    """The key tells which one is the app's, wherever it stands."""
    found = read(text, KEY)

    assert isinstance(found, ApnsCertificate)
    assert (found.certificate, found.topic) == (CERTIFICATE + authority(), TOPIC)


def test_of_two_certificates_of_one_key_the_newer_counts() -> None:
    """A certificate may have been renewed for the same key, and the old one be in the file still."""
    old, _ = apns_certificate(days=-10)

    found = read(old + CERTIFICATE, KEY)

    assert isinstance(found, ApnsCertificate)
    assert found.certificate == CERTIFICATE + old


def test_certificate_without_an_app_has_none() -> None:
    """Apple knows by itself what it is for."""
    found = read(*apns_certificate(topic=None))

    assert isinstance(found, ApnsCertificate)
    assert found.topic is None


def test_certificate_for_the_sandbox_alone_is_read() -> None:
    """Which service takes it is not looked at: most are for both."""
    assert isinstance(read(*apns_certificate(marks=(DEVELOPMENT,))), ApnsCertificate)


def test_certificate_is_good_from_its_first_moment_to_its_last() -> None:
    """It is the given moment that counts."""
    found = read(CERTIFICATE, KEY)
    assert isinstance(found, ApnsCertificate)

    assert read(CERTIFICATE, KEY, found.expires - 1) == found
    with pytest.raises(ChatError, match="Certificate: it expired on "):
        read(CERTIFICATE, KEY, found.expires)
    with pytest.raises(ChatError, match="Certificate: it is not valid before "):
        read(CERTIFICATE, KEY, now() - 2 * DAY)


def day(days: int) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).date().isoformat()


def test_certificate_out_of_its_time_is_refused_with_the_day() -> None:
    """Which is what to look for in a calendar; a test at midnight may see either day."""
    said = refusal(*apns_certificate(days=-7))
    assert said in {f"Certificate: it expired on {day(days)}" for days in (-7, -8)}

    said = refusal(*apns_certificate(begins=7))
    assert said in {f"Certificate: it is not valid before {day(days)}" for days in (7, 6)}


def odd_keys() -> dict[str, str]:
    """Private keys that are sound, and that no push service takes."""
    made: dict[str, PrivateKeyTypes] = {
        "short rsa": rsa.generate_private_key(public_exponent=65537, key_size=1024),
        "dsa": dsa.generate_private_key(2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    }
    return {
        name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        for name, key in made.items()
    }


def unsound_rsa(bits: int) -> str:
    """Numbers of the right sizes that are no key."""
    half = bits // 2
    p, q = (1 << half) - 1, (1 << half) - 3
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d=65537, dmp1=65537, dmq1=65537, iqmp=3, public_numbers=public)
    return pem(numbers.private_key(unsafe_skip_rsa_key_validation=True))


UNREADABLE = "it cannot be read: is it whole, and each + of it written as %2B?"
NO_CERTIFICATE = "Certificate: there is no -----BEGIN CERTIFICATE----- with its end in it"
NO_KEY = "PrivateKey: there is no -----BEGIN PRIVATE KEY----- with its end in it"
PROTECTED = "PrivateKey: it is protected by a passphrase: send it without one"
ODD = "PrivateKey: it is neither an RSA key of 2048 to 4096 bits nor an EC key of the curve P-256, P-384 or P-521"
ODD_KEYS = odd_keys()


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("certificate", KEY, NO_CERTIFICATE),
        (KEY, KEY, NO_CERTIFICATE),
        (CERTIFICATE[:-30], KEY, NO_CERTIFICATE),
        (CERTIFICATE[:200] + CERTIFICATE[210:], KEY, f"Certificate: {UNREADABLE}"),
        (CERTIFICATE.replace("+", " ").replace("/", " "), KEY, f"Certificate: {UNREADABLE}"),
        (CERTIFICATE + CERTIFICATE[:200] + CERTIFICATE[210:], KEY, f"Certificate: {UNREADABLE}"),
        (CERTIFICATE, "key", NO_KEY),
        (CERTIFICATE, CERTIFICATE, NO_KEY),
        (CERTIFICATE, KEY[:100] + KEY[104:], f"PrivateKey: {UNREADABLE}"),
        (CERTIFICATE, unsound_rsa(2048), f"PrivateKey: {UNREADABLE}"),
        (CERTIFICATE, pem(load(KEY), passphrase=PASSPHRASE), PROTECTED),
        (CERTIFICATE, pem(load(KEY), PrivateFormat.TraditionalOpenSSL, PASSPHRASE), PROTECTED),
        (CERTIFICATE, unsound_rsa(16384), ODD),
        *[(CERTIFICATE, key, ODD) for key in ODD_KEYS.values()],
        (CERTIFICATE, other_key(), "PrivateKey: it is not the certificate's key"),
        (authority(), KEY, "PrivateKey: it is not the certificate's key"),
        (*apns_certificate(topic="a\r\nb: c"), "Certificate: the UID of its subject is no bundle ID"),
        (CERTIFICATE + " " * LONGEST, KEY, "Certificate: it has more than 65536 characters"),
        (CERTIFICATE, KEY + " " * LONGEST, "PrivateKey: it has more than 65536 characters"),
    ],
    ids=brief,
)
def test_what_is_no_certificate_with_its_key_is_refused(certificate: str, key: str, said: str) -> None:
    """Each fault has its own sentence, which names the field that has it."""
    assert refusal(certificate, key) == said


# Apple's token keys


def token(**changed: object) -> str:
    return json.dumps({name: value for name, value in (json.loads(TOKEN) | changed).items() if value is not None})


def test_token_key_is_read() -> None:
    """In the fields of a certificate: JSON in one, the file as Apple gives it in the other."""
    expected = ApnsToken(TOKEN_KEY, "ABC123DEFG", "DEF123GHIJ", TOPIC)

    assert read(TOKEN, TOKEN_KEY) == expected
    assert read(f"\ufeff \r\n{TOKEN}\n", TOKEN_KEY.replace("\n", "\r\n")) == expected


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("{", TOKEN_KEY, "Certificate: it is no JSON"),
        ('{"a":' * 5000, TOKEN_KEY, "Certificate: it is no JSON"),
        ("{}", TOKEN_KEY, "Certificate: it has no key_id"),
        (token(key_id=None), TOKEN_KEY, "Certificate: it has no key_id"),
        (token(team_id=None), TOKEN_KEY, "Certificate: it has no team_id"),
        (token(topic=None), TOKEN_KEY, "Certificate: it has no topic"),
        (token(topic=["a"]), TOKEN_KEY, "Certificate: it has no topic"),
        (token(key_id="ABC123DEF"), TOKEN_KEY, "Certificate: it has a key_id that cannot be one"),
        (token(team_id="DEF123GHI\n"), TOKEN_KEY, "Certificate: it has a team_id that cannot be one"),
        (token(topic="a b"), TOKEN_KEY, "Certificate: it has a topic that cannot be one"),
        (token(topic="a\r\nb"), TOKEN_KEY, "Certificate: it has a topic that cannot be one"),
        (TOKEN, "key", NO_KEY),
        *[
            (TOKEN, key, "PrivateKey: it is no token key: those are EC keys of the curve P-256, in a file with .p8")
            for key in (rsa_key(), pem(ec.generate_private_key(ec.SECP384R1())))
        ],
    ],
    ids=brief,
)
def test_what_is_no_token_key_is_refused(certificate: str, key: str, said: str) -> None:
    """Each fault has its own sentence."""
    assert refusal(certificate, key) == said


# Google's keys


@pytest.mark.parametrize("name", ["secret", "api_key"])
def test_service_account_is_read(name: str) -> None:
    """In the field that either type has for its key."""
    expected = ServiceAccount("demo", "push@demo.iam.gserviceaccount.com", rsa_key(), "0123456789abcdef")

    assert read_fcm({name: ACCOUNT}) == expected
    assert read_fcm({name: f"\ufeff\r\n {ACCOUNT}\n"}) == expected


def test_service_account_needs_no_key_id() -> None:
    """Google finds the key without."""
    found = read_fcm({"secret": service_account(private_key_id=None)})

    assert isinstance(found, ServiceAccount)
    assert found.private_key_id is None


def test_service_account_does_not_say_where_to_send() -> None:
    """What it names as Google's address is none of what is read."""
    elsewhere = service_account(token_uri="http://169.254.169.254/", auth_uri=None)

    assert read_fcm({"secret": elsewhere}) == read_fcm({"secret": ACCOUNT})


@pytest.mark.parametrize("text", ["AAAAabc_-D:APA91b" + "x" * 130, "key", "[1]", "null"])
def test_what_is_no_json_object_is_a_legacy_key(text: str) -> None:
    """Nobody can tell what one looks like."""
    assert read_fcm({"secret": text}) == LegacyKey()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is no JSON"),
        (ACCOUNT[:-10], "it is no JSON"),
        ('{"a": "\\ud800"}', "it is no JSON"),
        ('{"project_info": {}}', "it is not a service account: its type is not service_account"),
        (service_account(type="authorized_user"), "it is not a service account: its type is not service_account"),
        (service_account(project_id=""), "the service account has no project_id"),
        (service_account(client_email=None), "the service account has no client_email"),
        (service_account(private_key=None), "the service account has no private_key"),
        (service_account(private_key=7), "the service account has no private_key"),
        (service_account(private_key_id=7), "the service account has no private_key_id"),
        *[
            (service_account(name), "the service account has a project_id that cannot be one")
            for name in ("../../v2", "..", "a/b", "a?b", "a b", "a%2fb", "a\n", "A", "ä")
        ],
        (service_account(client_email="push"), "the service account has a client_email that cannot be one"),
        (service_account(private_key_id="a\nb"), "the service account has a private_key_id that cannot be one"),
        (service_account(private_key="key"), NO_KEY.replace("PrivateKey", "private_key")),
        (service_account(private_key=rsa_key()[:900]), NO_KEY.replace("PrivateKey", "private_key")),
        (service_account(private_key=unsound_rsa(2048)), f"private_key: {UNREADABLE}"),
        (service_account(private_key=curve_key()), "private_key: it is no RSA key"),
        (ACCOUNT + " " * LONGEST, "it has more than 65536 characters"),
        ("k" * (LONGEST + 1), "it has more than 65536 characters"),
    ],
    ids=brief,
)
def test_what_is_no_service_account_is_refused(text: str, said: str) -> None:
    """Each fault has its own sentence."""
    assert refusal_of_account(text) == said


# Whatever comes


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """The text with a few faults, in its letters or in the bytes that its base64 stands for."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 1, 4, 64, 1000]))
        text = text[:start] + draw(st.text(max_size=4)) + text[end:]
    return text


@st.composite
def damaged_inside(draw: st.DrawFn, text: str) -> str:
    """PEM around bytes that differ in a few places, as a parser's own author would try it."""
    head, *lines, foot = text.strip().split("\n")
    raw = bytearray(base64.b64decode("".join(lines)))
    for _ in range(draw(st.integers(1, 4))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return "\n".join([head, base64.b64encode(raw).decode(), foot])


def hurt(text: str) -> st.SearchStrategy[str]:
    return st.just(text) | damaged(text) | damaged_inside(text)


def lines_of(*texts: str) -> list[str]:
    """What must not be seen: all the base64 among them."""
    return [
        line for text in texts for line in text.replace("\\n", "\n").split("\n") if len(line) > 20 and "-" not in line
    ]


def told(read_keys: Callable[[], Keys]) -> str:
    """What is said of them, and nothing when they are read; it is an ordinary refusal."""
    try:
        read_keys()
    except ChatError as error:
        return f"{error.status} {error.message}{error.__cause__ or ''}"
    return "400 "


def check_told(said: str, *secrets: str) -> None:
    assert said.startswith("400 ")
    assert len(said) < 200
    assert not any(line in said for line in lines_of(*secrets))


@bounded(400)
@given(hurt(CERTIFICATE), hurt(KEY))
def test_no_certificate_is_too_odd(certificate: str, key: str) -> None:
    """Whatever is sent as a certificate is read or refused, never an error of the server."""
    check_told(told(lambda: read(certificate, key)), certificate, key)


@bounded(150)
@given(hurt(apns_certificate(key=rsa_key())[0]), hurt(rsa_key()))
def test_no_rsa_key_is_too_odd(certificate: str, key: str) -> None:
    """Likewise where the key is RSA."""
    check_told(told(lambda: read(certificate, key)), certificate, key)


@bounded(200)
@given(damaged(TOKEN) | st.text().map(lambda text: "{" + text), hurt(TOKEN_KEY))
def test_no_token_key_is_too_odd(certificate: str, key: str) -> None:
    """Likewise of a token key."""
    check_told(told(lambda: read(certificate, key)), key)


@bounded(150)
@given(damaged(ACCOUNT) | hurt(rsa_key()).map(lambda key: service_account(private_key=key)))
def test_no_service_account_is_too_odd(text: str) -> None:
    """Likewise of a service account."""
    check_told(told(lambda: read_fcm({"secret": text})), json.dumps(text))


@pytest.mark.parametrize(
    "found", [read(CERTIFICATE, KEY), read(TOKEN, TOKEN_KEY), read_fcm({"secret": ACCOUNT}), LegacyKey()]
)
def test_keys_are_not_shown(found: Keys) -> None:
    """Where one is printed by mistake stands its kind."""
    assert repr(found) == str(found) == f"{type(found).__name__}()"
