"""What apps command: each answer as the SDKs read it, and what may not be commanded."""

from typing import Any

import pytest

from hubbub.resources.services.actions import update_service
from hubbub.resources.users.actions import reach_user
from tests.harness import unique
from tests.realtime.client import ORIGIN, Client, connect
from tests.realtime.recorder import World

AIM = "https://aim.us1.twilio.com/Client/v1"


@pytest.fixture
async def alice(there: World) -> Client:
    return await connect(there, "alice")


@pytest.fixture
async def bob(there: World) -> Client:
    return await connect(there, "bob")


def without_dates(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if not name.startswith("date_")}


# Configuration


async def test_configuration_says_who_and_where(there: World, alice: Client) -> None:
    found = await alice.do("GET", "/Configuration")

    media = f"{ORIGIN}/v1/Services/{there.service.sid}"
    assert found == {
        "identity": "alice",
        "url": f"{AIM}/Configuration",
        "options": {
            "consumption_report_interval": "PT10S",
            "user_infos_to_subscribe": 100,
            "reachability_enabled": False,
            "http_cache_interval": "PT5S",
            "my_conversations_page_size": 100,
        },
        "sync_objects": {
            "my_conversations": f"{alice.user.sid}.myChannels",
            "my_user_info": f"{alice.user.sid}.info",
        },
        "links": {
            "my_conversations": f"{AIM}/MyConversations",
            "conversations": f"{AIM}/Conversations",
            "users": f"{AIM}/Users",
            "current_user": f"{AIM}/Users/alice",
            "typing": f"{AIM}/typing",
            "media_service": f"{media}/Media",
            "media_set_service": f"{media}/MediaSet",
            "messages_receipts": f"{AIM}/Conversations/%s/Messages/%s/Receipts",
        },
    }


async def test_newer_configuration_says_what_may_be_attached(alice: Client) -> None:
    found = await alice.do("GET", "/Client/v2/Configuration")

    assert found["url"] == AIM.replace("v1", "v2") + "/Configuration"
    assert found["options"]["media_attachments_count_limit"] == 1
    assert found["options"]["media_attachment_size_limit_in_mb"] == 150
    assert found["options"]["media_attachments_total_size_limit_in_mb"] == 150
    assert found["options"]["email_histories_allowed_mime_types"] == []
    assert found["options"]["email_bodies_allowed_mime_types"] == []


async def test_configuration_follows_the_service(there: World, alice: Client) -> None:
    changes = {"reachability_enabled": True, "consumption_report_interval": 3}
    await update_service(there.chat, there.service, changes)

    options = (await alice.do("GET", "/Configuration"))["options"]

    assert (options["reachability_enabled"], options["consumption_report_interval"]) == (True, "PT3S")


async def test_identity_in_a_link_is_encoded(there: World) -> None:
    someone = await connect(there, "a/b?c d")

    link = (await someone.do("GET", "/Configuration"))["links"]["current_user"]

    assert link == f"{AIM}/Users/a%2Fb%3Fc%20d"
    assert (await someone.do("GET", link.removeprefix(AIM)))["identity"] == "a/b?c d"


# Conversations


async def test_new_conversation_is_told_whole(there: World, alice: Client) -> None:
    name = unique("name")
    fields = {"type": "public", "unique_name": name, "friendly_name": "General", "attributes": '{"topic":"x"}'}

    status, made = await alice.command("POST", "/Conversations", fields)

    sid = made["sid"]
    here = f"{AIM}/Conversations/{sid}"
    assert status == 201
    assert without_dates(made) == {
        "sid": sid,
        "conversation_sid": sid,
        "account_sid": there.caller.account_sid,
        "chat_service_sid": there.service.sid,
        **fields,
        "created_by": "alice",
        "messages_count": 0,
        "participants_count": 0,
        "url": here,
        "sync_objects": {
            "conversation": f"{sid}.channel",
            "messages": f"{sid}.messages",
            "participants": f"{sid}.roster",
        },
        "links": {
            "messages": f"{here}/Messages",
            "participants": f"{here}/Participants",
            "invites": f"{here}/Invites",
        },
        "status": "notParticipating",
        "notification_level": "default",
        "last_consumed_message_index": None,
        "last_read_message_index": None,
        "unread_messages_count": None,
    }
    assert await alice.do("GET", f"/Conversations/{sid}") == made
    assert await alice.do("GET", f"/Conversations/{name}") == made


