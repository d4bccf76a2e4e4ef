"""A mutation: a change that its app has named, so that it happens once however often it is asked for."""

from hashlib import blake2b

import msgspec

from hubbub.storage.database import Contention

HOURS = 6  # for an app that was without network; the SDKs themselves give up after a minute
LIFETIME = HOURS * 3_600_000
DIGEST = 16


class Mutation(msgspec.Struct, frozen=True, gc=False):
    user: int
    id: str
    subject: str  # the SID of what was made; empty where nothing was
    expires: int


class Repeated(Contention):
    """The change has happened already; nothing was stored, and whoever looks again finds it."""


def digest(name: str, *given_to: str) -> str:
    """The name together with what it was given to: one that is used for two different things names both."""
    return blake2b("\n".join((*given_to, name)).encode(), digest_size=DIGEST).hexdigest()
