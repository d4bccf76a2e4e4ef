"""Making a session list, and giving commands by it.

The answer goes to the connection that gave the command, before the request's own reply: whoever has the reply has the
answer, so a client that lost its connection in between has neither, sends the command again, and it still happens once.
"""

from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from hubbub.errors import ChatError
from hubbub.realtime.commands.command import Command, Repeats, answer
from hubbub.realtime.session_list.actions import Asked, act
from hubbub.realtime.sync.access import Opened, check_no_write
from hubbub.realtime.sync.changes import UPDATED, Change, live, live_type
from hubbub.realtime.sync.objects import SESSION, Object
from hubbub.realtime.sync.reading import Item, root, wire
from hubbub.realtime.tunnel import Reply, Request, Route

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

PURPOSE = "com.twilio.rtd.ipmsg"
INDEX_BYTES = 6  # an index is a number of JavaScript: less than 53 bits


class NewList(msgspec.Struct):
    purpose: str | None = None


class Given(msgspec.Struct, rename="camel"):
    request: Asked
    command_id: str


class NewItem(msgspec.Struct):
    data: Given


class Kept(msgspec.Struct):
    """The same as it was written."""

    data: dict[str, msgspec.Raw]


keep = msgspec.json.Decoder(Kept).decode


def session_of(connection: "Connection") -> Opened:
    """As the user was when the client connected."""
    return Opened(Object(SESSION, connection.user.sid), None, connection.user)


async def create_list(connection: "Connection", request: Request, path: dict[str, str]) -> Reply:
    """The user's session list, each time the same. Raises ERRORS.SYNC_FORBIDDEN for a list of any other purpose."""
    if Command(connection.chat, connection, request, path).body(NewList).purpose != PURPOSE:
        check_no_write()
    return answer(201, root(session_of(connection)))


async def add_item(repeats: Repeats, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:
    """Do what the item asks for, and tell how that went. Raises ERRORS.SYNC_FORBIDDEN for any other list.

    What fails by the server's own fault is no answer: it fails the request, and the SDK sends that again.
    """
    session = session_of(connection)
    if path["name"] not in {session.object.sid, session.object.unique_name}:
        check_no_write()
    command = Command(connection.chat, connection, request, path)
    given = command.body(NewItem).data
    response = await respond(repeats, command, given)
    moment = connection.chat.clock()
    item = Item(index_of(given.command_id), moment, keep(request.body).data, moment, moment)
    tell(connection, session.object, item, {**item.data, "response": response})
    return answer(201, wire(item, session))


async def respond(repeats: Repeats, command: Command, given: Given) -> dict[str, Any]:
    """The SDK makes an error of any status but 200, with the status as its code."""
    try:
        told = await act(repeats, command, given.request, given.command_id)
    except ChatError as error:
        if error.status >= 500:  # noqa: PLR2004 - an HTTP status names itself
            raise
        return {"status": error.code, "statusText": error.message}
    return {"status": 200, "statusText": "OK", **told}


def index_of(command_id: str) -> int:
    """The same for the same command, so that sending it again does not add another item."""
    return int.from_bytes(blake2b(command_id.encode(), digest_size=INDEX_BYTES).digest(), "big")


def tell(connection: "Connection", of: Object, item: Item, data: dict[str, Any]) -> None:
    """The item, answered. Event ids are times: they need to grow for each item, and no node knows those of another."""
    change = Change(item.id + 1, UPDATED, item.key, data, item.date_updated)
    connection.notify(live_type(of), live(of, change))


def routes(repeats: Repeats) -> list[Route]:
    return [
        ("cds", "POST", "/v3/Lists", create_list),
        ("cds", "POST", "/v3/Lists/{Name}/Items", partial(add_item, repeats)),
    ]