async def test_conversation_of_no_type_is_private(alice: Client, bob: Client) -> None:
    """Conversations, the newer SDK, sends none, and knows no public ones."""
    made = await alice.do("POST", "/Conversations", {"friendly_name": "G", "attributes": "{}"})
    await alice.join(made["sid"])

    assert made["type"] == "private"
    assert (await bob.command("GET", f"/Conversations/{made['sid']}"))[0] == 404


async def test_conversation_is_changed_by_what_is_given(alice: Client) -> None:
    name = unique("name")
    sid = await alice.create(unique_name=name, friendly_name="old", attributes="[1]")

    changed = await alice.do("POST", f"/Conversations/{name}", {"friendly_name": "new"})
    assert (changed["friendly_name"], changed["unique_name"], changed["attributes"]) == ("new", name, "[1]")
    assert changed["status"] == "joined"
    changed = await alice.do("POST", f"/Conversations/{sid}", {"unique_name": "", "attributes": "[2]"})
    assert (changed["friendly_name"], changed["unique_name"], changed["attributes"]) == ("new", None, "[2]")


async def test_what_apps_may_not_set_is_ignored(alice: Client) -> None:
    fields = {"created_by": "mallory", "date_created": "2001-01-01T00:00:00Z", "messages_count": 7}
    made = await alice.do("POST", "/Conversations", fields)
    assert (made["created_by"], made["messages_count"]) == ("alice", 0)
    assert not made["date_created"].startswith("2001")
    await alice.join(made["sid"])

    path = f"/Conversations/{made['sid']}"
    assert (await alice.do("POST", path, {"type": "public", **fields}))["created_by"] == "alice"
    assert (await alice.do("POST", f"{path}/Messages", {"body": "x", "author": "mallory"}))["author"] == "alice"
    member = await alice.do("POST", f"{path}/Participants/alice", {"role_sid": "RL" + "0" * 32})
    assert member["role_sid"] != "RL" + "0" * 32


async def test_deleted_conversation_is_gone(alice: Client) -> None:
    sid = await alice.create()

    assert await alice.command("DELETE", f"/Conversations/{sid}", b"null") == (204, None)
    assert (await alice.command("GET", f"/Conversations/{sid}"))[0] == 404


async def test_public_conversations_are_listed_with_what_they_are_to_the_user(alice: Client, bob: Client) -> None:
    joined, other = await alice.create(), await bob.create()
    await alice.create(type="private")

    found = (await alice.do("GET", "/Conversations"))["conversations"]

    assert [(each["sid"], each["status"]) for each in found] == [(joined, "joined"), (other, "notParticipating")]


@pytest.mark.parametrize(
    ("path", "key", "previous"),
    [
        ("/Conversations", "conversations", "previous_token"),
        ("/MyConversations", "conversations", "previous_token"),
        ("/Users", "users", "prev_token"),
    ],
)
async def test_pages_lead_forward_and_back(there: World, alice: Client, path: str, key: str, previous: str) -> None:
    params: dict[str, str] = {"PageSize": "2"}
    if key == "users":
        params["ConversationSid"] = sid = await alice.create()
        for name in "bcde":
            await there.add(await there.fetch_named(sid), name)
    else:
        for _ in range(5):
            await alice.create()
    pages = [await alice.do("GET", path, **params)]
    while token := pages[-1]["meta"]["next_token"]:
        pages.append(await alice.do("GET", path, **params, PageToken=token))

    assert [len(page[key]) for page in pages] == [2, 2, 1]
    assert pages[0]["meta"][previous] is None
    assert await alice.do("GET", path, **params, PageToken=pages[2]["meta"][previous]) == pages[1]
    assert await alice.do("GET", path, **params, PageToken=pages[1]["meta"][previous]) == pages[0]


