"""User channels: what a user has joined or is invited to, and exactly how much of it is unread."""

import httpx
import pytest

from tests.api.steps import (
    DATE,
    LONG_AGO,
    NOBODY,
    ODD_NAMES,
    Json,
    at,
    create_channel,
    create_invite,
    create_member,
    create_message,
    create_user,
    delete,
    fetch,
    not_found,
    ok,
    refused,
    rows,
    update,
    walk,
)
from tests.harness import ACCOUNT_SID

INVALID = [
    ("NotificationLevel", "loud", 50210),
    ("NotificationLevel", "", 50210),
    ("NotificationLevel", "Muted", 50210),
    ("LastConsumedMessageIndex", "-1", 50406),
    ("LastConsumedMessageIndex", "1.5", 50406),
    ("LastConsumedMessageIndex", "last", 50406),
    ("LastConsumptionTimestamp", "yesterday", 50405),
]


@pytest.fixture
def alice(client: httpx.Client, service: Json) -> Json:
    """A user, nowhere a member yet."""
    return create_user(client, service, "alice")


@pytest.fixture
def member(client: httpx.Client, channel: Json, alice: Json) -> Json:
    """The user's membership in the channel."""
    return create_member(client, channel, alice["identity"])


def unread(client: httpx.Client, user: Json, channel: Json) -> int | None:
    """The count that fetch and list agree on."""
    fetched = fetch(client, user, "Channels", channel)
    assert fetched in rows(client, user, "Channels")
    count: int | None = fetched["unread_messages_count"]
    return count


def test_joined_channel(client: httpx.Client, service: Json, channel: Json, alice: Json, member: Json) -> None:
    """A membership as the user sees it, with the URLs of SIDs."""
    joined = fetch(client, alice, "Channels", channel)

    assert joined == {
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "channel_sid": channel["sid"],
        "user_sid": alice["sid"],
        "member_sid": member["sid"],
        "status": "joined",
        "last_consumed_message_index": None,
        "unread_messages_count": None,
        "notification_level": "default",
        "url": f"{alice['url']}/Channels/{channel['sid']}",
        "links": {"channel": channel["url"], "member": member["url"]},
    }
    assert rows(client, alice, "Channels") == [joined]


def test_invited_channel(client: httpx.Client, service: Json, channel: Json, alice: Json) -> None:
    """An invite as the user sees it: there is no member yet."""
    create_invite(client, channel, "alice")

    invited = fetch(client, alice, "Channels", channel)

    assert invited == {
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "channel_sid": channel["sid"],
        "user_sid": alice["sid"],
        "member_sid": None,
        "status": "invited",
        "last_consumed_message_index": None,
        "unread_messages_count": None,
        "notification_level": "default",
        "url": f"{alice['url']}/Channels/{channel['sid']}",
        "links": {"channel": channel["url"], "member": None},
    }
    assert rows(client, alice, "Channels") == [invited]


def test_invited_user_who_joins(client: httpx.Client, channel: Json, alice: Json) -> None:
    """One row turns from invited into joined."""
    create_invite(client, channel, "alice")

    member = create_member(client, channel, "alice")

    [joined] = rows(client, alice, "Channels")
    assert (joined["status"], joined["member_sid"]) == ("joined", member["sid"])


@pytest.mark.parametrize("type_", ["public", "private"])
def test_channel_of_others_is_not_found(client: httpx.Client, service: Json, alice: Json, type_: str) -> None:
    """A channel where the user is neither member nor invited is none of the user's, whatever its type."""
    channel = create_channel(client, service, Type=type_)
    create_member(client, channel, "bob")

    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(alice, "Channels", channel)))

    assert rows(client, alice, "Channels") == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_identity_and_unique_name_are_addresses(client: httpx.Client, service: Json, name: str) -> None:
    """Both parts of the path take names instead of SIDs, and the answer's URLs hold SIDs."""
    channel = create_channel(client, service, UniqueName=name)
    create_member(client, channel, name)
    user = fetch(client, service, "Users", name)

    joined = fetch(client, service, "Users", name, "Channels", name)

    assert joined == fetch(client, user, "Channels", channel)
    assert joined["url"] == f"{user['url']}/Channels/{channel['sid']}"


@pytest.mark.parametrize(
    ("index", "expected"),
    [("0", 3), ("1", 3), ("2", 2), ("3", 1), ("4", 1), ("5", 0), ("6", 0), ("100", 0)],
)
@pytest.mark.usefixtures("member")
def test_unread_messages_are_those_after_the_horizon(
    client: httpx.Client, channel: Json, alice: Json, index: str, expected: int
) -> None:
    """Of the indexes 0 to 6 the deleted 1, 4 and 6 count nowhere, not even as a horizon."""
    messages = [create_message(client, channel) for _ in range(7)]
    for deleted in (1, 4, 6):
        delete(client, messages[deleted])
    present = [message["index"] for message in rows(client, channel, "Messages")]
    assert present == [0, 2, 3, 5]
    assert expected == sum(each > int(index) for each in present)

    updated = ok(client.post(at(alice, "Channels", channel), data={"LastConsumedMessageIndex": index}))

    assert updated["unread_messages_count"] == expected
    assert unread(client, alice, channel) == expected


