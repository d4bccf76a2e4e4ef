"""Runs a scenario of the client SDKs in Node, against a server."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server
from tests.tokens import Signer

FOLDER = Path(__file__).parent
PACKAGES = FOLDER / "node_modules"
INSTALLED = PACKAGES / ".installed-from"
INSTALL = ["npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]
RETRY_SOON = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
INSTALL_SECONDS = 300
SECONDS = 180
OLDEST_NODE = 18  # the first with fetch, which the scenarios use
NEWER_NODE = {"flow-conversations.js": 20}  # what the SDK asks for

Answers = Mapping[str, Callable[[], object]]


def prepare() -> str:
    """Install the SDKs once, anew when package.json has changed. Why they cannot be had here, or nothing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "the client SDKs need node and npm"
    if node_version() < OLDEST_NODE:
        return f"the client SDKs need Node {OLDEST_NODE} or newer, here is {node_version()}"
    wanted = (FOLDER / "package.json").read_text("utf-8")
    if INSTALLED.exists() and INSTALLED.read_text("utf-8") == wanted:
        return ""
    shutil.rmtree(PACKAGES, ignore_errors=True)
    try:
        done = subprocess.run(
            [*INSTALL, *RETRY_SOON], cwd=FOLDER, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        done = -1
    if done:
        return "the client SDKs need their packages, which npm cannot install here"
    INSTALLED.write_text(wanted, "utf-8")
    return ""


def node_version() -> int:
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60, check=False)
    return int(done.stdout.lstrip("v").partition(".")[0] or 0)


@dataclass(frozen=True)
class About:
    """What a scenario knows of the server."""

    server: Server
    signer: Signer
    service_sid: str

    @property
    def json(self) -> str:
        words = {
            "url": self.server.url,
            "port": self.server.port,
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "key_sid": self.signer.key_sid,
            "secret": self.signer.secret,
            "service_sid": self.service_sid,
        }
        return json.dumps(words)


def run_flow(script: str, *arguments: str, about: About, answers: Answers | None = None, **more: str) -> str:
    """Run the scenario to its end and return what it printed; a step that failed fails the test.

    `answers` has what is done for a line `ask  …` of the scenario, `more` further variables of its environment.
    """
    process = subprocess.Popen(
        ["node", script, *arguments],
        cwd=FOLDER,
        env=os.environ | {"HUBBUB": about.json} | more,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        printed = converse(process, answers or {})
    finally:
        watchdog.cancel()
        process.kill()
        code = process.wait()
    assert code == 0, f"{script} {' '.join(arguments)} ended with {code}:\n{printed}"
    assert re.search(r"^ok  ", printed, re.MULTILINE), printed
    return printed


def converse(process: subprocess.Popen[str], answers: Answers) -> str:
    """Do what the scenario asks for, until its output ends."""
    assert process.stdout is not None
    assert process.stdin is not None
    lines = []
    with process.stdout, process.stdin:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ask  "):
                answers[line.removeprefix("ask  ").strip()]()
                process.stdin.write("done\n")
                process.stdin.flush()
    return "".join(lines)
