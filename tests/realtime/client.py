"""A connected app that gives commands, in this process: its access is a token's, its tunnel has every route."""

from typing import Any

import msgspec
from msgspec.structs import replace

from hubbub.realtime.commands.routes import routes as commands
from hubbub.realtime.connection import Connection
from hubbub.realtime.sync import reading, subscriptions
from hubbub.realtime.tunnel import Request, Tunnel
from hubbub.resources.users import sql as users
from hubbub.resources.users.model import User
from tests.realtime.recorder import App, World

ORIGIN = "https://chat.example.com"

Answer = tuple[int, Any]


def tunnel(world: World) -> Tunnel:
    """What a node has: every route, and its own knowledge of what is under way."""
    return Tunnel([*reading.routes(), *subscriptions.routes(world.hub), *commands(world.hub)])


class Client(App):
    """One device of an end user."""

    def __init__(self, world: World, user: User, through: Tunnel, push_credential_sid: str | None = None) -> None:
        super().__init__(world, user)
        access = replace(self.connection.access, push_credential_sid=push_credential_sid)
        self.connection = Connection(world.chat, access, user, through, self.write, self.end, ORIGIN)
        self.through = through

    async def command(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        service: str = "aim",
        mutation: str | None = None,
        **params: str,
    ) -> Answer:
        """The status and the content of the answer. Bytes are sent as they are; `path` is without /Client/v1."""
        raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        headers = {} if mutation is None else {"x-twilio-mutation-id": mutation}
        version = "/v1" if service == "ers" else "/Client/v1"
        listed = {name: [value] for name, value in params.items()}
        request = Request(service, method, path if path.startswith("/Client") else version + path, listed, headers, raw)
        reply = await self.through.answer(self.connection, request)
        return reply.status, msgspec.json.decode(reply.body) if reply.body else None

    async def do(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The content of the answer to a command that succeeds."""
        status, content = await self.command(method, path, body, **options)
        assert status < 300, content
        return content

    async def create(self, **fields: Any) -> str:
        """The SID of a new conversation, which the client has joined."""
        made = await self.do("POST", "/Conversations", {"type": "public", **fields})
        await self.join(made["sid"])
        return str(made["sid"])

    async def join(self, sid: str) -> Any:
        return await self.do("POST", f"/Conversations/{sid}/Participants", {"identity": self.user.identity})

    async def send(self, sid: str, body: str = "hello", **options: Any) -> Any:
        return await self.do("POST", f"/Conversations/{sid}/Messages", {"body": body, "attributes": "{}"}, **options)


async def connect(world: World, identity: str, through: Tunnel | None = None, **access: Any) -> Client:
    await world.user(identity)
    user = await users.user_of_service(world.chat.database, world.service.key, identity)
    assert user is not None
    return Client(world, user, through or tunnel(world), **access)
