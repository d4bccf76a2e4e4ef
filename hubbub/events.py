"""THE table of events: what a change in the chat means to those who listen.

An action emits a row with the record; the row says which of the client SDK's objects change, which
service-level webhooks bracket it, which push notification it may cause and who hears it.
"""

from enum import Enum
from typing import NamedTuple


class Hears(Enum):
    """Who is told of an event in real time."""

    CHANNEL = "channel"  # whoever has subscribed to the channel's objects
    USER = "user"  # the user's own devices
    SERVICE = "service"  # whoever has subscribed to the user's info


class Event(NamedTuple):
    """One row: its name, the SDK objects that change, the webhooks before and after, the push, the hearers.

    `fewer` says that users may have fewer channels with unread messages afterwards, which the app's icon shows.
    """

    name: str
    objects: tuple[str, ...]
    webhook_before: str | None
    webhook_after: str | None
    push: str | None
    hears: Hears
    fewer: bool = False


CHANNEL_ADDED = Event("channel_added", (), "onChannelAdd", "onChannelAdded", None, Hears.CHANNEL)
CHANNEL_UPDATED = Event("channel_updated", ("channel",), "onChannelUpdate", "onChannelUpdated", None, Hears.CHANNEL)
CHANNEL_DESTROYED = Event(
    "channel_destroyed",
    ("channel", "messages", "roster"),
    "onChannelDestroy",
    "onChannelDestroyed",
    None,
    Hears.CHANNEL,
)
MESSAGE_SENT = Event(
    "message_sent", ("messages", "channel"), "onMessageSend", "onMessageSent", "new_message", Hears.CHANNEL
)
MEDIA_MESSAGE_SENT = Event(
    "media_message_sent",
    ("messages", "channel"),
    "onMediaMessageSend",
    "onMediaMessageSent",
    "new_message",
    Hears.CHANNEL,
)
MESSAGE_UPDATED = Event("message_updated", ("messages",), "onMessageUpdate", "onMessageUpdated", None, Hears.CHANNEL)
MESSAGE_REMOVED = Event(
    "message_removed",
    ("messages", "channel"),
    "onMessageRemove",
    "onMessageRemoved",
    None,
    Hears.CHANNEL,
    fewer=True,
)
MEMBER_ADDED = Event(
    "member_added",
    ("roster", "my_channels"),
    "onMemberAdd",
    "onMemberAdded",
    "added_to_channel",
    Hears.CHANNEL,
)
MEMBER_UPDATED = Event(
    "member_updated",
    ("roster", "my_channels"),
    "onMemberUpdate",
    "onMemberUpdated",
    None,
    Hears.CHANNEL,
    fewer=True,
)
MEMBER_REMOVED = Event(
    "member_removed",
    ("roster", "my_channels"),
    "onMemberRemove",
    "onMemberRemoved",
    "removed_from_channel",
    Hears.CHANNEL,
    fewer=True,
)
# The notification level is the user's own affair: no webhook, no other member hears of it.
USER_CHANNEL_UPDATED = Event("user_channel_updated", ("my_channels",), None, None, None, Hears.USER)
# A channel that is deleted goes from each member's list, with no word of it to the others: they lose it, too.
USER_CHANNEL_REMOVED = Event("user_channel_removed", ("my_channels",), None, None, None, Hears.USER, fewer=True)
INVITE_ADDED = Event("invite_added", ("my_channels",), None, None, "invited_to_channel", Hears.USER)
INVITE_REMOVED = Event("invite_removed", ("my_channels",), None, None, None, Hears.USER)
USER_ADDED = Event("user_added", (), None, "onUserAdded", None, Hears.SERVICE)
USER_UPDATED = Event("user_updated", ("info",), "onUserUpdate", "onUserUpdated", None, Hears.SERVICE)
# Whether the user is connected or can be pushed to: nothing that a webhook tells.
USER_REACHED = Event("user_reached", ("info",), None, None, None, Hears.SERVICE)
USER_REMOVED = Event("user_removed", ("my_channels", "info"), None, None, None, Hears.SERVICE)

EVENTS: tuple[Event, ...] = tuple(row for row in list(globals().values()) if isinstance(row, Event))

# The 23 names that a service's WebhookFilters accept.
WEBHOOKS = tuple(hook for row in EVENTS for hook in (row.webhook_before, row.webhook_after) if hook is not None)

# Channel webhooks fire after the fact, on what concerns one channel that exists already.
CHANNEL_WEBHOOKS = tuple(
    row.webhook_after
    for row in EVENTS
    if row.webhook_after is not None and row.hears is Hears.CHANNEL and row is not CHANNEL_ADDED
)
