"""The socket of a real server process: who may open it, what it carries, what it bears and how it ends."""

import asyncio
import contextlib
import json
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.harness import running
from tests.realtime.device import Device, Standin, device, pack, token

PATH = "/v3/wsconnect"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A stand-in server that pings every second and gives up on a handler after two."""
    directory = tmp_path_factory.mktemp("standin")
    settings = {"HUBBUB_REALTIME_PING_SECONDS": "1", "ANSWER_SECONDS": "4"}
    with running(Standin(directory, f"sqlite:///{directory / 'hubbub.db'}", settings)) as started:
        assert isinstance(started, Standin)
        yield started
        assert started.process is not None
        assert started.process.poll() is None, started.log
        unexpected = [line for line in started.log.splitlines() if "Traceback" in line or "never retrieved" in line]
        assert len(unexpected) == started.log.count("is broken\n") + started.log.count("ValueError: broken\n")


@pytest.fixture
def new_standin(tmp_path: Path) -> Iterator[Standin]:
    """A stand-in server of the test's own, not started yet."""
    server = Standin(tmp_path / "data", f"sqlite:///{tmp_path / 'hubbub.db'}")
    yield server
    if server.process is not None:
        server.process.kill()
        server.process.wait()


@pytest.fixture
async def app(server: Standin) -> AsyncIterator[Device]:
    """A connected app."""
    async with device(server) as opened:
        yield opened


