"""Members: who is let in with which role, how far each one has read, and what leaving leaves."""

import httpx
import pytest

from tests.api.steps import (
    DATE,
    JSON_TEXTS,
    LATER,
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
    ok,
    refused,
    rows,
    sid,
    update,
    walk,
)
from tests.harness import ACCOUNT_SID

INVALID = [
    ("Attributes", "{", 50304),
    ("Attributes", f'"{"a" * 4096}"', 50303),
    ("RoleSid", f"RL{NOBODY}", 50100),
    ("RoleSid", "nonsense", 50100),
    ("LastConsumedMessageIndex", "-1", 50406),
    ("LastConsumedMessageIndex", "1.5", 50406),
    ("LastConsumedMessageIndex", "last", 50406),
    ("LastConsumptionTimestamp", "yesterday", 50405),
    ("LastConsumptionTimestamp", "2016-13-01T00:00:00Z", 50405),
    ("DateCreated", "yesterday", 50308),
    ("DateUpdated", "tomorrow", 50309),
]


def horizon(member: Json) -> tuple[object, object]:
    return member["last_consumed_message_index"], member["last_consumption_timestamp"]


def test_member_is_added_with_defaults(client: httpx.Client, service: Json, channel: Json) -> None:
    """An identity is all that a member needs."""
    member = created(client.post(at(channel, "Members"), data={"Identity": "alice"}))

    assert member == {
        "sid": sid("MB"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "channel_sid": channel["sid"],
        "identity": "alice",
        "role_sid": service["default_channel_role_sid"],
        "last_consumed_message_index": None,
        "last_consumption_timestamp": None,
        "attributes": "{}",
        "date_created": DATE,
        "date_updated": member["date_created"],
        "url": f"{channel['url']}/Members/{member['sid']}",
    }
    assert fetch(client, member) == member


def test_member_is_added_with_everything(client: httpx.Client, service: Json, channel: Json) -> None:
    """Each parameter becomes its field, as an import needs it."""
    admin = default_role(client, service, "channel admin")

    member = create_member(
        client,
        channel,
        "alice",
        RoleSid=admin["sid"],
        LastConsumedMessageIndex="3",
        LastConsumptionTimestamp=LATER,
        DateCreated=LONG_AGO,
        DateUpdated=LATER,
        Attributes='{"color": 1}',
    )

    assert horizon(member) == (3, LATER)
    assert member == member | {
        "role_sid": admin["sid"],
        "date_created": LONG_AGO,
        "date_updated": LATER,
        "attributes": '{"color": 1}',
    }
    assert fetch(client, member) == member


@pytest.mark.parametrize("type_", ["public", "private"])
def test_member_needs_no_invite(client: httpx.Client, service: Json, type_: str) -> None:
    """A back end adds members to private channels as to public ones."""
    channel = create_channel(client, service, Type=type_)

    create_member(client, channel, "alice")

    assert [member["identity"] for member in rows(client, channel, "Members")] == ["alice"]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 20001),
        ({"Identity": ""}, 20001),
        ({"Identity": "i" * 257}, 50207),
        ({"Identity": f"US{NOBODY}"}, 50206),
        ({"Identity": "system"}, 50203),
    ],
    ids=["missing", "empty", "too long", "SID", "reserved"],
)
def test_identity_that_no_user_may_have_is_refused(
    client: httpx.Client, service: Json, channel: Json, form: Json, code: int
) -> None:
    """A member is a user, so the rules of identities hold, and no user comes of a refusal."""
    refused(client.post(at(channel, "Members"), data=form), 400, code)

    assert rows(client, channel, "Members") == []
    assert rows(client, service, "Users") == []


def test_missing_identity_is_named(client: httpx.Client, channel: Json) -> None:
    """A body of JSON is not read, so it lacks the identity, too."""
    message = "Missing required parameter Identity in the post body"

    refused(client.post(at(channel, "Members"), json={"Identity": "alice"}), 400, 20001, message)


