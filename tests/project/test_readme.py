"""The tours of the README run as they are written, against a real server."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, running
from tests.project.source import ROOT

README = ROOT / "README.md"
INSTALL = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "twilio"]
PLACEHOLDERS = {
    "ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": ACCOUNT_SID,
    "your_auth_token": AUTH_TOKEN,
}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the embedded default, as the README starts it."""
    directory = tmp_path_factory.mktemp("readme")
    with running(Server(directory, f"sqlite:///{directory / 'hubbub.db'}")) as started:
        yield started


def tour(language: str, server: Server) -> str:
    """The README's one block in the language, with this server's address and credentials."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for written, real in {**PLACEHOLDERS, "http://127.0.0.1:8080": server.url}.items():
        assert written in block
        block = block.replace(written, real)
    return str(block)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_tour_runs_as_written(embedded: Server, tmp_path: Path) -> None:
    """The Python tour makes a channel with the official library and prints the message that it sent."""
    file = tmp_path / "tour.py"
    file.write_text(tour("python", embedded))

    printed = run([sys.executable, file.name], tmp_path)

    assert re.fullmatch(r"0 Hello from Python \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00\n", printed)


def test_node_tour_runs_as_written(embedded: Server, tmp_path: Path) -> None:
    """The Node tour makes a channel with the official library and prints the message that it sent."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("the Node tour needs node and npm")
    installed = subprocess.run(INSTALL, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    if installed.returncode:
        pytest.skip("the Node tour needs the package twilio, which npm cannot install here")
    (tmp_path / "tour.js").write_text(tour("js", embedded))

    printed = run(["node", "tour.js"], tmp_path)

    assert re.fullmatch(r"0 Hello from Node \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z\n", printed)


def test_make_commands_of_the_readme_exist() -> None:
    """Each `make` command that the README names is a target."""
    named = re.findall(r"^    make (\w+)$", README.read_text("utf-8"), re.MULTILINE)

    assert named == ["serve", "test"]
    assert [target for target in named if f"\n{target}:" not in (ROOT / "Makefile").read_text("utf-8")] == []
