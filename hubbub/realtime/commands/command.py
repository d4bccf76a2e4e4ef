"""A command of the client SDKs: what its handler gets, how its body is read, and how it happens once.

A handler takes a Command and returns a Reply. One that changes something says how its answer is given when the same
change is asked for again (`X-Twilio-Mutation-Id`): from what there is now, by the SID of what was made.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hubbub.chat import Caller, Changes, Chat
from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.tunnel import Handler, Reply, Request, Route
from hubbub.resources.mutations import sql as mutations
from hubbub.resources.mutations.actions import once
from hubbub.resources.mutations.model import digest
from hubbub.resources.users.model import User
from hubbub.web.params import LARGEST_INTEGER

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

ORIGIN = "https://aim.us1.twilio.com"  # the SDKs send the links back to us; only the first label is looked at
VERSION = "/Client/v1"
BASE = ORIGIN + VERSION
MUTATION = "x-twilio-mutation-id"

T = TypeVar("T")

# What a body may leave out. An SDK sends null for an option that its app did not give.
Text: TypeAlias = str | UnsetType | None
Index: TypeAlias = Annotated[int, Meta(le=LARGEST_INTEGER)] | UnsetType | None

encode = msgspec.json.Encoder().encode


class Command(msgspec.Struct, gc=False):
    """A tunnelled request of one client, and the chat in which it happens."""

    chat: Chat
    connection: "Connection"
    request: Request
    path: dict[str, str]

    @property
    def caller(self) -> Caller:
        return self.connection.access.caller

    @property
    def service_sid(self) -> str:
        return self.connection.access.service.sid

    @property
    def user(self) -> User:
        """As it was when the client connected."""
        return self.connection.user

    def param(self, name: str) -> str | None:
        values = self.request.params.get(name)
        return values[0] if values else None

    def body(self, kind: type[T]) -> T:
        """The fields of a JSON body; others are ignored. Raises ERRORS.MALFORMED_REQUEST."""
        try:
            fields = msgspec.json.decode(self.request.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ERRORS.MALFORMED_REQUEST(reason=str(error)) from error
        if b"\\u0000" in self.request.body and has_nul(fields):
            raise ERRORS.MALFORMED_REQUEST(reason="a NUL character")
        return fields


def has_nul(fields: Any) -> bool:
    """No text that is stored has one."""
    if isinstance(fields, str):
        return "\0" in fields
    if isinstance(fields, list):
        return any(has_nul(value) for value in fields)
    return isinstance(fields, msgspec.Struct) and has_nul(list(msgspec.structs.astuple(fields)))


def given(**fields: Any) -> Changes:
    """Those that the body has; null is none."""
    return {name: value for name, value in fields.items() if value is not UNSET and value is not None}


def given_or_null(**fields: Any) -> Changes:
    """Those that the body has, null among them."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def answer(status: int, content: Any) -> Reply:
    return Reply(status, encode(content))


GONE = Reply(204)

Do = Callable[[Command], Awaitable[Reply]]
Again = Callable[[Command, str], Awaitable[Reply]]


async def gone(command: Command, subject: str) -> Reply:  # noqa: ARG001 - one signature for all
    """The answer to a deletion that has happened before."""
    return GONE


class Declared(NamedTuple):
    """A command; `again` is None where nothing changes that is stored, else `status` is that of its success."""

    method: str
    path: str
    do: Do
    again: Again | None = None
    status: int = 200


class Commands(list[Declared]):
    """The commands of one noun, collected by decorators as its module is read."""

    def __init__(self, service: str = "aim", version: str = VERSION) -> None:
        super().__init__()
        self._service = service
        self._version = version

    def get(self, path: str) -> Callable[[Do], Do]:
        return self._add("GET", path)

    def create(self, path: str, again: Again) -> Callable[[Do], Do]:
        return self._add("POST", path, again, 201)

    def update(self, path: str, again: Again) -> Callable[[Do], Do]:
        return self._add("POST", path, again)

    def delete(self, path: str) -> Callable[[Do], Do]:
        return self._add("DELETE", path, gone, 204)

    def _add(self, method: str, path: str, again: Again | None = None, status: int = 200) -> Callable[[Do], Do]:
        def decorate(do: Do) -> Do:
            self.append(Declared(method, self._version + path, do, again, status))
            return do

        return decorate

    def routes(self, repeats: "Repeats") -> list[Route]:
        return [
            (self._service, each.method, each.path, partial(run, each) if each.again is None else repeats.bind(each))
            for each in self
        ]


async def run(declared: Declared, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:
    return await declared.do(Command(connection.chat, connection, request, path))


class Repeats:
    """Commands that their apps have named: each happens once, and whoever asks again gets the answer again.

    The name is stored with the change. On this node a repeat waits while the first is under way; on another, the
    database lets one of the two be the first. A command that failed has changed nothing and is tried again.
    """

    def __init__(self) -> None:
        self._under_way: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    def bind(self, declared: Declared) -> Handler:
        return partial(self._run, declared)

    async def _run(self, declared: Declared, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:
        name = request.headers.get(MUTATION)
        if not name:
            return await run(declared, connection, request, path)
        chat, user = connection.chat, connection.user.key
        id_ = digest(name, request.method, request.path)
        async with self._under_way.setdefault((user, id_), asyncio.Lock()):
            done = await mutations.get_mutation(chat.database, user, id_)
            if done is None:
                try:
                    return await declared.do(Command(once(chat, user, id_), connection, request, path))
                except ChatError:  # perhaps because another node has done it in this very moment
                    done = await mutations.get_mutation(chat.database, user, id_)
                    if done is None:
                        raise
            return await repeat(declared, Command(chat, connection, request, path), done.subject)


async def repeat(declared: Declared, command: Command, subject: str) -> Reply:
    """The answer to what has happened before; what was made may have gone since, or is no longer the user's to see."""
    assert declared.again is not None
    try:
        return await declared.again(command, subject)
    except ChatError as error:
        if error.status >= 500:  # noqa: PLR2004 - an HTTP status names itself
            raise
        return answer(declared.status, {"sid": subject})
