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
    "CANCELLED": "is told to end users only: see tests/delivery",
    "NOT_AUTHORIZED": "is told to end users only: see test_permissions.py",
    "ROLE_UNAUTHORIZED": "is told to end users only: see test_permissions.py",
    "NOT_MEMBER": "is told to end users only: see test_permissions.py",
    "DECLINED_AS_MEMBER": "is told to end users only: see test_permissions.py",
    "INVALID_TOKEN": "needs an access token: see test_tokens.py",
    "INVALID_TOKEN_HEADER": "likewise",
    "INVALID_TOKEN_ISSUER": "likewise",
    "TOKEN_EXPIRED": "likewise",
    "TOKEN_NOT_YET_VALID": "likewise",
    "INVALID_TOKEN_GRANTS": "likewise",
    "INVALID_TOKEN_SIGNATURE": "likewise",
    "TOKEN_LIFETIME": "likewise",
    "SYNC_FORBIDDEN": "is told to connected apps only: see tests/realtime",
    "DOCUMENT_NOT_FOUND": "likewise",
    "LIST_NOT_FOUND": "likewise",
    "LIST_ITEM_NOT_FOUND": "likewise",
    "MAP_NOT_FOUND": "likewise",
    "MAP_ITEM_NOT_FOUND": "likewise",
    "TOO_MANY_SUBSCRIPTIONS": "likewise",
    "CHANNEL_METADATA_NOT_FOUND": "likewise",
    "INTERNAL": "is the answer to a fault of our own",
    "UNAVAILABLE": "needs a database or a disk that is away: tests/robustness",
}

GONE = f"/v2/Services/IS{NOBODY}"

