"""What is sent to a device: the JSON that Apple and Google pass on, by the names that the apps' SDKs read.

Names without a value are left out. There is no title and no action in either: the services have no setting for them,
and the text of a push names the channel.
"""

from typing import Any

import msgspec

from hubbub.delivery.push.model import ADDED, BADGE, INVITED, NEW_MESSAGE, REMOVED, Parcel

MOST = 4096  # bytes that either service passes on

CHANNEL_TYPES = {
    NEW_MESSAGE: "twilio.channel.new_message",
    ADDED: "twilio.channel.added_to_channel",
    INVITED: "twilio.channel.invited_to_channel",
    REMOVED: "twilio.channel.removed_from_channel",
    BADGE: "twilio.channel.consumption_update",
}
# Conversations have no invitations, and the reading of them has kept its name.
CONVERSATION_TYPES = CHANNEL_TYPES | {
    NEW_MESSAGE: "twilio.conversations.new_message",
    ADDED: "twilio.conversations.added_to_conversation",
    REMOVED: "twilio.conversations.removed_from_conversation",
}

encode = msgspec.json.Encoder().encode


def apns(parcel: Parcel) -> bytes:
    """The payload for APNs, to be sent with the push type "alert".

    A sound only where the service has set one: without it the device shows the text in silence, as with Twilio.

    A BADGE has the number and nothing that is shown or heard; iOS writes it on the icon by itself. It is no background
    notification, so without `content-available`: Apple wants no badge in those, holds back all but a few an hour, and
    brings none to an app that its user has closed.
    """
    notice, badge = parcel.notice, parcel.push.badge
    aps: dict[str, Any] = {}
    if notice.kind != BADGE:
        aps["alert"] = notice.text
        if notice.sound:
            aps["sound"] = notice.sound
    if badge is not None:
        aps["badge"] = badge
    return encode(fit({"aps": aps} | details(parcel)))


def fcm(parcel: Parcel) -> bytes:
    """The body of FCM's v1 request, with nothing but data: the app shows it, as it does with Twilio's.

    No `collapse_key`: of messages that have one Google keeps only the last for a device that is offline, keeps those
    of four channels at most, and holds back all but twenty at once and one in three minutes.
    """
    push, notice = parcel.push, parcel.notice
    data = details(parcel)
    if notice.kind != BADGE:
        data |= named(twi_body=notice.text, twi_sound=notice.sound)
    seconds = max(0, push.expires - push.date_updated) // 1000  # since it was last tried, if it was
    message = {
        "token": parcel.address,
        "data": fit(data),
        "android": {"priority": "high", "ttl": f"{seconds}s"},
        "webpush": {"headers": {"TTL": str(seconds), "Urgency": "high"}},
    }
    return encode({"message": message})


def details(parcel: Parcel) -> dict[str, str]:
    """What the app learns of the event; all strings, since Google takes no others. The index is one with Apple, too."""
    push, notice = parcel.push, parcel.notice
    sid, title = notice.channel_sid, notice.channel_title
    if push.conversations:
        type_ = CONVERSATION_TYPES[notice.kind]
        channel = named(conversation_sid=sid, conversation_title=title)
    else:
        type_ = CHANNEL_TYPES[notice.kind]
        channel = named(channel_sid=sid, channel_id=sid, channel_title=title)
    return named(twi_message_type=type_, twi_message_id=push.sid) | channel | event(parcel)


def event(parcel: Parcel) -> dict[str, str]:
    """Who caused it, and the message. A BADGE tells neither: there is nothing to open."""
    notice = parcel.notice
    if notice.kind == BADGE:
        return {}
    if notice.message_sid is None:
        return named(author=notice.author)
    older = {} if parcel.push.conversations else named(message_id=notice.message_sid)
    index = named(message_sid=notice.message_sid, message_index=str(notice.message_index))
    return named(author=notice.author) | older | index


def named(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def fit(payload: dict[str, Any]) -> dict[str, Any]:
    """Without what it can do without, as far as it is too long.

    Only names that are all emoji or control characters bring it there. The title goes first, which the text has as
    well; an author goes as a whole, since half an identity is somebody else's.
    """
    for name in ("channel_title", "conversation_title", "author"):
        if len(encode(payload)) <= MOST:
            break
        payload.pop(name, None)
    return payload
