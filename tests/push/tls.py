"""TLS as both ends of a test's connection need it."""

import asyncio
import asyncio.sslproto
import ssl
from pathlib import Path
from typing import Any

from tests.push import keys


class Authority:
    """Who signs the certificates in these tests; trust its file, and you trust the listener."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "authority.pem"
        self.file.write_text(keys.authority())

    def server_context(self, *, wants_certificate: bool = False) -> ssl.SSLContext:
        """For a listener on 127.0.0.1; it can want a certificate of its clients that the authority has signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context, *keys.host_certificate("127.0.0.1", "localhost"))
        context.set_alpn_protocols(["h2"])
        if wants_certificate:
            context.load_verify_locations(self.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
        """For a client that trusts the authority alone, and has a certificate (with its key) or none."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            self._load(context, *certificate)
        return context

    def _load(self, context: ssl.SSLContext, certificate: str, key: str) -> None:
        file = self._folder / "loaded.pem"
        file.write_text(certificate + key)
        context.load_cert_chain(file)


class Alerting(asyncio.sslproto.SSLProtocol):
    """Tells the client why its handshake fails, as all servers do but Python's, which forgets to send the alert."""

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        if handshake_exc is not None:
            self._process_outgoing()  # type: ignore[attr-defined]
        super()._on_handshake_complete(handshake_exc)


class AlertingLoop(asyncio.SelectorEventLoop):
    """An event loop whose TLS servers send alerts."""

    def _make_ssl_transport(
        self, rawsock: Any, protocol: asyncio.BaseProtocol, sslcontext: Any, waiter: Any = None, **rest: Any
    ) -> asyncio.Transport:
        extra, server = rest.pop("extra", None), rest.pop("server", None)
        tls = Alerting(self, protocol, sslcontext, waiter, **rest)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server)  # type: ignore[attr-defined]
        return tls._app_transport
