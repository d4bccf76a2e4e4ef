"""Pushes to Apple devices, over TLS to a push service that answers as Apple's does."""

import asyncio
import logging
import ssl
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import jwt
import pytest

from hubbub.delivery.push import apns, payload
from hubbub.delivery.push.model import ADDED, BADGE, NEW_MESSAGE
from hubbub.delivery.push.verdict import Meaning, PushService, Verdict
from tests.push import keys
from tests.push.peer import DROPPING, SILENT, Reply
from tests.push.stage import (
    CHANNEL_SID,
    DAY,
    DEVICE,
    MINUTE,
    Apple,
    Clock,
    apple,
    certificate,
    opened,
    parcel,
    said,
    token_key,
)

BAD, GONE, REFUSED, AGAIN = Meaning.BAD_CREDENTIAL, Meaning.GONE, Meaning.REFUSED, Meaning.AGAIN
MANY = 500

VERDICTS = [
    (400, "BadDeviceToken", REFUSED),
    (400, "DeviceTokenNotForTopic", REFUSED),
    (400, "BadCollapseId", REFUSED),
    (400, "PayloadEmpty", REFUSED),
    (400, "TopicDisallowed", BAD),
    (400, "BadTopic", BAD),
    (400, "MissingTopic", BAD),
    (400, "IdleTimeout", AGAIN),
    (403, "BadCertificate", BAD),
    (403, "BadCertificateEnvironment", BAD),
    (403, "ExpiredProviderToken", BAD),
    (403, "Forbidden", BAD),
    (403, "InvalidProviderToken", BAD),
    (403, "MissingProviderToken", BAD),
    (403, "UnrelatedKeyIdInToken", BAD),
    (403, "BadEnvironmentKeyIdInToken", BAD),
    (403, "BadEnvironmentKeyInToken", BAD),
    (403, "ANewWord", BAD),
    (404, "BadPath", REFUSED),
    (405, "MethodNotAllowed", REFUSED),
    (410, "Unregistered", GONE),
    (410, "ExpiredToken", GONE),
    (413, "PayloadTooLarge", REFUSED),
    (429, "TooManyRequests", AGAIN),
    (429, "TooManyProviderTokenUpdates", AGAIN),
    (429, "ANewWord", AGAIN),
    (500, "InternalServerError", AGAIN),
    (503, "ServiceUnavailable", AGAIN),
    (503, "Shutdown", AGAIN),
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Apple]:
    with apple(tmp_path) as it:
        yield it


@pytest.fixture
async def service(there: Apple, clock: Clock, tmp_path: Path) -> AsyncIterator[PushService]:
    """With a token key."""
    async with opened("apn", token_key(), clock, tmp_path, apns_url=there.listener.url) as it:
        yield it


def claims_of(token: str) -> dict[str, Any]:
    """Of a token that its key has signed, whatever the time."""
    public_key = keys.load(token_key()["private_key"]).public_key()
    options: Any = {"verify_iat": False}
    claims: dict[str, Any] = jwt.decode(token, public_key, ["ES256"], options=options)
    return claims


async def send_many(service: PushService) -> list[Verdict]:
    return await asyncio.gather(*(service.send(parcel()) for _ in range(MANY)))


# What is sent.


@pytest.mark.parametrize("kind", [NEW_MESSAGE, ADDED])
async def test_push_has_the_headers_that_apple_wants(kind: str, service: PushService, there: Apple) -> None:
    """A push is posted to the device's path with all that Apple is to know of it, and with nothing else."""
    sent = parcel(kind, expires=1_700_000_000_999)

    verdict = await service.send(sent)

    [request] = there.listener.requests
    assert verdict == Verdict(Meaning.DELIVERED, 200)
    assert (request.method, request.path) == ("POST", f"/3/device/{DEVICE}")
    assert request.body == payload.apns(sent)
    assert request.headers == {
        "apns-id": "01234567-89ab-cdef-0123-456789abcdef",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": "1700000000",
        "apns-collapse-id": CHANNEL_SID,
        "apns-topic": keys.TOPIC,
        "authorization": f"bearer {there.tokens[0]}",
        "content-length": str(len(request.body)),
    }


async def test_badge_alone_is_an_alert_that_may_wait(service: PushService, there: Apple) -> None:
    """The number on the icon is sent as an alert, too, but Apple may take its time, and only the last one counts."""
    await service.send(parcel(BADGE))

    headers = there.listener.requests[0].headers
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("alert", "5")
    assert headers["apns-collapse-id"] == "badge"