@pytest.mark.parametrize("params", [{"PageToken": "PTx"}, {"PageSize": "0"}, {"PageSize": "x"}])
async def test_page_that_cannot_be_is_refused(alice: Client, params: dict[str, str]) -> None:
    status, content = await alice.command("GET", "/MyConversations", **params)

    assert (status, content["code"]) == (400, 20001)


# Participants and invites


async def test_joining_is_adding_oneself(there: World, alice: Client, bob: Client) -> None:
    sid = await alice.create()

    joined = await bob.join(sid)

    here = f"{AIM}/Conversations/{sid}"
    assert without_dates(joined) == {
        "sid": joined["sid"],
        "identity": "bob",
        "role_sid": there.service.default_channel_role_sid,
        "attributes": "{}",
        "account_sid": there.caller.account_sid,
        "chat_service_sid": there.service.sid,
        "conversation_sid": sid,
        "last_read_message_index": None,
        "last_read_timestamp": None,
        "messaging_binding": None,
        "url": f"{here}/Participants/{joined['sid']}",
        "links": {"conversation": here},
    }
    status, again = await bob.command("POST", f"/Conversations/{sid}/Participants", {"identity": "bob"})
    assert (status, again["code"]) == (409, 50404)


async def test_participant_is_added_changed_and_removed(alice: Client, bob: Client) -> None:
    sid = await alice.create()
    path = f"/Conversations/{sid}/Participants"

    added = await alice.do("POST", path, {"identity": "bob", "attributes": '{"a":1}'})
    assert (added["identity"], added["attributes"]) == ("bob", '{"a":1}')
    changed = await bob.do("POST", f"{path}/{added['sid']}", {"attributes": "[]"})
    assert changed["attributes"] == "[]"
    assert await bob.command("DELETE", f"{path}/bob", {}) == (204, None)
    assert (await bob.command("DELETE", f"{path}/bob"))[0] == 403


async def test_telephone_is_no_participant(alice: Client) -> None:
    sid = await alice.create()
    body = {"messaging_binding": {"address": "+1", "proxy_address": "+2"}}

    status, content = await alice.command("POST", f"/Conversations/{sid}/Participants", body)

    assert (status, content["code"]) == (400, 20001)


async def test_invite_is_accepted_or_declined(alice: Client, bob: Client) -> None:
    sid = await alice.create(type="private")
    status, invite = await alice.command("POST", f"/Conversations/{sid}/Invites", {"identity": "bob"})
    assert (status, invite["identity"], invite["created_by"]) == (201, "bob", "alice")
    assert (await bob.do("GET", "/MyConversations"))["conversations"][0]["status"] == "invited"

    assert await bob.command("DELETE", f"/Conversations/{sid}/Invites/bob", b"null") == (204, None)
    assert (await bob.do("GET", "/MyConversations"))["conversations"] == []

    await alice.do("POST", f"/Conversations/{sid}/Invites", {"identity": "bob"})
    await bob.join(sid)
    assert (await bob.do("GET", "/MyConversations"))["conversations"][0]["status"] == "joined"


# Messages


async def test_message_is_told_whole(there: World, alice: Client) -> None:
    sid = await alice.create()
    member = await there.member(await there.fetch_named(sid), "alice")
    body = {"body": "Grüße 🎈", "attributes": '{"k": 1}'}

    status, sent = await alice.command("POST", f"/Conversations/{sid}/Messages", body)

    here = f"{AIM}/Conversations/{sid}"
    assert status == 201
    assert without_dates(sent) == {
        "sid": sent["sid"],
        "index": 0,
        **body,
        "author": "alice",
        "account_sid": there.caller.account_sid,
        "chat_service_sid": there.service.sid,
        "conversation_sid": sid,
        "participant_sid": member.sid,
        "last_updated_by": None,
        "media": None,
        "url": f"{here}/Messages/{sent['sid']}",
        "links": {"conversation": here, "messages_receipts": f"{here}/Messages/{sent['sid']}/Receipts"},
    }


