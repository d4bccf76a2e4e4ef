"""The bus of a single process."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubbub.chat import Emitted, Typing


class MemoryBus:
    """Hands what a transaction emitted to every listener, in the order of the commits."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[Emitted]], object]] = []
        self._typing_listeners: list[Callable[[Typing], object]] = []

    def listen(self, listener: "Callable[[Sequence[Emitted]], object]") -> None:
        self._listeners.append(listener)

    def listen_to_typing(self, listener: "Callable[[Typing], object]") -> None:
        self._typing_listeners.append(listener)

    def listen_to_doubts(self, listener: Callable[[set[str]], object]) -> None:
        """Within a process nothing is lost on the way."""

    def publish(self, emitted: "Sequence[Emitted]") -> None:
        for listener in self._listeners:
            listener(emitted)

    def publish_typing(self, typing: "Typing") -> None:
        for listener in self._typing_listeners:
            listener(typing)

    def follow(self, topic: str) -> None:
        """Everything is heard anyway."""

    def unfollow(self, topic: str) -> None:
        """Likewise."""

    async def run(self) -> None:
        """There is nothing to keep up."""
