"""Where the time of a figure's requests goes in the server, sampled from outside by py-spy."""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from bench import wrk
from bench.databases import server
from bench.figures import Figure
from bench.world import new_world

SHOWN = 30
LINE_NUMBER = re.compile(r":\d+\)$")
FILE = re.compile(r"\((.+)\)$")


def profile(figure: Figure, seconds: int) -> str:
    """Sample the server under the figure's load; the files and the functions that it is busy in."""
    if not shutil.which("py-spy"):
        raise LookupError("the profile needs py-spy on the PATH: python -m pip install py-spy")
    with server(figure.engine) as running, tempfile.NamedTemporaryFile("r") as stacks:
        world = new_world(running)
        assert running.process is not None
        command = ["py-spy", "record", "--rate", "500", "--duration", str(seconds), "--format", "raw"]
        command += ["--output", stacks.name, "--pid", str(running.process.pid)]
        with wrk.stored(figure.requests(world)) as requests:
            wrk.run(running.url, requests, 1)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
                loaded = wrk.run(running.url, requests, seconds)
                spy.wait(timeout=60)
        return f"{figure.title}: {loaded.rate:,.0f}/s while sampled\n{costs(Path(stacks.name).read_text())}"


def costs(stacks: str) -> str:
    """From collapsed stacks: what each file and each function takes by itself, and with what it calls."""
    files, alone, within = Counter[str](), Counter[str](), Counter[str]()
    for line in stacks.splitlines():
        stack, count = line.rsplit(" ", 1)
        functions = [LINE_NUMBER.sub(")", frame) for frame in stack.split(";")]
        found = FILE.search(functions[-1])
        files[found.group(1) if found else functions[-1]] += int(count)
        alone[functions[-1]] += int(count)
        within.update(dict.fromkeys(functions, int(count)))
    total = alone.total() or 1
    busiest = sorted(within, key=lambda name: (-alone[name], -within[name]))[:SHOWN]
    lines = [f"{count / total:6.1%}         {file}" for file, count in files.most_common(SHOWN // 2)]
    lines += [f"{alone[name] / total:6.1%} {within[name] / total:6.1%}  {name}" for name in busiest]
    return "\n".join([" alone   with  file, then function", *lines])
