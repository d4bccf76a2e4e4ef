"""Where connections go: to the checked addresses only, and over TLS to the verified receiver only."""

import asyncio
import ssl
from pathlib import Path

import pytest

from hubbub.delivery import http
from hubbub.delivery.guard import Guard
from hubbub.delivery.http import Sender
from hubbub.delivery.outcome import Blocked, Unreachable
from tests.delivery.receivers import LOOPBACK, OK, PLENTY, SHORT, Names, certificate, deaf_port, receiver, sending


async def test_connection_goes_to_the_checked_address_only() -> None:
    """A name server that answers differently the second time is not asked a second time."""
    names = Names(evil_example=[["127.0.0.2"], ["127.0.0.1"]])
    guard = Guard(LOOPBACK, names)
    sender = Sender(guard)
    async with receiver(host="127.0.0.2") as checked, receiver(host="127.0.0.1", port=checked.port) as other:
        for _ in range(2):
            await sender.send("POST", f"http://evil.example:{checked.port}/", (), b"", PLENTY)
        await sender.close()

    assert (len(checked.requests), other.connections) == (2, 0)
    assert names.asked == ["evil.example"]
    assert f"\r\nHost: evil.example:{checked.port}\r\n" in checked.requests[0].head


async def test_blocked_address_is_not_connected_to() -> None:
    """A request to an address that is not allowed ends before any connection."""
    sender = Sender(Guard(resolve=Names(inner_example=[["127.0.0.1"]])))
    async with receiver() as it:
        for host in ("127.0.0.1", "inner.example"):
            with pytest.raises(Blocked, match=r"127\.0\.0\.1"):
                await sender.send("POST", f"http://{host}:{it.port}/", (), b"", PLENTY)

    assert it.connections == 0


async def test_addresses_are_tried_in_their_order() -> None:
    """The first checked address that takes the connection gets the request."""
    names = Names(good_example=[["127.0.0.3", "127.0.0.2", "127.0.0.1"]])
    async with (
        receiver(host="127.0.0.2") as it,
        receiver(host="127.0.0.1", port=it.port) as last,
        sending(names) as sender,
    ):
        await sender.send("POST", f"http://good.example:{it.port}/", (), b"", PLENTY)

    assert (len(it.requests), last.connections) == (1, 0)


async def test_address_that_hangs_leaves_time_for_the_next() -> None:
    """An address that swallows connections uses up its share of the time, not all of it."""
    with deaf_port() as port:
        names = Names(good_example=[["127.0.0.1", "127.0.0.2"]])
        async with receiver(host="127.0.0.2", port=port) as it, sending(names) as sender:
            await sender.send("POST", f"http://good.example:{port}/", (), b"", SHORT * 4)

    assert len(it.requests) == 1


async def test_ipv6_receiver_is_reached(sender: Sender) -> None:
    """An IPv6 address stands in brackets in the URL and in the Host header."""
    try:
        opened = receiver(host="::1")
        it = await opened.__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6")
    await sender.send("POST", f"http://[0::1]:{it.port}/", (), b"", PLENTY)
    await opened.__aexit__(None, None, None)

    assert f"\r\nHost: [::1]:{it.port}\r\n" in it.requests[0].head


async def test_tls_receiver_is_verified_by_its_name(tmp_path: Path) -> None:
    """The connection goes to the checked address, while the name that is told and verified is that of the URL."""
    server, client = certificate(tmp_path, "hook.example")
    told: list[str | None] = []
    server.sni_callback = lambda _, name, __: told.append(name)
    names = Names(hook_example=[["127.0.0.1"]])
    async with receiver(tls=server) as it, sending(names, client) as sender:
        for _ in range(2):
            answer = await sender.send("POST", f"https://hook.example:{it.port}/", (), b"a=1", PLENTY)
            assert answer.body == b"ok"

    assert told == ["hook.example"]
    assert it.connections == 1


async def test_tls_receiver_may_be_an_address(tmp_path: Path) -> None:
    """A certificate for an address is good for that address."""
    server, client = certificate(tmp_path, "127.0.0.1")
    async with receiver(tls=server) as it, sending(context=client) as sender:
        assert (await sender.send("POST", f"https://127.0.0.1:{it.port}/", (), b"", PLENTY)).status == 200


@pytest.mark.parametrize(("named", "trusted"), [("other.example", True), ("hook.example", False)])
async def test_wrong_certificate_is_unreachable(tmp_path: Path, named: str, trusted: bool) -> None:
    """A certificate for another name, or of nobody who is trusted, ends the request before anything is sent."""
    server, client = certificate(tmp_path, named)
    names = Names(hook_example=[["127.0.0.1"]])
    async with receiver(tls=server) as it, sending(names, client if trusted else http.default_context()) as sender:
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            await sender.send("POST", f"https://hook.example:{it.port}/", (), b"", PLENTY)

    assert it.requests == []


async def test_plain_receiver_behind_https_is_unreachable(tmp_path: Path) -> None:
    """A receiver that does not speak TLS gets no request over https."""
    _, client = certificate(tmp_path, "127.0.0.1")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with sending(context=client) as sender:
        with pytest.raises(Unreachable):
            await sender.send("POST", f"https://127.0.0.1:{port}/", (), b"", PLENTY)
    server.close()
    await server.wait_closed()


def test_trust_store_of_production_verifies() -> None:
    """Without a context of its own the sender verifies certificates and names."""
    context = http.default_context()

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
