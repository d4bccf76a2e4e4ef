"""Who listens to one object: those who are up to date, and those who are still told what they missed.

What happens meanwhile is held for the latter, so that each client hears every change once and in order.
"""

from typing import TYPE_CHECKING

from hubbub.realtime.connection import notification_frame
from hubbub.realtime.sync.changes import GONE, Change, live, live_type
from hubbub.realtime.sync.objects import Object

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection
    from hubbub.realtime.sync.topics import Topic


class Hold:
    """A subscription that is not established, or is ahead of what was delivered here.

    `after` is the revision that its client is told of, once that is known; what is newer goes to it.
    """

    __slots__ = ("after", "connection", "frames", "lost", "of")

    def __init__(self, connection: "Connection", of: "Listeners") -> None:
        self.connection = connection
        self.of = of
        self.frames: list[tuple[int, bytes]] = []
        self.after: int | None = None
        self.lost = -1  # its client may not read the object as it was at this revision or before

    @property
    def is_current(self) -> bool:
        """It was neither cancelled nor begun anew, and the object is still there."""
        return self.of.held.get(self.connection) is self


class Listeners:
    """The connections that are subscribed to an object."""

    __slots__ = ("held", "live", "object", "told", "topic")

    def __init__(self, topic: "Topic", of: Object) -> None:
        self.topic = topic
        self.object = of
        self.told = 0  # what was read from the tables up to this revision does not come again as an event
        self.live: dict[Connection, int] = {}  # each with the revision at which it was established
        self.held: dict[Connection, Hold] = {}

    def __bool__(self) -> bool:
        return bool(self.live or self.held)

    def __contains__(self, connection: "Connection") -> bool:
        return connection in self.live or connection in self.held

    def send(self, change: Change) -> None:
        """Encoded once, the same frame to everybody; those who are up to date get it with the topic's next `write`."""
        if not self or (change.id <= self.told and change.verb != GONE):
            return
        frame = notification_frame(live_type(self.object), live(self.object, change))
        if self.live:
            self.topic.outgoing.setdefault(self, []).append(frame)
        for hold in tuple(self.held.values()):
            if hold.after is None:
                hold.frames.append((change.id, frame))
            elif change.id > hold.after:
                self.release(hold, hold.after)
                hold.connection.write_frame(frame)

    def settle(self, hold: Hold, revision: int) -> None:
        """Its client has been told everything up to the revision: now what was held, and from then on what comes."""
        self.topic.flush_now()
        newer = [frame for id_, frame in hold.frames if id_ > revision]
        if newer or self.topic.has_delivered(revision):
            self.release(hold, revision)
            if newer:
                hold.connection.write_frame(b"".join(newer))
        else:
            hold.after, hold.frames = revision, []
            self.topic.expect(revision)

    def release(self, hold: Hold, revision: int) -> None:
        self.topic.write()  # this client has been told of what waits there
        del self.held[hold.connection]
        self.live[hold.connection] = revision

    def shut_out(self, connection: "Connection", revision: int) -> bool:
        """End the subscription of one who may not read this since the revision; False when it was made later."""
        hold = self.held.get(connection)
        if hold is not None and hold.after is None:
            hold.lost = max(hold.lost, revision)  # whoever establishes it knows which state it was allowed on
            return False
        since = self.live.get(connection) if hold is None else hold.after
        return since is not None and since < revision


def write(outgoing: dict[Listeners, list[bytes]]) -> None:
    """Everything to each connection in one piece: what is written costs less than the writing."""
    joined = [(listeners.live, b"".join(frames)) for listeners, frames in outgoing.items()]
    live = joined[0][0]
    if all(other.keys() == live.keys() for other, _ in joined[1:]):  # as nearly always
        data = b"".join(data for _, data in joined)
        for connection in tuple(live):  # one that does not keep up ends here and takes itself out
            connection.write_frame(data)
        return
    wanted: dict[Connection, int] = {}
    for bit, (live, _) in enumerate(joined):
        for connection in live:
            wanted[connection] = wanted.get(connection, 0) | 1 << bit
    pieces: dict[int, bytes] = {}
    for connection, bits in wanted.items():
        piece = pieces.get(bits)
        if piece is None:
            piece = pieces[bits] = b"".join(data for bit, (_, data) in enumerate(joined) if bits >> bit & 1)
        connection.write_frame(piece)