# Code, status and message, as the reference has them; the braces are filled by the case.
TABLE = {
    "INVALID_PARAMETER": (20001, 400, "Invalid parameter {about}"),
    "MISSING_PARAMETER": (20001, 400, "Missing required parameter {about} in the post body"),
    "MALFORMED_REQUEST": (20001, 400, "Malformed request: {about}"),
    "AUTHENTICATE": (20003, 401, "Authenticate"),
    "METHOD_NOT_ALLOWED": (20004, 405, "Method not allowed"),
    "NOT_FOUND": (20404, 404, "The requested resource {path} was not found"),
    "IN_USE": (20409, 409, "The role is a default of its service or still assigned"),
    "TOO_LARGE": (20413, 413, "The request body is larger than 1 MB"),
    "INVALID_PAGE_TOKEN": (19038, 400, "Page token must be a number of 0 or more"),
    "INVALID_TOKEN": (20101, 401, "Invalid Access Token"),
    "INVALID_TOKEN_HEADER": (20102, 401, "Invalid Access Token header"),
    "INVALID_TOKEN_ISSUER": (20103, 401, "Invalid Access Token issuer/subject"),
    "TOKEN_EXPIRED": (20104, 401, "Access Token expired or expiration date invalid"),
    "TOKEN_NOT_YET_VALID": (20105, 401, "Access Token not yet valid"),
    "INVALID_TOKEN_GRANTS": (20106, 401, "Invalid Access Token grants"),
    "INVALID_TOKEN_SIGNATURE": (20107, 401, "Invalid Access Token signature"),
    "TOKEN_LIFETIME": (20157, 401, "Expiration Time in the Access Token Exceeds Maximum Time Allowed"),
    "FRIENDLY_NAME_TOO_LONG": (50003, 400, "Friendly name too long"),
    "UNIQUE_NAME_TOO_LONG": (50004, 400, "Unique Name too long"),
    "SERVICE_NOT_FOUND": (50050, 403, "Service instance not found"),
    "INVALID_CONSUMPTION_INTERVAL": (50052, 400, "Invalid consumption interval format"),
    "INVALID_TYPING_INDICATOR": (50053, 400, "Invalid typing indicator format"),
    "INVALID_WEBHOOK": (50054, 400, "Invalid webhook format"),
    "INVALID_WEBHOOK_METHOD": (50055, 400, "Invalid webhook method"),
    "CANCELLED": (50056, 403, "Webhook cancelled processing of command"),
    "TEMPLATE_TOO_LONG": (50058, 400, "Notification template too long"),
    "SOUND_TOO_LONG": (50059, 400, "Notification sound name too long"),
    "INVALID_USER_CHANNELS_LIMIT": (50060, 400, "Invalid user channels limit format"),
    "INVALID_CHANNEL_MEMBERS_LIMIT": (50061, 400, "Invalid channel members limit format"),
    "INVALID_RETRY_COUNT": (50065, 400, "Invalid webhook retry count"),
    "INVALID_PRE_WEBHOOK_URL": (50077, 400, "Invalid pre-webhook URL"),
    "INVALID_POST_WEBHOOK_URL": (50078, 400, "Invalid post-webhook URL"),
    "ROLE_NOT_FOUND": (50100, 400, "Role not found"),
    "CHANNEL_ROLE_NOT_FOUND": (50101, 400, "Channel role not found"),
    "DEPLOYMENT_ROLE_NOT_FOUND": (50102, 400, "Deployment role not found"),
    "PERMISSION_NOT_FOUND": (50104, 400, "Permission not found"),
    "INVALID_ROLE_TYPE": (50105, 400, "Invalid role type"),
    "CREATOR_ROLE_NOT_FOUND": (50106, 400, "Channel creator role not found"),
    "NOT_AUTHORIZED": (50107, 403, "User not authorized for command"),
    "USER_EXISTS": (50201, 409, "User already exists"),
    "IDENTITY_RESERVED": (50203, 400, "Identity reserved"),
    "ROLE_UNAUTHORIZED": (50205, 403, "User unauthorized to set role"),
    "IDENTITY_LIKE_SID": (50206, 400, "Identity should not match user SID pattern"),
    "IDENTITY_TOO_LONG": (50207, 400, "Identity too long"),
    "USER_CHANNEL_LIMIT": (50208, 403, "User channel limit exceeded"),
    "INVALID_BINDING_TYPE": (50209, 400, "Invalid binding type"),
    "INVALID_NOTIFICATION_LEVEL": (50210, 400, "Invalid notification level"),
    "USER_INVITED": (50212, 409, "User already invited"),
    "ATTRIBUTES_TOO_LONG": (50303, 400, "Attributes too long"),
    "ATTRIBUTES_NOT_JSON": (50304, 400, "Attributes not valid JSON"),
    "UNIQUE_NAME_LIKE_SID": (50306, 400, "Unique name should not match channel SID pattern"),
    "UNIQUE_NAME_EXISTS": (50307, 409, "Channel with provided unique name already exists"),
    "INVALID_DATE_CREATED": (50308, 400, "Invalid Date Created parameter"),
    "INVALID_DATE_UPDATED": (50309, 400, "Invalid Date Updated parameter"),
    "AUTHOR_TOO_LONG": (50310, 400, "Author parameter is too long"),
    "TOO_MANY_WEBHOOKS": (50321, 400, "Too many channel webhooks"),
    "TOO_MANY_TRIGGERS": (50322, 400, "Too many channel webhook triggers"),
    "INVALID_WEBHOOK_TYPE": (50324, 400, "Invalid channel webhook type"),
    "INVALID_FILTER": (50325, 400, "Invalid channel webhook filter"),
    "INVALID_TRIGGER": (50326, 400, "Invalid channel webhook trigger"),
    "INVALID_FLOW_SID": (50327, 400, "Invalid channel webhook flow SID"),
    "WEBHOOK_URL_NOT_PROVIDED": (50329, 400, "Channel webhook url not provided"),
    "WEBHOOK_FILTER_NOT_PROVIDED": (50330, 400, "Channel webhook filter not provided"),
    "WEBHOOK_TRIGGER_NOT_PROVIDED": (50331, 400, "Channel webhook trigger not provided"),
    "WEBHOOK_URL_TOO_LONG": (50332, 400, "Channel webhook url too long"),
    "NOT_MEMBER": (50400, 403, "User not member of channel"),
    "CHANNEL_MEMBER_LIMIT": (50403, 403, "Channel member limit exceeded"),
    "MEMBER_EXISTS": (50404, 409, "Member already exists"),
    "INVALID_CONSUMPTION_TIMESTAMP": (50405, 400, "Invalid last consumption timestamp format"),
    "INVALID_CONSUMED_INDEX": (50406, 400, "Invalid last consumed message index format"),
    "BODY_TOO_LONG": (50504, 400, "Message body too long"),
    "LAST_UPDATED_BY_TOO_LONG": (50505, 400, "Last Updated By parameter is too long"),
    "MEDIA_NOT_FOUND": (50507, 404, "Media not found"),
    "MEDIA_ALREADY_SENT": (50508, 400, "Media already sent with another message"),
    "MEDIA_BODY_UPDATE": (50509, 400, "Media message body update not allowed"),
    "INVALID_MEDIA_SID": (50510, 400, "Invalid message media SID"),
    "CHANNEL_METADATA_NOT_FOUND": (50530, 404, "Channel metadata not found"),
    "DECLINED_AS_MEMBER": (50602, 409, "Cannot decline invite when already channel member"),
}


