"""The page on pushes: its example runs as it is written, and it names all that an operator can meet."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hubbub.delivery.push.model import STATES
from hubbub.delivery.push.templates import DEFAULTS, VARIABLE
from hubbub.metrics import Metrics
from tests.api.steps import CREDENTIALS, Json, fetch, ok
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server
from tests.project.source import ROOT
from tests.push import keys

PAGE = (ROOT / "docs" / "push.md").read_text("utf-8")


def test_python_example_sets_pushes_up(server: Server, client: httpx.Client, service: Json, tmp_path: Path) -> None:
    """It switches a service's pushes on and makes both credentials, from the files that it names."""
    block = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]
    real = {
        "AC" + "x" * 32: ACCOUNT_SID,
        "your_auth_token": AUTH_TOKEN,
        "IS" + "x" * 32: service["sid"],
        "http://127.0.0.1:8080": server.url,
    }
    for written, value in real.items():
        assert written in block
        block = block.replace(written, value)
    certificate, key = keys.apns_certificate()
    for name, text in {"certificate": certificate, "key": key}.items():
        (tmp_path / f"{name}.pem").write_text(text)
    (tmp_path / "service-account.json").write_text(keys.service_account())

    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    types = [ok(client.get(f"{CREDENTIALS}/{sid}"))["type"] for sid in done.stdout.split()]
    assert types == ["apn", "fcm"]
    notifications = fetch(client, service)["notifications"]
    assert notifications["new_message"]["enabled"]
    assert notifications["log_enabled"]


@pytest.mark.parametrize("state", STATES)
def test_page_explains_each_state(state: str) -> None:
    assert f"| `{state}` | " in PAGE


def test_page_names_each_metric_and_default_text() -> None:
    names = set(re.findall(r"^# TYPE (hubbub_push\w+) ", Metrics().text().decode(), re.MULTILINE))

    assert names
    assert [name for name in names if not name.endswith("_created") and f"`{name}" not in PAGE] == []
    assert [text for text in DEFAULTS.values() if f"`{text}`" not in PAGE] == []
    assert {name for text in DEFAULTS.values() for name in VARIABLE.findall(text)} <= set(VARIABLE.findall(PAGE))
