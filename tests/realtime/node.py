"""One of several nodes for the tests, `python -m tests.realtime.node`: the real server, with faults to order.

`LOOK_SECONDS` is how often it looks at the tables for what it was not told; with a message of the body `DIE_AT` it is
killed between the commit and the word to the other nodes.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from hubbub import cli
from hubbub.bus.nats import NatsBus
from hubbub.chat import Emitted
from hubbub.realtime import healing
from tests.harness import Server
from tests.project.source import ROOT


class Node(Server):
    """A node of a cluster."""

    def launch(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.realtime.node"]
            self.process = subprocess.Popen(command, env=self.environment(), stdout=log, stderr=log, cwd=ROOT)


def publish_or_die(bus: NatsBus, emitted: Sequence[Emitted]) -> None:
    if any(getattr(each.record, "body", None) == os.environ.get("DIE_AT", "") for each in emitted):
        os.kill(os.getpid(), signal.SIGKILL)
    publish(bus, emitted)


publish = NatsBus.publish


def main() -> None:
    healing.EVERY_SECONDS = float(os.environ.get("LOOK_SECONDS", "2"))
    if "DIE_AT" in os.environ:
        NatsBus.publish = publish_or_die  # type: ignore[method-assign,assignment] # a fault to order
    sys.exit(cli.main(["serve"]))


if __name__ == "__main__":
    main()