def test_unread_count_follows_the_messages(client: httpx.Client, channel: Json, alice: Json, member: Json) -> None:
    """New ones count, the user's own too; a deleted one counts no more; one already read never did."""
    read, first = create_message(client, channel), create_message(client, channel)
    update(client, member, LastConsumedMessageIndex="0")
    assert unread(client, alice, channel) == 1

    create_message(client, channel, From="alice")
    assert unread(client, alice, channel) == 2

    delete(client, read)
    assert unread(client, alice, channel) == 2
    delete(client, first)
    assert unread(client, alice, channel) == 1


def test_unread_count_of_each_user_is_its_own(client: httpx.Client, service: Json, channel: Json) -> None:
    """Two members have read differently far, a third has no horizon."""
    for identity, index in (("alice", "0"), ("bob", "2"), ("carol", "")):
        create_member(client, channel, identity, LastConsumedMessageIndex=index)

    for _ in range(4):
        create_message(client, channel)

    users = rows(client, service, "Users")
    assert [unread(client, user, channel) for user in users] == [3, 1, None]


def test_unread_count_is_null_without_a_horizon(client: httpx.Client, channel: Json, alice: Json, member: Json) -> None:
    """It is null before the first horizon, and again after the horizon was cleared."""
    create_message(client, channel)
    assert unread(client, alice, channel) is None
    update(client, member, LastConsumedMessageIndex="0")
    assert unread(client, alice, channel) == 0

    cleared = ok(client.post(at(alice, "Channels", channel), data={"LastConsumedMessageIndex": ""}))

    assert (cleared["last_consumed_message_index"], cleared["unread_messages_count"]) == (None, None)
    assert unread(client, alice, channel) is None


def test_unread_count_starts_anew_with_a_new_membership(
    client: httpx.Client, channel: Json, alice: Json, member: Json
) -> None:
    """Who leaves and comes back has no horizon."""
    create_message(client, channel)
    update(client, member, LastConsumedMessageIndex="0")

    delete(client, member)
    create_member(client, channel, "alice")

    assert unread(client, alice, channel) is None


def test_horizon_is_the_members(client: httpx.Client, channel: Json, alice: Json, member: Json) -> None:
    """An update of the user channel writes what the member shows."""
    path = at(alice, "Channels", channel)
    form = {"LastConsumedMessageIndex": "2", "LastConsumptionTimestamp": LONG_AGO}

    updated = ok(client.post(path, data=form))

    assert updated["last_consumed_message_index"] == 2
    assert fetch(client, member) == member | {
        "last_consumed_message_index": 2,
        "last_consumption_timestamp": LONG_AGO,
        "date_updated": DATE,
    }


def test_horizon_without_a_time_is_stamped_now(client: httpx.Client, channel: Json, alice: Json, member: Json) -> None:
    """An index that comes alone was read just now."""
    ok(client.post(at(alice, "Channels", channel), data={"LastConsumedMessageIndex": "0"}))

    assert fetch(client, member)["last_consumption_timestamp"] == DATE


@pytest.mark.usefixtures("member")
def test_notification_level_is_changed_and_kept(client: httpx.Client, channel: Json, alice: Json) -> None:
    """A channel is muted and heard again, and nothing else changes."""
    path = at(alice, "Channels", channel)
    before = ok(client.get(path))

    muted = ok(client.post(path, data={"NotificationLevel": "muted"}))
    assert muted == before | {"notification_level": "muted"}
    assert ok(client.get(path)) == muted

    assert ok(client.post(path, data={"NotificationLevel": "default"})) == before


@pytest.mark.usefixtures("member")
def test_notification_level_is_the_users_own(client: httpx.Client, service: Json, channel: Json, alice: Json) -> None:
    """Neither another member of the channel nor another channel of the user is muted along."""
    create_member(client, channel, "bob")
    other = create_channel(client, service)
    create_member(client, other, "alice")

    ok(client.post(at(alice, "Channels", channel), data={"NotificationLevel": "muted"}))

    assert fetch(client, service, "Users", "bob", "Channels", channel)["notification_level"] == "default"
    assert fetch(client, alice, "Channels", other)["notification_level"] == "default"


@pytest.mark.usefixtures("member")
def test_level_and_horizon_are_updated_together(client: httpx.Client, channel: Json, alice: Json) -> None:
    """One update can change both."""
    form = {"NotificationLevel": "muted", "LastConsumedMessageIndex": "4"}

    updated = ok(client.post(at(alice, "Channels", channel), data=form))

    assert (updated["notification_level"], updated["last_consumed_message_index"]) == ("muted", 4)
    assert fetch(client, alice, "Channels", channel) == updated


def test_level_is_forgotten_with_the_membership(client: httpx.Client, channel: Json, alice: Json, member: Json) -> None:
    """Who leaves and comes back is not muted."""
    ok(client.post(at(alice, "Channels", channel), data={"NotificationLevel": "muted"}))

    delete(client, member)
    create_member(client, channel, "alice")

    assert fetch(client, alice, "Channels", channel)["notification_level"] == "default"


