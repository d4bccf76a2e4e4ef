"""What of an event may be pushed: decided in the event's own transaction, from the service's settings."""

from collections.abc import Iterable

from hubbub.chat import SYSTEM, Emitted
from hubbub.delivery.push.model import BADGE, INVITED, LONGEST_TEXT, NEW_MESSAGE, Notice
from hubbub.events import MESSAGE_REMOVED
from hubbub.resources.messages.model import Message
from hubbub.resources.services.model import (
    Notifications,
    Service,
    compatibility_message,
    notifications,
)
from hubbub.sids import new_sid


def may_push(each: Emitted) -> bool:
    """Whether the event is of a kind that services push. A user that is deleted has no devices left to tell."""
    return (each.event.push is not None or each.event.fewer) and each.channel is not None


def notices_of(each: Emitted, service: Service, moment: int) -> Iterable[Notice]:
    """The event's notices, at most one of each kind; none where the service neither pushes nor logs them."""
    wanted = notifications(service)
    kind = each.event.push
    if kind is not None and (wanted.log_enabled or wanted.of(kind).enabled):
        yield notice(each, kind, service, wanted, moment)
    if each.event.fewer and shows_badges(wanted):
        yield notice(each, BADGE, service, wanted, moment)


def shows_badges(wanted: Notifications) -> bool:
    return wanted.new_message.enabled and wanted.new_message.badge_count_enabled


def notice(each: Emitted, kind: str, service: Service, wanted: Notifications, moment: int) -> Notice:
    record = each.record
    is_message = kind == NEW_MESSAGE
    for_all = is_message or each.event is MESSAGE_REMOVED
    return Notice(
        sid=new_sid("NO"),
        account=service.account,
        service=service.key,
        service_sid=service.sid,
        kind=kind,
        channel=each.channel.key,
        channel_sid=each.channel.sid,
        revision=record.revision if for_all else 0,
        user=None if for_all else record.user,
        author=author(each, kind),
        message_sid=record.sid if for_all else None,
        message_index=record.index if for_all else None,
        body=body(record, service) if is_message else "",
        channel_title="",
        text="",
        sound="",
        is_enabled=int(kind == BADGE or wanted.of(kind).enabled),
        is_badged=int(shows_badges(wanted)),
        is_logged=int(wanted.log_enabled),
        after="",
        due=moment,
        date_created=moment,
    )


def author(each: Emitted, kind: str) -> str:
    """Who is named in the text, and gets none."""
    if kind == NEW_MESSAGE:
        return str(each.record.from_)
    if kind == INVITED:
        return str(each.record.created_by)
    return each.caller.identity or SYSTEM


def body(message: Message, service: Service) -> str:
    """As much of the text as can be shown; that of a file without text is the service's own."""
    text = message.body
    if message.media is not None and not text:
        text = compatibility_message(service)
    return text[:LONGEST_TEXT]
