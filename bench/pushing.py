"""The reference for fan-out: uvicorn's own WebSockets, and an application that sends each POST's frame to everybody."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

from bench.bare import Receive, Scope, Send, wait_until_up
from hubbub.serve import BACKLOG
from tests.harness import free_port


def serve(port: int, size: int, other: int, share: float) -> None:
    """Each POST sends everybody a frame of a size, and then, that share of the times, one of the other size."""
    clients: dict[int, Send] = {}
    message = {"type": "websocket.send", "bytes": b"m" * size}
    change = {"type": "websocket.send", "bytes": b"c" * other}
    due = 0.0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await listen(receive, send)
            return
        nonlocal due
        due += share
        for each in tuple(clients.values()):
            await each(message)
            if due >= 1:
                await each(change)
        due %= 1
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def listen(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        clients[id(send)] = send
        message: dict[str, Any] = {}
        while message.get("type") != "websocket.disconnect":
            message = await receive()
        del clients[id(send)]

    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )


@contextlib.contextmanager
def running(size: int, other: int, share: float) -> Iterator[int]:
    """The port of a reference server that is up."""
    port = free_port()
    command = [sys.executable, "-m", "bench.pushing", *map(str, (port, size, other, share))]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent) as process:
        try:
            wait_until_up(port)
            yield port
        finally:
            process.kill()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
