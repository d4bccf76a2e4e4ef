"""Every error that HTTP can reach: the table of the reference, row by row, against a real server."""

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from hubbub.errors import all_errors
from tests.api.steps import (
    NOBODY,
    Json,
    Value,
    at,
    create_channel,
    create_invite,
    create_member,
    create_message,
    create_role,
    create_service,
    create_user,
    create_webhook,
    default_role,
    delete,
    refused,
    update,
    upload_media,
)
from tests.harness import Server

# Rows that no request to a healthy server meets, and why.
OUT_OF_REACH = {
    "CONFLICT": "needs two nodes that keep getting in each other's way",
    "INTERNAL": "is the answer to a fault of our own",
    "UNAVAILABLE": "needs a database or a disk that is away: tests/robustness",
}

MEGABYTE = 1024 * 1024
GONE = f"/v2/Services/IS{NOBODY}"
NOT_FOUND = "The requested resource {path} was not found"
NO_SERVICE = "Service instance not found"


class Row(NamedTuple):
    """One way to fail: `{words}` of a path or form stand for what the scene holds."""

    name: str
    code: int
    status: int
    message: str
    method: str
    path: str
    form: dict[str, Value] | bytes = {}


def post(name: str, code: int, message: str, path: str, *, status: int = 400, **form: Value) -> Row:
    """A row of a POST, the usual way to go wrong; `__` in a parameter's name stands for its dot."""
    sent = {parameter.replace("__", "."): value for parameter, value in form.items()}
    return Row(name, code, status, message, "POST", path, sent)


def missing(method: str, path: str) -> Row:
    """A row of something that is not there."""
    return Row("NOT_FOUND", 20404, 404, NOT_FOUND, method, path)


HOOK: dict[str, Value] = {"Type": "webhook", "Configuration.Url": "https://example.com"}

