"""The bare reference: the server's own uvicorn with a handler that reads nothing and answers a constant."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import uvicorn

from hubbub.serve import BACKLOG
from tests.harness import free_port

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

FROM_UVICORN = {"date", "server"}


@dataclass(frozen=True)
class Answer:
    """What the bare server answers to everything: the status, headers and size of a real answer."""

    status: int
    headers: list[tuple[str, str]]
    size: int


def serve(port: int, answer: Answer) -> None:
    """Answer until killed. The date, and whatever else uvicorn adds by itself, comes from uvicorn again."""
    headers = [(n.lower().encode(), v.encode()) for n, v in answer.headers if n.lower() not in FROM_UVICORN]
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    body = {"type": "http.response.body", "body": b"x" * answer.size}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )


@contextlib.contextmanager
def running(answer: Answer) -> Iterator[str]:
    """The URL of a bare server process that is up."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(port), json.dumps(asdict(answer))]
    with subprocess.Popen(command) as process:
        try:
            wait_until_up(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def wait_until_up(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.005)
    raise TimeoutError(f"nothing listens on port {port} after {seconds} s")


def main(port: str, answer: str) -> None:
    read: Mapping[str, Any] = json.loads(answer)
    serve(int(port), Answer(read["status"], read["headers"], read["size"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
