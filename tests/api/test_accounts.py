"""Accounts and API keys: made by command beside the running server, and each blind to what is another's."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.more_steps import command, create_account
from tests.api.steps import (
    CREDENTIALS,
    DATE,
    NOBODY,
    SERVICES,
    Json,
    at,
    create_channel,
    create_member,
    create_message,
    create_service,
    create_user,
    created,
    fetch,
    not_found,
    ok,
    refused,
    rows,
    sid,
)
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, unique


@pytest.fixture(scope="module")
def account(server: Server) -> Json:
    """A second account."""
    return create_account(server)


@pytest.fixture(scope="module")
def neighbour(server: Server, account: Json) -> Iterator[httpx.Client]:
    """A client of the second account."""
    with server.client(account["sid"], account["auth_token"]) as opened:
        yield opened


def create_key(server: Server, account_sid: str, *more: str) -> Json:
    key: Json = command(server, "keys", "create", "--account", account_sid, *more)
    return key


def answers(server: Server, username: str, password: str) -> int:
    """The status of a request with the credentials."""
    return httpx.get(f"{server.url}{SERVICES}", auth=(username, password)).status_code


def failed(server: Server, *arguments: str) -> str:
    """What a command that fails says: one line on standard error, and nothing else."""
    done = server.run(*arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    return line


def test_new_account_works_at_once(server: Server) -> None:
    """The running server knows it without a restart, and its list is empty."""
    made = command(server, "accounts", "create", "--name", "N")

    assert made == {"sid": sid("AC"), "auth_token": made["auth_token"]}
    assert len(made["auth_token"]) >= 32
    with server.client(made["sid"], made["auth_token"]) as client:
        assert ok(client.get(SERVICES))["services"] == []
        assert create_service(client)["account_sid"] == made["sid"]


def test_accounts_are_listed_without_their_tokens(server: Server) -> None:
    """The list shows the names, the first account among them."""
    name = unique("account")
    made = command(server, "accounts", "create", "--name", name)

    listed = command(server, "accounts", "list")

    shown = {"sid": made["sid"], "friendly_name": name, "date_created": DATE, "date_updated": DATE}
    assert shown in listed
    assert ACCOUNT_SID in [account["sid"] for account in listed]
    assert made["auth_token"] not in str(listed)


def test_rotated_token_replaces_the_old_one_at_once(server: Server) -> None:
    """The running server honours the new token and no longer the old one, also where it has just seen it."""
    account = create_account(server)
    assert answers(server, account["sid"], account["auth_token"]) == 200

    rotated = command(server, "accounts", "rotate-token", account["sid"])

    assert rotated == {"sid": account["sid"], "auth_token": rotated["auth_token"]}
    assert rotated["auth_token"] != account["auth_token"]
    assert answers(server, account["sid"], account["auth_token"]) == 401
    assert answers(server, account["sid"], rotated["auth_token"]) == 200


def test_key_opens_its_account_until_it_is_revoked(server: Server, account: Json) -> None:
    """A key works at once and stops at once; the token and the other keys go on."""
    key, other = create_key(server, account["sid"]), create_key(server, account["sid"])
    assert key == {"sid": sid("SK"), "secret": key["secret"]}
    assert answers(server, key["sid"], key["secret"]) == 200

    command(server, "keys", "revoke", key["sid"])

    assert answers(server, key["sid"], key["secret"]) == 401
    assert answers(server, other["sid"], other["secret"]) == 200
    assert answers(server, account["sid"], account["auth_token"]) == 200


def test_key_outlives_the_token(server: Server) -> None:
    """Rotating the token touches no key."""
    account = create_account(server)
    key = create_key(server, account["sid"])

    command(server, "accounts", "rotate-token", account["sid"])

    assert answers(server, key["sid"], key["secret"]) == 200


def test_both_kinds_of_credentials_open_the_same_account(
    server: Server, account: Json, neighbour: httpx.Client
) -> None:
    """What a key makes belongs to the key's owner."""
    key = create_key(server, account["sid"])

    with server.client(key["sid"], key["secret"]) as client:
        service = create_service(client)

    assert service["account_sid"] == account["sid"]
    assert fetch(neighbour, service) == service


def test_credentials_are_not_interchangeable(server: Server, account: Json) -> None:
    """A secret opens with its own SID only."""
    key = create_key(server, account["sid"])

    assert answers(server, account["sid"], key["secret"]) == 401
    assert answers(server, key["sid"], account["auth_token"]) == 401
    assert answers(server, account["sid"], AUTH_TOKEN) == 401
    assert answers(server, ACCOUNT_SID, account["auth_token"]) == 401


