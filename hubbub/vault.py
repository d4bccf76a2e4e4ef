"""Secrets at rest: encrypted with a key that the operator holds, so that a copied database gives nothing away."""

import base64
import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hubbub.settings import KEY_BYTES, BadSettings, Settings, decode_key

NONCE_BYTES = 12


class Vault:
    """Encrypts short texts with AES-256-GCM and signs what must come back unchanged."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._signing_key = hmac.digest(key, b"signatures", hashlib.sha256)
        self._deriving_key = hmac.digest(key, b"derivation", hashlib.sha256)
        self.decrypt = lru_cache(maxsize=10_000)(self._decrypt)

    def encrypt(self, text: str) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), None)).decode()

    def _decrypt(self, sealed: str) -> str:
        """Raises BadSettings when the key is not the one that encrypted it."""
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None).decode()
        except InvalidTag as error:
            raise BadSettings(LOST) from error

    def sign(self, text: str) -> str:
        """A signature in hexadecimal."""
        return hmac.digest(self._signing_key, text.encode(), hashlib.sha256).hex()

    def derive(self, purpose: str) -> bytes:
        """32 secret bytes for the purpose, always the same ones; no signature or other purpose gives them away."""
        return hmac.digest(self._deriving_key, purpose.encode(), hashlib.sha256)


LOST = (
    "The encryption key is not the one that this database was made with: "
    "bring back the file encryption.key or set HUBBUB_ENCRYPTION_KEY."
)


def open_vault(settings: Settings, *, may_make: bool) -> Vault:
    """The vault of the operator's key, from the setting or from the data folder, made there on the first start.

    Raises BadSettings when the key cannot be read, or is missing where it may not be made.
    """
    if settings.encryption_key:
        return Vault(decode_key(settings.encryption_key, "HUBBUB_ENCRYPTION_KEY"))
    path = Path(settings.data_dir) / "encryption.key"
    try:
        if not path.exists():
            if not may_make:
                raise BadSettings(LOST)
            make_key(path)
        return Vault(decode_key(path.read_text(), f"The file {path}"))
    except OSError as error:
        raise BadSettings(
            f"The encryption key {path} cannot be read or made ({error.strerror}): "
            "make the folder of HUBBUB_DATA_DIR writable or set HUBBUB_ENCRYPTION_KEY."
        ) from error


def make_key(path: Path) -> None:
    """Write a new key that only its owner may read; whole or not at all, also when two processes try."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        partial.unlink()
