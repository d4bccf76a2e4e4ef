"""What a back end's changes tell of themselves: which webhooks arrive, what they say, and that they are ours."""

import threading
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from standardwebhooks import WebhookVerificationError

from hubbub.events import CHANNEL_WEBHOOKS, WEBHOOKS
from tests.api.steps import (
    Json,
    Like,
    at,
    create_channel,
    create_member,
    create_message,
    create_service,
    create_user,
    create_webhook,
    delete,
    eventually,
    update,
    upload_media,
)
from tests.delivery.receiver import OK, Receiver, Reply, Request
from tests.delivery.steps import ASKED, FLOW, FLOW_PATH, Parameters, command, deliveries, listen, listen_to, send
from tests.harness import ACCOUNT_SID, Server, unique

MOMENT = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
POSTS = [name for name in WEBHOOKS if name.endswith(("ed", "Sent"))]
NOT_ASKED: list[dict[str, str]] = [{}, *({"X-Twilio-Webhook-Enabled": value} for value in ("false", "yes", ""))]
ANOTHER_FLOW = "FW" + "f" * 32


def at_moment(second: str) -> Like:
    """The date of a resource with any milliseconds."""
    return Like(second.removesuffix("Z") + r"\.\d{3}Z")


def said(event: str, resource: Json, **parameters: Any) -> Parameters:
    """What every webhook of a back end says."""
    common = {
        "AccountSid": ACCOUNT_SID,
        "InstanceSid": resource["service_sid"],
        "EventType": event,
        "Source": "API",
        "RetryCount": "0",
        "Attributes": resource["attributes"],
        "DateCreated": at_moment(resource["date_created"]),
    }
    return common | parameters


def of_message(event: str, message: Json, **parameters: Any) -> Parameters:
    sids = {"MessageSid": message["sid"], "ChannelSid": message["channel_sid"]}
    own = {"Index": str(message["index"]), "Body": message["body"], "From": message["from"]}
    return said(event, message, **sids, **own, **parameters)


def of_channel(event: str, channel: Json, **parameters: Any) -> Parameters:
    names = {"FriendlyName": channel["friendly_name"] or "", "UniqueName": channel["unique_name"] or ""}
    own = {"ChannelSid": channel["sid"], "CreatedBy": channel["created_by"], "ChannelType": channel["type"]}
    return said(event, channel, **names, **own, **parameters)


def of_member(event: str, member: Json, **parameters: Any) -> Parameters:
    sids = {"MemberSid": member["sid"], "ChannelSid": member["channel_sid"], "RoleSid": member["role_sid"]}
    return said(event, member, **sids, Identity=member["identity"], **parameters)


def of_user(event: str, user: Json, **parameters: Any) -> Parameters:
    own = {"UserSid": user["sid"], "RoleSid": user["role_sid"], "Identity": user["identity"]}
    return said(event, user, **own, FriendlyName=user["friendly_name"] or "", **parameters)


def updated(resource: Json) -> Like:
    return at_moment(resource["date_updated"])