async def test_sandbox_has_an_address_of_its_own(there: Apple, clock: Clock, tmp_path: Path) -> None:
    """What is sent with a credential for the sandbox goes there, and stands behind the path of the setting."""
    urls = {"apns_sandbox_url": f"{there.listener.url}/apple/", "apns_url": "https://127.0.0.1:9"}
    async with opened("apn", token_key(), clock, tmp_path, sandbox=True, **urls) as service:
        verdict = await service.send(parcel())

    assert verdict.meaning is Meaning.DELIVERED
    assert there.listener.requests[0].path == f"/apple/3/device/{DEVICE}"


@pytest.mark.parametrize("address", [None, "", "xyz", "ab cd", "<ab>", "../3/device/ab", "ab/cd", "\u0663"])
async def test_token_that_is_not_hexadecimal_is_not_sent(
    address: str | None, service: PushService, there: Apple
) -> None:
    """What cannot be a device's token never gets into a path."""
    verdict = await service.send(parcel(address=address))

    assert verdict.meaning is REFUSED
    assert "hexadecimal" in (verdict.reason or "")
    assert there.listener.connections == 0


# Certificates.


async def test_certificate_is_shown(clock: Clock, tmp_path: Path) -> None:
    """With a certificate there is no token: the connection tells who sends, and the certificate for which app."""
    with apple(tmp_path, wants_certificate=True) as there:
        async with opened("apn", certificate(), clock, tmp_path, apns_url=there.listener.url) as service:
            verdict = await service.send(parcel())

    [request] = there.listener.requests
    assert verdict.meaning is Meaning.DELIVERED
    assert request.subject == f"Apple Push Services: {keys.TOPIC}"
    assert request.headers["apns-topic"] == keys.TOPIC
    assert "authorization" not in request.headers


async def test_certificate_without_a_topic_leaves_it_to_apple(there: Apple, clock: Clock, tmp_path: Path) -> None:
    """Where the certificate does not say for which app it is, no topic is sent."""
    async with opened("apn", certificate(topic=None), clock, tmp_path, apns_url=there.listener.url) as service:
        await service.send(parcel())

    assert "apns-topic" not in there.listener.requests[0].headers


async def test_certificate_that_expires_meanwhile_is_not_shown(there: Apple, clock: Clock, tmp_path: Path) -> None:
    """From the day that the certificate ends nothing is sent with it, and the reason names the day."""
    async with opened("apn", certificate(), clock, tmp_path, apns_url=there.listener.url) as service:
        before = await service.send(parcel())
        clock.moment += 366 * DAY
        after = await service.send(parcel())

    assert before.meaning is Meaning.DELIVERED
    assert (after.meaning, after.status) == (BAD, None)
    assert (after.reason or "").startswith("The certificate expired on 20")
    assert len(there.listener.requests) == 1


async def test_certificate_that_apple_does_not_accept_is_a_bad_credential(clock: Clock, tmp_path: Path) -> None:
    """The push service ends the handshake: here since its clock knows that the certificate has expired."""
    clock.moment -= DAY * 3 // 2
    with apple(tmp_path, wants_certificate=True) as there:
        async with opened("apn", certificate(days=-1), clock, tmp_path, apns_url=there.listener.url) as service:
            verdict = await service.send(parcel())

    assert verdict.meaning is BAD
    assert "does not accept the certificate" in (verdict.reason or "")


