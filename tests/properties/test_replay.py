"""Whatever happens, what a client is told leads from what it had to what the server has."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.resources.channels.model import Channel
from hubbub.settings import Settings
from tests.properties.drawing import bounded
from tests.realtime.mirror import Mirror
from tests.realtime.recorder import App, World, world

IDENTITIES = ["alice", "bob", "carol"]

identities = st.sampled_from(IDENTITIES)
places = st.integers(0, 3)  # from the newest
steps = st.one_of(
    st.tuples(st.just("send"), identities),
    st.tuples(st.just("send"), identities),
    st.tuples(st.just("edit"), places),
    st.tuples(st.just("delete"), places),
    st.tuples(st.just("add"), identities),
    st.tuples(st.just("remove"), identities),
    st.tuples(st.just("invite"), identities),
    st.tuples(st.just("uninvite"), identities),
    st.tuples(st.just("consume"), identities),
    st.tuples(st.just("mute"), identities),
    st.tuples(st.just("rename"), places),
    st.tuples(st.just("rename_user"), identities),
)
histories = st.lists(st.lists(steps, min_size=8, max_size=24), min_size=2, max_size=4)


class Life:
    """Two channels, of which alice stays in the first; a step that is not possible is left out."""

    def __init__(self, there: World) -> None:
        self.there = there
        self.sent: list[tuple[Channel, Any]] = []
        self.members: dict[str, set[str]] = {}
        self.invited: dict[str, set[str]] = {}

    async def begin(self) -> None:
        self.channels = [await self.there.create_channel(), await self.there.create_channel(type="private")]
        for channel in self.channels:
            self.members[channel.sid], self.invited[channel.sid] = set(), set()
        for identity in IDENTITIES:
            await self.there.user(identity)
        await self.add(self.channels[0], "alice")

    async def step(self, number: int, name: str, what: Any) -> None:
        channel = self.channels[number % 3 == 2]
        if name in {"edit", "delete"}:
            await self.change(name, what)
        elif name == "rename":
            await self.there.update_channel(await self.there.fetch(channel), friendly_name=f"{what} {number}")
        elif name == "rename_user":
            await self.there.update_user(what, friendly_name=f"{number}")
        elif name == "send":
            self.sent.append((channel, await self.there.send(channel, str(number), from_=what)))
        else:
            await getattr(self, name)(channel, what)

    async def change(self, name: str, place: int) -> None:
        if place < len(self.sent):
            place = len(self.sent) - 1 - place
            channel, message = self.sent[place]
            if name == "edit":
                await self.there.edit(channel, message, body=f"{message.body}.")
            else:
                del self.sent[place]
                await self.there.delete(channel, message)

    async def add(self, channel: Channel, identity: str) -> None:
        if identity not in self.members[channel.sid]:
            self.members[channel.sid].add(identity)
            self.invited[channel.sid].discard(identity)
            await self.there.add(channel, identity)

    async def remove(self, channel: Channel, identity: str) -> None:
        stays = identity == "alice" and channel is self.channels[0]
        if identity in self.members[channel.sid] and not stays:
            self.members[channel.sid].remove(identity)
            await self.there.remove(channel, identity)

    async def invite(self, channel: Channel, identity: str) -> None:
        if identity not in self.members[channel.sid] | self.invited[channel.sid]:
            self.invited[channel.sid].add(identity)
            await self.there.invite(channel, identity)

    async def uninvite(self, channel: Channel, identity: str) -> None:
        if identity in self.invited[channel.sid]:
            self.invited[channel.sid].remove(identity)
            await self.there.uninvite(channel, identity)

    async def consume(self, channel: Channel, identity: str) -> None:
        if identity in self.members[channel.sid]:
            index = len(self.sent)
            await self.there.update_member(channel, identity, last_consumed_message_index=index)

    async def mute(self, channel: Channel, identity: str) -> None:
        if identity in self.members[channel.sid]:
            await self.there.mute(channel, identity)


def names(life: Life, app: App) -> list[str]:
    channel = life.channels[0].sid
    parts = [f"{channel}.{part}" for part in ("channel", "messages", "roster")]
    return [*parts, f"{app.user.sid}.myChannels", f"{app.user.sid}.info"]


def settled(state: Any) -> Any:
    """Without the author's membership: it is looked up when a message is read, and members come and go."""
    if isinstance(state, dict):
        return {key: settled(value) for key, value in state.items() if key != "memberSid"}
    return state


async def check(app: App, mirrors: list[Mirror], told: list[dict[str, Any]]) -> None:
    for mirror in mirrors:
        mirror.hear(told)
        fresh = await Mirror.of(app, mirror.name)
        assert settled(mirror.state) == settled(fresh.state), mirror.name


async def live(there: World, history: list[list[Any]]) -> None:
    """One app hears everything as it happens; another comes and goes, and is told what it missed."""
    life = Life(there)
    await life.begin()
    present, absent = await there.connect("alice"), await there.connect("alice")
    mirrors = [await Mirror.of(present, name) for name in names(life, present)]
    behind = [await Mirror.of(absent, name) for name in names(life, absent)]
    await present.subscribe(*names(life, present))
    number = 0
    for part in history:
        for name, what in part:
            number += 1
            await life.step(number, name, what)
        await there.settle()
        await check(present, mirrors, present.take())
        told = []
        for mirror in behind:
            told += await absent.subscribe(mirror.name, since=mirror.last_event_id)
        await check(absent, behind, told)
        absent.end()
        absent = await there.connect("alice")
    for each, other in zip(mirrors, behind, strict=True):
        assert settled(each.state) == settled(other.state)
    for app in (present, absent):
        app.end()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("replay")
    return Settings(database=f"sqlite:///{directory / 'hubbub.db'}", data_dir=str(directory))


@given(history=histories)
@bounded(80)
def test_what_a_client_is_told_leads_to_what_the_server_has(settings: Settings, history: list[list[Any]]) -> None:
    """Live events on one snapshot and replays on another both equal a fresh read, after any history."""

    async def run() -> None:
        async with world(settings) as there:
            await live(there, history)

    asyncio.run(run())
