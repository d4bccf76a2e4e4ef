"""A channel or a user that somebody here listens to: its events, put in order, become changes of its objects.

The revisions of a topic have no gap, so an event that comes too early waits for the one before it. What does not come
in a moment was lost on the way, and is read from the tables instead: `heal`.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from hubbub.chat import Emitted
from hubbub.errors import ChatError
from hubbub.events import CHANNEL_UPDATED, MEMBER_REMOVED, MESSAGE_REMOVED
from hubbub.realtime.sync.access import Opened
from hubbub.realtime.sync.changes import ADDED, GONE, REMOVED, UPDATED, Change
from hubbub.realtime.sync.items import info_items, member_data, message_data, my_channel_data
from hubbub.realtime.sync.listeners import Listeners
from hubbub.realtime.sync.missed import (
    Missed,
    document_change,
    missed_channels,
    missed_messages,
    missed_roster,
)
from hubbub.realtime.sync.objects import CHANNEL, INFO, MESSAGES, MY_CHANNELS, ROSTER, Object, Part
from hubbub.resources.channels.model import Channel, Seen
from hubbub.resources.channels.sql import see_channels
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import DEFAULT, Member, MyChannel
from hubbub.resources.members.sql import people
from hubbub.resources.messages.model import Message
from hubbub.resources.users.model import User
from hubbub.resources.users.sql import users_by_sid

if TYPE_CHECKING:
    from hubbub.realtime.hub import Hub

log = logging.getLogger("hubbub.realtime")

GRACE_SECONDS = 0.1  # commits of two connections may be told in the wrong order, and another node's come by the bus
RETRY_SECONDS = 1.0
MOST_EARLY = 1000  # beyond it, reading the tables is cheaper than waiting
MOST_PEOPLE = 1000
VERBS = {"added": ADDED, "sent": ADDED, "updated": UPDATED, "removed": REMOVED, "destroyed": GONE, "reached": UPDATED}


def verb_of(emitted: Emitted) -> str:
    return VERBS[emitted.event.name.rpartition("_")[2]]


class Topic:
    """What channels and users have in common: `revision` is the last one delivered, None until it was loaded."""

    parts: tuple[Part, ...]

    def __init__(self, hub: "Hub", sid: str) -> None:
        self.hub = hub
        self.sid = sid
        self.revision: int | None = None
        self.ended = False  # the channel or user is gone
        self.listeners = {part: Listeners(self, Object(part, sid)) for part in self.parts}
        self._early: dict[int, Emitted] = {}
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heals = False
        self._looks_up = False

    @property
    def is_heard(self) -> bool:
        return any(self.listeners.values())

    def load(self, opened: Opened) -> None:
        """What the topic is, read by its first subscriber; what came before that was read can go."""
        if self.revision is None:
            self.fill(opened)
            self.revision = opened.revision
            self.pump()

    def take(self, revision: int, emitted: Emitted) -> None:
        """An event, whenever it comes and however often; `pump` delivers what is due."""
        if self.revision is None or revision > self.revision:
            self._early[revision] = emitted

    def pump(self) -> None:
        """Whatever goes wrong is no affair of the one who made the change: it is stored."""
        if self._worker is None and self.revision is not None:
            try:
                self.advance()
            except Exception:
                log.exception("Events of %s could not be told", self.sid)
                self._try_again()  # then the one that failed is read from the tables
            self._work_if_needed()

    def has_delivered(self, revision: int) -> bool:
        return self.revision is not None and self.revision >= revision

    def expect(self, revision: int) -> None:
        """A reader has seen this revision, so its event is on its way; if it does not come, heal."""
        if not self.has_delivered(revision):
            self._wait_for_gap()

    def advance(self) -> None:
        """Deliver what follows on what was delivered."""
        assert self.revision is not None
        while (emitted := self._early.get(self.revision + 1)) is not None:
            if self.lacks(emitted):
                self._looks_up = True
                break
            del self._early[self.revision + 1]
            self.apply(emitted)
            self.revision += 1
        self.flush()
        if self._early and not self._looks_up:
            self._early = {revision: each for revision, each in self._early.items() if revision > self.revision}
            if len(self._early) > MOST_EARLY:
                self._heals = True
            elif self._early:
                self._wait_for_gap()

    def _wait_for_gap(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._heal_if_behind, self.revision)

    def _heal_if_behind(self, revision: int | None) -> None:
        self._timer = None
        if self.hub.has(self) and self.revision is not None:
            if self.revision == revision:
                self._heals = True
                self._work_if_needed()
            elif self._early:
                self._wait_for_gap()

    def _work_if_needed(self) -> None:
        if self._worker is None and (self._heals or self._looks_up):
            self._worker = asyncio.create_task(self._work())

    async def heal(self) -> None:
        """Read what is newer than what was delivered, and deliver it."""
        if self.revision is not None:
            self._heals = True
            self._work_if_needed()
            if self._worker is not None:
                await asyncio.shield(self._worker)

    async def _work(self) -> None:
        try:
            while self._heals or self._looks_up:
                if self._heals:
                    self._heals = False
                    await self.read_newer()
                self._looks_up = False
                await self.look_up([self._early[revision] for revision in sorted(self._early)])
                self.advance()
        except ChatError as error:
            log.warning("Events of %s wait for the database: %s", self.sid, error.message)
            self._try_again()
        except Exception:
            log.exception("Events of %s could not be delivered", self.sid)
            self._try_again()
        finally:
            self._worker = None

    def _try_again(self) -> None:
        if self._timer is None:
            later = asyncio.get_running_loop().call_later
            self._timer = later(RETRY_SECONDS, self._heal_if_behind, self.revision)

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._worker is not None and self._worker is not asyncio.current_task():
            self._worker.cancel()

    def end(self, change: Change) -> None:
        """The channel or user is gone, and all of its objects."""
        self.ended = True
        for listeners in self.listeners.values():
            listeners.send(change)
        self.hub.remove(self)

    def send_due(self, part: Part, found: Missed, up_to: int) -> None:
        for change in found.changes:
            if change.id <= up_to:
                self.listeners[part].send(change)

    def fill(self, opened: Opened) -> None:
        """Keep what the changes are worked out from."""
        raise NotImplementedError

    def lacks(self, emitted: Emitted) -> bool:
        """Whether something has to be read before the event can be told."""
        raise NotImplementedError

    async def look_up(self, waiting: list[Emitted]) -> None:
        """Read what these events lack."""
        raise NotImplementedError

    def apply(self, emitted: Emitted) -> None:
        """The event is the next one: tell it."""
        raise NotImplementedError

    def flush(self) -> None:
        """What is told once for several events."""

    async def read_newer(self) -> None:
        """Deliver from the tables what is newer than `revision`, and set it."""
        raise NotImplementedError


class ChannelTopic(Topic):
    parts = (CHANNEL, MESSAGES, ROSTER)
    seen: Seen

    def __init__(self, hub: "Hub", sid: str) -> None:
        super().__init__(hub, sid)
        self._people: dict[str, tuple[str | None, str | None]] = {}  # user and member SID by identity
        self._changed: int | None = None  # the document has, at this date

    def fill(self, opened: Opened) -> None:
        self.seen = copied(opened.channel)

    def lacks(self, emitted: Emitted) -> bool:
        record = emitted.record
        if isinstance(record, Message):
            is_last = emitted.event is MESSAGE_REMOVED and record.index == self.seen.last_message
            return is_last or (bool(self.listeners[MESSAGES]) and record.from_ not in self._people)
        return isinstance(record, Member) and bool(self.listeners[ROSTER]) and record.identity not in self._people

    async def look_up(self, waiting: list[Emitted]) -> None:
        if len(self._people) > MOST_PEOPLE:
            self._people.clear()
        records = [each.record for each in waiting]
        names = {record.from_ for record in records if isinstance(record, Message)}
        names |= {record.identity for record in records if isinstance(record, Member)}
        unknown = sorted(names - self._people.keys())[:100]
        database = self.hub.chat.database
        if unknown:
            channel = self.seen.channel
            found = {row[0]: (row[1], row[2]) for row in await people(database, channel.key, channel.service, unknown)}
            self._people |= {name: found.get(name, (None, None)) for name in unknown}
        if any(each.event is MESSAGE_REMOVED and each.record.index == self.seen.last_message for each in waiting):
            now = await self._read()
            self.seen.last_message = now.last_message if now else None
            self.seen.last_message_date = now.last_message_date if now else None

    async def _read(self) -> Seen | None:
        found = await see_channels(self.hub.chat.database, self.seen.channel.service, "", [self.sid])
        return found[0] if found else None

    def apply(self, emitted: Emitted) -> None:
        record = emitted.record
        if isinstance(record, Channel):
            self._apply_to_channel(emitted, record)
        elif isinstance(record, Message):
            self._apply_to_message(emitted, record)
        else:
            self._apply_to_member(emitted, record)

    def _apply_to_channel(self, emitted: Emitted, channel: Channel) -> None:
        if emitted.event is CHANNEL_UPDATED:
            self.seen.channel = replace(channel)
            self._changed = channel.date_updated
        else:
            self.end(Change(channel.revision, GONE, None, None, channel.date_updated))

    def _apply_to_message(self, emitted: Emitted, message: Message) -> None:
        verb = verb_of(emitted)
        if self.listeners[MESSAGES]:
            data = message_data(message, self._people[message.from_][1])
            self.listeners[MESSAGES].send(Change(message.revision, verb, message.index, data, message.date_updated))
        if verb == ADDED:
            self.seen.last_message, self.seen.last_message_date = message.index, message.date_created
            self.seen.channel.last_index = message.index
        if CHANNEL.name in emitted.event.objects:
            self._changed = message.date_updated

    def _apply_to_member(self, emitted: Emitted, member: Member) -> None:
        if self.listeners[ROSTER]:
            user_sid = self._people[member.identity][0]
            data = member_data(member, user_sid)
            change = Change(member.revision, verb_of(emitted), member.sid, data, member.date_updated)
            self.listeners[ROSTER].send(change)
            left = emitted.event is MEMBER_REMOVED
            self._people[member.identity] = (user_sid, None if left else member.sid)

    def flush(self) -> None:
        if self._changed is not None and self.revision is not None:
            change = document_change(self.seen, self.revision)
            change.date, self._changed = self._changed, None
            self.listeners[CHANNEL].send(change)

    async def read_newer(self) -> None:
        complete = False
        while not complete and self.hub.has(self):
            complete = await self._read_some()

    async def _read_some(self) -> bool:
        assert self.revision is not None
        database, since = self.hub.chat.database, self.revision
        current = await self._read()
        if current is None:
            self.end(Change(since + 1, GONE, None, None, self.hub.chat.clock()))
            return True
        if current.channel.last_revision <= since:
            return True
        found = {
            MESSAGES: await missed_messages(database, current, since),
            ROSTER: await missed_roster(database, current, since),
        }
        up_to = min(each.revision for each in found.values())
        for part, each in found.items():
            self.send_due(part, each, up_to)
        self._shut_out_who_left(found[ROSTER], up_to)
        self.seen, self._changed = current, current.channel.date_updated
        self.revision = up_to
        self.flush()
        return all(each.complete and each.revision == up_to for each in found.values())

    def _shut_out_who_left(self, roster: Missed, up_to: int) -> None:
        for change in roster.changes:
            if change.verb == REMOVED and change.id <= up_to:
                self.hub.shut_out_identity(self, change.data.identity, change.id)


def copied(seen: Seen) -> Seen:
    """For the topic to keep up to date: whoever read it goes on with it as it was."""
    return replace(seen, channel=replace(seen.channel))


class UserTopic(Topic):
    parts = (MY_CHANNELS, INFO)
    user: User
    key: int | None = None  # the user's, once it is known

    def fill(self, opened: Opened) -> None:
        self.user = opened.owner
        self.hub.know(self, self.user.key)

    def lacks(self, emitted: Emitted) -> bool:  # noqa: ARG002 - a user's events have all that is told
        return False

    async def look_up(self, waiting: list[Emitted]) -> None:
        pass

    def apply(self, emitted: Emitted) -> None:
        record = emitted.record
        if not isinstance(record, User):
            self.listeners[MY_CHANNELS].send(my_channel_change(emitted))
        elif verb_of(emitted) == UPDATED:
            self._apply_to_info(record)
        else:
            self.end(Change(record.revision, GONE, None, None, self.hub.chat.clock()))

    def _apply_to_info(self, user: User) -> None:
        """Only what is not as it was: a role has changed, for example, and nobody is told."""
        before, self.user = info_items(self.user), user
        for key, data in info_items(user).items():
            if before.get(key) != data:
                self.listeners[INFO].send(Change(user.revision, UPDATED, key, data, user.date_updated))

    async def read_newer(self) -> None:
        assert self.revision is not None
        database, since = self.hub.chat.database, self.revision
        found = await users_by_sid(database, self.user.service, [self.sid])
        if not found:
            self.end(Change(since + 1, GONE, None, None, self.hub.chat.clock()))
            return
        newer = await missed_channels(database, found[0], since)
        self.send_due(MY_CHANNELS, newer, newer.revision)
        state = {change.key: change.verb for change in newer.changes}
        for channel_sid, verb in state.items():
            if verb == REMOVED:
                self.hub.shut_out(str(channel_sid), self.user.key)
        self._apply_to_info(found[0])
        self.revision = newer.revision


def my_channel_change(emitted: Emitted) -> Change:
    record: Member | Invite = emitted.record
    type_ = getattr(emitted.channel, "type", None)  # None for a user that is deleted, and leaves everything
    dates = (record.date_created, record.date_updated, record.user_revision, record.user_added)
    verb = verb_of(emitted)
    if isinstance(record, Invite):
        mine = MyChannel(record.channel_sid, "invited", type_, DEFAULT, None, *dates)
    else:
        horizon = record.last_consumed_message_index
        mine = MyChannel(record.channel_sid, "joined", type_, record.notification_level, horizon, *dates)
        if verb == ADDED and record.user_added is not None:
            verb = UPDATED  # the invite was in the list before
    data: Any = my_channel_data(mine)
    return Change(record.user_revision, verb, record.channel_sid, data, record.date_updated)