ROWS = [
    # The platform
    Row("AUTHENTICATE", 20003, 401, "Authenticate", "ANONYMOUS", "{service}"),
    Row("METHOD_NOT_ALLOWED", 20004, 405, "Method not allowed", "PUT", "{service}"),
    Row(
        "TOO_LARGE",
        20413,
        413,
        "The request body is larger than 1 MB",
        "POST",
        "{service}",
        b"x" * (MEGABYTE + 1),
    ),
    Row(
        "MALFORMED_REQUEST",
        20001,
        400,
        "Malformed request: bad percent-encoding",
        "POST",
        "{service}",
        b"A=%zz",
    ),
    post(
        "MISSING_PARAMETER", 20001, "Missing required parameter FriendlyName in the post body", "/v2/Services"
    ),
    post(
        "MISSING_PARAMETER", 20001, "Missing required parameter Identity in the post body", "{service}/Users"
    ),
    post(
        "MISSING_PARAMETER",
        20001,
        "Missing required parameter Identity in the post body",
        "{channel}/Members",
    ),
    post(
        "MISSING_PARAMETER",
        20001,
        "Missing required parameter Identity in the post body",
        "{channel}/Invites",
    ),
    post(
        "MISSING_PARAMETER", 20001, "Missing required parameter Type in the post body", "{channel}/Webhooks"
    ),
    post("MISSING_PARAMETER", 20001, "Missing required parameter Type in the post body", "/v2/Credentials"),
    post(
        "INVALID_PARAMETER", 20001, "Invalid parameter ReadStatusEnabled", "{service}", ReadStatusEnabled="x"
    ),
    post("INVALID_PARAMETER", 20001, "Invalid parameter Type", "{service}/Channels", Type="secret"),
    Row(
        "INVALID_PARAMETER", 20001, 400, "Invalid parameter PageSize", "GET", "{service}/Channels?PageSize=0"
    ),
    Row(
        "INVALID_PARAMETER", 20001, 400, "Invalid parameter PageToken", "GET", "{service}/Users?PageToken=PT1"
    ),
    Row("INVALID_PARAMETER", 20001, 400, "Invalid parameter Order", "GET", "{channel}/Messages?Order=up"),
    Row(
        "INVALID_PAGE_TOKEN",
        19038,
        400,
        "Page token must be a number of 0 or more",
        "GET",
        "{channel}/Messages?PageToken=PT-1",
    ),
    # What is not there: unknown paths, instances, parents, and the user that an invite names
    *[missing(method, GONE) for method in ("GET", "POST", "DELETE")],
    *[missing("GET", path) for path in ("/v2", "/v2/Nothing", "{service}/Nothing", "{channel}/Messages/x/y")],
    *[
        missing(method, f"{{service}}/{path}")
        for method in ("GET", "POST", "DELETE")
        for path in (
            f"Channels/CH{NOBODY}",
            "Channels/nope",
            f"Users/US{NOBODY}",
            "Users/nobody",
            f"Roles/RL{NOBODY}",
        )
    ],
    *[
        missing(method, f"{{channel}}/{path}")
        for method in ("GET", "POST", "DELETE")
        for path in (f"Members/MB{NOBODY}", "Members/nobody", f"Messages/IM{NOBODY}", f"Webhooks/WH{NOBODY}")
    ],
    *[
        missing(method, path)
        for method in ("GET", "DELETE")
        for path in (
            f"{{service}}/Bindings/BS{NOBODY}",
            f"{{channel}}/Invites/IN{NOBODY}",
            f"{{service}}/Users/alice/Bindings/BS{NOBODY}",
        )
    ],
    *[missing(method, f"/v2/Credentials/CR{NOBODY}") for method in ("GET", "POST", "DELETE")],
    *[
        missing("GET", f"{{service}}/Channels/nope/{path}")
        for path in ("Members", "Messages", "Invites", "Webhooks")
    ],
    *[missing("GET", f"{{service}}/Users/nobody/{path}") for path in ("Channels", "Bindings")],
    missing("GET", "{service}/Users/bob/Channels/{channel_sid}"),
    missing("GET", f"{{media_service}}/ME{NOBODY}"),
    missing("GET", f"{{media_service}}/ME{NOBODY}/Content"),
    post("NOT_FOUND", 20404, NOT_FOUND, "{channel}/Invites", status=404, Identity="nobody"),
    # Below a service that is not there
    *[
        Row("SERVICE_NOT_FOUND", 50050, 403, NO_SERVICE, method, f"{GONE}/{path}")
        for method, path in (
            *(("GET", name) for name in ("Channels", "Users", "Roles", "Bindings")),
            *(("POST", name) for name in ("Channels", "Users", "Roles")),
            *((method, "Channels/general") for method in ("GET", "POST", "DELETE")),
            *((method, "Users/alice") for method in ("GET", "POST", "DELETE")),
            *(("GET", f"Channels/general/{name}") for name in ("Members", "Messages", "Invites", "Webhooks")),
            *(("GET", f"Users/alice/{name}") for name in ("Channels", "Bindings")),
            ("GET", f"Roles/RL{NOBODY}"),
            ("GET", "Channels/general/Members/alice"),
        )
    ],
    # Services
    post("FRIENDLY_NAME_TOO_LONG", 50003, "Friendly name too long", "{service}", FriendlyName="n" * 257),
    post(
        "INVALID_CONSUMPTION_INTERVAL",
        50052,
        "Invalid consumption interval format",
        "{service}",
        ConsumptionReportInterval="x",
    ),
    post(
        "INVALID_TYPING_INDICATOR",
        50053,
        "Invalid typing indicator format",
        "{service}",
        TypingIndicatorTimeout="x",
    ),
    post("INVALID_WEBHOOK", 50054, "Invalid webhook format", "{service}", WebhookFilters="onNothing"),
    post("INVALID_WEBHOOK_METHOD", 50055, "Invalid webhook method", "{service}", WebhookMethod="PUT"),
    post(
        "TEMPLATE_TOO_LONG",
        50058,
        "Notification template too long",
        "{service}",
        Notifications__NewMessage__Template="t" * 20_000,
    ),
    post(
        "SOUND_TOO_LONG",
        50059,
        "Notification sound name too long",
        "{service}",
        Notifications__NewMessage__Sound="s" * 20_000,
    ),
    post(
        "INVALID_USER_CHANNELS_LIMIT",
        50060,
        "Invalid user channels limit format",
        "{service}",
        Limits__UserChannels="0",
    ),
    post(
        "INVALID_CHANNEL_MEMBERS_LIMIT",
        50061,
        "Invalid channel members limit format",
        "{service}",
        Limits__ChannelMembers="0",
    ),
    post("INVALID_RETRY_COUNT", 50065, "Invalid webhook retry count", "{service}", PreWebhookRetryCount="4"),
    post("INVALID_PRE_WEBHOOK_URL", 50077, "Invalid pre-webhook URL", "{service}", PreWebhookUrl="x"),
    post("INVALID_POST_WEBHOOK_URL", 50078, "Invalid post-webhook URL", "{service}", PostWebhookUrl="x"),
    # Roles
    Row(
        "IN_USE",
        20409,
        409,
        "The role is a default of its service or still assigned",
        "DELETE",
        "{service}/Roles/{channel_role}",
    ),
    post("ROLE_NOT_FOUND", 50100, "Role not found", "{service}/Users/alice", RoleSid=f"RL{NOBODY}"),
    post(
        "CHANNEL_ROLE_NOT_FOUND",
        50101,
        "Channel role not found",
        "{channel}/Members/alice",
        RoleSid="{service_role}",
    ),
    post(
        "DEPLOYMENT_ROLE_NOT_FOUND",
        50102,
        "Deployment role not found",
        "{service}/Users/alice",
        RoleSid="{channel_role}",
    ),
    post("PERMISSION_NOT_FOUND", 50104, "Permission not found", "{service}/Roles/{role}", Permission="fly"),
    post(
        "INVALID_ROLE_TYPE",
        50105,
        "Invalid role type",
        "{service}/Roles",
        FriendlyName="r",
        Type="x",
        Permission="sendMessage",
    ),
    post(
        "CREATOR_ROLE_NOT_FOUND",
        50106,
        "Channel creator role not found",
        "{service}",
        DefaultChannelCreatorRoleSid="{service_role}",
    ),
    post(
        "FRIENDLY_NAME_TOO_LONG",
        50003,
        "Friendly name too long",
        "{service}/Roles",
        FriendlyName="n" * 65,
        Type="channel",
        Permission="sendMessage",
    ),
    # Users
    post("USER_EXISTS", 50201, "User already exists", "{service}/Users", status=409, Identity="alice"),
    post("IDENTITY_RESERVED", 50203, "Identity reserved", "{service}/Users", Identity="system"),
    post(
        "IDENTITY_LIKE_SID",
        50206,
        "Identity should not match user SID pattern",
        "{service}/Users",
        Identity=f"US{NOBODY}",
    ),
    post("IDENTITY_TOO_LONG", 50207, "Identity too long", "{service}/Users", Identity="i" * 257),
    post(
        "USER_CHANNEL_LIMIT",
        50208,
        "User channel limit exceeded",
        "{limited}/Channels/empty/Members",
        status=403,
        Identity="alice",
    ),
    Row(
        "INVALID_BINDING_TYPE",
        50209,
        400,
        "Invalid binding type",
        "GET",
        "{service}/Bindings?BindingType=smoke",
    ),
    post(
        "INVALID_NOTIFICATION_LEVEL",
        50210,
        "Invalid notification level",
        "{service}/Users/alice/Channels/{channel_sid}",
        NotificationLevel="loud",
    ),
    post("USER_INVITED", 50212, "User already invited", "{channel}/Invites", status=409, Identity="bob"),
    post(
        "FRIENDLY_NAME_TOO_LONG",
        50003,
        "Friendly name too long",
        "{service}/Users/alice",
        FriendlyName="n" * 257,
    ),
    # Channels
    post("FRIENDLY_NAME_TOO_LONG", 50003, "Friendly name too long", "{channel}", FriendlyName="n" * 257),
    post("UNIQUE_NAME_TOO_LONG", 50004, "Unique Name too long", "{channel}", UniqueName="n" * 257),
    post("ATTRIBUTES_TOO_LONG", 50303, "Attributes too long", "{channel}", Attributes=f'"{"a" * 16 * 1024}"'),
    post(
        "ATTRIBUTES_TOO_LONG",
        50303,
        "Attributes too long",
        "{service}/Users/alice",
        Attributes=f'"{"a" * 16 * 1024}"',
    ),
    post(
        "ATTRIBUTES_TOO_LONG",
        50303,
        "Attributes too long",
        "{channel}/Members/alice",
        Attributes=f'"{"a" * 4 * 1024}"',
    ),
    *[
        post("ATTRIBUTES_NOT_JSON", 50304, "Attributes not valid JSON", path, Attributes="{'a': 1}")
        for path in ("{channel}", "{service}/Users/alice", "{channel}/Members/alice", "{message}")
    ],
    post(
        "UNIQUE_NAME_LIKE_SID",
        50306,
        "Unique name should not match channel SID pattern",
        "{channel}",
        UniqueName=f"CH{NOBODY}",
    ),
    post(
        "UNIQUE_NAME_EXISTS",
        50307,
        "Channel with provided unique name already exists",
        "{service}/Channels",
        status=409,
        UniqueName="general",
    ),
    post(
        "UNIQUE_NAME_EXISTS",
        50307,
        "Channel with provided unique name already exists",
        "{service}/Channels/other",
        status=409,
        UniqueName="general",
    ),
    *[
        post("INVALID_DATE_CREATED", 50308, "Invalid Date Created parameter", path, DateCreated="soon")
        for path in ("{channel}", "{channel}/Members/alice", "{message}")
    ],
    *[
        post("INVALID_DATE_UPDATED", 50309, "Invalid Date Updated parameter", path, DateUpdated="soon")
        for path in ("{channel}", "{channel}/Members/alice", "{message}")
    ],
    post("AUTHOR_TOO_LONG", 50310, "Author parameter is too long", "{channel}", CreatedBy="c" * 257),
    post("AUTHOR_TOO_LONG", 50310, "Author parameter is too long", "{message}", From="f" * 257),
    # Channel webhooks
    Row(
        "TOO_MANY_WEBHOOKS",
        50321,
        400,
        "Too many channel webhooks",
        "POST",
        "{service}/Channels/other/Webhooks",
        HOOK | {"Configuration.Filters": "onMessageSent"},
    ),
    Row(
        "TOO_MANY_TRIGGERS",
        50322,
        400,
        "Too many channel webhook triggers",
        "POST",
        "{channel}/Webhooks",
        HOOK | {"Type": "trigger", "Configuration.Triggers": list("abcdef")},
    ),
    Row(
        "INVALID_WEBHOOK_TYPE",
        50324,
        400,
        "Invalid channel webhook type",
        "POST",
        "{channel}/Webhooks",
        {"Type": "email"},
    ),
    Row(
        "INVALID_FILTER",
        50325,
        400,
        "Invalid channel webhook filter",
        "POST",
        "{channel}/Webhooks",
        HOOK | {"Configuration.Filters": "onNothing"},
    ),
    Row(
        "INVALID_TRIGGER",
        50326,
        400,
        "Invalid channel webhook trigger",
        "POST",
        "{channel}/Webhooks",
        HOOK | {"Type": "trigger", "Configuration.Triggers": "t" * 249},
    ),
    Row(
        "INVALID_FLOW_SID",
        50327,
        400,
        "Invalid channel webhook flow SID",
        "POST",
        "{channel}/Webhooks",
        {"Type": "studio"},
    ),
    Row(
        "WEBHOOK_URL_NOT_PROVIDED",
        50329,
        400,
        "Channel webhook url not provided",
        "POST",
        "{channel}/Webhooks",
        {"Type": "webhook"},
    ),
    Row(
        "WEBHOOK_FILTER_NOT_PROVIDED",
        50330,
        400,
        "Channel webhook filter not provided",
        "POST",
        "{channel}/Webhooks",
        HOOK,
    ),
    Row(
        "WEBHOOK_TRIGGER_NOT_PROVIDED",
        50331,
        400,
        "Channel webhook trigger not provided",
        "POST",
        "{channel}/Webhooks",
        HOOK | {"Type": "trigger"},
    ),
    Row(
        "WEBHOOK_URL_TOO_LONG",
        50332,
        400,
        "Channel webhook url too long",
        "POST",
        "{channel}/Webhooks",
        HOOK | {"Configuration.Url": f"https://example.com/{'x' * 512}"},
    ),
    # Members and invites
    post(
        "CHANNEL_MEMBER_LIMIT",
        50403,
        "Channel member limit exceeded",
        "{limited}/Channels/full/Members",
        status=403,
        Identity="bob",
    ),
    post("MEMBER_EXISTS", 50404, "Member already exists", "{channel}/Members", status=409, Identity="alice"),
    post("MEMBER_EXISTS", 50404, "Member already exists", "{channel}/Invites", status=409, Identity="alice"),
    post(
        "INVALID_CONSUMPTION_TIMESTAMP",
        50405,
        "Invalid last consumption timestamp format",
        "{channel}/Members/alice",
        LastConsumptionTimestamp="soon",
    ),
    post(
        "INVALID_CONSUMED_INDEX",
        50406,
        "Invalid last consumed message index format",
        "{channel}/Members/alice",
        LastConsumedMessageIndex="-1",
    ),
    post(
        "INVALID_CONSUMED_INDEX",
        50406,
        "Invalid last consumed message index format",
        "{service}/Users/alice/Channels/{channel_sid}",
        LastConsumedMessageIndex="x",
    ),
    # Messages
    post("ATTRIBUTES_TOO_LONG", 50303, "Attributes too long", "{message}", Attributes=f'"{"a" * 4 * 1024}"'),
    post("BODY_TOO_LONG", 50504, "Message body too long", "{channel}/Messages", Body="b" * (32 * 1024 + 1)),
    post(
        "LAST_UPDATED_BY_TOO_LONG",
        50505,
        "Last Updated By parameter is too long",
        "{message}",
        LastUpdatedBy="l" * 257,
    ),
    post(
        "MEDIA_NOT_FOUND", 50507, "Media not found", "{channel}/Messages", status=404, MediaSid=f"ME{NOBODY}"
    ),
    post(
        "MEDIA_ALREADY_SENT",
        50508,
        "Media already sent with another message",
        "{channel}/Messages",
        MediaSid="{media}",
    ),
    post("MEDIA_BODY_UPDATE", 50509, "Media message body update not allowed", "{media_message}", Body="b"),
    post("INVALID_MEDIA_SID", 50510, "Invalid message media SID", "{channel}/Messages", MediaSid="picture"),
]