def open_raw(server: Standin) -> socket.socket:
    """A bare TCP connection after the handshake: for what no library would send."""
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    raw.sendall(
        b"GET /v3/wsconnect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += raw.recv(1024)
    assert head.startswith(b"HTTP/1.1 101 ")
    return raw


def masked(payload: bytes, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


def init_frame(identity: str) -> bytes:
    return masked(pack({"method": "init", "id": "1", "token": token(identity)}))


async def ended(raw: socket.socket) -> bytes:
    """What came until the end of the connection."""
    data = b""
    raw.setblocking(False)
    async with asyncio.timeout(20):
        try:
            while piece := await asyncio.get_running_loop().sock_recv(raw, 65_536):
                data += piece
        except ConnectionError:
            pass
    return data


# Opening


@pytest.mark.parametrize("path", [PATH, f"/x.twilio.com{PATH}", f"{PATH}?region=us1"])
async def test_app_connects(server: Standin, path: str) -> None:
    """The SDK's own path opens a socket, and so does what it makes of a region of `HOST/x`."""
    async with device(server, path=path) as app:
        assert await app.request("/who") == (200, ["alice"])


@pytest.mark.parametrize("path", ["/", "/v3", "/x/v3/wsconnect", "/v2/Services", f"{PATH}/more"])
async def test_other_path_is_not_found(server: Standin, path: str) -> None:
    """There is one place to connect to; elsewhere is 404, as REST says it."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{server.port}{path}"):
            pass

    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["code"] == 20404


async def test_any_origin_connects_without_compression(server: Standin) -> None:
    """A page of any origin may connect, and nothing is compressed although the client offers it."""
    async with device(server, origin="https://app.example.com", compression="deflate") as app:
        assert app.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in app.socket.response.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "12"}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
    ],
)
def test_broken_handshake_is_refused(server: Standin, headers: dict[str, str], status: int) -> None:
    """A request that is not a WebSocket's gets an answer of HTTP."""
    whole = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }

    assert httpx.get(f"{server.url}{PATH}", headers=whole).status_code == status


def test_plain_request_is_not_found(server: Standin) -> None:
    """The path is no page."""
    assert httpx.get(f"{server.url}{PATH}").status_code == 404


async def test_one_more_than_the_most_is_unavailable(new_standin: Standin) -> None:
    """The number of connections is bounded; one that leaves makes room."""
    new_standin.settings = {"HUBBUB_REALTIME_CONNECTIONS": "1"}
    with running(new_standin):
        async with device(new_standin):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(new_standin.address):
                    pass
            assert refused.value.response.status_code == 503
        async with device(new_standin) as app:
            assert await app.request("/who") == (200, ["alice"])


# Being let in


async def test_bad_token_is_refused(server: Standin) -> None:
    """The reply tells the error's code, and the connection ends."""
    async with device(server, init=False) as app:
        header = await app.init("bad")

        assert header["status"] == {
            "code": 401,
            "status": "Unauthorized",
            "errorCode": 20101,
            "description": "Invalid Access Token",
        }
        assert await app.ended() == 1008


async def test_fault_in_the_check_is_told_as_a_fault(server: Standin) -> None:
    """A fault of ours is no refusal: the client tries again."""
    async with device(server, init=False) as app:
        assert (await app.init("broken"))["status"]["code"] == 500


async def test_silent_socket_is_dropped(server: Standin) -> None:
    """Who does not say who it is in time is not kept, nor who answers pings only."""
    async with device(server, init=False) as app:
        assert await app.ended() == 1008


async def test_check_that_does_not_end_is_no_way_to_stay(server: Standin) -> None:
    """Who waits to be let in is no better."""
    async with device(server, init=False) as app:
        asked = app.ask({"method": "init", "token": "slow"})

        assert await app.ended() == 1008
        asked.cancel()


async def test_token_is_warned_of_and_ends(server: Standin) -> None:
    """The client hears that its token expires, and is dropped without a close when it does."""
    async with device(server, init=False) as app:
        await app.init(token(seconds=2))

        header, _ = await app.notice()
        assert (header["method"], header["client_update_type"]) == ("client_update", "token_about_to_expire")
        assert await app.ended() == 1006


async def test_new_token_prolongs_the_connection(server: Standin) -> None:
    """An update with a later end keeps the client connected beyond the first."""
    async with device(server, init=False) as app:
        await app.init(token(seconds=2))

        header, _ = await app.ask({"method": "update", "token": token(seconds=4)})
        assert header["status"]["code"] == 200
        began = time.monotonic()
        assert await app.ended() == 1006
        assert time.monotonic() - began > 2.5


async def test_token_of_another_user_is_refused(app: Device) -> None:
    """A connection stays its user's."""
    header, _ = await app.ask({"method": "update", "token": token("bob")})

    assert (header["status"]["code"], header["status"]["errorCode"]) == (403, 20101)
    assert (await app.request("/echo/x"))[1]["identity"] == "alice"


async def test_server_may_drop_a_client(server: Standin, app: Device) -> None:
    """A client whose right has ended is dropped, and is among the connected no more."""
    async with device(server, init=False) as other:
        await other.init(token("mallory"))
        assert await app.request("/drop/mallory", b"x") == (204, None)

        assert await other.ended() == 1006
    assert await app.request("/who") == (200, ["alice"])


async def test_client_whose_key_was_revoked_is_dropped(server: Standin, app: Device) -> None:
    """What a token rests on is looked at every few seconds: who has lost it goes, all others stay."""
    async with device(server, init=False) as other:
        await other.init(token("mallory"))
        assert await app.request("/revoke/mallory", b"x") == (204, None)

        assert await other.ended() == 1006
    assert await app.request("/who") == (200, ["alice"])


# Requests


async def test_request_reaches_its_handler(app: Device) -> None:
    """Path, parameters, headers and body arrive decoded."""
    status, content = await app.request(
        "/echo/caf%C3%A9%2F1",
        '{"a":"é"}'.encode(),
        params={"a%20b": ["1", "2"], "c": "%2B"},
        headers={"X-Twilio-Mutation-Id": "m"},
    )

    assert status == 200
    assert content == {
        "identity": "alice",
        "method": "POST",
        "path": {"word": "café/1"},
        "params": {"a b": ["1", "2"], "c": ["+"]},
        "headers": {"x-twilio-mutation-id": "m"},
        "body": '{"a":"é"}',
    }


@pytest.mark.parametrize(
    ("path", "method", "host", "status", "code"),
    [
        ("/nowhere", "GET", "aim.us1.twilio.com", 404, 20404),
        ("/echo/x", "GET", "cds.us1.twilio.com", 404, 20404),
        ("/echo/x", "GET", "", 404, 20404),
        ("/echo/x", "DELETE", "aim.us1.twilio.com", 405, 20004),
        ("/echo/%ff", "GET", "aim.us1.twilio.com", 400, 20001),
        ("/fail/refused", "GET", "aim.us1.twilio.com", 403, 50056),
        ("/fail/contended", "GET", "aim.us1.twilio.com", 409, 20409),
        ("/fail/broken", "GET", "aim.us1.twilio.com", 500, 20500),
    ],
)
async def test_failure_is_told_as_rest_tells_it(
    app: Device, path: str, method: str, host: str, status: int, code: int
) -> None:
    """Every failure of a request is a status of HTTP and the body that REST has."""
    told, content = await app.request(path, method=method, host=host)

    assert told == status
    assert set(content) == {"code", "message", "more_info", "status"}
    assert (content["status"], content["code"]) == (status, code)


async def test_slow_handler_is_answered_before_the_sdk_gives_up(app: Device) -> None:
    """Nothing stays without an answer: what takes too long is 503."""
    status, content = await app.request("/wait/forever")

    assert (status, content["code"]) == (503, 20503)


async def test_requests_run_at_the_same_time_but_not_all(app: Device) -> None:
    """Eight requests of a client run at once; more of them wait, and all are answered."""
    waiting = [app.request("/wait/gate") for _ in range(7)]
    assert await app.request("/who") == (200, ["alice"])

    await app.request("/wait/gate", b"open")

    assert await asyncio.gather(*waiting) == [(200, "open")] * 7


async def test_thousands_of_requests_at_once_are_all_answered(app: Device) -> None:
    """A client that starts with a thousand channels asks for everything at once."""
    asked = [app.request(f"/echo/{number}") for number in range(4000)]

    answers = await asyncio.gather(*asked)

    assert [content["path"]["word"] for _, content in answers] == [str(number) for number in range(4000)]


async def test_large_answer_arrives(app: Device) -> None:
    """An answer of megabytes is not taken for a backlog."""
    status, content = await app.request("/fill/5000000")

    assert (status, len(content)) == (200, 5_000_000)


async def test_unknown_packet_is_harmless(app: Device) -> None:
    """A packet that we do not know is answered 400 and forgotten."""
    header, _ = await app.ask({"method": "brew"})
    assert header["status"]["code"] == 400

    assert (await app.request("/who"))[0] == 200


async def test_notification_reaches_everybody(server: Standin, app: Device) -> None:
    """One frame goes to all, and each acknowledges it."""
    async with device(server, init=False) as bob:
        await bob.init(token("bob"))
        await app.request("/notify", b'{"count":3,"size":5}')

        for each in (app, bob):
            for _ in range(3):
                header, payload = await each.notice()
                assert (header["method"], header["message_type"], payload) == ("notification", "test", b'"xxxxx"')
                await each.send({"method": "reply", "id": header["id"], "status": {"code": 200, "status": "OK"}})
        assert (await bob.request("/who"))[1] == ["alice", "bob"]


# What is not the protocol


async def test_text_is_refused(app: Device) -> None:
    """Messages are binary."""
    await app.socket.send("TWILSOCK V3.0 2\r\n{}\r\n")

    assert await app.ended() == 1003


async def test_bytes_that_are_no_packet_are_refused(app: Device) -> None:
    """Messages are packets."""
    await app.socket.send(b"hello")

    assert await app.ended() == 1007


async def test_message_over_the_limit_is_refused(app: Device) -> None:
    """A message has an end."""
    await app.socket.send(bytes(512 * 1024 + 1))

    assert await app.ended() == 1009


async def test_message_before_init_has_a_narrower_limit(server: Standin) -> None:
    """Who has not been let in gets less room."""
    async with device(server, init=False) as app:
        await app.socket.send(bytes(64 * 1024 + 1))

        assert await app.ended() == 1009


async def test_fragments_are_put_together(app: Device) -> None:
    """A packet in fragments is a packet."""
    packet = pack({"method": "message", "id": "f", "http_request": {"host": "aim", "path": "/who"}})

    await app.socket.send([packet[:10], packet[10:11], packet[11:]])

    header, payload = await app.notice()
    assert (header["id"], payload) == ("f", b'["alice"]')


async def test_ping_of_the_client_is_answered(app: Device) -> None:
    """RFC 6455: a ping is answered by a pong with the same data."""
    pong = await app.socket.ping(b"data")

    async with asyncio.timeout(10):
        await pong


async def test_closing_is_answered(server: Standin) -> None:
    """The other side's close is answered with its own code, and a close that is none with 1002."""
    for sent, answered in [(b"\x03\xe8bye", b"\x03\xe8"), (b"", b""), (b"\x03", b"\x03\xea")]:
        raw = open_raw(server)
        raw.sendall(masked(sent, Opcode.CLOSE))

        assert await ended(raw) == bytes((0x88, len(answered))) + answered
        raw.close()


async def test_client_that_says_close_is_let_go(app: Device) -> None:
    """The SDK's own farewell."""
    await app.send({"method": "close"})

    assert await app.ended() == 1000


# What does not answer, or does not read


async def test_client_that_answers_pings_stays(app: Device) -> None:
    """A client that has nothing to say is kept for as long as it answers."""
    await asyncio.sleep(4)  # four pings

    assert (await app.request("/who"))[0] == 200


async def test_client_that_is_silent_is_dropped(server: Standin) -> None:
    """Who answers no ping is gone."""
    raw = open_raw(server)
    raw.sendall(init_frame("silent"))

    data = await ended(raw)

    assert data.count(b"\x89\0") >= 2, "it was pinged"
    raw.close()


async def test_slow_loris_is_dropped(server: Standin) -> None:
    """Whoever sends its first message byte by byte has no more time than others."""
    raw = open_raw(server)
    began = time.monotonic()

    with contextlib.suppress(ConnectionError):
        for byte in init_frame("loris"):
            raw.sendall(bytes((byte,)))
            await asyncio.sleep(0.1)

    assert time.monotonic() - began < 10
    raw.close()


async def test_slow_consumer_is_dropped_and_others_do_not_notice(server: Standin, app: Device) -> None:
    """Who does not read is dropped when too much waits for it; all others get everything, and memory is bounded."""
    before = server.memory
    raw = open_raw(server)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(init_frame("slow"))
    assert raw.recv(4096)

    for _ in range(15):
        await app.request("/notify", b'{"count":100,"size":10000}')

    for _ in range(1500):
        header, _ = await app.notice()
        assert header["method"] == "notification"
    assert "slow does not read what it is sent" in server.log
    assert (await app.request("/who"))[1] == ["alice"]
    assert server.memory - before < 40 * 1024 * 1024
    raw.close()


async def test_client_that_asks_but_does_not_read_costs_bounded_memory(server: Standin, app: Device) -> None:
    """Who asks for ever more and reads nothing is not listened to: its requests wait in its own machine."""
    before = server.memory
    raw = open_raw(server)
    raw.sendall(init_frame("greedy"))
    request = {"method": "message", "id": "g", "http_request": {"host": "aim", "path": "/fill/100000"}}
    raw.setblocking(False)
    sent = 0
    try:
        while sent < 50_000_000:
            sent += raw.send(masked(pack(request)) * 100)
            await asyncio.sleep(0)
    except (BlockingIOError, ConnectionError):
        pass

    assert (await app.request("/who"))[0] == 200
    assert server.memory - before < 60 * 1024 * 1024
    raw.close()


# Garbage


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x82\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0" + bytes(100_000),
        bytes(100_000),
        b"\xff" * 100_000,
        b"GET / HTTP/1.1\r\n\r\n" * 1000,
        b"\x02\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 20_000,
        b"\x89\x80\0\0\0\0" * 20_000,
        masked(b"TWILSOCK V3.0 99999\r\n"),
        masked(b"TWILSOCK V3.0 20\r\n" + b'{"method":"message"}\r\n') * 1000,
    ],
    ids=["huge", "zeros", "ones", "http", "empty fragments", "pings", "no header", "no id"],
)
async def test_garbage_does_no_harm(server: Standin, app: Device, garbage: bytes) -> None:
    """Whatever is sent, before init or after: the connection ends, the server and all others go on."""
    before = server.memory
    for beginning in (b"", init_frame("vandal")):
        raw = open_raw(server)
        raw.sendall(beginning)
        with contextlib.suppress(ConnectionError):
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
        await ended(raw)
        raw.close()

    assert (await app.request("/who"))[1] == ["alice"]
    assert server.memory - before < 20 * 1024 * 1024


