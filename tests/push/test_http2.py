"""Requests share one HTTP/2 connection, as many at a time as the peer allows, and come back with their answers."""

import asyncio

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import HeadersFrame

from hubbub.delivery.outcome import TimedOut, Unreachable
from hubbub.delivery.push import http2_connection
from hubbub.delivery.push.http2 import Peer
from hubbub.delivery.push.http2_protocol import Cutter
from tests.push.meeting import PLENTY, SHORT, meeting, paths
from tests.push.peer import REFUSED, SILENT, Reply, Request, echo
from tests.push.tls import Authority


async def test_request_and_answer_arrive_as_they_were_sent(authority: Authority) -> None:
    """The method, the path, the headers and the body go out; the status, the headers and the body come back."""
    said = Reply(410, (("apns-id", "x"), ("retry-after", "3")), b'{"reason":"Unregistered"}')
    async with meeting(authority, lambda _: said) as met:
        answer = await met.peer.ask("POST", "/3/device/abc", [("apns-topic", "com.example")], b"{}", PLENTY)

        (request,) = met.listener.requests
        assert (request.method, request.path, request.body) == ("POST", "/3/device/abc", b"{}")
        assert request.headers == {"apns-topic": "com.example", "content-length": "2"}
        assert (answer.status, answer.headers, answer.body) == (410, dict(said.headers), said.body)


async def test_get_has_no_body(authority: Authority) -> None:
    async with meeting(authority, lambda _: Reply(body=b"yes")) as met:
        answer = await met.peer.ask("GET", "/", [], b"", PLENTY)

        assert answer.body == b"yes"
        assert (met.listener.requests[0].method, met.listener.requests[0].headers) == ("GET", {})


async def test_bodies_pass_the_windows(authority: Authority) -> None:
    """Both ways, a body that is larger than what may be on its way at a time arrives as a whole."""
    large = b"0123456789" * 20_000
    async with meeting(authority, lambda request: Reply(body=request.body[::-1])) as met:
        answers = await asyncio.gather(*(met.push(str(n), large) for n in range(4)))

        assert {answer.body for answer in answers} == {large[::-1]}
        assert {request.body for request in met.listener.requests} == {large}


async def test_body_waits_for_room(authority: Authority) -> None:
    """What the peer has no room for is not sent, and an answer that comes before ends the request."""
    async with meeting(authority, stingy=True) as met:
        ask = asyncio.ensure_future(met.push(body=b"x" * 100_000))
        await met.listener.until(lambda: met.listener.most_streams)
        early = HeadersFrame(1, Encoder().encode([(":status", "413")]), flags=["END_STREAM", "END_HEADERS"])
        met.listener.send(early.serialize())

        assert (await ask).status == 413
        await met.listener.until(lambda: met.listener.resets)
        assert met.listener.requests == []


async def test_all_share_one_connection(authority: Authority) -> None:
    """Those that come first, all at once, share one attempt to connect; those that come later use the same."""
    async with meeting(authority) as met:
        await asyncio.gather(*met.pushes(range(50)))
        await asyncio.gather(*met.pushes(range(50, 60)))

        assert met.listener.connections == 1
        assert len(met.listener.requests) == 60


async def test_no_more_at_a_time_than_the_peer_allows(authority: Authority) -> None:
    """Of 2,000 requests never more than 100 are open at the peer, and all are answered."""
    async with meeting(authority, streams=100) as met:
        met.listener.hold()
        asks = met.pushes(range(2000))
        await met.came(100)
        met.listener.release()
        answers = await asyncio.gather(*asks)

        assert [answer.headers["apns-id"] for answer in answers] == [str(n) for n in range(2000)]
        assert met.listener.most_streams == 100
        assert met.listener.connections == 1


async def test_nothing_is_sent_before_the_peer_says_how_many_it_takes(authority: Authority) -> None:
    """Apple takes one at a time to begin with."""
    async with meeting(authority, streams=1, greets=False) as met:
        asks = met.pushes(range(5))
        await met.listener.until(lambda: met.listener.open_connections)
        assert met.listener.most_streams == 0

        met.listener.greet()
        await asyncio.gather(*asks)
        assert met.listener.most_streams == 1
        assert paths(met.listener.requests) == ["0", "1", "2", "3", "4"]


async def test_peer_can_change_how_many_it_takes(authority: Authority) -> None:
    async with meeting(authority, streams=1) as met:
        await met.push()
        met.listener.change({SettingCodes.MAX_CONCURRENT_STREAMS: 3})
        await met.push()  # its answer comes behind the change
        met.listener.hold()
        asks = met.pushes(range(9))
        await met.came(5)
        met.listener.release()
        await asyncio.gather(*asks)

        assert met.listener.most_streams == 3


async def test_only_what_varies_is_kept_out_of_the_header_table(authority: Authority) -> None:
    """The token in `authorization` is sent once and referred to from then on."""
    names = ("authorization", "apns-topic", "apns-id", "apns-expiration", "apns-collapse-id")
    async with meeting(authority) as met:
        await met.peer.ask("POST", "/3/device/a", [(name, "x") for name in names], b"{}", PLENTY)

        kept_out = {":path", "content-length", "apns-id", "apns-expiration", "apns-collapse-id"}
        assert met.listener.requests[0].literals == kept_out


