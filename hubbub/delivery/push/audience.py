"""Who is told of a notice, on which devices and with which credential, and why others are not; pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hubbub.delivery.push.model import NEW_MESSAGE, Notice
from hubbub.resources.bindings.model import Binding
from hubbub.resources.credentials.model import Credential
from hubbub.resources.members.model import MUTED

PLATFORM = {"apn": "apn", "fcm": "fcm", "gcm": "fcm"}


class Candidate(NamedTuple):
    """A user who might expect a push, and what the reference says of it."""

    user: int
    identity: str
    notification_level: str
    bindings: list[Binding]


def grouped(rows: Iterable[Sequence[Any]]) -> Iterator[Candidate]:
    """One for each user, whose rows follow each other."""
    candidate: Candidate | None = None
    for _, user, identity, notification_level, *device in rows:
        if candidate is None or candidate.user != user:
            if candidate is not None:
                yield candidate
            candidate = Candidate(user, identity, notification_level, [])
        if device[0] is not None:
            candidate.bindings.append(Binding(*device))
    if candidate is not None:
        yield candidate


def why_not(notice: Notice, candidate: Candidate) -> str | None:
    """Why the user gets no push of the event."""
    if candidate.identity == notice.author:
        return "It is the user's own doing." if notice.kind != NEW_MESSAGE else "The user is the author."
    if notice.kind == NEW_MESSAGE and candidate.notification_level == MUTED:
        return "The user has muted the channel."
    if not candidate.bindings:
        return "The user has no device that is registered for pushes."
    return None


def credential_for(binding: Binding, credentials: list[Credential]) -> Credential | str:
    """What the device is pushed to with: what it registered with, else one of its type; or why nothing will do.

    Of several the newest that its push service takes. A device that registered for Google's old service is reached
    through the new one: both take the same tokens.
    """
    if binding.credential_sid:
        found = next((each for each in credentials if each.sid == binding.credential_sid), None)
        if found is None:
            return f"The credential {binding.credential_sid} was deleted."
        if PLATFORM[found.type] != PLATFORM[binding.binding_type]:
            return f"The credential {found.sid} is for {found.type}, the device for {binding.binding_type}."
        return found
    fitting = [each for each in credentials if PLATFORM[each.type] == PLATFORM[binding.binding_type]]
    if not fitting:
        return f"There is no credential for {binding.binding_type}."
    return min(fitting, key=lambda each: (each.push_error is not None, each.type != binding.binding_type))
