"""The text of a push: what a service's template, or the default one, makes of an event."""

import re

from hubbub.delivery.push.model import ADDED, INVITED, LONGEST_TEXT, NEW_MESSAGE, REMOVED
from hubbub.resources.channels.model import Channel
from hubbub.resources.users.model import User

DEFAULTS = {
    NEW_MESSAGE: "${CHANNEL};${USER}: ${MESSAGE}",
    ADDED: "You have been added to channel ${CHANNEL} by ${USER}",
    INVITED: "${USER} has invited you to join the channel ${CHANNEL}",
    REMOVED: "${USER} has removed you from the channel ${CHANNEL}",
}

VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")


def text_of(template: str | None, kind: str, channel: Channel, author: User | None, identity: str, body: str) -> str:
    """What the device shows for an event of one of the four kinds, cut to LONGEST_TEXT characters.

    `author` is the user of `identity`, None where there is none, as with "system": it has no SID then. A channel
    without a unique name goes by its friendly name, one without either by its SID, and no variable of it is ever empty.
    No template, or an empty one, is the kind's default. What looks like a variable and is none stays as it is written,
    so that whoever wrote it sees the mistake; values are not looked at for variables.
    """
    user = identity if author is None else author.friendly_name or identity
    unique_name = channel.unique_name or channel.friendly_name or channel.sid
    values = {
        "USER": user,
        "USER_FRIENDLY_NAME": user,
        "USER_IDENTITY": identity,
        "USER_SID": "" if author is None else author.sid,
        "CHANNEL": unique_name,
        "CHANNEL_FRIENDLY_NAME": title_of(channel),
        "CHANNEL_UNIQUE_NAME": unique_name,
        "CHANNEL_SID": channel.sid,
        "MESSAGE": body,
    }
    text = VARIABLE.sub(lambda found: values.get(found[1], found[0]), template or DEFAULTS[kind])
    return text[:LONGEST_TEXT]


def title_of(channel: Channel) -> str:
    """What to call the channel where people read it: a channel without any name by its SID."""
    return channel.friendly_name or channel.unique_name or channel.sid