class Case(NamedTuple):
    """One way to fail: `{words}` of a path or form stand for what the scene holds."""

    name: str
    method: str
    path: str
    form: dict[str, Value] | bytes
    about: str = ""


def post(name: str, path: str, about: str = "", **form: Value) -> Case:
    """A POST, the usual way to go wrong; `__` in a parameter's name stands for its dot."""
    sent = {parameter.replace("__", "."): value for parameter, value in form.items()}
    return Case(name, "POST", path, sent, about)


def get(name: str, path: str, about: str = "") -> Case:
    return Case(name, "GET", path, {}, about)


def each(name: str, methods: str, *paths: str, **form: Value) -> list[Case]:
    """The same fault by each method on each path; only a POST carries the form."""
    return [Case(name, method, path, form if method == "POST" else {}) for method in methods.split() for path in paths]


def hook(name: str, **form: Value) -> Case:
    """A channel webhook of type `webhook` with a URL and nothing else, unless the form says otherwise."""
    usual: dict[str, Value] = {"Type": "webhook", "Configuration__Url": "https://example.com"}
    return post(name, "{channel}/Webhooks", "", **usual | form)


PLATFORM = [
    Case("AUTHENTICATE", "ANONYMOUS", "{service}", {}),
    Case("METHOD_NOT_ALLOWED", "PUT", "{service}", {}),
    Case("TOO_LARGE", "POST", "{service}", b"x" * (1024 * 1024 + 1)),
    Case("MALFORMED_REQUEST", "POST", "{service}", b"A=%zz", "bad percent-encoding"),
    post("MISSING_PARAMETER", "/v2/Services", "FriendlyName"),
    post("MISSING_PARAMETER", "{service}/Users", "Identity"),
    post("MISSING_PARAMETER", "{channel}/Members", "Identity"),
    post("MISSING_PARAMETER", "{channel}/Invites", "Identity"),
    post("MISSING_PARAMETER", "{channel}/Webhooks", "Type"),
    post("MISSING_PARAMETER", "/v2/Credentials", "Type"),
    post("INVALID_PARAMETER", "{service}", "ReadStatusEnabled", ReadStatusEnabled="x"),
    post("INVALID_PARAMETER", "{service}/Channels", "Type", Type="secret"),
    get("INVALID_PARAMETER", "{service}/Channels?PageSize=0", "PageSize"),
    get("INVALID_PARAMETER", "{service}/Users?PageToken=PT1", "PageToken"),
    get("INVALID_PARAMETER", "{channel}/Messages?Order=up", "Order"),
    get("INVALID_PAGE_TOKEN", "{channel}/Messages?PageToken=PT-1"),
]

