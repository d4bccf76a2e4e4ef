"""A server for the client SDKs, with what their scenarios need switched on, and their scenarios at work."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.conftest import new_database
from tests.contract.sdk.flows import NEWER_NODE, About, node_version, prepare, run_flow
from tests.harness import Server, running, unique
from tests.push.keys import apns_certificate
from tests.tokens import Signer, new_signer

# The pings are rare enough for a client that does not read to be dropped for that and not for its silence.
SETTINGS = {"HUBBUB_WEBHOOK_ALLOW": "127.0.0.0/8", "HUBBUB_REALTIME_PING_SECONDS": "30"}
AT_ONCE = 3

Flow = tuple[str, ...]  # a script and its arguments


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
    certificate, key = apns_certificate()
    with server.client() as client:
        for form in ({"Type": "fcm", "Secret": "x"}, {"Type": "apn", "Certificate": certificate, "PrivateKey": key}):
            made = client.post("/v2/Credentials", data=form)
            assert made.is_success, made.text


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return new_signer(server)


@pytest.fixture
def about(server: Server, signer: Signer) -> About:
    """What a scenario is told."""
    return new_about(server, signer)


def new_about(server: Server, signer: Signer) -> About:
    """The server, and a fresh service that shows who is online."""
    with server.client() as client:
        made = client.post("/v2/Services", data={"FriendlyName": unique("sdk")}).json()
        changes = {"ReachabilityEnabled": "true", "TypingIndicatorTimeout": "1"}
        changed = client.post(f"/v2/Services/{made['sid']}", data=changes)
        assert changed.is_success, changed.text
    return About(server, signer, str(made["sid"]))


@pytest.fixture(scope="module")
def flows(server: Server, signer: Signer, engine: str, request: pytest.FixtureRequest) -> Iterator["Flows"]:
    """The scenarios of all tests on this server that have a `flow`, some at a time: most of it is waiting."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = Flows()
        for flow in chosen(request, engine):
            started[flow] = pool.submit(lambda flow: run_flow(*flow, about=new_about(server, signer)), flow)
        yield started
        for future in started.values():
            future.cancel()


class Flows(dict[Flow, Future[str]]):
    def check(self, flow: Flow) -> None:
        """Wait for the scenario; what failed in it fails the test."""
        needed = NEWER_NODE.get(flow[0], 0)
        if node_version() < needed:
            pytest.skip(f"{flow[0]} needs Node {needed} or newer, here is {node_version()}")
        self[flow].result()


def chosen(request: pytest.FixtureRequest, engine: str) -> list[Flow]:
    """Those of the tests that pytest is to run."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    return [each["flow"] for each in parameters if "flow" in each and each["engine"] == engine]
