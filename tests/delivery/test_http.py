"""What webhooks are sent as, and the answers that count, from receivers that keep to HTTP."""

import asyncio

import pytest

from hubbub.delivery.http import Sender
from hubbub.delivery.outcome import Answer
from tests.delivery.receivers import EMPTY, OK, PLENTY, Exchange, post, receiver, saying


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
