"""What connected apps cost: messages fanned out to them, the memory that they take, and all of them coming back."""

import sys
from collections.abc import Iterator

from bench import crowd, databases, fans, pushing, startup, wrk
from bench.idle import row
from bench.process import resident_megabytes
from bench.table import Row, compare
from bench.world import CHANNELS, MESSAGE, Client, new_service
from tests.harness import Server

METHOD = """\
The apps are real WebSockets of a loader in C on one thread, which speaks the SDKs' protocol, acknowledges each
notification, and checks that every app gets every message once and in order. It shares two cores with the server, and
with wrk where that sends the messages. Each figure is the median of three runs (lowest to highest in brackets)."""

FAN_OUT, SUBSCRIBERS, PACE = 0.80, 1000, 0.1
UNDER_WAY = 4
KILOBYTES, EACH_IN, ROOM = 20.0, 10, 100  # of memory for each app, in 10 channels of 100 members each
FEW, MANY, BACK = 1000, 10_000, 5000
BACK_SECONDS = 30.0
IN_EACH, WITH_SUBSCRIBERS = 10, 0.30


def rows(seconds: int) -> Iterator[Row]:
    """None where there is no C compiler."""
    if fans.compiler() is None:
        print("realtime: left out, there is no C compiler (cc, gcc or clang) on the PATH", file=sys.stderr)
        return
    yield fan_out(seconds)
    yield with_subscribers(seconds)
    yield from many_apps()
    yield from startup.rows()


def fan_out(seconds: int) -> Row:
    """One message after the other to a thousand, and the same bytes by uvicorn's own WebSockets, in turn."""
    print(f"fan-out to {SUBSCRIBERS:,} …", file=sys.stderr)
    with databases.server("sqlite") as server:
        people = crowd.gather(server, 1, [[0]] * SUBSCRIBERS)
        path = f"{people.path}/{people.channels[0]}/Messages"
        with fans.running(server.port, people.apps()) as ours:
            ours.connect(0, SUBSCRIBERS - 1)
            ours.post(path, 50, UNDER_WAY)
            heard = calibrated(ours, path)
            with pushing.running(*heard) as port, fans.running(port, [fans.MUTE] * SUBSCRIBERS) as bare:
                bare.connect(0, SUBSCRIBERS - 1)
                series: tuple[list[wrk.Run], list[wrk.Run]] = ([], [])
                for _ in range(wrk.ROUNDS):
                    series[0].append(fanned(bare, "/", seconds))
                    series[1].append(fanned(ours, path, seconds))
            ours.check(people.counts)
    title = f"deliver messages of 1 KB to {SUBSCRIBERS:,} apps; until the last has it, at {1 / PACE:.0f} messages/s"
    return compare(title, FAN_OUT, *series)


def calibrated(ours: fans.Fans, path: str) -> tuple[int, int, float]:
    """The sizes of a message's frame and of a document's, and how many of the latter come with one of the former."""
    before = ours.stats()
    ours.post(path, 100, UNDER_WAY)
    after = ours.stats()
    messages, size = after.messages - before.messages, after.message_size - before.message_size
    others, rest = after.frames - before.frames - messages, after.size - before.size - size
    return round(size / messages), round(rest / others), others / messages


def fanned(loader: fans.Fans, path: str, seconds: int) -> wrk.Run:
    """Deliveries each second as fast as they go, and then how long one takes at a pace that leaves time."""
    full = loader.post(path, 75 * seconds, UNDER_WAY)
    paced = loader.post(path, int(seconds * 2 / PACE), UNDER_WAY, PACE)
    deliveries = len(full.latencies) * SUBSCRIBERS
    return wrk.Run(deliveries / full.seconds, paced.p50, paced.p99, 0, full.seconds)


def with_subscribers(seconds: int) -> Row:
    """Messages to a hundred channels that ten apps listen to each, and to a hundred that nobody listens to."""
    print(f"create with {IN_EACH} subscribers …", file=sys.stderr)
    with databases.server("sqlite") as server:
        people = crowd.gather(server, CHANNELS, [[number % CHANNELS] for number in range(CHANNELS * IN_EACH)])
        heard = [wrk.Request("POST", f"{people.path}/{sid}/Messages", MESSAGE) for sid in people.channels]
        unheard = new_service(server).creates()
        with fans.running(server.port, people.apps()) as apps, wrk.stored(unheard) as one, wrk.stored(heard) as other:
            apps.connect(0, CHANNELS * IN_EACH - 1)
            reference, ours = wrk.alternate((server.url, server.url), (one, other), seconds)
            stats = apps.check(people.counts)
            if stats.messages != IN_EACH * sum(people.counts().values()):
                raise RuntimeError(f"{stats.messages} deliveries are not all")
    title = f"create a message, SQLite, {CHANNELS} channels with {IN_EACH} apps each; the reference: with none"
    return compare(title, WITH_SUBSCRIBERS, reference, ours)


def many_apps() -> Iterator[Row]:
    """Ten thousand on one process; then half of them return at once to one that has been killed."""
    channels = MANY // ROOM * EACH_IN
    memberships = [[number // ROOM * EACH_IN + place for place in range(EACH_IN)] for number in range(MANY)]
    with databases.server("sqlite") as server:
        people = crowd.gather(server, channels, memberships)
        with fans.running(server.port, people.apps()) as apps:
            print(f"{MANY:,} apps …", file=sys.stderr)
            measured = [memory(server, apps) for _ in range(wrk.ROUNDS)]
            print(f"{BACK:,} come back …", file=sys.stderr)
            apps.connect(0, BACK - 1)
            back = [come_back(people, apps) for _ in range(wrk.ROUNDS)]
    for count, series in zip((FEW, MANY), zip(*measured, strict=True), strict=True):
        yield row(f"memory for an idle app in {EACH_IN} channels, of {count:,}", KILOBYTES, list(series), "KB")
    yield row(f"{BACK:,} apps are back and caught up after a crash", BACK_SECONDS, back, "s")


def memory(server: Server, apps: fans.Fans) -> tuple[float, float]:
    """Kilobytes for each app, of a few and of many."""
    server.stop()
    server.start()
    assert server.process is not None
    Client(server).get("/v2/Services")
    empty = resident_megabytes(server.process.pid)
    apps.connect(0, FEW - 1)
    few = resident_megabytes(server.process.pid)
    apps.connect(FEW, MANY - 1)
    many = resident_megabytes(server.process.pid)
    apps.cut(0, MANY - 1)
    return (few - empty) * 1000 / FEW, (many - empty) * 1000 / MANY


def come_back(people: crowd.Crowd, apps: fans.Fans) -> float:
    """Seconds until all who lost their server are connected, subscribed and told the message that they missed."""
    apps.cut(0, BACK - 1)
    people.server.kill()
    people.server.start()
    client = Client(people.server)
    channels = people.channels[: BACK // ROOM * EACH_IN]
    for sid in channels:
        client.answer(wrk.Request("POST", f"{people.path}/{sid}/Messages", MESSAGE))
    seconds = apps.connect(0, BACK - 1, BACK)
    apps.check(lambda: {sid: count for sid, count in people.counts().items() if count})
    return seconds
