"""Roles: which permissions each type may have, the four first ones, and when a role can go."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.steps import (
    DATE,
    NOBODY,
    Json,
    at,
    create_channel,
    create_invite,
    create_member,
    create_role,
    create_service,
    create_user,
    created,
    default_role,
    delete,
    fetch,
    not_found,
    refused,
    rows,
    sid,
    update,
    walk,
)
from tests.harness import ACCOUNT_SID, Server

SHARED = [
    *("destroyChannel", "inviteMember", "addMember", "removeMember", "editChannelName"),
    *("editChannelAttributes", "editOwnMessage", "editAnyMessage", "editOwnMessageAttributes"),
    *("editAnyMessageAttributes", "deleteAnyMessage", "editOwnUserInfo", "editAnyUserInfo"),
    "editAnyMemberAttributes",
]
PERMISSIONS = {
    "deployment": ["createChannel", "joinChannel", *SHARED],
    "channel": [
        *("sendMessage", "sendMediaMessage", "leaveChannel", "deleteOwnMessage"),
        *("editNotificationLevel", "editOwnMemberAttributes"),
        *SHARED,
    ],
}

FIRST_ROLES = {
    "service admin": (
        "deployment",
        {
            *("createChannel", "joinChannel", "destroyChannel", "inviteMember", "removeMember"),
            *("editChannelName", "editChannelAttributes", "addMember", "editAnyMessage"),
            *("editAnyMessageAttributes", "deleteAnyMessage", "editAnyUserInfo", "editAnyMemberAttributes"),
        },
    ),
    "service user": ("deployment", {"createChannel", "joinChannel", "editOwnUserInfo"}),
    "channel admin": (
        "channel",
        {
            *("sendMessage", "sendMediaMessage", "leaveChannel", "destroyChannel", "inviteMember"),
            *("addMember", "removeMember", "editChannelName", "editChannelAttributes", "editAnyMessage"),
            *("editAnyMessageAttributes", "deleteAnyMessage", "editNotificationLevel"),
            "editAnyMemberAttributes",
        },
    ),
    "channel user": (
        "channel",
        {
            *("sendMessage", "sendMediaMessage", "leaveChannel", "editOwnMessage"),
            *("editOwnMessageAttributes", "deleteOwnMessage", "editNotificationLevel"),
            "editOwnMemberAttributes",
        },
    ),
}

FOREIGN_PERMISSIONS = [
    *[("channel", permission) for permission in ("createChannel", "joinChannel")],
    *[("deployment", permission) for permission in ("sendMessage", "sendMediaMessage", "leaveChannel")],
    *[("deployment", permission) for permission in ("editNotificationLevel", "editOwnMemberAttributes")],
    *[(type_, "flyToTheMoon") for type_ in ("channel", "deployment")],
    *[(type_, "CREATECHANNEL") for type_ in ("channel", "deployment")],
    *[(type_, "") for type_ in ("channel", "deployment")],
]


def still_in_use(client: httpx.Client, role: Json) -> None:
    """Assert that the role cannot be deleted and stays."""
    refused(client.delete(at(role)), 409, 20409)
    assert fetch(client, role) == role


def test_role_is_created(client: httpx.Client, service: Json, server: Server) -> None:
    """The answer is the whole resource, with the permissions in the order given."""
    permissions = ["sendMessage", "deleteAnyMessage", "addMember"]
    form = {"FriendlyName": "Moderator", "Type": "channel", "Permission": permissions}

    role = created(client.post(at(service, "Roles"), data=form))

    assert role == {
        "sid": sid("RL"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "friendly_name": "Moderator",
        "type": "channel",
        "permissions": permissions,
        "date_created": DATE,
        "date_updated": role["date_created"],
        "url": f"{server.url}/v2/Services/{service['sid']}/Roles/{role['sid']}",
    }
    assert fetch(client, role) == role


@pytest.mark.parametrize("missing", ["FriendlyName", "Type", "Permission"])
def test_role_is_not_created_without_all_three_parameters(client: httpx.Client, service: Json, missing: str) -> None:
    """The answer names the parameter that is missing."""
    form = {"FriendlyName": "Moderator", "Type": "channel", "Permission": "sendMessage"}
    del form[missing]

    response = client.post(at(service, "Roles"), data=form)

    refused(response, 400, 20001, f"Missing required parameter {missing} in the post body")


@pytest.mark.parametrize(
    ("parameter", "sent", "code"),
    [
        ("FriendlyName", "n" * 65, 50003),
        ("Type", "service", 50105),
        ("Type", "Channel", 50105),
        ("Type", "", 50105),
    ],
)
def test_role_with_an_invalid_value_is_refused(
    client: httpx.Client, service: Json, parameter: str, sent: str, code: int
) -> None:
    """A name has 64 characters at most, and there are two types."""
    form = {"FriendlyName": "n" * 64, "Type": "channel", "Permission": "sendMessage"}
    created(client.post(at(service, "Roles"), data=form))

    refused(client.post(at(service, "Roles"), data=form | {parameter: sent}), 400, code)


@pytest.mark.parametrize("type_", ["deployment", "channel"])
def test_each_permission_of_its_type_is_accepted(client: httpx.Client, service: Json, type_: str) -> None:
    """A role can have everything that the published table has in the column of its type."""
    assert create_role(client, service, type_, *PERMISSIONS[type_])["permissions"] == PERMISSIONS[type_]


@pytest.mark.parametrize(("type_", "permission"), FOREIGN_PERMISSIONS)
def test_other_permission_is_refused(client: httpx.Client, service: Json, type_: str, permission: str) -> None:
    """Neither a permission of the other type nor an invented one will do, even beside a good one."""
    form = {"FriendlyName": "Moderator", "Type": type_, "Permission": ["addMember", permission]}

    refused(client.post(at(service, "Roles"), data=form), 400, 50104, "Permission not found")


def test_two_roles_may_have_one_name(client: httpx.Client, service: Json) -> None:
    """A role's friendly name need not be unique."""
    form = {"FriendlyName": "channel user", "Type": "channel", "Permission": "sendMessage"}

    twin = created(client.post(at(service, "Roles"), data=form))

    names = [role["friendly_name"] for role in rows(client, service, "Roles")]
    assert names.count(twin["friendly_name"]) == 2


