"""What it costs the server when an app starts whose user is in a thousand channels, asking as the SDKs ask."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from bench import crowd, databases
from bench.idle import row
from bench.process import cpu_seconds
from bench.table import Row
from bench.world import Client
from bench.wrk import ROUNDS, Request
from tests.realtime.device import Device, device

CHANNELS = 1000
MEMBERS = 10
BATCH = 100  # objects that one request subscribes to
SECONDS = 1.0
PAGE_MS = 20.0
AIM, CDS = "aim.us1.twilio.com", "cds.us1.twilio.com"
HEADERS = {
    "Content-Type": "application/json",
    "Twilio-Sync-Client-Info": '{"sdk":"js","sdkVer":"3.4.0","os":"Linux","osVer":null,"pl":"Node.js"}',
    "Twilio-Request-Id": "RQ59210e714a8e48f5bcfa8ea311b5c436",
}
ITEMS = {"HideExpired": "true", "PageSize": "50", "Order": "asc"}
Asked = list[dict[str, Any]]


def rows() -> Iterator[Row]:
    with databases.server("sqlite") as server:
        people = crowd.gather(server, CHANNELS, [range(CHANNELS)] * MEMBERS)
        client = Client(server)
        for sid in people.channels:
            client.answer(Request("POST", f"{people.path}/{sid}/Messages", "Body=Hello&From=anna"))
        measured = [asyncio.run(measure(people)) for _ in range(ROUNDS)]
    used, pages = ([each[place] for each in measured] for place in (0, 1))
    yield row(f"start of an app in {CHANNELS:,} channels, the server's CPU time", SECONDS, used, "s")
    yield row("page of 100 of MyConversations", PAGE_MS, pages, "ms")


async def measure(people: crowd.Crowd) -> tuple[float, float]:
    """Seconds of the server's CPU for a whole start, and the median of the milliseconds for a page of channels."""
    process = people.server.process
    assert process is not None
    before = cpu_seconds(process.pid)
    async with device(people.server, init=False) as app:
        header = await app.init(people.token(0))
        assert header["status"]["code"] == 200, header
        configuration = await get(app, "/Client/v1/Configuration", host=AIM)
        names = configuration["sync_objects"]
        mine = [
            await get(app, f"/v3/Maps/{names['my_conversations']}"),
            await get(app, f"/v3/Maps/{names['my_user_info']}", {"Include": "items"}),
        ]
        conversations, pages = await list_mine(app)
        assert len(conversations) == CHANNELS
        opened = await asyncio.gather(*[open_channel(app, each["conversation_sid"]) for each in conversations])
        wanted = [subscription("map", each) for each in mine] + [each for channel in opened for each in channel]
        await subscribe(app, wanted)
        return cpu_seconds(process.pid) - before, statistics.median(pages)


async def get(app: Device, path: str, params: dict[str, str] | None = None, host: str = CDS) -> Any:
    headers = {} if host == AIM else HEADERS
    status, content = await app.request(path, host=host, params=params or {}, headers=headers)
    assert status == 200, content
    return content


async def list_mine(app: Device) -> tuple[Asked, list[float]]:
    """All pages, and how many milliseconds each took."""
    found: Asked = []
    milliseconds = []
    params: dict[str, str] = {}
    while True:
        begin = time.perf_counter()
        page = await get(app, "/Client/v1/MyConversations", params, AIM)
        milliseconds.append((time.perf_counter() - begin) * 1000)
        found += page["conversations"]
        if not page["meta"]["next_token"]:
            return found, milliseconds
        params = {"PageToken": page["meta"]["next_token"]}


async def open_channel(app: Device, sid: str) -> Asked:
    """The four requests of a channel; what is to be subscribed to."""
    document, messages, roster = await asyncio.gather(
        get(app, f"/v3/Documents/{sid}.channel"),
        get(app, f"/v3/Lists/{sid}.messages"),
        get(app, f"/v3/Maps/{sid}.roster"),
    )
    members = await get(app, f"/v3/Maps/{roster['sid']}/Items", ITEMS)
    assert len(members["items"]) == MEMBERS
    return [subscription("document", document), subscription("list", messages), subscription("map", roster)]


def subscription(type_: str, root: dict[str, Any]) -> dict[str, Any]:
    return {"object_sid": root["sid"], "object_type": type_, "last_event_id": root["last_event_id"]}


async def subscribe(app: Device, wanted: Asked) -> None:
    for start in range(0, len(wanted), BATCH):
        body = {
            "event_protocol_version": 4,
            "action": "establish",
            "correlation_id": start,
            "retried_requests": 0,
            "ttl_in_s": -1,
            "requests": wanted[start : start + BATCH],
        }
        await app.request("/v4/Subscriptions", msgspec.json.encode(body), host=CDS, headers=HEADERS)
    established: set[str] = set()
    while len(established) < len(wanted):
        header, payload = await app.notice()
        told = msgspec.json.decode(payload)
        assert told["event_type"] == "subscription_established", told
        established.add(told["event"]["object_sid"])
        await app.send({"id": header["id"], "method": "reply", "status": {"code": 200, "status": "OK"}})
