"""Names and SIDs of the Sync objects. Both follow from the SID of the channel or user that an object is part of.

A client subscribes again after a reconnect by SID alone, so each SID can be read back without a table:

    CH….channel     document  ET and the channel's digits
    CH….messages    list      ES and the channel's digits
    CH….roster      map       MP and the channel's digits
    US….info        map       MP and the user's digits
    US….myChannels  map       MP and the user's digits reversed; only its owner can open it
    US….session     list      ES and the user's digits; likewise
"""

from typing import NamedTuple

from hubbub.errors import ERRORS, Kind
from hubbub.sids import is_sid

ORIGIN = "https://cds.us1.twilio.com"  # the SDKs send the links back to us; only the first label is looked at


class Type(NamedTuple):
    """A type of object on the wire: its name, the prefix of its SIDs, its folder, what is said when one is missing.

    `key` is what its items are named by, and `item_missing` what is said when there is no such item.
    """

    name: str
    prefix: str
    folder: str
    missing: Kind
    key: str | None
    item_missing: Kind


DOCUMENT = Type("document", "ET", "Documents", ERRORS.DOCUMENT_NOT_FOUND, None, ERRORS.NOT_FOUND)
MAP = Type("map", "MP", "Maps", ERRORS.MAP_NOT_FOUND, "key", ERRORS.MAP_ITEM_NOT_FOUND)
LIST = Type("list", "ES", "Lists", ERRORS.LIST_NOT_FOUND, "index", ERRORS.LIST_ITEM_NOT_FOUND)
TYPES = {type_.name: type_ for type_ in (DOCUMENT, MAP, LIST)}


class Part(NamedTuple):
    """A part of a channel or a user, in the words of the table of events."""

    name: str
    type: Type
    owner: str  # the prefix of its owner's SID
    suffix: str


CHANNEL = Part("channel", DOCUMENT, "CH", "channel")
MESSAGES = Part("messages", LIST, "CH", "messages")
ROSTER = Part("roster", MAP, "CH", "roster")
MY_CHANNELS = Part("my_channels", MAP, "US", "myChannels")
INFO = Part("info", MAP, "US", "info")
SESSION = Part("session", LIST, "US", "session")  # where the older SDKs put their commands: see session_list
PARTS = {part.name: part for part in (CHANNEL, MESSAGES, ROSTER, MY_CHANNELS, INFO, SESSION)}
BY_SUFFIX = {(part.type, part.suffix): part for part in PARTS.values()}


class Object(NamedTuple):
    """One object: the part of an owner."""

    part: Part
    owner: str  # CH… or US…

    @property
    def sid(self) -> str:
        digits = self.owner[2:]
        return self.part.type.prefix + (digits[::-1] if self.part is MY_CHANNELS else digits)

    @property
    def unique_name(self) -> str:
        return f"{self.owner}.{self.part.suffix}"

    @property
    def url(self) -> str:
        return f"{ORIGIN}/v3/{self.part.type.folder}/{self.sid}"


def of_channel(sid: str) -> tuple[str, str, str]:
    """The unique names of a channel's document, messages and roster."""
    return f"{sid}.channel", f"{sid}.messages", f"{sid}.roster"


def find(type_: Type, name: str, user_sid: str) -> list[Object]:
    """What the user may mean by a SID or unique name: the SID of a map may be that of a roster or of a user's info."""
    if is_sid(name, type_.prefix):
        return by_digits(type_, name[2:], user_sid)
    owner, _, suffix = name.partition(".")
    part = BY_SUFFIX.get((type_, suffix))
    if part is None or not is_sid(owner, part.owner) or (part in {MY_CHANNELS, SESSION} and owner != user_sid):
        return []
    return [Object(part, owner)]


def by_digits(type_: Type, digits: str, user_sid: str) -> list[Object]:
    if type_ is DOCUMENT:
        return [Object(CHANNEL, f"CH{digits}")]
    if type_ is LIST:
        return [Object(SESSION, user_sid) if digits == user_sid[2:] else Object(MESSAGES, f"CH{digits}")]
    if digits[::-1] == user_sid[2:]:
        return [Object(MY_CHANNELS, user_sid)]
    if digits == user_sid[2:]:
        return [Object(INFO, user_sid)]
    return [Object(ROSTER, f"CH{digits}"), Object(INFO, f"US{digits}")]
