"""Access tokens as a back end makes them with the official library, and as a forger would."""

import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import ChatGrant

from tests.harness import ACCOUNT_SID, Server

CONTENT_TYPE = "twilio-fpa;v=1"


@dataclass(frozen=True)
class Signer:
    """A back end with an API key of its account."""

    account_sid: str
    key_sid: str
    secret: str

    def token(self, identity: str, service_sid: str, *, grant: dict[str, Any] | None = None, **options: Any) -> str:
        """As the official library makes it; options are those of its `AccessToken`."""
        token = AccessToken(self.account_sid, self.key_sid, self.secret, identity=identity, **options)
        token.add_grant(ChatGrant(service_sid=service_sid, **grant or {}))
        return str(token.to_jwt())

    def claims(self, identity: str, service_sid: str, **changed: Any) -> dict[str, Any]:
        """What a token says, by hand; a changed claim that is None is left out."""
        now = int(time.time())
        usual: dict[str, Any] = {
            "jti": f"{self.key_sid}-{now}",
            "iss": self.key_sid,
            "sub": self.account_sid,
            "exp": now + 3600,
            "grants": {"identity": identity, "chat": {"service_sid": service_sid}},
        }
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def sign(self, claims: Any, algorithm: str = "HS256", key: Any = None, **header: Any) -> str:
        """Sign whatever it is; a header that is None is left out."""
        headers = {name: value for name, value in ({"cty": CONTENT_TYPE} | header).items() if value is not None}
        return jwt.PyJWS().encode(json.dumps(claims).encode(), key or self.secret, algorithm, headers)


def new_signer(server: Server, account_sid: str = ACCOUNT_SID) -> Signer:
    """A new API key of the account."""
    done = server.run("keys", "create", "--account", account_sid, "--json")
    assert done.returncode == 0, done.stderr
    key = json.loads(done.stdout)
    return Signer(account_sid, key["sid"], key["secret"])
