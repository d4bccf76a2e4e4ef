"""The official client SDKs, unmodified, do everything they can do against a real server."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.contract.sdk.conftest import new_service
from tests.contract.sdk.flows import context, run_flow
from tests.harness import Server, running
from tests.tokens import new_signer

CHAT = [
    pytest.param("twilio-chat", id="6.0.0"),
    pytest.param("chat5", id="5.0.2"),
    pytest.param("chat4", id="4.1.0"),
]


@pytest.mark.parametrize("package", CHAT)
def test_app_does_all_that_the_sdk_can_do(package: str, about: dict[str, Any]) -> None:
    """Channels, members, messages, paging, typing, horizons, invitations, users, media, push, loss of connection."""
    run_flow("flow-chat.js", package, about=about)


def test_conversations_app_does_all_that_the_sdk_can_do(about: dict[str, Any]) -> None:
    """The same with the newer SDK, by its names."""
    run_flow("flow-conversations.js", about=about)


@pytest.mark.parametrize("package", CHAT)
def test_tokens_let_in_and_end(package: str, about: dict[str, Any]) -> None:
    """Who is let in, who is refused with what, and how a token's end is told and survived."""
    run_flow("flow-tokens.js", package, about=about)


def test_changes_by_rest_reach_clients_and_refusals_are_those_of_rest(about: dict[str, Any]) -> None:
    """A client sees what the back end does, and what it may not do is refused with the status and code."""
    run_flow("flow-rest.js", about=about)


def test_devices_of_one_user_see_the_same(about: dict[str, Any]) -> None:
    """What is done on one device is seen on the other, and the user is online until both have gone."""
    run_flow("flow-devices.js", about=about)


def test_user_of_two_hundred_channels_starts_up(about: dict[str, Any]) -> None:
    """All channels are there, and a message in each of them comes."""
    run_flow("flow-many.js", about=about)


def test_bursts_come_whole_and_in_order(about: dict[str, Any]) -> None:
    """Each client sees each index once, whatever is cut meanwhile, and one that does not read harms nobody."""
    run_flow("flow-burst.js", about=about)


def test_clients_come_back_after_a_restart(sdks: None, new_server: Server) -> None:
    """A server that is stopped sends its clients away and one that is killed leaves them; all come back."""

    def again(how: signal.Signals) -> None:
        new_server.stop(how)
        new_server.start()

    answers = {"restart": lambda: again(signal.SIGTERM), "kill": lambda: again(signal.SIGKILL)}
    with running(new_server):
        about = context(new_server, new_signer(new_server), new_service(new_server))

        run_flow("flow-restart.js", about=about, answers=answers)


def test_region_is_enough_to_find_the_server(about: dict[str, Any], tmp_path: Path) -> None:
    """An app that sets its region to `HOST/x` comes by tsock.HOST over TLS, with another path before each request."""
    key, certificate = self_signed("tsock.chat.test", tmp_path)

    run_flow("flow-region.js", str(key), str(certificate), about=about, NODE_EXTRA_CA_CERTS=str(certificate))


def self_signed(host: str, folder: Path) -> tuple[Path, Path]:
    """The files of a key and of a certificate for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = folder / "key.pem", folder / "certificate.pem"
    files[0].write_bytes(secret)
    files[1].write_bytes(certificate.public_bytes(encoding))
    return files
