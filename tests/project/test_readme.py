"""The examples of the README and of the guide run as they are written, against a real server."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twilio.rest import Client

from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, running
from tests.project.source import ROOT

README = ROOT / "README.md"
INSTALL = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "twilio"]
DAY = datetime(2019, 5, 6, tzinfo=UTC)
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


COUNTS = "members_count messages_count"
CHANNEL = "unique_name friendly_name attributes type created_by date_created date_updated"
PART = (
    "identity last_consumed_message_index attributes date_created date_updated "
    "index body _from was_edited last_updated_by"
)


def test_copy_of_a_channel_looks_like_the_original(embedded: Server) -> None:
    """The guide's function copies members, horizons, dates, authors and the gaps between the indexes."""
    guide = (ROOT / "docs" / "migrate-from-twilio.md").read_text("utf-8")
    [block] = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(block, names)
    client = Client(ACCOUNT_SID, AUTH_TOKEN)
    client.chat.base_url = embedded.url
    service = client.chat.v2.services.create(friendly_name="Old")
    old = service.channels.create(unique_name="general", attributes='{"a":1}', date_created=DAY.replace(hour=7))
    old.members.create(identity="alice", last_consumed_message_index=1, date_created=DAY.replace(hour=8))
    for body in ("gone", "one", "gone", "three"):
        message = old.messages.create(from_="alice", body=body, date_created=DAY.replace(hour=9))
        if body == "gone":
            message.delete()

    new = names["copy_channel"](old, client.chat.v2.services.create(friendly_name="New"))

    assert shown(new.fetch(), COUNTS) == {"members_count": 1, "messages_count": 2}
    assert shown(new.fetch(), CHANNEL) == shown(old.fetch(), CHANNEL)
    for original, copy in ((old.members, new.members), (old.messages, new.messages)):
        assert original.list()
        assert [shown(each, PART) for each in copy.list()] == [shown(each, PART) for each in original.list()]


def shown(resource: Any, names: str) -> dict[str, Any]:
    return {name: getattr(resource, name) for name in names.split() if hasattr(resource, name)}
