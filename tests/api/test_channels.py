"""Channels: names that are addresses, dates and authors for an import, and all that goes with a deletion."""

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
    create_service,
    create_user,
    create_webhook,
    created,
    delete,
    eventually,
    fetch,
    not_found,
    ok,
    refused,
    rows,
    sid,
    stored_files,
    update,
    upload_media,
    walk,
)
from tests.harness import ACCOUNT_SID, Server

NAME_TAKEN = "Channel with provided unique name already exists"

INVALID = [
    ("Attributes", "{", 50304),
    ("Attributes", f'"{"a" * 16384}"', 50303),
    ("Attributes", f'"{"é" * 9000}"', 50303),
    ("FriendlyName", "n" * 257, 50003),
    ("UniqueName", "n" * 257, 50004),
    ("UniqueName", f"CH{NOBODY}", 50306),
    ("UniqueName", f"CH{'aF' * 16}", 50306),
    ("CreatedBy", "n" * 257, 50310),
    ("DateCreated", "yesterday", 50308),
    ("DateCreated", "2016-13-01T00:00:00Z", 50308),
    ("DateUpdated", "tomorrow", 50309),
    ("DateUpdated", "2016-02-30", 50309),
]

DATES = [
    ("2016-03-24T20:37:57Z", "2016-03-24T20:37:57Z"),
    ("2016-03-24T20:37:57.999Z", "2016-03-24T20:37:57Z"),
    ("2016-03-24T22:37:57+02:00", "2016-03-24T20:37:57Z"),
    ("2016-03-24T20:37:57", "2016-03-24T20:37:57Z"),
    ("2016-03-24", "2016-03-24T00:00:00Z"),
    ("1969-07-20T20:17:40Z", "1969-07-20T20:17:40Z"),
]


