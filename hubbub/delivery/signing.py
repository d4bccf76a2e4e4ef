"""How a webhook's receiver can tell that it is ours: Twilio's signature, and that of Standard Webhooks beside it."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache

from hubbub.vault import Vault

SECRET_PREFIX = "whsec_"  # noqa: S105 - how a Standard Webhooks secret begins, not one


def twilio_signature(auth_token: str, url: str, pairs: Iterable[tuple[str, str]] = ()) -> str:
    """The header `X-Twilio-Signature` of a request to exactly this URL; the pairs are those of a POST form.

    Names are sorted by case, a repeated one has its distinct values sorted, and nothing stands between them:
    https://www.twilio.com/docs/usage/security#validating-requests
    """
    signed = url + "".join([name + value for name, value in sorted(set(pairs))])
    return encoded(hmac.digest(auth_token.encode(), signed.encode(), hashlib.sha1))


def standard_signature(secret: bytes, id: str, timestamp: int, body: bytes) -> str:  # noqa: A002 - the header's name
    """The header `webhook-signature` of what is sent under this `webhook-id` and `webhook-timestamp` (in seconds).

    A GET has no body: its query string, all that follows the `?`, is signed in the place of it.
    """
    return "v1," + encoded(hmac.digest(secret, f"{id}.{timestamp}.".encode() + body, hashlib.sha256))


@lru_cache(maxsize=1024)
def secret_bytes(vault: Vault, service_sid: str, version: int) -> bytes:
    """The key of `standard_signature` for a service; each version, from one rotation to the next, has its own."""
    return vault.derive(f"webhooks:{service_sid}:{version}")


def secret_of(vault: Vault, service_sid: str, version: int) -> str:
    """The same as a receiver is told it: `whsec_` and 44 characters."""
    return SECRET_PREFIX + encoded(secret_bytes(vault, service_sid, version))


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
