"""The bus of a single process."""

from collections.abc import Callable, Sequence
from typing import Any

Listener = Callable[[Sequence[Any]], None]


class MemoryBus:
    """Hands what a transaction emitted to every listener, in the order of the commits."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def publish(self, emitted: Sequence[Any]) -> None:
        for listener in self._listeners:
            listener(emitted)
