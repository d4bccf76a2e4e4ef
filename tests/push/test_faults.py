"""A push service or the database that fails for a while holds up nobody else, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.steps import create_message, eventually, ok
from tests.conftest import running_postgres
from tests.postgres import Postgres
from tests.push.peer import DROPPING, SILENT, Authority, Reply
from tests.push.town import Town, create_credential
from tests.push.trouble import came, gap, hurry, said, states
from tests.push.world import World, making

# One push.


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("apn", said(429, {"reason": "TooManyRequests"})),
        ("apn", DROPPING),
        ("fcm", said(503, {"error": {"status": "UNAVAILABLE"}})),
    ],
    ids=["429", "dropped", "503"],
)
def test_push_that_fails_for_now_is_sent_again_under_its_id(town: Town, kind: str, reply: Reply) -> None:
    """After about ten seconds."""
    bob = town.register("bob", kind)
    town.world.replies[bob.address] = [reply]

    create_message(town.client, town.channel("bob", FriendlyName="General"), "Hello")
    assert eventually(lambda: states(town) == ["retrying"])
    assert 7_500 <= gap(town) <= 12_500
    hurry(town)

    assert town.texts(bob) == ["General;system: Hello"] * 2
    assert len({arrival.data["twi_message_id"] for arrival in came(town.world, bob)}) == 1
    assert len({arrival.headers.get("apns-id") for arrival in came(town.world, bob)}) == 1


def test_push_service_that_asks_for_time_gets_it(world: World, town: Town) -> None:
    """Nothing more is sent with the credential meanwhile; others go on."""
    credential = create_credential(town.client, "apn")
    bob, carol = town.register("bob", credential_sid=credential["sid"]), town.register("carol")
    channel = town.channel("bob", "carol")
    world.replies[bob.address] = [said(429, {"reason": "TooManyRequests"}, retry_after="40")]

    create_message(town.client, channel, "one")
    assert eventually(lambda: "retrying" in states(town))
    assert gap(town) == 40_000
    create_message(town.client, channel, "two")
    assert eventually(lambda: sorted(states(town)) == ["retrying", "waiting"] and len(came(world, carol)) == 2)
    assert len(came(world, bob)) == 1

    ok(town.client.post(f"/v2/Credentials/{credential['sid']}", data={"Sandbox": "true"}))  # a rest ends with that
    hurry(town)
    assert len(town.arrived(bob)) == 3


# A push service.


def test_all_arrives_once_the_push_service_is_there_again(world: World, town: Town) -> None:
    """It is not there at first, then answers nothing and goes away in the middle."""
    bob, carol = town.register("bob"), town.register("carol", "fcm")
    channel = town.channel("bob", "carol", FriendlyName="General")
    world.listener.stop()
    create_message(town.client, channel, "one")
    assert eventually(lambda: states(town) == ["retrying", "retrying"])
    assert all(str(trace.reason).startswith("No connection to 127.0.0.1 port ") for trace in town.trace())
    create_message(town.client, channel, "two")
    world.listener.hold()
    world.listener.start()
    hurry(town)
    world.listener.wait_for(lambda: len(came(world, bob)) == 2)
    world.listener.drop()
    world.listener.release()
    for _ in range(2):  # Google's token is asked for first
        assert eventually(lambda: set(states(town)) <= {"retrying"})
        hurry(town)

    for phone in (bob, carol):
        assert {arrival.text for arrival in town.arrived(phone)} == {"General;system: one", "General;system: two"}
        assert len({arrival.data["twi_message_id"] for arrival in came(world, phone)}) == 2


def test_push_service_that_hangs_holds_up_nobody_else(world: World, town: Town) -> None:
    """No other credential and no request."""
    hanging = create_credential(town.client, "apn")
    bob, carol = town.register("bob", credential_sid=hanging["sid"]), town.register("carol")
    channel = town.channel("bob", "carol")
    world.replies[bob.address] = [SILENT] * 20

    for number in range(10):
        create_message(town.client, channel, f"{number}")
    assert eventually(lambda: len(came(world, bob)) == len(came(world, carol)) == 10)
    create_message(town.client, channel, "at last")

    assert eventually(lambda: len(came(world, carol)) == 11)
    assert states(town) == ["waiting"] * 11


# The database.


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for this test alone, to be stopped."""
    with running_postgres() as cluster:
        yield cluster


def test_database_that_is_away_for_a_while_loses_nothing(
    own_postgres: Postgres, tmp_path: Path, authority: Authority
) -> None:
    """What was taken meanwhile is written down afterwards, and not sent again."""
    with making(tmp_path / "data", own_postgres.new_database(), authority) as world:
        town = world.town()
        bob = town.register("bob")
        channel = town.channel("bob", FriendlyName="General")
        world.listener.hold()
        for body in ("one", "two"):
            create_message(town.client, channel, body)
        world.listener.wait_for(lambda: len(came(world, bob)) == 2)
        own_postgres.stop()
        world.listener.release()
        assert eventually(lambda: httpx.get(f"{world.server.url}/health/ready").status_code == 503)
        own_postgres.start()
        assert eventually(lambda: httpx.get(f"{world.server.url}/health/ready").is_success)
        create_message(town.client, channel, "three")

        assert sorted(map(str, town.texts(bob))) == [f"General;system: {body}" for body in ("one", "three", "two")]
        assert bob.address not in world.server.log