ABSENT = [
    *each("NOT_FOUND", "GET POST DELETE", GONE, f"/v2/Credentials/CR{NOBODY}"),
    *each("NOT_FOUND", "GET POST DELETE", "/v2", "/v2/Nothing", "{service}/Nothing", "{message}/Nothing"),
    *each("NOT_FOUND", "GET POST DELETE", f"{{service}}/Channels/CH{NOBODY}", "{service}/Channels/nope"),
    *each("NOT_FOUND", "GET POST DELETE", f"{{service}}/Users/US{NOBODY}", "{service}/Users/nobody"),
    *each("NOT_FOUND", "GET POST DELETE", f"{{service}}/Roles/RL{NOBODY}", Permission="sendMessage"),
    *each("NOT_FOUND", "GET POST DELETE", f"{{channel}}/Members/MB{NOBODY}", "{channel}/Members/nobody"),
    *each("NOT_FOUND", "GET POST DELETE", f"{{channel}}/Messages/IM{NOBODY}"),
    *each("NOT_FOUND", "GET POST DELETE", f"{{channel}}/Webhooks/WH{NOBODY}"),
    *each("NOT_FOUND", "GET POST DELETE", "{service}/Users/alice/Channels/other"),
    *each("NOT_FOUND", "GET DELETE", f"{{channel}}/Invites/IN{NOBODY}", f"{{service}}/Bindings/BS{NOBODY}"),
    *each("NOT_FOUND", "GET DELETE", f"{{service}}/Users/alice/Bindings/BS{NOBODY}"),
    *each("NOT_FOUND", "GET", f"{{media_service}}/ME{NOBODY}", f"{{media_service}}/ME{NOBODY}/Content"),
    # A parent that is not there, and the user that an invite names
    *each(
        "NOT_FOUND", "GET POST", *(f"{{service}}/Channels/nope/{name}" for name in ("Members", "Invites")), Identity="a"
    ),
    *each("NOT_FOUND", "GET POST", "{service}/Channels/nope/Messages"),
    *each("NOT_FOUND", "GET POST", "{service}/Channels/nope/Webhooks", Type="studio"),
    *each("NOT_FOUND", "GET", "{service}/Users/nobody/Channels", "{service}/Users/nobody/Bindings"),
    post("NOT_FOUND", "{channel}/Invites", Identity="nobody"),
    # Below a service that is not there
    *each("SERVICE_NOT_FOUND", "GET POST", f"{GONE}/Channels", f"{GONE}/Channels/general/Messages"),
    *each("SERVICE_NOT_FOUND", "GET POST", f"{GONE}/Users", f"{GONE}/Channels/general/Members", Identity="a"),
    *each("SERVICE_NOT_FOUND", "GET POST", f"{GONE}/Channels/general/Invites", Identity="a"),
    *each("SERVICE_NOT_FOUND", "GET POST", f"{GONE}/Channels/general/Webhooks", Type="studio"),
    *each(
        "SERVICE_NOT_FOUND", "GET POST", f"{GONE}/Roles", FriendlyName="r", Type="channel", Permission="leaveChannel"
    ),
    *each("SERVICE_NOT_FOUND", "GET POST DELETE", f"{GONE}/Channels/general", f"{GONE}/Users/alice"),
    *each("SERVICE_NOT_FOUND", "GET POST DELETE", f"{GONE}/Roles/RL{NOBODY}", Permission="leaveChannel"),
    *each("SERVICE_NOT_FOUND", "GET", f"{GONE}/Bindings", f"{GONE}/Users/alice/Bindings"),
    *each("SERVICE_NOT_FOUND", "GET", f"{GONE}/Users/alice/Channels", f"{GONE}/Channels/general/Members/alice"),
]

SERVICES = [
    post("FRIENDLY_NAME_TOO_LONG", "{service}", FriendlyName="n" * 257),
    post("INVALID_CONSUMPTION_INTERVAL", "{service}", ConsumptionReportInterval="x"),
    post("INVALID_TYPING_INDICATOR", "{service}", TypingIndicatorTimeout="x"),
    post("INVALID_WEBHOOK", "{service}", WebhookFilters="onNothing"),
    post("INVALID_WEBHOOK_METHOD", "{service}", WebhookMethod="PUT"),
    post("TEMPLATE_TOO_LONG", "{service}", Notifications__NewMessage__Template="t" * 20_000),
    post("SOUND_TOO_LONG", "{service}", Notifications__NewMessage__Sound="s" * 20_000),
    post("INVALID_USER_CHANNELS_LIMIT", "{service}", Limits__UserChannels="0"),
    post("INVALID_CHANNEL_MEMBERS_LIMIT", "{service}", Limits__ChannelMembers="0"),
    post("INVALID_RETRY_COUNT", "{service}", PreWebhookRetryCount="4"),
    post("INVALID_PRE_WEBHOOK_URL", "{service}", PreWebhookUrl="x"),
    post("INVALID_POST_WEBHOOK_URL", "{service}", PostWebhookUrl="x"),
    post("DEPLOYMENT_ROLE_NOT_FOUND", "{service}", DefaultServiceRoleSid="{channel_role}"),
    post("CHANNEL_ROLE_NOT_FOUND", "{service}", DefaultChannelRoleSid="{service_role}"),
    post("CREATOR_ROLE_NOT_FOUND", "{service}", DefaultChannelCreatorRoleSid="{service_role}"),
]