async def test_message_is_changed_and_removed(alice: Client, bob: Client) -> None:
    sid = await alice.create()
    await bob.join(sid)
    sent = await bob.send(sid)
    path = f"/Conversations/{sid}/Messages/{sent['sid']}"

    assert (await bob.do("POST", path, {"body": "edited"}))["body"] == "edited"
    changed = await bob.do("POST", path, {"attributes": "[1]"})
    assert (changed["body"], changed["attributes"], changed["last_updated_by"]) == ("edited", "[1]", "bob")
    assert await bob.command("DELETE", path, b"null") == (204, None)
    assert (await bob.command("POST", path, {"body": "x"}))[0] == 404


async def test_message_has_one_file_at_most(alice: Client) -> None:
    sid = await alice.create()
    body = {"media_sids": ["ME" + "0" * 32, "ME" + "1" * 32]}

    status, content = await alice.command("POST", f"/Conversations/{sid}/Messages", body)

    assert (status, content["code"]) == (400, 20001)


async def test_newer_sdk_learns_that_there_are_no_receipts(alice: Client, bob: Client) -> None:
    sid = await alice.create()
    path = f"/Conversations/{sid}/Messages/{(await alice.send(sid))['sid']}"

    assert (await alice.do("GET", f"{path}/Receipts"))["delivery_receipts"] == []
    recipients = f"/Conversations/{sid}/MessageRecipients"
    assert (await alice.do("GET", recipients, MessageSid="IM"))["message_recipients"] == []
    assert (await bob.command("GET", recipients))[0] == 403
    status, content = await alice.command("GET", f"{path}/ChannelMetadata")
    assert (status, content["code"]) == (404, 50530)
    assert (await alice.do("GET", "/Client/v2/ContentTemplates"))["templates"] == []


# The user's own view


async def test_horizon_counts_what_is_unread(alice: Client, bob: Client) -> None:
    sid = await alice.create()
    await bob.join(sid)
    sent = [await bob.send(sid) for _ in range(4)]
    path = f"/MyConversations/{sid}"

    assert (await alice.do("GET", path))["unread_messages_count"] is None
    read = await alice.do("POST", path, {"last_consumed_message_index": 0})
    assert (read["last_consumed_message_index"], read["unread_messages_count"]) == (0, 3)
    await bob.do("DELETE", f"/Conversations/{sid}/Messages/{sent[2]['sid']}")
    assert (await alice.do("GET", path))["unread_messages_count"] == 2
    read = await alice.do("POST", path, {"last_read_message_index": 3})
    assert (read["last_read_message_index"], read["unread_messages_count"]) == (3, 0)
    assert (await alice.do("GET", "/MyConversations"))["conversations"][0]["last_read_message_index"] == 3
    read = await alice.do("POST", path, {"last_consumed_message_index": None})
    assert (read["last_consumed_message_index"], read["unread_messages_count"]) == (None, None)


async def test_notification_level_is_the_users_own(alice: Client, bob: Client) -> None:
    sid = await alice.create()
    await bob.join(sid)

    muted = await alice.do("POST", f"/MyConversations/{sid}", {"notification_level": "muted"})

    assert (muted["notification_level"], muted["last_consumed_message_index"]) == ("muted", None)
    assert (await bob.do("GET", f"/MyConversations/{sid}"))["notification_level"] == "default"
    status, content = await alice.command("POST", f"/MyConversations/{sid}", {"notification_level": "loud"})
    assert (status, content["code"]) == (400, 50210)


async def test_own_conversation_is_found_by_its_name(alice: Client, bob: Client) -> None:
    name = unique("name")
    sid = await alice.create(unique_name=name)

    assert (await alice.do("GET", f"/MyConversations/{name}"))["conversation_sid"] == sid
    assert (await bob.command("GET", f"/MyConversations/{name}"))[0] == 404


# Users


