"""The official client SDKs, unmodified, do everything they can do against a real server."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.contract.sdk.conftest import Flow, Flows, new_about
from tests.contract.sdk.flows import About, run_flow
from tests.harness import Server, running
from tests.tokens import new_signer

VERSIONS = {"6.0.0": "twilio-chat", "5.0.2": "chat5", "4.1.0": "chat4", "3.4.0": "chat3"}  # of twilio-chat: folders


def flow(script: str, *packages: str) -> pytest.MarkDecorator:
    """The test waits for this scenario, once with each of the packages; the `flows` have begun it."""
    whole: list[Flow] = [(script, package) for package in packages] or [(script,)]
    names = [version for package in packages for version, folder in VERSIONS.items() if folder == package]
    return pytest.mark.parametrize("flow", whole, ids=names or [script])


def test_clients_come_back_after_a_restart(flows: Flows, new_server: Server) -> None:
    """A server that is stopped sends its clients away and one that is killed leaves them; all come back."""

    def again(how: signal.Signals) -> None:
        new_server.stop(how)
        new_server.start()

    answers = {"restart": lambda: again(signal.SIGTERM), "kill": lambda: again(signal.SIGKILL)}
    new_server.settings = {"HUBBUB_REALTIME_PING_SECONDS": "1"}
    with running(new_server):
        run_flow("flow-restart.js", about=new_about(new_server, new_signer(new_server)), answers=answers)


@pytest.mark.parametrize("package", ["twilio-chat", "chat4", "chat3"])
def test_region_is_enough_to_find_the_server(package: str, about: About, tmp_path: Path) -> None:
    """An app that sets its region to `HOST/x` comes by tsock.HOST over TLS, with another path before each request.

    The older ones also find the media so, at mcs.HOST.
    """
    key, certificate = self_signed(("tsock.chat.test", "mcs.chat.test"), tmp_path)

    run_flow("flow-region.js", str(key), str(certificate), package, about=about, NODE_EXTRA_CA_CERTS=str(certificate))


@flow("flow-burst.js")
def test_bursts_come_whole_and_in_order(flow: Flow, flows: Flows) -> None:
    """Each client sees each index once, whatever is cut meanwhile, and one that does not read harms nobody."""
    flows.check(flow)


@flow("flow-chat.js", *VERSIONS.values())
def test_app_does_all_that_the_sdk_can_do(flow: Flow, flows: Flows) -> None:
    """Channels, members, messages, paging, typing, horizons, invitations, users, media, push, loss of connection."""
    flows.check(flow)


@flow("flow-conversations.js")
def test_conversations_app_does_all_that_the_sdk_can_do(flow: Flow, flows: Flows) -> None:
    """The same with the newer SDK, by its names."""
    flows.check(flow)


@flow("flow-tokens.js", *VERSIONS.values())
def test_tokens_let_in_and_end(flow: Flow, flows: Flows) -> None:
    """Who is let in, who is refused with what, and how a token's end is told and survived."""
    flows.check(flow)


@flow("flow-rest.js")
def test_changes_by_rest_reach_clients_and_refusals_are_those_of_rest(flow: Flow, flows: Flows) -> None:
    """A client sees what the back end does, and what it may not do is refused with the status and code."""
    flows.check(flow)


@flow("flow-devices.js")
def test_devices_of_one_user_see_the_same(flow: Flow, flows: Flows) -> None:
    """What is done on one device is seen on the other, and the user is online until both have gone."""
    flows.check(flow)


@flow("flow-many.js")
def test_user_of_two_hundred_channels_starts_up(flow: Flow, flows: Flows) -> None:
    """All channels are there, and a message in each of them comes."""
    flows.check(flow)


def self_signed(hosts: tuple[str, ...], folder: Path) -> tuple[Path, Path]:
    """The files of a key and of a certificate for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = folder / "key.pem", folder / "certificate.pem"
    files[0].write_bytes(secret)
    files[1].write_bytes(certificate.public_bytes(encoding))
    return files
