"""Commands over the socket of a real server, on both engines: two apps, a back end, and a server that is killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from tests.harness import Server
from tests.realtime.device import PATIENCE, Device, device
from tests.tokens import Signer, new_signer

AIM = "/Client/v1"


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return new_signer(server)


class Phone:
    """An app of one user on the real server."""

    def __init__(self, link: Device, identity: str) -> None:
        self.link = link
        self.identity = identity

    async def do(self, method: str, path: str, body: Any = None, *, mutation: str | None = None) -> Any:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if mutation is not None:
            headers["X-Twilio-Mutation-Id"] = mutation
        raw = b"" if body is None else msgspec.json.encode(body)
        status, content = await self.link.request(AIM + path, raw, method=method, headers=headers)
        assert status < 300, content
        return content

    async def subscribe(self, *names: str) -> None:
        """Hear of the objects from now on."""
        wanted = []
        for name in names:
            folder = {"channel": "Documents", "messages": "Lists"}.get(name.split(".")[1], "Maps")
            _, root = await self.link.request(f"/v3/{folder}/{name}", host="cds.us1.twilio.com")
            kind = {"Documents": "document", "Lists": "list", "Maps": "map"}[folder]
            wanted.append({"object_sid": root["sid"], "object_type": kind, "last_event_id": root["last_event_id"]})
        body = msgspec.json.encode({"action": "establish", "correlation_id": 1, "requests": wanted})
        status, _ = await self.link.request("/v4/Subscriptions", body, host="cds.us1.twilio.com")
        assert status == 200
        for _ in names:
            await self.hears("twilio.sync.event")

    async def hears(self, message_type: str, fits: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
        """The next notification of the type that fits."""
        async with asyncio.timeout(PATIENCE):
            while True:
                header, payload = await self.link.notice()
                if header.get("message_type") == message_type:
                    told: dict[str, Any] = msgspec.json.decode(payload)
                    if fits(told):
                        return told


@contextlib.asynccontextmanager
async def phone(server: Server, signer: Signer, service_sid: str, identity: str) -> AsyncIterator[Phone]:
    async with device(server, init=False) as link:
        header = await link.init(signer.token(identity, service_sid))
        assert header["status"]["code"] == 200, header
        yield Phone(link, identity)


async def test_two_apps_talk(server: Server, signer: Signer, client: Any, service: dict[str, Any]) -> None:
    """Create, join, add, send, type, read, leave: what one commands, the other hears."""
    sid = service["sid"]
    client.post(f"/v2/Services/{sid}", data={"ReachabilityEnabled": "true"})
    async with phone(server, signer, sid, "alice") as alice, phone(server, signer, sid, "bob") as bob:
        found = await alice.do("GET", "/Configuration")
        assert found["links"]["media_service"] == f"{server.url}/v1/Services/{sid}/Media"
        assert found["options"]["reachability_enabled"] is True
        await bob.subscribe((await bob.do("GET", "/Configuration"))["sync_objects"]["my_conversations"])

        made = await alice.do("POST", "/Conversations", {"type": "public", "friendly_name": "General"})
        path = f"/Conversations/{made['sid']}"
        await alice.do("POST", f"{path}/Participants", {"identity": "alice"})
        await alice.do("POST", f"{path}/Participants", {"identity": "bob"})
        added = await bob.hears("com.twilio.rtd.cds.map")
        assert (added["event_type"], added["event"]["item_key"]) == ("map_item_added", made["sid"])

        await bob.subscribe(made["sync_objects"]["messages"], made["sync_objects"]["participants"])
        sent = await alice.do("POST", f"{path}/Messages", {"body": "hello", "attributes": "{}"})
        heard = await bob.hears("com.twilio.rtd.cds.list")
        assert (sent["index"], heard["event"]["item_data"]["text"]) == (0, "hello")

        typed = alice.link.request(f"{AIM}/typing", f"ChannelSid={made['sid']}".encode())
        assert await typed == (200, {"typing_timeout": 5})
        assert (await bob.hears("twilio.ipmsg.typing_indicator"))["typing_timeout"] == 6

        read = await bob.do("POST", f"/MyConversations/{made['sid']}", {"last_consumed_message_index": 0})
        assert read["unread_messages_count"] == 0
        assert (await bob.do("GET", "/Users/alice"))["is_online"] is True
        await bob.do("DELETE", f"{path}/Participants/bob", {})
        removed = await bob.hears("com.twilio.rtd.cds.map", lambda told: told["event_type"] == "map_item_removed")
        assert removed["event"]["item_key"] == made["sid"]


async def test_repeat_after_the_server_was_killed_makes_one_message(new_server: Server) -> None:
    """What was answered is on disk with its name; the app that heard no answer asks again."""
    new_server.start()
    signer = new_signer(new_server)
    with new_server.client() as back_end:
        sid = back_end.post("/v2/Services", data={"FriendlyName": "s"}).json()["sid"]
        async with phone(new_server, signer, sid, "alice") as alice:
            made = await alice.do("POST", "/Conversations", {"unique_name": "room"}, mutation="made")
            path = f"/Conversations/{made['sid']}"
            await alice.do("POST", f"{path}/Participants", {"identity": "alice"}, mutation="joined")
            first = await alice.do("POST", f"{path}/Messages", {"body": "once"}, mutation="sent")
            under_way = [alice.do("POST", f"{path}/Messages", {"body": str(n)}, mutation=f"m{n}") for n in range(20)]
            unheard = asyncio.gather(*under_way, return_exceptions=True)
            await asyncio.sleep(0)
            new_server.kill()
            unheard.cancel()
        new_server.start()

        async with phone(new_server, signer, sid, "alice") as alice:
            assert (await alice.do("POST", "/Conversations", {"unique_name": "room"}, mutation="made"))["sid"] == made[
                "sid"
            ]
            await alice.do("POST", f"{path}/Participants", {"identity": "alice"}, mutation="joined")
            assert await alice.do("POST", f"{path}/Messages", {"body": "once"}, mutation="sent") == first
            for _ in range(2):
                for n in range(20):
                    await alice.do("POST", f"{path}/Messages", {"body": str(n)}, mutation=f"m{n}")

        found = back_end.get(f"/v2/Services/{sid}/Channels/room/Messages?PageSize=100").json()["messages"]
        assert sorted(message["body"] for message in found) == sorted(["once", *map(str, range(20))])


async def test_reachability_ends_with_the_connection(
    server: Server, signer: Signer, client: Any, service: dict[str, Any]
) -> None:
    sid = service["sid"]
    client.post(f"/v2/Services/{sid}", data={"ReachabilityEnabled": "true"})
    async with phone(server, signer, sid, "bob") as bob:
        async with phone(server, signer, sid, "alice") as alice:
            info = (await alice.do("GET", "/Configuration"))["sync_objects"]["my_user_info"]
            async with asyncio.timeout(PATIENCE):
                while not (await bob.do("GET", "/Users/alice"))["is_online"]:  # noqa: ASYNC110 - REST has no event
                    await asyncio.sleep(0.02)
            await bob.subscribe(info)

        told = await bob.hears("com.twilio.rtd.cds.map", lambda told: told["event"]["item_key"] == "reachability")

    assert told["event"]["item_data"]["online"] is False
    assert client.get(f"/v2/Services/{sid}/Users/alice").json()["is_online"] is False