ROLES_AND_USERS = [
    Case("IN_USE", "DELETE", "{service}/Roles/{channel_role}", {}),
    post("PERMISSION_NOT_FOUND", "{service}/Roles/{role}", Permission="fly"),
    post("INVALID_ROLE_TYPE", "{service}/Roles", FriendlyName="r", Type="x", Permission="sendMessage"),
    post("FRIENDLY_NAME_TOO_LONG", "{service}/Roles", FriendlyName="n" * 65, Type="channel", Permission="x"),
    post("USER_EXISTS", "{service}/Users", Identity="alice"),
    post("IDENTITY_RESERVED", "{service}/Users", Identity="system"),
    post("IDENTITY_LIKE_SID", "{service}/Users", Identity=f"US{NOBODY}"),
    post("IDENTITY_TOO_LONG", "{service}/Users", Identity="i" * 257),
    post("IDENTITY_TOO_LONG", "{channel}/Members", Identity="i" * 257),
    post("ROLE_NOT_FOUND", "{service}/Users/alice", RoleSid=f"RL{NOBODY}"),
    post("DEPLOYMENT_ROLE_NOT_FOUND", "{service}/Users/alice", RoleSid="{channel_role}"),
    post("FRIENDLY_NAME_TOO_LONG", "{service}/Users/alice", FriendlyName="n" * 257),
    post("ATTRIBUTES_TOO_LONG", "{service}/Users/alice", Attributes=f'"{"a" * 16 * 1024}"'),
    post("ATTRIBUTES_NOT_JSON", "{service}/Users/alice", Attributes="{'a': 1}"),
    get("INVALID_BINDING_TYPE", "{service}/Bindings?BindingType=smoke"),
    post("INVALID_NOTIFICATION_LEVEL", "{service}/Users/alice/Channels/general", NotificationLevel="loud"),
    post("INVALID_CONSUMED_INDEX", "{service}/Users/alice/Channels/general", LastConsumedMessageIndex="x"),
]

CHANNELS = [
    post("FRIENDLY_NAME_TOO_LONG", "{channel}", FriendlyName="n" * 257),
    post("UNIQUE_NAME_TOO_LONG", "{channel}", UniqueName="n" * 257),
    post("ATTRIBUTES_TOO_LONG", "{channel}", Attributes=f'"{"a" * 16 * 1024}"'),
    post("ATTRIBUTES_NOT_JSON", "{channel}", Attributes="{'a': 1}"),
    post("UNIQUE_NAME_LIKE_SID", "{channel}", UniqueName=f"CH{NOBODY}"),
    post("UNIQUE_NAME_EXISTS", "{service}/Channels", UniqueName="general"),
    post("UNIQUE_NAME_EXISTS", "{service}/Channels/other", UniqueName="general"),
    post("INVALID_DATE_CREATED", "{channel}", DateCreated="soon"),
    post("INVALID_DATE_UPDATED", "{channel}", DateUpdated="soon"),
    post("AUTHOR_TOO_LONG", "{channel}", CreatedBy="c" * 257),
    hook("WEBHOOK_FILTER_NOT_PROVIDED"),
    hook("WEBHOOK_URL_NOT_PROVIDED", Configuration__Url=""),
    hook("WEBHOOK_TRIGGER_NOT_PROVIDED", Type="trigger"),
    hook("WEBHOOK_URL_TOO_LONG", Configuration__Url=f"https://example.com/{'x' * 512}"),
    hook("TOO_MANY_TRIGGERS", Type="trigger", Configuration__Triggers=list("abcdef")),
    hook("INVALID_TRIGGER", Type="trigger", Configuration__Triggers="t" * 249),
    hook("INVALID_WEBHOOK_TYPE", Type="email"),
    hook("INVALID_FILTER", Configuration__Filters="onNothing"),
    hook("INVALID_FLOW_SID", Type="studio"),
    post("TOO_MANY_WEBHOOKS", "{service}/Channels/other/Webhooks", Type="studio", Configuration__FlowSid=f"FW{NOBODY}"),
]

