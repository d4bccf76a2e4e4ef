"""The client that sends webhooks: real receivers, from well-behaved to hostile, on both event loops."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from hubbub.delivery import http
from hubbub.delivery.connection import BODY_LIMIT, HEAD_LIMIT
from hubbub.delivery.guard import Guard
from hubbub.delivery.http import Sender
from hubbub.delivery.outcome import Answer, Blocked, TimedOut, Unreachable
from tests.delivery.receivers import LOOPBACK, OK, Exchange, Names, certificate, receiver, sending

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
PLENTY = 5.0  # seconds, for what must not take long
SHORT = 0.1  # seconds, for what must end by itself


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as it:
        yield it


async def post(sender: Sender, port: int, body: bytes = b"a=1", seconds: float = PLENTY) -> Answer:
    return await sender.send("POST", f"http://127.0.0.1:{port}/hook", [("X-Name", "value")], body, seconds)


def saying(data: bytes, *, hang_up: bool = False) -> Callable[[Exchange], Awaitable[None]]:
    """A receiver that answers with these bytes, and then hangs up or leaves the connection open."""

    async def respond(exchange: Exchange) -> None:
        await exchange.say(data)
        if hang_up:
            exchange.writer.close()

    return respond


async def silent(exchange: Exchange) -> None:
    await exchange.reader.read()


def telling(asked: asyncio.Event) -> Callable[[Exchange], Awaitable[None]]:
    """A receiver that is silent, but lets the test know when a request has come."""

    async def respond(exchange: Exchange) -> None:
        asked.set()
        await silent(exchange)

    return respond


# What is sent, and what comes back.


async def test_request_is_sent_as_it_is_given(sender: Sender) -> None:
    """The receiver gets the method, the URL, the headers in their order and the body, and the sender its answer."""
    async with receiver() as it:
        url = f"http://127.0.0.1:{it.port}/a/b;c?x=1&y=%20z#fragment"

        answer = await sender.send("POST", url, [("X-B", "1"), ("X-A", "\u00e9")], b"a=1&b=2", PLENTY)

    assert answer == Answer(200, "text/plain", None, b"ok")
    assert it.requests[0].body == b"a=1&b=2"
    assert it.requests[0].head.split("\r\n") == [
        "POST /a/b;c?x=1&y=%20z HTTP/1.1",
        f"Host: 127.0.0.1:{it.port}",
        "Accept-Encoding: identity",
        "X-B: 1",
        "X-A: \u00e9",
        "Content-Length: 7",
        "",
        "",
    ]


async def test_get_has_no_body(sender: Sender) -> None:
    """A GET carries its parameters in the URL and neither a body nor its length."""
    async with receiver() as it:
        await sender.send("GET", f"http://127.0.0.1:{it.port}?a=\u00fc b", (), b"", PLENTY)

    assert it.requests[0].head.startswith("GET /?a=%C3%BC%20b HTTP/1.1\r\n")
    assert "Content-Length" not in it.requests[0].head


async def test_post_without_a_body_says_so(sender: Sender) -> None:
    """A POST with nothing in it says that its length is 0."""
    async with receiver() as it:
        await post(sender, it.port, b"")

    assert "Content-Length: 0\r\n" in it.requests[0].head


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("POST", "X-Name", "a\r\nX-Evil: 1"),
        ("POST", "X-Name", "a\n"),
        ("POST", "X-Name", "a\r"),
        ("POST", "X-Name\r\nX-Evil", "a"),
        ("POST", "X-Name", "a\0"),
        ("POST", "X-Name", "\u20ac"),
        ("HEAD", "X-Name", "a"),
        ("POST /x HTTP/1.1\r\n", "X-Name", "a"),
    ],
)
async def test_head_cannot_be_broken_out_of(sender: Sender, method: str, name: str, value: str) -> None:
    """A method or a header that would change the form of the request is refused before anything is sent."""
    async with receiver() as it:
        with pytest.raises(ValueError, match=r"head of a request|codec"):
            await sender.send(method, f"http://127.0.0.1:{it.port}/", [(name, value)], b"", PLENTY)

    assert it.connections == 0


@pytest.mark.parametrize("status", [200, 201, 299, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503, 599])
async def test_every_status_is_an_answer(sender: Sender, status: int) -> None:
    """No status is an error here, and a redirect is not followed, least of all to this machine."""
    async with receiver() as inner:
        location = f"Location: http://127.0.0.1:{inner.port}/\r\n".encode()
        said = b"HTTP/1.1 %d Word\r\nContent-Length: 1\r\nRetry-After: 120\r\n%b\r\nx" % (status, location)
        async with receiver(said) as it:
            answer = await post(sender, it.port)

    assert answer == Answer(status, None, "120", b"x")
    assert inner.connections == 0


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nRetry-After: 1\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200\r\ncontent-length:3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nRetry-After: 9\r\n\r\n" + EMPTY, b""),
        (b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na", b"a"),
    ],
)
async def test_answer_in_any_form_is_understood(sender: Sender, said: bytes, body: bytes) -> None:
    """Chunks, interim answers, answers without a body: each is read to its end, and the connection serves again."""
    async with receiver(said) as it:
        answers = [await post(sender, it.port) for _ in range(2)]

    assert {(answer.retry_after, answer.body) for answer in answers} == {(None, body)}
    assert it.connections == 1


@pytest.mark.parametrize("whole", [OK, b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
async def test_answer_may_come_in_any_pieces(sender: Sender, whole: bytes) -> None:
    """An answer that comes byte by byte is the same answer."""

    async def respond(exchange: Exchange) -> None:
        for byte in whole:
            await exchange.say(bytes([byte]))
            await asyncio.sleep(0)

    async with receiver(respond) as it:
        answer = await post(sender, it.port)

    assert (answer.status, answer.body) == (200, b"ok")


async def test_answer_may_end_with_the_connection(sender: Sender) -> None:
    """An answer without a length ends when the receiver hangs up, as HTTP/1.0 has it."""
    async with receiver(saying(b"HTTP/1.0 200 OK\r\n\r\nall of it", hang_up=True)) as it:
        assert (await post(sender, it.port)).body == b"all of it"


async def test_answer_stays_encoded(sender: Sender) -> None:
    """A compressed body is given back as it is: nothing is inflated, whatever it would become."""
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with receiver(said) as it:
        assert (await post(sender, it.port)).body == b"\x1f\x8b\x08\x00"


async def test_environment_changes_nothing(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is taken from the environment, and no cookie is kept."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with receiver(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n") as it:
        await post(sender, it.port)
        await post(sender, it.port)

    assert not any("cookie" in exchange.head.lower() for exchange in it.requests)


# What goes wrong.


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


# Time.


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


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


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

    sender = Sender(Guard(LOOPBACK, resolve))
    async with asyncio.timeout(PLENTY):
        with pytest.raises(TimedOut, match=r"slow\.example"):
            await sender.send("POST", "http://slow.example/", (), b"", SHORT)
    await sender.close()


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


# Connections.


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

    async with receiver(respond) as it:
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


def pausing(respond: Callable[[Exchange], Awaitable[None]] | bytes) -> Callable[[Exchange], Awaitable[None]]:
    async def both(exchange: Exchange) -> None:
        assert not isinstance(respond, bytes)
        await respond(exchange)
        exchange.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    return both


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


# Addresses.


async def test_connection_goes_to_the_checked_address_only() -> None:
    """A name server that answers differently the second time is not asked a second time."""
    names = Names(evil_example=[["127.0.0.2"], ["127.0.0.1"]])
    guard = Guard(LOOPBACK, names)
    sender = Sender(guard)
    async with receiver(host="127.0.0.2") as checked, receiver(host="127.0.0.1", port=checked.port) as other:
        for _ in range(2):
            await sender.send("POST", f"http://evil.example:{checked.port}/", (), b"", PLENTY)
        await sender.close()

    assert (len(checked.requests), other.connections) == (2, 0)
    assert names.asked == ["evil.example"]
    assert f"\r\nHost: evil.example:{checked.port}\r\n" in checked.requests[0].head


async def test_blocked_address_is_not_connected_to() -> None:
    """A request to an address that is not allowed ends before any connection."""
    sender = Sender(Guard(resolve=Names(inner_example=[["127.0.0.1"]])))
    async with receiver() as it:
        for host in ("127.0.0.1", "inner.example"):
            with pytest.raises(Blocked, match=r"127\.0\.0\.1"):
                await sender.send("POST", f"http://{host}:{it.port}/", (), b"", PLENTY)

    assert it.connections == 0


async def test_addresses_are_tried_in_their_order() -> None:
    """The first checked address that takes the connection gets the request."""
    names = Names(good_example=[["127.0.0.3", "127.0.0.2", "127.0.0.1"]])
    async with (
        receiver(host="127.0.0.2") as it,
        receiver(host="127.0.0.1", port=it.port) as last,
        sending(names) as sender,
    ):
        await sender.send("POST", f"http://good.example:{it.port}/", (), b"", PLENTY)

    assert (len(it.requests), last.connections) == (1, 0)


async def test_address_that_hangs_leaves_time_for_the_next() -> None:
    """An address that swallows connections uses up its share of the time, not all of it."""
    with deaf_port() as port:
        names = Names(good_example=[["127.0.0.1", "127.0.0.2"]])
        async with receiver(host="127.0.0.2", port=port) as it, sending(names) as sender:
            await sender.send("POST", f"http://good.example:{port}/", (), b"", SHORT * 4)

    assert len(it.requests) == 1


async def test_ipv6_receiver_is_reached(sender: Sender) -> None:
    """An IPv6 address stands in brackets in the URL and in the Host header."""
    try:
        opened = receiver(host="::1")
        it = await opened.__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6")
    await sender.send("POST", f"http://[0::1]:{it.port}/", (), b"", PLENTY)
    await opened.__aexit__(None, None, None)

    assert f"\r\nHost: [::1]:{it.port}\r\n" in it.requests[0].head


# TLS.


async def test_tls_receiver_is_verified_by_its_name(tmp_path: Path) -> None:
    """The connection goes to the checked address, while the name that is told and verified is that of the URL."""
    server, client = certificate(tmp_path, "hook.example")
    told: list[str | None] = []
    server.sni_callback = lambda _, name, __: told.append(name)
    names = Names(hook_example=[["127.0.0.1"]])
    async with receiver(tls=server) as it, sending(names, client) as sender:
        for _ in range(2):
            answer = await sender.send("POST", f"https://hook.example:{it.port}/", (), b"a=1", PLENTY)
            assert answer.body == b"ok"

    assert told == ["hook.example"]
    assert it.connections == 1


async def test_tls_receiver_may_be_an_address(tmp_path: Path) -> None:
    """A certificate for an address is good for that address."""
    server, client = certificate(tmp_path, "127.0.0.1")
    async with receiver(tls=server) as it, sending(context=client) as sender:
        assert (await sender.send("POST", f"https://127.0.0.1:{it.port}/", (), b"", PLENTY)).status == 200


@pytest.mark.parametrize(("named", "trusted"), [("other.example", True), ("hook.example", False)])
async def test_wrong_certificate_is_unreachable(tmp_path: Path, named: str, trusted: bool) -> None:
    """A certificate for another name, or of nobody who is trusted, ends the request before anything is sent."""
    server, client = certificate(tmp_path, named)
    names = Names(hook_example=[["127.0.0.1"]])
    async with receiver(tls=server) as it, sending(names, client if trusted else http.default_context()) as sender:
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            await sender.send("POST", f"https://hook.example:{it.port}/", (), b"", PLENTY)

    assert it.requests == []


async def test_plain_receiver_behind_https_is_unreachable(tmp_path: Path) -> None:
    """A receiver that does not speak TLS gets no request over https."""
    _, client = certificate(tmp_path, "127.0.0.1")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with sending(context=client) as sender:
        with pytest.raises(Unreachable):
            await sender.send("POST", f"https://127.0.0.1:{port}/", (), b"", PLENTY)
    server.close()
    await server.wait_closed()


def test_trust_store_of_production_verifies() -> None:
    """Without a context of its own the sender verifies certificates and names."""
    context = http.default_context()

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