def test_channel_is_created_with_defaults(client: httpx.Client, service: Json, server: Server) -> None:
    """A channel needs nothing: it is public, empty and made by the system."""
    channel = created(client.post(at(service, "Channels")))

    url = f"{server.url}/v2/Services/{service['sid']}/Channels/{channel['sid']}"
    assert channel == {
        "sid": sid("CH"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "friendly_name": None,
        "unique_name": None,
        "attributes": "{}",
        "type": "public",
        "date_created": DATE,
        "date_updated": channel["date_created"],
        "created_by": "system",
        "members_count": 0,
        "messages_count": 0,
        "url": url,
        "links": {
            "members": f"{url}/Members",
            "messages": f"{url}/Messages",
            "invites": f"{url}/Invites",
            "webhooks": f"{url}/Webhooks",
            "last_message": None,
        },
    }
    assert fetch(client, channel) == channel


def test_channel_is_created_with_everything(client: httpx.Client, service: Json) -> None:
    """Each parameter becomes its field; the creator does not join."""
    channel = create_channel(
        client,
        service,
        FriendlyName="General talk",
        UniqueName="general",
        Attributes='{"topic": 1}',
        Type="private",
        DateCreated=LONG_AGO,
        DateUpdated=LATER,
        CreatedBy="alice",
    )

    assert channel == channel | {
        "friendly_name": "General talk",
        "unique_name": "general",
        "attributes": '{"topic": 1}',
        "type": "private",
        "date_created": LONG_AGO,
        "date_updated": LATER,
        "created_by": "alice",
        "members_count": 0,
    }
    assert fetch(client, channel) == channel
    assert rows(client, channel, "Members") == []


@pytest.mark.parametrize("type_", ["direct", "Private"])
def test_type_is_public_or_private(client: httpx.Client, service: Json, type_: str) -> None:
    """Any other type is refused."""
    refused(client.post(at(service, "Channels"), data={"Type": type_}), 400, 20001)

    assert rows(client, service, "Channels") == []


@pytest.mark.parametrize(("parameter", "sent", "code"), INVALID)
def test_invalid_value_is_refused(client: httpx.Client, service: Json, parameter: str, sent: str, code: int) -> None:
    """Creation and update check alike, and nothing comes of what they refuse."""
    form = {"FriendlyName": "Other", parameter: sent}
    channel = create_channel(client, service)

    refused(client.post(at(service, "Channels"), data=form), 400, code)
    refused(client.post(at(channel), data=form), 400, code)

    assert rows(client, service, "Channels") == [channel]


def test_longest_values_are_kept(client: httpx.Client, service: Json) -> None:
    """A limit names the last length that is allowed: in characters for names, in bytes for attributes."""
    longest = {
        "FriendlyName": "é" * 256,
        "UniqueName": "ü" * 256,
        "CreatedBy": "ö" * 256,
        "Attributes": f'"{"é" * 8191}"',
    }

    channel = create_channel(client, service, **longest)

    fields = ("friendly_name", "unique_name", "created_by", "attributes")
    assert [channel[field] for field in fields] == list(longest.values())


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_attributes_are_kept_as_they_were_sent(client: httpx.Client, channel: Json, text: str) -> None:
    """Any JSON value will do, and its text is not written anew."""
    assert update(client, channel, Attributes=text)["attributes"] == text
    assert fetch(client, channel)["attributes"] == text


@pytest.mark.parametrize("text", NO_JSON_TEXTS)
def test_attributes_that_are_not_json_are_refused(client: httpx.Client, channel: Json, text: str) -> None:
    """The message is the original's."""
    refused(client.post(at(channel), data={"Attributes": text}), 400, 50304, "Attributes not valid JSON")


@pytest.mark.parametrize(("sent", "shown"), DATES)
def test_dates_are_taken_in_any_iso_form(client: httpx.Client, service: Json, sent: str, shown: str) -> None:
    """Whatever the form, the answer is in UTC and whole seconds."""
    made = create_channel(client, service, DateCreated=sent, DateUpdated=sent)
    updated = update(client, create_channel(client, service), DateCreated=sent, DateUpdated=sent)

    for channel in (made, updated):
        assert (channel["date_created"], channel["date_updated"]) == (shown, shown)


def test_update_changes_only_what_is_given(client: httpx.Client, service: Json) -> None:
    """An update is a merge."""
    channel = create_channel(client, service, FriendlyName="Talk", UniqueName="talk", Attributes="[1]")

    updated = update(client, channel, FriendlyName="Chatter")

    assert updated == channel | {"friendly_name": "Chatter", "date_updated": DATE}
    assert fetch(client, channel) == updated


def test_update_is_stamped_now(client: httpx.Client, service: Json) -> None:
    """Without a date of its own an update moves `date_updated` and nothing else."""
    channel = create_channel(client, service, DateCreated=LONG_AGO, DateUpdated=LONG_AGO)

    updated = update(client, channel, FriendlyName="Talk")

    assert updated["date_created"] == LONG_AGO
    assert updated["date_updated"] > LATER


def test_update_restores_dates_and_creator(client: httpx.Client, channel: Json) -> None:
    """The overrides of an import work on an update, too."""
    updated = update(client, channel, DateCreated=LONG_AGO, DateUpdated=LATER, CreatedBy="alice")

    changes = {"date_created": LONG_AGO, "date_updated": LATER, "created_by": "alice"}
    assert updated == channel | changes
    assert fetch(client, channel) == updated


def test_update_without_parameters_changes_nothing(client: httpx.Client, service: Json) -> None:
    """An empty update is accepted and returns the resource, its dates included."""
    channel = create_channel(client, service, FriendlyName="Talk", DateUpdated=LONG_AGO)

    assert update(client, channel) == channel


@pytest.mark.parametrize(("parameter", "field"), [("FriendlyName", "friendly_name"), ("UniqueName", "unique_name")])
def test_empty_name_clears_it(client: httpx.Client, service: Json, parameter: str, field: str) -> None:
    """An empty name is none, for a new channel as for an old one."""
    named = create_channel(client, service, **{parameter: "talk"})
    assert named[field] == "talk"

    assert update(client, named, **{parameter: ""})[field] is None
    assert create_channel(client, service, **{parameter: ""})[field] is None


def test_type_does_not_change(client: httpx.Client, channel: Json) -> None:
    """An update knows no type."""
    assert channel["type"] == "public"

    assert update(client, channel, Type="private")["type"] == "public"


def test_activity_leaves_the_date_of_a_channel_alone(client: httpx.Client, service: Json) -> None:
    """New members and messages are no update of the channel."""
    channel = create_channel(client, service, DateUpdated=LONG_AGO)

    create_member(client, channel, "alice")
    create_message(client, channel)

    assert fetch(client, channel)["date_updated"] == LONG_AGO


@pytest.mark.parametrize("name", [*ODD_NAMES, "n" * 256, "CH", f"MB{NOBODY}", "0"])
def test_channel_is_found_by_any_unique_name(client: httpx.Client, service: Json, name: str) -> None:
    """Whatever the characters, the name is one part of the path."""
    channel = create_channel(client, service, UniqueName=name)

    assert channel["unique_name"] == name
    assert fetch(client, service, "Channels", name) == channel


def test_unique_name_is_an_address_everywhere(client: httpx.Client, service: Json) -> None:
    """Everything below a channel is reached by its unique name, and its URLs hold the SIDs."""
    channel = create_channel(client, service, UniqueName="general")
    by_name = {"url": at(service, "Channels", "general")}
    create_user(client, service, "bob")

    made = [
        create_member(client, by_name, "alice"),
        create_message(client, by_name),
        create_invite(client, by_name, "bob"),
        create_webhook(client, by_name),
    ]

    for resource, part in zip(made, ("Members", "Messages", "Invites", "Webhooks"), strict=True):
        assert resource["url"] == f"{channel['url']}/{part}/{resource['sid']}"
        assert rows(client, by_name, part) == [resource]
        assert fetch(client, by_name, part, resource) == resource


def test_update_and_delete_by_unique_name(client: httpx.Client, service: Json) -> None:
    """The name addresses the channel for every method."""
    channel = create_channel(client, service, UniqueName="general")
    path = at(service, "Channels", "general")

    updated = ok(client.post(path, data={"FriendlyName": "Talk"}))
    assert updated == channel | {"friendly_name": "Talk", "date_updated": DATE}

    assert client.delete(path).status_code == 204
    not_found(client.get(at(channel)))


def test_unique_name_that_is_taken_is_refused(client: httpx.Client, service: Json) -> None:
    """Neither a new channel nor a renamed one can have it, and nothing changes."""
    general, other = create_channel(client, service, UniqueName="general"), create_channel(client, service)
    form = {"UniqueName": "general", "FriendlyName": "Usurper"}

    refused(client.post(at(service, "Channels"), data=form), 409, 50307, NAME_TAKEN)
    refused(client.post(at(other), data=form), 409, 50307, NAME_TAKEN)

    assert rows(client, service, "Channels") == [general, other]


def test_channel_may_be_given_its_own_name_again(client: httpx.Client, service: Json) -> None:
    """Its own name is not taken."""
    channel = create_channel(client, service, UniqueName="general")

    assert update(client, channel, UniqueName="general")["unique_name"] == "general"


def test_unique_name_is_case_sensitive(client: httpx.Client, service: Json) -> None:
    """Two spellings are two channels."""
    lower = create_channel(client, service, UniqueName="general")
    upper = create_channel(client, service, UniqueName="General")

    assert fetch(client, service, "Channels", "general") == lower
    assert fetch(client, service, "Channels", "General") == upper


def test_unique_name_is_unique_in_its_service_only(client: httpx.Client, service: Json) -> None:
    """Another service may use it, and each finds its own."""
    elsewhere = create_service(client)
    here = create_channel(client, service, UniqueName="general")
    there = create_channel(client, elsewhere, UniqueName="general")

    assert fetch(client, service, "Channels", "general") == here
    assert fetch(client, elsewhere, "Channels", "general") == there
    not_found(client.get(at(service, "Channels", there)))
    delete(client, elsewhere)


@pytest.mark.parametrize("how", ["deleted", "renamed", "cleared"])
def test_unique_name_is_free_again(client: httpx.Client, service: Json, how: str) -> None:
    """A channel that goes or gives its name up leaves it to others."""
    former = create_channel(client, service, UniqueName="general")
    if how == "deleted":
        delete(client, former)
    else:
        update(client, former, UniqueName={"renamed": "other", "cleared": ""}[how])
    not_found(client.get(at(service, "Channels", "general")))

    channel = create_channel(client, service, UniqueName="general")

    assert fetch(client, service, "Channels", "general") == channel
    assert channel["sid"] != former["sid"]


def test_friendly_names_need_not_be_unique(client: httpx.Client, service: Json) -> None:
    """A friendly name is no address."""
    twins = [create_channel(client, service, FriendlyName="General") for _ in range(2)]

    assert rows(client, service, "Channels") == twins
    not_found(client.get(at(service, "Channels", "General")))


def test_counts_follow_members_and_messages(client: httpx.Client, channel: Json) -> None:
    """They count who and what is there now."""
    members = [create_member(client, channel, identity) for identity in ("alice", "bob")]
    messages = [create_message(client, channel) for _ in range(3)]
    counted = fetch(client, channel)
    assert (counted["members_count"], counted["messages_count"]) == (2, 3)

    delete(client, members[0])
    delete(client, messages[1])

    counted = fetch(client, channel)
    assert (counted["members_count"], counted["messages_count"]) == (1, 2)


def test_last_message_is_the_newest_one_present(client: httpx.Client, channel: Json) -> None:
    """Deleting the newest message moves the link back, and deleting all of them clears it."""
    first, second, third = (create_message(client, channel) for _ in range(3))
    assert fetch(client, channel)["links"]["last_message"] == third["url"]

    delete(client, second)
    assert fetch(client, channel)["links"]["last_message"] == third["url"]
    delete(client, third)
    assert fetch(client, channel)["links"]["last_message"] == first["url"]
    delete(client, first)
    assert fetch(client, channel)["links"]["last_message"] is None


def test_message_after_all_were_deleted_is_the_last(client: httpx.Client, channel: Json) -> None:
    """An emptied channel fills again, and its indexes go on."""
    delete(client, create_message(client, channel))

    message = create_message(client, channel)

    counted = fetch(client, channel)
    assert (counted["messages_count"], counted["links"]["last_message"]) == (1, message["url"])
    assert message["index"] == 1


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([], ["public", "private", "public"]),
        (["public"], ["public", "public"]),
        (["private"], ["private"]),
        (["private", "public"], ["public", "private", "public"]),
    ],
    ids=["none", "public", "private", "both"],
)
def test_channels_are_filtered_by_type(
    client: httpx.Client, service: Json, types: list[str], expected: list[str]
) -> None:
    """Without a filter private channels are listed, too."""
    for type_ in ("public", "private", "public"):
        create_channel(client, service, Type=type_)

    listed = rows(client, service, "Channels", **({"Type": types} if types else {}))

    assert [channel["type"] for channel in listed] == expected


