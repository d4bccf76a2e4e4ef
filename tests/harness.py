"""A real server process for the tests: started, stopped, killed and asked from outside, as a user would."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "f" * 32
START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Server:
    """One `hubbub serve` on a port and a data directory of its own; the database outlives a restart."""

    data_dir: Path
    database: str
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that the server has written so far, over all its starts."""
        return (self.data_dir / "server.log").read_text()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUBBUB_")}
        return kept | {
            "HUBBUB_DATA_DIR": str(self.data_dir),
            "HUBBUB_DATABASE": self.database,
            "HUBBUB_PORT": str(self.port),
            "HUBBUB_ACCOUNT_SID": ACCOUNT_SID,
            "HUBBUB_AUTH_TOKEN": AUTH_TOKEN,
            **self.settings,
        }

    def launch(self) -> None:
        """Start the process and return at once."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hubbub", "serve"], env=self.environment(), stdout=log, stderr=log
            )

    def start(self) -> "Server":
        """Start the process and wait until it is ready."""
        self.launch()
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log}")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health/ready").is_success:
                    return self
            time.sleep(0.02)
        raise AssertionError(f"the server was not ready in {START_SECONDS} s:\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, return the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(timeout=15)
        self.process = None
        return code

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `hubbub` command on this server's database, beside the running server."""
        command = [sys.executable, "-m", "hubbub", *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=60, check=False)

    def client(self, username: str = ACCOUNT_SID, password: str = AUTH_TOKEN) -> httpx.Client:
        """An HTTP client with the account's credentials; paths begin with /v2."""
        return httpx.Client(base_url=self.url, auth=(username, password), timeout=30)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, started; stopped at the end even when the test fails."""
    server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            server.process.kill()
            server.process.wait()


def unique(word: str = "x") -> str:
    """A name that no other test uses."""
    return f"{word}-{secrets.token_hex(6)}"
