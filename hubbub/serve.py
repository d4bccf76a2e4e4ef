"""Runs the server: opens the chat, makes the first account, listens, and ends in good order."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import Iterator
from functools import partial
from typing import cast

import uvicorn

from hubbub.app import App, build_app, open_chat
from hubbub.chat import Chat
from hubbub.realtime.socket import Socket
from hubbub.resources.accounts import sql as accounts
from hubbub.resources.accounts.actions import create_account
from hubbub.settings import BadSettings, Settings
from hubbub.web.protocol import BoundedProtocol

BACKLOG = 2048
GARBAGE_THRESHOLD = 20_000

WELCOME = """\
Hubbub listens on {url}

    account SID  {account_sid}
    auth token   {auth_token}

The token is shown only now; `hubbub accounts rotate-token {account_sid}` makes a new one.

Try it:

    curl {url}/v2/Services -u {account_sid}:{auth_token} -d FriendlyName=First

    from twilio.rest import Client
    client = Client("{account_sid}", "{auth_token}")
    client.chat.base_url = "{url}"
    service = client.chat.v2.services.create(friendly_name="My first service")
    print(service.sid, service.date_created)
"""


class Server(uvicorn.Server):
    """Ends by `should_exit` alone: a signal that asks for the end is no failure, so the exit code stays 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises BadSettings or BadDatabase when the server cannot start."""
    async with open_chat(settings, exclusive=True) as chat:
        first = await first_account(chat)
        with listen(settings) as listener:
            host, port = listener.getsockname()[:2]
            url = settings.public_url or f"http://{host if ':' not in host else f'[{host}]'}:{port}"
            app = build_app(chat)
            async with app.background():
                server = Server(configure(settings, app))
                announce(settings, first, url)
                calm_garbage_collection()
                allow_many_connections()
                await server.serve(sockets=[listener])


async def first_account(chat: Chat) -> tuple[str, str] | None:
    """Make an account in an empty database; its SID and token, or None where one was there."""
    if await accounts.list_accounts(chat.database):
        return None
    settings = chat.settings
    return await create_account(chat, "First account", settings.account_sid, settings.auth_token)


def calm_garbage_collection() -> None:
    """What is there now stays for good, and a request leaves no cycles behind: look seldom, and not at that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 10, 10)


def allow_many_connections() -> None:
    """Each app that is connected is an open file, of which the system's first limit is often 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # where the system's most is less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def announce(settings: Settings, first: tuple[str, str] | None, url: str) -> None:
    """The word to the operator; a token that the operator chose is not repeated."""
    if first is None or settings.auth_token:
        print(f"Hubbub listens on {url}", flush=True)  # noqa: T201 - this is the start's word to its operator
    else:
        text = WELCOME.format(url=url, account_sid=first[0], auth_token=first[1])
        print(text, flush=True)  # noqa: T201 - likewise


def listen(settings: Settings) -> socket.socket:
    """The bound socket. Raises BadSettings when the address is taken or not ours."""
    try:
        family, kind, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise BadSettings(
            f"Hubbub cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "change HUBBUB_HOST or HUBBUB_PORT, or end the program that has it."
        ) from error
    return listener


def configure(settings: Settings, app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws=cast("type[asyncio.Protocol]", partial(Socket, app.gateway)),
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level=settings.log_level,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        backlog=BACKLOG,
    )
