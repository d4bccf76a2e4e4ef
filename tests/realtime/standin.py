"""A server with tokens and routes that the tests of the socket need: `python -m tests.realtime.standin`.

A token is `IDENTITY|EXPIRES`, the time in ms; `bad` is refused, `broken` breaks the check, `slow` never ends it.
"""

import asyncio
import os
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import msgspec

from hubbub import app
from hubbub import serve as serving
from hubbub.chat import Caller, Chat
from hubbub.errors import ERRORS
from hubbub.realtime import connection as connections
from hubbub.realtime import gateway
from hubbub.realtime.connection import Connection, notification_frame
from hubbub.realtime.tunnel import Reply, Request
from hubbub.settings import load
from hubbub.storage.database import Contention

gates: dict[str, asyncio.Event] = {}
everyone: set[Connection] = set()
revoked: set[str] = set()


async def authenticate_token(chat: Chat, token: str) -> Any:
    if token == "broken":
        raise RuntimeError("the check is broken")
    if token == "slow":
        await asyncio.Event().wait()
    identity, _, expires = token.partition("|")
    if not expires.isdigit():
        raise ERRORS.INVALID_TOKEN()
    return SimpleNamespace(
        caller=Caller(1, "AC", identity), service=SimpleNamespace(key=1), expires=int(expires), basis=identity
    )


async def find_revoked(chat: Chat, bases: Iterable[Any]) -> set[Any]:
    return revoked & set(bases)


async def connect_user(chat: Chat, access: Any) -> Any:
    return SimpleNamespace(key=1, sid="US", service=1, reachability_enabled=0, identity=access.caller.identity)


async def echo(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    content = {
        "identity": connection.access.caller.identity,
        "method": request.method,
        "path": path,
        "params": request.params,
        "headers": request.headers,
        "body": request.body.decode(),
    }
    return Reply(200, msgspec.json.encode(content))


async def wait(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    """Answer when somebody opens the gate."""
    await gates.setdefault(path["name"], asyncio.Event()).wait()
    return Reply(200, b'"open"')


async def open_gate(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    gates.setdefault(path["name"], asyncio.Event()).set()
    return Reply(204)


async def fail(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    raise {"refused": ERRORS.CANCELLED(), "contended": Contention(), "broken": ValueError("broken")}[path["how"]]


async def fill(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    """A reply of so many bytes."""
    return Reply(200, b'"' + b"x" * int(path["size"]) + b'"')


async def notify(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    """Send everybody so many notifications of so many bytes, giving way after each."""
    wanted = msgspec.json.decode(request.body)
    payload = b'"' + b"x" * wanted["size"] + b'"'
    for _ in range(wanted["count"]):
        frame = notification_frame("test", payload)
        for each in tuple(everyone):
            each.write_frame(frame)
        await asyncio.sleep(0)
    return Reply(200, b"{}")


async def who(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    """Who is connected."""
    return Reply(200, msgspec.json.encode(sorted(each.user.identity for each in everyone)))


async def drop(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    for each in tuple(everyone):
        if each.user.identity == path["identity"]:
            each.drop()
    return Reply(204)


async def revoke(connection: Connection, request: Request, path: dict[str, str]) -> Reply:
    revoked.add(path["identity"])
    return Reply(204)


def opened(connection: Connection) -> None:
    everyone.add(connection)
    connection.closed.append(lambda: everyone.discard(connection))


def build_app(chat: Chat) -> app.App:
    built = app.build_app(chat)
    built.gateway.opened.append(opened)
    return built


def main() -> None:
    real = app.commands.routes  # type: ignore[attr-defined] # what `build_app` calls
    routes = [
        ("aim", "GET", "/echo/{Word}", echo),
        ("aim", "POST", "/echo/{Word}", echo),
        ("aim", "GET", "/wait/{Name}", wait),
        ("aim", "POST", "/wait/{Name}", open_gate),
        ("aim", "GET", "/fail/{How}", fail),
        ("aim", "GET", "/fill/{Size}", fill),
        ("aim", "POST", "/notify", notify),
        ("aim", "GET", "/who", who),
        ("aim", "POST", "/drop/{Identity}", drop),
        ("aim", "POST", "/revoke/{Identity}", revoke),
    ]
    app.commands.routes = lambda hub: [*real(hub), *routes]  # type: ignore[attr-defined] # beside the real ones
    gateway.authenticate_token = authenticate_token  # type: ignore[attr-defined] # a stand-in
    gateway.connect_user = connect_user  # type: ignore[attr-defined] # likewise
    gateway.find_revoked = find_revoked  # type: ignore[attr-defined] # likewise
    serving.build_app = build_app  # type: ignore[attr-defined] # what `serve` calls
    connections.ANSWER_SECONDS = float(os.environ.get("ANSWER_SECONDS", "25"))
    asyncio.run(serving.serve(load({})))


if __name__ == "__main__":
    main()
