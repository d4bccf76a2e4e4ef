"""Who may import whom: the design's arrows, held against the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.source import PACKAGE, files, name_of, tree_of

LEAVES = {"errors", "events", "sids", "dates"}
RESOURCE = {"chat", "storage", "resources", "settings", "vault", *LEAVES}

# A part of the package, and the parts that it may import beside itself.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "events": set(),
    "sids": set(),
    "dates": set(),
    "settings": {"sids"},
    "vault": {"settings"},
    "bus": {"chat", "resources", *LEAVES},
    "storage": {"errors", "dates"},
    "chat": {"storage", "settings", "vault", *LEAVES},
    "web": {"chat", "storage", *LEAVES},
    "resources": RESOURCE,
    "resources/routes": {"web", *RESOURCE},
    "metrics": set(),
    "purge": {"chat", "delivery", "resources", "storage", *LEAVES},
    "realtime": {"bus", "chat", "storage", "resources", "settings", "vault", "web", *LEAVES},
    "delivery": {"__init__", "chat", "storage", "resources", "settings", "vault", "metrics", *LEAVES},
    "sweep": {"chat", "storage", "resources", *LEAVES},
    "app": {
        "bus",
        "chat",
        "delivery",
        "metrics",
        "purge",
        "realtime",
        "settings",
        "vault",
        "storage",
        "resources",
        "sweep",
        "web",
        *LEAVES,
    },
    "serve": {"app", "chat", "realtime", "settings", "resources", "web"},
    "cli": {"__init__", "app", "chat", "delivery", "serve", "settings", "storage", "resources", *LEAVES},
}


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to; a resource's routes are a part of their own."""
    inside = path.relative_to(PACKAGE)
    if len(inside.parts) == 1:
        return inside.stem
    if inside.parts[0] == "resources" and inside.name == "routes.py":
        return "resources/routes"
    return inside.parts[0]


def imported(node: ast.AST) -> Iterator[str]:
    """The parts of the package that an import names."""
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        module = node.module or ""
        dotted = [f"{module}.{alias.name}" for alias in node.names] if module == "hubbub" else [module]
    else:
        return
    for name in dotted:
        if name.split(".")[0] == "hubbub":
            part = name.split(".")[1] if "." in name else "__init__"
            yield "__init__" if part.startswith("__") else part


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: what stands under `if TYPE_CHECKING` is for the type checker alone."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from run_time_nodes(child)


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_file_imports_only_what_its_part_may(path: Path) -> None:
    """A file imports no part of the package that its own part may not know."""
    part = part_of(path)

    found = {name for node in run_time_nodes(tree_of(path)) for name in imported(node)}

    own = part.split("/")[0]
    assert found - MAY_IMPORT[part] - {own} == set()


def test_every_part_has_its_rule() -> None:
    """No part of the package is without a rule, and no rule outlives its part."""
    assert {part_of(path) for path in files()} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", [path for path in files() if part_of(path).startswith("resources")], ids=name_of)
def test_resources_know_engines_by_their_protocol_only(path: Path) -> None:
    """No resource names a database engine or its driver."""
    names = {
        name
        for node in ast.walk(tree_of(path))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert not names & {"apsw", "asyncpg", "sqlite3", "hubbub.storage.sqlite", "hubbub.storage.postgres"}
