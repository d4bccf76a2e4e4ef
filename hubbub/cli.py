"""The `hubbub` command."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import uvloop

from hubbub import __version__
from hubbub.app import open_chat, open_database
from hubbub.chat import Chat
from hubbub.delivery import commands as deliveries
from hubbub.delivery.push.trace import commands as pushes
from hubbub.errors import ChatError
from hubbub.resources.accounts import actions, sql
from hubbub.resources.accounts.model import account_wire, key_wire
from hubbub.resources.tokens import actions as tokens
from hubbub.serve import serve
from hubbub.settings import BadSettings, Settings, load, table
from hubbub.storage.database import BadDatabase, Contention, Database
from hubbub.storage.migrate import migrate, pending

FILTERS = {
    "--service": "only those of the service, IS…",
    "--event": "only those of the event, such as onMessageSent",
    "--state": "only those that are waiting, retrying, delivered, refused or dead",
    "--older": "only those whose event is older: 90s, 15m, 6h, 2d",
    "--newer": "only those whose event is newer",
}

PUSH_FILTERS = {
    "--user": "only those for the user, by identity or US…",
    "--channel": "only those of what happened in the channel, CH…",
    "--message": "only those of the message, IM…",
    "--service": "only those of the service, IS…",
    "--state": "only those that are waiting, retrying, delivered, refused, dead or left_out",
    "--older": "only those that are older: 90s, 15m, 6h, 2d",
    "--newer": "only those that are newer",
}

Command = Callable[[Chat, argparse.Namespace], Awaitable[Any]]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code. What went wrong is one sentence on standard error."""
    parsed = parser().parse_args(arguments)
    try:
        settings = load(flags(parsed))
        return int(parsed.run(settings, parsed) or 0)
    except (BadSettings, BadDatabase) as error:
        print(f"hubbub: {error}", file=sys.stderr)
        return 2
    except Contention:
        print("hubbub: Something else is changing the database at this moment: try again.", file=sys.stderr)
        return 1
    except ChatError as error:
        print(f"hubbub: {error.message.format(path=' '.join(sys.argv[1:]))}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="hubbub", description="A self-hosted chat server.")
    root.add_argument("--version", action="version", version=f"hubbub {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    add(commands, "serve", "run the server", run_server)
    add(commands, "migrate", "bring the database to this version's schema", on_database(run_migrations))
    add(commands, "check", "check the settings and the whole database", on_database(run_checks))
    add(commands, "settings", "list every setting with its value in force", run_settings)

    accounts = group(commands, "accounts", "make and list accounts, rotate their tokens")
    add(accounts, "create", "make an account", on_chat(create_account), ("--name", "whose it is"))
    add(accounts, "list", "list the accounts", on_chat(list_accounts))
    add(accounts, "rotate-token", "replace an account's token", on_chat(rotate_token), ("sid", "the account, AC…"))

    keys = group(commands, "keys", "make, list and revoke API keys, rotate their secrets")
    create = add(keys, "create", "make an API key", on_chat(create_key), ("--account", "its owner, AC…"))
    create.add_argument("--name", help="what the key is for")
    add(keys, "list", "list an account's keys", on_chat(list_keys), ("--account", "the owner, AC…"))
    add(keys, "revoke", "revoke a key", on_chat(revoke_key), ("sid", "the key, SK…"))
    add(keys, "rotate-secret", "replace a key's secret", on_chat(rotate_secret), ("sid", "the key, SK…"))
    add_tokens(commands)
    add_deliveries(commands)
    add_pushes(commands)
    return root


def add_tokens(commands: Any) -> None:
    group_ = group(commands, "tokens", "make access tokens, with which apps connect")
    create = add(
        group_,
        "create",
        "make an access token, for trying things out: a back end makes its own",
        on_chat(create_token),
        ("--identity", "the user that connects with it"),
        ("--service", "the service that it is for, IS…"),
    )
    create.add_argument("--key", help=f"the key that signs it, SK…; without it the account's key '{tokens.OWN_KEY}'")
    create.add_argument("--ttl", type=int, default=3600, help="seconds that it is good for, 86400 at most (3600)")
    create.add_argument("--role", help="the role that a new user gets, RL…")


def add_deliveries(commands: Any) -> None:
    webhooks = group(commands, "webhooks", "the secrets that webhooks are signed with")
    add(webhooks, "secret", "show a service's secret", on_chat(deliveries.show_secret), ("sid", "the service, IS…"))
    add(webhooks, "rotate-secret", "make a new one", on_chat(deliveries.rotate_secret), ("sid", "the service, IS…"))

    group_ = group(commands, "deliveries", "see, replay and drop webhooks after the fact")
    listing = add(group_, "list", "list deliveries, the newest first", on_chat(deliveries.list_deliveries))
    listing.add_argument("--limit", type=int, default=100, help="how many (100)")
    add(group_, "show", "show all of a delivery", on_chat(deliveries.show_delivery), ("sid", "the delivery, DL…"))
    replay = add(
        group_,
        "replay",
        "send deliveries once more, where their hooks point now; without a name or state those refused and dead",
        on_chat(deliveries.replay_deliveries),
    )
    drop = add(group_, "drop", "remove deliveries for good", on_chat(deliveries.drop_deliveries))
    drop.add_argument("--all", action="store_true", help="whatever their service, event, state and age")
    for command in (replay, drop):
        command.add_argument("sids", nargs="*", help="deliveries, DL…")
    for command in (listing, replay, drop):
        for option, meaning in FILTERS.items():
            command.add_argument(option, help=meaning)


def add_pushes(commands: Any) -> None:
    group_ = group(commands, "push", "see what became of push notifications")
    listing = add(
        group_,
        "list",
        "list pushes, the newest first; when there are none, say what may be the reason",
        on_chat(list_pushes),
    )
    listing.add_argument("--limit", type=int, default=100, help="how many (100)")
    for option, meaning in PUSH_FILTERS.items():
        listing.add_argument(option, help=meaning)
    add(group_, "show", "show all of a push", on_chat(pushes.show_push), ("sid", "the push, RU…"))
    add(
        group_,
        "credentials",
        "list the credentials of all accounts: what their keys are, whether they work, how many pushes wait",
        on_chat(pushes.list_credentials),
    )


def group(commands: Any, name: str, help_: str) -> Any:
    return commands.add_parser(name, help=help_, description=help_).add_subparsers(required=True, metavar="COMMAND")


def add(commands: Any, name: str, help_: str, run: Any, *required: tuple[str, str]) -> argparse.ArgumentParser:
    """A command with a flag for every setting, and its own required arguments with what they mean."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    for argument, meaning in required:
        if argument.startswith("-"):
            command.add_argument(argument, required=True, help=meaning)
        else:
            command.add_argument(argument, help=meaning)
    command.add_argument("--json", action="store_true", help="print JSON")
    options = command.add_argument_group("settings")
    options.add_argument("--config", dest="setting_config", metavar="FILE", help="TOML file with settings")
    for setting, kind, _, sentence in table():
        flag = f"--{setting.replace('_', '-')}"
        options.add_argument(flag, dest=f"setting_{setting}", metavar=kind.upper(), help=sentence)
    command.set_defaults(run=run)
    return command


def flags(parsed: argparse.Namespace) -> dict[str, str]:
    given = {name: value for name, value in vars(parsed).items() if name.startswith("setting_") and value is not None}
    return {name.removeprefix("setting_"): value for name, value in given.items()}


def run_server(settings: Settings, _: argparse.Namespace) -> None:
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.root.level))
    uvloop.run(serve(settings))


def run_settings(settings: Settings, parsed: argparse.Namespace) -> None:
    show([{"name": name, "value": shown(settings, name), "help": help_} for name, _, _, help_ in table()], parsed)


def shown(settings: Settings, name: str) -> Any:
    """A setting's value without its secret."""
    value = getattr(settings, name)
    if name in {"auth_token", "encryption_key"}:
        return "***" if value else ""
    if name == "bus" and "@" in value:
        return f"{value.partition('://')[0]}://***@{value.rpartition('@')[2]}"
    if name == "database" and (password := urlsplit(value).password):
        return value.replace(f":{password}@", ":***@", 1)
    return value


def on_database(command: Callable[[Database], Awaitable[Any]]) -> Callable[[Settings, argparse.Namespace], None]:
    """A command on the database as it is, whatever its schema."""

    def run(settings: Settings, parsed: argparse.Namespace) -> None:
        async def inside() -> None:
            database = await open_database(settings, exclusive=False)
            try:
                show(await command(database), parsed)
            finally:
                await database.close()

        asyncio.run(inside())

    return run


def on_chat(command: Command) -> Callable[[Settings, argparse.Namespace], None]:
    """A command on the chat's database, beside a running server or without one."""

    def run(settings: Settings, parsed: argparse.Namespace) -> None:
        async def inside() -> None:
            async with open_chat(settings) as chat:
                show(await command(chat, parsed), parsed)

        asyncio.run(inside())

    return run


def show(result: Any, parsed: argparse.Namespace) -> None:
    """JSON when asked for, else a line per item."""
    if parsed.json:
        print(json.dumps(result, indent=2))
        return
    for item in result if isinstance(result, list) else [result]:
        print("  ".join(f"{value}" if isinstance(result, list) else f"{name}: {value}" for name, value in item.items()))


async def run_migrations(database: Database) -> dict[str, object]:
    return {"applied": await migrate(database)}


async def run_checks(database: Database) -> dict[str, object]:
    faults = await database.check()
    if faults:
        raise BadDatabase("The database is damaged, restore it from a backup: " + "; ".join(faults))
    return {"settings": "good", "database": "good", "pending_migrations": await pending(database)}


async def create_account(chat: Chat, parsed: argparse.Namespace) -> dict[str, object]:
    created = await actions.create_account(chat, parsed.name)
    assert created is not None
    return {"sid": created[0], "auth_token": created[1]}


async def list_accounts(chat: Chat, _: argparse.Namespace) -> list[dict[str, object]]:
    return [account_wire(account) for account in await sql.list_accounts(chat.database)]


async def rotate_token(chat: Chat, parsed: argparse.Namespace) -> dict[str, object]:
    return {"sid": parsed.sid, "auth_token": await actions.rotate_token(chat, parsed.sid)}


async def create_key(chat: Chat, parsed: argparse.Namespace) -> dict[str, object]:
    sid, secret = await actions.create_key(chat, parsed.account, parsed.name)
    return {"sid": sid, "secret": secret}


async def rotate_secret(chat: Chat, parsed: argparse.Namespace) -> dict[str, object]:
    return {"sid": parsed.sid, "secret": await actions.rotate_secret(chat, parsed.sid)}


async def create_token(chat: Chat, parsed: argparse.Namespace) -> dict[str, object]:
    token = await tokens.create_token(chat, parsed.service, parsed.identity, parsed.key, parsed.ttl, parsed.role)
    return {"token": token}


async def list_keys(chat: Chat, parsed: argparse.Namespace) -> list[dict[str, object]]:
    account = await actions.access_account(chat, parsed.account)
    return [key_wire(key) for key in await sql.list_keys(chat.database, account.key)]


async def revoke_key(chat: Chat, parsed: argparse.Namespace) -> dict[str, object]:
    await actions.revoke_key(chat, parsed.sid)
    return {"sid": parsed.sid, "revoked": True}


async def list_pushes(chat: Chat, parsed: argparse.Namespace) -> list[dict[str, object]]:
    """What is found; when it is nothing, what may be the reason, on standard error."""
    found = await pushes.list_pushes(chat, parsed)
    for sentence in [] if found else await pushes.why_none(chat, parsed):
        print(f"hubbub: {sentence}", file=sys.stderr)
    return found
