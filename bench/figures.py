"""The figures: what is sent to which engine, and the least share of the bare server that it must reach."""

from collections.abc import Callable
from dataclasses import dataclass

from bench import bare, wrk
from bench.table import Row, compare, middle
from bench.world import Client, World

CREATE_P99 = 25.0


@dataclass(frozen=True)
class Figure:
    """A row of the table to be; `ratio` is to the bare server, `p99` in milliseconds."""

    name: str
    title: str
    engine: str
    requests: Callable[[World], list[wrk.Request]]
    ratio: float
    p99: float | None = None


FIGURES = (
    Figure("create", "create a message, SQLite, 100 channels", "sqlite", lambda w: w.creates(), 0.35, CREATE_P99),
    Figure(
        "create-one",
        "create a message, SQLite, 1 channel",
        "sqlite",
        lambda w: w.creates(1),
        0.35,
        CREATE_P99,
    ),
    Figure("fetch", "fetch a message", "sqlite", lambda w: w.fetches(), 0.45),
    Figure("messages", "list 50 messages", "sqlite", lambda w: w.lists("Messages"), 0.15),
    Figure("members", "list 50 members", "sqlite", lambda w: w.lists("Members"), 0.15),
    Figure("channels", "list 50 channels", "sqlite", lambda w: w.lists("Channels"), 0.15),
    Figure("users", "list 50 users", "sqlite", lambda w: w.lists("Users"), 0.15),
    Figure("postgres", "create a message, PostgreSQL, 100 channels", "postgres", lambda w: w.creates(), 0.30),
    Figure("postgres-one", "create a message, PostgreSQL, 1 channel", "postgres", lambda w: w.creates(1), 0.30),
)


def measure(figure: Figure, world: World, seconds: int) -> Row:
    """Bare, ours, bare, ours, …: the medians of the rounds and their ratio."""
    requests = figure.requests(world)
    answer, body = Client(world.server).answer(requests[0])
    like_ours = bare.Answer(answer.status, answer.getheaders(), len(body))
    with bare.running(like_ours) as bare_url, wrk.stored(requests) as file:
        reference, ours = wrk.alternate((bare_url, world.server.url), (file, file), seconds)
    check_sizes(figure, reference, ours)
    return compare(figure.title, figure.ratio, reference, ours, figure.p99)


def check_sizes(figure: Figure, reference: list[wrk.Run], ours: list[wrk.Run]) -> None:
    """A server that answers with less than it should is not fast."""
    expected, got = middle(reference, "bytes_per_answer"), middle(ours, "bytes_per_answer")
    if not 0.95 < got / expected < 1.05:
        raise RuntimeError(f"{figure.title}: answers of {got:.0f} bytes, the reference's had {expected:.0f}")
