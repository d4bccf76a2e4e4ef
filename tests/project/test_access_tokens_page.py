"""The examples of the page on access tokens run as they are written, and what they print lets in."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness import ACCOUNT_SID, Server, running
from tests.project.source import ROOT
from tests.tokens import Signer, new_signer

PAGE = ROOT / "docs" / "access-tokens.md"
INSTALL = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "twilio"]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("tokens")
    with running(Server(directory, f"sqlite:///{directory / 'hubbub.db'}")) as started:
        yield started


@pytest.fixture(scope="module")
def signer(embedded: Server) -> Signer:
    return new_signer(embedded)


@pytest.fixture(scope="module")
def service_sid(embedded: Server) -> str:
    with embedded.client() as client:
        return str(client.post("/v2/Services", data={"FriendlyName": "Tokens"}).json()["sid"])


def example(language: str, signer: Signer, service_sid: str) -> str:
    """The page's one block in the language, with a real key and service."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    real = {"AC" + "x" * 32: ACCOUNT_SID, "SK" + "x" * 32: signer.key_sid, "IS" + "x" * 32: service_sid}
    for written, value in {**real, "your_key_secret": signer.secret}.items():
        assert written in block
        block = block.replace(written, value)
    return str(block)


def author(server: Server, service_sid: str, printed: str) -> str:
    """Who uploads with the token that was printed."""
    path = f"{server.url}/v1/Services/{service_sid}/Media"
    response = httpx.post(path, content=b"x", headers={"X-Twilio-Token": printed.strip()})
    assert response.status_code == 201, response.text
    return str(response.json()["author"])


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_example_makes_a_token(embedded: Server, signer: Signer, service_sid: str, tmp_path: Path) -> None:
    """With the official library."""
    file = tmp_path / "token_example.py"
    file.write_text(example("python", signer, service_sid))

    assert author(embedded, service_sid, run([sys.executable, file.name], tmp_path)) == "alice"


def test_node_example_makes_a_token(embedded: Server, signer: Signer, service_sid: str, tmp_path: Path) -> None:
    """With the official library."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("the Node example needs node and npm")
    installed = subprocess.run(INSTALL, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    if installed.returncode:
        pytest.skip("the Node example needs the package twilio, which npm cannot install here")
    (tmp_path / "example.js").write_text(example("js", signer, service_sid))

    assert author(embedded, service_sid, run(["node", "example.js"], tmp_path)) == "alice"
