"""What an operator can see of pushes and of the credentials that they are sent with."""

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import msgspec

from hubbub.chat import Chat
from hubbub.dates import iso_milliseconds
from hubbub.delivery.commands import MOST_LISTED, moment
from hubbub.delivery.push import payload
from hubbub.delivery.push.model import (
    ADDED,
    INVITED,
    LEFT_OUT,
    NEW_MESSAGE,
    REMOVED,
    RETRYING,
    STATES,
    WAITING,
    Parcel,
)
from hubbub.delivery.push.trace import sql
from hubbub.delivery.push.trace.sql import Entry, Filter, Scope
from hubbub.errors import ERRORS, ChatError
from hubbub.resources.credentials.keys import ApnsCertificate, ApnsToken, LegacyKey, read_apns, read_fcm
from hubbub.resources.credentials.model import Credential
from hubbub.resources.members.model import MUTED
from hubbub.resources.services.model import Notifications
from hubbub.sids import is_sid

KINDS = (NEW_MESSAGE, ADDED, INVITED, REMOVED)
MOST_SCOPES = 5
HIDDEN = "…"  # stands for the device's token

GOOD = "good"
STOPPED = "stopped"  # its push service has said that it takes nothing with it
UNUSABLE = "unusable"  # its keys are of no use, whatever the push service says

decode_notifications = msgspec.json.Decoder(Notifications).decode


async def wanted(chat: Chat, parsed: Namespace) -> Filter:
    """The filter that the command's options name. Raises ERRORS.INVALID_PARAMETER."""
    if parsed.state is not None and parsed.state not in STATES:
        raise ERRORS.INVALID_PARAMETER(name=f"--state: one of {', '.join(STATES)}")
    identity, service_sid = parsed.user, parsed.service
    if identity is not None and is_sid(identity, "US"):
        found = await sql.identity_of(chat.database, identity)
        if found is None:
            raise ERRORS.INVALID_PARAMETER(name=f"--user: there is no user {identity}")
        identity, service_sid = found[0], service_sid or found[1]
    return Filter(
        message_sid=parsed.message,
        channel_sid=parsed.channel,
        service_sid=service_sid,
        identity=identity,
        state=parsed.state,
        older=moment(chat, parsed.older, "--older"),
        newer=moment(chat, parsed.newer, "--newer"),
    )


async def list_pushes(chat: Chat, parsed: Namespace) -> list[dict[str, Any]]:
    """Raises ERRORS.INVALID_PARAMETER."""
    if not 1 <= parsed.limit <= MOST_LISTED:
        raise ERRORS.INVALID_PARAMETER(name=f"--limit: a number from 1 to {MOST_LISTED}")
    return [summary(entry) for entry in await sql.list_pushes(chat.database, await wanted(chat, parsed), parsed.limit)]


async def show_push(chat: Chat, parsed: Namespace) -> dict[str, Any]:
    """Raises ERRORS.NOT_FOUND."""
    found = await sql.list_pushes(chat.database, Filter(sid=parsed.sid), 1)
    if not found:
        raise ERRORS.NOT_FOUND()
    return wire(found[0])


async def list_credentials(chat: Chat, _: Namespace) -> list[dict[str, Any]]:
    """Every account's. Of the keys there is only told what they are."""
    return [
        credential_wire(chat, credential, account_sid, waiting)
        for credential, account_sid, waiting in await sql.list_credentials(chat.database)
    ]


# Why nothing is found.


async def why_none(chat: Chat, parsed: Namespace) -> list[str]:
    """For whoever looks for a push and finds none: what may be the reason, a sentence each."""
    asked = await wanted(chat, parsed)
    place = asked.only(*sql.SCOPES)
    if len(place.words) < len(asked.words) and await sql.list_pushes(chat.database, place, 1):
        return ["There are others, without --state, --older and --newer."]
    found = []
    if count := await sql.events_to_spread(chat.database, place):
        found.append(f"Events that are still to be spread over the devices: {count}. Look again while a server runs.")
    if place.words:
        scopes = await sql.scopes(chat.database, place, MOST_SCOPES)
        if not scopes:
            return ["There is no such message, channel, service or user: it was deleted, or never was."]
        for scope in scopes:
            found += settings_of(scope)
            if "identity" in place.words:
                found += await standing_of(chat, scope, str(place.words["identity"]))
    days = chat.settings.push_log_days
    found.append(
        "Kept are pushes that are under way or failed and, of services with Notifications.LogEnabled, those that "
        f"arrived or were left out; for {days} days. Settings count for what happens after they were set."
    )
    return found


def settings_of(scope: Scope) -> Iterator[str]:
    """What the service's settings leave out."""
    settings = decode_notifications(scope.notifications)
    kinds = KINDS if scope.author is None else (NEW_MESSAGE,)
    silent = [kind for kind in kinds if not settings.of(kind).enabled]
    if silent:
        yield f"The service {scope.service_sid} does not push {', '.join(silent)}."
    if not settings.log_enabled:
        yield f"The service {scope.service_sid} has Notifications.LogEnabled off."