@pytest.mark.parametrize("path", ["", "a", "/a b", "/a\r\nb", "/ä"])
async def test_path_that_will_not_do(authority: Authority, path: str) -> None:
    """It is the caller's mistake, and nothing is sent."""
    async with meeting(authority) as met:
        with pytest.raises(ValueError, match="path"):
            await met.peer.ask("POST", path, [], b"", PLENTY)

        assert met.listener.connections == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", "b\r\nc: d"),
        ("a", "\0"),
        ("a", "ä"),
        ("a", " b"),
        ("A", "b"),
        ("", "b"),
        (":path", "/"),
        ("content-length", "1"),
    ],
)
async def test_header_that_will_not_do(authority: Authority, name: str, value: str) -> None:
    """It is the caller's mistake, and nothing is sent."""
    async with meeting(authority) as met:
        with pytest.raises(ValueError, match=r"header|value"):
            await met.peer.ask("POST", "/", [(name, value)], b"", PLENTY)

        assert met.listener.connections == 0


@pytest.mark.parametrize("url", ["http://host", "https://", "https://host/path", "https://me@host", "https://host:x"])
async def test_url_that_will_not_do(authority: Authority, url: str) -> None:
    with pytest.raises(ValueError, match=r"https|Port"):
        Peer(url, authority.client_context())


async def test_of_an_endless_answer_the_status_counts(authority: Authority) -> None:
    async with meeting(authority, lambda _: Reply(400, body=bytes(300 * 1024))) as met:
        answer = await met.push()

        assert (answer.status, answer.body) == (400, b"")


async def test_answer_with_an_endless_head_is_none(authority: Authority) -> None:
    async with meeting(authority, lambda _: Reply(headers=(("x", "y" * 20_000),))) as met:
        with pytest.raises(Unreachable, match="does not keep to HTTP/2"):
            await met.push()


async def test_refused_stream_is_sent_again(authority: Authority) -> None:
    """The peer has not looked at it, so that whoever asked need not know."""
    seen: set[str] = set()

    def answer(request: Request) -> Reply:
        if request.path in seen:
            return echo(request)
        seen.add(request.path)
        return REFUSED

    async with meeting(authority, answer) as met:
        answers = await asyncio.gather(*met.pushes(range(20)))

        assert [answer.headers["apns-id"] for answer in answers] == [str(n) for n in range(20)]
        assert (len(met.listener.requests), met.listener.connections) == (40, 1)


async def test_what_is_always_refused_is_given_up(authority: Authority) -> None:
    async with meeting(authority, lambda _: REFUSED) as met:
        with pytest.raises(Unreachable, match="refused the request 4 times"):
            await met.push()

        assert len(met.listener.requests) == 4


async def test_request_broken_off_says_how(authority: Authority) -> None:
    """The connection goes on."""
    broken = Reply(reset=ErrorCodes.INTERNAL_ERROR)
    async with meeting(authority, lambda request: broken if "bad" in request.path else echo(request)) as met:
        with pytest.raises(Unreachable, match="INTERNAL_ERROR"):
            await met.push("bad")

        assert (await met.push("good")).status == 200
        assert met.listener.connections == 1


async def test_answer_that_does_not_come_in_time(authority: Authority) -> None:
    """Its stream is cancelled, and the connection goes on."""
    async with meeting(authority, lambda request: SILENT if "late" in request.path else echo(request)) as met:
        with pytest.raises(TimedOut, match="answer did not come in time"):
            await met.push("late", seconds=SHORT)

        assert (await met.push("good")).status == 200
        await met.listener.until(lambda: met.listener.resets)
        assert met.listener.resets[0][1] == ErrorCodes.CANCEL
        assert met.listener.connections == 1


async def test_place_that_does_not_come_in_time(authority: Authority) -> None:
    """A request that no place was found for is never sent."""
    async with meeting(authority, streams=1) as met:
        met.listener.hold()
        first, second = met.pushes(["first"]), met.pushes(["second"], SHORT)
        with pytest.raises(TimedOut, match="no room"):
            await second[0]
        met.listener.release()

        await first[0]
        await met.push("third")
        assert paths(met.listener.requests) == ["first", "third"]


async def test_cancelled_request_leaves_the_connection_usable(authority: Authority) -> None:
    """Whether it was sent or waited for its place."""
    async with meeting(authority, streams=1) as met:
        met.listener.hold()
        asks = met.pushes(["sent", "waiting", "last"])
        await met.came(1)
        for ask in asks[:2]:
            ask.cancel()
        await asyncio.wait(asks[:2])
        await met.came(2)
        met.listener.release()

        assert (await asks[2]).status == 200
        assert paths(met.listener.requests) == ["sent", "last"]
        assert met.listener.connections == 1


async def test_connection_that_never_answers_in_time_is_replaced(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it be alive: something behind it may not be."""
    monkeypatch.setattr(http2_connection, "TIMEOUTS", 2)
    async with meeting(authority, lambda request: SILENT if request.connection == 1 else echo(request)) as met:
        for _ in range(2):
            with pytest.raises(TimedOut):
                await met.push(seconds=SHORT)

        assert (await met.push()).status == 200
        assert met.listener.connections == 2


async def test_time_spent_is_told(authority: Authority) -> None:
    async with meeting(authority) as met:
        await met.push()
        before = met.peer.busy_seconds
        await met.push()

        assert 0 < before < met.peer.busy_seconds


def test_frames_are_cut_wherever_they_were_split() -> None:
    """And a GOAWAY is told between the frames that it came between."""
    ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"01234567"
    goaway = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + b"\0\0\0\5\0\0\0\0"
    stream = ping + goaway + ping + ping + goaway
    for size in range(1, len(stream) + 1):
        cutter = Cutter(16384)
        cut = [part for at in range(0, len(stream), size) for part in cutter.cut(stream[at : at + size])]

        assert b"".join(frames for frames, _ in cut) == ping * 3
        before_first = b"".join(frames for frames, _ in cut[: [last is not None for _, last in cut].index(True) + 1])
        assert before_first == ping
        assert [last for _, last in cut if last is not None] == [goaway[9:]] * 2