def test_filter_is_kept_from_page_to_page(client: httpx.Client, service: Json) -> None:
    """The URL of the next page filters as the first did."""
    channels = [create_channel(client, service, Type=type_) for type_ in ("public", "private") * 3]

    assert walk(client, service, "Channels", Type="private", PageSize="2") == channels[1::2]


def test_channels_are_listed_in_creation_order_page_by_page(client: httpx.Client, service: Json) -> None:
    """Neither the names nor a date override nor the deleted ones matter."""
    names = ("d", "a", "e", "b", "c", "f")
    channels = [create_channel(client, service, UniqueName=name, DateCreated=LONG_AGO) for name in names]
    delete(client, channels.pop(2))

    assert walk(client, service, "Channels", PageSize="2") == channels


def test_deleted_channel_is_gone_with_all_below_it(client: httpx.Client, service: Json) -> None:
    """Nothing of it is found, by SID or by unique name, and nothing can be added to it."""
    channel = create_channel(client, service, UniqueName="general")
    create_user(client, service, "bob")
    below = [
        create_member(client, channel, "alice"),
        create_message(client, channel),
        create_invite(client, channel, "bob"),
        create_webhook(client, channel),
    ]

    delete(client, channel)

    for resource in [channel, *below]:
        not_found(client.get(at(resource)))
        not_found(client.delete(at(resource)))
    for name in (channel["sid"], "general"):
        not_found(client.get(at(service, "Channels", name, "Members")))
        not_found(client.post(at(service, "Channels", name, "Messages"), data={"Body": "Hello"}))
    assert rows(client, service, "Channels") == []


