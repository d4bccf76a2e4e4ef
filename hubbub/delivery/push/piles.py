"""The notices that a process holds in memory."""

from collections import deque

from hubbub.delivery.push.model import Notice

MOST_NOTICES = 5_000  # the others are found in the table
MOST_OF_SERVICE = 500
TURN = 20


class Piles:
    """Notices that wait in memory. Services take turns, so that one with many holds up no other."""

    def __init__(self) -> None:
        self._of_service: dict[int, deque[Notice]] = {}  # the one whose turn it is first
        self._count = 0

    def room(self, service: int) -> int:
        """How many more of the service may come."""
        return min(MOST_OF_SERVICE - len(self._of_service.get(service, ())), MOST_NOTICES - self._count)

    def add(self, notices: list[Notice]) -> None:
        for notice in notices:
            self._of_service.setdefault(notice.service, deque()).append(notice)
        self._count += len(notices)

    def next(self) -> list[Notice]:
        """The first few of the service whose turn it is; empty when there are none at all."""
        for service in self._of_service:
            pile = self._of_service.pop(service)
            taken = [pile.popleft() for _ in range(min(TURN, len(pile)))]
            if pile:
                self._of_service[service] = pile
            self._count -= len(taken)
            return taken
        return []

    def put_back(self, notices: list[Notice]) -> None:
        """They were taken together, and are first again when it is their service's turn."""
        for notice in reversed(notices):
            self._of_service.setdefault(notice.service, deque()).appendleft(notice)
        self._count += len(notices)

    def all(self) -> list[Notice]:
        return [notice for pile in self._of_service.values() for notice in pile]
