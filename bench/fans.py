"""Drives `fans.c`: thousands of apps on real WebSockets, compiled when it is needed."""

import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.wrk import HEADERS

SOURCE = Path(__file__).with_name("fans.c")
MUTE = "-"
PATIENCE = 30.0


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@dataclass(frozen=True)
class Posted:
    """Messages that were posted and have arrived everywhere; latencies are in milliseconds, to the last delivery."""

    seconds: float
    latencies: tuple[float, ...]

    @property
    def p50(self) -> float:
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


@dataclass(frozen=True)
class Stats:
    """What all apps have heard, sizes in bytes, and by list the next index that each of its apps waits for."""

    frames: int
    size: int
    messages: int
    message_size: int
    faults: int
    lists: dict[str, set[int]]


class Fans:
    """A running loader; each call returns when what it asks for is done."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, command: str) -> list[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines: list[str] = []
        while not lines or lines[-1].startswith("list "):
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the loader has ended with {self.process.wait()}")
            lines.append(line.strip())
        return lines

    def connect(self, first: int, last: int, at_once: int = 100) -> float:
        """Seconds until these are subscribed and caught up."""
        return float(self.ask(f"connect {first} {last} {at_once}")[0].removeprefix("ready "))

    def cut(self, first: int, last: int) -> None:
        self.ask(f"cut {first} {last}")

    def post(self, path: str, count: int, window: int, pause: float = 0) -> Posted:
        """Post messages of 1 KB, so many at a time, one every so many seconds."""
        words = self.ask(f"post {path} {count} {window} {int(pause * 1e6)}")[0].split()
        return Posted(float(words[1]), tuple(int(each) / 1e6 for each in words[2:]))

    def stats(self) -> Stats:
        *lists, total = self.ask("stats")
        frames, size, messages, message_size, faults = map(int, total.split()[1:])
        waited = defaultdict(set)
        for line in lists:
            _, sid, _, following = line.split()
            waited[sid].add(int(following))
        return Stats(frames, size, messages, message_size, faults, waited)

    def check(self, counts: Callable[[], dict[str, int]]) -> Stats:
        """Wait until each list has as many messages for each of its apps as there are: some are perhaps being made.

        RuntimeError for whatever is amiss.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            there = counts()
            stats = self.stats()
            missing = {sid: (count, stats.lists[sid]) for sid, count in there.items() if stats.lists[sid] != {count}}
            if not missing and not stats.faults:
                return stats
            if stats.faults or time.monotonic() > deadline:
                raise RuntimeError(f"{stats.faults} faults; {len(missing)} lists not as they should be: {missing}")
            time.sleep(0.05)


@contextlib.contextmanager
def running(port: int, apps: Sequence[str]) -> Iterator[Fans]:
    """A loader with these apps, each as `fans.c` reads it."""
    cc = compiler()
    if cc is None:
        raise LookupError("there is no C compiler")
    with tempfile.TemporaryDirectory(prefix="fans-") as place:
        program, listed = Path(place) / "fans", Path(place) / "apps"
        subprocess.run([cc, "-O2", "-o", str(program), str(SOURCE)], check=True)
        listed.write_text("".join(f"{each}\n" for each in apps))
        command = [str(program), str(port), str(listed), HEADERS["Authorization"]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield Fans(process)
            finally:
                process.kill()