@pytest.fixture(scope="module")
def scene(server: Server) -> Iterator[dict[str, str]]:
    """A service with everything in it that can go wrong, by the word that stands for it in a row."""
    with server.client() as client:
        service, limited = create_service(client), create_service(client)
        yield populate(client, service) | {"limited": at(restrict(client, limited))}
        delete(client, service)
        delete(client, limited)


def populate(client: httpx.Client, service: Json) -> dict[str, str]:
    """Alice is in the channel, bob is invited, a picture was sent, and the other channel has all its webhooks."""
    channel = create_channel(client, service, UniqueName="general")
    other = create_channel(client, service, UniqueName="other")
    for _ in range(5):
        create_webhook(client, other)
    create_member(client, channel, "alice")
    create_user(client, service, "bob")
    create_invite(client, channel, "bob")
    media = upload_media(client, service)
    return {
        "service": at(service),
        "channel": at(channel),
        "channel_sid": channel["sid"],
        "message": at(create_message(client, channel)),
        "media": media["sid"],
        "media_message": at(create_message(client, channel, "", MediaSid=media["sid"])),
        "media_service": f"/v1/Services/{service['sid']}/Media",
        "role": create_role(client, service, "channel", "sendMessage")["sid"],
        "service_role": default_role(client, service, "service user")["sid"],
        "channel_role": default_role(client, service, "channel user")["sid"],
    }


