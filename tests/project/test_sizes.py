"""Files and functions stay small enough to be read at once."""

from pathlib import Path

import pytest

from tests.project.source import files, functions, name_of

LONGEST_FILE = 500
LONGEST_FUNCTION = 60

# Functions that are longer, each with its reason: only pure signatures or tables belong here.
LONGER: dict[str, str] = {}


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_file_is_short(path: Path) -> None:
    """No file of the package has more lines than a reader keeps in mind."""
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_functions_are_short(path: Path) -> None:
    """No function of the package is longer than a screen, but for those that are named here."""
    long = {
        f"{name_of(path)}:{function.name}"
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= LONGEST_FUNCTION
    }

    assert long <= set(LONGER)


def test_exceptions_are_needed() -> None:
    """No exception outlives the function that it was made for."""
    known = {f"{name_of(path)}:{function.name}" for path in files() for function in functions(path)}

    assert set(LONGER) <= known
