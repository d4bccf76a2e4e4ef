"""A receiver that hangs or fails harms nobody but itself, and gets what is its when it is back."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from hubbub.delivery import lanes
from hubbub.delivery.lanes import FIRST_ROOM, WIDEST_ROOM, Hook
from hubbub.delivery.outcome import Unreachable
from hubbub.storage.migrate import migrate
from hubbub.storage.sqlite import SQLite
from tests.delivery.load import ALLOWED, HEADERS, Receiver, Room, Writers, asked_for, assert_in_order, new_rooms
from tests.delivery.world import FINE, World
from tests.harness import Server
from tests.robustness.writers import ended, eventually

ROOMS = 80
HOOKS = 4  # of each channel, and that of the service
WAITING = 20_000
MEGABYTE = 1 << 20
MOST_GROWN = 60 * MEGABYTE
SOON = 1.0  # seconds


def memory(server: Server) -> int:
    """The bytes that the process has in memory."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def delays(receiver: Receiver, room: Room, client: httpx.Client, count: int) -> list[float]:
    """How long messages of a channel take, from before the request to each of its hooks."""
    found = []
    for _ in range(count):
        begun = time.monotonic()
        answer = client.post(f"{room.path}/Messages", data={"Body": "and us?"}, headers=HEADERS).raise_for_status()
        sid = answer.json()["sid"]

        def came(sid: str = sid) -> bool:
            return sum(arrival.message == sid for arrival in receiver.arrivals[-2000:]) == len(room.hooks)

        eventually(came, 5, "the other service's webhook")
        found.append(time.monotonic() - begun)
    return found


def test_hundreds_of_hanging_hooks_harm_nobody(tmp_path: Path) -> None:
    """While 20,000 events wait for hooks that hang, others go at once and memory stays; then all comes in order."""
    server = Server(tmp_path / "data", f"sqlite:///{tmp_path / 'hubbub.db'}", ALLOWED.copy())
    with Receiver().running() as receiver, ended(server):
        rooms = new_rooms(server.start(), receiver, ROOMS, "hanging", HOOKS)
        [other] = new_rooms(server, receiver, 1, "other")
        receiver.hanging = ("/hanging",)
        with Writers(server, rooms, 16).running() as writers:
            writers.wait_for_acknowledged(200)
            before = memory(server)
            with server.client() as client:
                worst = max(delays(receiver, other, client, 20))
            writers.wait_for_acknowledged(WAITING // (HOOKS + 1))
            grown = memory(server) - before
        assert worst < SOON
        assert grown < MOST_GROWN

        receiver.recover()
        later = {(a.hook, *a.what) for a in receiver.arrivals if not a.answered}  # their retries are due in 10 s
        wanted = asked_for(server, rooms, writers.acknowledged) - later
        assert len(wanted) > WAITING * 0.9
        eventually(lambda: wanted <= answered(receiver), 20, "what waits arrives")
        assert_in_order(receiver)
        assert "Traceback" not in server.log


def answered(receiver: Receiver) -> set[tuple[str, str, str]]:
    return {(arrival.hook, *arrival.what) for arrival in tuple(receiver.arrivals) if arrival.answered}


def test_failing_hook_gets_its_room_back() -> None:
    """Failures leave a hook with one request at a time, each answer gives it one more, up to a most."""
    hook = Hook()

    for _ in range(3):
        hook.flying += 1
        hook.leave(answered=False)
    assert (hook.room, hook.failing) == (1, True)

    for _ in range(FIRST_ROOM):
        hook.flying += 1
        hook.leave(answered=True)
    assert (hook.room, hook.failing) == (FIRST_ROOM + 1, False)

    for _ in range(WIDEST_ROOM):
        hook.flying += 1
        hook.leave(answered=True)
    assert hook.room == WIDEST_ROOM


def test_request_that_was_given_up_says_nothing_about_its_hook() -> None:
    """What ends because the node gives up its name is no failure of the receiver."""
    hook = Hook()

    for _ in range(3):
        hook.flying += 1
        hook.leave(answered=None)

    assert (hook.room, hook.failing, hook.flying) == (FIRST_ROOM, False, 0)


async def test_room_goes_to_those_who_wait() -> None:
    """One that waits for room gets it when another gives it back, also after the room has shrunk."""
    hook = Hook()
    for _ in range(FIRST_ROOM):
        await hook.enter()
    waiting = [asyncio.create_task(hook.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    assert hook.flying == FIRST_ROOM

    for answered in (False, False, False, True):
        hook.leave(answered=answered)
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0)
    assert hook.flying == hook.room == 2

    hook.leave(answered=True)
    await asyncio.gather(*waiting)
    assert hook.flying == 2


async def test_hooks_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that has nothing to do is not kept in memory: at once when it does well, else when there are many."""
    database = SQLite(tmp_path / "hubbub.db")
    await migrate(database)
    world = World(database)
    await world.poll(0)
    hooks = world.nodes[0].dispatcher._holding._hooks

    for result, left in ((FINE, 0), (Unreachable("nobody there"), 1)):
        await world.event(0, 0)
        await world.quiet()
        await world.answer(0, result)
        await asyncio.sleep(0)
        await world.quiet()
        await world.poll(0)
        assert len(hooks) == left
    monkeypatch.setattr(lanes, "MOST_HELD", 0)
    await world.poll(0)
    assert hooks == {}
    await database.close()
