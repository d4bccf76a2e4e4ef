"""Load with hooks on: writers that keep what was acknowledged, and a receiver that notes what arrives."""

import asyncio
import contextlib
import http.client
import json
import threading
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, unique
from tests.robustness.writers import BROKEN, FORM, eventually, stored_messages

ALLOWED = {"HUBBUB_WEBHOOK_ALLOW": "127.0.0.0/8"}
SHORT_LEASE = {"HUBBUB_NODE_LEASE_SECONDS": "3"}
CREDENTIALS = "Basic " + b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
HEADERS = {"Authorization": CREDENTIALS, "Content-Type": FORM, "X-Twilio-Webhook-Enabled": "true"}
SENT = "onMessageSent"
UPDATED = "onMessageUpdated"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
UPDATES = 5  # one of so many messages is changed after it was sent


@dataclass(frozen=True)
class Arrival:
    """One request as the receiver got it."""

    hook: str  # the path
    id: str
    revision: int
    channel: str
    message: str
    event: str
    retry: int
    at: float
    answered: bool

    @property
    def lane(self) -> tuple[str, str]:
        return self.hook, self.channel

    @property
    def what(self) -> tuple[str, str]:
        return self.event, self.message


class Receiver:
    """Answers 200, but nothing at all to a path that begins with one of `hanging`."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.hanging: tuple[str, ...] = ()
        self.seconds = 0.0  # that an answer takes
        self.port = 0
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._tasks: set[asyncio.Task[None]] = set()
        self._hung: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator["Receiver"]:
        """In a thread of its own, for as long as the block."""
        started = threading.Event()
        thread = threading.Thread(target=asyncio.run, args=[self._run(started)], daemon=True)
        thread.start()
        assert started.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(10)

    async def _run(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._over.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                path = head[0].split(" ")[1]
                fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(fields["content-length"]))
                hangs = bool(self.hanging) and path.startswith(self.hanging)
                self.arrivals.append(read(path, fields, body, self._loop.time(), answered=not hangs))
                if hangs:
                    self._hung.add(writer)
                    await reader.read()
                    break
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                writer.write(OK)
        writer.transport.abort()

    def recover(self) -> None:
        """Answer everybody from now on; what hangs is closed."""
        self.hanging = ()
        for writer in tuple(self._hung):
            self._loop.call_soon_threadsafe(writer.transport.abort)
        self._hung.clear()

    def first(self) -> list[Arrival]:
        """The first arrival of each webhook-id."""
        found: dict[str, Arrival] = {}
        for arrival in tuple(self.arrivals):
            found.setdefault(arrival.id, arrival)
        return list(found.values())


def read(path: str, fields: dict[str, str], body: bytes, at: float, *, answered: bool) -> Arrival:
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    return Arrival(
        path,
        fields["webhook-id"],
        int(fields["hubbub-revision"]),
        form["ChannelSid"],
        form["MessageSid"],
        form["EventType"],
        int(form["RetryCount"]),
        at,
        answered,
    )


@dataclass
class Room:
    """A channel with hooks that ask for its messages."""

    path: str
    hooks: list[str]  # paths at the receiver

    @property
    def sid(self) -> str:
        return self.path.rsplit("/", 1)[1]


def new_rooms(server: Server, receiver: Receiver, count: int, word: str = "", hooks: int = 1) -> list[Room]:
    """Channels of a new service whose hook asks for their messages, as each channel's own hooks do."""
    filters = [SENT, UPDATED]
    name = unique(word or "service")
    with server.client() as client:
        service = client.post("/v2/Services", data={"FriendlyName": name}).raise_for_status().json()
        path = f"/v2/Services/{service['sid']}"
        asked = {"PostWebhookUrl": f"{receiver.url}/{name}", "WebhookFilters": filters}
        client.post(path, data=asked).raise_for_status()
        rooms = []
        for number in range(count):
            channel = client.post(f"{path}/Channels", data={}).raise_for_status().json()
            room = Room(
                f"{path}/Channels/{channel['sid']}", [f"/{name}", *(f"/{name}-{number}-{n}" for n in range(hooks))]
            )
            for hook in room.hooks[1:]:
                configured = {"Configuration.Url": receiver.url + hook, "Configuration.Filters": filters}
                client.post(f"{room.path}/Webhooks", data={"Type": "webhook"} | configured).raise_for_status()
            rooms.append(room)
    return rooms


