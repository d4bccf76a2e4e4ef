"""Pushes through Firebase, over TLS to a push service and a giver of tokens that answer as Google's do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest

from hubbub.delivery.push import fcm, payload
from hubbub.delivery.push.verdict import Meaning, PushService, Verdict
from tests.push import keys
from tests.push.peer import DROPPING, SILENT, Reply
from tests.push.stage import (
    DAY,
    MINUTE,
    PROJECT,
    REGISTRATION,
    Clock,
    Google,
    fcm_error,
    google,
    opened,
    parcel,
    said,
    token_key,
)

BAD, GONE, REFUSED, AGAIN = Meaning.BAD_CREDENTIAL, Meaning.GONE, Meaning.REFUSED, Meaning.AGAIN
UNREACHABLE, DELIVERED = Meaning.UNREACHABLE, Meaning.DELIVERED
MANY = 500
NO_TOKEN = "The registration token is not a valid FCM registration token"

VERDICTS = {
    "token of no device": (fcm_error(404, "NOT_FOUND", "UNREGISTERED"), "UNREGISTERED", GONE),
    "no token, named": (
        fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"),
        "INVALID_ARGUMENT",
        GONE,
    ),
    "no token, told": (
        fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message=NO_TOKEN),
        "INVALID_ARGUMENT",
        GONE,
    ),
    "other field": (
        fcm_error(400, "INVALID_ARGUMENT", field="message.data[0].value", message=NO_TOKEN),
        "INVALID_ARGUMENT",
        REFUSED,
    ),
    "too large": (fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), "INVALID_ARGUMENT", REFUSED),
    "other project": (fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), "SENDER_ID_MISMATCH", REFUSED),
    "no role": (fcm_error(403, "PERMISSION_DENIED"), "PERMISSION_DENIED", BAD),
    "no project": (fcm_error(404, "NOT_FOUND"), "NOT_FOUND", BAD),
    "no iOS key": (fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), "THIRD_PARTY_AUTH_ERROR", AGAIN),
    "internal": (fcm_error(500, "INTERNAL", "INTERNAL"), "INTERNAL", AGAIN),
    "unavailable": (fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), "UNAVAILABLE", AGAIN),
    "new word": (fcm_error(418, "A_NEW_WORD"), "A_NEW_WORD", REFUSED),
    "page 403": (Reply(403, body=b"<html>"), None, BAD),
    "page 404": (Reply(404, body=b"<html>"), None, AGAIN),
    "page 502": (Reply(502, body=b"<html>"), None, AGAIN),
    "nonsense": (Reply(400, body=b'{"error":["\xff"]}'), None, REFUSED),
    "nothing": (Reply(400), None, REFUSED),
}

GRANTS = {
    "revoked": (said(400, error="invalid_grant", error_description="Invalid JWT Signature."), "invalid_grant", BAD),
    "unknown": (said(401, error="invalid_client"), "invalid_client", BAD),
    "forbidden": (said(403, error="access_denied"), "access_denied", BAD),
    "page 403": (Reply(403, body=b"<html>"), None, BAD),
    "wrong address": (Reply(404, body=b"<html>"), None, UNREACHABLE),
    "too many": (said(429, error="slow_down"), "slow_down", UNREACHABLE),
    "down": (Reply(503), None, UNREACHABLE),
    "no JSON": (Reply(200, body=b"\xff"), None, UNREACHABLE),
    "no token": (said(200, token_type="Bearer"), None, UNREACHABLE),
    "no header": (said(200, access_token="a\r\nb", expires_in=3599), None, UNREACHABLE),
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Google]:
    with google(tmp_path) as it:
        yield it


@pytest.fixture
async def service(there: Google, clock: Clock, tmp_path: Path) -> AsyncIterator[PushService]:
    async with opened("fcm", {"secret": keys.service_account(PROJECT)}, clock, tmp_path, **urls(there)) as it:
        yield it


def urls(there: Google) -> dict[str, Any]:
    return {"fcm_url": there.listener.url, "fcm_auth_url": f"{there.listener.url}/token"}


async def send(service: PushService) -> Verdict:
    return await service.send(parcel(address=REGISTRATION))


async def send_many(service: PushService) -> list[Verdict]:
    return await asyncio.gather(*(send(service) for _ in range(MANY)))


# What is sent.


async def test_push_is_posted_to_the_project(service: PushService, there: Google) -> None:
    """A push is posted to the service account's project with a token that Google gave for it."""
    verdict = await send(service)

    [request] = there.pushes
    assert verdict == Verdict(DELIVERED, 200)
    assert (request.method, request.path) == ("POST", f"/v1/projects/{PROJECT}/messages:send")
    assert request.body == payload.fcm(parcel(address=REGISTRATION))
    assert request.headers == {
        "authorization": f"Bearer {there.token}",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
    }


