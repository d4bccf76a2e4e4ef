"""The operator's view: deliveries are listed, shown, replayed and dropped, and counted for Prometheus."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hubbub import cli
from hubbub.delivery.model import STATES
from tests.api.steps import NOBODY, Json, Like, at, create_channel, create_service, delete, eventually
from tests.delivery.receiver import HANGING, OK, Hook, Receiver, Reply
from tests.delivery.steps import ASKED, command, deliveries, listen, listen_to, send, settled, states, told
from tests.harness import Server

BLOCKED = "http://10.0.0.1/hook"
DATE = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass
class Scene:
    """A service with a delivery in each state, and another one with one."""

    server: Server
    one: Json
    two: Json
    sids: dict[str, str] = field(default_factory=dict)  # of the deliveries, by state; that of `two` is "other"

    def names(self, *arguments: str) -> list[str]:
        """What is listed, in order."""
        names = {sid: name for name, sid in self.sids.items()}
        return [names[each["sid"]] for each in command(self.server, "deliveries", "list", *arguments)]


def wait_for_last(server: Server, service: Json, state: str) -> None:
    assert eventually(lambda: states(server, service)[-1] == state)


@pytest.fixture(scope="module")
def scene(server: Server, client: httpx.Client, receiver: Receiver) -> Iterator[Scene]:
    """Deliveries that no test changes."""
    silent = receiver.hook(HANGING)
    made = Scene(server, create_service(client), create_service(client))
    hooks = {
        "delivered": receiver.hook().url,
        "refused": receiver.hook(Reply(404)).url,
        "dead": BLOCKED,
        "retrying": receiver.hook(Reply(500)).url,
        "waiting": silent.url,
    }
    for state, url in hooks.items():
        channel = create_channel(client, made.one)
        listen_to(client, channel, silent, "onMessageSent", Url=url, RetryCount="3")
        send(client, channel, state)
        wait_for_last(server, made.one, state)
        made.sids[state] = deliveries(server, "--service", made.one["sid"])[-1]["sid"]
    listen(client, made.two, receiver.hook(Reply(410)), "onChannelUpdated")
    channel = create_channel(client, made.two)
    client.post(at(channel), data={"FriendlyName": "x"}, headers=ASKED).raise_for_status()
    made.sids["other"] = settled(server, made.two, "refused")["sid"]
    yield made
    silent.release()


def complains(server: Server, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence with which the command ends, with exit code 1."""
    code = cli.main([*arguments, f"--database={server.database}", f"--data-dir={server.data_dir}"])
    printed = capsys.readouterr()
    assert (code, printed.out) == (1, "")
    assert printed.err.startswith("hubbub: ")
    assert printed.err.count("\n") == 1
    return printed.err


# list and show.


@pytest.mark.parametrize("state", STATES)
def test_list_filters_by_state(scene: Scene, state: str) -> None:
    """Each of the five."""
    assert scene.names("--service", scene.one["sid"], "--state", state) == [state]


def test_list_filters_by_service_and_event(scene: Scene) -> None:
    """The newest first, as many as the limit says."""
    newest = ["waiting", "retrying", "dead", "refused", "delivered"]
    one, two = scene.one["sid"], scene.two["sid"]

    assert scene.names("--service", one) == newest
    assert scene.names("--service", one, "--limit", "2") == newest[:2]
    assert scene.names("--service", two) == ["other"]
    assert scene.names("--service", one, "--event", "onMessageSent") == newest
    assert scene.names("--service", two, "--event", "onMessageSent") == []
    assert scene.names("--service", two, "--event", "onChannelUpdated", "--state", "refused") == ["other"]
    assert scene.names("--service", "IS" + NOBODY) == []


