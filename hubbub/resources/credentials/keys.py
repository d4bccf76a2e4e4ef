"""The keys of a credential, read and checked: an Apple certificate or token key, a Google service account.

Whatever is wrong with one is ERRORS.INVALID_PARAMETER with the field's name and a sentence, which holds nothing of the
key. What comes back is PEM that anything reads, however it was sent.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from hubbub.dates import iso
from hubbub.errors import ERRORS, ChatError

T = TypeVar("T")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

LONGEST = 64 * 1024  # characters; a certificate with its whole chain has some six thousand
SMALLEST_RSA, LARGEST_RSA = 2048, 4096  # bits: TLS takes none below, and one above takes seconds to check
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
LINE = 64  # characters of base64 in PEM

# These go into addresses, headers and tokens of requests: nothing in them may mean something else there.
APPLE_ID = re.compile(r"[A-Za-z0-9]{10}")
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,255}")
PROJECT_ID = re.compile(r"[a-z][a-z0-9:.-]{0,99}")
CLIENT_EMAIL = re.compile(r"[A-Za-z0-9._-]{1,100}@[A-Za-z0-9.-]{1,200}")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")

UNREADABLE = "it cannot be read: is it whole, and each + of it written as %2B?"


class Keys(msgspec.Struct, frozen=True):
    """Any of them; neither log nor traceback shows what is inside."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ApnsCertificate(Keys, frozen=True):
    certificate: str  # the app's own, then the rest of its chain as far as it came along
    private_key: str
    topic: str | None  # the app's bundle ID; None where the certificate does not say it
    expires: int  # milliseconds


class ApnsToken(Keys, frozen=True):
    private_key: str
    key_id: str
    team_id: str
    topic: str


class ServiceAccount(Keys, frozen=True):
    project_id: str
    client_email: str
    private_key: str
    private_key_id: str | None


class LegacyKey(Keys, frozen=True):
    """A server key of the kind that Google has stopped: the contract knows no other, so it can be kept."""


class Certificate(msgspec.Struct, frozen=True):
    """What is looked at of one."""

    text: str
    public_key: Any
    topic: str | None
    begins: int
    expires: int


def read_apns(secrets: dict[str, str], moment: int) -> ApnsCertificate | ApnsToken:
    """Apple's: a certificate and its key or, in the same two fields, a token key.

    For a token key PrivateKey is the .p8 file, and Certificate is JSON with `key_id`, `team_id` and `topic`, which is
    the app's bundle ID. A certificate must be valid at the moment, in milliseconds; one that is made for only one of
    Apple's two services is taken with either Sandbox. Raises ERRORS.INVALID_PARAMETER.
    """
    certificate, private_key = secrets["certificate"], secrets["private_key"]
    check_size("Certificate", certificate)
    check_size("PrivateKey", private_key)
    if is_json(certificate):
        return read_token(certificate, private_key)
    return read_certificate(certificate, read_private_key("PrivateKey", private_key), moment)


def read_fcm(secrets: dict[str, str], *, is_known: bool = False) -> ServiceAccount | LegacyKey:
    """Google's: the JSON file of a service account; anything but JSON is a legacy server key.

    `is_known` says that it was read before: whether the key is sound, which takes 30 ms, need not be found out again.

    The file's `token_uri` is not looked at: where the server sends requests is its operator's to say, not that of
    whoever may make credentials. Raises ERRORS.INVALID_PARAMETER.
    """
    name, text = ("Secret", secrets["secret"]) if "secret" in secrets else ("ApiKey", secrets["api_key"])
    check_size(name, text)
    if not is_json(text):
        return LegacyKey()
    values = read_json(name, text)
    if values.get("type") != "service_account":
        raise bad(name, "it is not a service account: its type is not service_account")
    what = f"{name}: the service account"
    project_id = take(what, values, "project_id", PROJECT_ID)
    client_email = take(what, values, "client_email", CLIENT_EMAIL)
    has_key_id = values.get("private_key_id") is not None
    private_key_id = take(what, values, "private_key_id", KEY_ID) if has_key_id else None
    key = read_private_key(f"{name}: private_key", take(what, values, "private_key"), is_known=is_known)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise bad(f"{name}: private_key", "it is no RSA key")
    return ServiceAccount(project_id, client_email, pem(key), private_key_id)


def read_token(text: str, private_key: str) -> ApnsToken:
    values = read_json("Certificate", text)
    key_id = take("Certificate: it", values, "key_id", APPLE_ID)
    team_id = take("Certificate: it", values, "team_id", APPLE_ID)
    topic = take("Certificate: it", values, "topic", TOPIC)
    key = read_private_key("PrivateKey", private_key)
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        raise bad("PrivateKey", "it is no token key: those are EC keys of the curve P-256, in a file with .p8")
    return ApnsToken(pem(key), key_id, team_id, topic)