async def test_token_is_asked_for_with_a_signed_assertion(service: PushService, there: Google, clock: Clock) -> None:
    """The assertion says who asks, for what, of whom and until when, and is signed by the service account's key."""
    await send(service)

    [request] = there.token_requests
    form = parse_qs(request.body.decode())
    [assertion] = form.pop("assertion")
    options: Any = {"verify_iat": False}
    claims = jwt.decode(
        assertion, keys.load(keys.rsa_key()).public_key(), ["RS256"], options, audience=f"{there.listener.url}/token"
    )
    seconds = clock.moment // 1000
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form == {"grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"]}
    assert claims == {
        "iss": f"push@{PROJECT}.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": f"{there.listener.url}/token",
        "iat": seconds,
        "exp": seconds + 3600,
    }
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"}


async def test_service_account_may_lack_the_name_of_its_key(there: Google, clock: Clock, tmp_path: Path) -> None:
    """Google finds the key by trying: the assertion has none then."""
    secrets = {"secret": keys.service_account(PROJECT, private_key_id=None)}
    async with opened("fcm", secrets, clock, tmp_path, **urls(there)) as service:
        verdict = await send(service)

    [assertion] = parse_qs(there.token_requests[0].body.decode())["assertion"]
    assert verdict.meaning is DELIVERED
    assert "kid" not in jwt.get_unverified_header(assertion)


async def test_service_account_may_stand_in_a_credential_of_type_gcm(
    there: Google, clock: Clock, tmp_path: Path
) -> None:
    """Apps that are registered as gcm are reached in the only way that there still is."""
    secrets = {"api_key": keys.service_account(PROJECT)}
    async with opened("gcm", secrets, clock, tmp_path, **urls(there)) as service:
        verdict = await send(service)

    assert verdict.meaning is DELIVERED


@pytest.mark.parametrize(("type_", "name"), [("fcm", "secret"), ("gcm", "api_key")])
async def test_legacy_key_is_a_bad_credential(type_: str, name: str, clock: Clock, tmp_path: Path) -> None:
    """The reason says what has become of such keys and what is wanted instead."""
    async with opened(type_, {name: "AAAAbcdefgh:APA91b"}, clock, tmp_path) as service:
        verdict = await send(service)

    assert (verdict.meaning, verdict.status) == (BAD, None)
    assert "legacy server keys" in (verdict.reason or "")
    assert "service account" in (verdict.reason or "")
    assert service.busy_seconds == 0


async def test_paths_of_the_settings_are_kept(there: Google, clock: Clock, tmp_path: Path) -> None:
    """Either address may lie behind a path, and that of tokens may have a query."""
    there.grants = [said(200, access_token="ya29", expires_in=3599)]
    there.replies = [Reply(), Reply()]
    addresses: dict[str, Any] = {
        "fcm_url": f"{there.listener.url}/fcm/",
        "fcm_auth_url": f"{there.listener.url}/auth/token?a=b",
    }
    there.listener.answer = lambda request: (there.grants if "token" in request.path else there.replies).pop(0)
    async with opened("fcm", {"secret": keys.service_account(PROJECT)}, clock, tmp_path, **addresses) as service:
        await send(service)

    paths = [request.path for request in there.listener.requests]
    assert paths == ["/auth/token?a=b", f"/fcm/v1/projects/{PROJECT}/messages:send"]


# Tokens.


async def test_token_is_fetched_once_for_many_pushes(service: PushService, there: Google, clock: Clock) -> None:
    """All that is sent at the same time waits for one token, which is used until some minutes before its end."""
    verdicts = await send_many(service)
    clock.moment += 53 * MINUTE
    await send(service)
    before = len(there.token_requests)
    clock.moment += 2 * MINUTE
    await send(service)

    assert {verdict.meaning for verdict in verdicts} == {DELIVERED}
    assert (before, len(there.token_requests)) == (1, 2)


