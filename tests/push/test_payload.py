"""What is sent to a device, for each kind of event, each push service and either family of SDKs."""

from typing import Any

import msgspec
import pytest

from hubbub.delivery.push.model import ADDED, BADGE, INVITED, NEW_MESSAGE, REMOVED, WAITING, Notice, Parcel, Push
from hubbub.delivery.push.payload import MOST, apns, fcm

CHANNEL_SID = "CH" + "c" * 32
MESSAGE_SID = "IM" + "e" * 32
PUSH_SID = "RU" + "d" * 32
DAY = 24 * 3600 * 1000

TYPES = {
    (NEW_MESSAGE, 0): "twilio.channel.new_message",
    (ADDED, 0): "twilio.channel.added_to_channel",
    (INVITED, 0): "twilio.channel.invited_to_channel",
    (REMOVED, 0): "twilio.channel.removed_from_channel",
    (BADGE, 0): "twilio.channel.consumption_update",
    (NEW_MESSAGE, 1): "twilio.conversations.new_message",
    (ADDED, 1): "twilio.conversations.added_to_conversation",
    (INVITED, 1): "twilio.channel.invited_to_channel",
    (REMOVED, 1): "twilio.conversations.removed_from_conversation",
    (BADGE, 1): "twilio.channel.consumption_update",
}
SHOWN = [key for key in TYPES if key[0] != BADGE]


def parcel(kind: str = NEW_MESSAGE, conversations: int = 0, badge: int | None = None, **changes: Any) -> Parcel:
    """Of an event in the channel General; `changes` are the notice's."""
    is_message = kind == NEW_MESSAGE
    notice = Notice(
        sid="NO" + "f" * 32,
        account=1,
        service=1,
        service_sid="IS" + "b" * 32,
        kind=kind,
        channel=1,
        channel_sid=CHANNEL_SID,
        revision=1,
        user=None,
        author="alice",
        message_sid=MESSAGE_SID if is_message else None,
        message_index=7 if is_message else None,
        body="Hi" if is_message else "",
        channel_title="" if kind == BADGE else "General",
        text=BADGE if kind == BADGE else "General;Alice: Hi",
        sound="",
        is_enabled=1,
        is_badged=1,
        is_logged=0,
        after="",
        due=0,
        date_created=0,
    )
    push = Push(
        sid=PUSH_SID,
        notice=notice.sid,
        identity="bob",
        binding_sid="BS" + "a" * 32,
        binding_type="apn",
        credential_sid="CR" + "a" * 32,
        conversations=conversations,
        badge=badge,
        state=WAITING,
        reason=None,
        status=None,
        answer=None,
        attempts=0,
        due=0,
        expires=1_000 + DAY,
        date_created=1_000,
        date_updated=1_000,
    )
    return Parcel(push, msgspec.structs.replace(notice, **changes), "a-device")


def details(kind: str, conversations: int) -> dict[str, str]:
    """What the app is told beside the text."""
    told = {"twi_message_type": TYPES[kind, conversations], "twi_message_id": PUSH_SID}
    if conversations:
        told |= {"conversation_sid": CHANNEL_SID}
    else:
        told |= {"channel_sid": CHANNEL_SID, "channel_id": CHANNEL_SID}
    if kind != BADGE:
        told |= {"author": "alice", "conversation_title" if conversations else "channel_title": "General"}
    if kind == NEW_MESSAGE:
        told |= {"message_sid": MESSAGE_SID, "message_index": "7"}
        told |= {} if conversations else {"message_id": MESSAGE_SID}
    return told