def test_service_is_born_with_four_roles(client: httpx.Client, service: Json) -> None:
    """Their names, types and permissions are those of a fresh service of the original."""
    first = {role["friendly_name"]: (role["type"], set(role["permissions"])) for role in rows(client, service, "Roles")}

    assert first == FIRST_ROLES


def test_update_replaces_the_whole_set(client: httpx.Client, service: Json) -> None:
    """Permissions that are not named again are lost, and nothing else changes."""
    role = create_role(client, service, "channel", "sendMessage", "leaveChannel")

    updated = update(client, role, Permission=["addMember", "sendMessage"])

    assert updated == role | {"permissions": ["addMember", "sendMessage"], "date_updated": DATE}
    assert fetch(client, role) == updated


def test_name_and_type_of_a_role_do_not_change(client: httpx.Client, service: Json) -> None:
    """An update knows the permissions only."""
    role = create_role(client, service, "channel", "sendMessage")

    updated = update(client, role, Permission="addMember", FriendlyName="Other", Type="deployment")

    assert updated == role | {"permissions": ["addMember"], "date_updated": DATE}


def test_update_without_permissions_is_refused(client: httpx.Client, service: Json) -> None:
    """A role without any permission cannot be."""
    role = create_role(client, service, "channel", "sendMessage")

    refused(client.post(at(role)), 400, 20001, "Missing required parameter Permission in the post body")
    refused(client.post(at(role), data={"Permission": ""}), 400, 50104)
    assert fetch(client, role) == role


@pytest.mark.parametrize(("type_", "permission"), FOREIGN_PERMISSIONS[:4])
def test_update_with_another_permission_is_refused(
    client: httpx.Client, service: Json, type_: str, permission: str
) -> None:
    """An update checks the permissions as creation does."""
    role = create_role(client, service, type_, "addMember")

    refused(client.post(at(role), data={"Permission": ["addMember", permission]}), 400, 50104)
    assert fetch(client, role) == role


def test_free_role_is_deleted(client: httpx.Client, service: Json) -> None:
    """A role that nobody holds goes, and is neither found nor listed afterwards."""
    role = create_role(client, service, "channel", "sendMessage")

    delete(client, role)

    not_found(client.get(at(role)))
    not_found(client.delete(at(role)))
    assert role["sid"] not in [row["sid"] for row in rows(client, service, "Roles")]


def test_first_role_that_is_no_default_is_deleted(client: httpx.Client, service: Json) -> None:
    """`service admin` is nobody's default, so nothing holds it."""
    delete(client, default_role(client, service, "service admin"))

    assert {role["friendly_name"] for role in rows(client, service, "Roles")} == {
        *("service user", "channel admin", "channel user")
    }