def test_keys_are_listed_without_their_secrets(server: Server) -> None:
    """An account's own, with their names; a revoked one is gone."""
    account = create_account(server)
    named = create_key(server, account["sid"], "--name", "for the back end")
    revoked = create_key(server, account["sid"])
    command(server, "keys", "revoke", revoked["sid"])

    listed = command(server, "keys", "list", "--account", account["sid"])

    assert listed == [{"sid": named["sid"], "friendly_name": "for the back end", "date_created": DATE}]


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts", "rotate-token", f"AC{NOBODY}"),
        ("keys", "create", "--account", f"AC{NOBODY}"),
        ("keys", "list", "--account", f"AC{NOBODY}"),
        ("keys", "revoke", f"SK{NOBODY}"),
        ("keys", "rotate-secret", f"SK{NOBODY}"),
        ("accounts", "create", "--name", "n" * 65),
    ],
    ids=" ".join,
)
def test_command_that_cannot_be_carried_out_says_so(server: Server, arguments: tuple[str, ...]) -> None:
    """In one line, with a failing exit code."""
    assert failed(server, *arguments, "--json").startswith("hubbub: ")


def test_accounts_see_their_own_services_only(client: httpx.Client, neighbour: httpx.Client) -> None:
    """Neither in a list nor by SID."""
    mine, theirs = create_service(client), create_service(neighbour)

    listed = rows(neighbour, {"url": SERVICES}, PageSize="1000")

    assert theirs in listed
    assert mine not in listed
    for method in ("GET", "POST", "DELETE"):
        not_found(neighbour.request(method, at(mine), data={"FriendlyName": "Taken"}))
        not_found(client.request(method, at(theirs), data={"FriendlyName": "Taken"}))
    assert fetch(client, mine) == mine


def test_nothing_below_a_foreign_service_is_seen_or_changed(
    client: httpx.Client, neighbour: httpx.Client, service: Json
) -> None:
    """Every path below answers as if the service did not exist."""
    channel = create_channel(client, service, UniqueName="general")
    member = create_member(client, channel, "alice")
    message = create_message(client, channel)
    user = create_user(client, service, "bob")
    instances = [channel, member, message, user]

    for resource in instances:
        for method in ("GET", "POST", "DELETE"):
            response = neighbour.request(method, at(resource))
            refused(response, 403, 50050, "Service instance not found")
    for path in ("Channels", "Users", "Roles", "Bindings", "Channels/general/Messages", "Users/bob/Channels"):
        refused(neighbour.get(f"{at(service)}/{path}"), 403, 50050, "Service instance not found")
    refused(neighbour.post(at(service, "Users"), data={"Identity": "eve"}), 403, 50050)
    assert [fetch(client, resource) for resource in (member, message)] == [member, message]
    assert {row["identity"] for row in rows(client, service, "Users")} == {"alice", "bob"}


def test_push_credentials_are_the_accounts_own(client: httpx.Client, neighbour: httpx.Client) -> None:
    """Credentials belong to the account itself."""
    mine = created(client.post(CREDENTIALS, data={"Type": "fcm", "Secret": "s"}))

    assert mine not in rows(neighbour, {"url": CREDENTIALS}, PageSize="1000")
    for method in ("GET", "POST", "DELETE"):
        not_found(neighbour.request(method, at(mine), data={"FriendlyName": "Taken"}))
    assert fetch(client, mine) == mine


def test_unique_names_and_identities_are_free_in_every_account(client: httpx.Client, neighbour: httpx.Client) -> None:
    """What one account took, another may take."""
    for each in (client, neighbour):
        service = create_service(each)
        channel = create_channel(each, service, UniqueName="general")
        assert create_member(each, channel, "alice")["identity"] == "alice"


def test_first_account_is_made_of_the_settings_once(new_server: Server) -> None:
    """The settings name the account of an empty database; later starts leave it as it is."""
    new_server.start()
    rotated = command(new_server, "accounts", "rotate-token", ACCOUNT_SID)
    new_server.stop()

    new_server.start()

    assert answers(new_server, ACCOUNT_SID, rotated["auth_token"]) == 200
    assert answers(new_server, ACCOUNT_SID, AUTH_TOKEN) == 401