async def standing_of(chat: Chat, scope: Scope, identity: str) -> list[str]:
    """What about the user keeps pushes away."""
    found = await sql.standing(chat.database, scope, identity)
    if found is None:
        return [f"The service {scope.service_sid} has no user {identity}."]
    reasons = []
    if not found.devices:
        reasons.append(f"{identity} has no device that is registered for pushes.")
    if scope.channel_sid is not None and found.notification_level is None:
        reasons.append(f"{identity} is no member of {scope.channel_sid}.")
    if found.notification_level == MUTED:
        reasons.append(f"{identity} has muted {scope.channel_sid}.")
    if scope.author == identity:
        reasons.append(f"{identity} is the message's author, who gets no push of it.")
    return reasons


# What is told of a push.


def summary(entry: Entry) -> dict[str, Any]:
    """A line of `hubbub push list`."""
    push, notice = entry.push, entry.notice
    return {
        "sid": push.sid,
        "state": push.state,
        "kind": notice.kind,
        "identity": push.identity or None,
        "binding_sid": push.binding_sid,
        "credential_sid": push.credential_sid,
        "channel_sid": notice.channel_sid,
        "message_sid": notice.message_sid,
        "status": push.status,
        "answer": push.answer,
        "reason": what_it_waits_for(entry) or push.reason,
        "attempts": push.attempts,
        "date_created": iso_milliseconds(push.date_created),
    }


def wire(entry: Entry) -> dict[str, Any]:
    """All that `hubbub push show` tells. A device's token is not among it."""
    push, notice = entry.push, entry.notice
    return summary(entry) | {
        "service_sid": notice.service_sid,
        "author": notice.author,
        "message_index": notice.message_index,
        "binding_type": push.binding_type,
        "is_registered": entry.is_registered,
        "credential": None if entry.credential is None else standing(entry.credential),
        "payload": payload_of(entry),
        "due": iso_milliseconds(due(entry)) if push.state == RETRYING else None,
        "expires": iso_milliseconds(push.expires),
        "date_updated": iso_milliseconds(push.date_updated),
    }


def what_it_waits_for(entry: Entry) -> str | None:
    """Why a push that is not sent yet is not going to be sent soon."""
    push, credential = entry.push, entry.credential
    if push.state not in {WAITING, RETRYING}:
        return None
    if credential is None:
        return f"The credential {push.credential_sid} was deleted: the push is given up within a minute."
    if credential.push_error is None:
        return None
    again = iso_milliseconds(credential.push_due)
    return f"It waits for the credential {credential.sid}, which is tried again at {again}: {credential.push_error}"


def due(entry: Entry) -> int:
    stopped_until = entry.credential.push_due if entry.credential else 0
    return max(entry.push.due, stopped_until)


def payload_of(entry: Entry) -> Any:
    """What is sent, or would have been; None where nothing was ever to be sent."""
    if entry.push.state == LEFT_OUT:
        return None
    encode = payload.apns if entry.push.binding_type == "apn" else payload.fcm
    return msgspec.json.decode(encode(Parcel(entry.push, entry.notice, HIDDEN)))


# What is told of a credential.


def standing(credential: Credential) -> dict[str, Any]:
    """What its push service has said of it."""
    stopped = credential.push_error is not None
    return {
        "sid": credential.sid,
        "type": credential.type,
        "friendly_name": credential.friendly_name,
        "sandbox": credential.sandbox,
        "state": STOPPED if stopped else GOOD,
        "reason": credential.push_error,
        "asked_again": iso_milliseconds(credential.push_due) if stopped else None,
    }


def credential_wire(chat: Chat, credential: Credential, account_sid: str, waiting: int) -> dict[str, Any]:
    """A line of `hubbub push credentials`."""
    keys, are_usable = describe(chat, credential)
    told = standing(credential) | {"keys": keys, "waiting": waiting, "account_sid": account_sid}
    return told if are_usable else told | {"state": UNUSABLE}


def describe(chat: Chat, credential: Credential) -> tuple[str, bool]:
    """What its keys are, without their secrets, and whether anything can be sent with them."""
    secrets = msgspec.json.decode(chat.vault.decrypt(credential.secrets), type=dict[str, str])
    try:
        keys = read_apns(secrets, chat.clock()) if credential.type == "apn" else read_fcm(secrets)
    except ChatError as error:
        return error.message, False
    if isinstance(keys, LegacyKey):
        return "a legacy server key, which Google takes no more", False
    if isinstance(keys, ApnsToken):
        return f"the token key {keys.key_id} of the team {keys.team_id} for {keys.topic}", True
    if isinstance(keys, ApnsCertificate):
        until = iso_milliseconds(keys.expires)[:10]
        return f"a certificate for {keys.topic or 'an app that it does not name'} until {until}", True
    return f"the service account {keys.client_email} of the project {keys.project_id}", True
