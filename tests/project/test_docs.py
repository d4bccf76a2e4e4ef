"""The documentation says what the code does: generated pages are current, nothing is missing, no link is dead."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from docs import generate
from hubbub import cli
from hubbub.app import OPERATIONS
from hubbub.errors import ERRORS, all_errors
from hubbub.events import EVENTS
from hubbub.resources.permissions import PERMISSIONS
from hubbub.settings import PREFIX, table
from tests.project.source import ROOT

REFERENCE = ROOT / "docs" / "reference"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def written() -> list[Path]:
    """Every page that people read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """The names of the page's headings in a link."""
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page))]
    return {heading.strip().replace(" ", "-") for heading in kept}


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


@pytest.mark.parametrize(("name", "render"), generate.pages().items(), ids=generate.pages())
def test_generated_page_is_current(name: str, render: Callable[[], str]) -> None:
    """A generated page is what the code says now; `make docs` writes it anew."""
    assert (ROOT / "docs" / name).read_text("utf-8") == render()


def test_every_error_is_documented() -> None:
    """The page of errors has the code, the status and the text of each row of the table."""
    page = (REFERENCE / "errors.md").read_text("utf-8")

    assert [
        name
        for name, kind in all_errors().items()
        if f"| {kind.code} | {kind.status} | {kind.message} | `{name}` |" not in page
    ] == []


def test_every_event_is_documented() -> None:
    """The page of events names each event and its webhooks."""
    page = (REFERENCE / "events.md").read_text("utf-8")

    names = [
        name
        for event in EVENTS
        for name in (f"`{event.name}`", event.webhook_before, event.webhook_after, event.push)
        if name is not None
    ]
    assert [name for name in names if name not in page] == []


def test_every_permission_is_documented() -> None:
    """The page of permissions has each row of the table, and each error that end users alone are told."""
    page = (REFERENCE / "permissions.md").read_text("utf-8")

    assert [row.name for row in PERMISSIONS if f"| `{row.name}` | {row.opens} |" not in page] == []
    told = (ERRORS.NOT_AUTHORIZED, ERRORS.NOT_MEMBER, ERRORS.ROLE_UNAUTHORIZED, ERRORS.DECLINED_AS_MEMBER)
    assert [kind for kind in told if f"{kind.status} / {kind.code}" not in page] == []


def test_every_setting_is_documented() -> None:
    """The page of settings has each variable with its sentence."""
    page = (REFERENCE / "settings.md").read_text("utf-8")

    assert [name for name, _, _, help_ in table() if f"`{PREFIX}{name.upper()}`" not in page or help_ not in page] == []


def test_every_command_is_documented() -> None:
    """The page of the command line has a heading for each command and names each of its arguments."""
    page = (REFERENCE / "cli.md").read_text("utf-8")

    found = generate.commands(cli.parser())
    assert found
    for command in found:
        assert f"## `{command.prog}`" in page
        for action in generate.arguments(command):
            assert generate.spelling(action) in page


def test_every_operation_is_documented() -> None:
    """The page of operations has each method and path with each of its parameters."""
    page = (REFERENCE / "operations.md").read_text("utf-8")

    for operation in OPERATIONS:
        _, _, after = page.partition(f"### `{operation.method} {operation.path}`\n")
        section = after.partition("\n### ")[0]
        assert f"`{operation.handler.__name__}`" in section
        assert [name for name in operation.parameters if f"`{name}`" not in section] == []


@pytest.mark.parametrize("page", written(), ids=lambda page: str(page.relative_to(ROOT)))
def test_internal_links_resolve(page: Path) -> None:
    """A link within the project leads to a file that is there, and to a heading that is in it."""
    dead = []
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)

    assert dead == []


def test_every_page_is_reachable_from_the_readme() -> None:
    """Who begins at the README finds each page of the documentation by following links."""
    readme = ROOT / "README.md"
    found = {readme}
    waiting = [readme]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall(prose(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_file() and target not in found:
                found.add(target)
                waiting.append(target)

    assert [str(page.relative_to(ROOT)) for page in written() if page.resolve() not in found] == []
