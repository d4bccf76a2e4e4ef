"""Twilio's own Python library, pointed at a running server under both of its names."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.contract import published
from tests.devices import register
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, unique

SUCCEEDED = frozenset(published.OPERATIONS)

CREATED = datetime(2016, 3, 24, 20, 37, 57, tzinfo=UTC)
UPDATED = datetime(2016, 3, 25, 20, 37, 57, tzinfo=UTC)
NOWHERE = "0" * 32


class Library:
    """The official client under one of its names, noting which operations it reaches."""

    def __init__(self, server: Server, name: str, token: str = AUTH_TOKEN) -> None:
        self.server = server
        self.name = name
        self.succeeded: set[str] = set()
        self.http = TwilioHttpClient(request_hooks={"response": self.note}, timeout=30)
        domain = getattr(Client(ACCOUNT_SID, token, http_client=self.http), name)
        domain.base_url = server.url
        self.v2: Any = domain.v2

    def note(self, response: Any, **_: object) -> None:
        path = urlsplit(response.request.url).path
        operation = published.operation_at(response.request.method, path)
        assert operation is not None, f"{response.request.method} {path} is not in the contract"
        if response.ok:
            self.succeeded.add(operation.id)

    def close(self) -> None:
        self.http.session.close()


@pytest.fixture(params=["ip_messaging", "chat"])
def library(server: Server, request: pytest.FixtureRequest) -> Iterator[Library]:
    """The library under either name: `client.ip_messaging` and `client.chat`."""
    opened = Library(server, request.param)
    yield opened
    opened.close()


@pytest.fixture
def chat(library: Library) -> Iterator[Any]:
    """A fresh service as the library sees it."""
    created = library.v2.services.create(friendly_name=unique("sdk"))
    yield created
    created.delete()


def assert_dated(*resources: Any) -> None:
    """The library leaves a date that it cannot read as text: these it has read."""
    for resource in resources:
        assert isinstance(resource.date_created, datetime), resource.date_created
        assert isinstance(resource.date_updated, datetime), resource.date_updated
        assert resource.date_created.tzinfo is not None


def refused(call: Any, *arguments: Any, **parameters: Any) -> tuple[int, int]:
    """The status and code that a call is refused with."""
    with pytest.raises(TwilioRestException) as refusal:
        call(*arguments, **parameters)
    return refusal.value.status, refusal.value.code


def drive_credentials(v2: Any) -> None:
    credential = v2.credentials.create(type="gcm", api_key="key", friendly_name="phones")

    updated = v2.credentials(credential.sid).update(friendly_name="tablets", sandbox=False)

    assert_dated(credential, updated)
    assert (credential.type, credential.friendly_name) == ("gcm", "phones")
    assert updated.friendly_name == "tablets"
    assert v2.credentials(credential.sid).fetch().friendly_name == "tablets"
    assert credential.sid in {each.sid for each in v2.credentials.list()}
    assert credential.delete() is True
    assert refused(v2.credentials(credential.sid).fetch) == (404, 20404)


def drive_service(v2: Any) -> Any:
    service = v2.services.create(friendly_name="office")

    updated = service.update(
        friendly_name="head office",
        read_status_enabled=True,
        typing_indicator_timeout=7,
        consumption_report_interval=11,
        notifications_new_message_enabled=True,
        notifications_new_message_template="${MESSAGE}",
        notifications_removed_from_channel_sound="gone",
        post_webhook_url="https://hooks.example/after",
        webhook_method="POST",
        webhook_filters=["onMessageSent", "onMemberAdded"],
        limits_channel_members=50,
        media_compatibility_message="a file",
        post_webhook_retry_count=2,
        notifications_log_enabled=True,
    )

    assert_dated(service, updated)
    assert service.account_sid == ACCOUNT_SID
    assert service.limits == {"channel_members": 100, "user_channels": 250}
    assert (service.typing_indicator_timeout, service.read_status_enabled) == (5, True)
    assert (updated.typing_indicator_timeout, updated.consumption_report_interval) == (7, 11)
    assert updated.webhook_filters == ["onMessageSent", "onMemberAdded"]
    assert updated.limits["channel_members"] == 50
    assert updated.notifications["log_enabled"] is True
    assert updated.notifications["new_message"] == {"enabled": True, "template": "${MESSAGE}"}
    assert updated.notifications["removed_from_channel"] == {"enabled": False, "sound": "gone"}
    assert updated.media == {"size_limit_mb": 150, "compatibility_message": "a file"}
    assert updated.post_webhook_retry_count == 2
    assert v2.services(service.sid).fetch().friendly_name == "head office"
    assert service.sid in {each.sid for each in v2.services.stream()}
    return service


def drive_roles(service: Any) -> Any:
    role = service.roles.create(friendly_name="writer", type="channel", permission=["sendMessage", "leaveChannel"])

    updated = role.update(permission=["sendMessage", "editOwnMessage", "leaveChannel"])

    assert_dated(role, updated)
    assert (role.type, role.permissions) == ("channel", ["sendMessage", "leaveChannel"])
    assert updated.permissions == ["sendMessage", "editOwnMessage", "leaveChannel"]
    assert role.fetch().permissions == updated.permissions
    assert len(service.roles.list()) == 5
    assert service.roles.create(friendly_name="x", type="channel", permission=["sendMessage"]).delete() is True
    return role


def drive_users(service: Any) -> Any:
    user = service.users.create(
        identity="alice", friendly_name="Alice", attributes='{"a": 1}', x_twilio_webhook_enabled="true"
    )

    updated = user.update(friendly_name="Alice A.", x_twilio_webhook_enabled="true")

    assert_dated(user, updated)
    assert (user.identity, user.attributes) == ("alice", '{"a": 1}')
    assert user.role_sid == service.default_service_role_sid
    assert user.joined_channels_count == 0
    assert updated.friendly_name == "Alice A."
    assert service.users("alice").fetch().sid == user.sid
    assert [each.identity for each in service.users.list()] == ["alice"]
    return user


def drive_channels(service: Any) -> Any:
    channel = service.channels.create(
        unique_name="general",
        type="private",
        created_by="alice",
        date_created=CREATED,
        date_updated=UPDATED,
        x_twilio_webhook_enabled="true",
    )

    updated = channel.update(friendly_name="General", attributes='{"b":2}', x_twilio_webhook_enabled="true")

    assert_dated(channel, updated)
    assert (channel.date_created, channel.date_updated) == (CREATED, UPDATED)
    assert (channel.type, channel.created_by, channel.unique_name) == ("private", "alice", "general")
    assert (channel.members_count, channel.messages_count) == (0, 0)
    assert (updated.friendly_name, updated.attributes) == ("General", '{"b":2}')
    assert service.channels("general").fetch().sid == channel.sid
    assert [each.sid for each in service.channels.list(type=["private"])] == [channel.sid]
    assert service.channels.list(type=["public"]) == []
    return channel


def drive_members(channel: Any, role: Any) -> None:
    member = channel.members.create(
        identity="alice",
        role_sid=role.sid,
        last_consumed_message_index=4,
        last_consumption_timestamp=CREATED,
        date_created=CREATED,
        date_updated=UPDATED,
        x_twilio_webhook_enabled="true",
    )

    updated = channel.members("alice").update(
        last_consumed_message_index=2, attributes="[1]", x_twilio_webhook_enabled="true"
    )

    assert_dated(member, updated)
    assert (member.identity, member.role_sid) == ("alice", role.sid)
    assert (member.last_consumed_message_index, member.last_consumption_timestamp) == (4, CREATED)
    assert (member.date_created, member.date_updated) == (CREATED, UPDATED)
    assert (updated.last_consumed_message_index, updated.attributes) == (2, "[1]")
    assert isinstance(updated.last_consumption_timestamp, datetime)
    assert member.fetch().sid == member.sid
    bob = channel.members.create(identity="bob")
    assert {each.identity for each in channel.members.list()} == {"alice", "bob"}
    assert [each.sid for each in channel.members.list(identity=["bob"])] == [bob.sid]
    assert bob.delete(x_twilio_webhook_enabled="true") is True


def drive_invites(channel: Any, role: Any) -> None:
    invite = channel.invites.create(identity="bob", role_sid=role.sid)

    assert_dated(invite)
    assert (invite.identity, invite.role_sid, invite.created_by) == ("bob", role.sid, "system")
    assert invite.fetch().sid == invite.sid
    assert [each.sid for each in channel.invites.list(identity=["bob"])] == [invite.sid]
    assert invite.delete() is True
    assert channel.invites.list() == []


def drive_messages(channel: Any) -> None:
    message = channel.messages.create(
        from_="alice", body="hi", attributes='{"c":3}', date_created=CREATED, x_twilio_webhook_enabled="true"
    )

    updated = message.update(body="hello", last_updated_by="bob", x_twilio_webhook_enabled="true")

    assert_dated(message, updated)
    assert message.date_created == CREATED
    # The library has no public name for `from`, a word that Python reserves.
    assert (vars(message)["_from"], message.body, message.to) == ("alice", "hi", channel.sid)
    assert (message.index, message.was_edited, message.type, message.media) == (0, False, "text", None)
    assert (updated.body, updated.last_updated_by, updated.was_edited) == ("hello", "bob", True)
    assert channel.messages(message.sid).fetch().attributes == '{"c":3}'
    second = channel.messages.create(body="bye")
    assert (second.index, vars(second)["_from"]) == (1, "system")
    assert [each.index for each in channel.messages.list(order="desc")] == [1, 0]
    assert channel.fetch().links["last_message"] == second.url
    assert second.delete(x_twilio_webhook_enabled="true") is True


def drive_user_channels(user: Any, channel: Any) -> None:
    seen = user.user_channels(channel.sid)

    updated = seen.update(notification_level="muted", last_consumed_message_index=0)

    assert (updated.status, updated.notification_level) == ("joined", "muted")
    assert (updated.last_consumed_message_index, updated.unread_messages_count) == (0, 0)
    assert updated.member_sid == channel.members("alice").fetch().sid
    assert seen.fetch().notification_level == "muted"
    assert [each.channel_sid for each in user.user_channels.list()] == [channel.sid]
    assert seen.delete() is True
    assert user.user_channels.list() == []


def drive_channel_webhooks(channel: Any) -> None:
    webhook = channel.webhooks.create(
        type="trigger",
        configuration_url="https://hooks.example/hook",
        configuration_method="GET",
        configuration_triggers=["help", "hilfe"],
        configuration_retry_count=1,
    )

    updated = webhook.update(configuration_triggers=["aide"], configuration_retry_count=3)

    assert_dated(webhook, updated)
    hook = {"url": "https://hooks.example/hook", "method": "GET"}
    assert webhook.configuration == hook | {"triggers": ["help", "hilfe"], "retry_count": 1}
    assert updated.configuration == hook | {"triggers": ["aide"], "retry_count": 3}
    assert webhook.fetch().type == "trigger"
    assert [each.sid for each in channel.webhooks.list()] == [webhook.sid]
    assert webhook.delete() is True


def drive_bindings(server: Server, v2: Any, service: Any, user: Any) -> None:
    """Two devices of the user, seen from the service and from the user."""
    credential = v2.credentials.create(type="fcm", secret="server key")
    devices = ((user.identity, "fcm", "phone"), (user.identity, "fcm", "pad"))
    phone, pad = register(server, service.sid, credential.sid, *devices)

    binding = service.bindings(phone).fetch()

    assert_dated(binding)
    assert (binding.endpoint, binding.binding_type) == ("phone", "fcm")
    listed = service.bindings.list(binding_type=["apn", "fcm"], identity=[user.identity])
    assert [each.sid for each in listed] == [phone, pad]
    assert [each.sid for each in user.user_bindings.list(binding_type=["fcm"])] == [phone, pad]
    assert user.user_bindings(pad).fetch().user_sid == user.sid
    assert binding.delete() is True
    assert user.user_bindings(pad).delete() is True
    assert credential.delete() is True
    for binding in (service.bindings("BS" + NOWHERE), user.user_bindings("BS" + NOWHERE)):
        assert refused(binding.fetch) == (404, 20404)
        assert refused(binding.delete) == (404, 20404)


def test_library_drives_every_operation(library: Library, engine: str) -> None:
    """Every operation is driven by the official library and says what it should, in the right types."""
    drive_credentials(library.v2)
    service = drive_service(library.v2)
    role = drive_roles(service)
    user = drive_users(service)
    channel = drive_channels(service)
    drive_members(channel, role)
    drive_invites(channel, role)
    drive_messages(channel)
    drive_user_channels(user, channel)
    drive_channel_webhooks(channel)
    drive_bindings(library.server, library.v2, service, user)
    assert channel.delete(x_twilio_webhook_enabled="true") is True
    assert user.delete() is True
    assert service.delete() is True

    assert library.succeeded == SUCCEEDED


def test_stream_follows_pages_to_the_end(chat: Any) -> None:
    """Streaming with a small page size gives every message once, in order; a limit stops it early."""
    messages = chat.channels.create().messages
    for number in range(7):
        messages.create(body=f"number {number}")

    assert [each.index for each in messages.stream(page_size=2)] == list(range(7))
    assert [each.index for each in messages.stream(page_size=2, order="desc")] == list(range(6, -1, -1))
    assert [each.body for each in messages.list(page_size=3, limit=5)] == [f"number {n}" for n in range(5)]


def test_every_list_is_paged(chat: Any) -> None:
    """Users, channels, members, roles and user channels come complete over pages of two."""
    for number in range(5):
        chat.users.create(identity=f"user{number}")
        chat.channels.create(unique_name=f"channel{number}").members.create(identity="user0")
    for number in range(1, 5):
        chat.channels("channel0").members.create(identity=f"user{number}")
        chat.channels("channel1").invites.create(identity=f"user{number}")

    lists = {
        "users": [each.identity for each in chat.users.list(page_size=2)],
        "channels": [each.unique_name for each in chat.channels.list(page_size=2)],
        "members": [each.identity for each in chat.channels("channel0").members.list(page_size=2)],
        "invites": [each.identity for each in chat.channels("channel1").invites.list(page_size=2)],
        "roles": [each.friendly_name for each in chat.roles.list(page_size=2)],
        "user channels": [each.channel_sid for each in chat.users("user0").user_channels.list(page_size=2)],
    }

    sizes = {"users": 5, "channels": 5, "members": 5, "invites": 4, "roles": 4, "user channels": 5}
    assert {name: len(rows) for name, rows in lists.items()} == sizes
    assert {name: len(set(rows)) for name, rows in lists.items()} == sizes


def test_pages_lead_forward_and_back(chat: Any) -> None:
    """A page knows the next and the previous one, and a page can be asked for by its URL."""
    messages = chat.channels.create().messages
    for _ in range(5):
        messages.create(body="x")

    pages = [messages.page(page_size=2)]
    while following := pages[-1].next_page():
        pages.append(following)

    assert [page.previous_page_url for page in pages[:1]] == [None]
    back = [[each.index for each in later.previous_page()] for _, later in pairwise(pages)]
    again = [each.index for each in messages.get_page(pages[1].previous_page_url)]
    assert [[each.index for each in page] for page in pages] == [[0, 1], [2, 3], [4]]
    assert back == [[0, 1], [2, 3]]
    assert again == [0, 1]


def test_limit_above_the_largest_page_is_accepted(chat: Any) -> None:
    """`list(limit=5000)` asks for a page of 5000 rows and gets what there is."""
    chat.users.create(identity="alice")

    assert [each.identity for each in chat.users.list(limit=5000)] == ["alice"]


def test_identity_and_unique_name_address_as_the_library_sends_them(chat: Any) -> None:
    """Names with spaces, an at sign and letters beyond ASCII work where the library puts them in the path."""
    name = "Zoë Müller@example.com 漢字"
    channel = chat.channels.create(unique_name=name)
    channel.members.create(identity=name)

    assert chat.users(name).fetch().identity == name
    assert chat.channels(name).fetch().sid == channel.sid
    assert chat.channels(name).members(name).fetch().identity == name
    assert chat.users(name).user_channels(name).fetch().channel_sid == channel.sid


def test_refusals_arrive_as_the_library_reports_them(library: Library, chat: Any) -> None:
    """Status, code and message of a refusal reach the library's exception."""
    chat.users.create(identity="alice")
    path = f"/Services/{chat.sid}/Users/nobody"

    with pytest.raises(TwilioRestException) as missing:
        chat.users("nobody").fetch()
    with pytest.raises(TwilioRestException) as conflict:
        chat.users.create(identity="alice")

    assert (missing.value.status, missing.value.code, missing.value.method) == (404, 20404, "GET")
    assert missing.value.msg == f"Unable to fetch record: The requested resource {path} was not found"
    assert (conflict.value.status, conflict.value.code) == (409, 50201)
    assert conflict.value.msg == "Unable to create record: User already exists"
    assert refused(chat.channels.create, attributes="{") == (400, 50304)
    assert refused(chat.channels.create().invites.create, identity="nobody") == (404, 20404)
    assert refused(library.v2.services("IS" + NOWHERE).users("alice").fetch) == (403, 50050)


def test_wrong_credentials_are_refused(server: Server) -> None:
    """A wrong auth token is 401 with code 20003 in the library's exception."""
    intruder = Library(server, "ip_messaging", token="0" * 32)

    assert refused(intruder.v2.services.create, friendly_name="x") == (401, 20003)
    intruder.close()
