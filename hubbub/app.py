"""The composition root: settings -> Chat -> ASGI application. The only place that knows every part."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hubbub.bus.memory import MemoryBus
from hubbub.chat import Bus, Chat
from hubbub.delivery.before import PreEvents
from hubbub.delivery.dispatcher import Dispatcher
from hubbub.delivery.guard import Guard
from hubbub.delivery.http import Sender
from hubbub.delivery.ledger import Ledger
from hubbub.delivery.messenger import Messenger
from hubbub.delivery.node import Node
from hubbub.delivery.outbox import Outbox
from hubbub.delivery.push.post import keep_pushing
from hubbub.errors import ERRORS, ChatError
from hubbub.metrics import Metrics
from hubbub.purge import keep_purging
from hubbub.realtime.commands import routes as commands
from hubbub.realtime.gateway import Gateway
from hubbub.realtime.healing import Healing
from hubbub.realtime.hub import Hub
from hubbub.realtime.presence import Presence
from hubbub.realtime.sync import reading, subscriptions
from hubbub.realtime.tunnel import strip_region
from hubbub.resources.accounts import sql as accounts
from hubbub.resources.accounts.actions import authenticate
from hubbub.resources.bindings import routes as bindings
from hubbub.resources.channels import routes as channels
from hubbub.resources.credentials import routes as credentials
from hubbub.resources.invites import routes as invites
from hubbub.resources.media import routes as media
from hubbub.resources.members import routes as members
from hubbub.resources.messages import routes as messages
from hubbub.resources.messages.actions import write_drafts
from hubbub.resources.roles import routes as roles
from hubbub.resources.services import routes as services
from hubbub.resources.tokens.actions import authenticate_anyone
from hubbub.resources.users import routes as users
from hubbub.resources.webhooks import routes as webhooks
from hubbub.settings import BadSettings, Settings
from hubbub.storage.batch import Batch
from hubbub.storage.database import Database
from hubbub.storage.files import Folder
from hubbub.storage.migrate import migrate
from hubbub.storage.sqlite import SQLite
from hubbub.sweep import keep_sweeping
from hubbub.vault import open_vault
from hubbub.web.endpoint import Endpoint, Operation
from hubbub.web.respond import Receive, Scope, Send, send_bytes, send_error, send_json
from hubbub.web.router import Router

OPERATIONS: list[Operation] = [
    *messages.operations,
    *members.operations,
    *channels.operations,
    *users.operations,
    *invites.operations,
    *webhooks.operations,
    *bindings.operations,
    *services.operations,
    *roles.operations,
    *credentials.operations,
    *media.operations,
]


async def open_database(settings: Settings, *, exclusive: bool) -> Database:
    """The engine that the URL names. Raises BadDatabase or BadSettings with what to do."""
    url = urlsplit(settings.database_url)
    if url.scheme == "sqlite":
        return SQLite(Path(unquote(url.path[1:]) if url.path else "hubbub.db"), exclusive=exclusive)
    try:
        from hubbub.storage.postgres import Postgres  # noqa: PLC0415 - an extra that may be absent
    except ImportError as error:
        raise BadSettings(
            "HUBBUB_DATABASE names PostgreSQL, whose driver is not installed: pip install 'hubbub[postgres]'."
        ) from error
    return await Postgres.open(settings.database_url, settings.postgres_connections)


async def open_bus(settings: Settings, database: Database) -> Bus:
    """What a server tells other nodes by. Raises BadSettings where the client library is absent."""
    if not settings.nats_servers:
        return MemoryBus()
    try:
        from hubbub.bus.nats import NatsBus  # noqa: PLC0415 - an extra that may be absent
        from hubbub.storage.postgres import identify  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise BadSettings(
            "HUBBUB_BUS names NATS, whose client is not installed: pip install 'hubbub[nats]'."
        ) from error
    return NatsBus(settings.nats_servers, await identify(database))


@contextlib.asynccontextmanager
async def open_chat(settings: Settings, *, exclusive: bool = False) -> AsyncIterator[Chat]:
    """The chat on its database, which is brought to the schema of this code. `exclusive` is for the server."""
    database = await open_database(settings, exclusive=exclusive)
    try:
        await migrate(database)
        known = await accounts.list_accounts(database)
        vault = open_vault(settings, may_make=not known)
        if known:
            vault.decrypt(known[0].auth_token)  # a wrong key is told now, not with the first request
        folder = Folder(Path(settings.data_dir) / "media")
        if exclusive and isinstance(database, SQLite):
            folder.clean()
        async with open_sender(settings) as sender:
            hooks = PreEvents(database, Messenger(database, vault, sender))
            bus = await open_bus(settings, database) if exclusive else MemoryBus()
            chat = Chat(database, folder, vault, settings, hooks, Outbox(settings), bus)
            chat.drafts = Batch(partial(write_drafts, chat))
            yield chat
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def open_sender(settings: Settings) -> AsyncIterator[Sender]:
    sender = Sender(Guard(settings.webhook_networks))
    try:
        yield sender
    finally:
        await sender.close()


def build_app(chat: Chat) -> "App":
    """The ASGI application of a server."""
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        by_path[operation.path].append(operation)
    public_url = chat.settings.public_url
    for_apps = {operation.path for operation in media.operations}
    endpoints = [
        (path, Endpoint(found, chat, authenticate_anyone if path in for_apps else authenticate, public_url))
        for path, found in by_path.items()
    ]
    metrics = Metrics()
    own = [("/health/live", Live()), ("/health/ready", Ready(chat)), ("/metrics", Scrape(metrics))]
    hub = Hub(chat)
    routes = [*reading.routes(), *subscriptions.routes(hub), *commands.routes(hub)]
    gateway = Gateway(chat, routes)
    presence = Presence(chat)
    gateway.opened.append(presence.opened)
    return App(chat, metrics, Router([*endpoints, *own]), gateway, presence, Healing(hub))


class App:
    """Answers requests; sweeps and delivers beside them."""

    def __init__(
        self,
        chat: Chat,
        metrics: Metrics,
        router: Router,
        gateway: Gateway,
        presence: Presence,
        healing: Healing,
    ) -> None:
        self.gateway = gateway
        self._healing = healing
        self._presence = presence
        self._chat = chat
        self._metrics = metrics
        self._find = router.find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path"] = path = scope["raw_path"].decode("latin-1")
        found = self._find(path) or self._find(strip_region(path))  # so that the older SDKs can be led to their media
        if found is None:
            await send_error(send, ERRORS.NOT_FOUND(), path)
        else:
            endpoint, scope["path_params"] = found
            await endpoint(scope, receive, send)

    @contextlib.asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """What runs beside the requests."""
        async with open_sender(self._chat.settings) as sender, asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in self._work(sender)]
            try:
                yield
            finally:
                await self.gateway.finish()
                for task in tasks:
                    task.cancel()

    def _work(self, sender: Sender) -> Iterator[Coroutine[Any, Any, None]]:
        chat, outbox = self._chat, self._chat.outbox
        database, settings, clock = chat.database, chat.settings, chat.clock
        assert isinstance(outbox, Outbox)
        ledger = Ledger(database, self._metrics, clock, kept=settings.deliveries_kept_hours > 0)
        messenger = Messenger(database, chat.vault, sender)
        node = Node(database, clock, settings.node_lease_seconds * 1000)
        dispatcher = Dispatcher(database, outbox, messenger, ledger, clock, node)
        yield dispatcher.run(alone=isinstance(database, SQLite))
        yield keep_pushing(chat, outbox, self._metrics, alone=isinstance(database, SQLite))
        yield keep_purging(chat)
        yield keep_sweeping(chat)
        yield self.gateway.keep_checking()
        yield chat.bus.run()
        yield self._healing.run()
        yield self._presence.run(alone=isinstance(database, SQLite))


class Live:
    """The process answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send_json(send, 200, {"status": "live"})


class Scrape:
    """What the process counts, for Prometheus."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send_bytes(send, 200, self._metrics.text(), (b"content-type", self._metrics.content_type))


class Ready:
    """The process can do its work: the database answers."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            await self._chat.database.ping()
        except ChatError as error:
            await send_error(send, error, scope["path"])
        else:
            await send_json(send, 200, {"status": "ready"})