@pytest.mark.parametrize(("parameter", "sent", "code"), INVALID)
def test_invalid_value_is_refused(client: httpx.Client, channel: Json, parameter: str, sent: str, code: int) -> None:
    """Creation and update check alike, and nothing comes of what they refuse."""
    form = {"Identity": "bob", "Attributes": "[1]", parameter: sent}
    alice = create_member(client, channel, "alice")

    refused(client.post(at(channel, "Members"), data=form), 400, code)
    refused(client.post(at(alice), data=form), 400, code)

    assert rows(client, channel, "Members") == [alice]
    assert fetch(client, channel)["members_count"] == 1


@pytest.mark.parametrize("text", NO_JSON_TEXTS)
def test_attributes_that_are_not_json_are_refused(client: httpx.Client, channel: Json, text: str) -> None:
    """The message is the original's."""
    form = {"Identity": "alice", "Attributes": text}

    refused(client.post(at(channel, "Members"), data=form), 400, 50304, "Attributes not valid JSON")


@pytest.mark.parametrize("text", [*JSON_TEXTS, f'"{"a" * 4094}"'])
def test_attributes_are_kept_as_they_were_sent(client: httpx.Client, channel: Json, text: str) -> None:
    """Any JSON value of up to 4 KiB will do, and its text is not written anew."""
    alice = create_member(client, channel, "alice", Attributes=text)
    bob = update(client, create_member(client, channel, "bob"), Attributes=text)

    assert fetch(client, alice)["attributes"] == text
    assert fetch(client, bob)["attributes"] == text


def test_member_who_is_there_already_is_refused(client: httpx.Client, channel: Json) -> None:
    """Nobody is in a channel twice, and the first membership stays as it was."""
    alice = create_member(client, channel, "alice", Attributes="[1]")

    refused(client.post(at(channel, "Members"), data={"Identity": "alice"}), 409, 50404, "Member already exists")

    assert rows(client, channel, "Members") == [alice]
    assert fetch(client, channel)["members_count"] == 1


@pytest.mark.parametrize("identity", [*ODD_NAMES, "i" * 256, f"CH{NOBODY}", "0"])
def test_member_is_found_by_identity(client: httpx.Client, channel: Json, identity: str) -> None:
    """Whatever the characters, the identity is one part of the path, for every method."""
    member = create_member(client, channel, identity)
    path = at(channel, "Members", identity)
    assert ok(client.get(path)) == member

    assert ok(client.post(path, data={"Attributes": "[1]"}))["attributes"] == "[1]"

    assert client.delete(path).status_code == 204
    not_found(client.get(at(member)))


def test_member_of_another_channel_is_not_found(client: httpx.Client, service: Json, channel: Json) -> None:
    """Each channel has its own members, by SID as by identity."""
    member = create_member(client, channel, "alice")
    other = create_channel(client, service)

    for name in (member["sid"], "alice"):
        not_found(client.get(at(other, "Members", name)))
        not_found(client.delete(at(other, "Members", name)))


def test_creator_gets_the_creators_role(client: httpx.Client, service: Json) -> None:
    """Whoever made the channel may do more in it, and everybody else gets the common role."""
    channel = create_channel(client, service, CreatedBy="alice")

    alice, bob = create_member(client, channel, "alice"), create_member(client, channel, "bob")

    assert service["default_channel_creator_role_sid"] != service["default_channel_role_sid"]
    assert alice["role_sid"] == service["default_channel_creator_role_sid"]
    assert bob["role_sid"] == service["default_channel_role_sid"]


def test_creator_can_be_given_another_role(client: httpx.Client, service: Json) -> None:
    """A role in the request is stronger than any default."""
    channel = create_channel(client, service, CreatedBy="alice")

    alice = create_member(client, channel, "alice", RoleSid=service["default_channel_role_sid"])

    assert alice["role_sid"] == service["default_channel_role_sid"]


def test_service_role_is_refused(client: httpx.Client, service: Json, channel: Json) -> None:
    """A member holds a role of channels, not of the service."""
    alice = create_member(client, channel, "alice")
    form = {"Identity": "bob", "RoleSid": service["default_service_role_sid"]}

    refused(client.post(at(channel, "Members"), data=form), 400, 50101, "Channel role not found")
    refused(client.post(at(alice), data=form), 400, 50101, "Channel role not found")

    assert rows(client, channel, "Members") == [alice]


