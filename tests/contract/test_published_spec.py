"""The published contract, walked: every operation is routed, takes what it says and answers in its schema."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from hubbub import app
from tests.conftest import ENGINES
from tests.contract import published
from tests.contract.published import Operation
from tests.devices import register
from tests.harness import Server, unique

OPERATIONS = published.OPERATIONS

ANSWERED = frozenset(OPERATIONS)

# The chat.* edition of the contract has this header, and the two differ in nothing else.
FURTHER_PARAMETERS = {"DeleteUserChannel": {"X-Twilio-Webhook-Enabled"}}

WEBHOOK_HEADER = {"X-Twilio-Webhook-Enabled": "true"}
DATES = {"DateCreated": "2016-03-24T20:37:57Z", "DateUpdated": "2016-03-25T20:37:57Z"}


class Walker:
    """Calls operations by their name in the contract and checks each answer against it."""

    def __init__(self, client: httpx.Client, base: str) -> None:
        self.client = client
        self.base = base
        self.answered: set[str] = set()

    def __call__(
        self,
        name: str,
        form: Any = None,
        *,
        query: Any = None,
        headers: Any = None,
        **path: str,
    ) -> Any:
        operation = OPERATIONS[name]
        response = self.client.request(
            operation.method, operation.fill(**path), data=form, params=query, headers=headers
        )
        answer = published.check_answer(
            operation,
            self.base,
            response.status_code,
            response.headers.get("content-type"),
            response.content,
        )
        if operation.verb in {"Create", "Fetch", "Update"}:
            self.check_url(operation, answer)
        self.answered.add(name)
        return answer

    def check_url(self, operation: Operation, answer: dict[str, Any]) -> None:
        """A resource's `url` is where that very resource is fetched."""
        fetch = OPERATIONS[f"Fetch{operation.resource}"]
        parts = fetch.match(urlsplit(answer["url"]).path)
        assert parts is not None, answer["url"]
        for name, value in parts.items():
            key = {
                "Sid": "sid",
                "ServiceSid": "service_sid",
                "ChannelSid": "channel_sid",
                "UserSid": "user_sid",
            }
            assert answer[key[name]] == value, answer["url"]


def walk_credentials(call: Walker) -> None:
    created = call("CreateCredential", {"Type": "fcm", "Secret": "server key", "FriendlyName": "phones"})
    sid = created["sid"]

    updated = call("UpdateCredential", {"FriendlyName": "tablets", "Secret": "new key"}, Sid=sid)

    assert created["sandbox"] is None
    assert updated["friendly_name"] == "tablets"
    assert call("FetchCredential", Sid=sid) == updated
    assert updated in call("ListCredential", query={"PageSize": 1000})["credentials"]
    call("DeleteCredential", Sid=sid)


def walk_service(call: Walker) -> dict[str, Any]:
    created: dict[str, Any] = call("CreateService", {"FriendlyName": unique("life")})
    sid = created["sid"]
    form = {
        "ReachabilityEnabled": "true",
        "TypingIndicatorTimeout": "8",
        "PreWebhookUrl": "https://hooks.example/before",
        "PostWebhookUrl": "https://hooks.example/after",
        "WebhookMethod": "GET",
        "WebhookFilters": ["onMessageSend", "onMessageSent"],
        "PreWebhookRetryCount": "1",
        "Notifications.NewMessage.Template": "${USER}: ${MESSAGE}",
        "Notifications.NewMessage.BadgeCountEnabled": "true",
        "Notifications.InvitedToChannel.Sound": "ping",
        "Limits.ChannelMembers": "17",
    }

    updated: dict[str, Any] = call("UpdateService", form, Sid=sid)

    assert created["notifications"]["new_message"] == {"enabled": False}
    assert created["webhook_filters"] is None
    assert updated["notifications"]["invited_to_channel"] == {"enabled": False, "sound": "ping"}
    assert updated["webhook_filters"] == ["onMessageSend", "onMessageSent"]
    assert updated["limits"] == {"channel_members": 17, "user_channels": 250}
    assert call("FetchService", Sid=sid) == updated
    assert updated in call("ListService", query={"PageSize": 1000})["services"]
    return updated


def walk_roles(call: Walker, service: str) -> None:
    form = {"FriendlyName": "reader", "Type": "channel", "Permission": ["leaveChannel", "sendMessage"]}
    role = call("CreateRole", form, ServiceSid=service)

    updated = call("UpdateRole", {"Permission": ["sendMessage"]}, ServiceSid=service, Sid=role["sid"])

    assert role["permissions"] == ["leaveChannel", "sendMessage"]
    assert updated["permissions"] == ["sendMessage"]
    assert call("FetchRole", ServiceSid=service, Sid=role["sid"]) == updated
    names = {each["friendly_name"] for each in call("ListRole", ServiceSid=service)["roles"]}
    assert names == {"service admin", "service user", "channel admin", "channel user", "reader"}
    call("DeleteRole", ServiceSid=service, Sid=role["sid"])