async def test_damaged_conversations_do_no_harm(server: Standin, app: Device) -> None:
    """A conversation with bytes exchanged anywhere in it ends that connection at worst."""
    request = {"method": "message", "id": "1", "http_request": {"host": "aim", "path": "/echo/x", "params": {"a": "b"}}}
    for seed in range(200):
        chance = random.Random(seed)
        damaged = bytearray(init_frame("damaged") + masked(pack(request)) * 3)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        raw = open_raw(server)
        with contextlib.suppress(ConnectionError):
            raw.sendall(damaged)
            raw.shutdown(socket.SHUT_WR)
        await ended(raw)
        raw.close()

    await until_alone(app)


async def test_connections_cut_anywhere_leave_nothing_behind(server: Standin, app: Device) -> None:
    """A connection that breaks off at any byte is gone from everywhere."""
    whole = init_frame("cut") + masked(
        pack({"method": "message", "id": "1", "http_request": {"host": "aim", "path": "/wait/cut"}})
    )
    for length in range(0, len(whole), 7):
        raw = open_raw(server)
        raw.sendall(whole[:length])
        raw.close()

    await until_alone(app)


async def until_alone(app: Device) -> None:
    """Wait until nobody but alice is connected."""
    async with asyncio.timeout(20):
        while (await app.request("/who"))[1] != ["alice"]:
            pass


