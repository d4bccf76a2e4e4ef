"""Sync objects as clients read them: roots, items, pages, and who may."""

from typing import Any

import pytest

from hubbub.realtime.sync.objects import MAP, PARTS, Object, find
from hubbub.resources.channels.model import Channel
from hubbub.sids import new_sid
from tests.realtime.recorder import App, World, folder

MISSING = {"Documents": 54100, "Lists": 54150, "Maps": 54200}


@pytest.fixture
async def general(there: World) -> Channel:
    """A channel with alice and bob in it."""
    channel = await there.create_channel(friendly_name="General", unique_name="general", attributes='{"a":1}')
    for identity in ("alice", "bob"):
        await there.add(channel, identity)
    return channel


@pytest.fixture
async def alice(there: World) -> App:
    return await there.connect("alice")


@pytest.mark.parametrize("part", PARTS.values(), ids=str)
def test_sid_of_an_object_leads_back_to_it(part: Any) -> None:
    """Unique name and SID are computed from the owner's SID and read back without a table."""
    owner = new_sid(part.owner)
    user = owner if part.owner == "US" else new_sid("US")
    of = Object(part, owner)

    assert of in find(part.type, of.sid, user)
    assert find(part.type, of.unique_name, user) == [of]


def test_another_s_list_of_channels_has_no_name() -> None:
    """The SID of a user's channels means nothing to anybody else."""
    owner, other = new_sid("US"), new_sid("US")
    mine = Object(PARTS["my_channels"], owner)

    assert mine not in find(MAP, mine.sid, other)
    assert find(MAP, mine.unique_name, other) == []


async def test_document_is_the_channel(there: World, general: Channel, alice: App) -> None:
    """The root has the data inline, with the newest message, and no status, which is the member's."""
    sent = await there.send(general)

    root = await alice.root(f"{general.sid}.channel")

    assert root["sid"] == f"ET{general.sid[2:]}"
    assert root["unique_name"] == f"{general.sid}.channel"
    assert root["last_event_id"] == 3
    assert root["data"] == {
        "friendlyName": "General",
        "uniqueName": "general",
        "attributes": '{"a":1}',
        "type": "public",
        "createdBy": "system",
        "dateCreated": root["date_created"],
        "dateUpdated": root["date_updated"],
        "messages": f"{general.sid}.messages",
        "roster": f"{general.sid}.roster",
        "sid": general.sid,
        "lastMessage": {"index": 0, "timestamp": root["data"]["lastMessage"]["timestamp"]},
    }
    assert root["data"]["lastMessage"]["timestamp"].endswith("Z")

    await there.delete(general, sent)
    assert (await alice.root(root["sid"]))["data"]["lastMessage"] is None


async def test_channel_without_a_message_has_no_last_one(general: Channel, alice: App) -> None:
    """The key is left out as long as nothing was sent."""
    assert "lastMessage" not in (await alice.root(f"{general.sid}.channel"))["data"]


async def test_messages_are_a_list(there: World, general: Channel, alice: App) -> None:
    """An item is found by its index; its event id is the revision that wrote it."""
    await there.send(general, "one", from_="alice", attributes='{"k":1}')
    second = await there.send(general, "two", from_="nobody")
    await there.edit(general, second, body="2")

    items = await alice.items(f"{general.sid}.messages")

    assert list(items) == [0, 1]
    assert [item["last_event_id"] for item in items.values()] == [3, 5]
    first = items[0]["data"]
    assert first["memberSid"] == (await there.member(general, "alice")).sid
    assert {name: first[name] for name in ("text", "author", "attributes", "lastUpdatedBy", "type")} == {
        "text": "one",
        "author": "alice",
        "attributes": '{"k":1}',
        "lastUpdatedBy": None,
        "type": "text",
    }
    assert (items[1]["data"]["text"], items[1]["data"]["memberSid"]) == ("2", None)
    assert items[1]["url"] == f"https://cds.us1.twilio.com/v3/Lists/ES{general.sid[2:]}/Items/1"


