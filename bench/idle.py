"""What a server costs that does nothing yet: its memory, and the time from its start until it is ready."""

import contextlib
import http.client
import statistics
import time

from bench.databases import directory
from bench.process import resident_megabytes
from bench.table import Row
from bench.world import Client
from bench.wrk import ROUNDS, Request
from tests.harness import Server

MEGABYTES = 100.0
START_SECONDS = 1.5


def rows() -> list[Row]:
    with directory() as place:
        server = Server(place / "data", f"sqlite:///{place / 'hubbub.db'}")
        start(server)  # the first start makes the account and the tables
        server.stop()
        measured = [measure(server) for _ in range(ROUNDS)]
    seconds, ready, used = (list(series) for series in zip(*measured, strict=True))
    return [
        row("memory when ready", MEGABYTES, ready, "MB"),
        row("memory after ten requests", MEGABYTES, used, "MB"),
        row("cold start until ready", START_SECONDS, seconds, "s"),
    ]


def measure(server: Server) -> tuple[float, float, float]:
    """Seconds until ready, megabytes then, megabytes after ten requests."""
    seconds = start(server)
    assert server.process is not None
    ready = resident_megabytes(server.process.pid)
    client = Client(server)
    for _ in range(10):
        client.answer(Request("GET", "/v2/Services"))
    used = resident_megabytes(server.process.pid)
    client.connection.close()
    server.stop()
    return seconds, ready, used


def start(server: Server) -> float:
    """Launch, ask until it is ready, return how long that took."""
    begin = time.monotonic()
    server.launch()
    while time.monotonic() < begin + 30:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return time.monotonic() - begin
        time.sleep(0.005)
    raise TimeoutError(f"the server was not ready:\n{server.log}")


def row(title: str, limit: float, series: list[float], unit: str) -> Row:
    median = statistics.median(series)
    ours = f"{median:.3g} {unit} ({min(series):.3g} to {max(series):.3g})"
    return Row(title, f"< {limit:g} {unit}", ours, "-", "-", "-", "-", met=median < limit)
