"""What can be done with media files."""

import hmac
import time
from collections.abc import AsyncIterator

from hubbub.chat import Caller, Chat
from hubbub.errors import ERRORS, ChatError
from hubbub.resources.channels.model import Place
from hubbub.resources.media import sql
from hubbub.resources.media.model import (
    CATEGORY,
    CONTENT_TYPE,
    FILENAME,
    Media,
    file_name,
    in_message,
    signature,
)
from hubbub.resources.permissions import standing
from hubbub.resources.services.model import Service
from hubbub.sids import is_sid, new_sid
from hubbub.storage.database import Reader, Transaction


async def access_media(chat: Chat, caller: Caller, service: Service, sid: str) -> Media:
    """Raises ERRORS.NOT_FOUND. An end user sees what it uploaded, and what was sent to the channels that it is in."""
    media = await sql.get_media(chat.database, service.key, sid)
    if media is None:
        raise ERRORS.NOT_FOUND()
    if caller.identity is not None and caller.identity != media.author:
        if media.channel is None:
            raise ERRORS.NOT_FOUND()
        if (await standing(chat.database, caller.identity, media.channel)).member_sid is None:
            raise ERRORS.NOT_FOUND()
    return media


async def access_media_by_link(chat: Chat, service_sid: str, sid: str, expires: int, proof: str) -> Media:
    """The file behind a signed temporary link. Raises ERRORS.NOT_FOUND when it expired or was tampered with."""
    expected = signature(chat.vault, service_sid, sid, expires)
    if expires < time.time() or not hmac.compare_digest(expected.encode(), proof.encode()):
        raise ERRORS.NOT_FOUND()
    media = await sql.media_of_link(chat.database, service_sid, sid)
    if media is None:
        raise ERRORS.NOT_FOUND()
    return media


async def upload_media(
    chat: Chat,
    caller: Caller,
    service: Service,
    chunks: AsyncIterator[bytes],
    content_type: str,
    filename: str | None,
) -> Media:
    """Store what arrives, streamed to disk and never held whole. Raises ERRORS.TOO_LARGE over the limit."""
    if len(content_type) > CONTENT_TYPE or not (content_type.isascii() and content_type.isprintable()):
        raise ERRORS.INVALID_PARAMETER(name="Content-Type")
    if filename is not None and len(filename) > FILENAME:
        raise ERRORS.INVALID_PARAMETER(name="Filename")
    moment = chat.clock()
    media = Media(
        service=service.key,
        sid=new_sid("ME"),
        service_sid=service.sid,
        channel=None,
        channel_sid=None,
        message_sid=None,
        size=0,
        content_type=content_type,
        filename=filename or None,
        author=caller.author,
        category=CATEGORY,
        date_created=moment,
        date_updated=moment,
    )
    limit = chat.settings.media_size_limit_mb * 1_000_000
    media.size = await chat.files.write(file_name(media), chunks, limit)
    try:
        async with chat.transaction() as tx:
            await sql.add_media(tx, media)
    except ChatError:
        await chat.files.delete(file_name(media))
        raise
    return media


async def describe_media(chat: Chat, caller: Caller, place: Place, sid: str) -> str:
    """The JSON that a message with this file would carry. Raises as `attach_media`, which has the last word."""
    media = await find_media(chat.database, caller, place, sid)
    if media.message_sid is not None:
        raise ERRORS.MEDIA_ALREADY_SENT()
    return in_message(media)


async def find_media(reader: Reader, caller: Caller, place: Place, sid: str) -> Media:
    """An end user has the files that it uploaded. Raises ERRORS.INVALID_MEDIA_SID or ERRORS.MEDIA_NOT_FOUND."""
    if not is_sid(sid, "ME"):
        raise ERRORS.INVALID_MEDIA_SID()
    media = await sql.get_media(reader, place.service, sid)
    if media is None or caller.identity not in {None, media.author}:
        raise ERRORS.MEDIA_NOT_FOUND()
    return media


async def attach_media(
    tx: Transaction, caller: Caller, place: Place, message_sid: str, media_sid: str, moment: int
) -> str:
    """Give the file to a message, once; the JSON that the message carries.

    Raises ERRORS.INVALID_MEDIA_SID, ERRORS.MEDIA_NOT_FOUND or ERRORS.MEDIA_ALREADY_SENT.
    """
    media = await find_media(tx, caller, place, media_sid)
    if not await sql.attach(tx, media, place.key, place.sid, message_sid, moment):
        raise ERRORS.MEDIA_ALREADY_SENT()
    return in_message(media)
