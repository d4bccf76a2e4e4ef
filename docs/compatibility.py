"""The page that says how much of Twilio's contract works here, and what proves it.

Nothing in the table is claimed: each column is a constant that a test asserts.
"""

import inspect
from collections.abc import Callable, Collection
from pathlib import Path

from tests.conftest import ENGINES
from tests.contract import published, test_published_spec, test_schemathesis, test_twilio_sdk
from tests.properties import test_concurrency, test_model, test_names, test_paging

DIFFERENCES = Path(__file__).with_name("differences.md")

WALK = test_published_spec.test_every_operation_answers_as_published
LIBRARY = test_twilio_sdk.test_library_drives_every_operation
ATTACK = test_schemathesis.test_answers_stay_within_the_contract
LIFE = test_model.test_random_life_matches_the_model

PROPERTIES = (test_concurrency, test_model, test_names, test_paging)
PROPERTIES_PROVE = frozenset[str]().union(*(module.PROVED for module in PROPERTIES))

YES, NO = "yes", "no"


def sentence(test: Callable[..., object]) -> str:
    """What a test promises, in its own words."""
    return " ".join((inspect.getdoc(test) or "").split())


def runs_on_each_engine(test: Callable[..., object]) -> bool:
    """Whether the test asks for the fixture that runs it once for each engine."""
    return bool({"engine", "server", "client"} & set(inspect.signature(test).parameters))


def proofs(operation: published.Operation) -> tuple[str, ...]:
    """The table's cells for what the tests assert of the operation."""

    def cell(proved: Collection[str]) -> str:
        return YES if operation.id in proved else NO

    walked = [
        proved
        for test, proved in (
            (WALK, test_published_spec.ANSWERED),
            (LIBRARY, test_twilio_sdk.SUCCEEDED),
            (LIFE, PROPERTIES_PROVE),
        )
        if runs_on_each_engine(test)
    ]
    return (
        cell(test_published_spec.ANSWERED),
        cell(test_twilio_sdk.SUCCEEDED),
        cell(test_schemathesis.ATTACKED),
        cell(PROPERTIES_PROVE),
        cell(frozenset[str]().union(*walked)),
    )


def render() -> str:
    """The whole page."""
    engines = " and ".join({"sqlite": "SQLite", "postgres": "PostgreSQL"}[engine] for engine in ENGINES)
    columns = ("Contract", "Official library", "Schemathesis", "Properties", engines)
    operations = published.OPERATIONS.values()
    proved = {operation.id: proofs(operation) for operation in operations}
    whole = sum(NO not in (cells[0], cells[-1]) for cells in proved.values())
    lines = [
        "# Compatibility",
        "",
        "This page is generated from the tests (`make docs`).",
        f"Twilio's published contract has {len(proved)} operations.",
        f"For {whole} of them the tests see a success, in the published form, on {engines}.",
        "",
        f"- **{columns[0]}**: {sentence(WALK)}",
        f"- **{columns[1]}**: {sentence(LIBRARY)}",
        f"- **{columns[2]}**: {sentence(ATTACK)}",
        f"- **{columns[3]}**: random input, random order and concurrency. {sentence(LIFE)}",
        f"- **{columns[4]}**: at least one of these runs on each of the two.",
        "",
        "| " + " | ".join(("Operation", "Method", "Path", *columns)) + " |",
        "|" + " --- |" * (len(columns) + 3),
    ]
    lines += [
        "| " + " | ".join((each.id, each.method, f"`{each.path}`", *proved[each.id])) + " |" for each in operations
    ]
    return "\n".join(lines) + "\n\n" + DIFFERENCES.read_text("utf-8")