def test_role_of_another_service_is_refused(client: httpx.Client, channel: Json) -> None:
    """A role counts in its own service only."""
    elsewhere = create_service(client)
    form = {"Identity": "alice", "RoleSid": elsewhere["default_channel_role_sid"]}

    refused(client.post(at(channel, "Members"), data=form), 400, 50100, "Role not found")

    delete(client, elsewhere)


def test_new_default_role_goes_to_the_next_member(client: httpx.Client, service: Json, channel: Json) -> None:
    """A changed default counts for those who come after it."""
    before = create_member(client, channel, "alice")
    role = create_role(client, service, "channel", "sendMessage")
    update(client, service, DefaultChannelRoleSid=role["sid"])

    after = create_member(client, channel, "bob")

    assert after["role_sid"] == role["sid"]
    assert fetch(client, before) == before


def test_adding_uses_up_the_invite(client: httpx.Client, service: Json, channel: Json) -> None:
    """The invited one becomes a member with the promised role, and is invited no more."""
    role = create_role(client, service, "channel", "sendMessage")
    create_user(client, service, "alice")
    invite = create_invite(client, channel, "alice", RoleSid=role["sid"])

    member = create_member(client, channel, "alice")

    assert member["role_sid"] == role["sid"]
    assert rows(client, channel, "Invites") == []
    not_found(client.get(at(invite)))


def test_role_in_the_request_is_stronger_than_the_invites(client: httpx.Client, service: Json, channel: Json) -> None:
    """What is asked for now counts more than what was promised."""
    role = create_role(client, service, "channel", "sendMessage")
    create_user(client, service, "alice")
    create_invite(client, channel, "alice", RoleSid=role["sid"])

    member = create_member(client, channel, "alice", RoleSid=service["default_channel_role_sid"])

    assert member["role_sid"] == service["default_channel_role_sid"]
    assert rows(client, channel, "Invites") == []


def test_full_channel_refuses_the_next_member(client: httpx.Client, service: Json, channel: Json) -> None:
    """The limit of members counts, nothing comes of a refusal, and a leaver makes room."""
    update(client, service, **{"Limits.ChannelMembers": "2"})
    alice, _ = create_member(client, channel, "alice"), create_member(client, channel, "bob")
    carol = {"Identity": "carol"}

    refused(client.post(at(channel, "Members"), data=carol), 403, 50403, "Channel member limit exceeded")
    assert fetch(client, channel)["members_count"] == 2
    assert [user["identity"] for user in rows(client, service, "Users")] == ["alice", "bob"]

    delete(client, alice)
    created(client.post(at(channel, "Members"), data=carol))


def test_user_in_too_many_channels_is_refused(client: httpx.Client, service: Json) -> None:
    """The limit of channels per user counts, nothing comes of a refusal, and leaving makes room."""
    update(client, service, **{"Limits.UserChannels": "2"})
    first, second, third = (create_channel(client, service) for _ in range(3))
    member, _ = create_member(client, first, "alice"), create_member(client, second, "alice")
    alice = {"Identity": "alice"}

    refused(client.post(at(third, "Members"), data=alice), 403, 50208, "User channel limit exceeded")
    assert fetch(client, service, "Users", "alice")["joined_channels_count"] == 2
    assert fetch(client, third)["members_count"] == 0

    delete(client, member)
    created(client.post(at(third, "Members"), data=alice))


def test_lower_limits_evict_nobody(client: httpx.Client, service: Json, channel: Json) -> None:
    """A limit under the present number only keeps new ones out."""
    members = [create_member(client, channel, identity) for identity in ("alice", "bob")]

    update(client, service, **{"Limits.ChannelMembers": "1", "Limits.UserChannels": "1"})

    assert rows(client, channel, "Members") == members
    refused(client.post(at(channel, "Members"), data={"Identity": "carol"}), 403, 50403)
    assert update(client, members[0], Attributes="[1]")["attributes"] == "[1]"