async def test_token_that_google_does_not_take_is_replaced_once_for_many(service: PushService, there: Google) -> None:
    """However many pushes are told so at the same time, one new token is fetched, and each is sent again with it."""
    await send(service)
    there.given += 1  # the one that it gave before is not the newest any more
    there.listener.hold()
    sending = asyncio.create_task(send_many(service))
    await there.listener.until(lambda: len(there.pushes) == 1 + MANY)
    there.listener.release()
    verdicts = await sending

    assert {verdict.meaning for verdict in verdicts} == {DELIVERED}
    assert (len(there.token_requests), len(there.pushes)) == (2, 1 + 2 * MANY)


async def test_new_token_that_google_does_not_take_is_a_bad_credential(service: PushService, there: Google) -> None:
    """There is one repeat; the next push begins anew."""
    there.replies = [fcm_error(401, "UNAUTHENTICATED")] * 2

    first = await send(service)
    second = await send(service)

    assert (first.meaning, first.status, first.answer) == (BAD, 401, "UNAUTHENTICATED")
    assert second.meaning is DELIVERED
    assert (len(there.token_requests), len(there.pushes)) == (2, 3)


async def test_token_cannot_be_replaced(service: PushService, there: Google) -> None:
    """When Google gives no new one, that is what is told."""
    await send(service)
    there.replies = [fcm_error(401, "UNAUTHENTICATED")]
    there.grants = [said(400, error="invalid_grant")]

    verdict = await send(service)

    assert (verdict.meaning, verdict.answer) == (BAD, "invalid_grant")


@pytest.mark.parametrize(("reply", "word", "meaning"), GRANTS.values(), ids=GRANTS)
async def test_each_way_to_get_no_token_has_its_meaning(
    reply: Reply, word: str | None, meaning: Meaning, service: PushService, there: Google
) -> None:
    """What tells of the key stops the credential; with the rest it is tried again, and nothing is sent meanwhile."""
    there.grants = [reply]

    verdict = await send(service)
    pushes = len(there.pushes)
    after = await send(service)

    assert (verdict.meaning, verdict.status, verdict.answer) == (meaning, reply.status, word)
    assert (verdict.reason or "").endswith(".")
    assert (pushes, len(there.token_requests)) == (0, 2)
    assert after.meaning is DELIVERED


async def test_many_learn_from_one_request_that_there_is_no_token(service: PushService, there: Google) -> None:
    """Those that wait for the same token get the same verdict."""
    there.grants = [said(400, error="invalid_grant")]

    verdicts = await send_many(service)

    assert {verdict.meaning for verdict in verdicts} == {BAD}
    assert len(there.token_requests) == 1


@pytest.mark.parametrize("reply", [SILENT, DROPPING], ids=["silent", "dropping"])
async def test_giver_of_tokens_that_does_not_answer_is_unreachable(
    reply: Reply, service: PushService, there: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be sent without a token: all pushes wait, not this one alone."""
    there.grants = [reply]

    with monkeypatch.context() as patch:
        patch.setattr(fcm, "SECONDS", 0.5)
        first = await send(service)
    second = await send(service)

    assert (first.meaning, second.meaning) == (UNREACHABLE, DELIVERED)


async def test_sender_that_gives_up_takes_no_token_from_others(service: PushService, there: Google) -> None:
    """The request for a token goes on for whoever else waits for it."""
    there.listener.hold()
    one, other = asyncio.create_task(send(service)), asyncio.create_task(send(service))
    await there.listener.until(lambda: there.listener.requests)
    one.cancel()
    there.listener.release()

    assert (await other).meaning is DELIVERED
    assert len(there.token_requests) == 1


# What is answered.


@pytest.mark.parametrize(("reply", "word", "meaning"), VERDICTS.values(), ids=VERDICTS)
async def test_each_of_googles_answers_has_its_meaning(
    reply: Reply, word: str | None, meaning: Meaning, service: PushService, there: Google
) -> None:
    """Only what tells of the device's token removes a binding, and only what tells of the credential stops it."""
    there.replies = [reply]

    verdict = await send(service)

    assert (verdict.meaning, verdict.status, verdict.answer) == (meaning, reply.status, word)
    assert (verdict.reason or "").endswith(".")
    assert (verdict.retry_after, len(there.pushes)) == (0, 1)


def test_every_word_is_tried() -> None:
    """No word is in the table that no test has heard."""
    assert set(fcm.WORDS) <= {word for _, word, _ in VERDICTS.values()} | {"QUOTA_EXCEEDED"}


@pytest.mark.parametrize(
    ("status", "asked", "gap"),
    [(429, "30", 30_000), (429, None, 60_000), (503, "5", 5_000), (503, None, 0), (429, "0", 0), (500, "soon", 0)],
)
async def test_retry_after_is_heeded(
    status: int, asked: str | None, gap: int, service: PushService, there: Google
) -> None:
    """Google says when to come again; a quota is full again after a minute."""
    word = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}[status]
    code = "QUOTA_EXCEEDED" if status == 429 else word
    there.replies = [fcm_error(status, word, code, **({"retry_after": asked} if asked else {}))]

    verdict = await send(service)

    assert (verdict.meaning, verdict.status, verdict.answer, verdict.retry_after) == (AGAIN, status, code, gap)


