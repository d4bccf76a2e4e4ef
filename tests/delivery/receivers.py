"""Receivers of webhooks for the tests: real sockets that answer what a test tells them to."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hubbub.delivery.connection import Connection
from hubbub.delivery.guard import Guard, Network
from hubbub.delivery.http import Sender
from hubbub.delivery.outcome import Answer
from hubbub.delivery.place import Key

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading the system's trust store takes a while
PLENTY = 5.0  # seconds, for what must not take long
SHORT = 0.1  # seconds, for what must end by itself
PUBLIC = "93.184.216.34"

Respond = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One request as it came, and the way back."""

    head: str
    body: bytes
    number: int  # among the requests of this receiver, from 1
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class Receiver:
    respond: Respond | bytes
    wants_body: bool = True
    port: int = 0
    connections: int = 0
    requests: list[Exchange] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # a connection has
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    await self._exchange(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            self.ended.set()
            self._tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0)
        body = await reader.readexactly(length) if self.wants_body else b""
        exchange = Exchange(head, body, len(self.requests) + 1, reader, writer)
        self.requests.append(exchange)
        if isinstance(self.respond, bytes):
            await exchange.say(self.respond)
        else:
            await self.respond(exchange)

    async def stop(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@contextlib.asynccontextmanager
async def receiver(
    respond: Respond | bytes = OK,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    wants_body: bool = True,
) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, for as long as the block."""
    it = Receiver(respond, wants_body)
    server = await asyncio.start_server(it.serve, host, port, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        await it.stop()
        await server.wait_closed()


async def post(sender: Sender, port: int, body: bytes = b"a=1", seconds: float = PLENTY) -> Answer:
    return await sender.send("POST", f"http://127.0.0.1:{port}/hook", [("X-Name", "value")], body, seconds)


def saying(data: bytes, *, hang_up: bool = False) -> Callable[[Exchange], Awaitable[None]]:
    """A receiver that answers with these bytes, and then hangs up or leaves the connection open."""

    async def respond(exchange: Exchange) -> None:
        await exchange.say(data)
        if hang_up:
            exchange.writer.close()

    return respond


async def silent(exchange: Exchange) -> None:
    await exchange.reader.read()


def telling(asked: asyncio.Event) -> Callable[[Exchange], Awaitable[None]]:
    """A receiver that is silent, but lets the test know when a request has come."""

    async def respond(exchange: Exchange) -> None:
        asked.set()
        await silent(exchange)

    return respond


def pausing(respond: Callable[[Exchange], Awaitable[None]] | bytes) -> Callable[[Exchange], Awaitable[None]]:
    async def both(exchange: Exchange) -> None:
        assert not isinstance(respond, bytes)
        await respond(exchange)
        exchange.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    return both


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Names:
    """A name server: each host has a list of answers, given one after the other, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {host.replace("_", "."): list(given) for host, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Iterable[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("no such host")
        given = self.answers[host]
        return given.pop(0) if len(given) > 1 else given[0]


@contextlib.asynccontextmanager
async def sending(
    names: Names | None = None, context: ssl.SSLContext | None = None, idle_limit: int = 256
) -> AsyncIterator[Sender]:
    """A sender that the operator lets reach this machine."""
    sender = Sender(Guard(LOOPBACK, names or Names()), context=context or TRUSTING_NOBODY, idle_limit=idle_limit)
    try:
        yield sender
    finally:
        await sender.close()


class Connectionless(Sender):
    """A sender that only notes where it would connect to."""

    def __init__(self, guard: Guard) -> None:
        super().__init__(guard, context=TRUSTING_NOBODY)
        self.tried: list[str] = []

    async def _connect_to(self, key: Key, address: str) -> Connection:
        self.tried.append(address)
        raise ConnectionRefusedError(f"{key} is not reached in this test")


def networks(*names: str) -> list[Network]:
    return [ipaddress.ip_network(name) for name in names]


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS context for these host names and addresses, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Receiver")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([general_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "receiver.pem"
    text = signed.public_bytes(serialization.Encoding.PEM)
    path.write_bytes(
        text
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=text.decode())


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
