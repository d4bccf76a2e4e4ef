"""Connections are kept, replaced, bounded and closed, and no answer reaches another's request."""

import asyncio

import pytest

from hubbub.delivery import http
from hubbub.delivery.http import Sender
from hubbub.delivery.outcome import TimedOut, Unreachable
from tests.delivery.receivers import (
    EMPTY,
    PLENTY,
    SHORT,
    Exchange,
    pausing,
    post,
    receiver,
    saying,
    sending,
    silent,
    telling,
)


async def test_connection_is_used_again(sender: Sender) -> None:
    """Requests to one receiver, one after the other, share a connection, whatever their paths."""
    async with receiver() as it:
        for n in range(5):
            await sender.send("POST", f"http://127.0.0.1:{it.port}/{n}", (), b"", PLENTY)

    assert (it.connections, len(it.requests)) == (1, 5)


async def test_connections_to_different_receivers_are_different(sender: Sender) -> None:
    """What was sent to one port never goes to another."""
    async with receiver() as one, receiver() as two:
        for it in (one, two, one, two):
            await post(sender, it.port)

    assert [(it.connections, len(it.requests)) for it in (one, two)] == [(1, 2), (1, 2)]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        EMPTY + EMPTY,
        EMPTY + b"HTTP/1.1 5",
        EMPTY + b"garbage",
    ],
    ids=["close", "1.0", "two answers", "half of another", "garbage behind"],
)
async def test_connection_that_may_not_be_used_again_is_closed(sender: Sender, said: bytes) -> None:
    """After an answer that ends the connection, or more than one answer, the next request gets a new connection."""
    async with receiver(saying(said)) as it:
        for _ in range(3):
            assert (await post(sender, it.port)).status == 200
            await it.ended.wait()

    assert it.connections == 3


async def test_answer_nobody_asked_for_closes_the_connection(sender: Sender) -> None:
    """A receiver cannot leave an answer lying for the next request."""
    go = asyncio.Event()

    async def respond(exchange: Exchange) -> None:
        await exchange.say(EMPTY)
        if exchange.number == 1:
            await go.wait()
            await exchange.say(b"HTTP/1.1 500 Planted\r\nContent-Length: 0\r\n\r\n")

    async with receiver(respond) as it, asyncio.timeout(PLENTY):
        await post(sender, it.port)
        go.set()
        await it.ended.wait()

        assert (await post(sender, it.port)).status == 200


async def test_connection_closed_while_idle_is_replaced(sender: Sender) -> None:
    """A receiver that closes a kept connection is simply connected to again."""
    async with receiver(saying(EMPTY, hang_up=True)) as it:
        for _ in range(3):
            await post(sender, it.port)
            await it.ended.wait()

    assert (it.connections, len(it.requests)) == (3, 3)


async def test_connection_closed_at_the_moment_of_use_is_replaced_once(sender: Sender) -> None:
    """A kept connection that closes before the first byte of an answer is replaced within the same time."""

    async def respond(exchange: Exchange) -> None:
        if exchange.number in {2, 3}:
            exchange.writer.transport.abort()
        else:
            await exchange.say(EMPTY)

    async with receiver(respond) as it:
        await post(sender, it.port)
        with pytest.raises(Unreachable):
            await post(sender, it.port)  # closed, replaced, closed again: once is enough

        assert (await post(sender, it.port)).status == 200
    assert (it.connections, len(it.requests)) == (3, 4)


async def test_replacement_has_the_time_that_is_left(sender: Sender) -> None:
    """The new connection does not begin the time anew."""
    seconds = 4 * SHORT

    async def respond(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.say(EMPTY)
        elif exchange.number == 2:
            await asyncio.sleep(seconds / 2)
            exchange.writer.transport.abort()
        else:
            await silent(exchange)

    async with receiver(respond) as it:
        await post(sender, it.port)
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimedOut):
            await post(sender, it.port, seconds=seconds)

    assert asyncio.get_running_loop().time() - started < seconds * 1.5
    assert len(it.requests) == 3


