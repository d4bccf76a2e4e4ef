"""What is pushed: a notice of each event, and a push for each device that is to show it."""

from typing import ClassVar

import msgspec

NEW_MESSAGE = "new_message"
ADDED = "added_to_channel"
INVITED = "invited_to_channel"
REMOVED = "removed_from_channel"
BADGE = "badge"  # nothing to show: the number on the app's icon has become smaller

LONGEST_TEXT = 178  # characters that are shown at most

WAITING = "waiting"  # for its first try
RETRYING = "retrying"  # failed for now
DELIVERED = "delivered"  # the push service has taken it
REFUSED = "refused"  # the push service's last word
DEAD = "dead"  # given up, or nothing that could be sent
LEFT_OUT = "left_out"  # somebody who might have expected it and was not to get it
STATES = (WAITING, RETRYING, DELIVERED, REFUSED, DEAD, LEFT_OUT)


class Notice(msgspec.Struct, gc=False):
    """An event that may be pushed, kept until nothing of it is left to send or to show."""

    JOINED: ClassVar[tuple[str, ...]] = ()

    sid: str  # NO…
    account: int
    service: int
    service_sid: str
    kind: str
    channel: int
    channel_sid: str
    revision: int  # of the channel, by the event
    user: int | None  # whom alone it is for; None: all members of the channel
    author: str  # the identity that caused it, which gets none; "system" for a back end
    message_sid: str | None
    message_index: int | None
    body: str  # the beginning of the message's, as at the event; empty where there is none
    channel_title: str  # this and what follows are filled in when it is spread over the devices
    text: str
    sound: str
    is_enabled: int  # whether the service pushes this kind
    is_badged: int  # whether the service has badge_count_enabled
    is_logged: int  # whether the service has log_enabled
    after: str | None  # the SID of the member up to whom it is spread; None: it is spread over all
    due: int  # when it is to be looked at next: to be spread, or to be removed
    date_created: int


class Push(msgspec.Struct, gc=False):
    """A notice on its way to one device, or the reason why there is none."""

    JOINED: ClassVar[tuple[str, ...]] = ()

    sid: str  # RU…, the payload's `twi_message_id`
    notice: str  # its SID
    identity: str  # empty: everybody
    binding_sid: str | None
    binding_type: str | None  # apn, fcm or gcm
    credential_sid: str | None
    conversations: int  # whether the device's app uses Conversations, which has other names for some things
    badge: int | None  # the number for the app's icon; None leaves it as it is
    state: str
    reason: str | None  # why left out, or why it did not arrive: a sentence
    status: int | None  # what the push service last answered
    answer: str | None  # and its own word for it, such as BadDeviceToken
    attempts: int
    due: int  # free to be sent from then on
    expires: int  # worth nothing from then on
    date_created: int
    date_updated: int


class Parcel(msgspec.Struct, gc=False):
    """All that sending takes."""

    push: Push
    notice: Notice
    address: str | None  # the device's token; None: it is not registered any more