def walk_users(call: Walker, service: str) -> None:
    form = {"Identity": "alice", "FriendlyName": "Alice", "Attributes": '{ "a": 1 }'}
    user = call("CreateUser", form, headers=WEBHOOK_HEADER, ServiceSid=service)

    updated = call("UpdateUser", {"FriendlyName": ""}, headers=WEBHOOK_HEADER, ServiceSid=service, Sid="alice")

    assert user["attributes"] == '{ "a": 1 }'
    assert updated["friendly_name"] is None
    fetched = call("FetchUser", ServiceSid=service, Sid=user["sid"])
    assert not fetched["is_online"]
    assert not fetched["is_notifiable"]
    [listed] = call("ListUser", ServiceSid=service)["users"]
    assert listed == fetched | {"is_online": None, "is_notifiable": None}


def walk_channels(call: Walker, service: str) -> str:
    form = {"UniqueName": "general", "Type": "private", "CreatedBy": "alice", **DATES}
    channel = call("CreateChannel", form, headers=WEBHOOK_HEADER, ServiceSid=service)

    updated = call(
        "UpdateChannel",
        {"FriendlyName": "General"},
        headers=WEBHOOK_HEADER,
        ServiceSid=service,
        Sid="general",
    )

    assert channel["links"]["last_message"] is None
    assert channel["date_created"] == DATES["DateCreated"]
    assert channel["date_updated"] == DATES["DateUpdated"]
    assert updated["friendly_name"] == "General"
    assert call("FetchChannel", ServiceSid=service, Sid="general") == updated
    assert call("ListChannel", query={"Type": "private"}, ServiceSid=service)["channels"] == [updated]
    assert call("ListChannel", query={"Type": "public"}, ServiceSid=service)["channels"] == []
    return str(channel["sid"])


def walk_members(call: Walker, **channel: str) -> None:
    member = call("CreateMember", {"Identity": "alice"}, headers=WEBHOOK_HEADER, **channel)
    form = {"LastConsumedMessageIndex": "3", "Attributes": "[]", **DATES}

    updated = call("UpdateMember", form, headers=WEBHOOK_HEADER, Sid="alice", **channel)

    assert member["last_consumption_timestamp"] is None
    assert updated["last_consumed_message_index"] == 3
    assert updated["last_consumption_timestamp"] is not None
    assert call("FetchMember", Sid=member["sid"], **channel) == updated
    assert call("ListMember", query={"Identity": ["alice", "bob"]}, **channel)["members"] == [updated]
    call("CreateMember", {"Identity": "bob"}, **channel)
    call("DeleteMember", headers=WEBHOOK_HEADER, Sid="bob", **channel)


def walk_invites(call: Walker, **channel: str) -> None:
    invite = call("CreateInvite", {"Identity": "bob"}, **channel)

    assert invite["created_by"] == "system"
    assert call("FetchInvite", Sid=invite["sid"], **channel) == invite
    assert call("ListInvite", query={"Identity": "bob"}, **channel)["invites"] == [invite]
    user = {"ServiceSid": channel["ServiceSid"], "UserSid": "bob"}
    [invited] = call("ListUserChannel", **user)["channels"]
    assert invited["status"] == "invited"
    assert invited["member_sid"] is None
    assert invited["links"]["member"] is None
    call("DeleteInvite", Sid=invite["sid"], **channel)


def walk_messages(call: Walker, **channel: str) -> None:
    message = call("CreateMessage", {"Body": "hi", "From": "alice"}, headers=WEBHOOK_HEADER, **channel)
    sid = message["sid"]
    last = call("FetchChannel", ServiceSid=channel["ServiceSid"], Sid=channel["ChannelSid"])["links"]["last_message"]

    form = {"Body": "hello", "LastUpdatedBy": "bob", **DATES}
    updated = call("UpdateMessage", form, headers=WEBHOOK_HEADER, Sid=sid, **channel)

    assert message["index"] == 0
    assert message["last_updated_by"] is None
    assert last == message["url"]
    assert updated["was_edited"] is True
    assert updated["last_updated_by"] == "bob"
    assert call("FetchMessage", Sid=sid, **channel) == updated
    assert call("ListMessage", query={"Order": "desc"}, **channel)["messages"] == [updated]
    call("DeleteMessage", headers=WEBHOOK_HEADER, Sid=sid, **channel)