async def test_roster_and_own_channels_are_maps(there: World, general: Channel, alice: App) -> None:
    """Members by SID with the way to their info; channels by SID with the standing in them."""
    other = await there.create_channel(type="private")
    await there.invite(other, "alice")
    await there.update_member(general, "alice", last_consumed_message_index=4)
    await there.mute(general, "alice")

    roster = await alice.items(f"{general.sid}.roster")
    mine = await alice.items(f"{alice.user.sid}.myChannels")

    assert list(roster) == sorted(roster)
    assert {item["data"]["identity"]: item["data"]["userInfo"] for item in roster.values()} == {
        "alice": f"{alice.user.sid}.info",
        "bob": f"{(await there.user('bob')).sid}.info",
    }
    assert {item["data"]["lastConsumedMessageIndex"] for item in roster.values()} == {4, None}
    assert mine[general.sid]["data"] == {
        "channel": f"{general.sid}.channel",
        "messages": f"{general.sid}.messages",
        "roster": f"{general.sid}.roster",
        "status": "joined",
        "notificationLevel": "muted",
        "type": "public",
        "lastConsumedMessageIndex": 4,
    }
    assert (mine[other.sid]["data"]["status"], mine[other.sid]["data"]["type"]) == ("invited", "private")


async def test_info_of_any_user_comes_with_its_items(there: World, alice: App) -> None:
    """Friendly name and attributes are always there, reachability where the service has it on."""
    bob = await there.user("bob")
    await there.update_user("bob", friendly_name="Bob", attributes='{"x":1}')

    found = await alice.get(f"/v3/Maps/{bob.sid}.info", Include="items")

    assert {item["key"]: item["data"] for item in found["items"]} == {
        "attributes": {"value": '{"x":1}'},
        "friendlyName": {"value": "Bob"},
    }
    assert (await alice.get(f"/v3/Maps/{found['sid']}/Items", Key="friendlyName"))["items"][0]["data"] == {
        "value": "Bob"
    }


async def test_pages_tell_truly_whether_there_is_more(there: World, general: Channel, alice: App) -> None:
    """`From` is inclusive, in either order; the tokens say what lies before and after in that order."""
    for number in range(5):
        await there.send(general, str(number))
    await there.delete(general, (await there.send(general)))
    path = f"/v3/Lists/{general.sid}.messages/Items"

    async def ask(**params: str) -> tuple[list[int], bool, bool]:
        page = await alice.get(path, **params)
        meta = page["meta"]
        return [item["index"] for item in page["items"]], bool(meta["previous_token"]), bool(meta["next_token"])

    assert await ask(PageSize="2") == ([0, 1], False, True)
    assert await ask(PageSize="2", From="1") == ([1, 2], True, True)
    assert await ask(PageSize="2", From="3") == ([3, 4], True, False)
    assert await ask(PageSize="2", Order="desc") == ([4, 3], False, True)
    assert await ask(PageSize="2", Order="desc", From="4") == ([4, 3], False, True)
    assert await ask(PageSize="2", Order="desc", From="1") == ([1, 0], True, False)
    assert await ask(PageSize="9") == ([0, 1, 2, 3, 4], False, False)
    assert await ask(PageSize="2", From="9") == ([], True, False)
    assert await ask(Index="3") == ([3], False, False)
    assert await ask(Index="5") == ([], False, False)


async def test_token_alone_leads_to_the_next_and_the_previous_page(there: World, general: Channel, alice: App) -> None:
    """Older SDKs send nothing else: the token knows order, size, direction and place."""
    for number in range(7):
        await there.send(general, str(number))
    path = f"/v3/Lists/{general.sid}.messages/Items"

    async def ask(**params: str) -> tuple[list[int], Any, Any]:
        page = await alice.get(path, **params)
        meta = page["meta"]
        return [item["index"] for item in page["items"]], meta["previous_token"], meta["next_token"]

    first, before, following = await ask(PageSize="3", Order="desc")
    second, back, following = await ask(PageToken=following)
    third, _, end = await ask(PageToken=following)
    again, start, forth = await ask(PageToken=back)

    assert (first, second, third, again) == ([6, 5, 4], [3, 2, 1], [0], [6, 5, 4])
    assert (before, end, start) == (None, None, None)
    assert (await ask(PageToken=forth))[0] == second


@pytest.mark.parametrize(
    "params", [{"PageSize": "0"}, {"PageSize": "x"}, {"Order": "up"}, {"From": "x"}, {"PageToken": "?"}]
)
async def test_bad_page_is_refused(general: Channel, alice: App, params: dict[str, str]) -> None:
    """With a 400, and not with a page that nobody asked for."""
    status, _ = await alice.ask("GET", f"/v3/Lists/{general.sid}.messages/Items", params=params)

    assert status == 400


