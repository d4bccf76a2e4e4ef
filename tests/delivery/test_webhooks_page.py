"""The snippets of the page for receivers run as they are written, on requests that are ours and on forged ones."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hubbub.delivery.parameters import form, query_url
from hubbub.delivery.signing import secret_bytes, secret_of, standard_signature, twilio_signature
from hubbub.vault import Vault
from tests.project.source import ROOT

PAGE = ROOT / "docs" / "webhooks.md"
INSTALL = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "twilio", "standardwebhooks"]

TOKEN = "0123456789abcdef0123456789abcdef"
VAULT = Vault(bytes(32))
IS = "IS0123456789abcdef0123456789abcdef"
PLACEHOLDERS = {"your_auth_token": TOKEN, "whsec_your_secret": secret_of(VAULT, IS, 1)}
URL = "https://example.com/hook?key=1"
PAIRS = [("EventType", "onMessageSent"), ("Body", "Grüße & 你好 = 100 %"), ("FriendlyName", ""), ("RetryCount", "0")]


class Request(NamedTuple):
    """A request as its receiver sees it, and which of the two checks it must pass."""

    name: str
    url: str
    form: dict[str, str]
    content: str
    headers: dict[str, str]
    ours: bool = True
    fresh: bool = True


def signed(name: str, method: str, age: int = 0) -> Request:
    """What is sent, as many seconds ago."""
    timestamp = int(time.time()) - age
    if method == "GET":
        url, pairs = query_url(URL, PAIRS), []
        content = url.partition("?")[2]
    else:
        url, pairs = URL, PAIRS
        content = form(PAIRS)
    headers = {
        "X-Twilio-Signature": twilio_signature(TOKEN, url, pairs),
        "webhook-id": "DL1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_signature(secret_bytes(VAULT, IS, 1), "DL1", timestamp, content.encode()),
    }
    return Request(name, url, dict(pairs), content, headers)


def requests() -> list[Request]:
    """Good ones of both methods, and what a forger might send."""
    good, get = signed("post", "POST"), signed("get", "GET")
    both = good.headers["webhook-signature"]
    return [
        good,
        get,
        good._replace(name="two secrets", headers=good.headers | {"webhook-signature": f"v1,AAAA v2,x {both}"}),
        good._replace(
            name="another body", form=good.form | {"Body": "x"}, content=form([("Body", "x")]), ours=False, fresh=False
        ),
        get._replace(name="another query", url=get.url + "&a=1", content=get.content + "&a=1", ours=False, fresh=False),
        good._replace(name="another URL", url="https://example.com/other", ours=False),
        good._replace(name="another id", headers=good.headers | {"webhook-id": "DL2"}, fresh=False),
        signed("old", "POST", 600)._replace(fresh=False),
        signed("from the future", "POST", -600)._replace(fresh=False),
        good._replace(name="made up", headers=dict.fromkeys(good.headers, "x"), ours=False, fresh=False),
        good._replace(name="not ASCII", headers=dict.fromkeys(good.headers, "ü"), ours=False, fresh=False),
        good._replace(name="unsigned", headers={}, ours=False, fresh=False),
    ]


def blocks(language: str) -> list[str]:
    """The page's snippets in the language, with this test's secrets."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for written, real in PLACEHOLDERS.items():
        assert any(written in block for block in found)
        found = [block.replace(written, real) for block in found]
    return found


PYTHON = blocks("python")
NODE = blocks("js")


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(block, names)
    return names


def test_page_has_the_snippets_that_are_run_here() -> None:
    """Twilio's library, that of Standard Webhooks and neither in Python; the libraries and neither in Node."""
    assert [block.split()[1] for block in PYTHON] == ["twilio.request_validator", "standardwebhooks", "base64"]
    assert ['require("twilio")' in block for block in NODE] == [True, False]


@pytest.mark.parametrize("name", [each.name for each in requests()])
def test_python_snippets_tell_ours_from_forged(name: str) -> None:
    """The two of the second signature agree about each request."""
    request_ = next(each for each in requests() if each.name == name)  # signed now, for signatures grow old
    twilio, library, plain = map(run, PYTHON)

    assert twilio["is_ours"](request_.url, request_.form, request_.headers) is request_.ours
    assert library["is_fresh"](request_.content, request_.headers) is request_.fresh
    assert plain["is_fresh"](request_.content.encode(), request_.headers) is request_.fresh


# Node's frameworks hand out header names in lower case.
ASK = """
const requests = JSON.parse(require("node:fs").readFileSync("requests.json", "utf8"));
const told = requests.map(({ name, url, form, content, headers }) => {
  return [name, isOurs(url, form, headers), isFresh(content, headers)];
});
console.log(JSON.stringify(told));
"""


def tell(block: str, folder: Path) -> list[list[Any]]:
    """Name, ours and fresh of each request, as the snippet has it."""
    lower = [
        each._replace(headers={name.lower(): value for name, value in each.headers.items()}) for each in requests()
    ]
    (folder / "requests.json").write_text(json.dumps([each._asdict() for each in lower]), "utf-8")
    (folder / "receiver.js").write_text(block + ASK, "utf-8")
    done = subprocess.run(["node", "receiver.js"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told: list[list[Any]] = json.loads(done.stdout)
    return told


EXPECTED = [[each.name, each.ours, each.fresh] for each in requests()]


@pytest.mark.skipif(not shutil.which("node"), reason="the Node snippets need node")
def test_node_snippet_without_packages_tells_ours_from_forged(tmp_path: Path) -> None:
    """With what comes with Node, as the Python snippets do."""
    assert tell(NODE[1], tmp_path) == EXPECTED


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="the Node snippets need node and npm")
def test_node_snippet_with_packages_tells_ours_from_forged(tmp_path: Path) -> None:
    """With the official libraries, as the Python snippets do."""
    installed = subprocess.run(INSTALL, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    if installed.returncode:
        pytest.skip("npm cannot install the packages here")

    assert tell(NODE[0], tmp_path) == EXPECTED
