"""Writes the pages that follow from the code: `python -m docs.generate`, or `--check` to list the stale ones."""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from hubbub import cli
from hubbub.app import OPERATIONS
from hubbub.delivery.parameters import COMMON, PARAMETERS
from hubbub.delivery.push.model import BADGE
from hubbub.errors import all_errors
from hubbub.events import CHANNEL_WEBHOOKS, EVENTS
from hubbub.resources.permissions import PERMISSIONS, Permission
from hubbub.resources.roles.model import default_roles
from hubbub.settings import PREFIX, table
from hubbub.web.endpoint import Operation
from hubbub.web.params import Date, Parameter

FOLDER = Path(__file__).parent
NOTICE = "This page is generated from the code (`make docs`)."

KINDS = {str: "text", int: "integer", bool: "`true` or `false`", Date: "date"}


def page(title: str, *paragraphs: str) -> str:
    return "\n\n".join((f"# {title}", NOTICE, *paragraphs)) + "\n"


def as_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def errors() -> str:
    rows = [(str(kind.code), str(kind.status), kind.message, f"`{name}`") for name, kind in all_errors().items()]
    return page(
        "Errors",
        "An error's body has four keys: `code`, `message`, `more_info` and `status`. "
        "Words in braces are filled in; `{path}` is the path of the request without its version.",
        as_table(("Code", "HTTP status", "Message", "Name in the code"), rows),
    )


def webhook_rows() -> Iterable[tuple[str, ...]]:
    """Each webhook with its event, on which side of it, whether a channel webhook may name it, and what it says."""
    for event in EVENTS:
        for side, webhook in (("before", event.webhook_before), ("after", event.webhook_after)):
            if webhook is not None:
                in_channel = "yes" if webhook in CHANNEL_WEBHOOKS else ""
                said = ", ".join(f"`{name}`" for name in PARAMETERS[webhook])
                yield f"`{webhook}`", side, f"`{event.name}`", in_channel, said


def events() -> str:
    rows = [
        (
            f"`{event.name}`",
            event.webhook_before or "",
            event.webhook_after or "",
            ", ".join(kind for kind in (event.push, BADGE if event.fewer else None) if kind),
            ", ".join(event.objects),
            event.hears.value,
        )
        for event in EVENTS
    ]
    return page(
        "Events",
        "Whatever changes the chat emits one of these. They reach listeners after the commit, in the "
        "process and on other nodes; the webhooks that somebody asked for, and what is to be pushed, are stored with "
        f"the change. A push of the kind {BADGE} has nothing but the number for the app's icon, which may have become "
        "smaller. [Push notifications](../push.md) explains them.",
        as_table(
            ("Event", "Webhook before", "Webhook after", "Push", "Client objects that change", "Who hears it"), rows
        ),
        "## What each webhook says",
        f"Every request has {', '.join(f'`{name}`' for name in COMMON)} and `RetryCount`, and besides them its own "
        "parameters; `ClientIdentity` only when an end user did it. [Webhooks](../webhooks.md) explains them. A "
        "service's filters take all of these names, those of a channel webhook the ones that say so.",
        as_table(("Webhook", "When", "Event", "Channel webhook", "Parameters"), webhook_rows()),
    )


def permission_row(row: Permission) -> tuple[str, ...]:
    wider = f"`{row.wider.name}`" if row.wider else ""
    holders = ", ".join(role.friendly_name for role in default_roles(0) if f'"{row.name}"' in role.permissions)
    kinds = (row.in_service, row.in_channel, row.members_only)
    return (f"`{row.name}`", row.opens, wider, *("yes" if kind else "" for kind in kinds), holders)


REFUSALS = {
    "NOT_AUTHORIZED": "the permission is missing, or there is none for what was asked",
    "NOT_MEMBER": "only members may do this, and the user sees the channel but is not in it",
    "ROLE_UNAUTHORIZED": "the user tried to give somebody a role: no permission opens that",
    "DECLINED_AS_MEMBER": "the user has joined and so has no invite to decline",
    "NOT_FOUND": "the user may not see it: a private channel of others, another user's list of channels",
    "SERVICE_NOT_FOUND": "it is in another service than the user's token is for",
}


