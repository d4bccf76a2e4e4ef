"""Whatever becomes of events between two nodes, each client hears each change once and in order."""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.bus.codec import encode_event, pack, unpack
from hubbub.chat import Emitted
from hubbub.realtime.healing import Healing
from hubbub.realtime.sync import topics
from hubbub.settings import Settings
from tests.properties.drawing import bounded
from tests.properties.test_replay import Life, check, histories, names
from tests.realtime.mirror import Mirror
from tests.realtime.recorder import App, World, world

GRACE = 0.001  # seconds

fates = st.lists(
    st.sampled_from(["told", "told", "lost", "doubled", "late", "late", "all that is late", "look", "pause"]),
    min_size=3,
    max_size=30,
)


class BadBus:
    """Stands between the commits and the hub: each event is encoded, and has its fate."""

    def __init__(self, there: World, healing: Healing, drawn: list[str]) -> None:
        bus: Any = there.chat.bus
        bus._listeners.remove(there.hub.deliver)
        bus.listen(self.keep)
        self.there = there
        self.healing = healing
        self.fates = cycle(drawn)
        self.late: list[Emitted] = []
        self.told: list[Emitted] = []
        self.looks: set[asyncio.Task[None]] = set()

    def keep(self, batch: Sequence[Emitted]) -> None:
        for emitted in batch:
            encoded = encode_event(emitted)
            assert encoded is not None
            [parcel] = pack([encoded])
            [received], _ = unpack(parcel)
            self.meet(next(self.fates), received)

    def meet(self, fate: str, emitted: Emitted) -> None:
        self.late += [emitted] * (fate in {"late", "all that is late"})
        if fate in {"told", "doubled", "look", "pause"}:
            self.there.hub.deliver([emitted] * (2 if fate == "doubled" else 1))
        if fate == "all that is late":
            late, self.late = self.late[::-1], []
            self.there.hub.deliver(late)
        if fate == "look":
            look = asyncio.ensure_future(self.healing.look())
            self.looks.add(look)

    async def settle(self) -> None:
        """All that is late comes, and what is lost is looked for."""
        await asyncio.gather(*self.looks)
        self.there.hub.deliver(self.late)
        await self.healing.look()
        for _ in range(1000):
            await self.there.settle()
            every = self.there.hub.loaded()
            if all(topic._timer is None and topic._worker is None for topic in every):
                break
            await asyncio.sleep(GRACE)


async def live(there: World, history: list[list[Any]], drawn: list[str]) -> None:
    life = Life(there)
    await life.begin()
    bus = BadBus(there, Healing(there.hub), drawn)
    alice: App = await there.connect("alice")
    mirrors = [await Mirror.of(alice, name) for name in names(life, alice)]
    await alice.subscribe(*names(life, alice))
    number = 0
    for part in history:
        for name, what in part:
            number += 1
            await life.step(number, name, what)
            if number % 3 == 0:
                await asyncio.sleep(GRACE)
        await bus.settle()
        await check(alice, mirrors, alice.take())
    alice.end()
    assert there.hub.revisions() == {}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("healing")
    return Settings(database=f"sqlite:///{directory / 'hubbub.db'}", data_dir=str(directory))


@given(history=histories, drawn=fates)
@bounded(40)
def test_each_change_is_told_once_and_in_order_over_a_bad_bus(
    settings: Settings, history: list[list[Any]], drawn: list[str]
) -> None:
    """Events between nodes that are lost, doubled, late and in the wrong order, among looks at the tables."""

    async def run() -> None:
        async with world(settings) as there:
            await live(there, history, drawn)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(topics, "GRACE_SECONDS", GRACE)
        asyncio.run(run())