def test_list_filters_by_age(scene: Scene) -> None:
    """Of the event, in four units: nothing here is an hour old, and everything is older than now."""
    two = scene.two["sid"]

    for age in ("3600s", "60m", "1h", "1d"):
        assert scene.names("--service", two, "--newer", age) == ["other"]
        assert scene.names("--service", two, "--older", age) == []
    assert scene.names("--service", two, "--older", "0s") == ["other"]
    assert scene.names("--service", two, "--newer", "0s") == []
    assert scene.names("--service", two, "--older", "0s", "--newer", "1h") == ["other"]


def test_list_tells_what_became_of_each(scene: Scene) -> None:
    """A line has the answer's status or the reason why there was none."""
    found = {each["state"]: each for each in deliveries(scene.server, "--service", scene.one["sid"])}

    assert {state: each["status"] for state, each in found.items()} == {
        "delivered": 200,
        "refused": 404,
        "dead": None,
        "retrying": 500,
        "waiting": None,
    }
    assert {state for state, each in found.items() if each["error"]} == {"dead"}
    assert {each["attempts"] for state, each in found.items() if state != "waiting"} == {1}


def test_show_tells_all(scene: Scene) -> None:
    """As a whole, with the parameters that were or will be sent."""
    shown = command(scene.server, "deliveries", "show", scene.sids["other"])

    [listed] = deliveries(scene.server, "--service", scene.two["sid"])
    assert {name: shown[name] for name in listed} == listed
    assert shown["parameters"]["EventType"] == "onChannelUpdated"
    assert shown["hook"] == shown["service_sid"] == scene.two["sid"]
    assert shown["subject"] == shown["parameters"]["ChannelSid"]
    assert (shown["revision"], shown["method"], shown["retry_count"], shown["due"]) == (1, "POST", 0, None)
    assert all(shown[name] == DATE for name in ("date_created", "date_updated", "expires"))


def test_commands_print_for_people_and_for_programs(scene: Scene) -> None:
    """From outside: a line per delivery, or JSON."""
    arguments = ("deliveries", "list", "--service", scene.two["sid"])
    lines, program = scene.server.run(*arguments), scene.server.run(*arguments, "--json")
    shown = scene.server.run("deliveries", "show", scene.sids["other"])

    assert (lines.returncode, program.returncode, shown.returncode) == (0, 0, 0)
    assert lines.stdout.startswith(f"{scene.sids['other']}  refused  onChannelUpdated")
    assert lines.stdout.count("\n") == 1
    assert json.loads(program.stdout)[0]["sid"] == scene.sids["other"]
    assert shown.stdout.startswith(f"sid: {scene.sids['other']}  state: refused  ")


BAD = {
    "state": ("--state", "lost"),
    "age without unit": ("--older", "15"),
    "unknown unit": ("--newer", "3w"),
    "no number": ("--older", "soon"),
    "less than nothing": ("--older=-5s",),
    "empty": ("--older", ""),
    "before all time": ("--older", "9" * 30 + "d"),
}


@pytest.mark.parametrize(
    ("verb", "name"),
    [*(("list", name) for name in BAD), ("replay", "state"), ("drop", "state"), ("drop", "unknown unit")],
)
def test_bad_filter_is_named(server: Server, capsys: pytest.CaptureFixture[str], verb: str, name: str) -> None:
    """With exit code 1; nothing is replayed or dropped."""
    option = BAD[name][0].partition("=")[0]

    assert option in complains(server, capsys, "deliveries", verb, *BAD[name])


