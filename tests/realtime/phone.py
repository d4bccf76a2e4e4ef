"""An app on a real socket that keeps copies of what it subscribed to, and is strict about what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from tests.harness import Server
from tests.realtime.device import Device, device
from tests.realtime.mirror import Mirror
from tests.realtime.recorder import folder, wanted

PATIENCE = 15
CDS = "cds.us1.twilio.com"
TYPING = "twilio.ipmsg.typing_indicator"


class Phone:
    """One connected app of a user. What it is told goes to its mirrors, of which the first complaint is kept."""

    def __init__(self, opened: Device) -> None:
        self.device = opened
        self.mirrors: dict[str, Mirror] = {}
        self.typing: list[str] = []
        self.complaint: BaseException | None = None
        self._told = asyncio.Event()
        self._reader = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        while True:
            header, payload = await self.device.notices.get()
            told = msgspec.json.decode(payload) if payload else {}
            if header.get("message_type") == TYPING:
                self.typing.append(told["identity"])
            elif "event" in told:
                try:
                    for mirror in self.mirrors.values():
                        mirror.hear([told])
                except Exception as complaint:  # noqa: BLE001 - `settle` raises it
                    self.complaint = self.complaint or complaint
            self._told.set()

    async def get(self, path: str, **params: str) -> Any:
        listed = {name: [value] for name, value in params.items()}
        status, content = await self.device.request(path, host=CDS, params=listed)
        assert status == 200, content
        return content

    async def items(self, name: str) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        page = await self.get(f"/v3/{folder(name)}/{name}/Items", PageSize="100")
        while True:
            found |= {item.get("key", item.get("index")): item for item in page["items"]}
            if not page["meta"]["next_token"]:
                return found
            page = await self.get(f"/v3/{folder(name)}/{name}/Items", PageSize="100", From=str(list(found)[-1]))

    async def read(self, name: str) -> Mirror:
        """As it is now."""
        root = await self.get(f"/v3/{folder(name)}/{quote(name, safe='')}")
        return Mirror(name, root, {} if name.endswith(".channel") else await self.items(name))

    async def subscribe(self, *names: str) -> None:
        self.mirrors |= {name: await self.read(name) for name in names}
        requests = [wanted(self.mirrors[name].sid, self.mirrors[name].last_event_id) for name in names]
        body = {"action": "establish", "correlation_id": 1, "requests": requests}
        status, content = await self.device.request("/v4/Subscriptions", msgspec.json.encode(body), host=CDS)
        assert status == 200, content

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait for what the app is told to make it so. Raises what a mirror has to complain of."""
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                self._told.clear()
                if self.complaint is not None:
                    raise self.complaint
                await self._told.wait()
        if self.complaint is not None:
            raise self.complaint

    async def agree(self) -> None:
        """Wait until each copy is what the server has; of what was removed nothing is left to compare."""
        for name, mirror in self.mirrors.items():
            if not mirror.removed:
                now = await self.read(name)
                await self.until(partial(same, mirror, now))

    def close(self) -> None:
        self._reader.cancel()


def same(one: Mirror, other: Mirror) -> bool:
    return bool(one.state == other.state)


@contextlib.asynccontextmanager
async def phone(server: Server, token: str, *names: str) -> AsyncIterator[Phone]:
    """A connected app that is subscribed to these objects."""
    async with device(server, init=False) as opened:
        header = await opened.init(token)
        assert header["status"]["code"] == 200, header
        app = Phone(opened)
        try:
            await app.subscribe(*names)
            yield app
        finally:
            app.close()
