"""What a large store costs: the same requests to ten million messages and to a hundred thousand, in turn."""

import contextlib
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench import databases, load, wrk
from bench.table import Row, compare
from bench.world import CHANNELS, LISTED_CHANNELS, PAGE, Client, World, new_service
from tests.harness import Server

SMALL = 100_000
LEAST = 0.80
LARGEST_PAGE = 1000


def rows(engine: str, messages: int, seconds: int) -> Iterator[Row]:
    with databases.server(engine) as small, databases.server(engine) as large:
        worlds = [filled(small, SMALL), filled(large, messages)]
        urls = [world.server.url for world in worlds]
        deep = [pages(world) for world in worlds]
        asked = {f"list 50 messages, {place} page": [each[place] for each in deep] for place in deep[0]}
        asked["create a message"] = [world.creates() for world in worlds]
        for title, requests in asked.items():
            print(f"{title} of {messages:,} …", file=sys.stderr)
            with contextlib.ExitStack() as files:
                stored = [files.enter_context(wrk.stored(each)) for each in requests]
                few, many = wrk.alternate(urls, stored, seconds)
            yield compare(f"{title}, {messages:,} in {engine}", LEAST, few, many)


def filled(server: Server, messages: int) -> World:
    """A service whose hundred channels hold this many messages together."""
    world = new_service(server)
    client = Client(server)
    for request in world.creates():
        client.answer(request)
    server.stop()
    load.fill(server.database, messages // CHANNELS)
    server.start()
    return world


def pages(world: World) -> dict[str, list[wrk.Request]]:
    """The first, the middle and the last page of some channels, found as clients find them: by the links."""
    found: dict[str, list[wrk.Request]] = {"first": [], "middle": [], "last": []}
    client = Client(world.server)
    for channel in world.channels[:LISTED_CHANNELS]:
        count = client.get(channel)["messages_count"]
        step = min(LARGEST_PAGE, count // 10)
        path = f"{channel}/Messages?PageSize={step}"
        for begin in range(0, count - step, step):
            if begin == 0:
                found["first"].append(smaller(path, step))
            if begin <= count // 2 < begin + step:
                found["middle"].append(smaller(path, step))
            path = following(client, path)
        path = smaller(path, step).path
        for _ in range(PAGE, step, PAGE):
            path = following(client, path)
        found["last"].append(wrk.Request("GET", path))
    return found


def smaller(path: str, step: int) -> wrk.Request:
    """The page that begins at the same place and has 50 messages."""
    return wrk.Request("GET", path.replace(f"PageSize={step}", f"PageSize={PAGE}"))


def following(client: Client, path: str) -> str:
    link = urlsplit(client.get(path)["meta"]["next_page_url"])
    return f"{link.path}?{link.query}"
