"""Apple's and Google's push services in a process of their own: they take every push, and count them.

It reads just enough of HTTP/2 to know where a request ends: it stands for machines elsewhere, so it should take as
little as it can of the two cores that it shares with the server. What the headers say is looked at in tests/push.
"""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.push import keys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = 9
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK = END_STREAM = 1
END_HEADERS = 4
STREAMS = 1000  # at a time on one connection, as Apple allows
WINDOW = 2**30  # bytes that may be on their way here
STATUS_200 = b"\x88"  # in HPACK's table
POLL_SECONDS = 0.002


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return b"%b%c%c%b%b" % (len(payload).to_bytes(3, "big"), kind, flags, stream.to_bytes(4, "big"), payload)


def field(name: bytes, value: bytes) -> bytes:
    """A header in HPACK, not kept in the table; each part is shorter than 127 bytes."""
    return b"\x00%c%b%c%b" % (len(name), name, len(value), value)


def setting(number: int, value: int) -> bytes:
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


GREETING = frame(SETTINGS, 0, 0, setting(3, STREAMS) + setting(4, WINDOW)) + frame(
    WINDOW_UPDATE, 0, 0, WINDOW.to_bytes(4, "big")
)
JSON = field(b"content-type", b"application/json")
TOKEN = json.dumps({"access_token": "ya29." + "t" * 200, "expires_in": 3599, "token_type": "Bearer"}).encode()
ANSWERS = {
    "apns": (STATUS_200 + field(b"apns-id", b"e1a5b2c3-0000-4000-8000-000000000000"), b""),
    "fcm": (STATUS_200 + JSON, b'{"name":"projects/demo/messages/0:1500415314455276%31bd1c9631bd1c96"}'),
    "token": (STATUS_200 + JSON, TOKEN),
}


@dataclass
class Counts:
    """The pushes that have arrived, and when the last one did."""

    arrived: int = 0
    last: float = 0


class Taker(asyncio.Protocol):
    """One connection: each request gets the same answer, as soon as it has come as a whole."""

    def __init__(self, counts: Counts, head: bytes, body: bytes) -> None:
        self.counts = counts
        self.head = head
        self.body = body
        self.buffer = b""
        self.begun = False
        self.taken = 0  # bytes of bodies for which the client has not been given room again

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        at = 0
        if not self.begun and len(data) >= len(PREFACE):
            self.begun, at = True, len(PREFACE)
        answers: list[bytes] = []
        while self.begun and len(data) - at >= HEAD:
            end = at + HEAD + int.from_bytes(data[at : at + 3], "big")
            if end > len(data):
                break
            self.take(data, at, end, answers)
            at = end
        self.buffer = data[at:]
        if self.taken > WINDOW // 2:
            answers.append(frame(WINDOW_UPDATE, 0, 0, self.taken.to_bytes(4, "big")))
            self.taken = 0
        if answers:
            self.transport.write(b"".join(answers))

    def take(self, data: bytes, at: int, end: int, answers: list[bytes]) -> None:
        """One frame."""
        kind, flags = data[at + 3], data[at + 4]
        if kind == DATA:
            self.taken += end - at - HEAD
        if kind in (DATA, HEADERS):
            if flags & END_STREAM:
                self.answer(int.from_bytes(data[at + 5 : at + HEAD], "big"), answers)
        elif kind in (SETTINGS, PING) and not flags & ACK:
            answers.append(frame(kind, ACK, 0, data[at + HEAD : end] if kind == PING else b""))

    def answer(self, stream: int, answers: list[bytes]) -> None:
        self.counts.arrived += 1
        self.counts.last = time.time()
        answers.append(frame(HEADERS, END_HEADERS if self.body else END_HEADERS | END_STREAM, stream, self.head))
        if self.body:
            answers.append(frame(DATA, END_STREAM, stream, self.body))


async def serve(certificate: str, key: str) -> None:
    """Print the ports of the services in the order of ANSWERS; then, for each line that comes, what has arrived."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    pushes, ports = Counts(), []
    for name, (head, body) in ANSWERS.items():
        counts = pushes if name != "token" else Counts()
        make = lambda counts=counts, head=head, body=body: Taker(counts, head, body)  # noqa: E731
        server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls)
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)

    def tell() -> None:
        sys.stdin.readline()
        print(pushes.arrived, pushes.last, flush=True)

    loop.add_reader(sys.stdin.fileno(), tell)
    await asyncio.Event().wait()


class PushService:
    """A push service that is up."""

    def __init__(self, process: "subprocess.Popen[str]", authority: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._ask, self._hear = process.stdin, process.stdout
        self.apns, self.fcm, self.token = (f"https://127.0.0.1:{port}" for port in self._hear.readline().split())
        self.authority = authority

    @property
    def settings(self) -> dict[str, str]:
        """Those of a server that pushes here."""
        return {
            "HUBBUB_APNS_URL": self.apns,
            "HUBBUB_FCM_URL": self.fcm,
            "HUBBUB_FCM_AUTH_URL": f"{self.token}/token",
            "HUBBUB_PUSH_CA_FILE": str(self.authority),
        }

    def arrived(self) -> tuple[int, float]:
        """How many pushes so far, and the time of the last."""
        self._ask.write("\n")
        self._ask.flush()
        count, last = self._hear.readline().split()
        return int(count), float(last)

    def wait(self, count: int, seconds: float = 120) -> float:
        """The time at which so many had arrived. Raises TimeoutError, and RuntimeError when it is more of them."""
        deadline = time.monotonic() + seconds
        while (found := self.arrived())[0] < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {seconds} s {found[0]} of {count} pushes have arrived")
            time.sleep(POLL_SECONDS)
        if found[0] > count:
            raise RuntimeError(f"{found[0]} pushes have arrived, and it should have been {count}")
        return found[1]


@contextlib.contextmanager
def running(place: Path) -> Iterator[PushService]:
    """A push service that is up, with its keys in the directory."""
    certificate, key = keys.host_certificate("127.0.0.1")
    files = {"authority": keys.authority(), "certificate": certificate, "key": key}
    for name, text in files.items():
        (place / name).write_text(text)
    command = [sys.executable, "-m", "bench.push_service", str(place / "certificate"), str(place / "key")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parent.parent) as process:
        try:
            yield PushService(process, place / "authority")
        finally:
            process.kill()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
