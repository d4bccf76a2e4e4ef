"""Steps of several test files that are not about one resource."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.api.steps import Json, ok
from tests.harness import Server, unique

PATIENCE_SECONDS = 20


def command(server: Server, *arguments: str) -> Any:
    """What a `hubbub … --json` prints."""
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def create_account(server: Server) -> Json:
    """An account of the caller's own: its `sid` and `auth_token`."""
    account: Json = command(server, "accounts", "create", "--name", unique("account"))
    return account


def pages(client: httpx.Client, url: str, follow: str = "next_page_url") -> Iterator[Json]:
    """The page of the URL and all that its meta leads to, by the absolute URLs as they were given."""
    following: str | None = url
    while following is not None:
        page = ok(client.get(following))
        yield page
        following = page["meta"][follow]


def listed(page: Json) -> list[Json]:
    """The rows of a page."""
    found: list[Json] = page[page["meta"]["key"]]
    return found


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.02)