@pytest.mark.parametrize(
    "field", ["default_service_role_sid", "default_channel_role_sid", "default_channel_creator_role_sid"]
)
def test_default_role_stays(client: httpx.Client, service: Json, field: str) -> None:
    """A role that the service gives to others cannot be deleted."""
    [role] = (role for role in rows(client, service, "Roles") if role["sid"] == service[field])

    still_in_use(client, role)


def test_role_is_free_once_it_is_no_default(client: httpx.Client, service: Json) -> None:
    """Giving the service another default sets the former one free, when nobody holds it."""
    former = default_role(client, service, "channel user")
    role = create_role(client, service, "channel", "sendMessage")
    update(client, service, DefaultChannelRoleSid=role["sid"])

    delete(client, former)

    still_in_use(client, role)


def test_role_of_a_user_stays_until_the_user_has_another(client: httpx.Client, service: Json) -> None:
    """A role that a user holds cannot be deleted."""
    role = create_role(client, service, "deployment", "createChannel")
    user = create_user(client, service, "alice", RoleSid=role["sid"])
    still_in_use(client, role)

    update(client, user, RoleSid=service["default_service_role_sid"])

    delete(client, role)


@pytest.mark.parametrize("gone", ["member", "channel", "user"])
def test_role_of_a_member_stays_until_the_member_is_gone(client: httpx.Client, service: Json, gone: str) -> None:
    """However a membership ends, its role is free again."""
    role = create_role(client, service, "channel", "sendMessage")
    channel = create_channel(client, service)
    user = create_user(client, service, "alice")
    member = create_member(client, channel, "alice", RoleSid=role["sid"])
    still_in_use(client, role)

    delete(client, {"member": member, "channel": channel, "user": user}[gone])

    delete(client, role)


@pytest.mark.parametrize("gone", ["invite", "channel", "user"])
def test_role_of_an_invite_stays_until_the_invite_is_gone(client: httpx.Client, service: Json, gone: str) -> None:
    """However an invite ends without a member, its role is free again."""
    role = create_role(client, service, "channel", "sendMessage")
    channel = create_channel(client, service)
    user = create_user(client, service, "alice")
    invite = create_invite(client, channel, "alice", RoleSid=role["sid"])
    still_in_use(client, role)

    delete(client, {"invite": invite, "channel": channel, "user": user}[gone])

    delete(client, role)


def test_role_stays_in_use_when_an_invite_becomes_a_member(client: httpx.Client, service: Json, channel: Json) -> None:
    """The member has the role that the invite promised."""
    role = create_role(client, service, "channel", "sendMessage")
    create_user(client, service, "alice")
    create_invite(client, channel, "alice", RoleSid=role["sid"])

    create_member(client, channel, "alice")

    still_in_use(client, role)


def test_role_is_never_deleted_and_assigned_at_once(client: httpx.Client, service: Json, channel: Json) -> None:
    """Of an assignment and a deletion in the same moment one succeeds and the other is refused."""
    outcomes = set()
    with ThreadPoolExecutor(2) as threads:
        for n in range(20):
            role = create_role(client, service, "channel", "sendMessage")
            form = {"Identity": f"member-{n}", "RoleSid": role["sid"]}
            assigning = threads.submit(client.post, at(channel, "Members"), data=form)
            deleting = threads.submit(client.delete, at(role))
            outcomes.add((assigning.result().status_code, deleting.result().status_code))

    assert outcomes <= {(201, 409), (400, 204)}


def test_roles_are_listed_in_creation_order_page_by_page(client: httpx.Client, service: Json) -> None:
    """The four first roles come before those that were made later."""
    made = [create_role(client, service, "channel", "sendMessage") for _ in range(3)]

    listed = walk(client, service, "Roles", PageSize="2")

    assert {role["friendly_name"] for role in listed[:4]} == set(FIRST_ROLES)
    assert listed[4:] == made


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", [f"RL{NOBODY}", "channel%20user"])
def test_role_that_never_was_is_not_found(client: httpx.Client, service: Json, method: str, name: str) -> None:
    """A role is found by its SID and by nothing else."""
    form = {"Permission": "sendMessage"} if method == "POST" else None

    not_found(client.request(method, f"{at(service)}/Roles/{name}", data=form))


def test_role_of_another_service_is_not_found(client: httpx.Client, service: Json) -> None:
    """Each service has its own roles."""
    elsewhere = create_service(client)

    not_found(client.get(at(service, "Roles", elsewhere["default_channel_role_sid"])))

    delete(client, elsewhere)
