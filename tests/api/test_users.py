"""Users: made on purpose or when first met, found by identity, and what stays when one is deleted."""

import httpx
import pytest

from tests.api.steps import (
    DATE,
    JSON_TEXTS,
    LONG_AGO,
    NO_JSON_TEXTS,
    NOBODY,
    ODD_NAMES,
    Json,
    at,
    create_channel,
    create_invite,
    create_member,
    create_message,
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

INVALID = [
    ("Attributes", "{", 50304),
    ("Attributes", "", 50304),
    ("Attributes", f'"{"a" * 16384}"', 50303),
    ("FriendlyName", "n" * 257, 50003),
    ("RoleSid", f"RL{NOBODY}", 50100),
    ("RoleSid", "nonsense", 50100),
]


def test_user_is_created_with_defaults(client: httpx.Client, service: Json, server: Server) -> None:
    """An identity is all that a user needs."""
    user = created(client.post(at(service, "Users"), data={"Identity": "alice"}))

    url = f"{server.url}/v2/Services/{service['sid']}/Users/{user['sid']}"
    assert user == {
        "sid": sid("US"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "role_sid": service["default_service_role_sid"],
        "identity": "alice",
        "friendly_name": None,
        "attributes": "{}",
        "is_online": None,
        "is_notifiable": None,
        "joined_channels_count": 0,
        "date_created": DATE,
        "date_updated": user["date_created"],
        "url": url,
        "links": {"user_channels": f"{url}/Channels", "user_bindings": f"{url}/Bindings"},
    }
    assert fetch(client, user) == user


def test_user_is_created_with_everything(client: httpx.Client, service: Json) -> None:
    """Role, attributes and friendly name can be given at once."""
    role = create_role(client, service, "deployment", "joinChannel")
    given = {"role_sid": role["sid"], "attributes": '{"age": 7}', "friendly_name": "Alice"}

    user = create_user(client, service, "alice", RoleSid=role["sid"], Attributes='{"age": 7}', FriendlyName="Alice")

    assert user == user | given
    assert fetch(client, user) == user


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        ("", 20001),
        ("i" * 257, 50207),
        (f"US{NOBODY}", 50206),
        (f"US{'aF' * 16}", 50206),
        ("system", 50203),
    ],
    ids=["empty", "too long", "SID", "mixed-case SID", "reserved"],
)
def test_identity_that_no_user_may_have_is_refused(
    client: httpx.Client, service: Json, identity: str, code: int
) -> None:
    """Such an identity would be empty, too long, or taken for something else."""
    refused(client.post(at(service, "Users"), data={"Identity": identity}), 400, code)

    assert rows(client, service, "Users") == []


def test_user_without_identity_is_refused(client: httpx.Client, service: Json) -> None:
    """The answer names the parameter that is missing."""
    response = client.post(at(service, "Users"), data={"FriendlyName": "Alice"})

    refused(response, 400, 20001, "Missing required parameter Identity in the post body")


def test_identity_that_is_taken_is_refused(client: httpx.Client, service: Json) -> None:
    """There is one user of an identity in a service."""
    alice = create_user(client, service, "alice", FriendlyName="The first")

    refused(client.post(at(service, "Users"), data={"Identity": "alice"}), 409, 50201, "User already exists")
    assert rows(client, service, "Users") == [alice]


def test_identity_is_case_sensitive(client: httpx.Client, service: Json) -> None:
    """Two spellings are two users."""
    lower, upper = create_user(client, service, "alice"), create_user(client, service, "Alice")

    assert fetch(client, service, "Users", "alice") == lower
    assert fetch(client, service, "Users", "Alice") == upper


def test_another_service_has_its_own_users(client: httpx.Client, service: Json) -> None:
    """The same identity in two services is two users, of which each service finds its own."""
    elsewhere = create_service(client)
    here, there = create_user(client, service, "alice"), create_user(client, elsewhere, "alice")

    assert fetch(client, service, "Users", "alice") == here
    assert fetch(client, elsewhere, "Users", "alice") == there
    not_found(client.get(at(service, "Users", there)))
    delete(client, elsewhere)