def live(client: httpx.Client, service: Json) -> list[Parameters]:
    """Make every change that there is; what each of them should tell."""
    alice = create_user(client, service, "alice", FriendlyName="Älice & co")
    renamed = update(client, alice, FriendlyName="", Attributes='{ "a": [1] }')
    room = create_channel(client, service, UniqueName=unique("room"), Type="private")
    changed = update(client, room, FriendlyName="Room + 1 = 2", Attributes='{"r":"日本"}')
    member = create_member(client, room, "alice", Attributes='{"m":1}')
    horizon = update(client, member, LastConsumedMessageIndex="7")
    guest = create_member(client, room, "bob%2F")
    bob = client.get(at(service, "Users", "bob%2F")).json()
    hello = create_message(client, room, "Hello,\nwörld", From="alice", Attributes='{"x":null}')
    edited = update(client, hello, Body="Bye")
    edited_by = update(client, hello, Attributes="[]", LastUpdatedBy="carol")
    file = upload_media(client, service, Filename="a b.png")
    picture = create_message(client, room, "look", MediaSid=file["sid"])
    delete(client, hello)
    delete(client, picture)
    leaver = create_member(client, room, "carol", RoleSid=member["role_sid"])
    carol = client.get(at(service, "Users", "carol")).json()
    delete(client, service, "Users", "carol", "Channels", room)
    delete(client, guest)
    delete(client, bob)
    delete(client, room)
    media = {"MediaSid": file["sid"], "MediaContentType": "text/plain", "MediaSize": "5", "MediaFilename": "a b.png"}
    return [
        of_user("onUserAdded", alice),
        of_user("onUserUpdated", renamed, DateUpdated=updated(renamed)),
        of_channel("onChannelAdded", room),
        of_channel("onChannelUpdated", changed, DateUpdated=updated(changed)),
        of_member("onMemberAdded", member, Reason="ADDED"),
        of_member("onMemberUpdated", horizon, DateUpdated=updated(horizon), LastConsumedMessageIndex="7"),
        of_user("onUserAdded", bob),
        of_member("onMemberAdded", guest, Reason="ADDED"),
        of_message("onMessageSent", hello),
        of_message("onMessageUpdated", edited, ModifiedBy="system", DateUpdated=updated(edited)),
        of_message("onMessageUpdated", edited_by, ModifiedBy="carol", DateUpdated=updated(edited_by)),
        of_message("onMediaMessageSent", picture, **media),
        of_message("onMessageRemoved", edited_by, RemovedBy="carol", DateRemoved=MOMENT),
        of_message("onMessageRemoved", picture, RemovedBy="system", DateRemoved=MOMENT),
        of_user("onUserAdded", carol),
        of_member("onMemberAdded", leaver, Reason="ADDED"),
        of_member("onMemberRemoved", leaver, Reason="REMOVED", DateRemoved=MOMENT),
        of_member("onMemberRemoved", guest, Reason="REMOVED", DateRemoved=MOMENT),
        of_channel("onChannelDestroyed", changed, DateDestroyed=MOMENT),
    ]


def subject(parameters: Parameters) -> str:
    """What a webhook is about: those about the same thing arrive in order."""
    return str(parameters.get("ChannelSid") or parameters["UserSid"])


def by_subject(parameters: list[Parameters]) -> dict[str, list[Parameters]]:
    found: dict[str, list[Parameters]] = defaultdict(list)
    for each in parameters:
        found[subject(each)].append(each)
    return found


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_every_change_that_asks_tells_its_webhook_with_all_its_parameters(
    asking: httpx.Client, service: Json, receiver: Receiver, method: str
) -> None:
    """The post-events, each with its whole set of parameters, signed; never a pre-event."""
    before, after = receiver.hook(), receiver.hook()
    listen(asking, service, after, PreWebhookUrl=before.url, WebhookMethod=method)

    expected = live(asking, service)

    came = after.wait(len(expected))
    assert by_subject([request.parameters for request in came]) == by_subject(expected)
    assert {request.event for request in came} == set(POSTS)
    assert {request.method for request in came} == {method}
    assert all(request.is_ours() for request in came)
    assert len({request.id for request in came}) == len(expected)
    assert before.requests == []


