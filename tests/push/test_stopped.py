"""A credential that its push service refuses stops, alone, until it has good keys."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.api.steps import create_message, eventually, ok
from tests.conftest import new_database
from tests.push import keys
from tests.push.peer import Authority, listening
from tests.push.storm import ask
from tests.push.town import Town, create_credential, secrets_of
from tests.push.trouble import Border, bad_keys, came, of_town, purge, said, standing, states, stopped
from tests.push.world import World, making

LEGACY_KEY = "AIzaSyLegacyLegacyLegacyLegacy"


@pytest.fixture
def border(world: World) -> Iterator[Border]:
    made = Border(world)
    world.listener.answer = made.answer
    yield made
    world.listener.answer = world.answer


@pytest.mark.parametrize(
    ("what", "kind", "reason"),
    [
        ("key", "apn", "Apple does not accept the token key, its key_id or its team_id: "),
        ("account", "fcm", "Google gives no token for the service account: "),
        ("project", "fcm", "The service account may not send pushes in its project: "),
    ],
)
def test_bad_credential_stops_alone_and_goes_on_with_good_keys(
    world: World, town: Town, border: Border, what: str, kind: str, reason: str
) -> None:
    """What waited arrives by itself."""
    credential = create_credential(town.client, kind, **bad_keys(what))
    bob, carol = town.register("bob", kind, credential_sid=credential["sid"]), town.register("carol")
    channel = town.channel("bob", "carol", FriendlyName="General")
    create_message(town.client, channel, "one")
    assert eventually(lambda: stopped(world.server).get(credential["sid"]) == 1)
    told = standing(world.server, credential)
    assert (told["state"], told["reason"].startswith(reason), told["waiting"]) == ("stopped", True, 1)

    create_message(town.client, channel, "two")
    assert eventually(lambda: standing(world.server, credential)["waiting"] == 2)
    assert eventually(lambda: len(came(world, carol)) == 2)
    assert len(border.refused) == 1
    before = len(came(world, bob))

    ok(town.client.post(f"/v2/Credentials/{credential['sid']}", data=secrets_of(kind)))
    assert sorted(map(str, town.texts(bob)[before:])) == ["General;system: one", "General;system: two"]
    assert len(border.refused) == 1
    assert standing(world.server, credential)["state"] == "good"
    assert eventually(lambda: credential["sid"] not in stopped(world.server))


def test_stopped_credential_is_tried_with_one_push_now_and_then(world: World, town: Town, border: Border) -> None:
    """When that is taken, all others follow."""
    credential = create_credential(town.client, "apn", **bad_keys("key"))
    bob = town.register("bob", credential_sid=credential["sid"])
    channel = town.channel("bob")
    create_message(town.client, channel, "one")
    assert eventually(lambda: standing(world.server, credential)["state"] == "stopped")
    for body in ("two", "three"):
        create_message(town.client, channel, body)
    again = f"UPDATE credentials SET push_due = 0 WHERE sid = '{credential['sid']}' RETURNING sid"

    ask(world.server.database, again)
    assert eventually(lambda: len(border.refused) == 2)
    assert eventually(lambda: standing(world.server, credential)["asked_again"] > "2000")
    assert standing(world.server, credential)["waiting"] == 3
    assert len(border.refused) == 2

    border.is_open = True
    ask(world.server.database, again)
    assert len(town.arrived(bob)) == 2 + 3
    assert eventually(lambda: standing(world.server, credential)["state"] == "good")


def test_keys_that_are_changed_while_pushes_are_under_way(world: World, town: Town) -> None:
    """What is under way arrives once, and what comes afterwards goes with the new keys, at once."""
    credential = create_credential(town.client, "apn")
    bob = town.register("bob", credential_sid=credential["sid"])
    channel = town.channel("bob")
    world.listener.hold()
    create_message(town.client, channel, "one")
    world.listener.wait_for(lambda: len(came(world, bob)) == 1)
    certificate, private_key = keys.apns_token(key_id="NEWNEWNEW0")
    ok(
        town.client.post(
            f"/v2/Credentials/{credential['sid']}", data={"Certificate": certificate, "PrivateKey": private_key}
        )
    )
    create_message(town.client, channel, "two")
    world.listener.wait_for(lambda: len(came(world, bob)) == 2)
    world.listener.release()

    arrivals = town.arrived(bob)
    tokens = [arrival.headers["authorization"].removeprefix("bearer ") for arrival in arrivals]
    assert [jwt.get_unverified_header(token)["kid"] for token in tokens] == ["ABC123DEFG", "NEWNEWNEW0"]


def test_legacy_key_sends_nothing_and_says_why(world: World, town: Town) -> None:
    """Its pushes wait for other keys until they expire."""
    credential = create_credential(town.client, "gcm", ApiKey=LEGACY_KEY)
    bob = town.register("bob", "gcm", credential_sid=credential["sid"])
    create_message(town.client, town.channel("bob"), "Hello")
    assert eventually(lambda: bool(standing(world.server, credential)["reason"]))
    told = standing(world.server, credential)
    assert told["reason"].startswith("Google stopped its legacy server keys in June 2024: ")
    assert (told["state"], told["waiting"]) == ("unusable", 1)
    purge(world.server)
    assert states(town) == ["retrying"]

    ask(world.server.database, f"UPDATE pushes SET expires = 1 WHERE {of_town(town)} RETURNING sid")
    purge(world.server)

    [trace] = town.trace()
    assert (trace.state, trace.reason) == ("dead", f"It was not delivered in time: {told['reason']}")
    assert came(world, bob) == []


def test_push_that_has_expired_is_not_sent(world: World, town: Town) -> None:
    """Its last reason is kept."""
    bob = town.register("bob")
    world.replies[bob.address] = [said(503, {"reason": "Shutdown"})]
    create_message(town.client, town.channel("bob"), "Hello")
    assert eventually(lambda: states(town) == ["retrying"])

    ask(world.server.database, f"UPDATE pushes SET due = 0, expires = 1 WHERE {of_town(town)} RETURNING sid")
    town.settle()

    [trace] = town.trace()
    assert (trace.state, str(trace.reason).startswith("It was not delivered in time. Apple cannot")) == ("dead", True)
    assert len(came(world, bob)) == 1


def test_pushes_of_a_deleted_credential_are_given_up(world: World, town: Town, border: Border) -> None:
    """Within a minute; those that come afterwards at once."""
    credential = create_credential(town.client, "apn", **bad_keys("key"))
    town.register("bob", credential_sid=credential["sid"])
    channel = town.channel("bob")
    create_message(town.client, channel, "one")
    assert eventually(lambda: standing(world.server, credential)["state"] == "stopped")

    assert town.client.delete(f"/v2/Credentials/{credential['sid']}").status_code == 204
    create_message(town.client, channel, "two")
    purge(world.server)
    town.settle()

    assert {(trace.state, trace.reason) for trace in town.trace()} == {
        ("dead", f"The credential {credential['sid']} was deleted.")
    }
    assert len(border.refused) == 1


def test_certificate_that_tls_refuses_stops_its_credential(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, authority: Authority
) -> None:
    """Apple's servers end the handshake; when they take it, what waited arrives."""
    picky = authority.server_context(wants_certificate=True)
    strict = authority.server_context()
    strict.verify_mode = picky.verify_mode  # and trusts nobody
    certificate, private_key = keys.apns_certificate()
    with listening(strict) as apple:
        settings = {"HUBBUB_APNS_SANDBOX_URL": apple.url}
        with making(tmp_path / "data", new_database(engine, request, tmp_path), authority, **settings) as world:
            town = world.town()
            form = {"Certificate": certificate, "PrivateKey": private_key, "Sandbox": "true"}
            credential = create_credential(town.client, "apn", **form)
            town.register("bob", credential_sid=credential["sid"])
            carol = town.register("carol")
            create_message(town.client, town.channel("bob", "carol"), "Hello")
            assert eventually(lambda: standing(world.server, credential)["state"] == "stopped")
            assert standing(world.server, credential)["reason"].startswith("Apple does not accept the certificate: ")
            assert eventually(lambda: len(came(world, carol)) == 1)

            apple.stop()
            apple.tls = picky
            apple.start()
            ok(town.client.post(f"/v2/Credentials/{credential['sid']}", data={"Certificate": certificate}))
            [arrival] = apple.wait(1)
            town.settle()

            assert arrival.subject == f"Apple Push Services: {keys.TOPIC}"
            assert private_key not in world.server.log


def test_nothing_secret_is_logged(world: World, town: Town, border: Border) -> None:
    """Neither tokens of devices nor keys, by all that went wrong here and in the tests before."""
    credential = create_credential(town.client, "apn", **bad_keys("key"))
    town.register("bob", credential_sid=credential["sid"])
    create_message(town.client, town.channel("bob"), "Hello")
    assert eventually(lambda: f"nothing is pushed with {credential['sid']}: " in world.server.log)

    arrivals, log = world.arrivals(), world.server.log
    tokens = [arrival.headers.get("authorization", "").partition(" ")[2] for arrival in arrivals]
    secrets = {token for token in tokens if token} | {arrival.address for arrival in arrivals}
    secrets |= {LEGACY_KEY, keys.curve_key("token"), keys.rsa_key()}
    assert [secret for secret in secrets if secret in log] == []
