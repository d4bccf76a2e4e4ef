"""Finds the endpoint of a path, part by part, on the path as it was sent: an encoded slash stays within its part.

A look-up costs the same for every path, where a list of patterns costs the more the longer it is.
"""

from collections.abc import Iterable
from typing import Any

from hubbub.web.names import python_name


class Router:
    """Endpoints by path; a part in braces stands for any value but an empty one."""

    def __init__(self, endpoints: Iterable[tuple[str, Any]]) -> None:
        self._root = Node()
        for path, endpoint in endpoints:
            node = self._root
            names = []
            for part in path[1:].split("/"):
                if part.startswith("{"):
                    names.append(python_name(part[1:-1]))
                    node.value = node = node.value or Node()
                else:
                    node = node.parts.setdefault(part, Node())
            node.endpoint = endpoint
            node.names = names

    def find(self, path: str) -> tuple[Any, dict[str, str]] | None:
        """The endpoint and the values of its path, still encoded; None where there is no such path."""
        node = self._root
        values = []
        for part in path[1:].split("/"):
            following = node.parts.get(part)
            if following is None:
                following = node.value
                if following is None or not part:
                    return None
                values.append(part)
            node = following
        return (node.endpoint, dict(zip(node.names, values, strict=True))) if node.endpoint else None


class Node:
    """What may come after the parts so far: fixed parts, any value, or the end."""

    __slots__ = ("endpoint", "names", "parts", "value")

    def __init__(self) -> None:
        self.parts: dict[str, Node] = {}
        self.value: Node | None = None
        self.endpoint: Any = None
        self.names: list[str] = []
