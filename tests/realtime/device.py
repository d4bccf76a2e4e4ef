"""An app's side of the protocol, by hand: packets over the `websockets` library."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.harness import Server
from tests.project.source import ROOT

PATIENCE = 20
MAGIC = b"TWILSOCK V3.0 "
Packet = tuple[dict[str, Any], bytes]


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    head = msgspec.json.encode({**header, "payload_size": len(payload)})
    return MAGIC + str(len(head)).encode() + b"\r\n" + head + b"\r\n" + payload


def unpack(message: str | bytes) -> Packet:
    assert isinstance(message, bytes)
    line, rest = message.removeprefix(MAGIC).split(b"\r\n", 1)
    header: dict[str, Any] = msgspec.json.decode(rest[: int(line)])
    payload = rest[int(line) + 2 :]
    assert len(payload) == header.get("payload_size", 0)
    return header, bytes(payload)


def token(identity: str = "alice", seconds: float = 3600) -> str:
    return f"{identity}|{int((time.time() + seconds) * 1000)}"


class Standin(Server):
    """The stand-in server of these tests instead of the real one."""

    def launch(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.realtime.standin"]
            self.process = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log, cwd=ROOT)

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v3/wsconnect"

    @property
    def memory(self) -> int:
        """Resident bytes of the process."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Device:
    """One connected app; packets that do not answer a request are kept in `notices`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.notices: asyncio.Queue[Packet] = asyncio.Queue()
        self._ids = (f"TM{number}" for number in itertools.count())
        self._answers: dict[str, asyncio.Future[Packet]] = {}
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            header, payload = unpack(message)
            waiting = self._answers.pop(header.get("id", ""), None) if header["method"] == "reply" else None
            if waiting is not None:
                waiting.set_result((header, payload))
            else:
                self.notices.put_nowait((header, payload))

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        await self.socket.send(pack(header, payload))

    def ask(self, header: dict[str, Any], payload: bytes = b"") -> "asyncio.Task[Packet]":
        """Send a packet; the answer when it is there."""
        packet_id = next(self._ids)
        answer: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._answers[packet_id] = answer

        async def converse() -> Packet:
            await self.send({"id": packet_id, **header}, payload)
            async with asyncio.timeout(PATIENCE):
                return await answer

        return asyncio.create_task(converse())

    async def init(self, access_token: str = "", **fields: Any) -> dict[str, Any]:
        fields = {"capabilities": ["client_update", "offline_storage", "telemetry.v1"], **fields}
        header, _ = await self.ask({"method": "init", "token": access_token or token(), **fields})
        return header

    def request(
        self,
        path: str,
        body: bytes = b"",
        *,
        method: str = "",
        host: str = "aim.us1.twilio.com",
        params: Any = None,
        headers: Any = None,
    ) -> "asyncio.Task[tuple[int, Any]]":
        """Send a tunnelled request; its status and content when it is there."""
        http = {
            "host": host,
            "path": path,
            "method": method or ("POST" if body else "GET"),
            "params": params or {},
            "headers": headers or {},
        }
        asked = self.ask({"method": "message", "active_grant": "ip_messaging", "http_request": http}, body)

        async def read() -> tuple[int, Any]:
            header, payload = await asked
            assert header["status"]["code"] == 200, header
            return header["http_status"]["code"], msgspec.json.decode(payload) if payload else None

        return asyncio.create_task(read())

    async def notice(self) -> Packet:
        """The next packet that is no answer."""
        async with asyncio.timeout(PATIENCE):
            return await self.notices.get()

    async def ended(self) -> int:
        """Wait for the end of the connection; its close code, 1006 where there was none."""
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
        return self.socket.close_code or 1006


@contextlib.asynccontextmanager
async def device(
    server: Server, *, path: str = "/v3/wsconnect", init: bool = True, **options: Any
) -> AsyncIterator[Device]:
    """A connected app, let in unless `init` is false."""
    options = {"ping_interval": None, "max_size": None, "close_timeout": 1, **options}
    async with connect(f"ws://127.0.0.1:{server.port}{path}", **options) as socket:
        opened = Device(socket)
        if init:
            header = await opened.init()
            assert header["status"]["code"] == 200, header
        try:
            yield opened
        finally:
            opened._reader.cancel()
