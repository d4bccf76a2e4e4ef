"""What pushes cost the creation of messages in a channel of a thousand members, and how fast and soon they arrive."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import uvloop

from bench import databases, devices, push_service, wrk
from bench.devices import Audience
from bench.push_service import PushService
from bench.table import Row, compare
from bench.world import MESSAGE, Client
from hubbub.delivery.push import payload
from hubbub.delivery.push.apns import headers_of
from hubbub.delivery.push.http2 import Peer
from hubbub.delivery.push.line import ROOM
from hubbub.delivery.push.services import new_trust
from tests.harness import Server
from tests.push import keys, stage

METHOD = """\
The push service is a process of its own, which takes every push and shares two cores with the server, its database and
the load: wrk's, with one thread and 64 keep-alive connections, where messages are created at full speed. Each figure is
the median of three runs (lowest to highest in brackets), the reference measured in between."""

MEMBERS = 1000
TYPES = ("apn", "fcm")
PUSHES = MEMBERS * len(TYPES)  # of one message
CREATES = 0.50
PER_SECOND = 2000.0
MESSAGES = 5  # at once, to be drained
LATENCY_MS = 100.0
LATENCIES = 200
TOKEN = "t" * 200
SECONDS = 30.0


@dataclass(frozen=True)
class Scene:
    """A server, and a push service that it pushes to."""

    server: Server
    service: PushService
    silent: Audience  # pushes nothing
    loud: Audience  # the same, and pushes
    single: Audience  # one member with one device

    def create(self, audience: Audience, count: int = 1) -> None:
        """Messages, one after another."""
        client = Client(self.server)
        for request in messages(audience) * count:
            client.answer(request)
        client.connection.close()

    def push(self, count: int) -> float:
        """So many messages to the loud channel; the seconds from the first request until the last push has arrived."""
        before, _ = self.service.arrived()
        begin = time.time()
        self.create(self.loud, count)
        return self.service.wait(before + count * PUSHES) - begin


def rows(engine: str, seconds: int) -> Iterator[Row]:
    with (
        databases.directory() as place,
        push_service.running(place) as service,
        databases.server(engine, service.settings) as server,
    ):
        silent = devices.audience(server, MEMBERS, TYPES, pushes=False)
        loud = devices.audience(server, MEMBERS, TYPES, pushes=True)
        single = devices.audience(server, 1, TYPES[:1], pushes=True)
        devices.credentials(server)
        server.stop()
        devices.fill(server.database, [silent, loud, single])
        server.start()
        scene = Scene(server, service, silent, loud, single)
        yield creates(scene, engine, seconds)
        yield drained(scene, engine)
        yield latency(scene, engine)


def creates(scene: Scene, engine: str, seconds: int) -> Row:
    """What one run leaves behind is taken away before the next: it would slow the reference as well."""
    reference, ours = [], []
    server = scene.server
    with wrk.stored(messages(scene.silent)) as silent, wrk.stored(messages(scene.loud)) as loud:
        for _ in range(wrk.ROUNDS):
            scene.push(1)
            wrk.run(server.url, silent, 1)
            reference.append(wrk.run(server.url, silent, seconds))
            ours.append(wrk.run(server.url, loud, seconds))
            server.stop()
            devices.clear(server.database)
            server.start()
    title = f"create a message, {engine}, for {MEMBERS:,} members with two devices each; the reference: none is pushed"
    return compare(title, CREATES, reference, ours)


def messages(audience: Audience) -> list[wrk.Request]:
    return [wrk.Request("POST", f"{audience.path}/Messages", MESSAGE)]


def drained(scene: Scene, engine: str) -> Row:
    """From the first request until the last push has arrived."""
    reference, ours = [], []
    pushes = MESSAGES * PUSHES
    scene.push(1)
    for _ in range(wrk.ROUNDS):
        reference.append(pushes / uvloop.run(push_bare(scene.service, pushes)))
        ours.append(pushes / scene.push(MESSAGES))
    rate, bare = statistics.median(ours), statistics.median(reference)
    return Row(
        f"push {MESSAGES} messages to {PUSHES:,} devices, {engine}; the reference: the HTTP/2 client alone",
        f"≥ {PER_SECOND:,.0f}/s",
        f"{rate:,.0f}/s ({min(ours):,.0f} to {max(ours):,.0f})",
        f"{bare:,.0f}/s",
        f"{rate / bare:.3f}",
        "-",
        "-",
        met=rate >= PER_SECOND,
    )


async def push_bare(service: PushService, count: int) -> float:
    """The seconds that the server's HTTP/2 client takes for so many pushes, half to Apple and half to Google."""
    tls = new_trust(str(service.authority))
    parcel = stage.parcel()
    apple = [*headers_of(parcel), ("apns-topic", keys.TOPIC), ("authorization", f"bearer {TOKEN}")]
    google = [("authorization", f"Bearer {TOKEN}"), ("content-type", "application/json")]
    sent = [
        (Peer(service.apns, tls), f"/3/device/{parcel.address}", apple, payload.apns(parcel)),
        (Peer(service.fcm, tls), "/v1/projects/demo/messages:send", google, payload.fcm(parcel)),
    ]

    async def push(number: int) -> None:
        peer, path, headers, body = sent[number % len(sent)]
        for _ in range(number, count, ROOM * len(sent)):
            await peer.ask("POST", path, headers, body, SECONDS)

    begin = time.monotonic()
    await asyncio.gather(*map(push, range(ROOM * len(sent))))
    seconds = time.monotonic() - begin
    for peer, *_ in sent:
        await peer.close()
    return seconds


def latency(scene: Scene, engine: str) -> Row:
    """Each message is created when the one before has arrived."""
    taken = []
    client = Client(scene.server)
    [request] = messages(scene.single)
    for _ in range(LATENCIES):
        before, _ = scene.service.arrived()
        begin = time.time()
        client.answer(request)
        taken.append((scene.service.wait(before + 1) - begin) * 1000)
    client.connection.close()
    median, slow = statistics.median(taken), statistics.quantiles(taken, n=100)[-1]
    return Row(
        f"from the request to the push service, {engine}, one message to one device",
        f"median < {LATENCY_MS:g} ms",
        f"{median:.1f} ms ({min(taken):.1f} to {max(taken):.1f})",
        "-",
        "-",
        f"{median:.1f} ms",
        f"{slow:.1f} ms",
        met=median < LATENCY_MS,
    )
