"""Runs wrk over a list of requests and reads what it measured; an answer that is no success is an error."""

import contextlib
import re
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness import ACCOUNT_SID, AUTH_TOKEN

CONNECTIONS = 64
ROUNDS = 3
SCRIPT = Path(__file__).with_name("replay.lua")
MEASURED = re.compile(r"^measured (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
HEADERS = {
    "Authorization": "Basic " + b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode(),
    "Content-Type": "application/x-www-form-urlencoded",
}


@dataclass(frozen=True)
class Request:
    """What to send; a body is a form, already encoded."""

    method: str
    path: str
    body: str = ""


@dataclass(frozen=True)
class Run:
    """One run of wrk; latencies are in milliseconds."""

    rate: float
    p50: float
    p99: float
    bytes_per_answer: float
    seconds: float


def available() -> bool:
    return shutil.which("wrk") is not None


@contextlib.contextmanager
def stored(requests: Sequence[Request]) -> Iterator[Path]:
    """A file with the requests, as the Lua script reads it."""
    with tempfile.NamedTemporaryFile("w", prefix="requests") as file:
        file.writelines(f"{each.method} {each.path} {each.body}\n" for each in requests)
        file.flush()
        yield Path(file.name)


def run(url: str, requests: Path, seconds: int, more: Mapping[str, str] | None = None) -> Run:
    """Send the requests of the file over and over; RuntimeError unless each answer was a success."""
    headers = [part for name, value in (HEADERS | dict(more or {})).items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--timeout", "10s", *headers]
    command += ["-s", str(SCRIPT), url, "--", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = MEASURED.search(done.stdout)
    if not found:
        raise RuntimeError(f"wrk failed: {done.stderr or done.stdout}")
    answers, microseconds, size, p50, p99, refused, broken = map(int, found.groups())
    if refused or broken or not answers:
        raise RuntimeError(f"of {answers} answers {refused} were not a success; {broken} requests broke off")
    return Run(answers / microseconds * 1e6, p50 / 1000, p99 / 1000, size / answers, microseconds / 1e6)


def alternate(urls: Sequence[str], requests: Sequence[Path], seconds: int) -> list[list[Run]]:
    """Warm each server up, then measure them in turn, so that a busy moment of the machine meets them all."""
    pairs = list(zip(urls, requests, strict=True))
    for url, file in pairs:
        run(url, file, 1)
    rounds = [[run(url, file, seconds) for url, file in pairs] for _ in range(ROUNDS)]
    return [list(runs) for runs in zip(*rounds, strict=True)]