@pytest.mark.parametrize("works", [True, False])
async def test_key_is_on_disk_encrypted_and_for_a_moment(
    works: bool, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of the file that TLS reads the key from, though TLS fail; nobody else could have read it."""
    seen: list[tuple[int, bytes]] = []
    load = ssl.SSLContext.load_cert_chain

    def spy(tls: ssl.SSLContext, path: str, **rest: Any) -> None:
        seen.append((stat.S_IMODE(Path(path).stat().st_mode), Path(path).read_bytes()))
        if not works:
            raise ssl.SSLError(1, "too weak")
        load(tls, path, **rest)

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    async with opened("apn", certificate(), clock, tmp_path, apns_url="https://127.0.0.1:9") as service:
        verdict = await service.send(parcel())

    [(mode, content)] = seen
    assert mode == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in content
    assert list(folder.iterdir()) == []
    assert verdict.meaning is (Meaning.UNREACHABLE if works else BAD)


async def test_keys_that_cannot_be_used_any_more_are_a_bad_credential(clock: Clock, tmp_path: Path) -> None:
    """They were good when they were set: the reason tells what has become of them."""
    async with opened("apn", certificate(days=-1), clock, tmp_path) as service:
        verdict = await service.send(parcel())

    assert verdict.meaning is BAD
    assert "Certificate: it expired on 20" in (verdict.reason or "")
    assert service.busy_seconds == 0


async def test_file_of_authorities_that_is_none_is_told(clock: Clock, tmp_path: Path) -> None:
    """Nothing is sent when the setting's file has no certificates."""
    file = tmp_path / "empty.pem"
    file.write_text("")
    async with opened("apn", token_key(), clock, tmp_path, push_ca_file=str(file)) as service:
        verdict = await service.send(parcel())

    assert verdict.meaning is BAD
    assert "push_ca_file" in (verdict.reason or "")


# Tokens.


async def test_token_says_who_sends(service: PushService, there: Apple, clock: Clock) -> None:
    """The token is signed by the credential's key, and names key, team and time; Apple wants nothing else."""
    await service.send(parcel())

    [token] = there.tokens
    assert claims_of(token) == {"iss": "DEF123GHIJ", "iat": clock.moment // 1000}
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"]) == ("ES256", "ABC123DEFG")


async def test_token_is_signed_once_for_many_pushes(service: PushService, there: Apple, clock: Clock) -> None:
    """Apple takes no new token within twenty minutes, and none that is older than an hour."""
    verdicts = await send_many(service)
    clock.moment += 39 * MINUTE
    await service.send(parcel())
    clock.moment += 2 * MINUTE
    await service.send(parcel())

    *first, last = there.tokens
    assert {verdict.meaning for verdict in verdicts} == {Meaning.DELIVERED}
    assert len(set(first)) == 1
    assert claims_of(last)["iat"] - claims_of(first[0])["iat"] == 41 * 60


async def test_token_from_the_future_is_not_kept(service: PushService, there: Apple, clock: Clock) -> None:
    """A clock that is set back does not leave a token in use that Apple could not take."""
    await service.send(parcel())
    clock.moment -= DAY
    await service.send(parcel())

    assert claims_of(there.tokens[1])["iat"] == clock.moment // 1000


async def test_expired_token_is_replaced_at_once(service: PushService, there: Apple) -> None:
    """The push that is told so is sent again with a new token, which those behind it use as well."""
    there.replies = [said(403, reason="ExpiredProviderToken")]

    verdict = await service.send(parcel())
    await service.send(parcel())

    first, second, third = there.tokens
    assert verdict.meaning is Meaning.DELIVERED
    assert first != second == third


async def test_expired_token_is_replaced_once_for_many(service: PushService, there: Apple) -> None:
    """However many pushes are told so at the same time, there is one new token."""
    there.listener.hold()
    sending = asyncio.create_task(send_many(service))
    await there.listener.until(lambda: len(there.listener.requests) == MANY)
    there.replies = [said(403, reason="ExpiredProviderToken")] * MANY
    there.listener.release()
    verdicts = await sending

    assert {verdict.meaning for verdict in verdicts} == {Meaning.DELIVERED}
    assert len(set(there.tokens)) == 2


async def test_new_token_that_has_expired_is_a_matter_of_the_clock(service: PushService, there: Apple) -> None:
    """There is one repeat: then the reason is the server's clock."""
    there.replies = [said(403, reason="ExpiredProviderToken")] * 2

    verdict = await service.send(parcel())

    assert (verdict.meaning, verdict.status, verdict.answer) == (BAD, 403, "ExpiredProviderToken")
    assert "clock" in (verdict.reason or "")
    assert len(there.tokens) == 2


# What is answered.


@pytest.mark.parametrize(("status", "word", "meaning"), VERDICTS, ids=[word for _, word, _ in VERDICTS])
async def test_each_of_apples_words_has_its_meaning(
    status: int, word: str, meaning: Meaning, service: PushService, there: Apple
) -> None:
    """Only 410 removes a binding; what tells of the credential stops the credential, and nothing else does."""
    there.replies = [said(status, reason=word)] * 2

    verdict = await service.send(parcel())

    assert (verdict.meaning, verdict.status, verdict.answer) == (meaning, status, word)
    assert (verdict.reason or "").endswith(".")
    assert verdict.retry_after == 0


def test_every_word_is_tried() -> None:
    """No word is in the table that no test has heard."""
    assert set(apns.WORDS) <= {word for _, word, _ in VERDICTS}


@pytest.mark.parametrize(("status", "meaning"), [(400, REFUSED), (403, BAD), (410, GONE), (429, AGAIN), (502, AGAIN)])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"reason":null}', b'{"reason":""}', b"\xff", b'"\xff"'])
async def test_status_counts_where_there_is_no_word(
    status: int, meaning: Meaning, body: bytes, service: PushService, there: Apple
) -> None:
    """An answer that is not Apple's JSON, as a proxy may give it, is taken by its status."""
    there.replies = [Reply(status, body=body)]

    verdict = await service.send(parcel())

    assert (verdict.meaning, verdict.status, verdict.answer) == (meaning, status, None)


async def test_long_word_is_cut(service: PushService, there: Apple) -> None:
    """What is kept of an answer is short."""
    there.replies = [said(400, reason="x" * 1000)]

    assert (await service.send(parcel())).answer == "x" * 64


@pytest.mark.parametrize(
    ("asked", "gap"),
    [
        (lambda _: "30", 30_000),
        (lambda moment: formatdate(moment // 1000 + 90, usegmt=True), 90_000),
        (lambda _: "soon", 0),
    ],
    ids=["seconds", "date", "neither"],
)
async def test_retry_after_is_heeded(
    asked: Callable[[int], str], gap: int, service: PushService, there: Apple, clock: Clock
) -> None:
    """Apple may say when to come again."""
    clock.moment -= clock.moment % 1000
    there.replies = [said(503, {"retry-after": asked(clock.moment)}, reason="Shutdown")]

    assert (await service.send(parcel())).retry_after == gap


async def test_no_answer_in_time_is_for_later(
    service: PushService, there: Apple, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that is not answered is tried again; the others are not held up by it."""
    await service.send(parcel())
    monkeypatch.setattr(apns, "SECONDS", 0.2)
    there.replies = [SILENT]

    verdict = await service.send(parcel())

    assert (verdict.meaning, verdict.status) == (AGAIN, None)
    assert (verdict.reason or "").endswith(".")


async def test_lost_connection_is_unreachable(service: PushService, there: Apple) -> None:
    """A push whose connection breaks is not lost, and the next one gets another connection."""
    there.replies = [DROPPING]

    first, second = await service.send(parcel()), await service.send(parcel())

    assert (first.meaning, second.meaning) == (Meaning.UNREACHABLE, Meaning.DELIVERED)


async def test_service_that_is_down_is_unreachable(service: PushService, there: Apple) -> None:
    """No connection comes about: one sentence says where to."""
    there.listener.stop()

    verdict = await service.send(parcel())
    there.listener.start()

    assert (verdict.meaning, verdict.status) == (Meaning.UNREACHABLE, None)
    assert "127.0.0.1" in (verdict.reason or "")


async def test_what_is_under_way_at_the_end_is_not_lost(service: PushService, there: Apple) -> None:
    """A service that is closed gives a verdict on all that it was asked to send."""
    there.listener.hold()
    sending = asyncio.create_task(service.send(parcel()))
    await there.listener.until(lambda: there.listener.requests)

    await service.close()

    assert (await sending).meaning is Meaning.UNREACHABLE


async def test_time_that_it_takes_is_told(service: PushService) -> None:
    """Whoever has other work can see how busy the connections are."""
    before = service.busy_seconds
    await service.send(parcel())

    assert 0 == before < service.busy_seconds


async def test_nothing_secret_is_told(
    service: PushService, there: Apple, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No log, reason or answer holds a key, a token or a device's address."""
    caplog.set_level(logging.DEBUG)
    verdicts = []
    for status, word, _ in VERDICTS:
        there.replies = [said(status, reason=word)]
        verdicts.append(await service.send(parcel()))
    there.replies = [DROPPING]
    verdicts.append(await service.send(parcel()))
    broken = token_key() | {"private_key": token_key()["private_key"].replace("A", "B")}
    async with opened("apn", broken, clock, tmp_path) as unusable:
        verdicts.append(await unusable.send(parcel()))

    told = caplog.text + "".join(f"{verdict}" for verdict in verdicts)
    lines = [line for line in (token_key()["private_key"] + broken["private_key"]).splitlines() if "-" not in line]
    assert verdicts[-1].meaning is BAD
    assert [secret for secret in (DEVICE, *lines, *there.tokens) if secret in told] == []
