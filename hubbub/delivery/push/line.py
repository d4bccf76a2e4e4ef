"""What a process holds in memory for one credential: the pushes that wait, and how its push service is doing."""

import asyncio
from collections import deque

from hubbub.delivery.push.model import Parcel
from hubbub.delivery.push.verdict import PushService
from hubbub.resources.credentials.model import Credential

ROOM = 500  # under way at a time; what the push service does not take at once waits in its connection
DEPTH = 2_500
FIRST_REST = 1_000  # ms
LONGEST_REST = 60_000
FIRST_STOP = 60_000
LONGEST_STOP = 3_600_000
MOST_DOUBLINGS = 12


class Line:
    """One for each credential that is in use. What fails with one holds up no other."""

    def __init__(self, credential: Credential, service: PushService) -> None:
        self.credential = credential
        self.service = service
        self.queue: deque[Parcel] = deque()
        self.flying: set[str] = set()  # SIDs of pushes
        self.freed = asyncio.Event()
        self.is_pumping = False
        self.behind = False  # more of it waits in the table
        self.used = 0
        self.rests_until = 0
        self._rests = 0
        self._stops = 0

    def renew(self, credential: Credential, service: PushService) -> None:
        """The credential was changed: as if nothing had failed with it."""
        self.credential, self.service = credential, service
        self.rests_until = self._rests = self._stops = 0

    @property
    def held(self) -> int:
        return len(self.queue) + len(self.flying)

    @property
    def is_stopped(self) -> bool:
        """Whether its push service takes nothing with the credential."""
        return self.credential.push_error is not None

    def rest(self, moment: int, asked: int) -> None:
        """Send nothing for as long as the push service asks, or, when it cannot be reached, longer each time."""
        if asked:
            self.rests_until = max(self.rests_until, moment + asked)
        elif moment >= self.rests_until:
            self.rests_until = moment + min(FIRST_REST << min(self._rests, MOST_DOUBLINGS), LONGEST_REST)
            self._rests += 1

    def reached(self) -> None:
        """The push service has taken a push."""
        self._rests = 0

    def stop(self, reason: str, moment: int) -> None:
        """The push service takes nothing with the credential; longer each time until it is asked again."""
        self.credential.push_error = reason
        self.credential.push_due = moment + min(FIRST_STOP << min(self._stops, MOST_DOUBLINGS), LONGEST_STOP)
        self._stops += 1

    def restart(self) -> None:
        """It has taken a push."""
        self.credential.push_error, self.credential.push_due = None, 0
        self._stops = 0
        self.behind = True
