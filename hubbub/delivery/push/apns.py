"""Apple's push service with one credential: what is sent, and what each of its answers means."""

import re
import uuid
from collections.abc import Callable

import jwt
import msgspec

from hubbub.dates import iso
from hubbub.delivery import outcome
from hubbub.delivery.outcome import TimedOut, Unreachable
from hubbub.delivery.push import payload
from hubbub.delivery.push.http2 import Answer, CertificateRefused, Peer
from hubbub.delivery.push.model import BADGE, Parcel
from hubbub.delivery.push.verdict import Meaning, Verdict
from hubbub.delivery.schedule import asked_gap
from hubbub.resources.credentials.keys import ApnsCertificate, ApnsToken

SECONDS = 15.0
TOKEN_AGE = 40 * 60_000  # Apple takes none older than an hour, and no new one within 20 minutes
DEVICE_TOKEN = re.compile(r"[0-9A-Fa-f]{1,512}")  # it stands in the path; Apple does not promise its length
WORD_LENGTH = 64

GONE = "Apple says that the device's token is no longer in use: its binding has been removed."
NOT_HEXADECIMAL = (
    "The device's token is not hexadecimal: the app must register what iOS gives it, as hexadecimal digits."
)
TOPIC = "set the credential's Certificate and PrivateKey to those of the app"
KEY = "set the credential's Certificate and PrivateKey to a key that is still in use in Apple's developer account"
SANDBOX = "change the credential's Sandbox; if of few, their app was built for the other of Apple's environments"
ENVIRONMENT = "change its Sandbox, or set its Certificate and PrivateKey to those of the other of Apple's environments"
OURS = "that is a fault of Hubbub's, please report it"
LATER = "it is sent again later"

# What Apple's words mean and what there is to do. Only 410 removes a binding. BadDeviceToken and DeviceTokenNotForTopic
# are said of every device when the credential has the wrong Sandbox or is another app's: such a slip must not cost all
# bindings, which come back only as each app is opened. Twilio's page on BadDeviceToken, too, speaks of the credential.
# https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
# https://www.twilio.com/docs/api/errors/52134
WORDS: dict[str, tuple[Meaning, str]] = {
    "BadDeviceToken": (
        Meaning.REFUSED,
        f"Apple does not know the device's token: if it says so of all devices, {SANDBOX}.",
    ),
    "DeviceTokenNotForTopic": (
        Meaning.REFUSED,
        f"The device's token belongs to another app than the credential: if all of them do, {TOPIC}.",
    ),
    "TopicDisallowed": (Meaning.BAD_CREDENTIAL, f"The credential may not push to its topic: {TOPIC}."),
    "BadTopic": (Meaning.BAD_CREDENTIAL, f"The credential's topic is no bundle ID: {TOPIC}."),
    "MissingTopic": (Meaning.BAD_CREDENTIAL, f"The certificate does not say for which app it is: {TOPIC}."),
    "BadCertificate": (Meaning.BAD_CREDENTIAL, f"Apple does not accept the certificate: {KEY}."),
    "BadCertificateEnvironment": (
        Meaning.BAD_CREDENTIAL,
        f"The certificate is for the other of Apple's environments than the credential's Sandbox says: {ENVIRONMENT}.",
    ),
    "BadEnvironmentKeyIdInToken": (
        Meaning.BAD_CREDENTIAL,
        f"The token key is for the other of Apple's environments than the credential's Sandbox says: {ENVIRONMENT}.",
    ),
    "ExpiredProviderToken": (
        Meaning.BAD_CREDENTIAL,
        "Apple takes a new token for an expired one: set the clock of the machine that Hubbub runs on.",
    ),
    "InvalidProviderToken": (
        Meaning.BAD_CREDENTIAL,
        f"Apple does not accept the token key, its key_id or its team_id: {KEY}.",
    ),
    "UnrelatedKeyIdInToken": (Meaning.BAD_CREDENTIAL, f"The token key's key_id is not one of its team_id: {KEY}."),
    "MissingProviderToken": (Meaning.BAD_CREDENTIAL, f"Apple was shown no certificate that it accepts: {KEY}."),
    "IdleTimeout": (Meaning.AGAIN, f"Apple waited too long for the request: {LATER}."),
    "TooManyRequests": (Meaning.AGAIN, f"Apple has been sent too many pushes for the device: {LATER}."),
    "TooManyProviderTokenUpdates": (
        Meaning.AGAIN,
        f"Apple was shown new tokens of the token key too often: {LATER}; let no other server use the key.",
    ),
    "PayloadTooLarge": (Meaning.REFUSED, f"Apple finds the push too large: {OURS}."),
}
WORDS["BadEnvironmentKeyInToken"] = WORDS["BadEnvironmentKeyIdInToken"]  # as Apple's servers spell it

OK, FORBIDDEN, GONE_FOR_GOOD, SERVER_ERRORS = 200, 403, 410, 500
PASSING = {408, 429}


