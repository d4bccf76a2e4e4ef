"""Finds what this node was not told: by a look at the tables every few seconds, and whenever the bus has its doubts.

A node that died after a commit, a command on the database, a bus that was away: what they leave untold is noticed
here, by the revisions of the channels and users that somebody on this node listens to, and read by their topics.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from hubbub.errors import ChatError
from hubbub.realtime.hub import Hub
from hubbub.realtime.sync.channel_topic import ChannelTopic
from hubbub.realtime.sync.topics import Topic
from hubbub.realtime.sync.user_topic import UserTopic
from hubbub.resources.channels.sql import last_revisions as revisions_of_channels
from hubbub.resources.users.sql import last_revisions as revisions_of_users
from hubbub.storage.database import Contention, Reader

log = logging.getLogger("hubbub.realtime")

EVERY_SECONDS = 2.0
SHARE = 20  # looks take one part in so many of the time at most, however many topics there are
MOST_AT_ONCE = 512

LastRevisions = Callable[[Reader, Sequence[int]], Awaitable[Mapping[int, int]]]


class Healing:
    """One for each node."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._doubted: set[str] = set()
        self._is_in_doubt = asyncio.Event()
        hub.chat.bus.listen_to_doubts(self.doubt)

    def doubt(self, topics: set[str]) -> None:
        """Something of these, by the bus's names, may have been missed."""
        self._doubted |= topics
        self._is_in_doubt.set()

    async def run(self) -> None:
        """Look at the doubtful at once and at everything every few seconds, for ever."""
        now = asyncio.get_running_loop().time
        due = now() + EVERY_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._is_in_doubt.wait()
            self._is_in_doubt.clear()
            doubted, self._doubted = self._doubted, set()
            begun = now()
            await self._try_to_look(doubted if begun < due else None)
            if begun >= due:
                due = now() + max(EVERY_SECONDS, SHARE * (now() - begun))

    async def _try_to_look(self, names: set[str] | None) -> None:
        try:
            await self.look(names)
        except (ChatError, Contention) as error:
            log.info("Looking for changes waits for the database: %s", error)
        except Exception:  # what nobody thought of must not end the looking for good
            log.exception("Looking for changes failed and will be tried again")

    async def look(self, names: set[str] | None = None) -> None:
        """Compare what was told here with the tables; of all topics, unless it is of some."""
        topics = self._hub.loaded(names)
        channels = {topic.seen.channel.key: topic for topic in topics if isinstance(topic, ChannelTopic)}
        users = {topic.user.key: topic for topic in topics if isinstance(topic, UserTopic)}
        await self._compare(channels, revisions_of_channels)
        await self._compare(users, revisions_of_users)

    async def _compare(self, topics: Mapping[int, Topic], last_revisions: LastRevisions) -> None:
        for keys in portions(list(topics)):
            found = await last_revisions(self._hub.chat.database, keys)
            await asyncio.sleep(0)  # an embedded database gives no turn to others
            for key in dict.fromkeys(keys):
                topic = topics[key]
                if topic.revision is not None and self._hub.has(topic):
                    topic.expect(found.get(key, topic.revision + 1))  # it is gone: that was its last change


def portions(keys: list[int]) -> Iterator[list[int]]:
    """So many keys that few statements differ in their number: the last is repeated up to a power of two."""
    for start in range(0, len(keys), MOST_AT_ONCE):
        some = keys[start : start + MOST_AT_ONCE]
        yield some + some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))
