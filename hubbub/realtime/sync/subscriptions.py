"""POST /v4/Subscriptions: establish, with what was missed, and cancel.

The order of an establishment makes that each client hears every change once: first the hub holds what happens from
now on, then the rows are read, then the client is told what they say, that it is subscribed, and what was held.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hubbub.errors import ERRORS, ChatError
from hubbub.realtime.connection import notification_frame
from hubbub.realtime.hub import Hub
from hubbub.realtime.session_list.context import missed_context
from hubbub.realtime.sync.access import Opened, open_objects
from hubbub.realtime.sync.changes import PROTOCOL, REPLAYED, Change, encode, replayed
from hubbub.realtime.sync.listeners import Hold
from hubbub.realtime.sync.missed import Missed, missed
from hubbub.realtime.sync.objects import SESSION, TYPES, Object, by_digits
from hubbub.realtime.tunnel import Reply, Request, Route
from hubbub.sids import is_sid

if TYPE_CHECKING:
    from hubbub.realtime.connection import Connection

MOST_IN_ONE = 100
MOST_REPLAYED = 500  # changes that are read for one request; the client asks again for the objects that are left
MOST_REPLAYED_BYTES = 256 * 1024  # then the client asks for the rest, when it has read this
ANSWER = encode({"estimated_delivery_in_ms": 5000, "max_batch_size": MOST_IN_ONE, "ttl_in_s": 3600})


class Wanted(msgspec.Struct, gc=False):
    """One object of a request. Without a last event nothing is replayed."""

    object_sid: str
    object_type: str
    last_event_id: int | None = None


class Body(msgspec.Struct):
    action: str
    correlation_id: msgspec.Raw
    requests: list[Wanted]


class Ready(NamedTuple):
    """A subscription that can be established: what its client missed."""

    hold: Hold
    opened: Opened
    missed: Missed


class Unheld(NamedTuple):
    """A subscription to a session list: its client alone hears of it, from whichever node it gives its commands to."""

    opened: Opened
    missed: Missed


Outcome = Ready | Unheld | ChatError

decode = msgspec.json.Decoder(Body).decode
decode_number = msgspec.json.Decoder(int | float).decode


async def subscribe(hub: Hub, connection: "Connection", request: Request, path: dict[str, str]) -> Reply:  # noqa: ARG001
    """The reply comes first, the notifications right after it."""
    body = read_body(request.body)
    later = asyncio.get_running_loop().call_soon
    if body.action == "cancel":
        for wanted in body.requests:
            for candidate in heard(candidates(connection, wanted)):
                hub.cancel(connection, candidate)
        later(tell_cancelled, connection, body)
    else:
        outcomes = await Establishing(hub, connection).prepare(body.requests)
        later(tell_established, hub, connection, body, outcomes)
    return Reply(200, ANSWER)


def read_body(body: bytes) -> Body:
    """Raises ERRORS.MALFORMED_REQUEST. The correlation id is echoed as it is written: the SDK compares exactly."""
    try:
        read = decode(body)
        decode_number(read.correlation_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ERRORS.MALFORMED_REQUEST(reason=str(error)) from error
    if read.action not in {"establish", "cancel"} or len(read.requests) > MOST_IN_ONE:
        raise ERRORS.MALFORMED_REQUEST(reason=f"establish or cancel up to {MOST_IN_ONE} objects")
    return read


def candidates(connection: "Connection", wanted: Wanted) -> list[Object]:
    """What the SID may be of."""
    type_ = TYPES.get(wanted.object_type)
    if type_ is None or not is_sid(wanted.object_sid, type_.prefix):
        return []
    return by_digits(type_, wanted.object_sid[2:], connection.user.sid)


def heard(objects: Iterable[Object]) -> list[Object]:
    """Those of which the hub tells."""
    return [each for each in objects if each.part is not SESSION]


class Establishing:
    """A request's way through the steps."""

    def __init__(self, hub: Hub, connection: "Connection") -> None:
        self._hub = hub
        self._connection = connection
        self._holds: dict[Object, Hold | None] = {}
        self._opened: dict[Object, Opened] = {}
        self._room = MOST_REPLAYED

    async def prepare(self, requests: list[Wanted]) -> list[Outcome]:
        """What to tell of each object. Whatever goes wrong, nothing is held for ever."""
        done = False
        try:
            possible = [candidates(self._connection, wanted) for wanted in requests]
            await self._open([each[0] for each in possible if each])
            await self._open([each[1] for each in possible if each[1:] and each[0] not in self._opened])
            outcomes = [await self._ready(*pair) for pair in zip(requests, possible, strict=True)]
            done = True
        finally:
            for of, hold in self._holds.items():
                if hold is not None and not (done and of in self._opened):
                    self._hub.release(hold)
        return outcomes

    async def _open(self, objects: list[Object]) -> None:
        """Hold first, then read."""
        if objects:
            self._holds |= {each: self._hub.hold(self._connection, each) for each in heard(objects)}
            self._opened |= await open_objects(self._connection, objects)

    async def _ready(self, wanted: Wanted, possible: list[Object]) -> Outcome:
        opened = next((self._opened[each] for each in possible if each in self._opened), None)
        if opened is None:
            return TYPES[wanted.object_type].missing() if wanted.object_type in TYPES else ERRORS.NOT_FOUND()
        if opened.object.part is SESSION:
            return Unheld(opened, await missed_context(self._connection, wanted.last_event_id))
        hold = self._holds[opened.object]
        if hold is None:
            return ERRORS.TOO_MANY_SUBSCRIPTIONS()
        since = opened.revision if wanted.last_event_id is None else wanted.last_event_id
        if self._room <= 0 and since < opened.revision:
            return Ready(hold, opened, Missed([], since, complete=False))
        found = await missed(self._connection.chat.database, opened, since)
        self._room -= len(found.changes)
        return Ready(hold, opened, found)


