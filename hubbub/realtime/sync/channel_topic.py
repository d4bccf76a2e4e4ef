"""A channel that somebody here listens to: its document, its messages and its roster."""

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from hubbub.chat import Emitted
from hubbub.events import CHANNEL_UPDATED, MEMBER_REMOVED, MESSAGE_REMOVED
from hubbub.realtime.sync.access import Opened
from hubbub.realtime.sync.changes import ADDED, GONE, REMOVED, Change
from hubbub.realtime.sync.items import member_data, message_data
from hubbub.realtime.sync.missed import Missed, document_change, missed_messages, missed_roster
from hubbub.realtime.sync.objects import CHANNEL, MESSAGES, ROSTER
from hubbub.realtime.sync.topics import Topic, verb_of
from hubbub.resources.channels.model import Channel, Seen
from hubbub.resources.channels.sql import see_channels
from hubbub.resources.members.model import Member
from hubbub.resources.members.sql import people
from hubbub.resources.messages.model import Message

if TYPE_CHECKING:
    from hubbub.realtime.hub import Hub

MOST_PEOPLE = 1000
PAUSE_SECONDS = 0.2  # between two changes of a document that are but another last message


class ChannelTopic(Topic):
    parts = (CHANNEL, MESSAGES, ROSTER)
    seen: Seen

    def __init__(self, hub: "Hub", sid: str) -> None:
        super().__init__(hub, sid)
        self._people: dict[str, tuple[str | None, str | None]] = {}  # user and member SID by identity
        self._changed: int | None = None  # the document has, at this date
        self._is_urgent = False  # it is the channel itself that has changed
        self._pause: asyncio.TimerHandle | None = None

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
            self._changed, self._is_urgent = channel.date_updated, True
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
        """In a busy channel, the last message is told from time to time: its reader has the messages themselves."""
        if self._is_urgent or self._pause is None:
            self.flush_now()

    def flush_now(self) -> None:
        if self._changed is None or self.revision is None:
            return
        change = document_change(self.seen, self.revision)
        change.date, self._changed, self._is_urgent = self._changed, None, False
        self.listeners[CHANNEL].send(change)
        if self._pause is None:
            self._pause = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._end_pause)

    def _end_pause(self) -> None:
        self._pause = None
        self.flush_now()
        self.write()

    def stop(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        super().stop()

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
        now = current.channel.last_revision
        if now <= since:
            return True
        found = {
            MESSAGES: await missed_messages(database, current, since),
            ROSTER: await missed_roster(database, current, since),
        }
        for part, each in found.items():
            self.tell_missed(part, each)
        self._shut_out_who_left(found[ROSTER])
        self.seen = current
        self.tell_missed(CHANNEL, Missed([document_change(current, now)], now, complete=True))
        self._people.clear()
        self.revision = min(now, *(each.revision for each in found.values()))
        return all(each.complete for each in found.values())

    def _shut_out_who_left(self, roster: Missed) -> None:
        for change in roster.changes:
            if change.verb == REMOVED:
                self.hub.shut_out_identity(self, change.data.identity, change.id)


def copied(seen: Seen) -> Seen:
    """For the topic to keep up to date: whoever read it goes on with it as it was."""
    return replace(seen, channel=replace(seen.channel))