async def test_user_is_told_whole(there: World, alice: Client) -> None:
    bob = await there.user("bob")
    await update_service(there.chat, there.service, {"reachability_enabled": True})
    async with there.chat.transaction() as tx:
        await reach_user(tx, bob.key, {"is_online": 1})

    found = await alice.do("GET", "/Users/bob")

    assert without_dates(found) == {
        "sid": bob.sid,
        "identity": "bob",
        "role_sid": bob.role_sid,
        "account_sid": there.caller.account_sid,
        "chat_service_sid": there.service.sid,
        "friendly_name": None,
        "attributes": "{}",
        "is_online": True,
        "is_notifiable": False,
        "sync_unique_name": f"{bob.sid}.info",
        "sync_objects": {"user_info_map": f"{bob.sid}.info"},
        "url": f"{AIM}/Users/bob",
    }


async def test_user_edits_itself_and_nobody_else(alice: Client, bob: Client) -> None:
    assert (await bob.do("POST", "/Users/bob", {"friendly_name": "Bobby"}))["friendly_name"] == "Bobby"
    assert (await bob.do("POST", "/Users/bob", {"attributes": "[1]"}))["attributes"] == "[1]"
    status, content = await alice.command("POST", "/Users/bob", {"friendly_name": "Robert"})
    assert (status, content["code"]) == (403, 50107)


async def test_users_of_a_conversation_are_for_its_members(alice: Client, bob: Client) -> None:
    sid = await alice.create()

    found = await alice.do("GET", "/Users", ConversationSid=sid)
    assert [user["identity"] for user in found["users"]] == ["alice"]
    assert (await bob.command("GET", "/Users", ConversationSid=sid))[0] == 403
    assert (await bob.command("GET", "/Users"))[0] == 400


# Typing


async def test_typing_is_told_to_the_others_for_a_second_longer(there: World, alice: Client, bob: Client) -> None:
    sid = await alice.create()
    await bob.join(sid)
    for client in (alice, bob):
        await client.subscribe(f"{sid}.roster")
    await update_service(there.chat, there.service, {"typing_indicator_timeout": 7})

    answer = await alice.do("POST", "/typing", f"ChannelSid={sid}".encode())

    assert answer == {"typing_timeout": 7}
    assert alice.take() == []
    told = {"channel_sid": sid, "identity": "alice", "typing_timeout": 8}
    assert bob.take() == [{"message_type": "twilio.ipmsg.typing_indicator", **told}]


async def test_typing_is_for_members(alice: Client, bob: Client) -> None:
    sid = await alice.create()

    assert (await bob.command("POST", "/typing", f"ChannelSid={sid}".encode()))[0] == 403
    assert (await bob.command("POST", "/typing", b"ChannelSid=nope"))[0] == 404
    assert (await bob.command("POST", "/typing", b""))[0] == 400


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"body": 5}',
        b'{"body": {}}',
        b'{"attributes": {}}',
        b'{"body": "\\u0000"}',
        b'{"body": "\\ud800"}',
        b"[" * 100_000,
    ],
)
async def test_body_that_cannot_be_read_is_refused(alice: Client, body: bytes) -> None:
    sid = await alice.create()

    status, content = await alice.command("POST", f"/Conversations/{sid}/Messages", body)

    assert (status, content["code"]) == (400, 20001)
    assert set(content) == {"status", "code", "message", "more_info"}


@pytest.mark.parametrize("index", [-1, 2**63, 2**70, 0.5, "1", True])
async def test_horizon_that_is_no_index_is_refused(alice: Client, index: Any) -> None:
    sid = await alice.create()

    status, _ = await alice.command("POST", f"/MyConversations/{sid}", {"last_consumed_message_index": index})

    assert status == 400


async def test_words_of_an_option_that_was_not_given_may_be_null(alice: Client) -> None:
    nothing = {"type": "public", "unique_name": None, "friendly_name": None, "attributes": None}

    made = await alice.do("POST", "/Conversations", nothing)

    assert (made["unique_name"], made["friendly_name"], made["attributes"]) == (None, None, "{}")


@pytest.mark.parametrize("path", ["/Conversations/a%00b", "/Users/%00", "/MyConversations/%00"])
async def test_name_with_a_nul_is_nobodys(alice: Client, path: str) -> None:
    assert (await alice.command("GET", path))[0] == 404
