"""A connection that does not come about says why; a certificate of ours that is refused is told from all else."""

import ssl

import pytest

from hubbub.delivery.outcome import TimedOut, Unreachable
from hubbub.delivery.push.http2 import CertificateRefused, Peer
from tests.delivery.receivers import certificate, deaf_port
from tests.push import keys
from tests.push.meeting import PLENTY, SHORT, meeting
from tests.push.peer import listening
from tests.push.tls import Authority

# Frames: three bytes of length, type, flags, four bytes of stream; and what they hold.
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
GOAWAY = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8)


async def test_nothing_there() -> None:
    peer = Peer("https://127.0.0.1:1", ssl.create_default_context())
    with pytest.raises(Unreachable, match=r"No connection to 127\.0\.0\.1 port 1 came about: .*111"):
        await peer.ask("GET", "/", [], b"", PLENTY)
    await peer.close()


async def test_no_such_host() -> None:
    peer = Peer("https://nowhere.invalid", ssl.create_default_context())
    with pytest.raises(Unreachable, match=r"No connection to nowhere\.invalid port 443 came about"):
        await peer.ask("GET", "/", [], b"", PLENTY)
    await peer.close()


async def test_connection_that_does_not_come_about_in_time() -> None:
    """Something on the way swallows what is sent there."""
    with deaf_port() as port:
        peer = Peer(f"https://127.0.0.1:{port}", ssl.create_default_context())
        with pytest.raises(TimedOut, match="No connection to"):
            await peer.ask("GET", "/", [], b"", SHORT)
        await peer.close()


async def test_peer_that_says_goodbye_first(authority: Authority) -> None:
    async with meeting(authority, greets=False) as met:
        (ask,) = met.pushes(["a"])
        await met.listener.until(lambda: met.listener.open_connections)
        met.listener.send(SETTINGS + GOAWAY)

        with pytest.raises(Unreachable, match="takes no requests"):
            await ask


@pytest.mark.parametrize("offered", [[], ["http/1.1"]])
async def test_peer_that_speaks_another_protocol(authority: Authority, offered: list[str]) -> None:
    context = authority.server_context()
    context.set_alpn_protocols(offered)
    with listening(context) as listener:
        peer = Peer(listener.url, authority.client_context())
        with pytest.raises(Unreachable, match="does not speak HTTP/2"):
            await peer.ask("GET", "/", [], b"", PLENTY)
        await peer.close()


# Certificates.


async def test_client_shows_its_certificate(authority: Authority) -> None:
    async with meeting(authority, certificate=keys.apns_certificate("com.example.app"), wants_certificate=True) as met:
        await met.push()

        assert met.listener.requests[0].subject == "Apple Push Services: com.example.app"


async def test_certificate_that_the_peer_does_not_take(authority: Authority) -> None:
    expired = keys.apns_certificate(days=-1)
    async with meeting(authority, certificate=expired, wants_certificate=True) as met:
        for _ in range(2):
            with pytest.raises(CertificateRefused, match="does not accept the certificate: certificate expired"):
                await met.push()


async def test_certificate_that_the_peer_misses(authority: Authority) -> None:
    async with meeting(authority, wants_certificate=True) as met:
        with pytest.raises(CertificateRefused, match="certificate required"):
            await met.push()


async def test_certificate_refused_by_the_older_tls(authority: Authority) -> None:
    """There the handshake itself fails."""
    context = authority.client_context(keys.apns_certificate(days=-1))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(authority.server_context(wants_certificate=True)) as listener:
        peer = Peer(listener.url, context)
        with pytest.raises(CertificateRefused, match="certificate expired"):
            await peer.ask("GET", "/", [], b"", PLENTY)
        await peer.close()


async def test_peer_with_a_certificate_that_nobody_signed(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is not the peer's answer but ours, so that no credential is to blame."""
    context, _ = certificate(tmp_path_factory.mktemp("forged"), "127.0.0.1")
    context.set_alpn_protocols(["h2"])
    with listening(context) as listener:
        peer = Peer(listener.url, authority.client_context())
        with pytest.raises(Unreachable, match=r"The certificate of 127\.0\.0\.1 port .* is not trusted") as refused:
            await peer.ask("GET", "/", [], b"", PLENTY)
        assert not isinstance(refused.value, CertificateRefused)
        await peer.close()
