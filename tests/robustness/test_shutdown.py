"""A server that is asked to end finishes what it has begun, takes nothing new and ends soon with code 0."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from tests.harness import ACCOUNT_SID, Server
from tests.robustness.writers import (
    CREDENTIALS,
    FORM,
    Writers,
    assert_nothing_lost,
    eventually,
    new_channels,
    stored_messages,
)

AT_MOST_SECONDS = 10
IN_FLIGHT = 16
IDLE = 20


@dataclass
class Upload:
    """A request whose head the server has taken and whose body is still on its way."""

    connection: socket.socket
    body: bytes

    def send_first_half(self) -> None:
        self.connection.sendall(self.body[: len(self.body) // 2])

    def send_second_half(self) -> None:
        self.connection.sendall(self.body[len(self.body) // 2 :])

    def answer(self) -> tuple[int, dict[str, object]]:
        """The status and the JSON of the answer, read until the server closes the connection."""
        received = b""
        while chunk := self.connection.recv(65536):
            received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


@contextmanager
def begun(server: Server, path: str, body: bytes, content_type: str = FORM) -> Iterator[Upload]:
    """Begin a POST; "100 Continue" is the server's word that it waits for the body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {CREDENTIALS}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        yield Upload(connection, body)


def ask_to_end(server: Server) -> "subprocess.Popen[bytes]":
    """Send SIGTERM and wait until new connections are refused; the process may still be at work."""
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: not accepts(server), AT_MOST_SECONDS, "new connections are refused")
    return server.process


def accepts(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def test_messages_in_flight_are_finished(new_server: Server) -> None:
    """Messages whose request had begun before SIGTERM get their 201 and are there after the next start."""
    new_server.start()
    [channel] = new_channels(new_server, 1)
    bodies = [f"in flight {number}" for number in range(IN_FLIGHT)]

    with ExitStack() as stack:
        uploads = [
            stack.enter_context(begun(new_server, f"{channel}/Messages", urlencode({"Body": body}).encode()))
            for body in bodies
        ]
        process = ask_to_end(new_server)
        for upload in uploads:
            upload.send_first_half()
            upload.send_second_half()
        answers = [upload.answer() for upload in uploads]

    assert [status for status, _ in answers] == [201] * IN_FLIGHT
    assert process.wait(AT_MOST_SECONDS) == 0
    new_server.start()
    with new_server.client() as client:
        assert sorted(m["body"] for m in stored_messages(client, channel)) == sorted(bodies)


def test_media_upload_in_flight_is_finished(new_server: Server) -> None:
    """A slow upload that had begun before SIGTERM gets its 201 and can be read after the next start."""
    new_server.start()
    [channel] = new_channels(new_server, 1)
    service = channel.split("/")[3]
    picture = bytes(range(256)) * 4096

    with begun(new_server, f"/v1/Services/{service}/Media", picture, "image/png") as upload:
        upload.send_first_half()
        process = ask_to_end(new_server)
        upload.send_second_half()
        status, media = upload.answer()

    assert (status, media["size"]) == (201, len(picture))
    assert process.wait(AT_MOST_SECONDS) == 0
    new_server.start()
    with new_server.client() as client:
        assert client.get(f"/v1/Services/{service}/Media/{media['sid']}/Content").content == picture


def test_end_under_load_refuses_nothing_that_it_took(new_server: Server) -> None:
    """SIGTERM under 32 writers: only 201 answers, code 0 in time, and what was acknowledged is there."""
    new_server.start()
    channels = new_channels(new_server)

    with Writers(new_server, channels).running() as writers:
        writers.wait_for_acknowledged(300)
        begin = time.monotonic()
        code = new_server.stop()
        seconds = time.monotonic() - begin

    assert (code, dict(writers.refused)) == (0, {})
    assert seconds < AT_MOST_SECONDS
    new_server.start()
    assert_nothing_lost(new_server, channels, writers.acknowledged)


def test_idle_connections_do_not_hold_the_end_up(new_server: Server) -> None:
    """Keep-alive connections that wait for their next request are closed at once."""
    new_server.start()

    with ExitStack() as stack:
        for _ in range(IDLE):
            client = stack.enter_context(new_server.client())
            client.get("/v2/Services").raise_for_status()
        begin = time.monotonic()
        code = new_server.stop()

    assert code == 0
    assert time.monotonic() - begin < 3


def test_stalled_client_does_not_hold_the_end_up(new_server: Server) -> None:
    """A client that never sends the rest of its request is given up within the ten seconds."""
    new_server.start()
    [channel] = new_channels(new_server, 1)

    with begun(new_server, f"{channel}/Messages", b"Body=never+sent"):
        process = ask_to_end(new_server)
        code = process.wait(AT_MOST_SECONDS)

    assert code == 0
    assert "Traceback" not in new_server.log


def test_next_start_has_the_same_account_and_data(new_server: Server) -> None:
    """The account, its credentials and every resource are the same after an orderly end."""
    new_server.start()
    [channel] = new_channels(new_server, 1)
    with new_server.client() as client:
        sent = client.post(f"{channel}/Messages", data={"Body": "still here"}).json()
        before = client.get("/v2/Services").json()
    assert new_server.stop() == 0

    new_server.start()

    with new_server.client() as client:
        assert client.get("/v2/Services").json() == before
        [service] = before["services"]
        assert service["account_sid"] == ACCOUNT_SID
        assert stored_messages(client, channel) == [sent]
    assert httpx.get(f"{new_server.url}/v2/Services", auth=(ACCOUNT_SID, "wrong")).status_code == 401
