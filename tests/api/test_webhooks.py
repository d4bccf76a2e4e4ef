"""Channel webhooks: three types, each with its own configuration, at most five to a channel."""

import httpx
import pytest

from tests.api.steps import (
    DATE,
    NOBODY,
    Json,
    Value,
    at,
    create_channel,
    created,
    delete,
    fetch,
    not_found,
    refused,
    rows,
    sid,
    update,
)
from tests.harness import ACCOUNT_SID, Server

URL = "https://example.com/hook?a=1"
FLOW = "FW" + "0123456789abcdef" * 2
FORMS: dict[str, dict[str, Value]] = {
    "webhook": {
        "Type": "webhook",
        "Configuration.Url": URL,
        "Configuration.Filters": ["onMessageSent", "onChannelDestroyed"],
    },
    "trigger": {
        "Type": "trigger",
        "Configuration.Url": URL,
        "Configuration.Triggers": ["help", "Help me"],
    },
    "studio": {"Type": "studio", "Configuration.FlowSid": FLOW},
}
CONFIGURATIONS = {
    "webhook": {
        "url": URL,
        "method": "POST",
        "filters": ["onMessageSent", "onChannelDestroyed"],
        "retry_count": 0,
    },
    "trigger": {"url": URL, "method": "POST", "triggers": ["help", "Help me"], "retry_count": 0},
    "studio": {"flow_sid": FLOW, "retry_count": 0},
}
TYPES = list(FORMS)

# Post-events that concern one existing channel.
FILTERS = [
    *("onMessageSent", "onMediaMessageSent", "onMessageUpdated", "onMessageRemoved"),
    *("onChannelUpdated", "onChannelDestroyed"),
    *("onMemberAdded", "onMemberUpdated", "onMemberRemoved"),
]
NOT_FILTERS = ["onMessageSend", "onChannelAdded", "onMemberAdd", "onUserAdded", "onmessagesent", "nonsense"]

MISSING = [
    ("webhook", "Configuration.Url", 50329),
    ("webhook", "Configuration.Filters", 50330),
    ("trigger", "Configuration.Url", 50329),
    ("trigger", "Configuration.Triggers", 50331),
    ("studio", "Configuration.FlowSid", 50327),
]

WRONG: list[tuple[str, Json, int]] = [
    ("webhook", {"Configuration.Url": ""}, 50329),
    ("webhook", {"Configuration.Url": "not a URL"}, 50054),
    ("webhook", {"Configuration.Url": "ftp://example.com"}, 50054),
    ("webhook", {"Configuration.Url": f"https://example.com/{'x' * 493}"}, 50332),
    ("webhook", {"Configuration.Method": "PUT"}, 50055),
    ("webhook", {"Configuration.RetryCount": "4"}, 50065),
    ("webhook", {"Configuration.RetryCount": "-1"}, 50065),
    ("webhook", {"Configuration.RetryCount": "once"}, 50065),
    ("webhook", {"Configuration.Filters": ["onMessageSent", "onMessageSend"]}, 50325),
    ("trigger", {"Configuration.Url": ""}, 50329),
    ("trigger", {"Configuration.Method": "DELETE"}, 50055),
    ("trigger", {"Configuration.RetryCount": "4"}, 50065),
    ("trigger", {"Configuration.Triggers": list("abcdef")}, 50322),
    ("trigger", {"Configuration.Triggers": ["help", ""]}, 50326),
    ("trigger", {"Configuration.Triggers": ["t" * 249]}, 50326),
    ("studio", {"Configuration.FlowSid": ""}, 50327),
    ("studio", {"Configuration.FlowSid": "general"}, 50327),
    ("studio", {"Configuration.FlowSid": f"FX{NOBODY}"}, 50327),
    ("studio", {"Configuration.RetryCount": "4"}, 50065),
    ("studio", {"Configuration.Filters": ["nonsense"]}, 50325),
]

LONGEST_URL = f"https://example.com/{'x' * 492}"
LONGEST_TRIGGERS = ["t" * 248, *"bcde"]

# What is sent, and what the configuration shows of it.
SETTINGS: list[tuple[str, Json, Json]] = [
    ("webhook", {"Configuration.Url": "http://example.org"}, {"url": "http://example.org"}),
    ("webhook", {"Configuration.Url": LONGEST_URL}, {"url": LONGEST_URL}),
    ("webhook", {"Configuration.Method": "GET"}, {"method": "GET"}),
    ("webhook", {"Configuration.RetryCount": "3"}, {"retry_count": 3}),
    ("webhook", {"Configuration.Filters": ["onMemberAdded"]}, {"filters": ["onMemberAdded"]}),
    ("trigger", {"Configuration.Triggers": ["a"]}, {"triggers": ["a"]}),
    ("trigger", {"Configuration.Triggers": LONGEST_TRIGGERS}, {"triggers": LONGEST_TRIGGERS}),
    ("trigger", {"Configuration.RetryCount": "1"}, {"retry_count": 1}),
    ("studio", {"Configuration.FlowSid": f"FW{NOBODY}"}, {"flow_sid": f"FW{NOBODY}"}),
    ("studio", {"Configuration.RetryCount": "2"}, {"retry_count": 2}),
    ("studio", {"Configuration.Filters": ["onMessageSent"]}, {"filters": ["onMessageSent"]}),
]


