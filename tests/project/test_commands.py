"""The `hubbub` command from outside: what it prints and how it ends."""

import json
from pathlib import Path

import pytest

from docs import generate
from hubbub import __version__, cli
from hubbub.settings import table
from hubbub.storage.migrate import migrations
from tests.harness import AUTH_TOKEN, Server

COMMANDS = [command.prog.removeprefix("hubbub ").split() for command in generate.commands(cli.parser())]


@pytest.fixture
def stopped(tmp_path: Path) -> Server:
    """A server of the test's own that does not run."""
    return Server(tmp_path / "data", f"sqlite:///{tmp_path / 'hubbub.db'}")


def test_help_names_every_command(stopped: Server) -> None:
    """`hubbub --help` lists the commands and ends with 0."""
    done = stopped.run("--help")

    assert done.returncode == 0
    assert [words[0] for words in COMMANDS if f"\n    {words[0]}" not in done.stdout] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command prints its arguments and every setting when it is asked for help."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])

    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"usage: hubbub {' '.join(words)}" in printed
    assert [name for name, *_ in table() if f"--{name.replace('_', '-')}" not in printed] == []


def test_version_is_the_package_s(stopped: Server) -> None:
    """`hubbub --version` prints the version of the package."""
    done = stopped.run("--version")

    assert (done.returncode, done.stdout) == (0, f"hubbub {__version__}\n")


def test_settings_shows_what_is_in_force_without_secrets(stopped: Server) -> None:
    """`hubbub settings --json` lists every setting with its value; a secret is only shown to be there."""
    done = stopped.run("settings", "--json", "--media-link-seconds", "7")

    assert done.returncode == 0, done.stderr
    shown = {row["name"]: row["value"] for row in json.loads(done.stdout)}
    assert list(shown) == [name for name, *_ in table()]
    assert shown["port"] == stopped.port
    assert shown["media_link_seconds"] == 7
    assert AUTH_TOKEN not in done.stdout


def test_migrate_makes_the_schema_and_may_be_repeated(stopped: Server) -> None:
    """`hubbub migrate` brings a new database to the newest migration, and a second time changes nothing."""
    first = stopped.run("migrate", "--json")
    second = stopped.run("migrate", "--json")

    assert json.loads(first.stdout) == {"applied": [migration.name for migration in migrations()]}, first.stderr
    assert json.loads(second.stdout) == {"applied": []}, second.stderr


def test_check_finds_a_good_database_good(stopped: Server) -> None:
    """`hubbub check` reads the settings and the whole database and says that they are good and what is missing."""
    before = stopped.run("check", "--json")
    stopped.run("migrate")
    after = stopped.run("check", "--json")

    missing = [migration.name for migration in migrations()]
    good = {"settings": "good", "database": "good"}
    assert json.loads(before.stdout) == good | {"pending_migrations": missing}, before.stderr
    assert json.loads(after.stdout) == good | {"pending_migrations": []}, after.stderr


def test_keys_are_made_listed_and_revoked(stopped: Server) -> None:
    """An account and a key that commands made are listed without their secrets, and a revoked key is gone."""
    account = json.loads(stopped.run("accounts", "create", "--name", "One", "--json").stdout)
    key = json.loads(stopped.run("keys", "create", "--account", account["sid"], "--name", "ci", "--json").stdout)

    accounts = stopped.run("accounts", "list", "--json").stdout
    keys = stopped.run("keys", "list", "--account", account["sid"], "--json").stdout
    assert [row["sid"] for row in json.loads(accounts)] == [account["sid"]]
    assert [row["sid"] for row in json.loads(keys)] == [key["sid"]]
    assert account["auth_token"] not in accounts
    assert key["secret"] not in keys

    assert stopped.run("keys", "revoke", key["sid"]).returncode == 0
    assert json.loads(stopped.run("keys", "list", "--account", account["sid"], "--json").stdout) == []


def test_unknown_account_is_refused(stopped: Server) -> None:
    """A command on an account that is not there says so in one line and ends with 1."""
    done = stopped.run("accounts", "rotate-token", "AC" + "0" * 32)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hubbub: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["frobnicate"], ["accounts", "frobnicate"], ["serve", "--frobnicate"], []])
def test_unknown_command_ends_with_2(stopped: Server, words: list[str]) -> None:
    """What the command does not know ends with 2 and the usage on standard error."""
    done = stopped.run(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: hubbub" in done.stderr