@pytest.mark.parametrize("identity", [*ODD_NAMES, "i" * 256, "IS", f"MB{NOBODY}", "0"])
def test_user_is_found_by_any_identity(client: httpx.Client, service: Json, identity: str) -> None:
    """Whatever the characters, the identity is one part of the path."""
    user = create_user(client, service, identity)

    assert user["identity"] == identity
    assert fetch(client, service, "Users", identity) == user


@pytest.mark.parametrize(("parameter", "sent", "code"), INVALID)
def test_invalid_value_is_refused(client: httpx.Client, service: Json, parameter: str, sent: str, code: int) -> None:
    """Creation and update check alike, and nothing comes of what they refuse."""
    form = {"Identity": "bob", "FriendlyName": "Bob", parameter: sent}
    alice = create_user(client, service, "alice")

    refused(client.post(at(service, "Users"), data=form), 400, code)
    refused(client.post(at(alice), data=form), 400, code)

    assert rows(client, service, "Users") == [alice]


def test_channel_role_is_refused(client: httpx.Client, service: Json) -> None:
    """A user holds a role of the service, not of a channel."""
    alice = create_user(client, service, "alice")
    form = {"Identity": "bob", "RoleSid": service["default_channel_role_sid"]}

    refused(client.post(at(service, "Users"), data=form), 400, 50102, "Deployment role not found")
    refused(client.post(at(alice), data=form), 400, 50102, "Deployment role not found")
    assert rows(client, service, "Users") == [alice]


def test_role_of_another_service_is_refused(client: httpx.Client, service: Json) -> None:
    """A role counts in its own service only."""
    elsewhere = create_service(client)
    form = {"Identity": "alice", "RoleSid": elsewhere["default_service_role_sid"]}

    refused(client.post(at(service, "Users"), data=form), 400, 50100)

    delete(client, elsewhere)


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_attributes_are_kept_as_they_were_sent(client: httpx.Client, service: Json, text: str) -> None:
    """Any JSON value will do, and its text is not written anew."""
    alice = create_user(client, service, "alice", Attributes=text)
    bob = update(client, create_user(client, service, "bob"), Attributes=text)

    assert fetch(client, alice)["attributes"] == text
    assert fetch(client, bob)["attributes"] == text


@pytest.mark.parametrize("text", NO_JSON_TEXTS)
def test_attributes_that_are_not_json_are_refused(client: httpx.Client, service: Json, text: str) -> None:
    """The message is the original's."""
    form = {"Identity": "alice", "Attributes": text}

    refused(client.post(at(service, "Users"), data=form), 400, 50304, "Attributes not valid JSON")


def test_longest_values_are_kept(client: httpx.Client, service: Json) -> None:
    """A limit names the last length that is allowed."""
    longest = {"FriendlyName": "é" * 256, "Attributes": f'"{"a" * 16382}"'}

    user = create_user(client, service, "alice", **longest)

    assert [user["friendly_name"], user["attributes"]] == list(longest.values())


@pytest.mark.parametrize(
    ("form", "changed"),
    [
        ({"FriendlyName": "Bob"}, {"friendly_name": "Bob"}),
        ({"FriendlyName": ""}, {"friendly_name": None}),
        ({"Attributes": "[]"}, {"attributes": "[]"}),
    ],
)
def test_update_changes_only_what_is_given(client: httpx.Client, service: Json, form: Json, changed: Json) -> None:
    """An update is a merge; an empty name clears it."""
    user = create_user(client, service, "alice", FriendlyName="Alice", Attributes='{"age": 7}')

    updated = update(client, user, **form)

    assert updated == user | changed | {"date_updated": DATE}
    assert fetch(client, user) == updated