@pytest.mark.parametrize("limit", ["-1", "0", "9" * 30])
def test_bad_limit_is_named(server: Server, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    """A list has at least one line."""
    assert "--limit" in complains(server, capsys, "deliveries", "list", f"--limit={limit}")


def test_unknown_delivery_is_not_found(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """To replay or drop one is to replay or drop none."""
    unknown = "DL" + NOBODY

    assert "not found" in complains(server, capsys, "deliveries", "show", unknown)
    assert command(server, "deliveries", "replay", unknown) == {"replayed": 0}
    assert command(server, "deliveries", "drop", unknown) == {"dropped": 0}


# replay.


def fail(client: httpx.Client, server: Server, service: Json, hook: Hook, *bodies: str) -> list[Json]:
    """Messages whose deliveries are refused."""
    listen(client, service, hook, "onMessageSent")
    channel = create_channel(client, service)
    for body in bodies:
        send(client, channel, body)
    assert eventually(lambda: states(server, service) == ["refused"] * len(bodies))
    return deliveries(server, "--service", service["sid"])


def test_delivered_webhook_is_sent_again_when_it_is_named(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """Under the same id, so that the receiver can tell; the filter alone would not choose it."""
    hook = receiver.hook()
    listen(client, service, hook, "onMessageSent")
    send(client, create_channel(client, service), "one")
    shown = settled(server, service, "delivered")

    assert command(server, "deliveries", "replay", "--service", service["sid"]) == {"replayed": 0}
    assert command(server, "deliveries", "replay", shown["sid"]) == {"replayed": 1}

    assert told(hook.wait(2)) == [("one", 0), ("one", 1)]
    assert {request.id for request in hook.requests} == {shown["sid"]}
    assert hook.requests[0].headers["hubbub-revision"] == hook.requests[1].headers["hubbub-revision"]
    settled(server, service, "delivered", attempts=2)


def test_replay_sends_what_its_filter_finds(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """Of the service, the event, the state and the age; a single one by its name."""
    hook = receiver.hook(*[Reply(404)] * 3, OK)
    first, *_ = fail(client, server, service, hook, "one", "two", "three")
    of_service = ("deliveries", "replay", "--service", service["sid"])

    assert command(server, *of_service, "--event", "onChannelAdded") == {"replayed": 0}
    assert command(server, *of_service, "--older", "1h") == {"replayed": 0}
    assert command(server, *of_service, "--state", "dead") == {"replayed": 0}
    assert command(server, *of_service, first["sid"]) == {"replayed": 1}
    assert told(hook.wait(4))[3:] == [("one", 1)]
    assert eventually(lambda: states(server, service) == ["delivered", "refused", "refused"])
    assert command(server, *of_service, "--newer", "1h") == {"replayed": 2}

    assert sorted(told(hook.wait(6))[4:]) == [("three", 1), ("two", 1)]
    assert eventually(lambda: states(server, service) == ["delivered"] * 3)


def test_what_waits_for_its_first_try_cannot_be_replayed(scene: Scene) -> None:
    """It comes anyway."""
    assert command(scene.server, "deliveries", "replay", scene.sids["waiting"]) == {"replayed": 0}


# drop.


def test_drop_removes_what_its_filter_finds(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """Of the service, the event, the state and the age; a single one by its name."""
    first, *_ = fail(client, server, service, receiver.hook(Reply(404)), "one", "two", "three")
    of_service = ("deliveries", "drop", "--service", service["sid"])

    assert command(server, *of_service, "--event", "onChannelAdded") == {"dropped": 0}
    assert command(server, *of_service, "--older", "1h") == {"dropped": 0}
    assert command(server, *of_service, "--state", "dead") == {"dropped": 0}
    assert command(server, "deliveries", "drop", first["sid"]) == {"dropped": 1}
    assert [each["sid"] == first["sid"] for each in deliveries(server, "--service", service["sid"])] == [False] * 2
    assert command(server, *of_service, "--state", "refused", "--newer", "1h") == {"dropped": 2}

    assert deliveries(server, "--service", service["sid"]) == []


def test_drop_without_filter_wants_to_be_told_so(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody empties the table by a slip."""
    assert "--all" in complains(server, capsys, "deliveries", "drop")


def test_dropped_retry_is_not_sent(client: httpx.Client, server: Server, service: Json, receiver: Receiver) -> None:
    """Its event is forgotten; others of its channel go on."""
    hook = receiver.hook(Reply(500), OK)
    listen(client, service, hook, "onMessageSent")
    channel = create_channel(client, service)
    send(client, channel, "one")
    shown = settled(server, service, "retrying")

    assert command(server, "deliveries", "drop", shown["sid"]) == {"dropped": 1}
    assert command(server, "deliveries", "replay", shown["sid"]) == {"replayed": 0}
    send(client, channel, "two")

    assert told(hook.wait(2)) == [("one", 0), ("two", 0)]


# Metrics.


def metrics(server: Server) -> dict[str, float]:
    """The samples about webhooks; those with a state under its name."""
    answer = httpx.get(f"{server.url}/metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.labels.get("state", sample.name): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if "le" not in sample.labels and not sample.name.endswith("_created")
    }


def test_metrics_count_what_became_of_webhooks_and_how_long_they_took(new_server: Server, receiver: Receiver) -> None:
    """The age of the oldest one that waits grows with a receiver that hangs, and falls when it answers."""
    hooks = {"delivered": receiver.hook(), "refused": receiver.hook(Reply(404)), "retrying": receiver.hook(Reply(500))}
    silent = receiver.hook(HANGING)
    new_server.settings["HUBBUB_WEBHOOK_ALLOW"] = "127.0.0.1"
    new_server.start()
    zero = {"delivered", "refused", "retrying", "dead", "hubbub_webhook_oldest_waiting_seconds"}
    begun = metrics(new_server)
    assert {name: begun[name] for name in zero} == dict.fromkeys(zero, 0)
    with new_server.client() as client:
        service = create_service(client)
        for hook in [*hooks.values(), silent]:
            channel = create_channel(client, service)
            listen_to(client, channel, hook, "onMessageSent")
            send(client, channel)
        listen_to(client, channel, receiver.hook(), "onMessageSent", Url=BLOCKED)
        send(client, channel)

        oldest = "hubbub_webhook_oldest_waiting_seconds"
        assert eventually(lambda: metrics(new_server)[oldest] > 0.5)
        age = metrics(new_server)[oldest]
        assert eventually(lambda: metrics(new_server)[oldest] > age + 0.3)
        silent.release()
        assert eventually(lambda: metrics(new_server)["delivered"] == 3)
        assert eventually(lambda: metrics(new_server)[oldest] == 0)

    counted = metrics(new_server)
    assert {state: counted[state] for state in (*hooks, "dead")} == {
        "delivered": 3,
        "refused": 1,
        "retrying": 1,
        "dead": 1,
    }
    assert counted["hubbub_webhook_seconds_count"] == 3
    assert 0.5 < counted["hubbub_webhook_seconds_sum"] < 20
    assert command(new_server, "deliveries", "drop", "--all") == {"dropped": 6}
    assert deliveries(new_server) == []


def test_delivery_outlives_its_service(client: httpx.Client, server: Server, receiver: Receiver) -> None:
    """It is kept and visible; a replay goes where it went at the event."""
    hook = receiver.hook(Reply(404), OK)
    service = create_service(client)
    [kept] = fail(client, server, service, hook, "one")
    delete(client, service)

    assert command(server, "deliveries", "replay", kept["sid"]) == {"replayed": 1}

    assert told(hook.wait(2)) == [("one", 0), ("one", 1)]
    settled(server, service, "delivered", attempts=2)


def test_dropped_webhook_that_waits_behind_a_slow_one_is_not_sent(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """The one under way cannot be called back; what stands behind it is dropped for good."""
    hook = receiver.hook(HANGING, OK)
    listen(client, service, hook, "onMessageSent", PostWebhookRetryCount="3")
    channel = create_channel(client, service)
    send(client, channel, "one")
    hook.wait(1)
    send(client, channel, "two")
    assert eventually(lambda: states(server, service) == ["waiting", "waiting"])

    dropped = server.run("deliveries", "drop", "--service", service["sid"])  # as an operator does it
    assert dropped.stdout == "dropped: 2\n", dropped.stderr
    hook.release()
    send(client, channel, "three")

    assert told(hook.wait(2)) == [("one", 0), ("three", 0)]
    assert eventually(lambda: states(server, service) == ["delivered"])
