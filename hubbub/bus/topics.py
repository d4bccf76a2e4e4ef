"""Which topics an event belongs to. A channel's topic is its SID, a user's is made of its key: records name it so."""

from collections.abc import Iterator
from typing import Any

from hubbub.chat import Emitted
from hubbub.events import INVITE_REMOVED, Hears
from hubbub.resources.channels.model import Channel
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import Member
from hubbub.resources.users.model import User


def of_user(key: int) -> str:
    return f"US{key}"


def key_of_user(topic: str) -> int | None:
    """None where it is not a user's."""
    return int(topic[2:]) if topic.startswith("US") else None


def of_channel(emitted: Emitted) -> str:
    """The SID of the channel that the event happened in."""
    record: Any = emitted.record
    if isinstance(record, Member | Invite):
        return record.channel_sid
    sid: str = record.sid if isinstance(record, Channel) else emitted.channel.sid
    return sid


def topics(emitted: Emitted) -> Iterator[str]:
    """Those whose followers have to hear of the event."""
    record: Any = emitted.record
    if not emitted.event.objects:
        return
    if isinstance(record, Member | Invite):
        yield of_user(record.user)
    elif isinstance(record, User):
        yield of_user(record.key)
    # An invite that ends takes the channel from those who listen to it by the invite alone.
    if emitted.event.hears is Hears.CHANNEL or emitted.event is INVITE_REMOVED:
        yield of_channel(emitted)
