"""What becomes of a webhook that fails: fast retries, patient ones, the last word, and how it is told apart."""

import datetime as dt
from collections.abc import Callable
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubbub.delivery import schedule
from hubbub.delivery.model import DEAD, DELIVERED, REFUSED, RETRYING, WAITING, Delivery
from hubbub.delivery.outcome import Answer, Blocked, Result, TimedOut, Unreachable
from tests.api.steps import Json, create_channel, create_service, delete, eventually, update
from tests.delivery.receiver import CLOSING, HANGING, OK, Hook, Receiver, Reply, receiving
from tests.delivery.steps import command, deliveries, listen, listen_to, send, settled, states, told
from tests.harness import Server, free_port

HOUR = 3_600_000
DAYS = 24 * HOUR
MOMENT = 1_800_000_000_000
UNAVAILABLE = Reply(503)


@pytest.fixture
def channel(client: httpx.Client, service: Json) -> Json:
    return create_channel(client, service)


def date(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


# Fast retries.


@pytest.mark.parametrize("status", [429, 503, 504])
@pytest.mark.parametrize("kind", ["service", "channel"])
def test_busy_receiver_is_asked_again_at_once(
    client: httpx.Client, service: Json, channel: Json, receiver: Receiver, status: int, kind: str
) -> None:
    """As many times as the service or the channel webhook is configured with, counted, under one id."""
    hook = receiver.hook(Reply(status), OK)
    if kind == "service":
        listen(client, service, hook, "onMessageSent", PostWebhookRetryCount="1")
    else:
        listen_to(client, channel, hook, "onMessageSent", RetryCount="1")

    send(client, channel, "one")
    send(client, channel, "two")

    came = hook.wait(3)
    assert told(came) == [("one", 0), ("one", 1), ("two", 0)]
    assert came[0].id == came[1].id != came[2].id
    assert came[0].headers["hubbub-revision"] == came[1].headers["hubbub-revision"]
    assert all(request.is_ours() for request in came)


@pytest.mark.parametrize("retries", [0, 3])
def test_fast_retries_end_where_they_are_configured_to(
    client: httpx.Client, server: Server, service: Json, channel: Json, receiver: Receiver, retries: int
) -> None:
    """Then patient ones follow, and what comes next in the channel is no longer held back."""
    hook = receiver.hook(*[UNAVAILABLE] * (retries + 1), OK)
    listen(client, service, hook, "onMessageSent", PostWebhookRetryCount=str(retries))

    send(client, channel, "one")
    send(client, channel, "two")

    came = hook.wait(retries + 2)
    assert told(came) == [*(("one", n) for n in range(retries + 1)), ("two", 0)]
    assert came[-1].moment - came[0].moment < 1 + retries
    assert eventually(lambda: states(server, service) == [RETRYING, DELIVERED])
    assert deliveries(server, "--service", service["sid"])[0]["attempts"] == retries + 1


def test_connection_closed_without_an_answer_is_tried_again(
    client: httpx.Client, server: Server, service: Json, channel: Json
) -> None:
    """As one that was refused."""
    with receiving() as own:
        hook = own.hook(CLOSING, OK)
        listen(client, service, hook, "onMessageSent", PostWebhookRetryCount="1")

        send(client, channel, "one")

        assert told(hook.wait(2)) == [("one", 0), ("one", 1)]
        settled(server, service, DELIVERED, attempts=2)


@pytest.mark.parametrize("status", [408, 500, 502, 599])
def test_other_fault_of_the_receiver_waits_for_a_patient_retry(
    client: httpx.Client, server: Server, service: Json, channel: Json, receiver: Receiver, status: int
) -> None:
    """It is not asked again at once, whatever is configured, and the next event of the channel passes it."""
    hook = receiver.hook(Reply(status), OK)
    listen(client, service, hook, "onMessageSent", PostWebhookRetryCount="3")

    send(client, channel, "one")
    send(client, channel, "two")

    assert told(hook.wait(2)) == [("one", 0), ("two", 0)]
    assert eventually(lambda: states(server, service) == [RETRYING, DELIVERED])
    assert deliveries(server, "--service", service["sid"])[0]["status"] == status


@pytest.mark.parametrize("status", [400, 404, 410, 301, 302, 307])
def test_any_other_answer_is_the_last_word(
    client: httpx.Client, server: Server, service: Json, channel: Json, receiver: Receiver, status: int
) -> None:
    """The delivery ends at once, kept and visible; a redirect is not followed."""
    elsewhere = receiver.hook()
    hook = receiver.hook(Reply(status, (("Location", elsewhere.url),)), OK)
    listen(client, service, hook, "onMessageSent", PostWebhookRetryCount="3")

    sent = send(client, channel, "one")

    shown = settled(server, service, REFUSED)
    assert (shown["status"], shown["url"], shown["due"]) == (status, hook.url, None)
    assert shown["parameters"]["MessageSid"] == sent["sid"]
    send(client, channel, "two")
    assert told(hook.wait(2)) == [("one", 0), ("two", 0)]
    assert elsewhere.requests == []


def test_refused_connection_is_tried_again_and_arrives_when_somebody_listens(
    client: httpx.Client, server: Server, service: Json, channel: Json
) -> None:
    """Fast, then patiently; the delivery says why."""
    port = free_port()
    form = {"PostWebhookUrl": f"http://127.0.0.1:{port}/hook", "PostWebhookRetryCount": "1"}
    update(client, service, WebhookFilters="onMessageSent", **form)

    send(client, channel, "one")

    shown = settled(server, service, RETRYING, attempts=2)
    assert shown["status"] is None
    assert f"127.0.0.1 port {port}" in shown["error"]
    with receiving(port) as late:
        hook = late.hook(path="/hook")
        assert command(server, "deliveries", "replay", shown["sid"]) == {"replayed": 1}
        [request] = hook.wait(1)
        assert (request.id, request.retry) == (shown["sid"], 2)
        arrived = settled(server, service, DELIVERED, attempts=3)
    assert (arrived["status"], arrived["error"]) == (200, None)


def test_silent_receiver_has_five_seconds(
    client: httpx.Client, server: Server, service: Json, channel: Json, receiver: Receiver
) -> None:
    """Then it is asked again, fast or patiently; neither it nor its channel's next event holds up anyone else."""
    fast, patient, other = receiver.hook(HANGING, OK), receiver.hook(HANGING, OK), receiver.hook()
    listen(client, service, other, "onMessageSent")
    listen_to(client, channel, fast, "onMessageSent", RetryCount="1")
    listener = listen_to(client, channel, patient, "onMessageSent")

    send(client, channel, "one")
    send(client, channel, "two")

    for hook in (other, fast, patient):
        first = hook.wait(1)[0]
        assert first.moment - other.requests[0].moment < 1
    assert told(other.wait(2, 2)) == [("one", 0), ("two", 0)]
    assert told(fast.wait(3)) == [("one", 0), ("one", 1), ("two", 0)]
    assert told(patient.wait(2)) == [("one", 0), ("two", 0)]
    for hook in (fast, patient):
        assert 4.5 < hook.requests[1].moment - hook.requests[0].moment < 7
    assert eventually(lambda: sorted(states(server, service)) == [DELIVERED] * 5 + [RETRYING])
    [late] = deliveries(server, "--service", service["sid"], "--state", RETRYING)
    assert (late["hook"], late["status"], late["attempts"]) == (listener["sid"], None, 1)
    assert "time" in late["error"]


# Patient retries.


def failed(client: httpx.Client, server: Server, service: Json, channel: Json, hook: Hook) -> Json:
    """A delivery that waits for its first patient retry."""
    listen(client, service, hook, "onMessageSent")
    send(client, channel, "one")
    return settled(server, service, RETRYING)


def test_first_patient_retry_is_due_in_seconds_and_the_last_within_72_hours(
    client: httpx.Client, server: Server, service: Json, channel: Json, receiver: Receiver
) -> None:
    """As the table of gaps says, with a quarter more or less."""
    shown = failed(client, server, service, channel, receiver.hook(Reply(500)))

    gap = date(shown["due"]) - date(shown["date_updated"])
    assert dt.timedelta(seconds=7.5) <= gap <= dt.timedelta(seconds=12.5)
    assert date(shown["expires"]) - date(shown["date_created"]) == dt.timedelta(hours=72)


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("written", [lambda _: "3600", format_datetime], ids=["seconds", "date"])
def test_retry_after_is_honoured(
    client: httpx.Client,
    server: Server,
    service: Json,
    channel: Json,
    receiver: Receiver,
    status: int,
    written: Callable[[dt.datetime], str],
) -> None:
    """In seconds and as a date."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    hook = receiver.hook(Reply(status, (("Retry-After", written(later)),)))

    shown = failed(client, server, service, channel, hook)

    assert abs(date(shown["due"]) - later) < dt.timedelta(seconds=10)


def test_due_retry_goes_where_its_hook_points_now(client: httpx.Client, server: Server, receiver: Receiver) -> None:
    """To the mended URL of the service or the channel webhook; one that is gone, with its channel, where it pointed."""
    broken = receiver.hook(Reply(500))
    hooks = {name: receiver.hook() for name in ("service", "webhook", "gone", "off")}
    services = {name: create_service(client) for name in hooks}
    shown = {}
    for name in ("service", "off"):
        channel = create_channel(client, services[name])
        shown[name] = failed(client, server, services[name], channel, broken)
    rooms = {name: create_channel(client, services[name]) for name in ("webhook", "gone")}
    listener = listen_to(client, rooms["webhook"], broken, "onMessageSent")
    listen_to(client, rooms["gone"], receiver.hook(Reply(500), OK, path="/gone"), "onMessageSent")
    for name, room in rooms.items():
        send(client, room, "one")
        shown[name] = settled(server, services[name], RETRYING)

    listen(client, services["service"], hooks["service"], "onMessageSent", WebhookMethod="GET")
    update(client, listener, **{"Configuration.Url": hooks["webhook"].url, "Configuration.Method": "GET"})
    delete(client, rooms["gone"])
    update(client, services["off"], PostWebhookUrl="")
    command(server, "deliveries", "replay", *(each["sid"] for each in shown.values()))

    for name in ("service", "webhook"):
        [request] = hooks[name].wait(1)
        assert (request.method, request.id, request.retry) == ("GET", shown[name]["sid"], 1)
        assert request.is_ours()
        assert request.parameters == shown[name]["parameters"] | {"RetryCount": "1"}
        assert settled(server, services[name], DELIVERED, attempts=2)["url"] == hooks[name].url
    assert settled(server, services["gone"], DELIVERED, attempts=2)["url"].endswith("/gone")
    assert "no URL" in settled(server, services["off"], DEAD, attempts=2)["error"]
    assert len(broken.requests) == 3


def test_without_patient_retries_a_failure_is_given_up_and_kept(new_server: Server, receiver: Receiver) -> None:
    """After the fast ones; a replay gives it one more try."""
    hook = receiver.hook(UNAVAILABLE)
    new_server.settings |= {"HUBBUB_WEBHOOK_ALLOW": "127.0.0.1", "HUBBUB_WEBHOOK_RETRY_HOURS": "0"}
    new_server.start()
    with new_server.client() as client:
        service = create_service(client)
        listen(client, service, hook, "onMessageSent", PostWebhookRetryCount="1")
        send(client, create_channel(client, service), "one")

        assert settled(new_server, service, DEAD, attempts=2)["status"] == 503
        command(new_server, "deliveries", "replay")
        assert settled(new_server, service, DEAD, attempts=3)["status"] == 503

    assert told(hook.wait(3)) == [("one", n) for n in range(3)]


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/hook", "http://169.254.169.254/latest", "http://[::1]/", "http://[::ffff:10.0.0.1]/"]
)
def test_address_that_is_not_public_is_given_up_with_the_setting_that_allows_it(
    client: httpx.Client, server: Server, service: Json, channel: Json, url: str
) -> None:
    """No retry helps; the operator is told what would."""
    update(client, service, PostWebhookUrl=url, WebhookFilters="onMessageSent", PostWebhookRetryCount="3")

    send(client, channel)

    shown = settled(server, service, DEAD)
    assert "HUBBUB_WEBHOOK_ALLOW" in shown["error"]
    assert shown["status"] is None


# The schedule alone.

ANSWERS = st.builds(
    Answer, st.integers(100, 599), st.none(), st.none() | st.text() | st.integers(0).map(str), st.just(b"")
)
FAILURES = st.sampled_from([Blocked("blocked"), Unreachable("x" * 1000), TimedOut("late")])


def delivery(attempts: int = 1, expires: int = MOMENT + 3 * DAYS) -> Delivery:
    words = {"sid": "DL", "account": 1, "service_sid": "IS", "lane": "ISCH", "revision": 1, "event": "onMessageSent"}
    numbers = {"retry_count": 0, "secret_version": 0, "attempts": attempts, "due": 0, "expires": expires}
    rest = {"parameters": "[]", "url": "http://x", "method": "POST", "state": WAITING, "node": 1, "status": None}
    dates = {"error": None, "date_created": MOMENT, "date_updated": MOMENT}
    return Delivery(**words, **numbers, **rest, **dates)  # type: ignore[arg-type]


@given(st.integers(1, 1000))
def test_gaps_grow_are_jittered_and_bounded(attempts: int) -> None:
    """From ten seconds threefold up to six hours, a quarter more or less."""
    gap = schedule.gap(attempts)

    growing = min(10_000 * 3 ** (attempts - 1), 6 * HOUR)
    assert growing * 0.75 - 1 <= gap <= growing * 1.25
    assert len({schedule.gap(attempts) for _ in range(20)}) > 1
    if growing * 3 <= 6 * HOUR:
        assert schedule.gap(attempts + 1) > gap


def test_patience_of_72_hours_has_some_twenty_tries() -> None:
    """The first dozen minutes have five of them."""
    it, moment, dues = delivery(), MOMENT, list[int]()
    while it.state != DEAD:
        schedule.settle(it, TimedOut("late"), moment)
        dues.append(moment - MOMENT)
        moment, it.attempts = it.due, it.attempts + 1

    assert 15 <= len(dues) <= 25
    assert sum(due < 15 * 60_000 for due in dues) == 5
    assert 60 * HOUR < dues[-1] <= 72 * HOUR


@given(ANSWERS | FAILURES, st.integers(1, 40), st.integers(0, 4 * DAYS))
@example(Answer(503, None, "9" * 400, b""), 1, 0)
@example(Answer(503, None, "Wed, 31 Dec 9999 23:59:59 -2359", b""), 1, 0)
@example(Answer(503, None, "²", b""), 1, 0)
@example(Answer(503, None, "-5", b""), 1, 0)
def test_every_result_leads_to_one_state(result: Result, attempts: int, passed: int) -> None:
    """A retry is due in future and before it expires; only failures that may mend have one."""
    it, moment = delivery(attempts), MOMENT + passed

    schedule.settle(it, result, moment)

    assert it.date_updated == moment
    assert it.error is None or 0 < len(it.error) <= 300
    if it.state == RETRYING:
        assert moment < it.due <= it.expires
    status = result.status if isinstance(result, Answer) else None
    assert it.status == status
    mends = isinstance(result, TimedOut | Unreachable) or status in {408, 429} or (status or 0) >= 500
    assert (it.state == DELIVERED) is (status is not None and 200 <= status < 300)
    assert (it.state in {RETRYING, DEAD}) is (mends or isinstance(result, Blocked))
    assert it.state != RETRYING or mends


@given(st.integers(0, 3 * 24 * 3600))
def test_retry_after_never_shortens_a_gap(seconds: int) -> None:
    """It is waited for where it asks for more, and no retry comes after the end of patience."""
    it = delivery(attempts=4)

    schedule.settle(it, Answer(503, None, str(seconds), b""), MOMENT)

    assert it.due - MOMENT >= max(seconds * 1000, 270_000 * 0.75 - 1)
    assert (it.state == DEAD) is (it.due > it.expires)