@dataclass
class Writers:
    """Threads that send messages to a server and change some of them; what is acknowledged is kept."""

    server: Server
    rooms: list[Room]
    count: int = 8
    acknowledged: list[tuple[str, str, str]] = field(default_factory=list)  # event, message, channel
    refused: Counter[int] = field(default_factory=Counter)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator["Writers"]:
        threads = [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(self.count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(timeout=40)

    def wait_for_acknowledged(self, more: int) -> None:
        wanted = len(self.acknowledged) + more
        eventually(lambda: len(self.acknowledged) >= wanted, 20, f"{more} more events; {self.refused}")

    def _write(self, number: int) -> None:
        sent = 0
        while not self._stopped.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            with contextlib.suppress(*BROKEN), contextlib.closing(connection):
                while not self._stopped.is_set():
                    sent += 1
                    room = self.rooms[(number + sent) % len(self.rooms)]
                    message = self._post(connection, SENT, room, f"{room.path}/Messages")
                    if message and sent % UPDATES == 0:
                        self._post(connection, UPDATED, room, f"{room.path}/Messages/{message}")
            self._stopped.wait(0.02)

    def _post(self, connection: http.client.HTTPConnection, event: str, room: Room, path: str) -> str | None:
        """The message's SID when it was acknowledged."""
        connection.request("POST", path, urlencode({"Body": "a word or two"}), HEADERS)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status not in {200, 201}:
            self.refused[response.status] += 1
            self._stopped.wait(0.02)
            return None
        self.acknowledged.append((event, answer["sid"], room.sid))
        return str(answer["sid"])


def asked_for(
    server: Server, rooms: list[Room], acknowledged: Iterable[tuple[str, str, str]]
) -> set[tuple[str, str, str]]:
    """What must arrive: hook, event and message, for all that is stored and all that was acknowledged."""
    hooks = {room.sid: room.hooks for room in rooms}
    wanted = {(hook, event, message) for event, message, channel in acknowledged for hook in hooks[channel]}
    with server.client() as client:
        for room in rooms:
            stored = stored_messages(client, room.path)
            wanted |= {(hook, SENT, message["sid"]) for message in stored for hook in room.hooks}
            wanted |= {
                (hook, UPDATED, message["sid"]) for message in stored if message["was_edited"] for hook in room.hooks
            }
    return wanted


def assert_all_arrive(receiver: Receiver, wanted: set[tuple[str, str, str]], seconds: float = 15) -> None:
    """Each event arrives at each hook that asked, and nothing else does."""

    def missing() -> set[tuple[str, str, str]]:
        return wanted - {(arrival.hook, *arrival.what) for arrival in tuple(receiver.arrivals) if arrival.answered}

    assert wanted
    eventually(lambda: not missing(), seconds, "all arrive")
    assert {(arrival.hook, *arrival.what) for arrival in receiver.arrivals} == wanted


def assert_in_order(receiver: Receiver) -> None:
    """First arrivals go by revision in each lane, and an id stands for one event at one hook."""
    lanes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for arrival in receiver.first():
        lanes[arrival.lane].append(arrival.revision)
    disordered = {lane: revisions for lane, revisions in lanes.items() if revisions != sorted(set(revisions))}
    assert not disordered, disordered
    meant: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for arrival in receiver.arrivals:
        meant[arrival.id].add((arrival.lane, arrival.revision, arrival.what))
    assert {id_: events for id_, events in meant.items() if len(events) > 1} == {}


def repeated(receiver: Receiver) -> int:
    """How many arrivals were of an event that had come before."""
    return len(receiver.arrivals) - len({arrival.id for arrival in receiver.arrivals})
