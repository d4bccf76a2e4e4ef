"""What webhooks cost the creation of messages: one that arrives, and a thousand that hang."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench import databases, receiver, wrk
from bench.table import Row, compare
from bench.world import CHANNELS, MESSAGE, Client, new_service
from tests.harness import Server

ONE_HOOK = 0.50
HANGING_HOOKS = 0.80
LATENCY_MS = 50.0
HANGING = 1000
KEEPING_UP = 0.95
ASKED = {"X-Twilio-Webhook-Enabled": "true"}
ALLOWED = {"HUBBUB_WEBHOOK_ALLOW": "127.0.0.0/8"}


@dataclass
class Delivered:
    """While messages were created with a hook: how many arrived of how many, and after how long."""

    created: float = 0
    arrived: int = 0
    latencies: tuple[float, ...] = ()


def rows(engine: str, seconds: int) -> Iterator[Row]:
    with databases.server(engine, ALLOWED) as server:
        yield from one_hook(server, engine, seconds)
        yield from hanging_hooks(server, engine, seconds)


def one_hook(server: Server, engine: str, seconds: int) -> Iterator[Row]:
    """The same requests to a service without a webhook and to one with."""
    without, with_hook = new_service(server), new_service(server)
    with receiver.running("fast") as fast:
        Client(server).post(with_hook.service, PostWebhookUrl=fast.url, WebhookFilters="onMessageSent")
        series = [list(without.creates()), list(with_hook.creates())]
        delivered = Delivered()
        reference, ours = alternate(server, series, seconds, fast, delivered)
    title = f"create a message with a webhook, {engine}, {CHANNELS} channels"
    yield compare(title, ONE_HOOK, reference, ours)
    yield keeping_up(engine, delivered)


def alternate(
    server: Server, series: list[list[wrk.Request]], seconds: int, fast: receiver.Receiver, delivered: Delivered
) -> tuple[list[wrk.Run], list[wrk.Run]]:
    """Without, with, without, with; what arrives while the second kind runs is counted at its end."""
    runs: tuple[list[wrk.Run], list[wrk.Run]] = ([], [])
    with wrk.stored(series[0]) as without, wrk.stored(series[1]) as with_hook:
        for file in (without, with_hook):
            wrk.run(server.url, file, 1, ASKED)
        for _ in range(wrk.ROUNDS):
            runs[0].append(wrk.run(server.url, without, seconds, ASKED))
            before, _ = fast.stats()
            run = wrk.run(server.url, with_hook, seconds, ASKED)
            after, median = fast.stats()
            runs[1].append(run)
            delivered.created += run.rate * run.seconds
            delivered.arrived += after - before
            delivered.latencies = (*delivered.latencies, median)
    return runs


def keeping_up(engine: str, delivered: Delivered) -> Row:
    """Whether webhooks arrive as fast as messages are created, and how soon."""
    share = delivered.arrived / delivered.created
    median = statistics.median(delivered.latencies)
    return Row(
        f"webhooks arrived meanwhile, {engine}; from the event to the receiver",
        f"≥ {KEEPING_UP:.2f}, median < {LATENCY_MS:g} ms",
        f"{delivered.arrived:,}",
        f"{delivered.created:,.0f} created",
        f"{share:.3f}",
        f"{median:.1f} ms",
        "-",
        met=share >= KEEPING_UP and median < LATENCY_MS,
    )


def hanging_hooks(server: Server, engine: str, seconds: int) -> Iterator[Row]:
    """Messages in a thousand channels, each with a webhook of its own that never answers; and in others meanwhile."""
    without, hanging = many_channels(server), many_channels(server)
    with receiver.running("hanging") as silent, wrk.stored(without) as plain, wrk.stored(hanging) as hooked:
        wrk.run(server.url, plain, 1, ASKED)
        before = [wrk.run(server.url, plain, seconds, ASKED) for _ in range(wrk.ROUNDS)]
        client = Client(server)
        for request in hanging:
            form = {"Type": "webhook", "Configuration.Url": silent.url, "Configuration.Filters": "onMessageSent"}
            client.post(request.path.removesuffix("Messages") + "Webhooks", **form)
        wrk.run(server.url, hooked, 1, ASKED)
        reference, ours = [], []
        for _ in range(wrk.ROUNDS):
            reference.append(wrk.run(server.url, plain, seconds, ASKED))
            ours.append(wrk.run(server.url, hooked, seconds, ASKED))
    yield compare(f"create a message, {engine}, {HANGING:,} webhooks that hang", HANGING_HOOKS, reference, ours)
    title = (
        f"create a message elsewhere, {engine}, while {HANGING:,} webhooks hang; the reference: before they were made"
    )
    yield compare(title, HANGING_HOOKS, before, reference)


def many_channels(server: Server) -> list[wrk.Request]:
    client = Client(server)
    service = client.post("/v2/Services", FriendlyName="bench")["sid"]
    channels = [client.post(f"/v2/Services/{service}/Channels")["sid"] for _ in range(HANGING)]
    return [wrk.Request("POST", f"/v2/Services/{service}/Channels/{sid}/Messages", MESSAGE) for sid in channels]
