"""Services: what a fresh one looks like, how it is set up, what goes when it goes."""

from typing import Any

import httpx
import pytest

from tests.api.steps import (
    CREDENTIALS,
    DATE,
    NOBODY,
    SERVICES,
    Json,
    at,
    create_channel,
    create_member,
    create_message,
    create_role,
    create_service,
    create_user,
    created,
    default_role,
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

SETTINGS = [
    ("FriendlyName", "New name", ["friendly_name", "New name"]),
    ("FriendlyName", "n" * 256, ["friendly_name", "n" * 256]),
    ("ReadStatusEnabled", "false", ["read_status_enabled", False]),
    ("ReachabilityEnabled", "true", ["reachability_enabled", True]),
    ("TypingIndicatorTimeout", "7", ["typing_indicator_timeout", 7]),
    ("TypingIndicatorTimeout", "0", ["typing_indicator_timeout", 0]),
    ("ConsumptionReportInterval", "20", ["consumption_report_interval", 20]),
    ("PreWebhookUrl", "https://example.com/pre?a=1", ["pre_webhook_url", "https://example.com/pre?a=1"]),
    ("PostWebhookUrl", "http://example.com/post", ["post_webhook_url", "http://example.com/post"]),
    ("WebhookMethod", "GET", ["webhook_method", "GET"]),
    ("WebhookMethod", "POST", ["webhook_method", "POST"]),
    ("PreWebhookRetryCount", "3", ["pre_webhook_retry_count", 3]),
    ("PostWebhookRetryCount", "1", ["post_webhook_retry_count", 1]),
    ("Limits.ChannelMembers", "1000", ["limits", "channel_members", 1000]),
    ("Limits.UserChannels", "1", ["limits", "user_channels", 1]),
    ("Media.CompatibilityMessage", "See the web", ["media", "compatibility_message", "See the web"]),
    ("Notifications.LogEnabled", "true", ["notifications", "log_enabled", True]),
    (
        "Notifications.NewMessage.BadgeCountEnabled",
        "true",
        ["notifications", "new_message", "badge_count_enabled", True],
    ),
]

INVALID = [
    ("FriendlyName", "", 20001),
    ("FriendlyName", "n" * 257, 50003),
    ("TypingIndicatorTimeout", "-1", 50053),
    ("TypingIndicatorTimeout", "soon", 50053),
    ("ConsumptionReportInterval", "-1", 50052),
    ("ConsumptionReportInterval", "often", 50052),
    ("Limits.ChannelMembers", "0", 50061),
    ("Limits.ChannelMembers", "1001", 50061),
    ("Limits.ChannelMembers", "many", 50061),
    ("Limits.UserChannels", "0", 50060),
    ("Limits.UserChannels", "1001", 50060),
    ("Limits.UserChannels", "many", 50060),
    ("PreWebhookUrl", "ftp://example.com", 50077),
    ("PreWebhookUrl", "not a URL", 50077),
    ("PostWebhookUrl", "ftp://example.com", 50078),
    ("PostWebhookUrl", "not a URL", 50078),
    ("WebhookMethod", "PUT", 50055),
    ("WebhookFilters", "onNothing", 50054),
    ("PreWebhookRetryCount", "4", 50065),
    ("PreWebhookRetryCount", "-1", 50065),
    ("PostWebhookRetryCount", "4", 50065),
    ("PostWebhookRetryCount", "twice", 50065),
    ("ReadStatusEnabled", "perhaps", 20001),
    ("ReachabilityEnabled", "1.5", 20001),
    ("Notifications.NewMessage.Enabled", "perhaps", 20001),
    ("Notifications.NewMessage.Template", "t" * 20000, 50058),
    ("Notifications.InvitedToChannel.Sound", "s" * 20000, 50059),
]

EVENT_NAMES = [
    *("onMessageSend", "onMediaMessageSend", "onMessageUpdate", "onMessageRemove"),
    *("onMessageSent", "onMediaMessageSent", "onMessageUpdated", "onMessageRemoved"),
    *("onChannelAdd", "onChannelUpdate", "onChannelDestroy"),
    *("onChannelAdded", "onChannelUpdated", "onChannelDestroyed"),
    *("onMemberAdd", "onMemberUpdate", "onMemberRemove"),
    *("onMemberAdded", "onMemberUpdated", "onMemberRemoved"),
    *("onUserUpdate", "onUserAdded", "onUserUpdated"),
]

DEFAULT_ROLES = {
    "service user": "default_service_role_sid",
    "channel user": "default_channel_role_sid",
    "channel admin": "default_channel_creator_role_sid",
}

WRONG_DEFAULT_ROLES = [
    ("DefaultServiceRoleSid", "channel user", 50102),
    ("DefaultChannelRoleSid", "service user", 50101),
    ("DefaultChannelCreatorRoleSid", "service user", 50106),
]


def without_service(response: httpx.Response) -> None:
    refused(response, 403, 50050, "Service instance not found")


def test_fresh_service_has_the_recorded_defaults(client: httpx.Client, server: Server) -> None:
    """A service created with nothing but a name is the one that two recordings show."""
    service = created(client.post(SERVICES, data={"FriendlyName": "Test"}))

    url = f"{server.url}/v2/Services/{service['sid']}"
    off = {"enabled": False}
    assert service == {
        "sid": sid("IS"),
        "account_sid": ACCOUNT_SID,
        "friendly_name": "Test",
        "date_created": DATE,
        "date_updated": service["date_created"],
        "default_service_role_sid": sid("RL"),
        "default_channel_role_sid": sid("RL"),
        "default_channel_creator_role_sid": sid("RL"),
        "read_status_enabled": True,
        "reachability_enabled": False,
        "typing_indicator_timeout": 5,
        "consumption_report_interval": 10,
        "limits": {"channel_members": 100, "user_channels": 250},
        "pre_webhook_url": None,
        "post_webhook_url": None,
        "webhook_method": None,
        "webhook_filters": None,
        "pre_webhook_retry_count": 0,
        "post_webhook_retry_count": 0,
        "notifications": {
            "log_enabled": False,
            "new_message": off,
            "added_to_channel": off,
            "invited_to_channel": off,
            "removed_from_channel": off,
        },
        "media": {
            "size_limit_mb": 150,
            "compatibility_message": "Media messages are not supported by your client",
        },
        "url": url,
        "links": {
            "channels": f"{url}/Channels",
            "users": f"{url}/Users",
            "roles": f"{url}/Roles",
            "bindings": f"{url}/Bindings",
        },
    }


@pytest.mark.parametrize(
    ("form", "code"),
    [({}, 20001), ({"FriendlyName": ""}, 20001), ({"FriendlyName": "n" * 257}, 50003)],
    ids=["missing", "empty", "too long"],
)
def test_service_is_not_created_without_a_proper_name(client: httpx.Client, form: Json, code: int) -> None:
    """A service needs a name of 1 to 256 characters."""
    refused(client.post(SERVICES, data=form), 400, code)


def test_service_is_fetched_as_it_was_created(client: httpx.Client, service: Json) -> None:
    """Fetching gives the resource that creation gave."""
    assert fetch(client, service) == service


def test_service_is_listed(client: httpx.Client, service: Json) -> None:
    """The list shows the whole resource."""
    assert service in rows(client, {"url": SERVICES}, PageSize="1000")


def test_default_roles_are_those_named_for_the_purpose(client: httpx.Client, service: Json) -> None:
    """Three of the four first roles are the service's defaults; the fourth is assigned by hand."""
    defaults = {name: default_role(client, service, name)["sid"] for name in DEFAULT_ROLES}

    assert {service[field] for field in DEFAULT_ROLES.values()} == set(defaults.values())
    assert all(service[field] == defaults[name] for name, field in DEFAULT_ROLES.items())


@pytest.mark.parametrize(("parameter", "sent", "path"), SETTINGS)
def test_setting_is_updated_and_kept(
    client: httpx.Client, service: Json, parameter: str, sent: str, path: list[Any]
) -> None:
    """Each parameter changes its own field, in the answer and for good."""
    updated = update(client, service, **{parameter: sent})

    value = fetch(client, service)
    assert value == updated
    *keys, shown = path
    for key in keys:
        value = value[key]
    assert value == shown
    assert type(value) is type(shown)


@pytest.mark.parametrize(("parameter", "sent", "code"), INVALID)
def test_invalid_setting_is_refused(client: httpx.Client, service: Json, parameter: str, sent: str, code: int) -> None:
    """A value outside its range is refused with its own code, and nothing changes."""
    sound = {"Media.CompatibilityMessage": "Other words"}

    refused(client.post(at(service), data=sound | {parameter: sent}), 400, code)

    assert fetch(client, service) == service


def test_update_changes_only_what_is_given(client: httpx.Client, service: Json) -> None:
    """An update is a merge."""
    updated = update(client, service, TypingIndicatorTimeout="9")

    assert service["typing_indicator_timeout"] == 5
    assert updated == service | {"typing_indicator_timeout": 9, "date_updated": DATE}


def test_update_without_parameters_changes_nothing(client: httpx.Client, service: Json) -> None:
    """An empty update is accepted and returns the resource."""
    assert update(client, service) == service | {"date_updated": DATE}


@pytest.mark.parametrize("event", ["new_message", "added_to_channel", "removed_from_channel", "invited_to_channel"])
def test_notification_keys_appear_once_set(client: httpx.Client, service: Json, event: str) -> None:
    """Template and sound are absent until they are set, and only the event at hand changes."""
    prefix = "Notifications." + event.title().replace("_", "")
    form = {f"{prefix}.Enabled": "true", f"{prefix}.Template": "${USER}: hi", f"{prefix}.Sound": "ping"}

    notifications = update(client, service, **form)["notifications"]

    expected = {"enabled": True, "template": "${USER}: hi", "sound": "ping"}
    assert notifications == service["notifications"] | {event: expected}


@pytest.mark.parametrize("sent", ["false", "False", "FALSE"])
def test_letter_case_of_a_boolean_does_not_matter(client: httpx.Client, service: Json, sent: str) -> None:
    """Some client libraries send Python's spelling."""
    assert service["read_status_enabled"] is True

    assert update(client, service, ReadStatusEnabled=sent)["read_status_enabled"] is False


@pytest.mark.parametrize("moment", ["Pre", "Post"])
def test_empty_webhook_url_clears_it(client: httpx.Client, service: Json, moment: str) -> None:
    """An empty value sets the URL back to null."""
    field = f"{moment.lower()}_webhook_url"
    assert update(client, service, **{f"{moment}WebhookUrl": "https://example.com"})[field] is not None

    assert update(client, service, **{f"{moment}WebhookUrl": ""})[field] is None


def test_all_event_names_are_filters(client: httpx.Client, service: Json) -> None:
    """The one list of filters takes each of the 23 names, before and after events alike."""
    assert len(set(EVENT_NAMES)) == 23

    assert update(client, service, WebhookFilters=EVENT_NAMES)["webhook_filters"] == EVENT_NAMES


def test_webhook_filters_are_replaced_as_a_whole(client: httpx.Client, service: Json) -> None:
    """A second list takes the place of the first."""
    update(client, service, WebhookFilters=["onMessageSent", "onMessageSend"])

    assert update(client, service, WebhookFilters="onUserAdded")["webhook_filters"] == ["onUserAdded"]


@pytest.mark.parametrize(
    ("parameter", "field", "type_"),
    [
        ("DefaultServiceRoleSid", "default_service_role_sid", "deployment"),
        ("DefaultChannelRoleSid", "default_channel_role_sid", "channel"),
        ("DefaultChannelCreatorRoleSid", "default_channel_creator_role_sid", "channel"),
    ],
)
def test_default_role_is_changed(client: httpx.Client, service: Json, parameter: str, field: str, type_: str) -> None:
    """A role of the right type can become the default, and no other default changes."""
    role = create_role(client, service, type_, "editOwnMessage")

    updated = update(client, service, **{parameter: role["sid"]})

    assert updated == service | {field: role["sid"], "date_updated": DATE}


@pytest.mark.parametrize(("parameter", "name", "code"), WRONG_DEFAULT_ROLES)
def test_default_role_of_the_wrong_type_is_refused(
    client: httpx.Client, service: Json, parameter: str, name: str, code: int
) -> None:
    """A default must have the scope that it is the default for."""
    role = default_role(client, service, name)

    refused(client.post(at(service), data={parameter: role["sid"]}), 400, code)


@pytest.mark.parametrize(
    ("parameter", "field", "code"),
    [
        ("DefaultServiceRoleSid", "default_service_role_sid", 50102),
        ("DefaultChannelRoleSid", "default_channel_role_sid", 50101),
        ("DefaultChannelCreatorRoleSid", "default_channel_creator_role_sid", 50106),
    ],
)
def test_default_role_must_exist_in_the_service(
    client: httpx.Client, service: Json, parameter: str, field: str, code: int
) -> None:
    """A role that nobody has, or that another service has, cannot become the default."""
    elsewhere = create_service(client)

    for role_sid in (f"RL{NOBODY}", elsewhere[field], "nonsense"):
        refused(client.post(at(service), data={parameter: role_sid}), 400, code)

    delete(client, elsewhere)


def test_new_default_role_goes_to_the_next_user(client: httpx.Client, service: Json) -> None:
    """A changed default counts for those who come after it."""
    before = create_user(client, service, "before")
    admin = default_role(client, service, "service admin")
    update(client, service, DefaultServiceRoleSid=admin["sid"])

    after = create_user(client, service, "after")

    assert after["role_sid"] == admin["sid"]
    assert fetch(client, before)["role_sid"] == service["default_service_role_sid"]


def test_deleted_service_is_gone_with_all_below_it(client: httpx.Client) -> None:
    """The service itself is then not found, and what was below it has no service."""
    service = create_service(client)
    channel = create_channel(client, service)
    member = create_member(client, channel, "alice")
    message = create_message(client, channel)

    delete(client, service)

    not_found(client.get(at(service)))
    assert service["sid"] not in [row["sid"] for row in rows(client, {"url": SERVICES}, PageSize="1000")]
    for resource in (channel, member, message):
        without_service(client.get(at(resource)))


def test_deleted_service_takes_its_media_files_along(
    client: httpx.Client, server: Server, service: Json, channel: Json
) -> None:
    """The data folder loses sent and unsent files alike."""
    sent, unsent = upload_media(client, service), upload_media(client, service)
    create_message(client, channel, MediaSid=sent["sid"])
    assert stored_files(server, sent)
    assert stored_files(server, unsent)

    delete(client, service)

    assert eventually(lambda: not stored_files(server, sent) and not stored_files(server, unsent))


def test_credentials_outlive_a_service(client: httpx.Client) -> None:
    """Credentials belong to the account, not to any service."""
    service = create_service(client)
    credential = created(client.post(CREDENTIALS, data={"Type": "fcm", "Secret": "key"}))

    delete(client, service)

    assert fetch(client, credential) == credential
    delete(client, credential)


@pytest.mark.parametrize("part", ["Channels", "Users", "Roles", "Bindings"])
def test_what_is_below_a_service_that_never_was_has_no_service(client: httpx.Client, part: str) -> None:
    """Lists and instances answer that the service is not there, not that they are not."""
    without_service(client.get(f"{SERVICES}/IS{NOBODY}/{part}"))
    without_service(client.get(f"{SERVICES}/IS{NOBODY}/{part}/nobody"))
    without_service(client.get(f"{SERVICES}/general/{part}"))


@pytest.mark.parametrize("part", ["Channels/general/Members", "Users/alice/Channels", "Users/alice/Bindings"])
def test_what_is_far_below_a_service_that_never_was_has_no_service(client: httpx.Client, part: str) -> None:
    """The missing service is told before the missing channel or user."""
    without_service(client.get(f"{SERVICES}/IS{NOBODY}/{part}"))


def test_service_of_another_account_is_not_there(
    service: Json, channel: Json, stranger: httpx.Client, client: httpx.Client
) -> None:
    """Nobody sees, changes or deletes what another account has."""
    not_found(stranger.get(at(service)))
    not_found(stranger.post(at(service), data={"FriendlyName": "Mine"}))
    not_found(stranger.delete(at(service)))
    without_service(stranger.get(at(channel)))
    without_service(stranger.post(at(service, "Users"), data={"Identity": "alice"}))

    assert rows(stranger, {"url": SERVICES}) == []
    assert fetch(client, service) == service


def test_services_are_listed_in_creation_order_page_by_page(stranger: httpx.Client) -> None:
    """A list goes on where the page before ended."""
    services = [create_service(stranger) for _ in range(5)]

    assert walk(stranger, {"url": "/v2"}, "Services", PageSize="2") == services

    for service in services:
        delete(stranger, service)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", [f"IS{NOBODY}", "general", f"CH{NOBODY}"])
def test_service_that_never_was_is_not_found(client: httpx.Client, method: str, name: str) -> None:
    """A service is found by its SID and by nothing else."""
    not_found(client.request(method, f"{SERVICES}/{name}"))


def test_service_is_not_addressed_by_its_name(client: httpx.Client, service: Json) -> None:
    """Services have a friendly name only, which is no address."""
    not_found(client.get(f"{SERVICES}/{service['friendly_name']}"))


def test_two_services_may_have_one_name(client: httpx.Client, service: Json) -> None:
    """A friendly name need not be unique."""
    twin = create_service(client, FriendlyName=service["friendly_name"])

    assert twin["sid"] != service["sid"]
    assert ok(client.get(at(twin)))["friendly_name"] == service["friendly_name"]
    delete(client, twin)
