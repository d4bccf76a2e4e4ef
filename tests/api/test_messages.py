"""Messages: the next index of their channel, who wrote and who edited them, and what their going leaves."""

import httpx
import pytest

from tests.api.steps import (
    DATE,
    LONG_AGO,
    NOBODY,
    Json,
    at,
    create_channel,
    create_member,
    create_message,
    create_service,
    created,
    delete,
    fetch,
    not_found,
    ok,
    refused,
    rows,
    sid,
    update,
)
from tests.harness import ACCOUNT_SID, Server

LONGEST_BODY = 32 * 1024
LONGEST_ATTRIBUTES = 4 * 1024
LATER = "2017-05-06T07:08:09Z"

ATTRIBUTES = ["{}", '{ "foo" :  "bar" }', "[1, 2]", '"text"', "17", "null", "true", '{"é":"\\u00e9 😀"}']
NOT_JSON = ["", " ", "{", "nonsense", "{'a': 1}", '{"a":1}}', "NaN"]

WRONG_VALUES = [
    ("Body", "b" * (LONGEST_BODY + 1), 50504),
    ("Body", "é" * (LONGEST_BODY // 2 + 1), 50504),
    ("Attributes", '"' + "a" * (LONGEST_ATTRIBUTES - 1) + '"', 50303),
    ("Attributes", "nonsense", 50304),
    ("DateCreated", "yesterday", 50308),
    ("DateCreated", "", 50308),
    ("DateUpdated", "2016-13-01", 50309),
    ("From", "f" * 257, 50310),
    ("LastUpdatedBy", "l" * 257, 50505),
]

DATES = [
    ("2016-03-24T20:37:57Z", "2016-03-24T20:37:57Z"),
    ("2016-03-24T20:37:57.999Z", "2016-03-24T20:37:57Z"),
    ("2016-03-24T22:37:57+02:00", "2016-03-24T20:37:57Z"),
    ("2016-03-24", "2016-03-24T00:00:00Z"),
]

BODIES = [
    "",
    "Hello",
    " spaces ",
    "line\r\nline\ttab",
    "a+b=c&d%20e",
    "<b>bold</b>",
    "Ünïcödé 😀 \u202e עברית",
]

# What a creation says beside its body, and whether the message counts as edited.
CREATIONS = [
    ({}, False),
    ({"DateCreated": LONG_AGO}, False),
    ({"DateCreated": LONG_AGO, "DateUpdated": LONG_AGO}, False),
    ({"From": "alice", "Attributes": '{"a":1}'}, False),
    ({"DateCreated": LONG_AGO, "DateUpdated": LATER}, True),
    ({"DateUpdated": LONG_AGO}, True),
    ({"LastUpdatedBy": "alice"}, True),
]

UPDATES = [
    ("Body", "Changed", "body"),
    ("Body", "", "body"),
    ("Attributes", '{"a": 1}', "attributes"),
    ("From", "bob", "from"),
    ("LastUpdatedBy", "carol", "last_updated_by"),
    ("DateCreated", LONG_AGO, "date_created"),
    ("DateUpdated", LONG_AGO, "date_updated"),
]


def indexes(messages: list[Json]) -> list[int]:
    return [message["index"] for message in messages]


def test_plain_message_has_the_documented_form(client: httpx.Client, channel: Json, server: Server) -> None:
    """A message made of nothing but its body is the system's, unedited, with every key present."""
    message = created(client.post(at(channel, "Messages"), data={"Body": "Hello"}))

    assert message == {
        "sid": sid("IM"),
        "account_sid": ACCOUNT_SID,
        "service_sid": channel["service_sid"],
        "channel_sid": channel["sid"],
        "to": channel["sid"],
        "from": "system",
        "body": "Hello",
        "attributes": "{}",
        "index": 0,
        "type": "text",
        "media": None,
        "was_edited": False,
        "last_updated_by": None,
        "date_created": DATE,
        "date_updated": message["date_created"],
        "url": f"{server.url}{at(channel)}/Messages/{message['sid']}",
    }


def test_message_is_fetched_and_listed_as_it_was_created(client: httpx.Client, channel: Json) -> None:
    """Creation, fetch and list give the same resource."""
    message = create_message(client, channel)

    assert fetch(client, message) == message
    assert rows(client, channel, "Messages") == [message]


def test_all_values_of_a_message_are_kept(client: httpx.Client, channel: Json) -> None:
    """A message that is brought in from elsewhere keeps its author, editor and dates."""
    form = {
        "From": "alice",
        "Attributes": '{"a":1}',
        "DateCreated": LONG_AGO,
        "DateUpdated": LATER,
        "LastUpdatedBy": "bob",
    }

    message = create_message(client, channel, "Hello", **form)

    assert fetch(client, message) == message
    assert {key: message[key] for key in ("from", "attributes", "last_updated_by", "was_edited")} == {
        "from": "alice",
        "attributes": '{"a":1}',
        "last_updated_by": "bob",
        "was_edited": True,
    }
    assert (message["date_created"], message["date_updated"]) == (LONG_AGO, LATER)


@pytest.mark.parametrize("body", BODIES)
def test_body_is_given_back_as_it_was_sent(client: httpx.Client, channel: Json, body: str) -> None:
    """No character of a body is changed."""
    message = create_message(client, channel, body)

    assert message["body"] == body
    assert fetch(client, message)["body"] == body


def test_message_without_body_and_media_is_empty(client: httpx.Client, channel: Json) -> None:
    """Neither is required; the body is then the empty string."""
    assert created(client.post(at(channel, "Messages")))["body"] == ""


@pytest.mark.parametrize("body", ["b" * LONGEST_BODY, "é" * (LONGEST_BODY // 2)], ids=["ascii", "two bytes"])
def test_longest_body_is_accepted(client: httpx.Client, channel: Json, body: str) -> None:
    """The limit of 32 KiB counts bytes of UTF-8."""
    assert len(body.encode()) == LONGEST_BODY

    assert create_message(client, channel, body)["body"] == body


@pytest.mark.parametrize(("parameter", "value", "code"), WRONG_VALUES)
def test_wrong_value_is_refused_on_creation(
    client: httpx.Client, channel: Json, parameter: str, value: str, code: int
) -> None:
    """A message that breaks a rule is not stored and takes no index."""
    refused(client.post(at(channel, "Messages"), data={"Body": "Hello", parameter: value}), 400, code)

    assert rows(client, channel, "Messages") == []
    assert create_message(client, channel)["index"] == 0


@pytest.mark.parametrize(("parameter", "value", "code"), WRONG_VALUES)
def test_wrong_value_is_refused_on_update(
    client: httpx.Client, channel: Json, parameter: str, value: str, code: int
) -> None:
    """An update that breaks a rule changes nothing, not even its proper half."""
    message = create_message(client, channel)

    refused(client.post(at(message), data={"Body": "Changed", "From": "bob", parameter: value}), 400, code)

    assert fetch(client, message) == message


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_attributes_are_given_back_as_the_same_string(client: httpx.Client, channel: Json, attributes: str) -> None:
    """Any JSON value will do, and its spaces are kept."""
    message = create_message(client, channel, Attributes=attributes)

    assert message["attributes"] == attributes
    assert fetch(client, message)["attributes"] == attributes


@pytest.mark.parametrize("attributes", NOT_JSON)
def test_attributes_that_are_not_json_are_refused(client: httpx.Client, channel: Json, attributes: str) -> None:
    """Python's own liberties, such as NaN, are not JSON either."""
    response = client.post(at(channel, "Messages"), data={"Attributes": attributes})

    refused(response, 400, 50304, "Attributes not valid JSON")


def test_longest_attributes_are_accepted(client: httpx.Client, channel: Json) -> None:
    """The limit is 4 KiB."""
    longest = '"' + "a" * (LONGEST_ATTRIBUTES - 2) + '"'
    assert len(longest) == LONGEST_ATTRIBUTES

    assert create_message(client, channel, Attributes=longest)["attributes"] == longest


@pytest.mark.parametrize("parameter", ["DateCreated", "DateUpdated"])
@pytest.mark.parametrize(("sent", "shown"), DATES)
def test_date_of_any_iso_form_is_accepted(
    client: httpx.Client, channel: Json, parameter: str, sent: str, shown: str
) -> None:
    """Fractions, offsets and plain dates are understood; the answer is in whole seconds of UTC."""
    message = create_message(client, channel, **{parameter: sent})

    assert message[{"DateCreated": "date_created", "DateUpdated": "date_updated"}[parameter]] == shown


def test_from_may_name_anyone(client: httpx.Client, channel: Json, service: Json) -> None:
    """The author need not be a user, and does not become one."""
    assert create_message(client, channel, From="nobody in particular")["from"] == "nobody in particular"

    assert rows(client, service, "Users") == []


def test_empty_from_is_the_system(client: httpx.Client, channel: Json) -> None:
    """No author given, none named: the message is the system's."""
    assert create_message(client, channel, From="")["from"] == "system"


@pytest.mark.parametrize(("form", "edited"), CREATIONS)
def test_message_counts_as_edited_when_its_creation_says_so(
    client: httpx.Client, channel: Json, form: dict[str, str], edited: bool
) -> None:
    """An editor, or an update later than the creation, marks a restored message as edited."""
    message = create_message(client, channel, **form)

    assert message["was_edited"] is edited
    assert message["last_updated_by"] == form.get("LastUpdatedBy")


@pytest.mark.parametrize(("parameter", "value", "field"), UPDATES)
def test_update_changes_one_field_and_marks_the_message_edited(
    client: httpx.Client, channel: Json, parameter: str, value: str, field: str
) -> None:
    """An update is a merge, for good; the editor is the system unless one is named."""
    message = create_message(client, channel, From="alice", DateCreated=LATER, DateUpdated=LATER)
    assert (message["was_edited"], message["date_updated"]) == (False, LATER)

    updated = update(client, message, **{parameter: value})

    edited = {"was_edited": True, "last_updated_by": "system", "date_updated": DATE}
    assert updated == message | edited | {field: value}
    assert fetch(client, message) == updated


def test_update_stamps_the_moment(client: httpx.Client, channel: Json) -> None:
    """Without DateUpdated an update is dated now."""
    message = create_message(client, channel, DateCreated=LONG_AGO)
    assert message["date_updated"] == LONG_AGO

    updated = update(client, message, Body="Changed")

    assert updated["date_created"] == LONG_AGO
    assert updated["date_updated"] > LONG_AGO


def test_update_without_parameters_changes_nothing(client: httpx.Client, channel: Json) -> None:
    """An empty update is accepted and is no edit."""
    message = create_message(client, channel, DateCreated=LONG_AGO)

    assert update(client, message) == message
    assert fetch(client, message) == message


def test_named_editor_is_kept_until_the_next_edit(client: httpx.Client, channel: Json) -> None:
    """Who edited last stands on the message."""
    message = create_message(client, channel)
    assert update(client, message, Body="1", LastUpdatedBy="alice")["last_updated_by"] == "alice"

    assert update(client, message, Body="2")["last_updated_by"] == "system"


def test_messages_are_numbered_from_zero_in_each_channel(client: httpx.Client, service: Json, channel: Json) -> None:
    """Every channel has its own count."""
    other = create_channel(client, service)

    numbered = [create_message(client, at_)["index"] for at_ in (channel, other, channel, channel, other)]

    assert numbered == [0, 0, 1, 2, 1]


@pytest.mark.parametrize("gone", [0, 1, 2], ids=["first", "middle", "last"])
def test_index_of_a_deleted_message_is_never_used_again(client: httpx.Client, channel: Json, gone: int) -> None:
    """A deletion leaves a gap, also when the newest goes."""
    messages = [create_message(client, channel) for _ in range(3)]
    delete(client, messages[gone])

    create_message(client, channel)

    assert indexes(rows(client, channel, "Messages")) == [n for n in range(4) if n != gone]


def test_messages_are_listed_by_index(client: httpx.Client, channel: Json) -> None:
    """Oldest first, newest first on demand; dates given by the caller do not matter."""
    for date in (LATER, LONG_AGO, LATER):
        create_message(client, channel, DateCreated=date)

    assert indexes(rows(client, channel, "Messages")) == [0, 1, 2]
    assert indexes(rows(client, channel, "Messages", Order="asc")) == [0, 1, 2]
    assert indexes(rows(client, channel, "Messages", Order="desc")) == [2, 1, 0]


def test_order_of_another_kind_is_refused(client: httpx.Client, channel: Json) -> None:
    """There are two orders."""
    refused(client.get(at(channel, "Messages"), params={"Order": "random"}), 400, 20001)


def test_channel_counts_its_messages(client: httpx.Client, channel: Json) -> None:
    """The count is of the messages that are there, not of those that ever were."""
    assert channel["messages_count"] == 0
    messages = [create_message(client, channel) for _ in range(3)]
    assert fetch(client, channel)["messages_count"] == 3

    delete(client, messages[1])

    assert fetch(client, channel)["messages_count"] == 2


def test_last_message_of_a_channel_follows_what_comes_and_goes(client: httpx.Client, channel: Json) -> None:
    """The link leads to the newest message that is there, or nowhere."""

    def last_message() -> str | None:
        link: str | None = fetch(client, channel)["links"]["last_message"]
        return link

    assert last_message() is None
    first, second, third = (create_message(client, channel) for _ in range(3))
    assert last_message() == third["url"]
    for gone, newest in ((second, third["url"]), (third, first["url"]), (first, None)):
        delete(client, gone)
        assert last_message() == newest


def test_new_message_leaves_the_dates_of_its_channel_alone(client: httpx.Client, service: Json) -> None:
    """A channel is updated by updates of the channel only."""
    channel = create_channel(client, service, DateCreated=LONG_AGO, DateUpdated=LONG_AGO)

    create_message(client, channel)

    assert fetch(client, channel)["date_updated"] == LONG_AGO


def test_posting_does_not_move_the_authors_horizon(client: httpx.Client, channel: Json) -> None:
    """Clients set what they have read by themselves."""
    member = create_member(client, channel, "alice")
    assert member["last_consumed_message_index"] is None

    create_message(client, channel, From="alice")

    assert fetch(client, member) == member


def test_deleted_message_is_gone(client: httpx.Client, channel: Json) -> None:
    """It can neither be fetched, changed, deleted again nor found in the list."""
    message = create_message(client, channel)

    delete(client, message)

    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(message)))
    assert rows(client, channel, "Messages") == []


def test_message_is_not_found_in_another_channel(client: httpx.Client, service: Json, channel: Json) -> None:
    """A message is addressed through its own channel only."""
    message = create_message(client, channel)
    other = create_channel(client, service)

    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(other, "Messages", message)))
    assert fetch(client, message) == message


def test_channel_is_not_found_in_another_service(client: httpx.Client, channel: Json) -> None:
    """A channel is addressed through its own service only."""
    message = create_message(client, channel)
    other = create_service(client)

    not_found(client.get(at(other, "Channels", channel, "Messages")))
    not_found(client.get(at(other, "Channels", channel, "Messages", message)))
    not_found(client.post(at(other, "Channels", channel, "Messages"), data={"Body": "Hello"}))


@pytest.mark.parametrize("name", [f"IM{NOBODY}", "0", "general"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_message_that_never_was_is_not_found(client: httpx.Client, channel: Json, method: str, name: str) -> None:
    """A message is found by its SID, not by its index."""
    create_message(client, channel)

    not_found(client.request(method, at(channel, "Messages", name)))


def test_messages_of_a_channel_that_never_was_are_not_found(client: httpx.Client, service: Json) -> None:
    """The message names the path as it was called."""
    not_found(client.get(at(service, "Channels", "nope", "Messages")))
    not_found(client.post(at(service, "Channels", "nope", "Messages"), data={"Body": "Hello"}))


def test_channel_may_be_addressed_by_its_unique_name(client: httpx.Client, service: Json) -> None:
    """The answer's URLs hold the SID all the same."""
    channel = create_channel(client, service, UniqueName="general / #1?")
    by_name = at(service, "Channels", "general / #1?", "Messages")

    message = created(client.post(by_name, data={"Body": "Hello"}))

    assert at(message) == at(channel, "Messages", message)
    assert ok(client.get(f"{by_name}/{message['sid']}")) == message
    assert ok(client.get(by_name))["messages"] == [message]


def test_messages_go_with_their_channel(client: httpx.Client, channel: Json) -> None:
    """Below a deleted channel nothing is found."""
    message = create_message(client, channel)

    delete(client, channel)

    not_found(client.get(at(message)))
    not_found(client.get(at(channel, "Messages")))
    not_found(client.post(at(channel, "Messages"), data={"Body": "Hello"}))


@pytest.mark.parametrize("value", ["true", "false", "TRUE", "", "nonsense"])
def test_webhook_header_changes_nothing_about_the_answer(client: httpx.Client, channel: Json, value: str) -> None:
    """X-Twilio-Webhook-Enabled only says who is told; any value but true counts as false."""
    headers = {"X-Twilio-Webhook-Enabled": value}

    message = created(client.post(at(channel, "Messages"), data={"Body": "Hello"}, headers=headers))

    assert ok(client.post(at(message), data={"Body": "Changed"}, headers=headers))["body"] == "Changed"
    assert client.delete(at(message), headers=headers).status_code == 204