async def test_connection_with_half_an_answer_is_not_replaced(sender: Sender) -> None:
    """Once an answer has begun, the receiver has the request, and it is not sent again at once."""

    async def respond(exchange: Exchange) -> None:
        await exchange.say(EMPTY if exchange.number == 1 else b"HTTP/1.1 2")
        if exchange.number == 2:
            exchange.writer.close()

    async with receiver(respond) as it:
        await post(sender, it.port)
        with pytest.raises(Unreachable, match="within the answer"):
            await post(sender, it.port)

    assert len(it.requests) == 2


async def test_early_answer_counts_and_ends_the_connection(sender: Sender) -> None:
    """An answer that comes before the body was taken is the answer; the rest of the body is not sent."""
    async with receiver(saying(b"HTTP/1.1 413 Too Long\r\nContent-Length: 0\r\n\r\n"), wants_body=False) as it:
        it.respond = pausing(it.respond)
        answer = await post(sender, it.port, b"x" * 20_000_000)

        assert answer.status == 413
        assert not sender._idle


async def test_many_at_once_each_get_their_own_answer(sender: Sender) -> None:
    """Concurrent requests do not mix, and as many connections as there were at once serve those that follow."""

    async def echo(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        await exchange.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(exchange.body) + exchange.body)

    async with receiver(echo) as it:
        for start in (0, 50):
            bodies = [b"%d" % n for n in range(start, start + 50)]
            answers = await asyncio.gather(*(post(sender, it.port, body) for body in bodies))
            assert [answer.body for answer in answers] == bodies

    assert it.connections == 50


async def test_idle_connections_are_bounded() -> None:
    """No more than a fixed number of connections is kept; the others are closed after use."""
    async with receiver() as it, sending(idle_limit=3) as sender:
        await asyncio.gather(*(post(sender, it.port) for _ in range(10)))
        assert sender._idle_count == sum(map(len, sender._idle.values())) == 3

        await asyncio.gather(*(post(sender, it.port) for _ in range(3)))
    assert it.connections == 10


async def test_idle_connection_is_closed_after_a_while(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody used for a while is closed, and then no timer runs any more."""
    monkeypatch.setattr(http, "IDLE_SECONDS", 0.02)
    monkeypatch.setattr(http, "SWEEP_SECONDS", 0.01)
    async with receiver() as it, asyncio.timeout(PLENTY):
        await post(sender, it.port)
        assert sender._idle_count == 1
        await it.ended.wait()

    assert not any((sender._idle, sender._idle_count, sender._sweeper, sender._open))


async def test_old_connection_is_not_kept(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection in constant use ends at some time, so that a receiver may move to another address."""
    monkeypatch.setattr(http, "LIFE_SECONDS", -1)
    async with receiver() as it:
        await post(sender, it.port)
        await post(sender, it.port)

    assert it.connections == 2


async def test_urls_are_remembered_within_bounds(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many URLs there are, no more than a fixed number is remembered."""
    monkeypatch.setattr(http, "KEPT_PLACES", 3)
    async with receiver() as it:
        for n in range(9):
            await sender.send("GET", f"http://127.0.0.1:{it.port}/{n % 5}?{n}", (), b"", PLENTY)

    assert len(sender._places) == 3
    assert [exchange.head.split()[1] for exchange in it.requests] == [f"/{n % 5}?{n}" for n in range(9)]


async def test_close_closes_everything() -> None:
    """After close no connection is open, idle or in use."""
    async with receiver() as idle, receiver(silent) as busy, sending() as sender:
        await post(sender, idle.port)
        asked = asyncio.Event()
        busy.respond = telling(asked)
        waiting = asyncio.create_task(post(sender, busy.port))
        await asked.wait()

        await sender.close()

        with pytest.raises(Unreachable):
            await waiting
        await idle.ended.wait()
        await busy.ended.wait()
        assert sender._open == set()
