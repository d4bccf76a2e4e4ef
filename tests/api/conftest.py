"""What most tests of the API start from: a channel in the fresh service, and somebody who must not see it."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.api.steps import Json, create_channel
from tests.harness import Server, unique


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    """The first account's client, one for all tests: opening one takes longer than most of them."""
    with server.client() as opened:
        yield opened


@pytest.fixture
def channel(client: httpx.Client, service: Json) -> Json:
    """A fresh public channel, without names."""
    return create_channel(client, service)


@pytest.fixture(scope="session")
def other_account(server: Server) -> tuple[str, str]:
    """SID and token of a second account on the session's server."""
    done = server.run("accounts", "create", "--name", unique("account"), "--json")
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    return account["sid"], account["auth_token"]


@pytest.fixture(scope="session")
def stranger(server: Server, other_account: tuple[str, str]) -> Iterator[httpx.Client]:
    """A client with the credentials of another account."""
    with server.client(*other_account) as opened:
        yield opened
