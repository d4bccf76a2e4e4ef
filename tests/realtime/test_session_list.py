"""The older SDKs' session list: how it begins, what its commands do, and what comes back."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from hubbub.errors import ERRORS
from hubbub.realtime.session_list.actions import ACTIONS, COMMANDS, Asked
from hubbub.realtime.tunnel import Request
from hubbub.resources.channels.model import Channel
from hubbub.resources.media.actions import upload_media
from hubbub.resources.services.actions import update_service
from hubbub.sids import new_sid
from tests.realtime.client import Client, connect, tunnel
from tests.realtime.recorder import World, wanted

SESSION = {
    "purpose": "com.twilio.rtd.ipmsg",
    "context": {"type": "IpMsgSession", "apiVersion": "3", "endpointPlatform": "JS|4.1.0|Linux|Node.js|20"},
}


class Older:
    """An app of an older SDK."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.list = f"ES{client.user.sid[2:]}"

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        return await self.client.ask("POST", path, body if isinstance(body, bytes) else msgspec.json.encode(body))

    async def give(self, action: str, command_id: str = "", **said: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give a command; the reply, and the event that has the answer."""
        self.client.take()
        data = {"request": {**said, "action": action}, "commandId": command_id or str(uuid4())}
        status, reply = await self.post(f"/v3/Lists/{self.list}/Items", {"data": data})
        assert status == 201, reply
        told = [each for each in self.client.take() if each["event_type"] == "list_item_updated"]
        (event,) = [each for each in told if each["event"]["list_sid"] == self.list]
        assert event["message_type"] == "com.twilio.rtd.cds.list"
        assert {name: event["event"]["item_data"][name] for name in data} == data
        return reply, event["event"]

    async def do(self, action: str, **said: Any) -> dict[str, Any]:
        """What the answer of a command that succeeds has beside the status."""
        _, event = await self.give(action, **said)
        response: dict[str, Any] = event["item_data"]["response"]
        assert (response.pop("status"), response.pop("statusText")) == (200, "OK"), response
        return response

    async def fail(self, action: str, **said: Any) -> tuple[int, str]:
        """The code and the text of a command that is refused."""
        _, event = await self.give(action, **said)
        response = event["item_data"]["response"]
        assert set(response) == {"status", "statusText"}
        return response["status"], response["statusText"]

    async def read(self, path: str, **params: str) -> Any:
        return await self.client.do("GET", path, **params)


@pytest.fixture
async def alice(there: World) -> Older:
    return Older(await connect(there, "alice"))


@pytest.fixture
async def bob(there: World) -> Older:
    return Older(await connect(there, "bob"))


@pytest.fixture
async def general(there: World) -> Channel:
    """A public channel with alice and bob in it."""
    channel = await there.create_channel(friendly_name="General", unique_name="general")
    for identity in ("alice", "bob"):
        await there.add(channel, identity)
    return channel


def code(error: Any) -> tuple[int, str]:
    return error().code, error().message


# The list itself


async def test_list_is_the_user_s(alice: Older, bob: Older) -> None:
    """Its SID is known beforehand, so any node takes its commands, also after a reconnect."""
    status, made = await alice.post("/v3/Lists", SESSION)

    assert (status, made["sid"], made["last_event_id"]) == (201, alice.list, 0)
    assert made["links"]["items"].endswith(f"/v3/Lists/{alice.list}/Items")
    assert made["links"]["context"].endswith(f"/v3/Lists/{alice.list}/Context")
    assert (await alice.post("/v3/Lists", SESSION))[1]["sid"] == made["sid"]
    assert (await alice.client.get(f"/v3/Lists/{alice.list}"))["last_event_id"] == 0
    assert (await alice.client.get(f"/v3/Lists/{alice.list}/Items"))["items"] == []
    assert (await bob.client.ask("GET", f"/v3/Lists/{alice.list}"))[1]["code"] == 54150


@pytest.mark.parametrize("body", [{"purpose": "another"}, {}, {"purpose": None}])
async def test_no_other_list_can_be_made(alice: Older, body: Any) -> None:
    status, refusal = await alice.post("/v3/Lists", body)

    assert (status, refusal["code"]) == (403, 54007)


async def test_commands_go_to_one_s_own_list_only(alice: Older, bob: Older, general: Channel) -> None:
    """The code is one by which the SDK makes itself a new list."""
    item = {"data": {"request": {"action": "leaveChannel", "channelSid": general.sid}, "commandId": "1"}}

    for other in (bob.list, f"{general.sid}.messages", new_sid("ES")):
        status, refusal = await alice.post(f"/v3/Lists/{other}/Items", item)
        assert (status, refusal["code"]) == (403, 54007)


async def test_context_comes_by_subscribing(there: World, alice: Older) -> None:
    """The SDK waits for this event, and takes notice when its id is above that of the GET."""
    await update_service(there.chat, there.service, {"reachability_enabled": 1})
    context = await alice.client.get(f"/v3/Lists/{alice.list}/Context")

    assert (await alice.client.post("establish", wanted(alice.list, 0)))[0] == 200

    updated, established = alice.client.take()
    assert (updated["event_type"], updated["event"]["list_sid"]) == ("list_context_updated", alice.list)
    assert updated["event"]["id"] > context["last_event_id"] == 0
    assert updated["event"]["context_data"] == context["data"]
    assert established["event_type"] == "subscription_established"
    assert established["event"]["last_event_id"] == updated["event"]["id"]
    sid = alice.client.user.sid
    links = context["data"].pop("links")
    assert context["data"] == {
        "type": "IpMsgSession",
        "apiVersion": "3",
        "identity": "alice",
        "userInfo": f"{sid}.info",
        "myChannels": f"{sid}.myChannels",
        "channels": f"{there.service.sid}.channels",
        "reachabilityEnabled": True,
        "httpCacheInterval": "PT5S",
        "consumptionReportInterval": "PT10S",
        "userInfosToSubscribe": 100,
    }
    assert all(link.startswith("/") for link in links.values())


@pytest.mark.parametrize("since", [1, 1795425389132, None])
async def test_subscribing_again_replays_nothing(alice: Older, since: int | None) -> None:
    await alice.client.post("establish", wanted(alice.list, since))

    (told,) = alice.client.take()
    assert told["event_type"] == "subscription_established"
    assert told["event"]["last_event_id"] == (since or 1)
    assert told["event"]["replay_status"] == "completed"


async def test_list_is_subscribed_to_together_with_others(there: World, alice: Older, general: Channel) -> None:
    """And can be cancelled; what is subscribed to beside it goes on."""
    messages = f"ES{general.sid[2:]}"
    objects = [wanted(alice.list, 0), wanted(messages, 2), wanted(f"MP{alice.client.user.sid[2:]}", 0)]

    await alice.client.post("establish", *objects)
    told = [each["event"]["object_sid"] for each in alice.client.take() if "established" in each["event_type"]]
    assert told == [each["object_sid"] for each in objects]

    await alice.client.post("cancel", objects[0])
    assert [each["event_type"] for each in alice.client.take()] == ["subscription_canceled"]
    await there.send(general)
    await there.settle()
    assert [each["event_type"] for each in alice.client.take()] == ["list_item_added"]


async def test_another_s_list_cannot_be_subscribed_to(alice: Older, bob: Older) -> None:
    await alice.client.post("establish", wanted(bob.list, 0))

    (told,) = alice.client.take()
    assert (told["event_type"], told["event"]["error"]["code"]) == ("subscription_failed", 54150)


# Commands in general


async def test_answer_goes_to_the_device_that_asked(there: World, alice: Older, bob: Older, general: Channel) -> None:
    """And there before the reply, so that whoever has the reply has the answer."""
    other = Older(await connect(there, "alice"))

    reply, event = await alice.give("sendMessage", channelSid=general.sid, text="hello", attributes="{}")

    assert event["item_index"] == reply["index"] < 2**53
    assert event["id"] > reply["last_event_id"]
    assert (other.client.take(), bob.client.take()) == ([], [])


async def test_command_that_is_sent_again_happens_once(there: World, alice: Older, general: Channel) -> None:
    """Also on another node, after the connection was lost."""
    again = Older(await connect(there, "alice", tunnel(there)))
    said = {"channelSid": general.sid, "text": "once", "attributes": "{}"}

    first = await alice.give("sendMessage", "an-id", **said)
    second = await again.give("sendMessage", "an-id", **said)
    await again.give("sendMessage", "another-id", **said)

    assert second[0]["index"] == first[0]["index"]
    assert second[1]["item_data"] == first[1]["item_data"]
    assert list(await alice.client.items(f"{general.sid}.messages")) == [0, 1]


async def test_refusal_has_the_code_and_the_text(there: World, alice: Older, general: Channel) -> None:
    """The SDK makes of them the code and the message of its error."""
    assert await alice.fail("createChannel", type="public", uniqueName="general") == code(ERRORS.UNIQUE_NAME_EXISTS)
    assert await alice.fail("joinChannelV2", channelSid=general.sid) == code(ERRORS.MEMBER_EXISTS)
    hidden = await there.create_channel(type="private")
    assert (await alice.fail("joinChannelV2", channelSid=hidden.sid))[0] == ERRORS.NOT_FOUND.code
    assert await alice.fail("destroyChannel", channelSid=general.sid) == code(ERRORS.NOT_AUTHORIZED)


async def test_odd_commands_are_refused(alice: Older, general: Channel) -> None:
    assert (await alice.fail("addNonChatParticipant", channelSid=general.sid))[0] == ERRORS.INVALID_PARAMETER.code
    for said in ({}, {"channelSid": ""}, {"channelSid": None}):
        refused = await alice.fail("destroyChannel", **said)
        assert refused == (20001, "Missing required parameter channelSid in the post body")
    for index in ("1x", "-1", "²", str(1 << 64), "7"):
        refused = await alice.fail("editMessage", channelSid=general.sid, messageIdx=index, text="x")
        assert refused[0] == ERRORS.NOT_FOUND.code, index


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"data":{"request":{"action":1},"commandId":"1"}}', b'{"data":{"request":{"action":"x"}}}', b"\xff"],
)
async def test_item_that_is_no_command_is_refused(alice: Older, body: bytes) -> None:
    status, refusal = await alice.post(f"/v3/Lists/{alice.list}/Items", body)

    assert (status, refusal["code"]) == (400, 20001)
    assert alice.client.take() == []


async def test_text_without_nul(alice: Older, general: Channel) -> None:
    """As everywhere; deep in a report, too."""
    for request in (
        {"action": "sendMessage", "channelSid": general.sid, "text": "\0"},
        {"action": "consumptionReportV2", "report": [{"channelSid": "\0", "messageIdx": 1}]},
    ):
        item = {"data": {"request": request, "commandId": "1"}}
        status, refusal = await alice.post(f"/v3/Lists/{alice.list}/Items", item)
        assert (status, refusal["code"]) == (400, 20001)


async def test_fault_of_the_server_is_no_answer(
    there: World, alice: Older, general: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails the request, which the SDK then sends again."""

    async def fail(*_: Any) -> Any:
        raise ERRORS.UNAVAILABLE(reason="no database")

    monkeypatch.setattr(there.chat.hooks, "before", fail)
    horizon = [{"channelSid": general.sid, "messageIdx": 1}]
    for request in (
        {"action": "sendMessage", "channelSid": general.sid, "text": "x"},
        {"action": "consumptionReportV2", "report": horizon},
    ):
        item = {"data": {"request": request, "commandId": "1"}}
        status, refusal = await alice.post(f"/v3/Lists/{alice.list}/Items", item)
        assert (status, refusal["code"]) == (503, 20503)
    assert alice.client.take() == []


@pytest.mark.parametrize("name", ACTIONS)
def test_action_is_a_command_by_words_that_there_are(name: str) -> None:
    action = ACTIONS[name]
    words = {field.encode_name for field in msgspec.structs.fields(Asked)} | {"me", "member"}

    assert {*action.path.values(), *action.body.values()} <= words
    path = COMMANDS[action.do].path
    assert path.count("{") == len(action.path)


# Each action


@pytest.mark.parametrize("action", ["createChannel", "createConversation"])
async def test_channels_are_made_changed_and_destroyed(there: World, alice: Older, action: str) -> None:
    words = {"friendlyName": "General", "uniqueName": "one", "attributes": '{"a":1}'}
    made = await alice.do(action, **words, **({"type": "public"} if action == "createChannel" else {}))

    sid = made["channelSid"]
    document = f"{sid}.channel"
    assert made == {"channelSid": sid, "channel": document, "conversationSid": sid, "conversation": document}
    found = await there.fetch_named("one")
    assert (found.sid, found.type, found.created_by) == (
        sid,
        "public" if action == "createChannel" else "private",
        "alice",
    )
    assert (found.friendly_name, found.attributes) == ("General", '{"a":1}')

    await alice.do("joinChannelV2", channelSid=sid)
    await alice.do("editFriendlyName", channelSid=sid, friendlyName="New")
    await alice.do("editUniqueName", channelSid=sid, uniqueName="two")
    await alice.do("editAttributes", channelSid=sid, attributes='{"b":2}')
    found = await there.fetch(found)
    assert (found.friendly_name, found.unique_name, found.attributes) == ("New", "two", '{"b":2}')
    await alice.do("editUniqueName", channelSid=sid, uniqueName="")
    await alice.do("editFriendlyName", channelSid=sid, friendlyName=None)
    found = await there.fetch(found)
    assert (found.friendly_name, found.unique_name) == (None, None)

    await alice.do("destroyChannel", channelSid=sid)
    assert (await alice.fail("destroyChannel", channelSid=sid))[0] == ERRORS.NOT_FOUND.code


async def test_members_come_and_go(there: World, alice: Older) -> None:
    sid = (await alice.do("createChannel", type="public"))["channelSid"]
    channel = await there.fetch_named(sid)

    await alice.do("joinChannelV2", channelSid=sid)
    await alice.do("addMemberV2", channelSid=sid, username="bob")
    await alice.do("addMemberV2", channelSid=sid, username="carol", attributes='{"c":1}')
    assert (await there.member(channel, "carol")).attributes == '{"c":1}'
    own = await there.member(channel, "alice")
    await alice.do("editMemberAttributes", channelSid=sid, memberSid=own.sid, attributes='{"seat":4}')
    assert (await there.member(channel, "alice")).attributes == '{"seat":4}'

    await alice.do("removeMember", channelSid=sid, username="bob")
    await alice.do("removeMember", channelSid=sid, memberSid=(await there.member(channel, "carol")).sid)
    assert (await there.fetch(channel)).members_count == 1
    await alice.do("leaveChannel", channelSid=sid)
    assert (await there.fetch(channel)).members_count == 0
    assert (await alice.fail("leaveChannel", channelSid=sid))[0] != 200


async def test_invitations_are_made_and_declined(there: World, alice: Older, bob: Older) -> None:
    sid = (await alice.do("createChannel", type="private"))["channelSid"]
    await alice.do("joinChannelV2", channelSid=sid)

    await alice.do("inviteMember", channelSid=sid, username="bob")
    assert [each["status"] for each in (await bob.read("/SyncList"))["channels"]] == ["invited"]
    await bob.do("declineInvitation", channelSid=sid)
    assert (await bob.read("/SyncList"))["channels"] == []
    await alice.do("inviteMember", channelSid=sid, username="bob")
    await bob.do("joinChannelV2", channelSid=sid)
    assert (await there.fetch_named(sid)).members_count == 2


async def test_messages_are_sent_changed_and_deleted_by_index(alice: Older, general: Channel) -> None:
    """The SDKs send an index as text or as a number."""
    where = {"channelSid": general.sid}
    assert await alice.do("sendMessage", **where, text="one", attributes='{"k":1}') == {"messageId": 0}
    assert await alice.do("sendMessage", **where, text=None, attributes="{}") == {"messageId": 1}

    await alice.do("editMessage", **where, messageIdx="0", text="edited")
    await alice.do("editMessageAttributes", **where, messageIdx=0, attributes='{"k":2}')
    await alice.do("deleteMessage", **where, messageIdx="1")

    (message,) = (await alice.client.items(f"{general.sid}.messages")).values()
    assert (message["data"]["text"], message["data"]["attributes"]) == ("edited", '{"k":2}')
    assert (await alice.fail("deleteMessage", **where, messageIdx=1))[0] == ERRORS.NOT_FOUND.code


async def test_index_is_looked_for_by_members_only(there: World, general: Channel) -> None:
    await there.send(general)
    carol = Older(await connect(there, "carol"))

    refused = await carol.fail("editMessage", channelSid=general.sid, messageIdx=0, text="x")

    assert refused == code(ERRORS.NOT_MEMBER)


async def test_media_are_sent(there: World, alice: Older, general: Channel) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"bytes"

    caller = alice.client.connection.access.caller
    media = await upload_media(there.chat, caller, there.service, chunks(), "text/plain", "a.txt")

    sent = await alice.do("sendMediaMessage", channelSid=general.sid, mediaSid=media.sid, attributes="{}")

    assert sent == {"messageId": 0}
    (message,) = (await alice.client.items(f"{general.sid}.messages")).values()
    assert (message["data"]["type"], message["data"]["media"]["sid"]) == ("media", media.sid)


async def test_notification_level_is_set(alice: Older, general: Channel) -> None:
    await alice.do("editNotificationLevel", channelSid=general.sid, notificationLevel="muted")

    (mine,) = (await alice.read("/SyncList"))["channels"]
    assert mine["notification_level"] == "muted"


async def test_report_sets_horizons_and_tells_what_is_unread(there: World, alice: Older, general: Channel) -> None:
    """A channel whose horizon cannot be set is left out: the SDK refuses what its app asked for it."""
    for _ in range(3):
        await there.send(general)
    other = await there.create_channel()
    report = [
        {"channelSid": general.sid, "messageIdx": 0},
        {"channelSid": other.sid, "messageIdx": 0},
        {"channelSid": new_sid("CH"), "messageIdx": 0},
    ]

    told = await alice.do("consumptionReportV2", report=report)
    assert told == {"report": [{"channelSid": general.sid, "unreadMessagesCount": 2}]}

    told = await alice.do("consumptionReportV2", report=[{"channelSid": general.sid, "messageIdx": None}])
    assert told == {"report": [{"channelSid": general.sid, "unreadMessagesCount": None}]}
    assert (await there.member(general, "alice")).last_consumed_message_index is None
    assert await alice.do("consumptionReportV2", report=[]) == {"report": []}
    assert (await alice.fail("consumptionReportV2", report=report * 400))[0] == ERRORS.INVALID_PARAMETER.code


async def test_users_are_changed(there: World, alice: Older) -> None:
    await alice.do("editUserFriendlyName", username="alice", friendlyName="Alice")
    await alice.do("editUserAttributes", username="alice", attributes='{"mood":1}')

    found = await there.user("alice")
    assert (found.friendly_name, found.attributes) == ("Alice", '{"mood":1}')
    await there.user("bob")
    assert await alice.fail("editUserFriendlyName", username="bob", friendlyName="x") == code(ERRORS.NOT_AUTHORIZED)


# What is read


async def test_links_lead_somewhere(alice: Older, general: Channel) -> None:
    links = (await alice.client.get(f"/v3/Lists/{alice.list}/Context"))["data"]["links"]

    for name in ("publicChannelsUrl", "myChannelsUrl", "syncListUrl"):
        assert [each["channel_sid"] for each in (await alice.read(links[name]))["channels"]] == [general.sid], name
    users = await alice.read(links["usersUrl"], ChannelSid=general.sid)
    assert [each["identity"] for each in users["users"]] == ["alice", "bob"]
    assert (await alice.read(f"{links['usersUrl']}/bob"))["sync_unique_name"].endswith(".info")


async def test_typing_is_told(there: World, alice: Older, bob: Older, general: Channel) -> None:
    """Its place is fixed in the SDK."""
    await bob.client.subscribe(f"{general.sid}.roster")

    request = Request("aim", "POST", "/v1/typing", {}, {}, f"ChannelSid={general.sid}".encode())
    reply = await alice.client.through.answer(alice.client.connection, request)

    assert (reply.status, msgspec.json.decode(reply.body)) == (200, {"typing_timeout": 5})
    assert [each["message_type"] for each in bob.client.take()] == ["twilio.ipmsg.typing_indicator"]


async def test_channels_are_described_by_the_older_names(there: World, alice: Older, general: Channel) -> None:
    await there.send(general)
    await there.update_member(general, "alice", last_consumed_message_index=0)

    (listed,) = (await alice.read("/MyChannels"))["channels"]

    names = ("sid", "channel_sid", "status", "channel", "messages", "roster")
    sid = general.sid
    expected = [sid, sid, "joined", f"{sid}.channel", f"{sid}.messages", f"{sid}.roster"]
    assert [listed[name] for name in names] == expected
    assert (listed["unique_name"], listed["friendly_name"], listed["type"]) == ("general", "General", "public")
    assert (listed["members_count"], listed["messages_count"], listed["unread_messages_count"]) == (2, 1, 0)
    assert (listed["last_consumed_message_index"], listed["notification_level"]) == (0, "default")
    for path in ("/PublicChannels/general", f"/PublicChannels/{sid}", "/MyChannels/general"):
        assert await alice.read(path) == listed
    assert (await alice.read("/MyChannels", ChannelSid=sid))["channels"] == [listed]


async def test_channel_that_is_not_one_s_own(there: World, alice: Older) -> None:
    """It is described, where it may be seen, and is not in one's own list."""
    lobby = await there.create_channel(unique_name="lobby")
    hidden = await there.create_channel(type="private")

    assert (await alice.read("/PublicChannels/lobby"))["status"] == "notParticipating"
    assert (await alice.read("/MyChannels", ChannelSid=lobby.sid))["channels"] == []
    assert (await alice.client.command("GET", f"/PublicChannels/{hidden.sid}"))[0] == 404
    assert (await alice.client.command("GET", "/MyChannels", ChannelSid=hidden.sid))[0] == 404


async def test_lists_come_in_pages(there: World, alice: Older) -> None:
    made = [await there.create_channel() for _ in range(5)]
    for channel in made:
        await there.add(channel, "alice")

    for path in ("/PublicChannels", "/MyChannels", "/SyncList"):
        page = await alice.read(path, PageSize="2")
        found = page["channels"]
        while page["meta"]["next_token"]:
            page = await alice.read(path, PageSize="2", PageToken=page["meta"]["next_token"])
            found += page["channels"]
        assert [each["channel_sid"] for each in found] == [channel.sid for channel in made], path
