"""The bus of several nodes: one NATS subject for each channel and user, of which a node hears what it follows.

A connection is a session: it begins with every topic that is followed, and when it ends, another one is begun. What
was to be sent meanwhile is dropped: those who missed it find it in the tables.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import NoServersError, SlowConsumerError

from hubbub.bus.codec import encode_event, pack, pack_typing, unpack
from hubbub.bus.memory import MemoryBus
from hubbub.bus.topics import topics
from hubbub.chat import Emitted, Typing

log = logging.getLogger("hubbub.bus")

MOST_WAITING = 8 * 1024 * 1024  # bytes that wait to be sent
MOST_UNREAD = 4 * 1024 * 1024  # bytes of one topic that have come and wait to be told
CONNECT_SECONDS = 3
RETRY_SECONDS = 1.0
PING_SECONDS = 3
CLOSE_SECONDS = 1
FLUSH_SECONDS = 5
AT_ONCE = 100  # subscriptions that are made before others get their turn

AWAY = "NATS cannot be reached: what other nodes do is read from the database until it is back"


class NatsBus:
    """Events of this node are heard at once and in process; those of others when NATS brings them."""

    def __init__(self, servers: Sequence[str], database: str) -> None:
        """`database` tells the subjects of this database from those of others on the same NATS."""
        self._servers = itertools.cycle(servers)
        self._prefix = f"hubbub.{database}."
        self._here = MemoryBus()
        self._doubt: list[Callable[[set[str]], object]] = []
        self._followed: set[str] = set()
        self._session: Session | None = None
        self.listen = self._here.listen
        self.listen_to_typing = self._here.listen_to_typing
        self.listen_to_doubts = self._doubt.append

    def publish(self, emitted: Sequence[Emitted]) -> None:
        self._here.publish(emitted)
        if self._session is not None:
            try:
                self._tell_others(self._session, emitted)
            except Exception:  # the change is stored, and who made it must not suffer
                log.exception("Other nodes could not be told of an event")

    def _tell_others(self, session: "Session", emitted: Sequence[Emitted]) -> None:
        """Each event is encoded once, and each topic gets its own in their order."""
        by_topic: dict[str, list[bytes]] = {}
        for each in emitted:
            concerned = tuple(topics(each))
            encoded = encode_event(each) if concerned else None
            if encoded is not None:
                for topic in concerned:
                    by_topic.setdefault(topic, []).append(encoded)
        for topic, encoded_events in by_topic.items():
            for parcel in pack(encoded_events):
                session.send(self._prefix + topic, parcel)

    def publish_typing(self, typing: Typing) -> None:
        self._here.publish_typing(typing)
        if self._session is not None:
            self._session.send(self._prefix + typing.channel_sid, pack_typing(typing))

    def follow(self, topic: str) -> None:
        self._followed.add(topic)
        if self._session is not None:
            self._session.change(topic)

    def unfollow(self, topic: str) -> None:
        self._followed.discard(topic)
        if self._session is not None:
            self._session.change(topic)

    async def hear(self, message: Msg) -> None:
        """What another node tells."""
        events, typing = unpack(message.data)
        if events:
            self._here.publish(events)
        if typing is not None:
            self._here.publish_typing(typing)

    def doubt(self, some: set[str]) -> None:
        for listener in self._doubt:
            listener(some)

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost, for ever."""
        away = False
        while True:
            client = Client()
            try:
                ended = await connect(client, next(self._servers))
            except Exception as error:  # noqa: BLE001 - the library raises many kinds, and each leads to the next try
                log.log(logging.DEBUG if away else logging.WARNING, "%s (%s)", AWAY, error)
                away = True
            else:
                log.info("NATS is connected: %s", client.connected_url.hostname if client.connected_url else "")
                await self._live(client, ended)
                log.warning("%s", AWAY)
                away = True
            await asyncio.sleep(RETRY_SECONDS)

    async def _live(self, client: Client, ended: asyncio.Event) -> None:
        """Send and listen on a connection until it ends, or this is cancelled."""
        self._session = session = Session(client, self._prefix, self._followed, self.hear, self.doubt)
        tasks = [asyncio.create_task(work) for work in (session.keep_sending(), session.keep_listening(), ended.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (failure := task.exception()) is not None:
                    log.warning("NATS failed: %s", failure)
        finally:
            self._session = None
            for task in tasks:
                task.cancel()
            await session.finish()


class Session:
    """One connection to NATS."""

    def __init__(
        self,
        client: Client,
        prefix: str,
        followed: set[str],
        hear: Callable[[Msg], Awaitable[None]],
        doubt: Callable[[set[str]], object],
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._followed = followed
        self._hear = hear
        self._doubt = doubt
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._is_full = False
        self._to_send = asyncio.Event()
        self._subscriptions: dict[str, Subscription] = {}
        self._changed = set(followed)
        self._has_changed = asyncio.Event()
        self._has_changed.set()

    def send(self, subject: str, payload: bytes) -> None:
        """In its turn; dropped when too much waits."""
        if self._waiting_bytes > MOST_WAITING:
            if not self._is_full:
                log.warning("NATS is too slow: some of what happens here, other nodes will read from the database")
            self._is_full = True
            return
        self._waiting.append((subject, payload))
        self._waiting_bytes += len(payload)
        self._to_send.set()

    async def keep_sending(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            await self._send_all()

    async def _send_all(self) -> None:
        while self._waiting:
            subject, payload = self._waiting.popleft()
            self._waiting_bytes -= len(payload)
            if len(payload) <= self._client.max_payload:
                await self._client.publish(subject, payload)
        self._is_full = False

    def change(self, topic: str) -> None:
        """The topic is followed now, or not any more."""
        self._changed.add(topic)
        self._has_changed.set()

    async def keep_listening(self) -> None:
        """Subscribe to what is followed, and tell which topics are heard from now on."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            changed, self._changed = self._changed, set()
            begun = await self._subscribe(changed)
            if begun:
                await self._client.flush(FLUSH_SECONDS)
                self._doubt(begun)

    async def _subscribe(self, changed: set[str]) -> set[str]:
        """The topics of which there was no subscription before."""
        begun = set()
        for number, topic in enumerate(changed):
            there = self._subscriptions.get(topic)
            if topic in self._followed and there is None:
                begun.add(topic)
                self._subscriptions[topic] = await self._client.subscribe(
                    self._prefix + topic, cb=self._hear, pending_bytes_limit=MOST_UNREAD
                )
            elif topic not in self._followed and there is not None:
                del self._subscriptions[topic]
                await there.unsubscribe()
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
        return begun

    async def finish(self) -> None:
        """Send what can be sent in a moment, and close."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send_all()
        await close(self._client)


async def connect(client: Client, server: str) -> asyncio.Event:
    """Connect to the server; set when the connection has ended. Raises what the library raises."""
    ended = asyncio.Event()
    errors: list[Exception] = []

    async def closed() -> None:
        ended.set()

    async def note(error: Exception) -> None:
        """What went wrong without ending the connection, or just before it ends."""
        if isinstance(error, SlowConsumerError):
            log.warning("Events of %s come too fast: those that were dropped are read from the database", error.subject)
        elif not client.is_connected:
            errors.append(error)

    def secret(value: str) -> str:
        check_encrypted(client, server)
        return value

    options: dict[str, Any] = {"allow_reconnect": False, "max_reconnect_attempts": 1, "reconnect_time_wait": 0}
    options |= {name: partial(secret, value) for name, value in credentials(server).items()}
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS):
            await client.connect(
                server,
                name="hubbub",
                no_echo=True,
                connect_timeout=CONNECT_SECONDS,
                ping_interval=PING_SECONDS,
                max_outstanding_pings=1,
                flush_timeout=FLUSH_SECONDS,
                skip_subject_validation=True,
                error_cb=note,
                closed_cb=closed,
                **options,
            )
        check_encrypted(client, server)
    except Exception as error:  # noqa: BLE001 - whatever it is, no socket is left open
        await close(client)
        raise errors[-1] if errors and isinstance(error, NoServersError) else error from None
    return ended


async def close(client: Client) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()


def check_encrypted(client: Client, server: str) -> None:
    """Raises ConnectionError where TLS is wanted and the server did not ask for it: the library goes on without."""
    if server.startswith("tls:") and not client._server_info.get("tls_required"):  # noqa: SLF001 - nothing else tells it
        raise ConnectionError("it offers no TLS")


def credentials(server: str) -> dict[str, str]:
    """Those in the URL, of which the library would not undo the percent signs; a name alone is a token."""
    parts = urlsplit(server)
    if parts.username is None:
        return {}
    if parts.password is None:
        return {"token": unquote(parts.username)}
    return {"user": unquote(parts.username), "password": unquote(parts.password)}
