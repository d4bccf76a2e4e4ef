"""A user that somebody here listens to: the info that all may ask for, and the list of channels that is its own."""

from typing import Any

from hubbub.chat import Emitted
from hubbub.realtime.sync.access import Opened
from hubbub.realtime.sync.changes import ADDED, GONE, REMOVED, UPDATED, Change
from hubbub.realtime.sync.items import info_items, my_channel_data
from hubbub.realtime.sync.missed import missed_channels
from hubbub.realtime.sync.objects import INFO, MY_CHANNELS
from hubbub.realtime.sync.topics import Topic, verb_of
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import DEFAULT, Member, MyChannel
from hubbub.resources.users.model import User
from hubbub.resources.users.sql import users_by_sid


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
        self.tell_missed(MY_CHANNELS, newer)
        state = {change.key: change.verb for change in newer.changes}
        for channel_sid, verb in state.items():
            if verb == REMOVED:
                self.hub.shut_out(str(channel_sid), self.user.key)
        self._apply_to_info(found[0])
        self.write()
        self.revision = found[0].last_revision


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
