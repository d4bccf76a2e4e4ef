"""Invites: for users that exist, pending until they are accepted, declined or revoked."""

import httpx
import pytest

from tests.api.steps import (
    DATE,
    NOBODY,
    ODD_NAMES,
    Json,
    at,
    create_channel,
    create_invite,
    create_member,
    create_role,
    create_service,
    create_user,
    created,
    delete,
    fetch,
    not_found,
    refused,
    rows,
    sid,
    update,
    walk,
)
from tests.harness import ACCOUNT_SID


@pytest.fixture
def alice(client: httpx.Client, service: Json) -> Json:
    """A user to invite."""
    return create_user(client, service, "alice")


def test_invite_is_created_with_defaults(client: httpx.Client, service: Json, channel: Json, alice: Json) -> None:
    """The system invites, for the role that members have by default."""
    invite = created(client.post(at(channel, "Invites"), data={"Identity": "alice"}))

    assert invite == {
        "sid": sid("IN"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "channel_sid": channel["sid"],
        "identity": alice["identity"],
        "created_by": "system",
        "role_sid": service["default_channel_role_sid"],
        "date_created": DATE,
        "date_updated": invite["date_created"],
        "url": f"{channel['url']}/Invites/{invite['sid']}",
    }
    assert fetch(client, invite) == invite


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("type_", ["public", "private"])
def test_invite_with_a_role(client: httpx.Client, service: Json, type_: str) -> None:
    """An invite to a channel of either type can promise a role."""
    channel = create_channel(client, service, Type=type_)
    role = create_role(client, service, "channel", "sendMessage")

    invite = create_invite(client, channel, "alice", RoleSid=role["sid"])

    assert invite["role_sid"] == role["sid"]
    assert fetch(client, invite) == invite


def test_unknown_identity_is_not_found(client: httpx.Client, service: Json, channel: Json) -> None:
    """An invite makes no user: who is unknown is not found, and the message names the list."""
    not_found(client.post(at(channel, "Invites"), data={"Identity": "alice"}))

    assert rows(client, channel, "Invites") == []
    assert rows(client, service, "Users") == []


def test_deleted_user_is_not_found(client: httpx.Client, channel: Json, alice: Json) -> None:
    """A user who is gone cannot be invited."""
    delete(client, alice)

    not_found(client.post(at(channel, "Invites"), data={"Identity": "alice"}))


def test_user_of_another_service_is_not_found(client: httpx.Client, channel: Json) -> None:
    """Each service has its own users."""
    elsewhere = create_service(client)
    create_user(client, elsewhere, "alice")

    not_found(client.post(at(channel, "Invites"), data={"Identity": "alice"}))

    delete(client, elsewhere)


def test_missing_identity_is_named(client: httpx.Client, channel: Json) -> None:
    """The answer names the parameter that is missing."""
    message = "Missing required parameter Identity in the post body"

    refused(client.post(at(channel, "Invites")), 400, 20001, message)


@pytest.mark.usefixtures("alice")
def test_invited_user_is_not_invited_again(client: httpx.Client, channel: Json) -> None:
    """There is one invite of a user to a channel, and the first one stays."""
    invite = create_invite(client, channel, "alice")

    refused(client.post(at(channel, "Invites"), data={"Identity": "alice"}), 409, 50212, "User already invited")

    assert rows(client, channel, "Invites") == [invite]


def test_member_is_not_invited(client: httpx.Client, channel: Json) -> None:
    """Who is in the channel already needs no invite."""
    create_member(client, channel, "alice")

    refused(client.post(at(channel, "Invites"), data={"Identity": "alice"}), 409, 50404, "Member already exists")

    assert rows(client, channel, "Invites") == []


def test_former_member_is_invited(client: httpx.Client, channel: Json) -> None:
    """Who has left can be invited back."""
    delete(client, create_member(client, channel, "alice"))

    invite = create_invite(client, channel, "alice")

    assert rows(client, channel, "Invites") == [invite]


@pytest.mark.usefixtures("alice")
def test_unknown_role_is_refused(client: httpx.Client, channel: Json) -> None:
    """A role that is nobody's cannot be promised."""
    form = {"Identity": "alice", "RoleSid": f"RL{NOBODY}"}

    refused(client.post(at(channel, "Invites"), data=form), 400, 50100, "Role not found")

    assert rows(client, channel, "Invites") == []


def test_service_role_is_refused(client: httpx.Client, service: Json, channel: Json, alice: Json) -> None:
    """An invite promises a role of channels, not of the service."""
    form = {"Identity": alice["identity"], "RoleSid": service["default_service_role_sid"]}

    refused(client.post(at(channel, "Invites"), data=form), 400, 50101, "Channel role not found")

    assert rows(client, channel, "Invites") == []


@pytest.mark.usefixtures("alice")
def test_invite_makes_no_member(client: httpx.Client, channel: Json) -> None:
    """Until it is accepted, an invite counts nowhere."""
    create_invite(client, channel, "alice")

    assert rows(client, channel, "Members") == []
    assert fetch(client, channel)["members_count"] == 0


@pytest.mark.usefixtures("alice")
def test_deleted_invite_is_gone(client: httpx.Client, channel: Json) -> None:
    """It is neither found nor listed, and the user can be invited anew."""
    invite = create_invite(client, channel, "alice")

    delete(client, invite)

    not_found(client.get(at(invite)))
    not_found(client.delete(at(invite)))
    assert rows(client, channel, "Invites") == []
    assert create_invite(client, channel, "alice")["sid"] != invite["sid"]


@pytest.mark.usefixtures("alice")
def test_role_of_a_revoked_invite_is_forgotten(client: httpx.Client, service: Json, channel: Json) -> None:
    """A promise that was taken back binds nobody."""
    role = create_role(client, service, "channel", "sendMessage")
    delete(client, create_invite(client, channel, "alice", RoleSid=role["sid"]))

    member = create_member(client, channel, "alice")

    assert member["role_sid"] == service["default_channel_role_sid"]


@pytest.mark.usefixtures("alice")
def test_invite_needs_no_room(client: httpx.Client, service: Json, channel: Json) -> None:
    """A full channel takes invites, and refuses only the member who would come of one."""
    update(client, service, **{"Limits.ChannelMembers": "1"})
    create_member(client, channel, "bob")

    invite = create_invite(client, channel, "alice")

    refused(client.post(at(channel, "Members"), data={"Identity": "alice"}), 403, 50403)
    assert rows(client, channel, "Invites") == [invite]


@pytest.mark.usefixtures("alice")
def test_invite_has_no_update(client: httpx.Client, channel: Json) -> None:
    """The method is not allowed, and the invite stays as it was."""
    invite = create_invite(client, channel, "alice")

    refused(client.post(at(invite), data={"RoleSid": f"RL{NOBODY}"}), 405, 20004)

    assert fetch(client, invite) == invite


def test_invite_of_another_channel_is_not_found(
    client: httpx.Client, service: Json, channel: Json, alice: Json
) -> None:
    """Each channel has its own invites."""
    invite = create_invite(client, channel, alice["identity"])
    other = create_channel(client, service)

    not_found(client.get(at(other, "Invites", invite)))
    not_found(client.delete(at(other, "Invites", invite)))

    assert fetch(client, invite) == invite


@pytest.mark.parametrize("identity", ODD_NAMES)
def test_user_of_any_identity_is_invited(client: httpx.Client, service: Json, channel: Json, identity: str) -> None:
    """The invite and the filter keep the identity to the letter."""
    create_user(client, service, identity)

    invite = create_invite(client, channel, identity)

    assert invite["identity"] == identity
    assert rows(client, channel, "Invites", Identity=identity) == [invite]


@pytest.mark.parametrize(
    ("identities", "expected"),
    [(["b"], ["b"]), (["c", "a"], ["a", "c"]), (["a", "nobody"], ["a"]), (["nobody"], []), (["A"], [])],
)
def test_invites_are_filtered_by_identity(
    client: httpx.Client, service: Json, channel: Json, identities: list[str], expected: list[str]
) -> None:
    """Any of the named ones is listed; when none is there, the list is empty."""
    for identity in ("a", "b", "c"):
        create_user(client, service, identity)
        create_invite(client, channel, identity)

    listed = rows(client, channel, "Invites", Identity=identities)

    assert [invite["identity"] for invite in listed] == expected


def test_filter_is_kept_from_page_to_page(client: httpx.Client, service: Json, channel: Json) -> None:
    """The URL of the next page filters as the first did."""
    for identity in ("a", "b", "c"):
        create_user(client, service, identity)
    invites = [create_invite(client, channel, identity) for identity in ("a", "b", "c")]

    assert walk(client, channel, "Invites", Identity=["a", "c"], PageSize="1") == invites[::2]


def test_invites_are_listed_in_creation_order_page_by_page(client: httpx.Client, service: Json, channel: Json) -> None:
    """Neither the identities nor those who accepted or declined matter."""
    names = ("d", "a", "e", "b", "c", "f", "g")
    for identity in sorted(names):
        create_user(client, service, identity)
    invites = [create_invite(client, channel, identity) for identity in names]
    delete(client, invites.pop(2))
    create_member(client, channel, invites.pop(3)["identity"])

    assert walk(client, channel, "Invites", PageSize="2") == invites


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", [f"IN{NOBODY}", "nobody"])
def test_invite_that_never_was_is_not_found(client: httpx.Client, channel: Json, method: str, name: str) -> None:
    """The message holds the path as it was called."""
    create_invite(client, channel, "alice")

    not_found(client.request(method, f"{at(channel)}/Invites/{name}"))


@pytest.mark.usefixtures("alice")
def test_invite_is_not_found_by_another_account(client: httpx.Client, channel: Json, stranger: httpx.Client) -> None:
    """Nobody sees or revokes the invites of another account."""
    invite = create_invite(client, channel, "alice")

    for method in ("GET", "DELETE"):
        refused(stranger.request(method, at(invite)), 403, 50050)
    refused(stranger.post(at(channel, "Invites"), data={"Identity": "alice"}), 403, 50050)

    assert fetch(client, invite) == invite