def test_deleted_channel_leaves_its_users(client: httpx.Client, service: Json, channel: Json) -> None:
    """The users stay, without the channel among theirs."""
    other = create_channel(client, service)
    for each in (channel, other):
        create_member(client, each, "alice")
    create_user(client, service, "bob")
    create_invite(client, channel, "bob")

    delete(client, channel)

    alice, bob = rows(client, service, "Users")
    assert alice["joined_channels_count"] == 1
    assert [row["channel_sid"] for row in rows(client, alice, "Channels")] == [other["sid"]]
    assert rows(client, bob, "Channels") == []
    not_found(client.get(at(alice, "Channels", channel)))


def test_deleted_channel_takes_its_media_files_along(
    client: httpx.Client, server: Server, service: Json, channel: Json
) -> None:
    """The data folder loses what was sent in the channel, and keeps the rest."""
    sent, unsent = upload_media(client, service), upload_media(client, service)
    create_message(client, channel, MediaSid=sent["sid"])
    assert stored_files(server, sent)

    delete(client, channel)

    assert eventually(lambda: not stored_files(server, sent))
    assert stored_files(server, unsent)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", [f"CH{NOBODY}", "nobody", "gene%2Fral", "General"])
def test_channel_that_never_was_is_not_found(client: httpx.Client, service: Json, method: str, name: str) -> None:
    """The message holds the path as it was called."""
    create_channel(client, service, UniqueName="general")

    not_found(client.request(method, f"{at(service)}/Channels/{name}"))


@pytest.mark.parametrize("part", ["Members", "Messages", "Invites", "Webhooks"])
@pytest.mark.parametrize("name", [f"CH{NOBODY}", "nobody"])
def test_nothing_is_below_a_channel_that_never_was(client: httpx.Client, service: Json, name: str, part: str) -> None:
    """The missing channel is a missing resource, named by the path as it was called."""
    path = at(service, "Channels", name, part)

    not_found(client.get(path))
    not_found(client.get(f"{path}/alice"))
    not_found(client.post(path, data={"Identity": "alice", "Type": "webhook"}))


def test_channel_is_not_found_by_another_account(client: httpx.Client, channel: Json, stranger: httpx.Client) -> None:
    """Nobody sees, changes or deletes the channels of another account."""
    for method in ("GET", "POST", "DELETE"):
        refused(stranger.request(method, at(channel)), 403, 50050)

    assert fetch(client, channel) == channel