def hook(client: httpx.Client, channel: Json, type_: str = "webhook", **form: Value) -> Json:
    """A webhook of the type, with just what its type needs."""
    return created(client.post(at(channel, "Webhooks"), data=FORMS[type_] | form))


@pytest.mark.parametrize("type_", TYPES)
def test_webhook_has_the_documented_form(client: httpx.Client, channel: Json, server: Server, type_: str) -> None:
    """The configuration shows the keys of its type, and no others."""
    webhook = created(client.post(at(channel, "Webhooks"), data=FORMS[type_]))

    assert webhook == {
        "sid": sid("WH"),
        "account_sid": ACCOUNT_SID,
        "service_sid": channel["service_sid"],
        "channel_sid": channel["sid"],
        "type": type_,
        "configuration": CONFIGURATIONS[type_],
        "date_created": DATE,
        "date_updated": webhook["date_created"],
        "url": f"{server.url}{at(channel)}/Webhooks/{webhook['sid']}",
    }


@pytest.mark.parametrize("type_", TYPES)
def test_webhook_is_fetched_and_listed_as_it_was_created(client: httpx.Client, channel: Json, type_: str) -> None:
    """Creation, fetch and list give the same resource."""
    webhook = hook(client, channel, type_)

    assert fetch(client, webhook) == webhook
    assert rows(client, channel, "Webhooks") == [webhook]


@pytest.mark.parametrize(("type_", "form", "shown"), SETTINGS)
def test_configuration_is_given_on_creation(
    client: httpx.Client, channel: Json, type_: str, form: Json, shown: Json
) -> None:
    """Each parameter sets its own key."""
    webhook = hook(client, channel, type_, **form)

    assert webhook["configuration"] == CONFIGURATIONS[type_] | shown


@pytest.mark.parametrize(("type_", "form", "shown"), SETTINGS)
def test_update_changes_one_key_for_good(
    client: httpx.Client, channel: Json, type_: str, form: Json, shown: Json
) -> None:
    """An update is a merge; lists are replaced whole."""
    webhook = hook(client, channel, type_)

    updated = update(client, webhook, **form)

    assert updated["configuration"] == webhook["configuration"] | shown
    assert updated == webhook | {"configuration": updated["configuration"], "date_updated": DATE}
    assert fetch(client, webhook) == updated


@pytest.mark.parametrize("type_", TYPES)
def test_update_without_parameters_changes_nothing(client: httpx.Client, channel: Json, type_: str) -> None:
    """An empty update is accepted and returns the resource."""
    webhook = hook(client, channel, type_)

    assert update(client, webhook) == webhook


def test_type_is_never_changed(client: httpx.Client, channel: Json) -> None:
    """Update knows no Type: it is ignored like any unknown parameter."""
    webhook = hook(client, channel)

    assert update(client, webhook, Type="trigger") == webhook


@pytest.mark.parametrize(
    ("type_", "parameter"), [("webhook", "Configuration.Triggers"), ("trigger", "Configuration.Filters")]
)
def test_key_of_another_type_is_ignored(client: httpx.Client, channel: Json, type_: str, parameter: str) -> None:
    """A configuration keeps to the keys of its type."""
    webhook = hook(client, channel, type_, **{parameter: ["onMessageSent"]})

    assert webhook["configuration"] == CONFIGURATIONS[type_]
    assert update(client, webhook, **{parameter: ["onMessageSent"]})["configuration"] == CONFIGURATIONS[type_]


@pytest.mark.parametrize(("type_", "missing", "code"), MISSING)
def test_what_the_type_needs_is_required(
    client: httpx.Client, channel: Json, type_: str, missing: str, code: int
) -> None:
    """Each type says what it lacks with a code of its own."""
    form = {name: value for name, value in FORMS[type_].items() if name != missing}
    assert len(form) < len(FORMS[type_])

    refused(client.post(at(channel, "Webhooks"), data=form), 400, code)

    assert rows(client, channel, "Webhooks") == []