def walk_user_channels(call: Walker, service: str, channel: str) -> None:
    where = {"ServiceSid": service, "UserSid": "alice", "ChannelSid": channel}
    form = {"NotificationLevel": "muted", "LastConsumedMessageIndex": ""}

    updated = call("UpdateUserChannel", form, **where)

    assert updated["status"] == "joined"
    assert updated["notification_level"] == "muted"
    assert updated["unread_messages_count"] is None
    assert call("FetchUserChannel", **where) == updated
    assert call("ListUserChannel", ServiceSid=service, UserSid="alice")["channels"] == [updated]
    call("DeleteUserChannel", headers=WEBHOOK_HEADER, **where)


def walk_channel_webhooks(call: Walker, **channel: str) -> None:
    hook = {"Configuration.Url": "https://hooks.example/hook", "Configuration.Method": "GET"}
    filters = {"Configuration.Filters": ["onMessageSent", "onMemberAdded"]}
    triggers = {"Configuration.Triggers": ["help", "hilfe"]}
    flow = {"Configuration.FlowSid": "FW" + "0" * 32, "Configuration.RetryCount": "2"}

    webhook = call("CreateChannelWebhook", {"Type": "webhook", **hook, **filters}, **channel)
    trigger = call("CreateChannelWebhook", {"Type": "trigger", **hook, **triggers}, **channel)
    studio = call("CreateChannelWebhook", {"Type": "studio", **flow}, **channel)
    updated = call("UpdateChannelWebhook", {"Configuration.Method": "POST"}, Sid=webhook["sid"], **channel)

    common = {"url": hook["Configuration.Url"], "method": "GET", "retry_count": 0}
    assert webhook["configuration"] == common | {"filters": filters["Configuration.Filters"]}
    assert trigger["configuration"] == common | {"triggers": triggers["Configuration.Triggers"]}
    assert studio["configuration"] == {"flow_sid": "FW" + "0" * 32, "retry_count": 2}
    assert updated["configuration"] == webhook["configuration"] | {"method": "POST"}
    assert call("FetchChannelWebhook", Sid=webhook["sid"], **channel) == updated
    page = call("ListChannelWebhook", **channel)
    assert page["meta"]["page_size"] == 5
    assert {each["sid"] for each in page["webhooks"]} == {webhook["sid"], trigger["sid"], studio["sid"]}
    call("DeleteChannelWebhook", Sid=webhook["sid"], **channel)


def walk_bindings(call: Walker, server: Server, service: str) -> None:
    credential = call("CreateCredential", {"Type": "fcm", "Secret": "server key"})["sid"]
    devices = (("alice", "fcm", "phone"), ("alice", "fcm", "pad"))
    phone, pad = register(server, service, credential, *devices)
    user = {"ServiceSid": service, "UserSid": "alice"}

    binding = call("FetchBinding", ServiceSid=service, Sid=phone)
    seen_from_user = call("FetchUserBinding", Sid=pad, **user)

    query = {"BindingType": ["apn", "fcm"], "Identity": "alice"}
    assert [each["sid"] for each in call("ListBinding", query=query, ServiceSid=service)["bindings"]] == [phone, pad]
    assert call("ListUserBinding", query={"BindingType": "fcm"}, **user)["bindings"][1] == seen_from_user
    assert binding["credential_sid"] == credential
    call("DeleteBinding", ServiceSid=service, Sid=phone)
    call("DeleteUserBinding", Sid=pad, **user)


def test_every_operation_answers_as_published(client: httpx.Client, server: Server, engine: str) -> None:
    """Every operation succeeds in one service's life, each answer in its schema, key for key."""
    assert engine in ENGINES
    call = Walker(client, server.url)

    walk_credentials(call)
    service = walk_service(call)["sid"]
    walk_roles(call, service)
    walk_users(call, service)
    channel = walk_channels(call, service)
    where = {"ServiceSid": service, "ChannelSid": channel}
    walk_members(call, **where)
    walk_invites(call, **where)
    walk_messages(call, **where)
    walk_user_channels(call, service, channel)
    walk_channel_webhooks(call, **where)
    walk_bindings(call, server, service)
    call("DeleteChannel", headers=WEBHOOK_HEADER, ServiceSid=service, Sid=channel)
    call("DeleteUser", ServiceSid=service, Sid="alice")
    call("DeleteService", Sid=service)

    assert call.answered == ANSWERED


