"""The layout of a resource: the same files in every folder."""

from pathlib import Path

import pytest

from tests.project.source import RESOURCES

FILES = {"__init__.py", "model.py", "sql.py", "actions.py", "routes.py"}
WITHOUT_ROUTES = {"accounts", "mutations", "tokens"}  # nothing that the contract has operations for
MORE = {"credentials": {"keys.py"}}  # what stands in certificates and service accounts is a subject of its own
# checks.py: the rules that several resources share; permissions.py: what end users may do
BESIDE = {"__init__.py", "checks.py", "permissions.py"}


def folders() -> list[Path]:
    return sorted(path for path in RESOURCES.iterdir() if path.is_dir() and path.name != "__pycache__")


def test_resources_are_the_nouns_of_the_chat() -> None:
    """There is one folder for each noun, and nothing else beside what all of them share."""
    assert [folder.name for folder in folders()] == [
        "accounts",
        "bindings",
        "channels",
        "credentials",
        "invites",
        "media",
        "members",
        "messages",
        "mutations",
        "roles",
        "services",
        "tokens",
        "users",
        "webhooks",
    ]
    assert {path.name for path in RESOURCES.iterdir() if path.is_file()} == BESIDE


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: str(folder.name))
def test_resource_has_the_same_files_as_every_other(folder: Path) -> None:
    """A resource is its model, its SQL, its actions and its routes."""
    expected = FILES - {"routes.py"} if folder.name in WITHOUT_ROUTES else FILES

    found = {path.name for path in folder.iterdir() if path.name != "__pycache__"}

    assert found == expected | MORE.get(folder.name, set())