def test_update_changes_only_what_is_given(client: httpx.Client, service: Json, channel: Json) -> None:
    """An update is a merge."""
    admin = default_role(client, service, "channel admin")
    member = create_member(client, channel, "alice", Attributes="[1]", LastConsumedMessageIndex="1")

    updated = update(client, member, RoleSid=admin["sid"])

    assert updated == member | {"role_sid": admin["sid"], "date_updated": DATE}
    assert fetch(client, member) == updated


def test_update_is_stamped_now(client: httpx.Client, channel: Json) -> None:
    """Without a date of its own an update moves `date_updated` and leaves `date_created`."""
    member = create_member(client, channel, "alice", DateCreated=LONG_AGO, DateUpdated=LONG_AGO)

    updated = update(client, member, Attributes="[1]")

    assert updated["date_created"] == LONG_AGO
    assert updated["date_updated"] > LATER


def test_update_restores_dates(client: httpx.Client, channel: Json) -> None:
    """The overrides of an import work on an update, too."""
    member = create_member(client, channel, "alice")

    updated = update(client, member, DateCreated=LONG_AGO, DateUpdated=LATER)

    assert updated == member | {"date_created": LONG_AGO, "date_updated": LATER}


def test_update_without_parameters_changes_nothing(client: httpx.Client, channel: Json) -> None:
    """An empty update is accepted and returns the resource, its dates included."""
    member = create_member(client, channel, "alice", Attributes="[1]", DateUpdated=LONG_AGO)

    assert update(client, member) == member


def test_identity_does_not_change(client: httpx.Client, channel: Json) -> None:
    """An update knows no identity."""
    member = create_member(client, channel, "alice")

    assert update(client, member, Identity="bob", Attributes="[1]")["identity"] == "alice"


@pytest.mark.parametrize("index", ["0", "1", "2", "7"])
def test_horizon_is_set_as_given(client: httpx.Client, channel: Json, index: str) -> None:
    """Forward, back and beyond the last message: the index is what the caller says."""
    for _ in range(3):
        create_message(client, channel)
    member = create_member(client, channel, "alice", LastConsumedMessageIndex="1")

    updated = update(client, member, LastConsumedMessageIndex=index, LastConsumptionTimestamp=LONG_AGO)

    assert horizon(updated) == (int(index), LONG_AGO)
    assert horizon(fetch(client, member)) == (int(index), LONG_AGO)


def test_horizon_without_a_time_is_stamped_now(client: httpx.Client, channel: Json) -> None:
    """An index that comes alone was read just now, at creation as in an update."""
    alice = create_member(client, channel, "alice", LastConsumedMessageIndex="0")
    bob = create_member(client, channel, "bob", LastConsumedMessageIndex="0", LastConsumptionTimestamp=LONG_AGO)

    bob = update(client, bob, LastConsumedMessageIndex="1")

    assert horizon(alice) == (0, DATE)
    assert horizon(bob) == (1, DATE)
    assert bob["last_consumption_timestamp"] > LATER


def test_time_of_the_horizon_is_set_alone(client: httpx.Client, channel: Json) -> None:
    """A time without an index leaves the index as it was."""
    member = create_member(client, channel, "alice", LastConsumedMessageIndex="2")

    assert horizon(update(client, member, LastConsumptionTimestamp=LONG_AGO)) == (2, LONG_AGO)


def test_empty_index_clears_the_horizon(client: httpx.Client, channel: Json) -> None:
    """No index means that nothing was read, so there is no time either."""
    member = create_member(client, channel, "alice", LastConsumedMessageIndex="2")
    assert horizon(member) == (2, DATE)

    assert horizon(update(client, member, LastConsumedMessageIndex="")) == (None, None)
    assert horizon(fetch(client, member)) == (None, None)


def test_horizon_stays_when_read_status_is_turned_off(client: httpx.Client, service: Json, channel: Json) -> None:
    """The service forgets nothing that was stored."""
    member = create_member(client, channel, "alice", LastConsumedMessageIndex="2")

    update(client, service, ReadStatusEnabled="false")

    assert fetch(client, member) == member


