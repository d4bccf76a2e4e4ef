"""A server for the client SDKs, with what their scenarios need switched on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import new_database
from tests.contract.sdk.flows import context, prepare
from tests.harness import Server, running, unique
from tests.tokens import Signer, new_signer

SETTINGS = {"HUBBUB_WEBHOOK_ALLOW": "127.0.0.0/8", "HUBBUB_REALTIME_PING_SECONDS": "5"}


@pytest.fixture(scope="session")
def sdks() -> None:
    """The packages of the SDKs; the tests that need them are skipped with one line where they cannot be had."""
    if reason := prepare():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def server(
    sdks: None, engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server that the scenarios share, each with a service of its own."""
    directory = tmp_path_factory.mktemp(f"sdk-{engine}")
    with running(Server(directory, new_database(engine, request, directory), SETTINGS)) as started:
        add_push_credentials(started)
        yield started
        assert "Traceback" not in started.log


def add_push_credentials(server: Server) -> None:
    """Devices may register for push with these; nothing is sent."""
    with server.client() as client:
        for form in ({"Type": "fcm", "Secret": "x"}, {"Type": "apn", "Certificate": "x", "PrivateKey": "x"}):
            made = client.post("/v2/Credentials", data=form)
            assert made.is_success, made.text


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return new_signer(server)


@pytest.fixture
def about(server: Server, signer: Signer) -> dict[str, Any]:
    """What a scenario is told: the server, and a fresh service that shows who is online."""
    return context(server, signer, new_service(server))


def new_service(server: Server) -> str:
    with server.client() as client:
        made = client.post("/v2/Services", data={"FriendlyName": unique("sdk")}).json()
        changes = {"ReachabilityEnabled": "true", "TypingIndicatorTimeout": "1"}
        changed = client.post(f"/v2/Services/{made['sid']}", data=changes)
        assert changed.is_success, changed.text
        return str(made["sid"])
