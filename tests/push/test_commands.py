"""The operator's view: what became of each push, why there may be none, and how the credentials are doing."""

import contextlib
import io
import json
from collections.abc import Iterator

import pytest

from hubbub import cli
from hubbub.chat import Chat
from hubbub.delivery.push import sql
from hubbub.delivery.push.model import LEFT_OUT, NEW_MESSAGE, STATES
from tests.api.steps import NOBODY, Like, at, create_channel, create_service, created
from tests.conftest import new_database
from tests.delivery.steps import command
from tests.harness import Server, running
from tests.push import keys
from tests.push.scene import (
    LEGACY_KEY,
    REASON,
    TITLE,
    Scene,
    enable,
    furnish,
    notice_of,
    spoil_credentials,
    write_pushes,
)

DATE = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def scene(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Rows that no test changes."""
    directory = tmp_path_factory.mktemp(f"pushes-{engine}")
    server = Server(directory, new_database(engine, request, directory))
    with running(server), server.client() as client:
        made = furnish(server, client)
        server.stop()

    async def write(chat: Chat) -> None:
        await write_pushes(chat, made)
        await spoil_credentials(chat, made)

    made.inside(write)
    return made


# list.


@pytest.mark.parametrize("state", STATES)
def test_list_filters_by_state(scene: Scene, state: str) -> None:
    """Each of the six."""
    expected = ["everybody", "left_out"] if state == LEFT_OUT else [state]

    assert scene.names("--service", scene.one["sid"], "--state", state) == expected


def test_list_filters_by_where_it_happened(scene: Scene) -> None:
    """By service, channel and message; the newest first, as many as the limit says."""
    of_message = ["left_out", "dead", "waiting", "retrying", "refused", "delivered"]

    assert scene.names() == ["other", "everybody", *of_message]
    assert scene.names("--service", scene.one["sid"]) == ["everybody", *of_message]
    assert scene.names("--service", scene.two["sid"]) == ["other"]
    assert scene.names("--channel", scene.channel["sid"]) == ["everybody", *of_message]
    assert scene.names("--message", scene.message["sid"]) == of_message
    assert scene.names("--message", scene.message["sid"], "--limit", "2") == of_message[:2]


def test_list_filters_by_user(scene: Scene) -> None:
    """By identity in every service, by SID in the user's own; what was left out for everybody counts for each."""
    of_bob = ["everybody", "waiting", "refused", "delivered"]

    assert scene.names("--user", "bob") == ["other", *of_bob]
    assert scene.names("--user", "bob", "--service", scene.one["sid"]) == of_bob
    assert scene.names("--user", scene.inside(lambda chat: sid_of(chat, "bob"))) == of_bob
    assert scene.names("--user", "carol") == ["dead", "retrying"]
    assert scene.names("--user", "dave") == ["left_out"]
    assert scene.names("--user", "bob", "--state", "refused", "--message", scene.message["sid"]) == ["refused"]


async def sid_of(chat: Chat, identity: str) -> str:
    row = await chat.database.fetch_one("SELECT sid FROM users WHERE identity = $1", identity)
    assert row is not None
    return str(row[0])


def test_list_filters_by_age(scene: Scene) -> None:
    """Of the push: one is an hour old."""
    assert scene.names("--older", "50m") == ["other"]
    assert "other" not in scene.names("--newer", "50m")


def test_list_tells_what_became_of_each(scene: Scene) -> None:
    """A line has the push service's answer, and a reason where it did not arrive."""
    [refused] = command(scene.server, "push", "list", "--state", "refused")

    assert refused == {
        "sid": scene.sids["refused"],
        "state": "refused",
        "kind": "new_message",
        "identity": "bob",
        "binding_sid": scene.bindings["bob"],
        "credential_sid": scene.credentials["certificate"],
        "channel_sid": scene.channel["sid"],
        "message_sid": scene.message["sid"],
        "status": 400,
        "answer": "BadDeviceToken",
        "reason": "Apple does not know the device's token.",
        "attempts": 1,
        "date_created": DATE,
    }


# show.


def test_show_tells_all(scene: Scene) -> None:
    """With what was sent, and how the credential is doing."""
    shown = scene.show("delivered")

    [listed] = command(scene.server, "push", "list", "--service", scene.one["sid"], "--state", "delivered")
    assert {name: shown[name] for name in listed} == listed
    assert shown["payload"]["aps"] == {"alert": f"{TITLE};alice: Hello", "badge": 3}
    assert shown["payload"]["message_sid"] == scene.message["sid"]
    assert (shown["service_sid"], shown["author"], shown["message_index"]) == (scene.one["sid"], "alice", 0)
    assert (shown["is_registered"], shown["binding_type"], shown["due"]) == (True, "apn", None)
    assert (shown["credential"]["state"], shown["credential"]["reason"]) == ("good", None)
    assert all(shown[name] == DATE for name in ("date_created", "date_updated", "expires"))


def test_show_hides_the_token_in_what_google_is_sent(scene: Scene) -> None:
    """All else of it is there; a push that is tried again says when."""
    shown = scene.show("retrying")

    assert shown["payload"]["message"]["token"] == "…"
    assert shown["payload"]["message"]["data"]["twi_body"] == f"{TITLE};alice: Hello"
    assert (shown["reason"], shown["due"]) == ("Not now.", DATE)


def test_push_that_waits_for_a_stopped_credential_says_so(scene: Scene) -> None:
    """With the credential's SID, the reason, and when it is tried again; in the list as well."""
    shown = scene.show("waiting")

    assert scene.credentials["token"] in shown["reason"]
    assert REASON in shown["reason"]
    assert shown["credential"]["state"] == "stopped"
    assert shown["credential"]["asked_again"] in shown["reason"]
    [listed] = command(scene.server, "push", "list", "--state", "waiting")
    assert listed["reason"] == shown["reason"]


def test_push_that_was_left_out_has_no_payload(scene: Scene) -> None:
    """Nothing was ever to be sent; for everybody there is no identity."""
    muted, everybody = scene.show("left_out"), scene.show("everybody")

    assert (muted["payload"], muted["identity"], muted["credential"]) == (None, "dave", None)
    assert (everybody["payload"], everybody["identity"]) == (None, None)


# credentials.


def test_credentials_tell_what_their_keys_are_and_whether_they_work(scene: Scene) -> None:
    """The newest first, with the number of pushes that wait."""
    found = command(scene.server, "push", "credentials")

    names = {sid: name for name, sid in scene.credentials.items()}
    assert [names[each["sid"]] for each in found] == ["expired", "legacy", "google", "token", "certificate"]
    told = {names[each["sid"]]: each for each in found}
    assert {name: each["state"] for name, each in told.items()} == {
        "certificate": "good",
        "token": "stopped",
        "google": "good",
        "legacy": "unusable",
        "expired": "unusable",
    }
    assert told["certificate"]["keys"] == Like(r"a certificate for com\.example\.app until \d{4}-\d\d-\d\d")
    assert told["token"]["keys"] == "the token key ABC123DEFG of the team DEF123GHIJ for com.example.app"
    assert told["google"]["keys"] == "the service account push@demo.iam.gserviceaccount.com of the project demo"
    assert "legacy" in told["legacy"]["keys"]
    assert told["expired"]["keys"] == Like(r".*it expired on \d{4}-\d\d-\d\d")
    assert (told["token"]["reason"], told["token"]["asked_again"]) == (REASON, DATE)
    assert (told["certificate"]["sandbox"], told["token"]["sandbox"], told["google"]["sandbox"]) == (
        "False",
        "True",
        None,
    )
    assert {name: each["waiting"] for name, each in told.items() if each["waiting"]} == {"token": 1, "google": 1}
    assert told["google"]["friendly_name"] == "keys of fcm"


# From outside.


def secrets_of(scene: Scene) -> Iterator[str]:
    """Every token of a device, and every piece of a key."""
    yield from ("token of phone", "token of tablet", LEGACY_KEY)
    rows = scene.inside(lambda chat: chat.database.fetch_all("SELECT secrets FROM credentials"))
    yield from (row[0] for row in rows)
    for pem in (keys.apns_certificate()[0], keys.apns_certificate()[1], keys.apns_token()[1], keys.rsa_key()):
        yield from (line for line in pem.splitlines() if line and not line.startswith("-----"))


def test_no_output_has_a_token_or_a_secret(scene: Scene) -> None:
    """Neither lists nor what is shown."""
    printed = [json.dumps(scene.show(name), ensure_ascii=False) for name in scene.sids]
    printed += [json.dumps(command(scene.server, "push", verb)) for verb in ("list", "credentials")]

    whole = "\n".join(printed)
    assert [secret for secret in secrets_of(scene) if secret in whole] == []
    assert "PRIVATE KEY" not in whole


def test_commands_print_for_people_and_for_programs(scene: Scene) -> None:
    """From outside: a line per push, or JSON."""
    arguments = ("push", "list", "--message", scene.message["sid"], "--state", "refused")
    lines, program = scene.server.run(*arguments), scene.server.run(*arguments, "--json")
    shown = scene.server.run("push", "show", scene.sids["refused"])

    assert (lines.returncode, program.returncode, shown.returncode) == (0, 0, 0), lines.stderr
    assert lines.stdout.startswith(f"{scene.sids['refused']}  refused  new_message  bob  ")
    assert lines.stdout.count("\n") == 1
    assert json.loads(program.stdout)[0]["sid"] == scene.sids["refused"]
    assert shown.stdout.startswith(f"sid: {scene.sids['refused']}  state: refused  ")
    assert lines.stderr == program.stderr == shown.stderr == ""


# Nothing found.


def said(scene: Scene, *arguments: str) -> str:
    """What a list of nothing says on standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        assert command(scene.server, "push", "list", *arguments) == []
    assert all(line.startswith("hubbub: ") for line in errors.getvalue().splitlines())
    return errors.getvalue()


def test_list_of_nothing_tells_what_the_service_leaves_out(scene: Scene) -> None:
    """Kinds that it does not push, and a log that is off; nothing of that where it is not so."""
    two = said(scene, "--service", scene.two["sid"], "--user", "alice")
    assert "does not push new_message, added_to_channel, invited_to_channel, removed_from_channel" in two
    assert f"{scene.two['sid']} has Notifications.LogEnabled off" in two
    assert f"{scene.two['sid']} has no user alice" in two

    one = said(scene, "--service", scene.one["sid"], "--user", "alice")
    assert "does not push added_to_channel, invited_to_channel, removed_from_channel." in one
    assert "LogEnabled off" not in one
    assert "for 7 days" in one


def test_list_of_nothing_tells_what_keeps_pushes_from_the_user(scene: Scene) -> None:
    """The author, one without a device, one who is not in the channel."""
    message = scene.message["sid"]

    alice = said(scene, "--user", "alice", "--message", message)
    assert "alice has no device that is registered" in alice
    assert "alice is the message's author" in alice
    assert "does not push" not in alice  # new_message, the only kind that counts here
    eve = said(scene, "--user", "eve", "--channel", scene.channel["sid"])
    assert f"eve is no member of {scene.channel['sid']}" in eve
    assert "author" not in eve


def test_list_of_nothing_tells_that_other_filters_find_some(scene: Scene) -> None:
    """A state or an age that nothing has."""
    assert "without --state" in said(scene, "--user", "carol", "--state", "delivered")
    assert "without --state" in said(scene, "--newer", "0s")


@pytest.mark.parametrize("option", ["--message=IM", "--channel=CH", "--service=IS", "--user="])
def test_list_of_nothing_tells_that_there_is_no_such_thing(scene: Scene, option: str) -> None:
    assert "There is no such" in said(scene, option + NOBODY)


def test_list_of_nothing_tells_that_events_wait(new_server: Server) -> None:
    """While no server runs nothing is spread over the devices; the log's own rules are told in any case."""
    with running(new_server), new_server.client() as client:
        service = create_service(client)
        enable(client, service, NEW_MESSAGE, logged=False)
        channel = create_channel(client, service)
        message = created(client.post(at(channel, "Messages"), data={"Body": "x"}))
        new_server.stop()
    waiting = Scene(new_server, service, service, channel, message)

    async def write(chat: Chat) -> None:
        async with chat.database.transaction() as tx:
            await sql.add_notices(tx, [await notice_of(chat, waiting, service, after="")])

    waiting.inside(write)

    told = said(waiting, "--message", message["sid"])
    assert "still to be spread over the devices: 1." in told
    assert "still to be spread" in said(waiting)
    assert "Notifications.LogEnabled off" in told


# Faults.


BAD = {
    "--state": "lost",
    "--older": "soon",
    "--newer": "3w",
    "--limit": "0",
    "--user": "US" + NOBODY,
}


@pytest.mark.parametrize("option", BAD)
def test_bad_filter_is_named(scene: Scene, capsys: pytest.CaptureFixture[str], option: str) -> None:
    """With exit code 1 and one sentence."""
    assert option in complains(scene, capsys, "push", "list", f"{option}={BAD[option]}")


def test_unknown_push_is_not_found(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not found" in complains(scene, capsys, "push", "show", "RU" + NOBODY)


def complains(scene: Scene, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    server = scene.server
    code = cli.main([*arguments, f"--database={server.database}", f"--data-dir={server.data_dir}"])
    printed = capsys.readouterr()
    assert (code, printed.out, printed.err.count("\n")) == (1, "", 1)
    return printed.err
