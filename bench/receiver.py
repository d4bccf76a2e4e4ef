"""A receiver of webhooks in a process of its own: a fast one that counts, and one that never answers."""

import asyncio
import contextlib
import http.client
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import uvloop

from bench.bare import wait_until_up
from tests.harness import free_port

STATS = "/stats"
SAMPLE = 16  # of how many the latency of one is read
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
CREATED = re.compile(rb"DateCreated=([^&]+)")


class Counts:
    """What has arrived, and how many milliseconds after its event."""

    def __init__(self) -> None:
        self.arrived = 0
        self.latencies: list[float] = []

    def add(self, body: bytes) -> None:
        self.arrived += 1
        if self.arrived % SAMPLE == 0 and (found := CREATED.search(body)):
            created = datetime.fromisoformat(unquote(found.group(1).decode()))
            self.latencies.append((time.time() - created.timestamp()) * 1000)

    def take(self) -> bytes:
        """The counts as JSON; the latencies begin anew."""
        latencies, self.latencies = self.latencies, []
        return json.dumps(
            {
                "arrived": self.arrived,
                "median_ms": statistics.median(latencies) if latencies else 0,
            }
        ).encode()


class Fast(asyncio.Protocol):
    """Reads just enough of HTTP to know where a request ends."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        found = LENGTH.search(head + b"\r\n")
        length = int(found.group(1)) if found else 0
        if not end or len(rest) < length:
            return
        self.buffer = rest[length:]
        if head.startswith(b"GET " + STATS.encode()):
            stats = self.counts.take()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(stats), stats))
        else:
            self.counts.add(rest[:length])
            self.transport.write(ANSWER)


async def serve(port: int, kind: str) -> None:
    counts = Counts()
    protocol = asyncio.Protocol if kind == "hanging" else lambda: Fast(counts)
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


class Receiver:
    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hook"

    def stats(self) -> tuple[int, float]:
        """How many have arrived, and the median of the milliseconds that they took since the last look."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", STATS)
        read = json.loads(connection.getresponse().read())
        connection.close()
        return read["arrived"], read["median_ms"]


@contextlib.contextmanager
def running(kind: str) -> Iterator[Receiver]:
    """A receiver that is up: `fast` or `hanging`."""
    port = free_port()
    command = [sys.executable, "-m", "bench.receiver", str(port), kind]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process:
        try:
            wait_until_up(port)
            yield Receiver(port)
        finally:
            process.kill()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