@pytest.mark.usefixtures("member")
@pytest.mark.parametrize(("parameter", "sent", "code"), INVALID)
def test_invalid_value_is_refused(
    client: httpx.Client, channel: Json, alice: Json, parameter: str, sent: str, code: int
) -> None:
    """It is refused with its own code, even beside a good one, and nothing changes."""
    form = {"NotificationLevel": "muted", "LastConsumedMessageIndex": "3", parameter: sent}
    before = fetch(client, alice, "Channels", channel)

    refused(client.post(at(alice, "Channels", channel), data=form), 400, code)

    assert fetch(client, alice, "Channels", channel) == before


@pytest.mark.usefixtures("member")
def test_update_without_parameters_changes_nothing(client: httpx.Client, channel: Json, alice: Json) -> None:
    """An empty update is accepted and returns the resource."""
    path = at(alice, "Channels", channel)
    before = ok(client.post(path, data={"NotificationLevel": "muted", "LastConsumedMessageIndex": "1"}))

    assert ok(client.post(path)) == before


@pytest.mark.parametrize(
    "form", [{"NotificationLevel": "muted"}, {"LastConsumedMessageIndex": "0"}], ids=["level", "horizon"]
)
def test_invitation_has_neither_level_nor_horizon(client: httpx.Client, channel: Json, alice: Json, form: Json) -> None:
    """There is no member to write them to, and the invitation stays as it was."""
    create_invite(client, channel, "alice")
    before = fetch(client, alice, "Channels", channel)

    not_found(client.post(at(alice, "Channels", channel), data=form))

    assert fetch(client, alice, "Channels", channel) == before


def test_deleting_leaves_the_channel(client: httpx.Client, channel: Json, alice: Json, member: Json) -> None:
    """The membership ends, for the channel as for the user."""
    delete(client, alice, "Channels", channel)

    not_found(client.get(at(alice, "Channels", channel)))
    not_found(client.delete(at(alice, "Channels", channel)))
    not_found(client.get(at(member)))
    assert rows(client, alice, "Channels") == []
    assert fetch(client, channel)["members_count"] == 0
    assert fetch(client, alice)["joined_channels_count"] == 0


def test_deleting_by_names_leaves_the_channel(client: httpx.Client, service: Json) -> None:
    """Identity and unique name are addresses here, too."""
    channel = create_channel(client, service, UniqueName="general")
    member = create_member(client, channel, "alice")

    delete(client, service, "Users", "alice", "Channels", "general")

    not_found(client.get(at(member)))


def test_deleting_an_invitation_drops_the_invite(client: httpx.Client, channel: Json, alice: Json) -> None:
    """The user declines: no invite is left, and no member came of it."""
    invite = create_invite(client, channel, "alice")

    delete(client, alice, "Channels", channel)

    not_found(client.get(at(alice, "Channels", channel)))
    not_found(client.get(at(invite)))
    assert rows(client, alice, "Channels") == []
    assert rows(client, channel, "Members") == []


def test_user_channels_are_listed_in_creation_order_page_by_page(
    client: httpx.Client, service: Json, alice: Json
) -> None:
    """Joined and invited ones stand in one list, without those that were left and without others' channels."""
    channels = [create_channel(client, service) for _ in range(7)]
    for index, channel in enumerate(channels):
        if index in {1, 4}:
            create_invite(client, channel, "alice")
        elif index != 5:
            create_member(client, channel, "alice")
    delete(client, alice, "Channels", channels[2])

    listed = walk(client, alice, "Channels", PageSize="2")

    assert [(row["channel_sid"], row["status"]) for row in listed] == [
        (channels[index]["sid"], "invited" if index in {1, 4} else "joined") for index in (0, 1, 3, 4, 6)
    ]


@pytest.mark.parametrize("name", [f"US{NOBODY}", "nobody"])
def test_nothing_is_below_a_user_that_never_was(client: httpx.Client, service: Json, channel: Json, name: str) -> None:
    """The missing user is a missing resource, named by the path as it was called."""
    not_found(client.get(at(service, "Users", name, "Channels")))

    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(service, "Users", name, "Channels", channel)))


@pytest.mark.parametrize("name", [f"CH{NOBODY}", "nobody"])
def test_channel_that_never_was_is_not_found(client: httpx.Client, alice: Json, name: str) -> None:
    """The message holds the path as it was called."""
    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(alice, "Channels", name)))


@pytest.mark.usefixtures("member")
def test_user_channel_is_not_found_by_another_account(
    client: httpx.Client, channel: Json, alice: Json, stranger: httpx.Client
) -> None:
    """Nobody sees, mutes or leaves channels of another account's users."""
    before = fetch(client, alice, "Channels", channel)

    for method in ("GET", "POST", "DELETE"):
        refused(stranger.request(method, at(alice, "Channels", channel)), 403, 50050)

    assert fetch(client, alice, "Channels", channel) == before
