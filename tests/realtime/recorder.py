"""The chat in this process, and apps on it that write down what they are sent: the edge is all that is not real."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from hubbub.app import open_chat
from hubbub.chat import Caller, Chat
from hubbub.realtime.commands.command import Repeats
from hubbub.realtime.connection import Connection
from hubbub.realtime.hub import Hub
from hubbub.realtime.packets import Packet, decode
from hubbub.realtime.session_list import items as session_list
from hubbub.realtime.sync import reading, subscriptions
from hubbub.realtime.tunnel import Request, Tunnel
from hubbub.resources.channels import actions as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.invites import actions as invites
from hubbub.resources.invites import sql as invites_sql
from hubbub.resources.members import actions as members
from hubbub.resources.members import sql as members_sql
from hubbub.resources.members.model import Member
from hubbub.resources.messages import actions as messages
from hubbub.resources.messages.model import Message
from hubbub.resources.services.actions import create_service
from hubbub.resources.tokens.model import Access, Basis
from hubbub.resources.users import actions as users
from hubbub.resources.users import sql as users_sql
from hubbub.resources.users.model import User
from hubbub.serve import first_account
from hubbub.settings import Settings
from hubbub.sids import new_sid
from tests.harness import unique

TICKS = 5  # turns of the event loop in which whatever needs no clock is done


def packets(frame: bytes) -> list[Packet]:
    """The packets in a server's frames."""
    found = []
    while frame:
        size, start = frame[1], 2
        if size == 126:
            size, start = int.from_bytes(frame[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(frame[2:10], "big"), 10
        found.append(decode(frame[start : start + size]))
        frame = frame[start + size :]
    return found


class App:
    """One connected device of a user."""

    def __init__(self, world: "World", user: User) -> None:
        self.world = world
        self.user = user
        self.told: list[dict[str, Any]] = []  # the payloads of notifications, with their message type
        caller = Caller(world.caller.account, world.caller.account_sid, user.identity, world.service.sid)
        basis = Basis(new_sid("SK"), "", world.service.key)
        access = Access(caller, world.service, None, None, basis, 1 << 62)
        self.connection = Connection(world.chat, access, user, world.tunnel, self.write, self.end)

    def write(self, frame: bytes) -> None:
        for packet in packets(frame):
            header = msgspec.json.decode(packet.header)
            assert header["method"] == "notification"
            self.told.append({"message_type": header["message_type"], **msgspec.json.decode(packet.payload)})

    def end(self) -> None:
        """The connection ends, whoever ends it."""
        self.connection.end()

    def take(self) -> list[dict[str, Any]]:
        """What was told since the last look."""
        told, self.told = self.told, []
        return told

    async def ask(
        self, method: str, path: str, body: bytes = b"", params: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        listed = {name: [value] for name, value in (params or {}).items()}
        request = Request("cds", method, path, listed, {}, body)
        reply = await self.world.tunnel.answer(self.connection, request)
        return reply.status, msgspec.json.decode(reply.body) if reply.body else None

    async def get(self, path: str, **params: str) -> Any:
        status, body = await self.ask("GET", path, params=params)
        assert status == 200, body
        return body

    async def root(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/v3/{folder(name)}/{quote(name, safe='')}")
        return found

    async def items(self, name: str) -> dict[Any, Any]:
        """All of them, by key, read in pages as the newer SDKs do."""
        here = f"/v3/{folder(name)}/{name}/Items"
        found: dict[Any, Any] = {}
        page = await self.get(here, PageSize="3")
        while True:
            found |= {item.get("key", item.get("index")): item for item in page["items"]}
            if not page["meta"]["next_token"]:
                return found
            page = await self.get(here, PageSize="3", From=str(list(found)[-1]))

    async def post(self, action: str, *requests: dict[str, Any], correlation_id: Any = 7) -> tuple[int, Any]:
        body = {"action": action, "correlation_id": correlation_id, "requests": list(requests)}
        answer = await self.ask("POST", "/v4/Subscriptions", msgspec.json.encode(body))
        await self.world.settle()
        return answer

    async def subscribe(self, *names: str, since: Any = ...) -> list[dict[str, Any]]:
        """Subscribe to the objects, from now on or since; what was told."""
        requests = []
        for name in names:
            root = await self.root(name)
            event_id = root["last_event_id"] if since is ... else since
            requests.append(wanted(root["sid"], event_id))
        status, _ = await self.post("establish", *requests)
        assert status == 200
        return self.take()


def folder(name: str) -> str:
    if name.startswith("ET") or name.endswith(".channel"):
        return "Documents"
    return "Lists" if name.startswith("ES") or name.endswith(".messages") else "Maps"


def wanted(sid: str, event_id: int | None) -> dict[str, Any]:
    kind = {"ET": "document", "ES": "list", "MP": "map"}[sid[:2]]
    return {"object_sid": sid, "object_type": kind, "last_event_id": event_id}


class World:
    """A service, changed by its back end through the same actions as REST."""

    def __init__(self, chat: Chat, caller: Caller, service: Any) -> None:
        self.chat = chat
        self.caller = caller
        self.service = service
        self.hub = Hub(chat)
        self.tunnel = Tunnel([*reading.routes(), *subscriptions.routes(self.hub), *session_list.routes(Repeats())])

    async def settle(self) -> None:
        """Let everything happen that is about to: what the hub reads, and then the turns that tell it."""
        for _ in range(3):
            for _ in range(TICKS):
                await asyncio.sleep(0)
            topics = [*self.hub._channels.values(), *self.hub._users.values()]
            workers = [topic._worker for topic in topics if topic._worker is not None]
            await asyncio.gather(*workers)
            for topic in topics:
                topic.flush_now()
                topic.write()

    async def user(self, identity: str) -> User:
        found = await users_sql.user_of_service(self.chat.database, self.service.key, identity)
        if found is None:
            await users.create_user(self.chat, self.caller, self.service, identity, {}, webhook_enabled=False)
            found = await users_sql.user_of_service(self.chat.database, self.service.key, identity)
        assert found is not None
        return found

    async def connect(self, identity: str) -> App:
        return App(self, await self.user(identity))

    async def create_channel(self, **changes: Any) -> Channel:
        return await channels.create_channel(self.chat, self.caller, self.service, changes, webhook_enabled=False)

    async def fetch(self, channel: Channel) -> Channel:
        return await channels.access_channel(self.chat, self.caller, self.service.sid, channel.sid)

    async def fetch_named(self, unique_name: str) -> Channel:
        return await channels.access_channel(self.chat, self.caller, self.service.sid, unique_name)

    async def update_channel(self, channel: Channel, **changes: Any) -> Channel:
        return await channels.update_channel(self.chat, self.caller, channel, changes, webhook_enabled=False)

    async def delete_channel(self, channel: Channel) -> None:
        await channels.delete_channel(self.chat, self.caller, channel, webhook_enabled=False)

    async def add(self, channel: Channel, identity: str, **changes: Any) -> Member:
        return await members.add_member(self.chat, self.caller, channel, identity, changes, webhook_enabled=False)

    async def member(self, channel: Channel, identity: str) -> Member:
        found = await members_sql.get_member_by_identity(self.chat.database, channel.key, identity)
        assert found is not None
        return found

    async def update_member(self, channel: Channel, identity: str, **changes: Any) -> Member:
        member = await self.member(channel, identity)
        return await members.update_member(self.chat, self.caller, channel, member, changes, webhook_enabled=False)

    async def mute(self, channel: Channel, identity: str, level: str = "muted") -> None:
        changes = {"notification_level": level}
        await members.update_user_channel(self.chat, self.caller, await self.user(identity), channel, changes)

    async def remove(self, channel: Channel, identity: str) -> None:
        member = await self.member(channel, identity)
        await members.remove_member(self.chat, self.caller, channel, member, webhook_enabled=False)

    async def invite(self, channel: Channel, identity: str) -> None:
        await self.user(identity)
        await invites.create_invite(self.chat, self.caller, channel, identity, None)

    async def uninvite(self, channel: Channel, identity: str) -> None:
        invite = await invites_sql.get_invite_by_identity(self.chat.database, channel.key, identity)
        assert invite is not None
        await invites.delete_invite(self.chat, self.caller, channel, invite)

    async def send(self, channel: Channel, body: str = "hello", **changes: Any) -> Message:
        changes = {"body": body, **changes}
        return await messages.send_message(self.chat, self.caller, channel.place, changes, None, webhook_enabled=False)

    async def edit(self, channel: Channel, message: Message, **changes: Any) -> Message:
        place = channel.place
        return await messages.update_message(self.chat, self.caller, place, message, changes, webhook_enabled=False)

    async def delete(self, channel: Channel, message: Message) -> None:
        await messages.delete_message(self.chat, self.caller, channel.place, message, webhook_enabled=False)

    async def update_user(self, identity: str, **changes: Any) -> None:
        user = await self.user(identity)
        await users.update_user(self.chat, self.caller, user, changes, webhook_enabled=False)

    async def reach(self, identity: str, **reached: int) -> None:
        user = await self.user(identity)
        async with self.chat.transaction() as tx:
            await users.reach_user(tx, user.key, reached)

    async def delete_user(self, identity: str) -> None:
        await users.delete_user(self.chat, self.caller, await self.user(identity))


@contextlib.asynccontextmanager
async def world(settings: Settings) -> AsyncIterator[World]:
    async with open_chat(settings) as chat:
        await first_account(chat)
        account = await chat.database.fetch_one("SELECT key, sid FROM accounts")
        assert account is not None
        caller = Caller(account[0], account[1])
        yield World(chat, caller, await create_service(chat, caller, unique("service")))
