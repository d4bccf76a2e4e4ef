"""Connections end in many ways, and are made again; nothing that can be saved is lost by it, and nothing is left."""

import asyncio

import pytest
from h2.errors import ErrorCodes

from hubbub.delivery.outcome import Unreachable
from hubbub.delivery.push import http2_connection
from tests.push.meeting import PLENTY, Meeting, meeting, paths
from tests.push.peer import DROPPING, echo
from tests.push.peer_connection import ANY_STREAM
from tests.push.tls import Authority

# Frames: three bytes of length, type, flags, four bytes of stream; and what they hold.
PROMISE = bytes([0, 0, 5, 5, 4, 0, 0, 0, 1]) + b"\0\0\0\2\x88"
MISPLACED = bytes([0, 0, 8, 0, 0, 0, 0, 0, 0]) + bytes(8)  # data, of no stream


# What the peer says goodbye with.


async def test_goodbye_in_mid_flight_loses_none(authority: Authority) -> None:
    """Requests up to the last that the peer names are answered where they are, the others on a new connection."""
    async with meeting(authority) as met:
        met.listener.hold()
        asks = met.pushes(range(50))
        await met.came(50)
        met.listener.go_away(last=39)  # the twentieth
        await met.came(80)
        met.listener.release()
        answers = await asyncio.gather(*asks)

        assert [answer.headers["apns-id"] for answer in answers] == [str(n) for n in range(50)]
        again = [request for request in met.listener.requests if request.connection == 2]
        assert paths(again) == [str(n) for n in range(20, 50)]


async def test_connection_that_is_being_left_finishes_what_it_has(authority: Authority) -> None:
    """A goodbye that names no last request: what is open goes on, what comes now has a new connection."""
    async with meeting(authority) as met:
        met.listener.hold()
        old = met.pushes(["old"])
        await met.came(1)
        met.listener.go_away(ANY_STREAM)
        new = met.pushes(["new"])
        await met.came(2)
        met.listener.release()
        await asyncio.gather(*old, *new)

        assert [request.connection for request in met.listener.requests] == [1, 2]
        await met.listener.until(lambda: met.listener.open_connections == 1)


async def test_requests_that_wait_move_on(authority: Authority) -> None:
    """A goodbye to a connection that is full sends those that wait for it to the next one."""
    async with meeting(authority, streams=2) as met:
        met.listener.hold()
        asks = met.pushes(range(10))
        await met.came(2)
        met.listener.go_away()
        met.listener.release()
        await asyncio.gather(*asks)

        assert [request.connection for request in met.listener.requests] == [1] * 2 + [2] * 8


async def test_peer_that_always_says_goodbye_is_given_up(authority: Authority) -> None:
    async with meeting(authority) as met:
        met.listener.hold()
        (ask,) = met.pushes(["a"])
        for number in range(1, 5):
            await met.came(number)
            met.listener.go_away(last=0, closes=True)

        with pytest.raises(Unreachable, match="refused the request 4 times"):
            await ask


async def test_reason_of_a_goodbye_is_told(authority: Authority) -> None:
    async with meeting(authority) as met:
        met.listener.hold()
        (ask,) = met.pushes(["a"])
        await met.came(1)
        met.listener.go_away(code=ErrorCodes.ENHANCE_YOUR_CALM, data=b"too_many_pings")
        met.listener.drop()

        with pytest.raises(Unreachable, match="ENHANCE_YOUR_CALM: too_many_pings"):
            await ask