# The end of the server


async def test_clients_are_told_to_come_back_when_the_server_stops(new_standin: Standin) -> None:
    """An idle client gets a close of 308 with a time to wait, and the server ends at once when it has gone."""
    with running(new_standin):
        async with device(new_standin) as app:
            assert new_standin.process is not None
            new_standin.process.send_signal(signal.SIGTERM)

            header, payload = await app.notice()
            assert (header["method"], header["status"]["code"]) == ("close", 308)
            assert 200 <= json.loads(payload)["backoff_policy"]["reconnect_min_ms"] <= 2000
            await app.socket.close()
            assert await asyncio.to_thread(new_standin.process.wait, 5) == 0


async def test_requests_in_flight_are_answered_before_the_server_stops(new_standin: Standin) -> None:
    """What runs is answered, what comes too late is turned away, and only then comes the close."""
    new_standin.settings = {"HUBBUB_SHUTDOWN_SECONDS": "2"}
    with running(new_standin):
        async with device(new_standin) as app, device(new_standin) as other:
            running_request = app.request("/wait/end")
            late: tuple[int, Any] = await app.request("/who")
            assert late[0] == 200
            held = other.request("/wait/end")
            await other.request("/who")
            assert new_standin.process is not None
            new_standin.process.send_signal(signal.SIGTERM)

            while late[0] == 200:
                late = await app.request("/who")
            assert (late[0], late[1]["code"]) == (503, 20503)

            assert app.notices.empty(), "the close comes after the last answer"
            assert [(await each)[0] for each in (running_request, held)] == [503, 503], "there is no time left for them"
            assert (await app.notice())[0]["method"] == "close"


async def test_server_stops_in_time_whatever_its_clients_do(new_standin: Standin) -> None:
    """Clients that neither close nor read do not hold the server up."""
    new_standin.settings = {"HUBBUB_SHUTDOWN_SECONDS": "2"}
    with running(new_standin):
        raws = [open_raw(new_standin) for _ in range(3)]
        for raw in raws[1:]:
            raw.sendall(init_frame("stubborn"))
            assert raw.recv(4096)
        raws[2].sendall(
            masked(pack({"method": "message", "id": "1", "http_request": {"host": "aim", "path": "/wait/x"}}))
        )
        began = time.monotonic()

        assert await asyncio.to_thread(new_standin.stop) == 0

        assert time.monotonic() - began < 3
        assert "Traceback" not in new_standin.log
        for raw in raws:
            raw.close()
