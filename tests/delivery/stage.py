"""A chat in this process whose end users act through the actions, as their connections will."""

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec

from hubbub.app import App, build_app, open_chat
from hubbub.chat import Caller, Changes, Chat, Emitted
from hubbub.resources.accounts import sql as accounts
from hubbub.resources.channels import actions as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.media import actions as media
from hubbub.resources.members import actions as members
from hubbub.resources.members.model import Member
from hubbub.resources.messages import actions as messages
from hubbub.resources.messages.model import Message
from hubbub.resources.roles.model import SCOPES
from hubbub.resources.services import actions as services
from hubbub.resources.users import actions as users
from hubbub.resources.users.model import User
from hubbub.serve import first_account
from hubbub.settings import Settings
from tests.api.steps import Json
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, unique


class Stage:
    """A service where everybody may do everything, with alice and bob in a channel that alice has made."""

    def __init__(self, chat: Chat, app: App, client: httpx.AsyncClient, account: int) -> None:
        self.chat = chat
        self.app = app
        self.client = client
        self.account = account
        self.emitted: list[Emitted] = []
        chat.bus.listen(self.emitted.extend)

    async def begin(self) -> None:
        self.service = await self.back_end("POST", "/v2/Services", FriendlyName="stage")
        self.path = f"/v2/Services/{self.service['sid']}"
        roles = {type_: await self.new_role(type_) for type_ in SCOPES}
        self.channel_role, self.service_role = roles["channel"], roles["deployment"]
        defaults = ("DefaultChannelRoleSid", "DefaultChannelCreatorRoleSid")
        form = dict.fromkeys(defaults, self.channel_role) | {"DefaultServiceRoleSid": self.service_role}
        await self.back_end("POST", self.path, **form)
        for identity in ("alice", "bob", "carol"):
            await self.back_end("POST", f"{self.path}/Users", Identity=identity)
        await self.back_end("POST", f"{self.path}/Channels", UniqueName="room", CreatedBy="alice")
        for identity in ("alice", "bob"):
            await self.back_end("POST", f"{self.path}/Channels/room/Members", Identity=identity)
        hello = {"Body": "Hello", "From": "alice", "Attributes": '{"m":1}'}
        self.message = await self.back_end("POST", f"{self.path}/Channels/room/Messages", **hello)
        self.emitted.clear()

    async def new_role(self, type_: str) -> str:
        form = {"FriendlyName": unique("all"), "Type": type_, "Permission": sorted(SCOPES[type_])}
        role = await self.back_end("POST", f"{self.path}/Roles", **form)
        return str(role["sid"])

    async def back_end(self, method: str, path: str, headers: dict[str, str] | None = None, /, **form: Any) -> Json:
        """What a back end's request changes or reads."""
        answer = await self.client.request(method, path, data=form or None, headers=headers)
        assert answer.is_success, answer.text
        body: Json = answer.json() if answer.content else {}
        return body

    async def everything(self) -> list[Json]:
        """All that anybody can read, to see that nothing has changed."""
        parts = ["Channels", "Users", "Channels/room/Members", "Channels/room/Messages"]
        return [await self.back_end("GET", f"{self.path}/{part}") for part in parts]

    def caller(self, identity: str = "alice") -> Caller:
        return Caller(self.account, ACCOUNT_SID, identity=identity, service_sid=self.service["sid"])

    async def channel(self, identity: str = "alice") -> Channel:
        return await channels.access_channel(self.chat, self.caller(identity), self.service["sid"], "room")

    # What end users do.

    async def upload(self) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"bytes"

        service = await services.access_service(self.chat, self.caller(), self.service["sid"])
        uploaded = await media.upload_media(self.chat, self.caller(), service, chunks(), "text/plain", "a.txt")
        return uploaded.sid

    async def send(self, media_sid: str | None = None, identity: str = "alice", **changes: Any) -> Message:
        caller, place = self.caller(identity), (await self.channel(identity)).place
        return await messages.send_message(self.chat, caller, place, changes, media_sid, webhook_enabled=False)

    async def edit(self, sid: str = "", **changes: Any) -> Message:
        caller, place = self.caller(), (await self.channel()).place
        message = await messages.access_message(self.chat, caller, place, sid or self.message["sid"])
        return await messages.update_message(self.chat, caller, place, message, changes, webhook_enabled=False)

    async def remove(self) -> None:
        caller, place = self.caller(), (await self.channel()).place
        message = await messages.access_message(self.chat, caller, place, self.message["sid"])
        await messages.delete_message(self.chat, caller, place, message, webhook_enabled=False)

    async def create_channel(self, **changes: Any) -> Channel:
        service = await services.access_service(self.chat, self.caller(), self.service["sid"])
        return await channels.create_channel(self.chat, self.caller(), service, changes, webhook_enabled=False)

    async def update_channel(self, **changes: Any) -> Channel:
        channel = await self.channel()
        return await channels.update_channel(self.chat, self.caller(), channel, changes, webhook_enabled=False)

    async def delete_channel(self) -> None:
        await channels.delete_channel(self.chat, self.caller(), await self.channel(), webhook_enabled=False)

    async def add(self, identity: str, by: str = "alice", **changes: Any) -> Member:
        channel, caller = await self.channel(by), self.caller(by)
        return await members.add_member(self.chat, caller, channel, identity, changes, webhook_enabled=False)

    async def update_member(self, **changes: Any) -> Member:
        channel, caller = await self.channel(), self.caller()
        member = await members.access_member(self.chat, caller, channel, "alice")
        return await members.update_member(self.chat, caller, channel, member, changes, webhook_enabled=False)

    async def expel(self, identity: str) -> None:
        channel, caller = await self.channel(), self.caller()
        member = await members.access_member(self.chat, caller, channel, identity)
        await members.remove_member(self.chat, caller, channel, member, webhook_enabled=False)

    async def update_user(self, **changes: Changes | Any) -> User:
        caller = self.caller()
        user = await users.access_user(self.chat, caller, self.service["sid"], "alice")
        return await users.update_user(self.chat, caller, user, changes, webhook_enabled=False)


Action = Callable[[Stage], Awaitable[Any]]


@contextlib.asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[Stage]]]:
    """The chat on the database of the settings; what it gives opens stages, each with a service of its own."""
    settings = msgspec.structs.replace(settings, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
    credentials = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    async with contextlib.AsyncExitStack() as stack:
        chat = await stack.enter_async_context(open_chat(settings))
        await first_account(chat)
        [account] = await accounts.list_accounts(chat.database)
        app = build_app(chat)
        transport: Any = httpx.ASGITransport(app)
        headers = {"Authorization": f"Basic {credentials}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://chat.test", headers=headers)
        await stack.enter_async_context(client)

        async def open_stage() -> Stage:
            stage = Stage(chat, app, client, account.key)
            await stage.begin()
            return stage

        yield open_stage