def test_role_of_a_user_is_changed(client: httpx.Client, service: Json) -> None:
    """A user can be made an administrator later."""
    user = create_user(client, service, "alice")
    admin = default_role(client, service, "service admin")
    assert user["role_sid"] != admin["sid"]

    assert update(client, user, RoleSid=admin["sid"])["role_sid"] == admin["sid"]
    assert fetch(client, user)["role_sid"] == admin["sid"]


def test_update_by_identity(client: httpx.Client, service: Json) -> None:
    """An update finds the user by identity, too, and answers with the URL of the SID."""
    user = create_user(client, service, "alice")

    response = client.post(at(service, "Users", "alice"), data={"FriendlyName": "Alice"})

    assert response.json() == user | {"friendly_name": "Alice", "date_updated": DATE}


def test_update_without_parameters_changes_nothing(client: httpx.Client, service: Json) -> None:
    """An empty update is accepted and returns the resource."""
    user = create_user(client, service, "alice", FriendlyName="Alice", Attributes="[1]")

    assert update(client, user) == user | {"date_updated": DATE}


def test_identity_does_not_change(client: httpx.Client, service: Json) -> None:
    """An update knows no identity, not even one that is taken."""
    user = create_user(client, service, "alice")
    create_user(client, service, "bob")

    assert update(client, user, Identity="bob")["identity"] == "alice"


@pytest.mark.parametrize("reachability", ["true", "false"])
def test_lists_tell_nobody_online(client: httpx.Client, service: Json, reachability: str) -> None:
    """Reachability is told by a single fetch only, and only where the service has it on."""
    update(client, service, ReachabilityEnabled=reachability)
    user = create_user(client, service, "alice")

    [listed] = rows(client, service, "Users")
    fetched = fetch(client, user)

    told = {None, False} if reachability == "true" else {None}
    assert (listed["is_online"], listed["is_notifiable"]) == (None, None)
    assert {fetched["is_online"], fetched["is_notifiable"]} <= told


def test_joined_channels_are_counted(client: httpx.Client, service: Json) -> None:
    """Memberships count, invites do not, and the end of a channel is the end of its memberships."""
    user = create_user(client, service, "alice")
    first, second, third = (create_channel(client, service) for _ in range(3))
    member = create_member(client, first, "alice")
    create_member(client, second, "alice")
    create_invite(client, third, "alice")
    assert fetch(client, user)["joined_channels_count"] == 2

    delete(client, member)
    assert fetch(client, user)["joined_channels_count"] == 1

    delete(client, second)
    assert fetch(client, user)["joined_channels_count"] == 0


def test_adding_a_member_makes_its_user(client: httpx.Client, service: Json, channel: Json) -> None:
    """An identity that is met for the first time becomes a user with the defaults."""
    create_member(client, channel, "alice", Attributes='{"of": "member"}')

    [user] = rows(client, service, "Users")
    assert user == user | {
        "identity": "alice",
        "role_sid": service["default_service_role_sid"],
        "attributes": "{}",
        "friendly_name": None,
        "joined_channels_count": 1,
    }


def test_adding_a_member_uses_the_user_that_is_there(client: httpx.Client, service: Json, channel: Json) -> None:
    """A user is made once."""
    user = create_user(client, service, "alice", FriendlyName="Alice")

    create_member(client, channel, "alice")

    assert rows(client, service, "Users") == [user | {"joined_channels_count": 1}]


def test_names_of_authors_make_no_users(client: httpx.Client, service: Json) -> None:
    """Whoever wrote a message or made a channel need not be a user."""
    channel = create_channel(client, service, CreatedBy="alice")

    create_message(client, channel, From="bob", LastUpdatedBy="carol")

    assert rows(client, service, "Users") == []


def test_refused_member_leaves_no_user(client: httpx.Client, service: Json, channel: Json) -> None:
    """A user is made together with its membership or not at all."""
    form = {"Identity": "alice", "RoleSid": f"RL{NOBODY}"}

    refused(client.post(at(channel, "Members"), data=form), 400, 50100)

    assert rows(client, service, "Users") == []