def restrict(client: httpx.Client, service: Json) -> Json:
    """Alice is in one channel and may be in no other; that channel is full."""
    full = create_channel(client, service, UniqueName="full")
    create_channel(client, service, UniqueName="empty")
    create_member(client, full, "alice")
    return update(client, service, **{"Limits.ChannelMembers": "1", "Limits.UserChannels": "1"})


def fill(value: Value, scene: dict[str, str]) -> Value:
    """A form's value with its words replaced; a JSON text has braces of its own."""
    return value.format(**scene) if isinstance(value, str) and value[1:-1] in scene else value


def provoke(client: httpx.Client, row: Row, scene: dict[str, str]) -> httpx.Response:
    path = row.path.format(**scene)
    if row.method == "ANONYMOUS":
        return httpx.get(f"{client.base_url}{path[1:]}")
    if isinstance(row.form, bytes):
        return client.request(row.method, path, content=row.form)
    form = {name: fill(value, scene) for name, value in row.form.items()}
    return client.request(row.method, path, data=form or None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.method}-{row.path}")
def test_fault_is_answered_with_its_row_of_the_table(
    client: httpx.Client, scene: dict[str, str], row: Row
) -> None:
    """Status, code, message, link and nothing else, as JSON."""
    response = provoke(client, row, scene)

    called = row.path.format(**scene).partition("?")[0].removeprefix("/v2")
    refused(response, row.status, row.code, row.message.replace("{path}", called))
    assert response.headers["Content-Type"].partition(";")[0] == "application/json"


def test_each_error_is_met_or_out_of_reach_for_a_reason() -> None:
    """No error is in the program's table without a way here that leads to it, and none here is unknown there."""
    met = {row.name for row in ROWS}

    assert met | set(OUT_OF_REACH) == set(all_errors())
    assert met.isdisjoint(OUT_OF_REACH)
    assert all(all_errors()[row.name][:2] == (row.code, row.status) for row in ROWS)


def test_fault_changes_nothing(client: httpx.Client, service: Json) -> None:
    """One wrong parameter among right ones, and none of them counts."""
    form = {"FriendlyName": "Changed", "TypingIndicatorTimeout": "x", "Limits.UserChannels": "7"}

    refused(client.post(at(service), data=form), 400, 50053)

    assert client.get(at(service)).json() == service


def test_unknown_service_tells_nothing_about_what_is_below(client: httpx.Client) -> None:
    """A service that never was answers like one that is someone else's, also to what makes no sense there."""
    for path in ("Nothing/at/all", "Users/alice/Nothing"):
        response = client.get(f"{GONE}/{path}")
        assert response.status_code in {403, 404}
        refused(response, response.status_code, {403: 50050, 404: 20404}[response.status_code])
