"""Two nodes on one PostgreSQL and one NATS: what happens on one of them is heard on the other, whatever fails."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from tests.api.steps import at, create_channel, create_invite, create_member, create_message, delete, eventually, update
from tests.postgres import Postgres
from tests.realtime.cluster import Cluster, Room, cluster
from tests.realtime.nats import Nats
from tests.realtime.node import Node
from tests.realtime.phone import Phone, phone
from tests.tokens import Signer, new_signer

NEVER = {"LOOK_SECONDS": "3600"}  # what is heard, is heard by the bus
SOON = {"LOOK_SECONDS": "0.5"}
OUTAGE_SECONDS = 10
CONNECTED = "NATS is connected"
AWAY = "NATS cannot be reached"


@pytest.fixture(scope="module")
def nats() -> Iterator[Nats]:
    """The NATS that nothing happens to; without a nats-server these tests are skipped with one line."""
    try:
        server = Nats().start()
    except (LookupError, RuntimeError, OSError) as reason:
        pytest.skip(f"NATS cannot run here: {reason}")
    yield server
    server.kill()


@pytest.fixture
def mortal_nats(nats: Nats) -> Iterator[Nats]:
    """One to kill, not started yet."""
    server = Nats()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def pair(nats: Nats, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Two nodes that know of each other by the bus alone."""
    with cluster(tmp_path_factory.mktemp("pair"), postgres.new_database(), nats.url) as opened:
        nodes = opened.start(NEVER, NEVER)
        assert eventually(lambda: all(CONNECTED in node.log for node in nodes))
        yield nodes
        assert not [line for node in nodes for line in node.log.splitlines() if "Traceback" in line]


