"""The one context that every action gets, and who asks for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from hubbub.dates import now
from hubbub.events import Event
from hubbub.settings import Settings
from hubbub.storage.batch import Batch
from hubbub.storage.database import Database, Transaction
from hubbub.storage.files import Files
from hubbub.vault import Vault

if TYPE_CHECKING:
    from hubbub.resources.channels.model import Place
    from hubbub.resources.messages.model import Draft, Message
    from hubbub.resources.mutations.model import Mutation
    from hubbub.resources.services.model import Service

SYSTEM = "system"

Changes = dict[str, Any]


class Caller(msgspec.Struct, frozen=True):
    """Who asks: a back end with its account's credentials, or an end user of one service.

    A back end may do everything in its account and fires no pre-event webhook; an end user is bound by roles.
    """

    account: int
    account_sid: str
    identity: str | None = None
    service_sid: str | None = None  # the end user's service: no other one exists for it

    @property
    def author(self) -> str:
        """The name that stands on what the caller makes."""
        return self.identity or SYSTEM


class Emitted(msgspec.Struct, frozen=True):
    """An event with its record as it was stored, who caused it, and whether a back end asked for webhooks."""

    event: Event
    record: Any
    caller: Caller
    webhook_enabled: bool
    channel: Any = None


class Hooks(Protocol):
    """The pre-event webhooks: asked before an end user's action, outside any transaction."""

    async def before(self, event: Event, caller: Caller, place: Any, record: Any) -> Changes:
        """What the hook wants changed of the record, which is as it will be when the action goes ahead.

        `place` is the record's channel, None for a user. Raises ERRORS.CANCELLED when the hook refuses.
        """


class Outbox(Protocol):
    """What leaves after a commit: stored with it, only where somebody asked."""

    async def queue(self, tx: Transaction, emitted: list[Emitted]) -> Any:
        """Store what the events ask for; a receipt when this process has to do with it afterwards, else None."""

    def stored(self, receipt: Any) -> None:
        """The receipt's transaction is on disk."""

    def failed(self, receipt: Any) -> None:
        """The receipt's transaction has failed: perhaps it is on disk, perhaps not."""


class Typing(msgspec.Struct, array_like=True, frozen=True):
    """Somebody types in a channel, and for so many seconds others may be shown it. It is stored nowhere."""

    channel_sid: str
    identity: str
    seconds: int


class Bus(Protocol):
    """What happened, told to those who listen in this process and on other nodes that follow its topics.

    Nothing here waits, fails or says whether it arrived: on the way between nodes events may be lost, doubled or come
    in any order. The database is the truth, the bus is only speed.
    """

    def listen(self, listener: Callable[[Sequence[Emitted]], object]) -> None:
        """Hear the events of this node, as each transaction emitted them, and of others."""

    def listen_to_typing(self, listener: Callable[[Typing], object]) -> None:
        """Hear who types."""

    def listen_to_doubts(self, listener: Callable[[set[str]], object]) -> None:
        """Hear of topics whose events may have been missed until now, but are not any more."""

    def publish(self, emitted: Sequence[Emitted]) -> None:
        """Tell what a transaction emitted."""

    def publish_typing(self, typing: Typing) -> None:
        """Tell that somebody types."""

    def follow(self, topic: str) -> None:
        """From now on hear what other nodes tell of the topic (see `bus/topics.py`)."""

    def unfollow(self, topic: str) -> None:
        """Hear it no more."""

    async def run(self) -> None:
        """Keep up what the bus needs, until cancelled."""


class Chat:
    """What the actions work with. Built once, in `app`."""

    def __init__(
        self,
        database: Database,
        files: Files,
        vault: Vault,
        settings: Settings,
        hooks: Hooks,
        outbox: Outbox,
        bus: Bus,
        clock: Callable[[], int] = now,
    ) -> None:
        self.database = database
        self.files = files
        self.vault = vault
        self.settings = settings
        self.hooks = hooks
        self.outbox = outbox
        self.bus = bus
        self.clock = clock
        self.mutation: Mutation | None = None  # what an app named its change, where it did: see resources/mutations
        self.to_sweep = asyncio.Event()  # set when something was deleted whose rows or files remain
        self.drafts: Batch[Draft, Message]  # messages on their way to disk
        self.callers: dict[bytes, tuple[str, Caller]] = {}  # by Authorization header, with the secret that it fits
        self.places: dict[tuple[int, str, str], Place] = {}  # by account, service SID and channel SID
        self.services: dict[int, Service] = {}  # by key, as an access token's reader last found them

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """The only way to change anything: on disk when the block ends, and then told to those who listen."""
        receipt = None
        try:
            async with self.database.transaction() as tx:
                yield tx
                if tx.emitted:
                    receipt = await self.outbox.queue(tx, tx.emitted)
        except BaseException:
            if receipt is not None:
                self.outbox.failed(receipt)
            raise
        if tx.emitted:
            self.bus.publish(tx.emitted)
        if receipt is not None:
            self.outbox.stored(receipt)
