"""SQL has an address: files named sql.py, and the storage package."""

import ast
import re
from pathlib import Path

import pytest

from tests.project.source import PACKAGE, files, name_of, tree_of

STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH)\s+\S")


def may_hold_sql(path: Path) -> bool:
    return path.name == "sql.py" or path.is_relative_to(PACKAGE / "storage")


def statements(path: Path) -> list[str]:
    """The string constants of the file that begin a statement."""
    return [
        node.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    ]


@pytest.mark.parametrize("path", [path for path in files() if not may_hold_sql(path)], ids=name_of)
def test_file_holds_no_sql(path: Path) -> None:
    """Outside sql.py and storage no string begins as a statement."""
    assert statements(path) == []


def test_search_finds_sql_where_it_is() -> None:
    """The search finds a statement in every sql.py: it could find one elsewhere, too."""
    addresses = [path for path in files() if path.name == "sql.py"]

    assert addresses
    assert [name_of(path) for path in addresses if not statements(path)] == []
