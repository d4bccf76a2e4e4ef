"""A media file: uploaded first, then attached to one message."""

import time
from typing import Annotated, Any, Literal

import msgspec

from hubbub.dates import iso
from hubbub.vault import Vault

CONTENT_TYPE = 256
FILENAME = 256
CATEGORY = "media"
SET = 100
UNKNOWN_TYPE = "application/octet-stream"


class Media(msgspec.Struct):
    service: int
    sid: str
    service_sid: str
    channel: int | None
    channel_sid: str | None
    message_sid: str | None
    size: int
    content_type: str
    filename: str | None
    author: str
    category: str
    date_created: int
    date_updated: int


class Named(msgspec.Struct):
    media_sid: str


class MediaSet(msgspec.Struct):
    """Several files by their SIDs, as the newer client SDKs ask for those of a message."""

    command: Literal["get"]
    list: Annotated[list[Named], msgspec.Meta(max_length=SET)]


def file_name(media: Media) -> str:
    """Where the bytes lie."""
    return f"{media.service_sid}/{media.sid}"


def in_message(media: Media) -> str:
    """The JSON that its message carries."""
    shown = {name: getattr(media, name) for name in ("sid", "size", "content_type", "filename")}
    return msgspec.json.encode(shown).decode()


def signature(vault: Vault, service_sid: str, sid: str, expires: int) -> str:
    return vault.sign(f"media:{service_sid}:{sid}:{expires}")


def wire(media: Media, account_sid: str, origin: str, vault: Vault, seconds: int) -> dict[str, Any]:
    """`content_direct_temporary` works without credentials for so many seconds."""
    here = f"{origin}/v1/Services/{media.service_sid}/Media/{media.sid}"
    expires = int(time.time()) + seconds
    proof = signature(vault, media.service_sid, media.sid, expires)
    return {
        "sid": media.sid,
        "account_sid": account_sid,
        "service_sid": media.service_sid,
        "channel_sid": media.channel_sid,
        "message_sid": media.message_sid,
        "date_created": iso(media.date_created),
        "date_updated": iso(media.date_updated),
        "date_upload_updated": iso(media.date_created),
        "size": media.size,
        "content_type": media.content_type,
        "filename": media.filename,
        "author": media.author,
        "category": media.category,
        "is_multipart_upstream": False,
        "url": here,
        "links": {
            "content": f"{here}/Content",
            "content_direct_temporary": f"{here}/Content/Temporary?Expires={expires}&Signature={proof}",
        },
    }
