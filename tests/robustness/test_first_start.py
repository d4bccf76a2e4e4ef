"""The first minute: a start without any setting, what it prints, and that what it prints works."""

import itertools
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.harness import Server
from tests.robustness.writers import ended

ACCOUNT = re.compile(r"\bAC[0-9a-f]{32}\b")
TOKEN = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])")
GIVEN = {"HUBBUB_ACCOUNT_SID", "HUBBUB_AUTH_TOKEN", "HUBBUB_DATABASE"}


@dataclass
class Plain(Server):
    """A server that is given a port and a folder and nothing else."""

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment().items() if name not in GIVEN}

    def account(self) -> tuple[str, str]:
        """The account SID and the token that were printed."""
        [sid] = set(ACCOUNT.findall(self.log))
        [token] = set(TOKEN.findall(self.log))
        return sid, token


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Plain]:
    with ended(Plain(tmp_path / "data", "")) as server:
        yield server


def printed(server: Server, first: str) -> str:
    """The printed lines from the one that begins so to the next empty one, as someone copies them."""
    lines = [line.strip() for line in server.log.splitlines()]
    begin = next((number for number, line in enumerate(lines) if line.startswith(first)), None)
    assert begin is not None, f"nothing printed begins with {first!r}:\n{server.log}"
    return "\n".join(itertools.takewhile(bool, lines[begin:]))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder but the log that the test itself keeps there."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "server.log"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_first_start_prints_an_account_that_works(plain: Plain) -> None:
    """Without settings the first start makes an account and prints its SID and token once."""
    plain.start()

    sid, token = plain.account()

    answer = httpx.get(f"{plain.url}/v2/Services", auth=(sid, token))
    assert (answer.status_code, answer.json()["services"]) == (200, [])
    assert httpx.get(f"{plain.url}/v2/Services", auth=(sid, "0" * 32)).status_code == 401


def test_printed_curl_works(plain: Plain) -> None:
    """The printed curl command makes a service."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    plain.start()
    sid, token = plain.account()

    done = subprocess.run(["sh", "-c", printed(plain, "curl ")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    services = httpx.get(f"{plain.url}/v2/Services", auth=(sid, token)).json()["services"]
    assert len(services) == 1
    assert services[0]["sid"] in done.stdout


def test_printed_python_works(plain: Plain) -> None:
    """The printed lines of Python, which use the official library, run as they are."""
    plain.start()
    sid, token = plain.account()
    lines = printed(plain, "from twilio")

    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"{lines}\n{done.stderr}"
    assert done.stdout.strip()
    assert httpx.get(f"{plain.url}/v2/Services", auth=(sid, token)).json()["services"]


def test_second_start_keeps_account_and_data_and_prints_no_token(plain: Plain) -> None:
    """The token is shown on the first start only; afterwards it still works and the data is there."""
    plain.start()
    sid, token = plain.account()
    made = httpx.post(f"{plain.url}/v2/Services", auth=(sid, token), data={"FriendlyName": "kept"}).json()
    assert plain.stop() == 0
    first = plain.log

    plain.start()

    second = plain.log.removeprefix(first)
    assert token not in second
    assert not TOKEN.findall(second)
    answer = httpx.get(f"{plain.url}/v2/Services", auth=(sid, token))
    assert answer.json()["services"] == [made]


def test_secrets_are_not_on_disk_in_clear(plain: Plain) -> None:
    """Neither the auth token nor a push secret stands in any file, running (with its WAL) or stopped."""
    plain.start()
    sid, token = plain.account()
    secret = "a-push-secret-that-nobody-else-has"
    form = {"Type": "fcm", "FriendlyName": "push", "Secret": secret}
    created = httpx.post(f"{plain.url}/v2/Credentials", auth=(sid, token), data=form)
    assert created.status_code == 201, created.text

    running = contents(plain.data_dir)
    assert plain.stop() == 0
    stopped = contents(plain.data_dir)

    assert "hubbub.db" in stopped
    for clear in (token.encode(), bytes.fromhex(token), secret.encode()):
        assert [name for files in (running, stopped) for name, held in files.items() if clear in held] == []


def test_files_with_secrets_are_the_owners_alone(plain: Plain) -> None:
    """No other user of the machine can read the encryption key."""
    plain.start()

    key = plain.data_dir / "encryption.key"

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
