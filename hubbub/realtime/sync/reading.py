"""GET of the Sync objects: roots, items, pages. One or two statements each."""

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hubbub.dates import iso_milliseconds
from hubbub.realtime.session_list.context import session_context
from hubbub.realtime.sync.access import Opened, check_no_write, open_object
from hubbub.realtime.sync.changes import encode
from hubbub.realtime.sync.items import channel_data, info_items, member_data, message_data, my_channel_data
from hubbub.realtime.sync.objects import DOCUMENT, INFO, LIST, MAP, MESSAGES, ROSTER, SESSION, TYPES, Type
from hubbub.realtime.sync.pages import Read, Window, as_key, first, page, window
from hubbub.realtime.tunnel import Reply, Request, Route
from hubbub.resources.members import sql as members
from hubbub.resources.messages import sql as messages
from hubbub.storage.database import Reader

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection


class Item(NamedTuple):
    key: str | int
    id: int
    data: Any
    date_created: int
    date_updated: int


async def read_root(type_: Type, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:
    opened = await open_object(connection, type_, path["name"])
    body = root(opened)
    if type_ is DOCUMENT:
        seen = opened.channel
        body["data"] = channel_data(seen.channel, seen.last_message, seen.last_message_date)
    if first(request.params, "Include") == "items":
        found = await page(Window(), reader_of(connection.chat.database, opened))
        body["items"] = [wire(each, opened) for each in found.items]
    return Reply(200, encode(body))


async def read_items(type_: Type, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:
    opened = await open_object(connection, type_, path["name"])
    read = reader_of(connection.chat.database, opened)
    single = first(request.params, "Index" if type_ is LIST else "Key")
    if single is not None:
        found = await find_item(type_, read, single)
        items = [] if found is None else [found]
        meta: dict[str, Any] = {"key": "items", "page_size": 1, "previous_token": None, "next_token": None}
    else:
        items, meta = await page(window(request.params, number=type_ is LIST), read)
    return Reply(200, encode({"items": [wire(each, opened) for each in items], "meta": meta}))


async def read_item(type_: Type, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:  # noqa: ARG001
    opened = await open_object(connection, type_, path["name"])
    found = await find_item(type_, reader_of(connection.chat.database, opened), path["key"])
    if found is None:
        raise type_.item_missing()
    return Reply(200, encode(wire(found, opened)))


async def read_context(connection: "Connection", request: Request, path: dict[str, str]) -> Reply:  # noqa: ARG001
    """Only the session list has one."""
    opened = await open_object(connection, LIST, path["name"])
    context = await session_context(connection) if opened.object.part is SESSION else {}
    return Reply(200, encode({"data": context, "last_event_id": opened.revision}))


async def refuse(connection: "Connection", request: Request, path: dict[str, str]) -> Reply:  # noqa: ARG001
    check_no_write()
    raise AssertionError


async def find_item(type_: Type, read: Read, name: str) -> Item | None:
    key = as_key(name, type_ is LIST, "Index")
    found: list[Item] = list(await read(key, 1, True, False))
    return found[0] if found and found[0].key == key else None


def root(opened: Opened) -> dict[str, Any]:
    of, owner = opened.object, opened.seen.channel if opened.seen is not None else opened.owner
    links = {"items": f"{of.url}/Items", "permissions": f"{of.url}/Permissions"}
    if of.part.type is LIST:
        links["context"] = f"{of.url}/Context"
    return {
        "sid": of.sid,
        "unique_name": of.unique_name,
        "account_sid": owner.account_sid,
        "service_sid": owner.service_sid,
        "url": of.url,
        "revision": str(opened.revision),
        "last_event_id": opened.revision,
        "date_created": iso_milliseconds(owner.date_created),
        "date_updated": iso_milliseconds(owner.date_updated),
        "date_expires": None,
        "created_by": "system",
        "links": links,
    }


def wire(item: Item, opened: Opened) -> dict[str, Any]:
    of, owner = opened.object, opened.seen.channel if opened.seen is not None else opened.owner
    type_ = of.part.type
    return {
        "url": f"{of.url}/Items/{item.key}",
        "revision": str(item.id),
        "last_event_id": item.id,
        "data": item.data,
        "date_created": iso_milliseconds(item.date_created),
        "date_updated": iso_milliseconds(item.date_updated),
        "date_expires": None,
        "created_by": "system",
        "service_sid": owner.service_sid,
        "account_sid": owner.account_sid,
        type_.key or "key": item.key,
        f"{type_.name}_sid": of.sid,
    }


def reader_of(reader: Reader, opened: Opened) -> Read:
    """What reads the object's items."""
    part = opened.object.part
    if part is MESSAGES:
        return partial(messages_of, reader, opened.channel.channel.key)
    if part is ROSTER:
        return partial(roster_of, reader, opened.channel.channel.key)
    if part is INFO:
        return partial(info_of, opened)
    if part is SESSION:
        return read_nothing
    return partial(my_channels_of, reader, opened.owner.key)


async def messages_of(
    reader: Reader, channel: int, bound: Any, most: int, inclusive: bool, descending: bool
) -> list[Item]:
    rows = await messages.read_messages(reader, channel, bound, most, inclusive=inclusive, descending=descending)
    return [
        Item(row.index, row.revision, message_data(row, member_sid), row.date_created, row.date_updated)
        for row, _, _, member_sid in rows
    ]


async def roster_of(
    reader: Reader, channel: int, bound: Any, most: int, inclusive: bool, descending: bool
) -> list[Item]:
    rows = await members.read_roster(reader, channel, bound, most, inclusive=inclusive, descending=descending)
    return [
        Item(
            row.member.sid,
            row.member.revision,
            member_data(row.member, row.user_sid),
            row.member.date_created,
            row.member.date_updated,
        )
        for row in rows
    ]


async def my_channels_of(
    reader: Reader, user: int, bound: Any, most: int, inclusive: bool, descending: bool
) -> list[Item]:
    rows = await members.read_my_channels(reader, user, bound, most, inclusive=inclusive, descending=descending)
    return [
        Item(row.channel_sid, row.user_revision, my_channel_data(row), row.date_created, row.date_updated)
        for row in rows
    ]


async def info_of(opened: Opened, bound: Any, most: int, inclusive: bool, descending: bool) -> list[Item]:
    user = opened.owner
    items = [
        Item(key, user.revision, data, user.date_created, user.date_updated)
        for key, data in sorted(info_items(user).items(), reverse=descending)
        if bound is None or (key < bound if descending else key > bound) or (inclusive and key == bound)
    ]
    return items[:most]


async def read_nothing(bound: Any, most: int, inclusive: bool, descending: bool) -> list[Item]:  # noqa: ARG001
    """A session list keeps no items: each is answered as it comes."""
    return []


def routes() -> list[Route]:
    """Reading, and the refusal of every write; `session_list` has the two that an app may do."""
    found: list[Route] = [("cds", "GET", "/v3/Lists/{Name}/Context", read_context)]
    for type_ in TYPES.values():
        base = f"/v3/{type_.folder}"
        found.append(("cds", "GET", base + "/{Name}", partial(read_root, type_)))
        writable = [base + "/{Name}"]
        if type_ in {MAP, LIST}:
            found.append(("cds", "GET", base + "/{Name}/Items", partial(read_items, type_)))
            found.append(("cds", "GET", base + "/{Name}/Items/{Key}", partial(read_item, type_)))
            writable += [base + "/{Name}/Items", base + "/{Name}/Items/{Key}"]
        found += [("cds", method, path, refuse) for path in writable for method in ("POST", "PUT", "DELETE")]
    found.remove(("cds", "POST", "/v3/Lists/{Name}/Items", refuse))
    return found
