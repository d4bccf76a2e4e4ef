"""Who gets in with an access token, whom that makes, and that losing the right to be there ends it."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from hubbub.chat import Caller, Emitted
from hubbub.events import USER_ADDED
from hubbub.resources.tokens.model import Access, Basis
from hubbub.resources.users.actions import connect_user
from tests.api.more_steps import command
from tests.api.steps import Json, create_role, create_service, create_user, default_role, delete, fetch, rows
from tests.harness import Server
from tests.realtime.device import Device, device
from tests.realtime.recorder import World
from tests.tokens import Signer, new_signer


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return new_signer(server)


async def status(app: Device, token: str) -> tuple[int, int | None]:
    """Code and error code of the answer to an init."""
    answer = (await app.init(token))["status"]
    return answer["code"], answer.get("errorCode")


async def connect(server: Server, token: str) -> tuple[int, int | None]:
    """As one more device that goes again at once."""
    async with device(server, init=False) as app:
        return await status(app, token)


# The user


async def test_first_connection_makes_the_user(
    server: Server, client: httpx.Client, service: Json, signer: Signer
) -> None:
    """With the service's default role; more connections are the same user's."""
    token = signer.token("Zoë", service["sid"])

    assert await connect(server, token) == (200, None)
    assert await connect(server, token) == (200, None)

    [user] = rows(client, service, "Users")
    assert (user["identity"], user["role_sid"]) == ("Zoë", service["default_service_role_sid"])
    assert (user["friendly_name"], user["attributes"]) == (None, "{}")


async def test_devices_that_connect_at_once_make_one_user(
    server: Server, client: httpx.Client, service: Json, signer: Signer
) -> None:
    """Whichever is first."""
    token = signer.token("alice", service["sid"])

    answers = await asyncio.gather(*(connect(server, token) for _ in range(8)))

    assert answers == [(200, None)] * 8
    assert [user["identity"] for user in rows(client, service, "Users")] == ["alice"]


async def test_token_gives_the_new_user_its_role(
    server: Server, client: httpx.Client, service: Json, signer: Signer
) -> None:
    """A user who is there already keeps the role that it has."""
    admin = default_role(client, service, "service admin")["sid"]
    bob = create_user(client, service, "bob")

    for identity in ("alice", "bob"):
        token = signer.token(identity, service["sid"], grant={"deployment_role_sid": admin})
        assert await connect(server, token) == (200, None)

    assert fetch(client, service, "Users", "alice")["role_sid"] == admin
    assert fetch(client, bob)["role_sid"] == service["default_service_role_sid"]


@pytest.mark.parametrize("which", ["unknown", "of a channel", "of another service"])
async def test_role_that_no_user_may_have_is_refused(
    server: Server, client: httpx.Client, service: Json, signer: Signer, which: str
) -> None:
    """And nobody is made."""
    other = create_service(client)
    role = {
        "unknown": "RL" + "0" * 32,
        "of a channel": create_role(client, service, "channel", "sendMessage")["sid"],
        "of another service": default_role(client, other, "service user")["sid"],
    }[which]

    token = signer.token("alice", service["sid"], grant={"deployment_role_sid": role})

    assert await connect(server, token) == (401, 20106)
    assert rows(client, service, "Users") == []
    delete(client, other)


async def test_new_user_is_told_as_made_by_itself(there: World) -> None:
    """So that its webhook is called: nobody asked for it by a header. The second connection tells nothing."""
    emitted: list[Emitted] = []
    there.chat.bus.listen(emitted.extend)
    caller = Caller(there.caller.account, there.caller.account_sid, "zoe", there.service.sid)
    access = Access(caller, there.service, None, None, Basis("SK", "", there.service.key), 1 << 62)

    user = await connect_user(there.chat, access)
    again = await connect_user(there.chat, access)

    told = [each for each in emitted if each.event is USER_ADDED]
    assert [(each.record.sid, each.caller.identity) for each in told] == [(user.sid, "zoe")]
    assert again.sid == user.sid


# The end of it


def revoke(server: Server, client: httpx.Client, service: Json, signer: Signer) -> None:
    command(server, "keys", "revoke", signer.key_sid)


def rotate(server: Server, client: httpx.Client, service: Json, signer: Signer) -> None:
    command(server, "keys", "rotate-secret", signer.key_sid)


def remove_service(server: Server, client: httpx.Client, service: Json, signer: Signer) -> None:
    delete(client, service)


@pytest.mark.parametrize(("end", "code"), [(revoke, 20103), (rotate, 20107), (remove_service, 20106)])
async def test_connection_ends_with_what_its_token_rests_on(
    server: Server, service: Json, client: httpx.Client, signer: Signer, end: Callable[..., None], code: int
) -> None:
    """Within seconds, and the client that comes back is told why; other keys' clients stay."""
    losing = new_signer(server)
    token = losing.token("alice", service["sid"])
    elsewhere = create_service(client)
    async with device(server, init=False) as alice, device(server, init=False) as bob:
        assert await status(alice, token) == (200, None)
        assert await status(bob, signer.token("bob", elsewhere["sid"])) == (200, None)

        await asyncio.to_thread(end, server, client, service, losing)

        assert await alice.ended() == 1006
        assert await connect(server, token) == (401, code)
        assert (await bob.request("/nothing"))[0] == 404
    delete(client, elsewhere)


async def test_refused_token_is_told_and_may_be_replaced(server: Server, service: Json, signer: Signer) -> None:
    """The official SDKs read the code, expired ones apart from others."""
    expired = signer.token("alice", service["sid"], nbf=None, valid_until=1)

    assert await connect(server, expired) == (401, 20104)
    assert await connect(server, "nonsense") == (401, 20101)
    assert await connect(server, "\ud7ff" * 10) == (401, 20101)