class Reason(msgspec.Struct):
    """The body of an answer that is not 200."""

    reason: str = ""


decode_reason = msgspec.json.Decoder(Reason).decode


class Apns:
    """A PushService. Its token, if it uses one, is signed once for all that is sent within 40 minutes."""

    def __init__(self, keys: ApnsCertificate | ApnsToken, peer: Peer, prefix: str, clock: Callable[[], int]) -> None:
        """The peer's TLS shows the certificate, if there is one; `prefix` stands before each path."""
        self._keys = keys
        self._peer = peer
        self._prefix = prefix
        self._clock = clock
        self._token: str | None = None
        self._signed = 0

    @property
    def busy_seconds(self) -> float:
        return self._peer.busy_seconds

    async def send(self, parcel: Parcel) -> Verdict:
        if not DEVICE_TOKEN.fullmatch(parcel.address or ""):
            return Verdict(Meaning.REFUSED, reason=NOT_HEXADECIMAL)
        if isinstance(self._keys, ApnsCertificate) and self._clock() >= self._keys.expires:
            reason = f"The certificate expired on {iso(self._keys.expires)[:10]}: {KEY}."
            return Verdict(Meaning.BAD_CREDENTIAL, reason=reason)
        try:
            token = self._access()
            answer = await self._post(parcel, token)
            if token and word_of(answer) == "ExpiredProviderToken":
                if self._token is token:  # of many that are told so at once, the first one signs a new one
                    self._token = None
                answer = await self._post(parcel, self._access())
        except CertificateRefused:
            return Verdict(Meaning.BAD_CREDENTIAL, reason=f"Apple does not accept the certificate: {KEY}.")
        except Unreachable as error:
            return Verdict(Meaning.UNREACHABLE, reason=str(error))
        except TimedOut as error:
            return Verdict(Meaning.AGAIN, reason=str(error))
        return judge(answer, self._clock())

    async def close(self) -> None:
        await self._peer.close()

    async def _post(self, parcel: Parcel, token: str | None) -> Answer:
        headers = [*headers_of(parcel)]
        if self._keys.topic:
            headers.append(("apns-topic", self._keys.topic))
        if token:
            headers.append(("authorization", f"bearer {token}"))
        path = f"{self._prefix}/3/device/{parcel.address}"
        return await self._peer.ask("POST", path, headers, payload.apns(parcel), SECONDS)

    def _access(self) -> str | None:
        """The token to be shown now; None where the certificate is."""
        if not isinstance(self._keys, ApnsToken):
            return None
        moment = self._clock()
        if self._token is None or not 0 <= moment - self._signed < TOKEN_AGE:
            claims = {"iss": self._keys.team_id, "iat": moment // 1000}
            self._token = jwt.encode(claims, self._keys.private_key, "ES256", {"kid": self._keys.key_id})
            self._signed = moment
        return self._token


def headers_of(parcel: Parcel) -> list[tuple[str, str]]:
    """Those that the push itself decides.

    A push for the badge alone is of type alert as well, which is Apple's for all that shows an alert or a badge or
    plays a sound. Type background would be wrong: it wakes the app instead, not more than two or three times an hour,
    and not at all when its user has closed it. But it does not light up the screen, so priority 5 saves power.
    """
    push, is_badge = parcel.push, parcel.notice.kind == BADGE
    return [
        ("apns-id", str(uuid.UUID(push.sid[2:]))),  # the same again after a crash
        ("apns-push-type", "alert"),
        ("apns-priority", "5" if is_badge else "10"),
        ("apns-expiration", str(push.expires // 1000)),
        ("apns-collapse-id", "badge" if is_badge else parcel.notice.channel_sid),
    ]


def word_of(answer: Answer) -> str | None:
    """Apple's own word for what is wrong."""
    try:
        return decode_reason(answer.body).reason[:WORD_LENGTH] or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def judge(answer: Answer, moment: int) -> Verdict:
    if answer.status == OK:
        return Verdict(Meaning.DELIVERED, OK)
    word = word_of(answer)
    meaning, reason = meaning_of(answer.status, word)
    gap = 0
    if meaning is Meaning.AGAIN:
        gap = asked_gap(outcome.Answer(answer.status, None, answer.headers.get("retry-after"), b""), moment)
    return Verdict(meaning, answer.status, word, reason, gap)


def meaning_of(status: int, word: str | None) -> tuple[Meaning, str]:
    if status == GONE_FOR_GOOD:
        return Meaning.GONE, GONE
    if word in WORDS:
        return WORDS[word]
    if status == FORBIDDEN:
        return Meaning.BAD_CREDENTIAL, f"Apple forbids pushes with the credential: {KEY}."
    if status in PASSING or status >= SERVER_ERRORS:
        return Meaning.AGAIN, f"Apple cannot take the push now: {LATER}."
    return Meaning.REFUSED, f"Apple does not take the push as it is: {OURS}."