async def test_retry_after_may_be_a_date(service: PushService, there: Google, clock: Clock) -> None:
    """The gap is that from the server's own time."""
    clock.moment -= clock.moment % 1000
    date = formatdate(clock.moment // 1000 + 90, usegmt=True)
    there.replies = [fcm_error(503, "UNAVAILABLE", retry_after=date)]

    assert (await send(service)).retry_after == 90_000


async def test_no_answer_in_time_is_for_later(
    service: PushService, there: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that is not answered is tried again; the others are not held up by it."""
    await send(service)
    monkeypatch.setattr(fcm, "SECONDS", 0.2)
    there.replies = [SILENT]

    assert (await send(service)).meaning is AGAIN


async def test_lost_connection_is_unreachable(service: PushService, there: Google) -> None:
    """A push whose connection breaks is not lost, and the next one gets another connection."""
    there.replies = [DROPPING]

    first, second = await send(service), await send(service)

    assert (first.meaning, second.meaning) == (UNREACHABLE, DELIVERED)


async def test_service_that_is_down_is_unreachable(service: PushService, there: Google) -> None:
    """No connection comes about: one sentence says where to."""
    there.listener.stop()

    verdict = await send(service)
    there.listener.start()

    assert (verdict.meaning, verdict.status) == (UNREACHABLE, None)
    assert "127.0.0.1" in (verdict.reason or "")


@pytest.mark.parametrize("has_token", [True, False])
async def test_what_is_under_way_at_the_end_is_not_lost(has_token: bool, service: PushService, there: Google) -> None:
    """A service that is closed gives a verdict on all that it was asked to send, also on what waits for a token."""
    if has_token:
        await send(service)
    so_far = len(there.listener.requests)
    there.listener.hold()
    sending = [asyncio.create_task(send(service)) for _ in range(3)]
    await there.listener.until(lambda: len(there.listener.requests) > so_far)

    await service.close()

    assert {verdict.meaning for verdict in await asyncio.gather(*sending)} == {UNREACHABLE}


async def test_time_that_it_takes_is_told(service: PushService) -> None:
    """Whoever has other work can see how busy the connections are."""
    before = service.busy_seconds
    await send(service)

    assert 0 == before < service.busy_seconds


async def test_nothing_secret_is_told(
    service: PushService, there: Google, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No log, reason or answer holds a key, a token or a device's address."""
    caplog.set_level(logging.DEBUG)
    verdicts = []
    for reply in [*(each[0] for each in VERDICTS.values()), DROPPING]:
        there.replies = [reply]
        verdicts.append(await send(service))
    for grant in [each[0] for each in GRANTS.values()]:
        there.grants = [grant]
        clock.moment += DAY
        verdicts.append(await send(service))
    broken = token_key()["private_key"].replace("A", "B")
    secrets = {"secret": keys.service_account(private_key=broken)}
    async with opened("fcm", secrets, clock, tmp_path) as unusable:
        verdicts.append(await send(unusable))

    told = caplog.text + "".join(f"{verdict}" for verdict in verdicts)
    lines = [line for line in (keys.rsa_key() + broken).splitlines() if "-" not in line]
    assertions = [parse_qs(request.body.decode())["assertion"][0] for request in there.token_requests]
    assert verdicts[-1].meaning is BAD
    assert [secret for secret in (REGISTRATION, "ya29", *lines, *assertions) if secret in told] == []