def permissions() -> str:
    table = all_errors()
    refusals = [(f"{table[name].status} / {table[name].code}", when) for name, when in REFUSALS.items()]
    return page(
        "Permissions",
        "They bind end users, who connect with an access token. Back ends, which call the REST API, are never "
        "checked. A user has one role in the service and, in each channel that it has joined, one role there. A "
        "permission of either is enough. Changes of roles act at once.",
        as_table(
            (
                "Permission",
                "What it opens",
                "Included in",
                "In a service role",
                "In a channel role",
                "Members only",
                "New services give it to",
            ),
            map(permission_row, PERMISSIONS),
        ),
        "## Who sees what",
        "- Every user of the service sees the service's users and its public channels.\n"
        "- A private channel is seen by its members and by those who are invited, and by the user who made it until "
        "that user has left it for the first time. For everybody else it does not exist.\n"
        "- Messages and the list of members are for members. Outside of a channel nobody reads or changes them, "
        "whatever the service role permits. What a service role permits for the channel itself, it permits in every "
        "channel that the user sees.",
        "## What needs no permission",
        "- Joining with an invite, or the private channel that one has made. Without either a private channel cannot "
        "be joined.\n"
        "- Declining one's own invite.\n"
        "- Setting one's own read horizon, and typing, as a member.\n"
        "- What a pre-event webhook changes: its answer is the back end's word.",
        "## What a refusal says",
        "A refused action stores nothing and calls no webhook.",
        as_table(("HTTP status / code", "When"), refusals),
    )


def settings() -> str:
    rows = [
        (f"`{PREFIX}{name.upper()}`", f"`--{name.replace('_', '-')}`", kind, f"`{default}`" if default != "" else "",
         sentence)
        for name, kind, default, sentence in table()
    ]  # fmt: skip
    return page(
        "Settings",
        "A setting is a flag, an environment variable, or a key of a TOML file; the first of these that is given "
        f"counts. The file is named by `--config` or `{PREFIX}CONFIG`, and its keys are the names below in lower case "
        f"without `{PREFIX}`. A name that is not listed here stops the start.",
        as_table(("Variable", "Flag", "Type", "Default", "Meaning"), rows),
    )


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [each for each in parser._actions if each.dest != "help"]  # noqa: SLF001 - argparse has no other way


def is_setting(action: argparse.Action) -> bool:
    return action.dest.startswith("setting_")


def commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Every command below the parser, in its order."""
    found = []
    for action in arguments(parser):
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                found += commands(below) or [below]
    return found


def spelling(action: argparse.Action) -> str:
    words = [", ".join(action.option_strings)] if action.option_strings else []
    if action.nargs != 0:
        words.append(str(action.metavar or action.dest.upper()))
    return " ".join(words)


def list_of(actions: Iterable[argparse.Action]) -> str:
    return "\n".join(
        f"- `{spelling(action)}`"
        + (f": {action.help}" if action.help else "")
        + (" (required)" if action.required and action.option_strings else "")
        for action in actions
    )


def command_line() -> str:
    root = cli.parser()
    found = commands(root)
    # What every command takes is listed once, at the end.
    everywhere = [
        action
        for action in arguments(found[0])
        if all(action.dest in {other.dest for other in arguments(command)} for command in found)
    ]
    common = {action.dest for action in everywhere}
    parts = []
    for command in found:
        own = [action for action in arguments(command) if action.dest not in common]
        parts.append(f"## `{command.prog}`")
        sentence = str(command.description)
        parts.append(f"{sentence[:1].upper()}{sentence[1:]}.")
        if own:
            parts.append(list_of(own))
    return page(
        "The command line",
        f"{root.description} `hubbub --version` prints the version. A command ends with 0, or with 1 when it was "
        "refused, or with 2 when a setting, an argument or the database will not do; the reason is one sentence on "
        "standard error.",
        *parts,
        "## Options of every command",
        list_of(action for action in everywhere if not is_setting(action)),
        "Every setting is an option, too ([what they mean](settings.md)):",
        "`" + "`, `".join(spelling(action) for action in everywhere if is_setting(action)) + "`",
    )


def leaves(hint: Any) -> list[Any]:
    """The plain types within an annotation."""
    if get_origin(hint) is Annotated:
        return leaves(get_args(hint)[0])
    found = [leaf for part in get_args(hint) for leaf in leaves(part)]
    return found or [hint]


def kind_of(hint: Any) -> str:
    found = leaves(hint)
    kind = next(KINDS[leaf] for leaf in found if leaf in KINDS)
    return f"{kind}, or empty for null" if NoneType in found else kind


def parameter_row(parameter: Parameter, hints: dict[str, Any], place: str) -> tuple[str, ...]:
    words = [word for word, said in (("required", parameter.required), ("repeatable", parameter.repeated)) if said]
    return (f"`{parameter.wire}`", place, kind_of(hints[parameter.name]), ", ".join(words))


def operation_lines(operation: Operation) -> list[str]:
    hints = get_type_hints(operation.handler, include_extras=True)
    contract = operation.contract
    in_form = operation.method == "POST" and not operation.raw
    rows = [parameter_row(each, hints, "form" if in_form else "query") for each in contract.by_wire.values()]
    rows += [parameter_row(each, hints, "header") for _, each in contract.headers]
    if contract.paging is not None:
        rows.append(("`PageSize`", "query", "integer", f"default {contract.paging[1]}"))
        rows += [("`Page`", "query", "integer", ""), ("`PageToken`", "query", "text", "")]
    lines = [
        f"### `{operation.method} {operation.path}`",
        f"`{operation.handler.__name__}`, answers {operation.status}",
    ]
    if operation.anonymous:
        lines[-1] += ", needs no credentials"
    if operation.raw:
        lines[-1] += ", reads the body as it is"
    lines[-1] += "."
    if rows:
        lines.append(as_table(("Parameter", "In", "Type", ""), rows))
    return lines


def operations() -> str:
    lines: list[str] = []
    resource = ""
    for operation in OPERATIONS:
        name = operation.handler.__module__.split(".")[-2]
        if name != resource:
            resource = name
            lines.append(f"## {name.capitalize()}")
        lines += operation_lines(operation)
    return page(
        "Operations",
        "Paths that begin with `/v2` are Twilio's published contract; those with `/v1` are the "
        "[media service](../media.md). A form is `application/x-www-form-urlencoded`.",
        *lines,
        "## Health",
        "`GET /health/live` and `GET /health/ready` need no credentials; see [operations](../operations.md).",
    )


def pages() -> dict[str, Callable[[], str]]:
    """Each generated page and what writes it."""
    found: dict[str, Callable[[], str]] = {
        "reference/errors.md": errors,
        "reference/events.md": events,
        "reference/permissions.md": permissions,
        "reference/settings.md": settings,
        "reference/cli.md": command_line,
        "reference/operations.md": operations,
    }
    if (FOLDER / "compatibility.py").exists():
        found["compatibility.md"] = importlib.import_module("docs.compatibility").render
    return found


def stale() -> list[str]:
    """The pages whose file is not what the code says now."""
    return [
        name
        for name, render in pages().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != render()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; list the stale pages and fail")
    check = parser.parse_args().check
    found = stale()
    for name in found:
        sys.stdout.write(f"docs/{name}\n")
        if not check:
            (FOLDER / name).parent.mkdir(exist_ok=True)
            (FOLDER / name).write_text(pages()[name](), "utf-8")
    if check and found:
        sys.stderr.write("These pages are stale: run `make docs`.\n")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
