"""Pre-event webhooks: a back end is asked before an end user's action, and what it answers happens."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from hubbub.errors import ERRORS, ChatError, Kind
from hubbub.events import WEBHOOKS
from hubbub.settings import Settings
from tests.api.steps import Like
from tests.conftest import new_database
from tests.delivery.receiver import HANGING, Hook, Receiver, Reply, changing
from tests.delivery.stage import Action, Stage, open_house
from tests.delivery.steps import ASKED, Parameters
from tests.harness import ACCOUNT_SID, free_port, unique

# Opening a chat takes longer than most tests here: one loop and one chat for all of them.
pytestmark = pytest.mark.asyncio(loop_scope="module")

House = Callable[[], Awaitable[Stage]]

MOMENT = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LOGGER = "hubbub.delivery"
REFUSING = Reply(403)
CONNECTIONS = 2


@pytest.fixture(scope="module")
def settings(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One database for all tests here, reached over two connections at most."""
    directory = tmp_path_factory.mktemp(f"before-{engine}")
    return Settings(
        database=new_database(engine, request, directory),
        data_dir=str(directory),
        postgres_connections=CONNECTIONS,
        webhook_allow="127.0.0.0/8",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(settings: Settings) -> AsyncIterator[House]:
    async with open_house(settings) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def stage(house: House) -> Stage:
    return await house()


async def listen(stage: Stage, hook: Hook, *events: str, **form: Any) -> None:
    """Let the service ask the hook about the events, about all when none is named."""
    usual = {"PreWebhookUrl": hook.url, "WebhookFilters": list(events or WEBHOOKS)}
    await stage.back_end("POST", stage.path, **(usual | form))


async def refused(action: Action, stage: Stage, kind: Kind) -> None:
    """Assert the error, and that nothing was stored or emitted."""
    before = await stage.everything()
    with pytest.raises(ChatError) as raised:
        await action(stage)
    assert (raised.value.code, raised.value.status) == (kind.code, kind.status)
    assert await stage.everything() == before
    assert stage.emitted == []


async def send(stage: Stage) -> Any:
    return await stage.send(body="Hi", attributes='{"a": 1}')


async def send_media(stage: Stage) -> Any:
    return await stage.send(await stage.upload(), body="look")


# Each action of an end user with the pre-events that it asks about.
ACTIONS: dict[str, tuple[Action, str]] = {
    "send": (send, "onMessageSend"),
    "send media": (send_media, "onMediaMessageSend"),
    "edit": (lambda stage: stage.edit(body="Bye"), "onMessageUpdate"),
    "remove": (lambda stage: stage.remove(), "onMessageRemove"),
    "create channel": (
        lambda stage: stage.create_channel(friendly_name="Hall", type="private", attributes="[1]"),
        "onChannelAdd",
    ),
    "update channel": (lambda stage: stage.update_channel(friendly_name="Room"), "onChannelUpdate"),
    "delete channel": (lambda stage: stage.delete_channel(), "onChannelDestroy"),
    "add": (lambda stage: stage.add("carol"), "onMemberAdd"),
    "join": (lambda stage: stage.add("carol", by="carol"), "onMemberAdd"),
    "update member": (lambda stage: stage.update_member(attributes='{"m":1}'), "onMemberUpdate"),
    "read": (lambda stage: stage.update_member(last_consumed_message_index=0), "onMemberUpdate"),
    "expel": (lambda stage: stage.expel("bob"), "onMemberRemove"),
    "leave": (lambda stage: stage.expel("alice"), "onMemberRemove"),
    "update user": (lambda stage: stage.update_user(friendly_name="Al"), "onUserUpdate"),
}


async def expected(stage: Stage, name: str) -> Parameters:
    """What the hook is told of the action beside the common parameters."""
    room, alice, bob = [
        await stage.back_end("GET", f"{stage.path}/Channels/room{part}")
        for part in ("", "/Members/alice", "/Members/bob")
    ]
    user = await stage.back_end("GET", f"{stage.path}/Users/alice")
    in_room = {"ChannelSid": room["sid"]}
    message = in_room | {"MessageSid": stage.message["sid"], "From": "alice", "Attributes": '{"m":1}'}
    new = in_room | {"To": room["sid"], "From": "alice", "DateCreated": MOMENT}
    file = {"MediaFilename": "a.txt", "MediaContentType": "text/plain", "MediaSid": Like("ME.*"), "MediaSize": "5"}
    channel = in_room | {"Attributes": "{}", "CreatedBy": "alice", "UniqueName": "room", "ChannelType": "public"}
    alice_says = in_room | {"MemberSid": alice["sid"], "Identity": "alice", "RoleSid": stage.channel_role}
    bob_says = in_room | {"MemberSid": bob["sid"], "Identity": "bob", "RoleSid": stage.channel_role}
    carol_says = in_room | {"Identity": "carol", "RoleSid": stage.channel_role}
    dates = {"DateCreated": MOMENT, "DateUpdated": MOMENT}
    table: dict[str, Parameters] = {
        "send": new | {"Body": "Hi", "Attributes": '{"a": 1}'},
        "send media": new | {"Body": "look", "Attributes": "{}"} | file,
        "edit": message | {"Body": "Bye", "ModifiedBy": "alice", "DateCreated": MOMENT},
        "remove": message | {"Body": "Hello", "RemovedBy": "alice", "DateCreated": MOMENT},
        "create channel": {
            "Attributes": "[1]",
            "CreatedBy": "alice",
            "FriendlyName": "Hall",
            "UniqueName": "",
            "ChannelType": "private",
        },
        "update channel": channel | {"FriendlyName": "Room", "DateCreated": MOMENT},
        "delete channel": channel | {"FriendlyName": "", "DateCreated": MOMENT},
        "add": carol_says | {"Reason": "ADDED"},
        "join": carol_says | {"Reason": "JOINED"},
        "update member": alice_says | dates | {"Attributes": '{"m":1}'},
        "read": alice_says | dates | {"Attributes": "{}", "LastConsumedMessageIndex": "0"},
        "expel": bob_says | {"Reason": "REMOVED"},
        "leave": alice_says | {"Reason": "LEFT"},
        "update user": dates
        | {"UserSid": user["sid"], "Identity": "alice", "FriendlyName": "Al", "RoleSid": stage.service_role}
        | {"Attributes": "{}"},
    }
    return table[name]


# What is asked.


@pytest.mark.parametrize("name", ACTIONS)
async def test_action_of_an_end_user_is_asked_about_with_all_its_parameters(
    stage: Stage, receiver: Receiver, name: str
) -> None:
    """Signed, once, and before it is done; an empty 200 lets it go ahead as it is."""
    action, event = ACTIONS[name]
    hook = receiver.hook()
    await listen(stage, hook)
    told = await expected(stage, name)

    await action(stage)

    [request] = hook.requests
    common = {"AccountSid": ACCOUNT_SID, "InstanceSid": stage.service["sid"], "EventType": event, "RetryCount": "0"}
    identity = "carol" if name == "join" else "alice"
    assert request.parameters == common | {"Source": "SDK", "ClientIdentity": identity} | told
    assert request.is_ours()
    assert stage.emitted[-1].event.webhook_before == event


async def test_every_pre_event_is_asked_about_by_some_action() -> None:
    """The table above has all eleven."""
    assert {event for _, event in ACTIONS.values()} == {name for name in WEBHOOKS if not name.endswith(("ed", "Sent"))}


@pytest.mark.parametrize("name", ACTIONS)
async def test_refusal_stops_the_action(stage: Stage, receiver: Receiver, name: str) -> None:
    """With 403 / 50056; nothing is stored and nobody hears of it."""
    action, event = ACTIONS[name]
    await listen(stage, receiver.hook(REFUSING), event)

    await refused(action, stage, ERRORS.CANCELLED)


@pytest.mark.parametrize("name", ACTIONS)
async def test_action_goes_ahead_when_nobody_listens(stage: Stage, name: str) -> None:
    """Its hook cannot be reached, and so has no say."""
    action, event = ACTIONS[name]
    url = f"http://127.0.0.1:{free_port()}/"
    await stage.back_end("POST", stage.path, PreWebhookUrl=url, WebhookFilters=event)

    await action(stage)

    assert stage.emitted[-1].event.webhook_before == event


async def test_nothing_is_asked_without_url_or_filter(stage: Stage, receiver: Receiver) -> None:
    """Of what a filter does not name, or where there is no filter or no URL."""
    hook = receiver.hook(REFUSING)
    names = [name for name in WEBHOOKS if name != "onMessageSend"]
    for form in ({"WebhookFilters": names}, {"WebhookFilters": ""}, {"PreWebhookUrl": ""}):
        await listen(stage, hook, **form)

        await send(stage)

    assert hook.requests == []
    assert len(stage.emitted) == 3


async def test_back_end_is_never_asked_about(stage: Stage, receiver: Receiver) -> None:
    """With the header or without, whatever it does."""
    hook = receiver.hook(REFUSING)
    await listen(stage, hook)
    room = f"{stage.path}/Channels/room"
    for headers in ({}, ASKED):
        await stage.back_end("POST", f"{room}/Messages", headers, Body="x")
        await stage.back_end("POST", f"{room}/Messages/{stage.message['sid']}", headers, Body="y")
        await stage.back_end("POST", f"{room}/Members", headers, Identity="carol")
        await stage.back_end("POST", f"{room}/Members/carol", headers, Attributes="[]")
        await stage.back_end("POST", f"{stage.path}/Users/alice", headers, FriendlyName="Al")
        await stage.back_end("DELETE", f"{room}/Members/carol", headers)
        hall = await stage.back_end("POST", f"{stage.path}/Channels", headers)
        await stage.back_end("DELETE", f"{stage.path}/Channels/{hall['sid']}", headers)

    assert hook.requests == []


async def test_what_is_not_allowed_is_not_asked_about(stage: Stage, receiver: Receiver) -> None:
    """Nor what breaks a rule before the hook could change it."""
    hook = receiver.hook()
    await listen(stage, hook)

    await refused(lambda stage: stage.send(identity="carol", body="x"), stage, ERRORS.NOT_MEMBER)
    await refused(lambda stage: stage.send(body="x" * 40_000), stage, ERRORS.BODY_TOO_LONG)

    assert hook.requests == []


async def test_get_and_post_are_as_configured(stage: Stage, receiver: Receiver) -> None:
    """The method is that of the service, also before the fact."""
    hook = receiver.hook()
    await listen(stage, hook, "onMessageSend", WebhookMethod="GET")

    await send(stage)

    [request] = hook.requests
    assert (request.method, request.parameters["Body"]) == ("GET", "Hi")
    assert request.is_ours()


async def test_end_users_action_is_told_after_the_fact_without_asking(stage: Stage, receiver: Receiver) -> None:
    """As it became, with who did it; before the fact comes before."""
    before, after = receiver.hook(changing(body="Changed")), receiver.hook()
    await listen(stage, before, PostWebhookUrl=after.url)

    async with stage.app.background():
        message = await send(stage)
        await asyncio.to_thread(after.wait, 1)

    [asked], [told] = before.requests, after.requests
    assert (asked.event, told.event) == ("onMessageSend", "onMessageSent")
    assert asked.moment < told.moment
    assert {name: told.parameters[name] for name in ("Source", "ClientIdentity", "Body", "MessageSid")} == {
        "Source": "SDK",
        "ClientIdentity": "alice",
        "Body": "Changed",
        "MessageSid": message.sid,
    }


# What it may answer.


@pytest.mark.parametrize("status", [300, 302, 304, 400, 401, 404, 408, 429, 500, 503, 599])
async def test_only_200_to_299_let_the_action_go_ahead(stage: Stage, receiver: Receiver, status: int) -> None:
    """Anything else refuses it, also a redirect, which is not followed."""
    elsewhere = receiver.hook()
    reply = changing(status, body="never")
    await listen(stage, receiver.hook(reply._replace(headers=(*reply.headers, ("Location", elsewhere.url)))))

    await refused(send, stage, ERRORS.CANCELLED)

    assert elsewhere.requests == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_answer_without_changes_changes_nothing(stage: Stage, receiver: Receiver, status: int) -> None:
    """Nor does one that is no object in JSON."""
    bodies = [b"", b" \r\n", b"{}", b"ok", b"null", b"[]", b'"body"', b'{"body":', b"\xff\xfe"]
    for body in bodies if status != 204 else [b""]:
        await listen(stage, receiver.hook(Reply(status, (("Content-Type", "application/json"),), body)))

        message = await send(stage)

        assert (message.body, message.attributes, message.from_) == ("Hi", '{"a": 1}', "alice")


# The action, what the hook answers, what becomes of the record.
CHANGES: dict[str, tuple[Action, dict[str, Any], dict[str, Any]]] = {
    "message": (
        send,
        {"body": "Bö", "author": "bob", "attributes": '{ "b" : 2 }'},
        {"body": "Bö", "from_": "bob", "attributes": '{ "b" : 2 }'},
    ),
    "message, from": (send, {"from": "bob"}, {"body": "Hi", "from_": "bob"}),
    "message, attributes as they are": (send, {"attributes": {"b": [2]}}, {"attributes": '{"b":[2]}'}),
    "message, emptied": (send, {"body": ""}, {"body": "", "from_": "alice"}),
    "message, null": (send, {"body": None, "author": None}, {"body": "Hi", "from_": "alice"}),
    "media message": (send_media, {"body": "B", "attributes": "[]"}, {"body": "B", "attributes": "[]"}),
    "edited message": (
        lambda stage: stage.edit(body="Bye"),
        {"body": "Bö", "attributes": "[]", "from": "bob"},
        {"body": "Bö", "attributes": "[]", "from_": "bob", "last_updated_by": "alice"},
    ),
    "new channel": (
        lambda stage: stage.create_channel(friendly_name="Hall"),
        {"friendly_name": "Great Hall", "attributes": "[]"},
        {"friendly_name": "Great Hall", "attributes": "[]", "unique_name": None},
    ),
    "new channel, one word": (
        lambda stage: stage.create_channel(friendly_name="Hall"),
        {"friendlyName": "Great Hall", "uniqueName": "hall"},
        {"friendly_name": "Great Hall", "unique_name": "hall"},
    ),
    "channel": (
        lambda stage: stage.update_channel(attributes="[1]"),
        {"friendly_name": "Room", "unique_name": "hall"},
        {"friendly_name": "Room", "unique_name": "hall", "attributes": "[1]"},
    ),
    "new member": (
        lambda stage: stage.add("carol"),
        {"attributes": '{"x":1}', "role_sid": "{other_role}"},
        {"attributes": '{"x":1}', "role_sid": "{other_role}", "identity": "carol"},
    ),
    "member": (
        lambda stage: stage.update_member(attributes="[]"),
        {"roleSid": "{other_role}"},
        {"attributes": "[]", "role_sid": "{other_role}"},
    ),
    "user": (
        lambda stage: stage.update_user(attributes="[]"),
        {"friendlyName": "Al", "attributes": "[2]"},
        {"friendly_name": "Al", "attributes": "[]"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_answer_changes_what_it_names(stage: Stage, receiver: Receiver, name: str) -> None:
    """Under both spellings; the record is stored and told as changed."""
    action, answer, became = CHANGES[name]
    words = {"{other_role}": await stage.new_role("channel")}
    answer = {key: words.get(str(value), value) for key, value in answer.items()}
    await listen(stage, receiver.hook(changing(content_type="Application/JSON; charset=utf-8", **answer)))

    record = await action(stage)

    for field, value in became.items():
        assert getattr(record, field) == words.get(str(value), value), field
    assert stage.emitted[-1].record == record


async def test_changed_record_is_the_one_that_is_read(stage: Stage, receiver: Receiver) -> None:
    """Over the REST API, afterwards."""
    await listen(stage, receiver.hook(changing(body="Changed", attributes='{"x": 1}', author="bob")))

    message = await send(stage)

    read = await stage.back_end("GET", f"{stage.path}/Channels/room/Messages/{message.sid}")
    assert (read["body"], read["attributes"], read["from"]) == ("Changed", '{"x": 1}', "bob")
    assert (read["index"], read["was_edited"]) == (1, False)


@pytest.mark.parametrize("name", ["send", "remove", "update user", "join", "leave", "create channel"])
async def test_what_a_hook_may_not_change_stays(stage: Stage, receiver: Receiver, name: str) -> None:
    """Whatever else its answer names."""
    action, event = ACTIONS[name]
    other = await stage.new_role("channel")
    names = ("sid", "channel_sid", "identity", "index", "date_created", "revision", "type", "created_by", "key")
    answer: dict[str, Any] = dict.fromkeys(names, "x") | {"service": 7, "Body": "no", "nested": {"body": "no"}}
    if name != "join":
        answer["role_sid"] = other
    if name in {"remove", "leave"}:
        answer |= {"body": "no", "attributes": "[5]"}
    await listen(stage, receiver.hook(changing(**answer)), event)

    await action(stage)

    record = stage.emitted[-1].record
    told = json.dumps([str(getattr(record, field, "")) for field in (*names, "body", "attributes", "role_sid")])
    assert '"x"' not in told
    assert '"no"' not in told
    assert "[5]" not in told
    assert other not in told


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonp", "text/html; charset=application/json"])
async def test_answer_that_does_not_call_itself_json_changes_nothing(
    stage: Stage, receiver: Receiver, content_type: str
) -> None:
    """Its header says what it is."""
    await listen(stage, receiver.hook(changing(content_type=content_type, body="Changed")))

    assert (await send(stage)).body == "Hi"


@pytest.mark.parametrize("answer", [{"body": 5, "author": "bob"}, {"body": ["x"]}, {"author": {"a": 1}}])
async def test_answer_that_is_not_understood_changes_nothing_and_is_logged(
    stage: Stage, receiver: Receiver, caplog: pytest.LogCaptureFixture, answer: dict[str, Any]
) -> None:
    """Not even where it is understood."""
    await listen(stage, receiver.hook(changing(**answer)))

    message = await send(stage)

    assert (message.body, message.from_) == ("Hi", "alice")
    assert "50057" in caplog.text


# The action, what the hook answers, the error to the end user.
BROKEN: dict[str, tuple[Action, dict[str, Any], Kind]] = {
    "body": (send, {"body": "x" * 32_769}, ERRORS.BODY_TOO_LONG),
    "attributes": (send, {"attributes": "{"}, ERRORS.ATTRIBUTES_NOT_JSON),
    "long attributes": (send, {"attributes": {"a": "x" * 33_000}}, ERRORS.ATTRIBUTES_TOO_LONG),
    "author": (send, {"author": "x" * 1000}, ERRORS.AUTHOR_TOO_LONG),
    "edit": (lambda stage: stage.edit(body="Bye"), {"body": "x" * 32_769}, ERRORS.BODY_TOO_LONG),
    "channel": (
        lambda stage: stage.create_channel(),
        {"friendly_name": "x" * 1000},
        ERRORS.FRIENDLY_NAME_TOO_LONG,
    ),
    "taken": (lambda stage: stage.create_channel(), {"unique_name": "room"}, ERRORS.UNIQUE_NAME_EXISTS),
    "like a SID": (
        lambda stage: stage.update_channel(attributes="[]"),
        {"unique_name": "CH" + "0" * 32},
        ERRORS.UNIQUE_NAME_LIKE_SID,
    ),
    "role": (lambda stage: stage.add("carol"), {"role_sid": "RL" + "0" * 32}, ERRORS.ROLE_NOT_FOUND),
    "role of a user": (
        lambda stage: stage.add("carol"),
        {"role_sid": "{service_role}"},
        ERRORS.CHANNEL_ROLE_NOT_FOUND,
    ),
    "member's role": (
        lambda stage: stage.update_member(attributes="[1]"),
        {"role_sid": "{service_role}"},
        ERRORS.CHANNEL_ROLE_NOT_FOUND,
    ),
    "user": (
        lambda stage: stage.update_user(attributes="[]"),
        {"friendly_name": "x" * 1000},
        ERRORS.FRIENDLY_NAME_TOO_LONG,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_changed_value_that_breaks_a_rule_is_that_rules_error(
    stage: Stage, receiver: Receiver, name: str
) -> None:
    """As if the end user had sent it; nothing is stored."""
    action, answer, kind = BROKEN[name]
    answer = {key: stage.service_role if value == "{service_role}" else value for key, value in answer.items()}
    await listen(stage, receiver.hook(changing(**answer)))

    await refused(action, stage, kind)


async def test_body_of_a_media_message_cannot_be_changed_by_a_hook_either(stage: Stage, receiver: Receiver) -> None:
    """The rule holds for whoever changes it."""
    picture = await send_media(stage)
    stage.emitted.clear()
    await listen(stage, receiver.hook(changing(body="x")))

    await refused(lambda stage: stage.edit(picture.sid, attributes="[]"), stage, ERRORS.MEDIA_BODY_UPDATE)


# When it does not answer.


async def test_retries_are_counted_and_the_last_answer_counts(stage: Stage, receiver: Receiver) -> None:
    """After 429, 503 and 504, as often as configured, under one id."""
    hook = receiver.hook(Reply(503), Reply(429), changing(body="Changed"))
    await listen(stage, hook, "onMessageSend", PreWebhookRetryCount="2", PostWebhookRetryCount="0")

    message = await send(stage)

    assert message.body == "Changed"
    assert [request.retry for request in hook.requests] == [0, 1, 2]
    assert len({request.id for request in hook.requests}) == 1
    assert all(request.is_ours() for request in hook.requests)


@pytest.mark.parametrize(("status", "tries"), [(504, 2), (500, 1), (408, 1), (404, 1)])
async def test_refusal_after_the_retries_is_a_refusal(
    stage: Stage, receiver: Receiver, status: int, tries: int
) -> None:
    """Only three statuses are asked again."""
    hook = receiver.hook(Reply(status))
    await listen(stage, hook, PreWebhookRetryCount="1")

    await refused(send, stage, ERRORS.CANCELLED)

    assert len(hook.requests) == tries


async def test_hook_that_cannot_be_reached_has_no_say_and_is_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Under the original's code, also where its address is not allowed."""
    urls = (f"http://127.0.0.1:{free_port()}/hook", "http://10.0.0.1/hook")
    for url in urls:
        form = {"PreWebhookUrl": url, "WebhookFilters": "onMessageSend", "PreWebhookRetryCount": "1"}
        await stage.back_end("POST", stage.path, **form)
        caplog.clear()
        with caplog.at_level(logging.WARNING, LOGGER):
            message = await send(stage)

        assert message.body == "Hi"
        [record] = caplog.records
        assert record.getMessage().startswith("50057: onMessageSend")


async def test_hook_that_hangs_holds_up_nobody_else_and_has_no_say_after_five_seconds(
    stage: Stage, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten actions wait for it without a transaction or a connection: others are written and read meanwhile."""
    hook = receiver.hook(HANGING)
    await listen(stage, hook, "onMessageSend", "onChannelAdd")
    begun = time.monotonic()
    waiting = [asyncio.create_task(send(stage)) for _ in range(8)]
    waiting += [asyncio.create_task(stage.create_channel(unique_name=unique())) for _ in range(2)]
    await asyncio.to_thread(hook.wait, 10)

    async with asyncio.timeout(2):
        for n in range(20):
            await stage.back_end("POST", f"{stage.path}/Channels/room/Messages", Body=f"{n}")
        await stage.update_user(friendly_name="Al")
        await stage.edit(body="Bye")
        read = await stage.back_end("GET", f"{stage.path}/Channels/room/Messages")
    assert [message["body"] for message in read["messages"]] == ["Bye", *map(str, range(20))]
    assert not any(task.done() for task in waiting)
    messages = await asyncio.gather(*waiting)

    assert 4.5 < time.monotonic() - begun < 8
    assert {message.body for message in messages[:8]} == {"Hi"}
    assert caplog.text.count("50076: onMessageSend") == 8
    assert caplog.text.count("50076: onChannelAdd") == 2


async def test_change_meanwhile_counts_when_the_hook_answers(stage: Stage, receiver: Receiver) -> None:
    """What was deleted while the hook thought is gone: the actions that waited are refused."""
    hook = receiver.hook(HANGING)
    await listen(stage, hook, "onMessageSend", "onMessageUpdate")
    waiting = [asyncio.create_task(send(stage)), asyncio.create_task(stage.edit(body="Bye"))]
    await asyncio.to_thread(hook.wait, 2)

    await stage.back_end("DELETE", f"{stage.path}/Channels/room")
    hook.release()

    for error in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(error, ChatError), error
        assert error.code == ERRORS.NOT_FOUND.code
