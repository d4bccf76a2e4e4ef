"""Google's push service with one credential: its access tokens, what is sent, and what each answer means."""

import asyncio
from collections.abc import Callable
from typing import Annotated, NamedTuple
from urllib.parse import urlencode, urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Meta

from hubbub.delivery import outcome
from hubbub.delivery.outcome import TimedOut, Unreachable
from hubbub.delivery.push import payload
from hubbub.delivery.push.http2 import Answer, Peer
from hubbub.delivery.push.model import Parcel
from hubbub.delivery.push.verdict import Meaning, Verdict
from hubbub.delivery.schedule import asked_gap
from hubbub.resources.credentials.keys import ServiceAccount

SECONDS = 15.0
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3600
QUOTA_GAP = 60_000  # Google fills a quota up each minute; it asks for that where it names no time
WORD_LENGTH = 64

GONE = "Google says that the device's token is no longer in use: its binding has been removed."
BAD_TOKEN = "Google says that the device's token cannot be one: its binding has been removed."  # noqa: S105
OURS = "Google does not take the push as it is: that is a fault of Hubbub's, please report it."
LATER = "it is sent again later"
FIELD = "set the credential's Secret (its ApiKey with type gcm)"
NEW_KEY = f"make a new key of the service account and {FIELD} to it"
OTHER_PROJECT = (
    f"The device's token belongs to another Firebase project: if all of them do, {FIELD} to one of that project."
)
NO_IOS_KEY = f"Firebase lacks the key for iOS or web devices: upload it there, under Cloud Messaging; {LATER}."
FORBIDDEN_HERE = (
    "The service account may not send pushes in its project: enable the Firebase Cloud Messaging API there, and give "
    "the account the role Firebase Cloud Messaging API Admin."
)
STOPPED = (
    "Google stopped its legacy server keys in June 2024: "
    f"{FIELD} to the JSON file of a service account of the Firebase project."
)

# What Google's words mean and what there is to do. SENDER_ID_MISMATCH is said of every device when the credential is
# another project's: that must not cost all bindings. THIRD_PARTY_AUTH_ERROR is said of iOS and web devices alone, and
# is mended in Firebase, not in the credential: it must not hold up the others.
# https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
WORDS: dict[str, tuple[Meaning, str]] = {
    "UNREGISTERED": (Meaning.GONE, GONE),
    "SENDER_ID_MISMATCH": (Meaning.REFUSED, OTHER_PROJECT),
    "THIRD_PARTY_AUTH_ERROR": (Meaning.AGAIN, NO_IOS_KEY),
    "INVALID_ARGUMENT": (Meaning.REFUSED, OURS),
    "QUOTA_EXCEEDED": (Meaning.AGAIN, f"Google has been sent too many pushes for the project or the device: {LATER}."),
    "NOT_FOUND": (Meaning.BAD_CREDENTIAL, f"Google does not know the service account's project: {FIELD} to another's."),
}

OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY, SERVER_ERRORS = 200, 401, 403, 404, 429, 500
PASSING = {408, 429}
TURNED_DOWN = {400, 401, 403}  # of the place where tokens are given


class Violation(msgspec.Struct):
    field: str = ""


class Detail(msgspec.Struct):
    """An FcmError has the code, a BadRequest the violations."""

    code: str = msgspec.field(name="errorCode", default="")
    violations: list[Violation] = msgspec.field(name="fieldViolations", default_factory=list)