def test_change_that_does_not_ask_tells_nothing(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """Without the header, and with any other value than true, no delivery is stored for any change."""
    hook = receiver.hook()
    listen(client, service, hook, PreWebhookUrl=hook.url)

    for headers in NOT_ASKED:
        with server.client() as silent:
            silent.headers.update(headers)
            live(silent, service)
            delete(silent, service, "Users", "alice")
            delete(silent, service, "Users", "carol")

    assert deliveries(server, "--service", service["sid"]) == []
    assert hook.requests == []


def test_service_without_url_or_filters_tells_nothing(asking: httpx.Client, server: Server, receiver: Receiver) -> None:
    """Nor one whose filters name only events before the fact."""
    hook = receiver.hook()
    forms: list[dict[str, Any]] = [
        {"PostWebhookUrl": ""},
        {"WebhookFilters": ""},
        {"WebhookFilters": [name for name in WEBHOOKS if name not in POSTS]},
    ]
    for form in forms:
        service = create_service(asking)
        listen(asking, service, hook, **form)

        live(asking, service)

        assert deliveries(server, "--service", service["sid"]) == []
    assert hook.requests == []


def test_only_filtered_events_are_told(asking: httpx.Client, service: Json, receiver: Receiver) -> None:
    """A new member's user, which nobody filtered for, is not."""
    hook = receiver.hook()
    listen(asking, service, hook, "onMemberAdded", "onMessageRemoved")

    live(asking, service)

    assert [request.event for request in hook.wait(5)] == ["onMemberAdded"] * 2 + ["onMessageRemoved"] * 2 + [
        "onMemberAdded"
    ]


def test_changed_filters_and_url_hold_from_the_next_event_on(
    client: httpx.Client, service: Json, receiver: Receiver
) -> None:
    """There is no other memory of them."""
    old, new = receiver.hook(), receiver.hook()
    channel = create_channel(client, service)
    listen(client, service, old, "onMessageSent")
    send(client, channel, "one")
    old.wait(1)

    listen(client, service, new, "onMessageUpdated")
    two = send(client, channel, "two")
    client.post(at(two), data={"Body": "three"}, headers=ASKED).raise_for_status()

    assert [request.event for request in new.wait(1)] == ["onMessageUpdated"]
    assert len(old.requests) == 1


def test_request_is_what_a_receiver_of_the_original_expects(
    client: httpx.Client, service: Json, receiver: Receiver
) -> None:
    """A form with its charset, the proxy's user agent, and the revision of the channel; the query stays."""
    hook = receiver.hook()
    update(client, service, PostWebhookUrl=f"{hook.url}?key=a%20b&key=c#part", WebhookFilters="onMessageSent")
    channel = create_channel(client, service)

    sent = send(client, channel, "a=b&c=d %")

    [request] = hook.wait(1)
    assert request.url == f"{hook.url}?key=a%20b&key=c"
    assert request.is_ours()
    assert request.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert request.headers["accept"] == "*/*"
    assert request.headers["user-agent"].startswith("TwilioProxy/1.1")
    assert request.headers["hubbub-revision"] == "1"
    assert request.parameters["Body"] == sent["body"]


def test_get_puts_its_parameters_behind_those_of_the_url(
    client: httpx.Client, service: Json, receiver: Receiver
) -> None:
    """In the query that is there already; the signature is that of the whole URL."""
    hook = receiver.hook()
    url = f"{hook.url}?key=1&EventType=mine"
    update(client, service, PostWebhookUrl=url, WebhookFilters="onMessageSent", WebhookMethod="GET")

    send(client, create_channel(client, service), "a=b&c=d %")

    [request] = hook.wait(1)
    assert request.url.startswith(f"{url}&AccountSid={ACCOUNT_SID}&")
    assert request.pairs[:2] == [("key", "1"), ("EventType", "mine")]
    assert ("Body", "a=b&c=d %") in request.pairs
    assert "content-length" not in request.headers
    assert request.is_ours()


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_standard_signature_fits_the_secret_until_it_is_rotated(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver, method: str
) -> None:
    """The commands show the secret and make a new one, which the next event is signed with."""
    hook = receiver.hook()
    listen(client, service, hook, "onMessageSent", WebhookMethod=method)
    channel = create_channel(client, service)

    old = command(server, "webhooks", "secret", service["sid"])
    send(client, channel)
    new = command(server, "webhooks", "rotate-secret", service["sid"])
    send(client, channel)

    first, second = hook.wait(2)
    assert new == command(server, "webhooks", "secret", service["sid"])
    assert old["secret"] != new["secret"]
    first.verify(old["secret"])
    second.verify(new["secret"])
    for request, wrong in ((first, new), (second, old)):
        with pytest.raises(WebhookVerificationError):
            request.verify(wrong["secret"])


def test_services_have_secrets_of_their_own(client: httpx.Client, server: Server) -> None:
    """One tenant's secret signs nothing of another's."""
    one, two = (command(server, "webhooks", "secret", create_service(client)["sid"]) for _ in range(2))

    assert one["secret"] != two["secret"]


@pytest.mark.parametrize("words", [("secret",), ("rotate-secret",)])
def test_secret_of_unknown_service_is_not_found(server: Server, words: tuple[str]) -> None:
    """With one sentence and exit code 1."""
    done = server.run("webhooks", *words, "IS" + "0" * 32)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hubbub: ")
    assert done.stderr.count("\n") == 1


# Channel webhooks.


def test_channel_webhook_tells_what_happens_in_its_channel(
    asking: httpx.Client, service: Json, receiver: Receiver
) -> None:
    """Every event that it can hear of, with the service's parameters, beside the service's own webhook."""
    hook, of_service, elsewhere = receiver.hook(), receiver.hook(), receiver.hook()
    listen(asking, service, of_service, *CHANNEL_WEBHOOKS)
    channel, other = create_channel(asking, service), create_channel(asking, service)
    listen_to(asking, channel, hook)
    listen_to(asking, other, elsewhere)

    update(asking, channel, FriendlyName="room")
    member = create_member(asking, channel, "alice")
    update(asking, member, Attributes="[]")
    message = create_message(asking, channel)
    update(asking, message, Body="Bye")
    create_message(asking, channel, MediaSid=upload_media(asking, service)["sid"])
    delete(asking, message)
    delete(asking, member)
    delete(asking, channel)

    came, also = hook.wait(9), of_service.wait(9)
    assert [request.event for request in came] == [
        "onChannelUpdated",
        "onMemberAdded",
        "onMemberUpdated",
        "onMessageSent",
        "onMessageUpdated",
        "onMediaMessageSent",
        "onMessageRemoved",
        "onMemberRemoved",
        "onChannelDestroyed",
    ]
    assert [request.parameters for request in came] == [request.parameters for request in also]
    assert {request.id for request in came}.isdisjoint(request.id for request in also)
    assert all(request.is_ours() for request in came)
    assert elsewhere.requests == []


def test_channel_webhook_needs_the_header_and_its_filter(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """As the service's webhooks do; its method is its own."""
    hook = receiver.hook()
    channel = create_channel(client, service)
    listen_to(client, channel, hook, "onMessageSent", Method="GET")

    create_message(client, channel, "silent")
    create_member(client, channel, "alice")
    client.post(at(channel), data={"FriendlyName": "room"}, headers=ASKED).raise_for_status()
    send(client, channel, "loud")

    [request] = hook.wait(1)
    assert (request.method, request.parameters["Body"]) == ("GET", "loud")
    assert len(deliveries(server, "--service", service["sid"])) == 1


def test_all_five_webhooks_of_a_channel_are_told(client: httpx.Client, service: Json, receiver: Receiver) -> None:
    """One event becomes as many deliveries."""
    hooks = [receiver.hook() for _ in range(5)]
    channel = create_channel(client, service)
    for hook in hooks:
        listen_to(client, channel, hook, "onMessageSent")

    send(client, channel)

    assert len({hook.wait(1)[0].id for hook in hooks}) == 5


def test_trigger_fires_on_its_words_letter_for_letter(
    client: httpx.Client, server: Server, service: Json, receiver: Receiver
) -> None:
    """Anywhere in the body of a new message or media message, in the same case, once; not when it is edited."""
    hook = receiver.hook()
    channel = create_channel(client, service)
    triggers = {"Configuration.Triggers": ["help", "日", "a b"]}
    created = create_webhook(client, channel, Type="trigger", **{"Configuration.Url": hook.url}, **triggers)
    assert created["configuration"]["triggers"] == ["help", "日", "a b"]

    for body in ("Help", "nothing", "hel p", "a  b", ""):
        send(client, channel, body)
    for body in ("unhelpful", "日本 help", "xa bx"):
        send(client, channel, body)
    picture = send(client, channel, "help me see", MediaSid=upload_media(client, service)["sid"])
    client.post(at(send(client, channel, "x")), data={"Body": "help"}, headers=ASKED).raise_for_status()

    came = hook.wait(4)
    assert [request.parameters["Body"] for request in came] == ["unhelpful", "日本 help", "xa bx", "help me see"]
    assert [request.event for request in came] == ["onMessageSent"] * 3 + ["onMediaMessageSent"]
    assert came[3].parameters["MediaSid"] == picture["media"]["sid"]
    assert len(deliveries(server, "--service", service["sid"])) == 4


def test_studio_webhook_is_posted_to_the_url_of_its_flow(
    client: httpx.Client, service: Json, receiver: Receiver
) -> None:
    """With each new message when it has no filters, else with what they name."""
    flow = receiver.hook(path=FLOW_PATH)
    channel = create_channel(client, service)
    studio = {"Type": "studio", "Configuration.FlowSid": FLOW}
    created = client.post(at(channel, "Webhooks"), data=studio).raise_for_status().json()

    send(client, channel, "one")
    client.post(at(channel), data={"FriendlyName": "room"}, headers=ASKED).raise_for_status()
    send(client, channel, "two", MediaSid=upload_media(client, service)["sid"])
    came = flow.wait(2)
    update(client, created, **{"Configuration.Filters": ["onChannelUpdated"]})
    send(client, channel, "three")
    client.post(at(channel), data={"FriendlyName": "hall"}, headers=ASKED).raise_for_status()

    assert [request.event for request in came] == ["onMessageSent", "onMediaMessageSent"]
    assert [request.parameters.get("FriendlyName") for request in flow.wait(3)] == [None, None, "hall"]
    assert all(request.is_ours() and request.method == "POST" for request in flow.requests)


def test_studio_webhook_without_url_is_kept_and_sent_once_it_has_one(new_server: Server, receiver: Receiver) -> None:
    """Stored dead with a sentence that names the setting; after a restart with it, a replay sends it."""
    hook = receiver.hook()
    new_server.settings["HUBBUB_WEBHOOK_ALLOW"] = "127.0.0.1"
    new_server.start()
    with new_server.client() as client:
        service = create_service(client)
        channel = create_channel(client, service)
        studio = {"Type": "studio", "Configuration.FlowSid": ANOTHER_FLOW}
        client.post(at(channel, "Webhooks"), data=studio).raise_for_status()
        send(client, channel, "kept")
    [kept] = deliveries(new_server)
    assert (kept["state"], kept["attempts"]) == ("dead", 0)
    assert "HUBBUB_STUDIO_FLOWS" in kept["error"]
    assert ANOTHER_FLOW in new_server.log

    new_server.stop()
    new_server.settings["HUBBUB_STUDIO_FLOWS"] = f"{ANOTHER_FLOW}={hook.url}"
    new_server.start()
    assert command(new_server, "deliveries", "replay") == {"replayed": 1}

    [request] = hook.wait(1)
    assert (request.id, request.parameters["Body"], request.retry) == (kept["sid"], "kept", 0)
    assert eventually(lambda: deliveries(new_server)[0]["state"] == "delivered")


def test_end_of_a_channel_reaches_its_webhook(asking: httpx.Client, service: Json, receiver: Receiver) -> None:
    """Also on a retry, when channel and webhook are gone and swept."""
    hook = receiver.hook(Reply(503), OK)
    channel = create_channel(asking, service)
    created = listen_to(asking, channel, hook, "onChannelDestroyed", RetryCount="1")

    delete(asking, channel)

    came = hook.wait(2)
    assert [request.event for request in came] == ["onChannelDestroyed"] * 2
    assert asking.get(urlsplit(created["url"]).path).status_code == 404


# Order.


def test_events_of_a_channel_arrive_in_order_however_many_write(
    server: Server, client: httpx.Client, service: Json, receiver: Receiver
) -> None:
    """200 messages by 16 threads into five channels: each channel's come once, by index, on their first try."""
    hook = receiver.hook()
    listen(client, service, hook, "onMessageSent")
    channels = [create_channel(client, service) for _ in range(5)]
    work = [(channels[n % 5], f"message {n}") for n in range(200)]

    def write() -> None:
        with server.client() as own:
            while work:
                send(own, *work.pop())

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    came = hook.wait(200)
    indexes: dict[str, list[int]] = defaultdict(list)
    for request in came:
        indexes[request.parameters["ChannelSid"]].append(int(request.parameters["Index"]))
    assert indexes == {channel["sid"]: list(range(40)) for channel in channels}
    assert {request.retry for request in came} == {0}
    assert revisions_ascend(came)


def revisions_ascend(requests: list[Request]) -> bool:
    """Within each channel, strictly."""
    last: dict[str, int] = {}
    for request in requests:
        channel, revision = request.parameters["ChannelSid"], int(request.headers["hubbub-revision"])
        if revision <= last.get(channel, -1):
            return False
        last[channel] = revision
    return True
