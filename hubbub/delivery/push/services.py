"""From a credential to the push service that it is for."""

import contextlib
import logging
import os
import secrets as random
import ssl
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hubbub.delivery.push.apns import Apns
from hubbub.delivery.push.fcm import Fcm, Legacy
from hubbub.delivery.push.http2 import Peer
from hubbub.delivery.push.model import Parcel
from hubbub.delivery.push.verdict import Meaning, PushService, Verdict
from hubbub.errors import ChatError
from hubbub.resources.credentials.keys import ApnsCertificate, LegacyKey, read_apns, read_fcm
from hubbub.resources.credentials.model import Credential
from hubbub.settings import Settings

# At DEBUG it tells each header, and so the tokens of devices and credentials.
logging.getLogger("hpack").setLevel(logging.WARNING)


class Unusable:
    """A PushService with keys that nothing can be sent with."""

    busy_seconds = 0.0

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def send(self, parcel: Parcel) -> Verdict:  # noqa: ARG002 - whatever it is
        return Verdict(Meaning.BAD_CREDENTIAL, reason=self._reason)

    async def close(self) -> None:
        pass


def open_service(
    credential: Credential, secrets: dict[str, str], settings: Settings, clock: Callable[[], int]
) -> PushService:
    """The way to the push service that the credential's type and keys are for; connects when something is sent."""
    try:
        if credential.type == "apn":
            return open_apns(credential, secrets, settings, clock)
        return open_fcm(secrets, settings, clock)
    except ChatError as error:  # they were good when they were set
        return Unusable(f"{error.message}. Set the credential's keys anew.")
    except OSError as error:  # ssl.SSLError is one
        return Unusable(f"TLS cannot be set up ({type(error).__name__}): look at the certificate and at push_ca_file.")


def open_apns(
    credential: Credential, secrets: dict[str, str], settings: Settings, clock: Callable[[], int]
) -> PushService:
    keys = read_apns(secrets, clock())
    tls = trust(settings.push_ca_file)
    if isinstance(keys, ApnsCertificate):
        tls = new_trust(settings.push_ca_file)
        show(tls, keys)
    peer, prefix = reach(settings.apns_sandbox_url if credential.sandbox == "True" else settings.apns_url, tls)
    return Apns(keys, peer, prefix, clock)


def open_fcm(secrets: dict[str, str], settings: Settings, clock: Callable[[], int]) -> PushService:
    account = read_fcm(secrets, is_known=True)
    if isinstance(account, LegacyKey):
        return Legacy()
    tls = trust(settings.push_ca_file)
    peer, prefix = reach(settings.fcm_url, tls)
    auth_peer, _ = reach(settings.fcm_auth_url, tls)
    return Fcm(account, peer, prefix, auth_peer, settings.fcm_auth_url, clock)


def reach(url: str, tls: ssl.SSLContext) -> tuple[Peer, str]:
    """The peer of the URL, and its path for others to stand behind."""
    parts = urlsplit(url)
    return Peer(f"{parts.scheme}://{parts.netloc}", tls), parts.path.rstrip("/")


def new_trust(ca_file: str) -> ssl.SSLContext:
    """TLS that trusts what the system trusts, and the authorities of the file. Raises OSError."""
    tls = ssl.create_default_context()
    if ca_file:
        tls.load_verify_locations(ca_file)
    return tls


# Reading all that the system trusts takes longer than sending a hundred pushes: those without a certificate share it.
trust = lru_cache(maxsize=4)(new_trust)


def show(tls: ssl.SSLContext, keys: ApnsCertificate) -> None:
    """Let it show the certificate. Raises ssl.SSLError."""
    passphrase = random.token_hex()
    key = load_pem_private_key(keys.private_key.encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    with written(keys.certificate.encode() + key) as path:
        tls.load_cert_chain(path, password=passphrase)


@contextlib.contextmanager
def written(data: bytes) -> Iterator[str]:
    """A file for as long as the block: the only form in which `ssl` takes a key.

    What a killed process leaves behind is worth nothing: the key in it is encrypted, and the passphrase is nowhere.
    """
    descriptor, path = tempfile.mkstemp(prefix="hubbub-")  # for its owner's eyes only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield path
    finally:
        os.unlink(path)  # noqa: PTH108 - a Path for one line
