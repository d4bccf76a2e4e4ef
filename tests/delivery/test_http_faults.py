"""Receivers that break HTTP, break off, or never end: what they say is bounded in form, size and time."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hubbub.delivery.connection import BODY_LIMIT, HEAD_LIMIT
from hubbub.delivery.guard import Guard
from hubbub.delivery.http import Sender
from hubbub.delivery.outcome import Answer, TimedOut, Unreachable
from tests.delivery.receivers import (
    LOOPBACK,
    PLENTY,
    SHORT,
    Exchange,
    certificate,
    deaf_port,
    post,
    receiver,
    saying,
    sending,
    silent,
    telling,
)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_unreachable(sender: Sender, said: bytes) -> None:
    """Garbage, an ambiguous length or a change of protocol is no answer, and the connection is closed."""
    async with receiver(saying(said)) as it:
        with pytest.raises(Unreachable, match="not HTTP"):
            await post(sender, it.port)
        await it.ended.wait()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
async def test_answer_that_breaks_off_is_unreachable(sender: Sender, said: bytes) -> None:
    """A connection that ends within the answer, or before it, gave no answer; it is not asked again."""
    async with receiver(saying(said, hang_up=True)) as it:
        with pytest.raises(Unreachable, match="closed"):
            await post(sender, it.port)

    assert len(it.requests) == 1


async def test_refused_connection_is_unreachable(sender: Sender) -> None:
    """A port on which nobody listens is unreachable, with the host and the port in the sentence."""
    async with receiver() as it:
        pass

    with pytest.raises(Unreachable, match=f"127.0.0.1 port {it.port}"):
        await post(sender, it.port)


async def test_unknown_host_is_unreachable(sender: Sender) -> None:
    """A host that the name server does not know is unreachable."""
    with pytest.raises(Unreachable, match=r"nowhere\.example"):
        await sender.send("POST", "http://nowhere.example/", (), b"", PLENTY)


async def test_long_answer_counts_by_its_status(sender: Sender) -> None:
    """Of an answer over the limit the status is given, without a body; reading stops and the connection ends."""

    async def endless(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await exchange.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with receiver(endless) as it:
        assert await post(sender, it.port) == Answer(503, None, None, b"")
        await it.ended.wait()


async def test_long_chunk_extensions_count_too(sender: Sender) -> None:
    """What surrounds the body is bounded with it."""

    async def endless(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        while True:
            await exchange.say(b"x" * 65536)

    async with receiver(endless) as it:
        assert await post(sender, it.port) == Answer(200, None, None, b"")
        await it.ended.wait()


async def test_answer_of_exactly_the_limit_is_whole(sender: Sender) -> None:
    """The limit itself is allowed."""
    async with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_LIMIT + b"x" * BODY_LIMIT) as it:
        assert (await post(sender, it.port)).body == b"x" * BODY_LIMIT


@pytest.mark.parametrize(
    "piece",
    [b"X-Name: value\r\n", b"x" * HEAD_LIMIT, b"\r\n\r\nHTTP/1.1 100 Continue\r\n"],
    ids=["many", "long", "1xx"],
)
async def test_endless_head_is_unreachable(sender: Sender, piece: bytes) -> None:
    """Headers without end, a header without end and interim answers without end are cut off."""

    async def endless(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 100 OK\r\n")
        while True:
            await exchange.say(piece)

    async with receiver(endless) as it:
        with pytest.raises(Unreachable, match=str(HEAD_LIMIT)):
            await post(sender, it.port)
        await it.ended.wait()


async def drip(exchange: Exchange, start: bytes, piece: bytes) -> None:
    await exchange.say(start)
    while True:
        await exchange.say(piece)
        await asyncio.sleep(SHORT / 10)


@pytest.mark.parametrize(
    "respond",
    [
        silent,
        lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"a"),
        lambda exchange: drip(exchange, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "head", "body", "interim"],
)
async def test_slow_answer_ends_in_time(sender: Sender, respond: Callable[[Exchange], Awaitable[None]]) -> None:
    """Silence, and an answer that drips, end when the time is over, and so does the connection."""
    async with receiver(respond) as it, asyncio.timeout(PLENTY):
        with pytest.raises(TimedOut):
            await post(sender, it.port, seconds=SHORT)
        await it.ended.wait()

    assert it.connections == 1


async def test_hanging_connect_ends_in_time(sender: Sender) -> None:
    """A receiver that does not even take the connection costs no more than the time given."""
    with deaf_port() as port:
        async with asyncio.timeout(PLENTY):
            with pytest.raises(TimedOut, match=f"port {port}"):
                await post(sender, port, seconds=SHORT)


async def test_hanging_lookup_ends_in_time() -> None:
    """A name server that says nothing costs no more than the time given."""

    async def resolve(_: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    guard = Guard(LOOPBACK, resolve)
    sender = Sender(guard)
    async with asyncio.timeout(PLENTY):
        with pytest.raises(TimedOut, match=r"slow\.example"):
            await sender.send("POST", "http://slow.example/", (), b"", SHORT)
    await sender.close()
    assert guard._lookups == {}


async def test_hanging_handshake_ends_in_time(tmp_path: Path) -> None:
    """A receiver that never answers the TLS greeting costs no more than the time given."""
    _, client = certificate(tmp_path, "127.0.0.1")
    async with receiver(silent) as it, sending(context=client) as sender, asyncio.timeout(PLENTY):
        with pytest.raises(TimedOut):
            await sender.send("POST", f"https://127.0.0.1:{it.port}/", (), b"", SHORT)


async def test_cancelled_request_closes_its_connection(sender: Sender) -> None:
    """A caller that gives up leaves no connection behind on which an answer could still come."""
    asked = asyncio.Event()
    async with receiver(telling(asked)) as it:
        task = asyncio.create_task(post(sender, it.port))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await it.ended.wait()

    assert not sender._idle
