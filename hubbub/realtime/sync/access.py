"""From a name to an object that the client may read: loading it is being allowed to.

Who may read what is said here and nowhere else: a channel's document whoever sees the channel, its messages and its
roster the members, a user's info the whole service, a user's channels and session list that user alone
(`objects.find`).
"""

from typing import TYPE_CHECKING, NamedTuple

from hubbub.errors import ERRORS
from hubbub.realtime.sync.objects import CHANNEL, SESSION, Object, Part, Type, find
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.model import Seen
from hubbub.resources.users import sql as users
from hubbub.resources.users.model import User

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection


class Opened(NamedTuple):
    """An object that the client may read, with the channel or the user that it is part of, as it is now."""

    object: Object
    seen: Seen | None
    user: User | None

    @property
    def revision(self) -> int:
        if self.object.part is SESSION:
            return 0  # it keeps nothing: whoever opens it is at its beginning
        if self.seen is not None:
            return self.seen.channel.last_revision
        return self.owner.last_revision

    @property
    def channel(self) -> Seen:
        assert self.seen is not None
        return self.seen

    @property
    def owner(self) -> User:
        assert self.user is not None
        return self.user


def may_read(part: Part, seen: Seen) -> bool:
    return seen.visible if part is CHANNEL else seen.joined


async def open_object(connection: "Connection", type_: Type, name: str) -> Opened:
    """Raises the type's 404, for what is not there and for what may not be read."""
    for candidate in find(type_, name, connection.user.sid):
        opened = (await open_objects(connection, [candidate])).get(candidate)
        if opened is not None:
            return opened
    raise type_.missing()


async def open_objects(connection: "Connection", wanted: list[Object]) -> dict[Object, Opened]:
    """Those that may be read, with one statement for all channels and one for all users."""
    channel_sids = list({each.owner for each in wanted if each.part.owner == "CH"})
    user_sids = list({each.owner for each in wanted if each.part.owner == "US"})
    seen: dict[str, Seen] = {}
    known: dict[str, User] = {}
    reader, service, identity = connection.chat.database, connection.user.service, connection.user.identity
    if channel_sids:
        found = await channels.see_channels(reader, service, identity, channel_sids)
        seen = {each.channel.sid: each for each in found}
    if user_sids:
        known = {user.sid: user for user in await users.users_by_sid(reader, service, user_sids)}
    opened = {}
    for each in wanted:
        channel, user = seen.get(each.owner), known.get(each.owner)
        if (channel is not None and may_read(each.part, channel)) or user is not None:
            opened[each] = Opened(each, channel, user)
    return opened


def check_no_write() -> None:
    """Raises ERRORS.SYNC_FORBIDDEN: everything changes by the commands of the chat."""
    raise ERRORS.SYNC_FORBIDDEN()