def tell_cancelled(connection: "Connection", body: Body) -> None:
    connection.write_frame(b"".join(frame_of(body, "subscription_canceled", wanted) for wanted in body.requests))


def tell_established(hub: Hub, connection: "Connection", body: Body, outcomes: list[Outcome]) -> None:
    room = MOST_REPLAYED_BYTES
    for wanted, outcome in zip(body.requests, outcomes, strict=True):
        if isinstance(outcome, Ready):
            room -= tell_one(hub, connection, body, wanted, outcome, room)
        elif isinstance(outcome, Unheld):
            tell_missed(connection, body, wanted, outcome.opened, outcome.missed, room)
        else:
            connection.write_frame(refused(body, wanted, outcome))


def tell_one(hub: Hub, connection: "Connection", body: Body, wanted: Wanted, ready: Ready, room: int) -> int:
    """One object's replay, its establishment, and what was held for it. Returns the bytes of the replay."""
    hold, opened = ready.hold, ready.opened
    if not hold.is_current:
        if hold.of.topic.ended:
            connection.write_frame(refused(body, wanted, opened.object.part.type.missing()))
        return 0
    if opened.revision < hold.lost:  # the client lost the channel while this was on its way
        hub.release(hold)
        connection.write_frame(refused(body, wanted, opened.object.part.type.missing()))
        return 0
    size, complete = tell_missed(connection, body, wanted, opened, ready.missed, room)
    if complete:
        hold.of.topic.load(opened)
        hold.of.settle(hold, ready.missed.revision)
    else:
        hub.release(hold)
    return size


def tell_missed(
    connection: "Connection", body: Body, wanted: Wanted, opened: Opened, missed: Missed, room: int
) -> tuple[int, bool]:
    """What was missed, as far as there is room, and where the subscription stands. Bytes, and whether that is all."""
    frames, complete = replay(opened.object, missed.changes, body.correlation_id, room)
    complete = complete and missed.complete
    told: dict[str, object] = {
        "replay_status": "completed" if complete else "interrupted",
        "last_event_id": missed.revision,
    }
    connection.write_frame(b"".join([*frames, frame_of(body, "subscription_established", wanted, told)]))
    return sum(len(frame) for frame in frames), complete


def replay(of: Object, changes: list[Change], correlation_id: msgspec.Raw, room: int) -> tuple[list[bytes], bool]:
    """The frames of what was missed, as far as there is room, and whether that is all."""
    frames: list[bytes] = []
    last = None
    for change in changes:
        if room <= 0 and change.id != last:
            return frames, False
        frames.append(notification_frame(REPLAYED, replayed(of, change, correlation_id)))
        room -= len(frames[-1])
        last = change.id
    return frames, True


def refused(body: Body, wanted: Wanted, error: ChatError) -> bytes:
    told: dict[str, object] = {"status": error.status, "code": error.code, "message": error.message}
    return frame_of(body, "subscription_failed", wanted, {"error": told})


def frame_of(body: Body, event_type: str, wanted: Wanted, told: dict[str, object] | None = None) -> bytes:
    """What is said of a subscription itself."""
    return notification_frame(
        REPLAYED,
        encode(
            {
                "event_protocol_version": PROTOCOL,
                "correlation_id": body.correlation_id,
                "event_type": event_type,
                "event": {"object_sid": wanted.object_sid, "object_type": wanted.object_type, **(told or {})},
            }
        ),
    )


def routes(hub: Hub) -> list[Route]:
    return [("cds", "POST", "/v4/Subscriptions", partial(subscribe, hub))]