class Fault(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[Detail] = []

    @property
    def word(self) -> str | None:
        return next((each.code for each in self.details if each.code), self.status)[:WORD_LENGTH] or None

    @property
    def is_of_token(self) -> bool:
        """Whether the device's token is what is invalid: named as the field or, without one, in the sentence."""
        fields = [violation.field for each in self.details for violation in each.violations]
        return "message.token" in fields or (not fields and "registration token" in self.message)


class Refusal(msgspec.Struct):
    """The body of an answer that is not 200."""

    error: Fault = msgspec.field(default_factory=Fault)


class Given(msgspec.Struct):
    """The body of the answer that gives a token."""

    access_token: Annotated[str, Meta(pattern="^[!-~]+$")]  # it stands in a header
    expires_in: int


class TokenRefusal(msgspec.Struct):
    error: str = ""


class Access(NamedTuple):
    token: str
    until: int


class Fcm:
    """A PushService. Its access token is fetched once for all that is sent until shortly before it ends."""

    def __init__(
        self, account: ServiceAccount, peer: Peer, prefix: str, auth_peer: Peer, auth_url: str, clock: Callable[[], int]
    ) -> None:
        """`prefix` stands before the path of a push; `auth_url` is a URL of `auth_peer`."""
        self._account = account
        self._key = load_key(account)
        self._peer = peer
        self._path = f"{prefix}/v1/projects/{account.project_id}/messages:send"
        self._auth_peer = auth_peer
        self._auth_url = auth_url
        self._clock = clock
        self._access: Access | None = None
        self._fetching: asyncio.Task[Access | Verdict] | None = None

    @property
    def busy_seconds(self) -> float:
        return self._peer.busy_seconds + self._auth_peer.busy_seconds

    async def send(self, parcel: Parcel) -> Verdict:
        access = await self._grant()
        if isinstance(access, Verdict):
            return access
        verdict = await self._post(parcel, access)
        if verdict.status != UNAUTHORIZED or verdict.meaning is not Meaning.BAD_CREDENTIAL:
            return verdict
        if self._access is access:  # of many that are told so at once, the first one fetches a new one
            self._access = None
        access = await self._grant()
        return access if isinstance(access, Verdict) else await self._post(parcel, access)

    async def close(self) -> None:
        """What is under way ends as unreachable."""
        await self._auth_peer.close()
        await self._peer.close()
        if self._fetching is not None:
            await self._fetching

    async def _post(self, parcel: Parcel, access: Access) -> Verdict:
        headers = [("authorization", f"Bearer {access.token}"), ("content-type", "application/json")]
        try:
            answer = await self._peer.ask("POST", self._path, headers, payload.fcm(parcel), SECONDS)
        except Unreachable as error:
            return Verdict(Meaning.UNREACHABLE, reason=str(error))
        except TimedOut as error:
            return Verdict(Meaning.AGAIN, reason=str(error))
        return judge(answer, self._clock())

    # Access tokens.

    async def _grant(self) -> Access | Verdict:
        """The token to be shown now, or why there is none; many wait for one fetch."""
        if self._access is not None and self._clock() < self._access.until:
            return self._access
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> Access | Verdict:
        try:
            granted = read_grant(await self._ask_for_token(), self._clock())
        except (Unreachable, TimedOut) as error:
            granted = Verdict(Meaning.UNREACHABLE, reason=str(error))
        finally:
            self._fetching = None
        self._access = granted if isinstance(granted, Access) else None
        return granted

    async def _ask_for_token(self) -> Answer:
        account, seconds = self._account, self._clock() // 1000
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": self._auth_url,
            "iat": seconds,
            "exp": seconds + ASSERTION_SECONDS,
        }
        key_id = {"kid": account.private_key_id} if account.private_key_id else None
        assertion = jwt.encode(claims, self._key, "RS256", key_id)
        body = urlencode({"grant_type": GRANT, "assertion": assertion}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        parts = urlsplit(self._auth_url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return await self._auth_peer.ask("POST", path, headers, body, SECONDS)


def load_key(account: ServiceAccount) -> RSAPrivateKey:
    """Without a check whether it is sound, which was made when it was set: jwt's own check takes 30 ms each time."""
    key = load_pem_private_key(account.private_key.encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


class Legacy:
    """A PushService for a server key of the kind that Google has stopped: it sends nothing."""

    busy_seconds = 0.0

    async def send(self, parcel: Parcel) -> Verdict:  # noqa: ARG002 - whatever it is
        return Verdict(Meaning.BAD_CREDENTIAL, reason=STOPPED)

    async def close(self) -> None:
        pass


def read_grant(answer: Answer, moment: int) -> Access | Verdict:
    """The token is used for nine tenths of its time: six minutes are left of an hour."""
    if answer.status == OK:
        try:
            given = msgspec.json.decode(answer.body, type=Given)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Verdict(Meaning.UNREACHABLE, OK, reason="Google's answer to the request for a token holds none.")
        return Access(given.access_token, moment + given.expires_in * 900)
    try:
        word = msgspec.json.decode(answer.body, type=TokenRefusal).error[:WORD_LENGTH] or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        word = None
    if answer.status in TURNED_DOWN:
        reason = f"Google gives no token for the service account: {NEW_KEY}, and look at the machine's clock."
        return Verdict(Meaning.BAD_CREDENTIAL, answer.status, word, reason)
    reason = f"Google gives no token now, it answers {answer.status}: {LATER}."
    return Verdict(Meaning.UNREACHABLE, answer.status, word, reason)


def judge(answer: Answer, moment: int) -> Verdict:
    if answer.status == OK:
        return Verdict(Meaning.DELIVERED, OK)
    try:
        fault = msgspec.json.decode(answer.body, type=Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        fault = Fault()
    meaning, reason = meaning_of(answer.status, fault)
    gap = 0
    if meaning is Meaning.AGAIN:
        gap = asked_gap(outcome.Answer(answer.status, None, answer.headers.get("retry-after"), b""), moment)
        if answer.status == TOO_MANY and "retry-after" not in answer.headers:
            gap = QUOTA_GAP
    return Verdict(meaning, answer.status, fault.word, reason, gap)


def meaning_of(status: int, fault: Fault) -> tuple[Meaning, str]:
    if fault.word == "INVALID_ARGUMENT" and fault.is_of_token:
        return Meaning.GONE, BAD_TOKEN
    if fault.word in WORDS:
        return WORDS[fault.word]
    if status == UNAUTHORIZED:
        return (
            Meaning.BAD_CREDENTIAL,
            f"Google does not take the token that it gave for the service account: {NEW_KEY}.",
        )
    if status == FORBIDDEN:
        return Meaning.BAD_CREDENTIAL, FORBIDDEN_HERE
    if status in PASSING or status == NOT_FOUND or status >= SERVER_ERRORS:  # 404 as a page: a fault of Google's own
        return Meaning.AGAIN, f"Google cannot take the push now: {LATER}."
    return Meaning.REFUSED, OURS
