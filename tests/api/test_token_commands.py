"""`hubbub tokens create`: a token for trying things out."""

import httpx
import jwt
import pytest

from tests.api.more_steps import command, create_account
from tests.api.steps import NOBODY, Json, create_service, created, default_role
from tests.harness import ACCOUNT_SID, Server
from tests.tokens import CONTENT_TYPE, new_signer

OWN_KEY = "hubbub tokens create"


def make(server: Server, service: Json, *options: str, identity: str = "alice") -> str:
    made = command(server, "tokens", "create", "--identity", identity, "--service", service["sid"], *options)
    assert list(made) == ["token"]
    return str(made["token"])


def claims(token: str) -> Json:
    said: Json = jwt.decode(token, options={"verify_signature": False})
    return said


def keys(server: Server, account_sid: str) -> list[str]:
    return [key["sid"] for key in command(server, "keys", "list", "--account", account_sid)]


def author(server: Server, service: Json, token: str) -> str:
    """Who uploads with the token."""
    path = f"{server.url}/v1/Services/{service['sid']}/Media"
    return str(created(httpx.post(path, content=b"x", headers={"X-Twilio-Token": token}))["author"])


def test_token_of_the_command_lets_its_identity_in(server: Server, service: Json) -> None:
    """For an hour."""
    token = make(server, service, identity="Zoë")

    assert author(server, service, token) == "Zoë"
    said = claims(token)
    assert said["exp"] - said["iat"] == 3600
    assert said["grants"] == {"identity": "Zoë", "chat": {"service_sid": service["sid"]}}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "cty": CONTENT_TYPE}


def test_tokens_of_the_command_share_a_key_of_their_own(server: Server) -> None:
    """It is made once, whatever other keys there are, and revoking it ends these tokens only."""
    account = create_account(server)
    other = new_signer(server, account["sid"])
    with server.client(account["sid"], account["auth_token"]) as client:
        service = create_service(client)

    first, second = make(server, service), make(server, service, identity="bob")

    assert claims(first)["iss"] == claims(second)["iss"]
    listed = command(server, "keys", "list", "--account", account["sid"])
    assert {key["sid"]: key["friendly_name"] for key in listed} == {other.key_sid: None, claims(first)["iss"]: OWN_KEY}


def test_token_is_made_as_the_options_say(server: Server, client: httpx.Client, service: Json) -> None:
    """Key, lifetime and role; no other key is made for it."""
    signer = new_signer(server)
    role = default_role(client, service, "service admin")["sid"]
    before = keys(server, ACCOUNT_SID)

    token = make(server, service, "--key", signer.key_sid, "--ttl", "60", "--role", role)

    said = claims(token)
    assert (said["iss"], said["exp"] - said["iat"]) == (signer.key_sid, 60)
    assert said["grants"]["chat"]["deployment_role_sid"] == role
    assert author(server, service, token) == "alice"
    assert keys(server, ACCOUNT_SID) == before


def test_token_is_printed_for_people_too(server: Server, service: Json) -> None:
    """On one line."""
    done = server.run("tokens", "create", "--identity", "alice", "--service", service["sid"])

    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert author(server, service, line.removeprefix("token: ")) == "alice"


@pytest.mark.parametrize(
    "changed",
    [
        {"--service": f"IS{NOBODY}"},
        {"--identity": "system"},
        {"--identity": ""},
        {"--identity": "i" * 257},
        {"--key": f"SK{NOBODY}"},
        {"--ttl": "0"},
        {"--ttl": "86401"},
        {"--role": f"RL{NOBODY}"},
    ],
    ids=str,
)
def test_token_that_would_be_refused_is_not_made(server: Server, service: Json, changed: dict[str, str]) -> None:
    """The reason is one sentence."""
    options = {"--identity": "alice", "--service": service["sid"]} | changed

    done = server.run("tokens", "create", *(word for option in options.items() for word in option))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hubbub: ")
    assert len(done.stderr.splitlines()) == 1


def test_key_of_another_account_does_not_sign(server: Server, service: Json) -> None:
    """It is not found."""
    stranger = new_signer(server, create_account(server)["sid"])
    options = ("--identity", "alice", "--service", service["sid"])

    assert server.run("tokens", "create", *options, "--key", stranger.key_sid).returncode == 1


def test_role_of_a_channel_is_no_role_for_users(server: Server, client: httpx.Client, service: Json) -> None:
    """It is refused as it is for a user."""
    role = default_role(client, service, "channel user")["sid"]
    options = ("--identity", "alice", "--service", service["sid"], "--role", role)

    done = server.run("tokens", "create", *options)

    assert (done.returncode, done.stderr) == (1, "hubbub: Deployment role not found\n")