def read_certificate(text: str, key: PrivateKey, moment: int) -> ApnsCertificate:
    """The key's certificate, which may stand anywhere in its chain; of several the one that lasts longest."""
    chain = [block for label, block in blocks(text) if label == "CERTIFICATE"]
    if not chain:
        raise bad("Certificate", "there is no -----BEGIN CERTIFICATE----- with its end in it")
    found = [attempt(parse_certificate, block, "Certificate") for block in chain]
    public_key = key.public_key()
    own = max((each for each in found if each.public_key == public_key), key=lambda each: each.expires, default=None)
    if own is None:
        raise bad("PrivateKey", "it is not the certificate's key")
    if own.expires <= moment:
        raise bad("Certificate", f"it expired on {iso(own.expires)[:10]}")
    if own.begins > moment:
        raise bad("Certificate", f"it is not valid before {iso(own.begins)[:10]}")
    if own.topic is not None and not TOPIC.fullmatch(own.topic):
        raise bad("Certificate", "the UID of its subject is no bundle ID")
    others = [each.text for each in found if each is not own]
    return ApnsCertificate("".join([own.text, *others]), pem(key), own.topic, own.expires)


def parse_certificate(block: bytes) -> Certificate:
    """Raises whatever the library raises; it parses most parts only when they are looked at."""
    parsed = x509.load_pem_x509_certificate(block)
    names = parsed.subject.get_attributes_for_oid(NameOID.USER_ID)
    return Certificate(
        text=parsed.public_bytes(Encoding.PEM).decode(),
        public_key=parsed.public_key(),
        topic=str(names[0].value) if names else None,
        begins=int(parsed.not_valid_before_utc.timestamp() * 1000),
        expires=int(parsed.not_valid_after_utc.timestamp() * 1000),
    )


def read_private_key(what: str, text: str, *, is_known: bool = False) -> PrivateKey:
    """The first private key of the text, in any of the usual forms; `is_known` as with `read_fcm`."""
    label, block = next(((label, block) for label, block in blocks(text) if label.endswith("PRIVATE KEY")), ("", b""))
    if not block:
        raise bad(what, "there is no -----BEGIN PRIVATE KEY----- with its end in it")
    if label == "ENCRYPTED PRIVATE KEY" or b",ENCRYPTED" in block:
        raise bad(what, "it is protected by a passphrase: send it without one")
    key = attempt(parse_private_key, block, what)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, CURVES):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
        return key if is_known else attempt(parse_sound_rsa_key, block, what)
    raise bad(what, "it is neither an RSA key of 2048 to 4096 bits nor an EC key of the curve P-256, P-384 or P-521")


def parse_private_key(block: bytes) -> Any:
    """Raises whatever the library raises. Of an RSA key it is not known whether it is sound: that takes its time."""
    return load_pem_private_key(block, None, unsafe_skip_rsa_key_validation=True)


def parse_sound_rsa_key(block: bytes) -> rsa.RSAPrivateKey:
    """Raises whatever the library raises."""
    key = load_pem_private_key(block, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def blocks(text: str) -> Iterator[tuple[str, bytes]]:
    """Label and text of each PEM block, with its lines as they must be.

    Around them may stand anything, such as the attributes that `openssl pkcs12` writes; within, lines may end in a
    space, CRLF, or a backslash and an n.
    """
    for piece in text.split("-----BEGIN ")[1:]:
        label, _, rest = piece.partition("-----")
        body, end, _ = rest.partition(f"-----END {label}-----")
        if end:
            joined = "".join(body.replace("\\r", "").replace("\\n", "").split())
            lines = [joined[start : start + LINE] for start in range(0, len(joined), LINE)]
            yield label, "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def is_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def read_json(name: str, text: str) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(text.lstrip("\ufeff"))
    except (msgspec.DecodeError, RecursionError):
        raise bad(name, "it is no JSON") from None
    return dict(values)


def take(what: str, values: dict[str, Any], name: str, form: re.Pattern[str] | None = None) -> str:
    """The text of that name."""
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise ERRORS.INVALID_PARAMETER(name=f"{what} has no {name}")
    if form and not form.fullmatch(value):
        raise ERRORS.INVALID_PARAMETER(name=f"{what} has a {name} that cannot be one")
    return value


def check_size(name: str, text: str) -> None:
    if len(text) > LONGEST:
        raise bad(name, f"it has more than {LONGEST} characters")


def attempt(parse: Callable[[bytes], T], block: bytes, what: str) -> T:
    """What the function makes of the block; anything it raises becomes ERRORS.INVALID_PARAMETER."""
    try:
        return parse(block)
    except Exception:  # noqa: BLE001 - the library raises many kinds for what somebody else has written
        raise bad(what, UNREADABLE) from None


def bad(what: str, why: str) -> ChatError:
    return ERRORS.INVALID_PARAMETER(name=f"{what}: {why}")