async def test_page_holds_at_most_a_hundred(there: World, general: Channel, alice: App) -> None:
    """Whatever is asked for."""
    for _ in range(101):
        await there.send(general)

    page = await alice.get(f"/v3/Lists/{general.sid}.messages/Items", PageSize="1000")

    assert len(page["items"]) == 100
    assert page["meta"]["next_token"]


async def test_what_may_not_be_read_is_not_found(there: World, general: Channel, alice: App) -> None:
    """A private channel for those outside, messages and roster for those who are not in, another's channels."""
    private = await there.create_channel(type="private")
    carol = await there.connect("carol")
    invited = await there.create_channel(type="private")
    await there.invite(invited, "carol")
    refused = [
        f"{private.sid}.channel",
        f"{private.sid}.messages",
        f"{general.sid}.messages",
        f"{general.sid}.roster",
        f"{invited.sid}.messages",
        f"{invited.sid}.roster",
        f"{alice.user.sid}.myChannels",
        f"{new_sid('US')}.info",
        f"{new_sid('CH')}.channel",
        f"{alice.user.sid}.channel",
        new_sid("ET"),
        new_sid("ES"),
        new_sid("MP"),
        "nonsense",
    ]

    for name in refused:
        status, body = await carol.ask("GET", f"/v3/{folder(name)}/{name}")
        assert (status, body["code"]) == (404, MISSING[folder(name)]), name
    for name in (f"{general.sid}.channel", f"{invited.sid}.channel", f"{alice.user.sid}.info"):
        await carol.root(name)


async def test_maker_of_a_private_channel_reads_it_until_it_has_been_in(there: World) -> None:
    """It opens what it has just made; once it left, it is outside like everybody."""
    dora = await there.connect("dora")
    made = await there.create_channel(type="private", created_by="dora")
    await dora.root(f"{made.sid}.channel")

    await there.add(made, "dora")
    await there.remove(made, "dora")

    status, _ = await dora.ask("GET", f"/v3/Documents/{made.sid}.channel")
    assert status == 404


async def test_another_service_has_nothing_of_this_one(there: World, general: Channel) -> None:
    """A SID is of no use in the wrong service."""
    foreign = World(there.chat, there.caller, await other_service(there))
    stranger = await foreign.connect("alice")

    for name in (f"{general.sid}.channel", f"{(await there.user('bob')).sid}.info"):
        status, _ = await stranger.ask("GET", f"/v3/{folder(name)}/{name}")
        assert status == 404, name


async def other_service(there: World) -> Any:
    from hubbub.resources.services.actions import create_service  # noqa: PLC0415

    return await create_service(there.chat, there.caller, "other")


async def test_writes_are_refused(general: Channel, alice: App) -> None:
    """Sync objects change by the commands of the chat."""
    name = f"{general.sid}.messages"
    for method, path in [
        ("POST", f"/v3/Lists/{name}"),
        ("DELETE", f"/v3/Lists/{name}"),
        ("POST", f"/v3/Lists/{name}/Items"),
        ("POST", f"/v3/Lists/{name}/Items/0"),
        ("PUT", f"/v3/Maps/{general.sid}.roster/Items/x"),
        ("POST", f"/v3/Documents/{general.sid}.channel"),
    ]:
        status, body = await alice.ask(method, path, b"{}")
        assert (status, body["code"]) == (403, 54007), path


async def test_single_item_has_a_url(there: World, general: Channel, alice: App) -> None:
    """The URL that an item names answers it, and 404 where it is gone."""
    await there.send(general)
    item = (await alice.items(f"{general.sid}.messages"))[0]
    path = item["url"].removeprefix("https://cds.us1.twilio.com")

    assert await alice.get(path) == item
    assert (await alice.ask("GET", path[:-1] + "7"))[1]["code"] == 54151
    assert (await alice.ask("GET", f"/v3/Maps/{general.sid}.roster/Items/MB"))[1]["code"] == 54201
    assert await alice.get(f"/v3/Lists/{general.sid}.messages/Context") == {"data": {}, "last_event_id": 3}