@pytest.mark.parametrize(("type_", "form", "code"), WRONG)
def test_wrong_configuration_is_refused_on_creation(
    client: httpx.Client, channel: Json, type_: str, form: Json, code: int
) -> None:
    """A webhook that breaks a rule is not stored."""
    response = client.post(at(channel, "Webhooks"), data=FORMS[type_] | form)

    refused(response, 400, code)
    assert rows(client, channel, "Webhooks") == []


@pytest.mark.parametrize(("type_", "form", "code"), WRONG)
def test_wrong_configuration_is_refused_on_update(
    client: httpx.Client, channel: Json, type_: str, form: Json, code: int
) -> None:
    """An update that breaks a rule changes nothing."""
    webhook = hook(client, channel, type_)

    refused(client.post(at(webhook), data=form), 400, code)

    assert fetch(client, webhook) == webhook


@pytest.mark.parametrize("type_", ["Webhook", "email", ""])
def test_webhook_of_an_unknown_type_is_refused(client: httpx.Client, channel: Json, type_: str) -> None:
    """There are three types."""
    form = FORMS["webhook"] | {"Type": type_}

    refused(client.post(at(channel, "Webhooks"), data=form), 400, 50324)


def test_type_is_required(client: httpx.Client, channel: Json) -> None:
    """The type decides on all else."""
    form = {"Configuration.Url": URL, "Configuration.Filters": "onMessageSent"}

    response = client.post(at(channel, "Webhooks"), data=form)

    refused(response, 400, 20001, "Missing required parameter Type in the post body")


def test_all_events_of_one_channel_are_filters(client: httpx.Client, channel: Json) -> None:
    """Every event after the fact that concerns an existing channel can be asked for."""
    webhook = hook(client, channel, "webhook", **{"Configuration.Filters": FILTERS})

    assert webhook["configuration"]["filters"] == FILTERS


@pytest.mark.parametrize("name", NOT_FILTERS)
def test_other_events_are_no_filters(client: httpx.Client, channel: Json, name: str) -> None:
    """A channel's webhook hears neither what is about to happen nor what concerns no one channel."""
    form = FORMS["webhook"] | {"Configuration.Filters": name}

    refused(client.post(at(channel, "Webhooks"), data=form), 400, 50325)


def test_channel_has_at_most_five_webhooks(client: httpx.Client, channel: Json) -> None:
    """The sixth is refused, and a place comes free with a deletion."""
    webhooks = [hook(client, channel) for _ in range(5)]
    form = FORMS["webhook"]
    refused(client.post(at(channel, "Webhooks"), data=form), 400, 50321, "Too many channel webhooks")

    delete(client, webhooks[0])

    replacement = hook(client, channel)
    assert rows(client, channel, "Webhooks") == [*webhooks[1:], replacement]


def test_five_webhooks_are_a_page(client: httpx.Client, channel: Json) -> None:
    """This list alone has a default page size of 5."""
    meta = client.get(at(channel, "Webhooks")).json()["meta"]

    assert (meta["page_size"], meta["key"]) == (5, "webhooks")


def test_webhooks_of_two_channels_are_apart(client: httpx.Client, service: Json, channel: Json) -> None:
    """Each channel has its own, addressed through it only."""
    webhook = hook(client, channel)
    other = create_channel(client, service)

    assert rows(client, other, "Webhooks") == []
    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(other, "Webhooks", webhook)))
    assert fetch(client, webhook) == webhook


def test_deleted_webhook_is_gone(client: httpx.Client, channel: Json) -> None:
    """It can neither be fetched, changed nor deleted again."""
    webhook = hook(client, channel)

    delete(client, webhook)

    for method in ("GET", "POST", "DELETE"):
        not_found(client.request(method, at(webhook)))
    assert rows(client, channel, "Webhooks") == []


@pytest.mark.parametrize("name", [f"WH{NOBODY}", "hook"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_webhook_that_never_was_is_not_found(client: httpx.Client, channel: Json, method: str, name: str) -> None:
    """A webhook is found by its SID and by nothing else."""
    not_found(client.request(method, at(channel, "Webhooks", name)))


def test_webhooks_go_with_their_channel(client: httpx.Client, channel: Json) -> None:
    """Below a deleted channel nothing is found."""
    webhook = hook(client, channel)

    delete(client, channel)

    not_found(client.get(at(webhook)))
    not_found(client.get(at(channel, "Webhooks")))
    not_found(client.post(at(channel, "Webhooks"), data=FORMS["webhook"]))


def test_webhook_leaves_the_dates_of_its_channel_alone(client: httpx.Client, service: Json) -> None:
    """A channel is updated by updates of the channel only."""
    old = "2016-03-24T20:37:57Z"
    channel = create_channel(client, service, DateCreated=old, DateUpdated=old)

    hook(client, channel)

    assert fetch(client, channel)["date_updated"] == old