def sent(payload: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(payload)
    return decoded


def data_of(payload: bytes) -> dict[str, str]:
    data: dict[str, str] = sent(payload)["message"]["data"]
    return data


@pytest.mark.parametrize(("kind", "conversations"), SHOWN)
def test_apple_is_told_the_text_and_the_event(kind: str, conversations: int) -> None:
    whole = sent(apns(parcel(kind, conversations)))

    assert whole == {"aps": {"alert": "General;Alice: Hi"}} | details(kind, conversations)


@pytest.mark.parametrize(("kind", "conversations"), SHOWN)
def test_google_is_told_the_text_and_the_event(kind: str, conversations: int) -> None:
    whole = sent(fcm(parcel(kind, conversations)))

    assert whole == {
        "message": {
            "token": "a-device",
            "data": {"twi_body": "General;Alice: Hi"} | details(kind, conversations),
            "android": {"priority": "high", "ttl": "86400s"},
            "webpush": {"headers": {"TTL": "86400", "Urgency": "high"}},
        }
    }


@pytest.mark.parametrize("conversations", [0, 1])
@pytest.mark.parametrize("badge", [0, 3])
def test_badge_is_a_number_and_nothing_that_is_shown_or_heard(badge: int, conversations: int) -> None:
    """Nor one that wakes the app. The message that was removed is none to open."""
    removed = parcel(BADGE, conversations, badge, sound="ring", message_sid=MESSAGE_SID, message_index=7)

    assert sent(apns(removed)) == {"aps": {"badge": badge}} | details(BADGE, conversations)


def test_google_is_told_no_text_of_a_badge() -> None:
    assert data_of(fcm(parcel(BADGE))) == details(BADGE, 0)


@pytest.mark.parametrize("badge", [0, 12])
def test_message_has_the_badge_with_apple_only(badge: int) -> None:
    assert sent(apns(parcel(badge=badge)))["aps"] == {"alert": "General;Alice: Hi", "badge": badge}
    assert "badge" not in fcm(parcel(badge=badge)).decode()


@pytest.mark.parametrize("conversations", [0, 1])
def test_sound_is_what_the_service_has_set(conversations: int) -> None:
    """Without one there is none, see the two tests above."""
    loud = parcel(conversations=conversations, sound="ring.caf")

    assert sent(apns(loud))["aps"]["sound"] == "ring.caf"
    assert data_of(fcm(loud))["twi_sound"] == "ring.caf"


def test_first_message_of_a_channel_has_its_index() -> None:
    assert sent(apns(parcel(message_index=0)))["message_index"] == "0"
    assert data_of(fcm(parcel(message_index=0)))["message_index"] == "0"


@pytest.mark.parametrize(("expires", "seconds"), [(1_000, 0), (2_999, 1), (0, 0), (1_000 + 28 * DAY, 2_419_200)])
def test_google_keeps_it_until_it_expires(expires: int, seconds: int) -> None:
    """In whole seconds, none less than zero."""
    late = parcel()
    late.push.expires = expires

    message = sent(fcm(late))["message"]

    assert message["android"]["ttl"] == f"{seconds}s"
    assert message["webpush"]["headers"]["TTL"] == str(seconds)


@pytest.mark.parametrize(("kind", "conversations"), TYPES)
def test_google_is_told_strings_only_and_no_word_of_its_own(kind: str, conversations: int) -> None:
    """It refuses data with anything else, and with the names from, message_type, google… and gcm…"""
    data = data_of(fcm(parcel(kind, conversations, 3, sound="ring")))

    assert all(isinstance(value, str) and value for value in data.values())
    assert not {"from", "message_type", "notification"} & set(data)
    assert not [name for name in data if name.startswith(("google", "gcm"))]


def test_text_passes_as_it_is() -> None:
    text = 'Grüße, "世界" 🎉\n\\'

    assert sent(apns(parcel(text=text)))["aps"]["alert"] == text
    assert data_of(fcm(parcel(text=text)))["twi_body"] == text


@pytest.mark.parametrize("conversations", [0, 1])
@pytest.mark.parametrize("letter", ["x", "世", "🎉", '"', "\x01"])
def test_longest_names_do_not_bring_it_over_the_limit(letter: str, conversations: int) -> None:
    """The text and who is told are never cut, whatever the bytes of the longest that each may be."""
    names = {"author": letter * 256, "channel_title": letter * 256, "sound": letter * 256}
    longest = parcel(NEW_MESSAGE, conversations, 10**9, text=letter * 178, message_index=2**63 - 1, **names)

    whole = apns(longest)
    data = data_of(fcm(longest))

    assert len(whole) <= MOST
    assert len(msgspec.json.encode(data)) <= MOST
    assert sent(whole)["aps"] == {"alert": letter * 178, "sound": letter * 256, "badge": 10**9}
    assert (data["twi_body"], data["twi_sound"]) == (letter * 178, letter * 256)
    kept = details(NEW_MESSAGE, conversations) | {"message_index": str(2**63 - 1)}
    for name in ("author", "channel_title", "conversation_title"):
        kept.pop(name, None)
    for told in (sent(whole), data):
        assert kept.items() <= told.items()
        assert told.get("author", letter * 256) == letter * 256


def test_names_of_the_usual_bytes_are_all_there() -> None:
    """As long as they may be, in any language; a sound is the short name of a file."""
    longest = parcel(text="世" * 178, author="世" * 256, channel_title="世" * 256, sound="default", badge=5)

    for told in (sent(apns(longest)), data_of(fcm(longest))):
        assert (told["author"], told["channel_title"]) == ("世" * 256, "世" * 256)


def test_title_goes_before_the_author() -> None:
    """The text names the channel as well."""
    longer = parcel(text="🎉" * 178, author="🎉" * 256, channel_title="🎉" * 256, sound="🎉" * 256)
    told = sent(apns(longer))

    assert "channel_title" not in told
    assert told["author"] == "🎉" * 256