@pytest.fixture
def new_cluster(postgres: Postgres, mortal_nats: Nats, tmp_path: Path) -> Iterator[Cluster]:
    """Nodes of the test's own, not started yet."""
    with cluster(tmp_path, postgres.new_database(), mortal_nats.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def signer(pair: list[Node]) -> Signer:
    return new_signer(pair[0])


@pytest.fixture
def room(pair: list[Node], signer: Signer) -> Iterator[Room]:
    """A channel with alice and bob, which the back end changes through the second node."""
    with pair[1].client() as client:
        yield Room(client, signer, "alice", "bob")


@contextlib.asynccontextmanager
async def phones(room: Room, *apps: tuple[Node, str]) -> AsyncIterator[list[Phone]]:
    """An app of each member on its node."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(phone(node, room.token(identity), *room.parts(identity)))
            for node, identity in apps
        ]


def has_heard(app: Phone, name: str, count: int) -> bool:
    return len(heard(app, name)) == count


def heard(app: Phone, name: str) -> list[str]:
    return app.mirrors[name].events


async def test_changes_are_heard_on_the_other_node(pair: list[Node], room: Room) -> None:
    """Messages, members, the channel, one's own channels, a user: all of it, in order, as on the node itself."""
    client, channel = room.client, room.channel
    here, there = pair
    async with phones(room, (here, "alice"), (there, "alice")) as apps:
        info = f"{room.user('bob')['sid']}.info"
        for app in apps:
            await app.subscribe(info)
            await app.agree()
        sent = [create_message(client, channel, f"{number} é漢😀") for number in range(5)]
        update(client, sent[0], Body="edited")
        delete(client, sent[4])
        carol = create_member(client, channel, "carol")
        update(client, room.members["bob"], LastConsumedMessageIndex="2", Attributes='{"x":1}')
        update(client, channel, FriendlyName="Renamed")
        delete(client, carol)
        update(client, room.user("bob"), FriendlyName="Bob")
        create_member(client, create_channel(client, room.service), "alice")
        create_invite(client, create_channel(client, room.service, Type="private"), "alice")

        for app in apps:
            await app.agree()
        names = [*room.parts("alice"), info]
        for name in names:
            assert heard(apps[0], name) == heard(apps[1], name)
        assert heard(apps[0], names[1]) == ["list_item_added"] * 5 + ["list_item_updated", "list_item_removed"]
        assert heard(apps[0], names[2]) == ["map_item_added", "map_item_updated", "map_item_removed"]
        assert heard(apps[0], names[3]) == ["map_item_added"] * 2
        assert heard(apps[0], info) == ["map_item_updated"]


async def test_whoever_is_removed_on_the_other_node_hears_no_more(pair: list[Node], room: Room) -> None:
    """And whoever stays does."""
    async with phones(room, (pair[0], "bob"), (pair[0], "alice")) as (bob, alice):
        messages, mine = room.parts("bob")[1], room.parts("bob")[3]
        delete(room.client, room.members["bob"])
        await bob.until(lambda: heard(bob, mine))
        create_message(room.client, room.channel, "not for bob")
        await alice.until(lambda: heard(alice, messages))

        assert heard(bob, mine) == ["map_item_removed"]
        assert heard(bob, messages) == []
        assert heard(alice, messages) == ["list_item_added"]


async def test_invite_that_ends_on_the_other_node_closes_the_channel(pair: list[Node], room: Room) -> None:
    """Also to one who listens to nothing but the channel."""
    private = create_channel(room.client, room.service, Type="private")
    _, invite = [create_invite(room.client, private, identity) for identity in ("alice", "bob")]
    name = f"{private['sid']}.channel"
    async with phone(pair[0], room.token("alice"), name) as alice, phone(pair[0], room.token("bob"), name) as bob:
        update(room.client, private, FriendlyName="For both")
        await bob.until(lambda: heard(bob, name))
        delete(room.client, invite)
        update(room.client, private, FriendlyName="For alice")
        await alice.until(lambda: len(heard(alice, name)) == 2)

        await bob.device.request("/nothing")  # whatever was on its way to him has come before the answer
        assert heard(bob, name) == ["document_updated"]


async def test_channel_deleted_on_the_other_node_is_gone(pair: list[Node], room: Room) -> None:
    """With all of its objects, from the list of channels first."""
    async with phones(room, (pair[0], "alice")) as [alice]:
        delete(room.client, room.channel)
        *objects, mine = room.parts("alice")
        await alice.until(lambda: all(alice.mirrors[name].removed for name in objects))

        assert heard(alice, mine) == ["map_item_removed"]


async def test_typing_is_told_on_both_nodes(pair: list[Node], room: Room) -> None:
    """To all but the one who types."""
    async with phones(room, (pair[0], "alice"), (pair[1], "alice"), (pair[1], "bob")) as (first, second, bob):
        form = urlencode({"ChannelSid": room.channel["sid"]}).encode()
        status, _ = await bob.device.request("/Client/v1/typing", form)
        assert status == 200

        await first.until(lambda: first.typing)
        await second.until(lambda: second.typing)
        assert (first.typing, second.typing, bob.typing) == (["bob"], ["bob"], [])


async def test_node_follows_what_its_apps_listen_to(pair: list[Node], room: Room, nats: Nats) -> None:
    """One subject for each channel and user, and none when the last one has gone."""
    assert eventually(lambda: nats.subjects() == [set(), set()])
    async with phones(room, (pair[0], "alice"), (pair[0], "bob"), (pair[1], "bob")):

        def kinds() -> list[list[str]]:
            return sorted(sorted(subject[:2] for subject in subjects) for subjects in nats.subjects())

        assert eventually(lambda: kinds() == [["CH", "US"], ["CH", "US", "US"]])
        assert sum(room.channel["sid"] in subjects for subjects in nats.subjects()) == 2
    assert eventually(lambda: nats.subjects() == [set(), set()])


async def post_for(client: httpx.AsyncClient, room: Room, who: str, seconds: float) -> list[float]:
    """Send one message after another; how long each took."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        answer = await client.post(at(room.channel, "Messages"), data={"From": who, "Body": f"{who} {len(took)}"})
        assert answer.status_code == 201
        took.append(time.monotonic() - begun)
        await asyncio.sleep(0.005)
    return took


@contextlib.asynccontextmanager
async def under_load(nodes: list[Node], room: Room, seconds: float) -> AsyncIterator[None]:
    """Apps of two members on each node, messages on both all the time, and at the end all is as it should be."""
    apps = [(node, identity) for node in nodes for identity in ("alice", "bob")]
    async with (
        phones(room, *apps) as clients,
        httpx.AsyncClient(base_url=nodes[0].url, auth=nodes[0].client().auth) as first,
        httpx.AsyncClient(base_url=nodes[1].url, auth=nodes[1].client().auth) as second,
    ):
        posting = asyncio.gather(
            post_for(first, room, "alice", seconds + 2), post_for(second, room, "bob", seconds + 2)
        )
        await asyncio.sleep(1)
        yield
        took = await posting
        for app in clients:
            await app.agree()
            messages = app.mirrors[room.parts("alice")[1]]
            assert list(messages.items) == list(range(sum(map(len, took))))
            assert messages.events == ["list_item_added"] * len(messages.items)
        assert max(map(max, took)) < 2


async def test_nothing_is_lost_or_doubled_without_nats(new_cluster: Cluster, mortal_nats: Nats) -> None:
    """Killed and started again: each client hears each message once and in order, and no sender waits."""
    mortal_nats.start()
    nodes = new_cluster.start(SOON, SOON)
    with nodes[0].client() as client:
        room = Room(client, new_signer(nodes[0]), "alice", "bob")
        async with under_load(nodes, room, OUTAGE_SECONDS):
            mortal_nats.kill()
            await asyncio.sleep(OUTAGE_SECONDS)
            await asyncio.to_thread(mortal_nats.start)
            followed = {room.channel["sid"]}
            assert eventually(lambda: [followed <= each for each in mortal_nats.subjects()] == [True, True])
    assert [node.log.count(AWAY) for node in nodes] == [1, 1]


async def test_nothing_is_lost_or_doubled_with_a_slow_nats(pair: list[Node], room: Room, nats: Nats) -> None:
    """It hangs with its connections open, for less than it takes to give it up, and delivers late."""
    async with under_load(pair, room, 2):
        nats.signal(signal.SIGSTOP)
        await asyncio.sleep(2)
        nats.signal(signal.SIGCONT)


async def test_node_that_dies_before_it_tells_has_told_the_tables(new_cluster: Cluster, mortal_nats: Nats) -> None:
    """Killed between the commit and the word to the others, who find it within seconds."""
    mortal_nats.start()
    here, there = new_cluster.start(SOON, {"DIE_AT": "last words"})
    with here.client() as client, there.client() as other:
        room = Room(client, new_signer(here), "alice")
        async with phones(room, (here, "alice")) as [alice]:
            with pytest.raises(httpx.TransportError):
                create_message(other, room.channel, "last words")
            name = room.parts("alice")[1]
            await alice.until(lambda: heard(alice, name))

            assert [data["text"] for data in alice.mirrors[name].state.values()] == ["last words"]
            create_message(client, room.channel, "and life goes on")
            await alice.agree()


async def test_nats_may_come_later(new_cluster: Cluster, mortal_nats: Nats) -> None:
    """Nodes start without it and say so, find what happens in the tables, and connect when it comes."""
    nodes = new_cluster.start({"LOOK_SECONDS": "1"}, {"LOOK_SECONDS": "1"})
    assert eventually(lambda: all(node.log.count(AWAY) == 1 for node in nodes))
    with nodes[1].client() as client:
        room = Room(client, new_signer(nodes[0]), "alice")
        async with phones(room, (nodes[0], "alice")) as [alice]:
            name = room.parts("alice")[1]
            create_message(client, room.channel, "by the tables")
            await alice.until(lambda: heard(alice, name))

            mortal_nats.start()
            assert eventually(lambda: all(CONNECTED in node.log for node in nodes))
            assert eventually(lambda: any(room.channel["sid"] in each for each in mortal_nats.subjects()))
            begun = time.monotonic()
            for number in range(5):
                create_message(client, room.channel, f"by NATS {number}")
                await alice.until(partial(has_heard, alice, name, number + 2))
            assert time.monotonic() - begun < 2  # in five looks it would take longer
    assert [node.stop() for node in nodes] == [0, 0]


async def test_nodes_without_a_bus_hear_each_other_within_seconds(new_cluster: Cluster) -> None:
    """A mistake of the operator's that costs time and nothing else."""
    here, there = new_cluster.start(SOON | {"HUBBUB_BUS": "memory"}, {"HUBBUB_BUS": "memory"})
    with there.client() as client:
        room = Room(client, new_signer(here), "alice", "bob")
        async with phones(room, (here, "alice"), (here, "bob")) as (alice, bob):
            messages, mine = room.parts("bob")[1], room.parts("bob")[3]
            create_message(client, room.channel)
            delete(client, room.members["bob"])
            await bob.until(lambda: heard(bob, mine))
            create_message(client, room.channel, "not for bob")
            await alice.agree()

            assert heard(alice, messages) == ["list_item_added"] * 2
            assert "not for bob" not in [data["text"] for data in bob.mirrors[messages].state.values()]