async def test_numbers_of_requests_run_out(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is a new connection, and nobody notices."""
    monkeypatch.setattr(http2_connection, "LIFETIME", 3)
    async with meeting(authority) as met:
        await asyncio.gather(*met.pushes(range(10)))

        assert [request.connection for request in met.listener.requests] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


# Connections that are lost.


async def test_lost_connection_fails_what_was_sent(authority: Authority) -> None:
    """And only that: those that wait for their place get it on a new connection."""
    async with meeting(authority, lambda request: DROPPING if "0" in request.path else echo(request), streams=1) as met:
        asks = met.pushes(range(3))
        with pytest.raises(Unreachable, match="was lost"):
            await asks[0]

        await asyncio.gather(*asks[1:])
        assert [request.connection for request in met.listener.requests] == [1, 2, 2]


@pytest.mark.parametrize("way", ["go_away", "hang_up", "drop"])
async def test_connection_that_ended_while_idle_is_replaced(authority: Authority, way: str) -> None:
    """In whatever way it ended, no request is the worse for it."""
    async with meeting(authority) as met:
        await met.push()
        getattr(met.listener, way)()
        await met.parted()

        assert (await met.push()).status == 200
        assert met.listener.connections == 2


async def test_peer_that_was_away_is_found_again(authority: Authority) -> None:
    """There is no penalty: the next request tries again at once."""
    async with meeting(authority) as met:
        await met.push()
        met.listener.stop()
        await met.parted()
        for _ in range(3):
            with pytest.raises(Unreachable, match=r"No connection to 127\.0\.0\.1 port"):
                await met.push()
        met.listener.start()

        assert (await met.push()).status == 200


async def test_dead_connection_is_noticed(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not even answer a PING is not waited for until each request has timed out."""
    monkeypatch.setattr(http2_connection, "PING_SECONDS", 0.2)
    async with meeting(authority) as met:
        await met.push()
        met.listener.deaf = True
        with pytest.raises(Unreachable, match="fell silent"):
            await met.push()
        met.listener.deaf = False

        assert (await met.push()).status == 200
        assert met.listener.connections == 2


async def test_slow_peer_is_waited_for(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it answers PINGs."""
    monkeypatch.setattr(http2_connection, "PING_SECONDS", 0.2)
    async with meeting(authority) as met:
        met.listener.hold()
        (ask,) = met.pushes(["a"])
        await met.listener.until(lambda: len(met.listener.pings) > 1)
        met.listener.release()

        assert (await ask).status == 200
        assert met.listener.connections == 1


async def test_idle_connection_is_closed(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything on the way has forgotten it."""
    monkeypatch.setattr(http2_connection, "PING_SECONDS", 0.2)
    monkeypatch.setattr(http2_connection, "IDLE_SECONDS", 0.05)
    async with meeting(authority) as met:
        await met.push()
        await met.parted()

        assert (await met.push()).status == 200
        assert met.listener.connections == 2


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", PROMISE, MISPLACED],
    ids=["another protocol", "a push that nobody wants", "a frame without its place"],
)
async def test_peer_that_does_not_keep_to_the_protocol(authority: Authority, said: bytes) -> None:
    """Its connection is closed."""
    async with meeting(authority) as met:
        met.listener.hold()
        (ask,) = met.pushes(["a"])
        await met.came(1)
        met.listener.send(said)
        with pytest.raises(Unreachable, match="does not keep to HTTP/2"):
            await ask
        met.listener.release()

        assert (await met.push()).status == 200


# Closing.


async def closing(met: Meeting, *asks: "asyncio.Task[object]") -> None:
    async with asyncio.timeout(PLENTY):
        await met.peer.close()
        ends = await asyncio.gather(*asks, return_exceptions=True)
    assert [str(end) for end in ends] == [f"The connection to 127.0.0.1 port {met.listener.port} is closed."] * len(
        asks
    )


async def test_close_ends_what_is_open_and_what_waits(authority: Authority) -> None:
    async with meeting(authority, streams=1) as met:
        met.listener.hold()
        asks = met.pushes(range(3))
        await met.came(1)

        await closing(met, *asks)
        await met.listener.until(lambda: not met.listener.open_connections)


async def test_close_ends_an_attempt_to_connect(authority: Authority) -> None:
    async with meeting(authority, greets=False) as met:
        asks = met.pushes(range(3))
        await met.listener.until(lambda: met.listener.open_connections)

        await closing(met, *asks)
        await met.listener.until(lambda: not met.listener.open_connections)


async def test_closed_stays_closed(authority: Authority) -> None:
    async with meeting(authority) as met:
        await met.push()
        await closing(met)

        with pytest.raises(Unreachable, match="is closed"):
            await met.push()
        assert met.listener.connections == 1
