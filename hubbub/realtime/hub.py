"""Who listens to what on this node, and what they hear: each event of the chat, once and in order.

The hub listens on the bus and can be given events from elsewhere (`deliver`), in any order, twice or not at all:
`heal` finds in the tables what did not come.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from hubbub.bus.topics import key_of_user, of_channel, of_user
from hubbub.chat import Chat, Emitted, Typing
from hubbub.events import INVITE_REMOVED, MEMBER_REMOVED, USER_REMOVED, Hears
from hubbub.realtime.connection import notification_frame
from hubbub.realtime.sync.changes import encode
from hubbub.realtime.sync.channel_topic import ChannelTopic
from hubbub.realtime.sync.listeners import Hold, Listeners
from hubbub.realtime.sync.objects import CHANNEL, MESSAGES, ROSTER, Object
from hubbub.realtime.sync.topics import Topic
from hubbub.realtime.sync.user_topic import UserTopic
from hubbub.resources.channels.model import PRIVATE, Channel, Place
from hubbub.resources.invites.model import Invite
from hubbub.resources.members.model import Member
from hubbub.resources.users.model import User

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

MOST_SUBSCRIPTIONS = 5000  # of one connection: three for each of 1,000 channels, and those of other users' info
MOST_HEALING = 8  # topics that are read at the same time: requests need the database as well
EVER = 1 << 62
ENDED: set[Listeners] = set()  # what a connection that has ended is subscribed to, for good
TYPING = "twilio.ipmsg.typing_indicator"


class Hub:
    """The topics that somebody on this node listens to, by the SID of the channel or user."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.healing = asyncio.Semaphore(MOST_HEALING)
        self._channels: dict[str, ChannelTopic] = {}
        self._users: dict[str, UserTopic] = {}
        self._by_key: dict[int, UserTopic] = {}
        self._devices: dict[int, set[Connection]] = {}  # by user; those with any subscription
        chat.bus.listen(self.deliver)
        chat.bus.listen_to_typing(self.tell_typing)

    # Subscriptions

    def hold(self, connection: "Connection", of: Object) -> Hold | None:
        """Begin a subscription, or begin it anew: from now on nothing is lost.

        None when there are too many, or the connection has ended while its request ran on.
        """
        held: set[Listeners] | None = connection.subscriptions
        if held is ENDED:
            return None
        if held is None:
            held = connection.subscriptions = set()
            connection.closed.append(partial(self.forget, connection))
            self._devices.setdefault(connection.user.key, set()).add(connection)
        listeners = self._topic(of, connection).listeners[of.part]
        if listeners not in held and len(held) >= MOST_SUBSCRIPTIONS:
            self._tidy(listeners.topic)
            return None
        listeners.live.pop(connection, None)
        hold = listeners.held[connection] = Hold(connection, listeners)
        held.add(listeners)
        return hold

    def release(self, hold: Hold) -> None:
        """Give up a subscription that cannot be established."""
        if hold.is_current:
            self._drop(hold.connection, hold.of)

    def cancel(self, connection: "Connection", of: Object) -> None:
        topic = self._find(of.owner)
        if topic is not None and connection in topic.listeners[of.part]:
            self._drop(connection, topic.listeners[of.part])

    def forget(self, connection: "Connection") -> None:
        """The connection has ended."""
        for listeners in tuple(connection.subscriptions or ()):
            self._drop(connection, listeners)
        connection.subscriptions = ENDED
        devices = self._devices.get(connection.user.key, set())
        devices.discard(connection)
        if not devices:
            self._devices.pop(connection.user.key, None)

    def _drop(self, connection: "Connection", listeners: Listeners) -> None:
        listeners.live.pop(connection, None)
        listeners.held.pop(connection, None)
        connection.subscriptions.discard(listeners)
        self._tidy(listeners.topic)

    def _tidy(self, topic: Topic) -> None:
        if not topic.is_heard:
            self.remove(topic)

    # Topics

    def _topic(self, of: Object, connection: "Connection") -> Topic:
        if of.part.owner == "CH":
            channel = self._channels.get(of.owner)
            if channel is None:
                channel = self._channels[of.owner] = ChannelTopic(self, of.owner)
                self.chat.bus.follow(of.owner)
            return channel
        topic = self._users.get(of.owner)
        if topic is None:
            topic = self._users[of.owner] = UserTopic(self, of.owner)
        if of.owner == connection.user.sid:  # it is known whose it is before it is read, so that it misses nothing
            self.know(topic, connection.user.key)
        return topic

    def _find(self, sid: str) -> Topic | None:
        topic: Topic | None = self._channels.get(sid)
        return self._users.get(sid) if topic is None else topic

    def has(self, topic: Topic) -> bool:
        return self._find(topic.sid) is topic

    def know(self, topic: UserTopic, key: int) -> None:
        """It is the topic of this user."""
        if topic.key is None:
            topic.key = key
            self._by_key[key] = topic
            self.chat.bus.follow(of_user(key))

    def remove(self, topic: Topic) -> None:
        """Nobody listens to it any more, or there is nothing to listen to."""
        for listeners in topic.listeners.values():
            for connection in (*listeners.live, *listeners.held):
                connection.subscriptions.discard(listeners)
            listeners.live.clear()
            listeners.held.clear()
        if self.has(topic):
            topic.stop()
            if isinstance(topic, UserTopic):
                del self._users[topic.sid]
                if topic.key is not None:
                    del self._by_key[topic.key]
                    self.chat.bus.unfollow(of_user(topic.key))
            else:
                del self._channels[topic.sid]
                self.chat.bus.unfollow(topic.sid)

    # Events

    def deliver(self, batch: Sequence[Emitted]) -> None:
        """Tell the events to whoever listens. First of all a user's own list: that a channel is lost is known there."""
        users: dict[UserTopic, None] = {}
        channels: dict[ChannelTopic, None] = {}
        for emitted in batch:
            for revision, topic in self._concerned(emitted):
                topic.take(revision, emitted)
                if isinstance(topic, UserTopic):
                    users[topic] = None
                elif isinstance(topic, ChannelTopic):
                    channels[topic] = None
        for user in users:
            user.pump()
        for emitted in batch:
            self._end(emitted)
        for channel in channels:
            channel.pump()

    def _end(self, emitted: Emitted) -> None:
        """What the event ends for those who listen."""
        record = emitted.record
        if emitted.event is MEMBER_REMOVED:
            self.shut_out(record.channel_sid, record.user, record.revision)
        elif emitted.event is INVITE_REMOVED:
            self.shut_out(record.channel_sid, record.user)
        elif emitted.event is USER_REMOVED:
            self.send_away(record.key)

    def send_away(self, user: int) -> None:
        """The user is deleted: its apps come back as whom their tokens make them."""
        for connection in tuple(self._devices.get(user, ())):
            connection.drop()

    def _concerned(self, emitted: Emitted) -> Iterator[tuple[int, Topic]]:
        """The topics of this node that the event belongs to, each with its revision there."""
        record = emitted.record
        if isinstance(record, Member | Invite):
            user = self._by_key.get(record.user)
            if user is not None:
                yield record.user_revision, user
        elif isinstance(record, User):
            user = self._users.get(record.sid)
            if user is not None:
                yield record.revision, user
        if emitted.event.hears is Hears.CHANNEL and emitted.event.objects:
            channel = self._channels.get(of_channel(emitted))
            if channel is not None:
                yield record.revision, channel

    async def heal(self, sid: str) -> None:
        """Deliver what the channel or user has in the tables beyond what was delivered here."""
        topic = self._find(sid)
        if topic is not None:
            await topic.heal()

    def loaded(self, names: set[str] | None = None) -> list[Topic]:
        """The topics that tell something by now, all of them or those that the bus knows by these names."""
        there: Iterable[Topic | None] = chain(self._channels.values(), self._users.values())
        if names is not None:
            keys = [key_of_user(name) for name in names]
            there = chain(map(self._channels.get, names), [self._by_key.get(key) for key in keys if key is not None])
        return [topic for topic in there if topic is not None and topic.revision is not None]

    def revisions(self) -> dict[str, int]:
        """The last revision that was delivered of each channel and user."""
        topics = chain(self._channels.values(), self._users.values())
        return {topic.sid: topic.revision for topic in topics if topic.revision is not None}

    def shut_out(self, channel: str, user: int, revision: int = EVER) -> None:
        """A user has lost the channel with this revision: its subscriptions that are older end at once."""
        topic = self._channels.get(channel)
        for connection in tuple(self._devices.get(user, ())) if topic is not None else ():
            assert topic is not None
            self._shut_out(topic, connection, revision)

    def shut_out_identity(self, topic: ChannelTopic, identity: str, revision: int) -> None:
        """The same by identity, for those who listen to the topic."""
        listening = {
            connection for listeners in topic.listeners.values() for connection in (*listeners.live, *listeners.held)
        }
        for connection in listening:
            if connection.user.identity == identity:
                self._shut_out(topic, connection, revision)

    def _shut_out(self, topic: ChannelTopic, connection: "Connection", revision: int) -> None:
        private = topic.revision is None or topic.seen.channel.type == PRIVATE
        for part in (MESSAGES, ROSTER, CHANNEL) if private else (MESSAGES, ROSTER):
            if topic.listeners[part].shut_out(connection, revision):
                self._drop(connection, topic.listeners[part])

    def typing(self, place: Channel | Place, identity: str, seconds: int) -> None:
        """Somebody types: told to those who listen to the channel's roster, on whichever node."""
        self.chat.bus.publish_typing(Typing(place.sid, identity, seconds))

    def tell_typing(self, typing: Typing) -> None:
        """To those on this node, but not the one who types."""
        topic = self._channels.get(typing.channel_sid)
        if topic is None:
            return
        told = {"channel_sid": topic.sid, "identity": typing.identity, "typing_timeout": typing.seconds}
        frame = notification_frame(TYPING, encode(told))
        for connection in tuple(topic.listeners[ROSTER].live):
            if connection.user.identity != typing.identity:
                connection.write_frame(frame)
