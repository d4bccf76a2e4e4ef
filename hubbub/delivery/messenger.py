"""Makes a webhook's request: its parameters in a form or a query string, signed twice, sent once."""

import logging
import time

from hubbub import __version__
from hubbub.delivery import sql
from hubbub.delivery.http import Sender
from hubbub.delivery.model import Target
from hubbub.delivery.outcome import Blocked, Result, TimedOut, Unreachable
from hubbub.delivery.parameters import Pairs, form, query_url, request_url
from hubbub.delivery.signing import secret_bytes, standard_signature, twilio_signature
from hubbub.storage.database import Reader
from hubbub.vault import Vault

log = logging.getLogger("hubbub.delivery")

SECONDS = 5.0  # the contract's: what has not answered by then has not answered
TOKEN_SECONDS = 5.0
MOST_TOKENS = 1000

FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
ALWAYS = [("Accept", "*/*"), ("User-Agent", f"TwilioProxy/1.1 (Hubbub/{__version__})")]


class Messenger:
    """Sends requests on behalf of services. A token rotated meanwhile is known within seconds."""

    def __init__(self, reader: Reader, vault: Vault, sender: Sender) -> None:
        self._reader = reader
        self._vault = vault
        self._sender = sender
        self._tokens: dict[int, tuple[float, str]] = {}  # by account, with when they were read

    async def send(self, target: Target, sid: str, pairs: Pairs, retry: int, revision: int) -> Result:
        """Send the parameters once, as retry number so and so; how that ended.

        Raises ERRORS.UNAVAILABLE, and has sent nothing, while the account's token cannot be read.
        """
        assert target.url is not None
        pairs = [*pairs, ("RetryCount", str(retry))]
        token = await self._token(target.account)
        timestamp = int(time.time())
        if target.method == "GET":
            url, body = query_url(target.url, pairs), b""
            signature = twilio_signature(token, url)
            signed = url.partition("?")[2].encode()
            headers = [*ALWAYS]
        else:
            url, body = request_url(target.url), form(pairs).encode()
            signature = twilio_signature(token, url, pairs)
            signed = body
            headers = [FORM, *ALWAYS]
        secret = secret_bytes(self._vault, target.service_sid, target.secret_version)
        headers += [
            ("X-Twilio-Signature", signature),
            ("webhook-id", sid),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", standard_signature(secret, sid, timestamp, signed)),
            ("hubbub-revision", str(revision)),
        ]
        try:
            return await self._sender.send(target.method, url, headers, body, SECONDS)
        except (Blocked, Unreachable, TimedOut) as error:
            return error
        except Exception as error:
            log.exception("sending %s failed", sid)
            return Unreachable(f"It could not be sent: {error!r}.")

    async def _token(self, account: int) -> str:
        """The account's auth token; empty when the account is gone."""
        known = self._tokens.get(account)
        moment = time.monotonic()
        if known is not None and moment - known[0] < TOKEN_SECONDS:
            return known[1]
        sealed = await sql.auth_token(self._reader, account)
        token = "" if sealed is None else self._vault.decrypt(sealed)
        if len(self._tokens) >= MOST_TOKENS:
            self._tokens.clear()
        self._tokens[account] = (moment, token)
        return token