def test_deleted_user_is_gone(client: httpx.Client, service: Json) -> None:
    """It is found neither by SID nor by identity, and not listed."""
    user = create_user(client, service, "alice")

    delete(client, service, "Users", "alice")

    for name in (user["sid"], "alice"):
        not_found(client.get(at(service, "Users", name)))
    not_found(client.delete(at(user)))
    not_found(client.get(at(user, "Channels")))
    not_found(client.get(at(user, "Bindings")))
    assert rows(client, service, "Users") == []


def test_deleted_user_leaves_every_channel(client: httpx.Client, service: Json) -> None:
    """Memberships and invites go along, those of others stay."""
    joined, invited = create_channel(client, service), create_channel(client, service)
    bob = create_member(client, joined, "bob")
    member = create_member(client, joined, "alice")
    invite = create_invite(client, invited, "alice")

    delete(client, service, "Users", "alice")

    not_found(client.get(at(member)))
    not_found(client.get(at(invite)))
    assert rows(client, joined, "Members") == [bob]
    assert rows(client, invited, "Invites") == []
    assert fetch(client, joined)["members_count"] == 1


def test_messages_of_a_deleted_user_stay(client: httpx.Client, service: Json, channel: Json) -> None:
    """What was said keeps the name of who said it."""
    create_member(client, channel, "alice")
    message = create_message(client, channel, "I was here", From="alice")

    delete(client, service, "Users", "alice")

    assert fetch(client, message) == message
    assert message["from"] == "alice"


def test_identity_of_a_deleted_user_is_free(client: httpx.Client, service: Json, channel: Json) -> None:
    """It can be taken anew, by a user who is nowhere a member and has nothing of the former."""
    former = create_user(client, service, "alice", FriendlyName="The first", Attributes="[1]")
    create_member(client, channel, "alice")
    delete(client, former)

    user = create_user(client, service, "alice")

    assert user["sid"] != former["sid"]
    assert user == user | {"friendly_name": None, "attributes": "{}", "joined_channels_count": 0}
    assert rows(client, user, "Channels") == []
    not_found(client.get(at(former)))


def test_deleted_user_comes_back_as_a_new_one_when_added_to_a_channel(
    client: httpx.Client, service: Json, channel: Json
) -> None:
    """An identity that was deleted is met for the first time again."""
    former = create_user(client, service, "alice", FriendlyName="The first")
    delete(client, former)

    create_member(client, channel, "alice")

    [user] = rows(client, service, "Users")
    assert user["sid"] != former["sid"]
    assert user["friendly_name"] is None


def test_users_have_no_date_override(client: httpx.Client, service: Json) -> None:
    """Unlike channels, members and messages, users are always made now."""
    user = create_user(client, service, "alice", DateCreated=LONG_AGO, DateUpdated=LONG_AGO)

    assert LONG_AGO not in (user["date_created"], user["date_updated"])


def test_users_are_listed_in_creation_order_page_by_page(client: httpx.Client, service: Json) -> None:
    """Neither the names nor the deleted ones matter."""
    users = [create_user(client, service, identity) for identity in ("d", "a", "e", "b", "c", "f")]
    delete(client, users.pop(2))

    assert walk(client, service, "Users", PageSize="2") == users


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", [f"US{NOBODY}", "nobody", "ali%2Fce", "Alice"])
def test_user_that_never_was_is_not_found(client: httpx.Client, service: Json, method: str, name: str) -> None:
    """The message holds the path as it was called."""
    create_user(client, service, "alice")

    not_found(client.request(method, f"{at(service)}/Users/{name}"))


def test_user_is_not_found_by_another_account(client: httpx.Client, service: Json, stranger: httpx.Client) -> None:
    """Nobody sees or deletes the users of another account."""
    user = create_user(client, service, "alice")

    for method in ("GET", "POST", "DELETE"):
        refused(stranger.request(method, at(user)), 403, 50050)

    assert fetch(client, user) == user
