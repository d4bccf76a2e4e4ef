"""The official client SDKs, unmodified, understand the pushes that are sent."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hubbub.delivery.push.model import ADDED, BADGE, INVITED, NEW_MESSAGE, REMOVED, WAITING, Notice, Parcel, Push
from hubbub.delivery.push.payload import apns, fcm
from hubbub.sids import new_sid
from tests.contract.sdk.flows import NEWER_NODE, About, node_version, run_flow

Json = dict[str, Any]

CHAT = {"twilio-chat": "6.0.0", "chat5": "5.0.2", "chat4": "4.1.0", "chat3": "3.4.0"}  # folders: of twilio-chat
CONVERSATIONS = {
    NEW_MESSAGE: "twilio.conversations.new_message",
    ADDED: "twilio.conversations.added_to_conversation",
    REMOVED: "twilio.conversations.removed_from_conversation",
}
TEXT = 'Allgemein;Alice: Grüße, "世界" 🎉'


@pytest.mark.parametrize("package", CHAT, ids=CHAT.values())
def test_chat_app_understands_its_pushes(package: str, about: About) -> None:
    """Of each kind and from either push service; each leads to the message that it is about.

    These SDKs throw at any push of Apple's without a text, so at a badge that has become smaller. iOS shows the number
    before any app is asked.
    """
    message = send_to_bob(about)
    pushes = [*shown(message, {kind: f"twilio.channel.{kind}" for kind in (NEW_MESSAGE, ADDED, INVITED, REMOVED)}, 0)]
    smaller = parcel(BADGE, message, 0, badge=1)

    whole = [*pushes, {"name": "a smaller badge", "payload": json.loads(apns(smaller)), "understood": None}]

    run_flow("flow-push.js", package, about=about, PUSHES=json.dumps(whole))


def test_conversations_app_understands_its_pushes(about: About) -> None:
    """The same by its own names; it has no invitations, and reads a badge that has become smaller."""
    needed = NEWER_NODE["flow-conversations.js"]
    if node_version() < needed:
        pytest.skip(f"the Conversations SDK needs Node {needed} or newer, here is {node_version()}")
    message = send_to_bob(about)
    smaller = parcel(BADGE, message, 1, badge=1)
    understood = {
        "type": "twilio.channel.consumption_update",
        "body": None,
        "title": None,
        "sound": None,
        "badge": 1,
        "action": None,
        "data": {"conversationSid": message["channel_sid"]},
    }

    whole = [
        *shown(message, CONVERSATIONS, 1),
        {"name": "a smaller badge", "payload": json.loads(apns(smaller)), "understood": understood},
    ]

    run_flow("flow-push.js", "conv3", about=about, PUSHES=json.dumps(whole))


def send_to_bob(about: About) -> Json:
    """A message in a channel that bob is in, the second one there: its index is not 0."""
    with about.server.client() as client:
        base = f"/v2/Services/{about.service_sid}/Channels"
        channel = post(client, base, FriendlyName="Allgemein")
        post(client, f"{base}/{channel['sid']}/Members", Identity="bob")
        post(client, f"{base}/{channel['sid']}/Messages", From="alice", Body="Hello")
        return post(client, f"{base}/{channel['sid']}/Messages", From="alice", Body="Hi, Bob")


def post(client: httpx.Client, path: str, **form: str) -> Json:
    made = client.post(path, data=form)
    assert made.is_success, made.text
    record: Json = made.json()
    return record


def shown(message: Json, types: dict[str, str], conversations: int) -> Iterator[Json]:
    """Pushes as an app gets them, of each kind and from either service, and what its SDK is to make of them."""
    for kind, type_ in types.items():
        for badge, sound in ((None, ""), (3, "ring.caf")):
            sent = parcel(kind, message, conversations, badge, sound)
            understood = {
                "type": type_,
                "body": TEXT,
                "title": None,
                "sound": sound or None,
                "badge": badge,
                "action": None,
                "data": data(kind, message, conversations),
            }
            about = f"{kind} with badge {badge} and sound {sound or None}"
            apple = json.loads(apns(sent))
            # What a browser is given of Google's message, and of the sender.
            google = {"data": json.loads(fcm(sent))["message"]["data"], "from": "378566212104"}
            yield {"name": f"{about}, by Apple", "payload": apple, "understood": understood}
            yield {"name": f"{about}, by Google", "payload": google, "understood": understood | {"badge": None}}


def data(kind: str, message: Json, conversations: int) -> Json:
    """Where the push leads: what the SDK hands the app apart from what is shown."""
    if conversations:
        where = {"conversationSid": message["channel_sid"], "conversationTitle": "Allgemein"}
    else:
        where = {"channelSid": message["channel_sid"]}
    if kind != NEW_MESSAGE:
        return where
    return where | {"messageSid": message["sid"], "messageIndex": message["index"]}


def parcel(kind: str, message: Json, conversations: int, badge: int | None = None, sound: str = "") -> Parcel:
    """A push of the event to a device, in words already."""
    is_message = kind == NEW_MESSAGE
    notice = Notice(
        sid=new_sid("NO"),
        account=1,
        service=1,
        service_sid=message["service_sid"],
        kind=kind,
        channel=1,
        channel_sid=message["channel_sid"],
        revision=1,
        user=None,
        author="alice",
        message_sid=message["sid"] if is_message else None,
        message_index=message["index"] if is_message else None,
        body=message["body"] if is_message else "",
        channel_title="" if kind == BADGE else "Allgemein",
        text=BADGE if kind == BADGE else TEXT,
        sound=sound,
        is_enabled=1,
        is_badged=1,
        is_logged=0,
        after="",
        due=0,
        date_created=0,
    )
    push = Push(
        sid=new_sid("RU"),
        notice=notice.sid,
        identity="bob",
        binding_sid=new_sid("BS"),
        binding_type="apn",
        credential_sid=new_sid("CR"),
        conversations=conversations,
        badge=badge,
        state=WAITING,
        reason=None,
        status=None,
        answer=None,
        attempts=0,
        due=0,
        expires=86_400_000,
        date_created=0,
        date_updated=0,
    )
    return Parcel(push, notice, "a-device")
