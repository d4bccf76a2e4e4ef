"""An invite: a user may join a channel; it is gone once it was used, declined or revoked."""

from typing import Any

import msgspec

from hubbub.dates import iso
from hubbub.resources.channels.model import Channel, channel_url


class Invite(msgspec.Struct):
    channel: int
    sid: str
    user: int
    channel_sid: str
    identity: str
    role_sid: str
    created_by: str
    date_created: int
    date_updated: int
    user_revision: int
    user_added: int | None = None  # the first of them, where the end took its place


def wire(invite: Invite, channel: Channel, origin: str) -> dict[str, Any]:
    return {
        "sid": invite.sid,
        "account_sid": channel.account_sid,
        "channel_sid": channel.sid,
        "service_sid": channel.service_sid,
        "identity": invite.identity,
        "role_sid": invite.role_sid,
        "created_by": invite.created_by,
        "date_created": iso(invite.date_created),
        "date_updated": iso(invite.date_updated),
        "url": f"{channel_url(origin, channel)}/Invites/{invite.sid}",
    }