MEMBERS_AND_MESSAGES = [
    post("USER_CHANNEL_LIMIT", "{limited}/Channels/empty/Members", Identity="alice"),
    post("CHANNEL_MEMBER_LIMIT", "{limited}/Channels/full/Members", Identity="bob"),
    post("MEMBER_EXISTS", "{channel}/Members", Identity="alice"),
    post("MEMBER_EXISTS", "{channel}/Invites", Identity="alice"),
    post("USER_INVITED", "{channel}/Invites", Identity="bob"),
    post("CHANNEL_ROLE_NOT_FOUND", "{channel}/Members/alice", RoleSid="{service_role}"),
    post("INVALID_CONSUMPTION_TIMESTAMP", "{channel}/Members/alice", LastConsumptionTimestamp="soon"),
    post("INVALID_CONSUMED_INDEX", "{channel}/Members/alice", LastConsumedMessageIndex="-1"),
    *[
        post(name, path, **form)
        for path in ("{channel}/Members/alice", "{message}")
        for name, form in (
            ("ATTRIBUTES_TOO_LONG", {"Attributes": f'"{"a" * 4 * 1024}"'}),
            ("ATTRIBUTES_NOT_JSON", {"Attributes": "nonsense"}),
            ("INVALID_DATE_CREATED", {"DateCreated": "soon"}),
            ("INVALID_DATE_UPDATED", {"DateUpdated": "soon"}),
        )
    ],
    post("AUTHOR_TOO_LONG", "{message}", From="f" * 257),
    post("LAST_UPDATED_BY_TOO_LONG", "{message}", LastUpdatedBy="l" * 257),
    post("BODY_TOO_LONG", "{channel}/Messages", Body="b" * (32 * 1024 + 1)),
    post("INVALID_MEDIA_SID", "{channel}/Messages", MediaSid="picture"),
    post("MEDIA_NOT_FOUND", "{channel}/Messages", MediaSid=f"ME{NOBODY}"),
    post("MEDIA_ALREADY_SENT", "{channel}/Messages", MediaSid="{media}"),
    post("MEDIA_BODY_UPDATE", "{media_message}", Body="b"),
]

CASES = [*PLATFORM, *ABSENT, *SERVICES, *ROLES_AND_USERS, *CHANNELS, *MEMBERS_AND_MESSAGES]


@pytest.fixture(scope="module")
def scene(server: Server) -> Iterator[dict[str, str]]:
    """A service with everything in it that can go wrong, by the word that stands for it in a row."""
    with server.client() as client:
        service, limited = create_service(client), create_service(client)
        yield populate(client, service) | {"limited": at(restrict(client, limited))}
        delete(client, service)
        delete(client, limited)


def populate(client: httpx.Client, service: Json) -> dict[str, str]:
    """Alice is in the channel, bob is invited, a picture was sent, and the other channel has every webhook."""
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


def provoke(client: httpx.Client, case: Case, scene: dict[str, str]) -> httpx.Response:
    path = case.path.format(**scene)
    if case.method == "ANONYMOUS":
        return httpx.get(client.base_url.join(path))
    if isinstance(case.form, bytes):
        return client.request(case.method, path, content=case.form)
    words = {f"{{{word}}}": value for word, value in scene.items()}
    form = {name: words.get(str(value), value) for name, value in case.form.items()}
    return client.request(case.method, path, data=form or None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.method}-{case.path[:60]}")
def test_fault_is_answered_as_the_table_has_it(client: httpx.Client, scene: dict[str, str], case: Case) -> None:
    """Status, code, message, link and nothing else, as JSON."""
    code, status, message = TABLE[case.name]
    called = case.path.format(**scene).partition("?")[0].removeprefix("/v2")

    response = provoke(client, case, scene)

    refused(response, status, code, message.format(path=called, about=case.about))
    assert response.headers["Content-Type"].partition(";")[0] == "application/json"


def test_each_error_is_met_or_out_of_reach_for_a_reason() -> None:
    """No error is in the program without a way here that leads to it, and none here is unknown there."""
    met = {case.name for case in CASES}

    assert met == set(TABLE) - set(OUT_OF_REACH)
    assert met | set(OUT_OF_REACH) == set(all_errors())


@pytest.mark.parametrize("name", sorted(set(TABLE) & set(OUT_OF_REACH)))
def test_error_out_of_reach_is_as_the_reference_has_it(name: str) -> None:
    """What only end users hear has the code, the status and the message of the reference, too."""
    assert all_errors()[name] == TABLE[name]


def test_fault_changes_nothing(client: httpx.Client, service: Json) -> None:
    """One wrong parameter among right ones, and none of them counts."""
    form = {"FriendlyName": "Changed", "TypingIndicatorTimeout": "x", "Limits.UserChannels": "7"}

    refused(client.post(at(service), data=form), 400, 50053)

    assert client.get(at(service)).json() == service