def test_media_message_answers_as_published(client: httpx.Client, server: Server, service: dict[str, Any]) -> None:
    """A message's `media` has exactly four keys, and a message without one says null."""
    call = Walker(client, server.url)
    channel = call("CreateChannel", ServiceSid=service["sid"])
    uploaded = client.post(
        f"/v1/Services/{service['sid']}/Media",
        params={"Filename": "a.txt"},
        content=b"12345",
        headers={"Content-Type": "text/plain"},
    ).json()

    where = {"ServiceSid": service["sid"], "ChannelSid": channel["sid"]}
    message = call("CreateMessage", {"MediaSid": uploaded["sid"]}, **where)

    expected = {"sid": uploaded["sid"], "size": 5, "content_type": "text/plain", "filename": "a.txt"}
    assert message["media"] == expected
    assert message["type"] == "media"


def test_page_urls_keep_the_filters_first(client: httpx.Client, server: Server, service: dict[str, Any]) -> None:
    """Over several pages each URL carries the filters, then PageSize, Page and the token, and leads back."""
    call = Walker(client, server.url)
    channel = {
        "ServiceSid": service["sid"],
        "ChannelSid": call("CreateChannel", ServiceSid=service["sid"])["sid"],
    }
    for name in ("a", "b", "c"):
        call("CreateMember", {"Identity": name}, **channel)

    first = call("ListMember", query={"Identity": ["a", "b", "c"], "PageSize": 2}, **channel)
    second = client.get(first["meta"]["next_page_url"])
    published.check_answer(
        OPERATIONS["ListMember"],
        server.url,
        second.status_code,
        second.headers["content-type"],
        second.content,
    )

    query = "Identity=a&Identity=b&Identity=c&PageSize=2&Page=0"
    assert urlsplit(first["meta"]["url"]).query == query
    assert second.json()["meta"]["previous_page_url"] == first["meta"]["url"]
    assert second.json()["meta"]["next_page_url"] is None
    assert second.json()["meta"]["url"] == first["meta"]["next_page_url"]
    names = [each["identity"] for each in first["members"] + second.json()["members"]]
    assert sorted(names) == ["a", "b", "c"]


each_operation = pytest.mark.parametrize("operation", [pytest.param(each, id=each.id) for each in OPERATIONS.values()])


@each_operation
def test_operation_is_routed(operation: Operation, client: httpx.Client) -> None:
    """Every operation has a handler: below a service that does not exist it says so, not "unknown path"."""
    prefixes = {"ServiceSid": "IS", "ChannelSid": "CH", "UserSid": "US"}
    own = "IS" if operation.resource == "Service" else "CR"
    path = {name: prefixes.get(name, own) + "0" * 32 for name in operation.path_parameters}

    response = client.request(operation.method, operation.fill(**path))

    outcome = (response.status_code, response.json().get("code"))
    if "ServiceSid" in path:
        # A parameter may be missed before the service is.
        assert outcome in {(403, 50050), (400, 20001)}
    elif path:
        assert outcome == (404, 20404)
    else:
        assert outcome == ((200, None) if operation.verb == "List" else (400, 20001))


def test_contract_has_54_operations_and_the_server_no_other() -> None:
    """Under /v2 the server routes what is published, neither less nor more."""
    routed = [(each.method, each.path) for each in app.OPERATIONS if each.path.startswith("/v2/")]

    assert len(OPERATIONS) == 54
    assert sorted(routed) == sorted((each.method, each.path) for each in OPERATIONS.values())


@each_operation
def test_handler_takes_what_the_contract_says(operation: Operation) -> None:
    """A handler's query, form and header parameters are the contract's."""
    [handler] = [each for each in app.OPERATIONS if (each.method, each.path) == (operation.method, operation.path)]

    expected = operation.parameters | FURTHER_PARAMETERS.get(operation.id, set())
    assert set(handler.parameters) == expected


@pytest.mark.parametrize("path", sorted({each.path for each in OPERATIONS.values()}))
def test_other_methods_are_refused(path: str, client: httpx.Client) -> None:
    """A method that the contract does not have on a path is 405, code 20004."""
    known = {each.method for each in OPERATIONS.values() if each.path == path}
    operation = next(each for each in OPERATIONS.values() if each.path == path)
    url = operation.fill(**dict.fromkeys(operation.path_parameters, "IS" + "0" * 32))

    for method in {"GET", "POST", "DELETE", "PUT", "PATCH"} - known:
        response = client.request(method, url)

        error = published.check_error(response.status_code, response.headers.get("content-type"), response.content)
        assert (error["status"], error["code"]) == (405, 20004)
