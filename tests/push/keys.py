"""Keys for push services, each made once in a process, and the authority that signs the certificates among them.

All of it is PEM text, or JSON around it, as a credential takes it. A certificate is of the elliptic curve P-256, whose
keys are made in no time; that of a service account must be RSA.
"""

import datetime as dt
import ipaddress
import json
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

TOPIC = "com.example.app"
PASSPHRASE = b"open"

# Apple's marks on a certificate: which of its two push services takes it.
DEVELOPMENT, PRODUCTION = "1.2.840.113635.100.6.3.1", "1.2.840.113635.100.6.3.2"


def pem(key: PrivateKey, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def load(text: str) -> PrivateKey:
    key = load_pem_private_key(text.encode(), None)
    assert isinstance(key, PrivateKey)
    return key


@cache
def curve_key(name: str = "") -> str:
    """The P-256 key of that name, PKCS 8."""
    _ = name
    return pem(ec.generate_private_key(ec.SECP256R1()))


@cache
def rsa_key() -> str:
    """The only RSA key, 2048 bits, PKCS 8: it takes a while to make."""
    return pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def other_key() -> str:
    """A good key that is no certificate's."""
    return curve_key("other")


@cache
def authority() -> str:
    """The certificate of who signs all others here: trust it, and you trust them."""
    key = curve_key("authority")
    return signed(builder("Authority", key, days=1000, ca=True))


def apns_certificate(
    topic: str | None = TOPIC,
    days: float = 365,
    key: str | None = None,
    *,
    begins: float = -1,
    marks: tuple[str, ...] = (DEVELOPMENT, PRODUCTION),
) -> tuple[str, str]:
    """Apple's certificate for the app, good for so many days from now on, and its key.

    Negative days: it has expired. `begins` is when it became valid, in days from now.
    """
    return _apns_certificate(topic, days, key or curve_key("apns"), min(begins, days - 1), marks)


@cache
def _apns_certificate(
    topic: str | None, days: float, key: str, begins: float, marks: tuple[str, ...]
) -> tuple[str, str]:
    made = builder(f"Apple Push Services: {topic}", key, days, begins, topic=topic)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    for mark in marks:
        made = made.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(mark), b"\x05\x00"), critical=False)
    return signed(made), key


@cache
def host_certificate(*names: str) -> tuple[str, str]:
    """A server's certificate for these host names and addresses, and its key."""
    key = curve_key("host")
    alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
    return signed(builder("Host", key).add_extension(alternatives, critical=False)), key


def apns_token(topic: str = TOPIC, key_id: str = "ABC123DEFG", team_id: str = "DEF123GHIJ") -> tuple[str, str]:
    """What stands in Certificate and PrivateKey for Apple's token key: JSON, and the file with the ending .p8."""
    return json.dumps({"key_id": key_id, "team_id": team_id, "topic": topic}), curve_key("token")


def service_account(project_id: str = "demo", **changed: object) -> str:
    """The JSON file of a Google service account, with these values instead of its own; without those that are None."""
    values = {
        "type": "service_account",
        "project_id": project_id,
        "private_key_id": "0123456789abcdef",
        "private_key": rsa_key(),
        "client_email": f"push@{project_id}.iam.gserviceaccount.com",
        "client_id": "1234567890",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps({name: value for name, value in (values | changed).items() if value is not None}, indent=2)


def builder(
    name: str, key: str, days: float = 365, begins: float = -1, *, topic: str | None = None, ca: bool = False
) -> x509.CertificateBuilder:
    """A certificate for the key, not signed yet."""
    now = dt.datetime.now(dt.UTC)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if topic is not None:
        names.insert(0, x509.NameAttribute(NameOID.USER_ID, topic))
    public = load(key).public_key()
    signer = load(curve_key("authority")).public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage(ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def signed(made: x509.CertificateBuilder) -> str:
    return made.sign(load(curve_key("authority")), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
