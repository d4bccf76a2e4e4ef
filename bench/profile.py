"""Where the time of a message create goes, function by function, sampled from outside by py-spy."""

import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from bench import wrk
from bench.databases import server
from bench.world import new_world

SHOWN = 30


def profile(seconds: int, engine: str = "sqlite") -> str:
    """Sample the server under a create load; a table of the functions that it is busy in."""
    if not shutil.which("py-spy"):
        raise LookupError("the profile needs py-spy: python -m pip install py-spy, then have it on the PATH")
    with server(engine) as running, tempfile.NamedTemporaryFile("r") as stacks:
        world = new_world(running)
        assert running.process is not None
        command = [
            "py-spy",
            "record",
            "--gil",
            "--rate",
            "500",
            "--duration",
            str(seconds),
            "--format",
            "raw",
        ]
        command += ["--output", stacks.name, "--pid", str(running.process.pid)]
        with wrk.stored(world.creates()) as requests:
            wrk.run(running.url, requests, 1)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
                under_load = wrk.run(running.url, requests, seconds)
                spy.wait(timeout=60)
        sampled = costs(Path(stacks.name).read_text())
    return f"{under_load.rate:,.0f} messages/s while sampled, {engine}\n\n{sampled}"


def costs(stacks: str) -> str:
    """From collapsed stacks: each function's share of the samples, by itself and with what it calls."""
    alone, within = Counter[str](), Counter[str]()
    for line in stacks.splitlines():
        stack, count = line.rsplit(" ", 1)
        functions = [frame.rsplit(":", 1)[0].rstrip(")") + ")" for frame in stack.split(";")]
        alone[functions[-1]] += int(count)
        within.update(dict.fromkeys(functions, int(count)))
    total = alone.total() or 1
    lines = [
        f"{alone[name] / total:6.1%} {within[name] / total:6.1%}  {name}"
        for name in sorted(within, key=lambda name: (-alone[name], -within[name]))[:SHOWN]
    ]
    return "\n".join([" alone   with  function", *lines])