def test_posting_does_not_move_the_authors_horizon(client: httpx.Client, channel: Json) -> None:
    """Only clients say what was read."""
    member = create_member(client, channel, "alice", LastConsumedMessageIndex="0")

    create_message(client, channel, From="alice")

    assert fetch(client, member) == member


def test_deleted_member_is_gone(client: httpx.Client, service: Json, channel: Json) -> None:
    """It is found neither by SID nor by identity; user and messages stay."""
    member = create_member(client, channel, "alice")
    message = create_message(client, channel, From="alice")

    delete(client, member)

    for name in (member["sid"], "alice"):
        not_found(client.get(at(channel, "Members", name)))
    not_found(client.delete(at(member)))
    not_found(client.post(at(member), data={"Attributes": "[1]"}))
    assert rows(client, channel, "Members") == []
    assert fetch(client, channel)["members_count"] == 0
    assert fetch(client, service, "Users", "alice")["joined_channels_count"] == 0
    assert fetch(client, message) == message


def test_member_who_comes_back_is_a_new_one(client: httpx.Client, service: Json, channel: Json) -> None:
    """The SID is new, and neither horizon nor role nor attributes are left of the former membership."""
    admin = default_role(client, service, "channel admin")
    form = {"RoleSid": admin["sid"], "Attributes": "[1]", "LastConsumedMessageIndex": "1"}
    former = create_member(client, channel, "alice", **form)
    delete(client, former)

    member = create_member(client, channel, "alice")

    assert member["sid"] != former["sid"]
    assert horizon(member) == (None, None)
    assert (member["role_sid"], member["attributes"]) == (service["default_channel_role_sid"], "{}")
    assert rows(client, channel, "Members") == [member]
    not_found(client.get(at(former)))


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        (["bob"], ["bob"]),
        (["carol", "alice"], ["alice", "carol"]),
        (["alice", "nobody"], ["alice"]),
        (["nobody"], []),
        (["Alice"], []),
    ],
)
def test_members_are_filtered_by_identity(
    client: httpx.Client, channel: Json, identities: list[str], expected: list[str]
) -> None:
    """Any of the named ones is listed; when none is there, the list is empty."""
    for identity in ("alice", "bob", "carol"):
        create_member(client, channel, identity)

    listed = rows(client, channel, "Members", Identity=identities)

    assert [member["identity"] for member in listed] == expected


@pytest.mark.parametrize("identity", ODD_NAMES)
def test_filter_is_kept_from_page_to_page(client: httpx.Client, channel: Json, identity: str) -> None:
    """The URL of the next page filters as the first did, whatever the characters."""
    members = [create_member(client, channel, name) for name in ("alice", identity, "bob", "carol")]

    listed = walk(client, channel, "Members", Identity=["carol", identity], PageSize="1")

    assert listed == [members[1], members[3]]


def test_members_are_listed_in_creation_order_page_by_page(client: httpx.Client, channel: Json) -> None:
    """Neither the identities nor a date override nor those who left matter."""
    names = ("d", "a", "e", "b", "c", "f")
    members = [create_member(client, channel, name, DateCreated=LONG_AGO) for name in names]
    delete(client, members.pop(2))

    assert walk(client, channel, "Members", PageSize="2") == members


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", [f"MB{NOBODY}", "nobody", "Alice"])
def test_member_that_never_was_is_not_found(client: httpx.Client, channel: Json, method: str, name: str) -> None:
    """The message holds the path as it was called."""
    create_member(client, channel, "alice")

    not_found(client.request(method, f"{at(channel)}/Members/{name}"))


def test_member_is_not_found_by_another_account(client: httpx.Client, channel: Json, stranger: httpx.Client) -> None:
    """Nobody sees, adds or removes members of another account's channel."""
    member = create_member(client, channel, "alice")

    for method in ("GET", "POST", "DELETE"):
        refused(stranger.request(method, at(member)), 403, 50050)
    refused(stranger.post(at(channel, "Members"), data={"Identity": "bob"}), 403, 50050)

    assert rows(client, channel, "Members") == [member]
