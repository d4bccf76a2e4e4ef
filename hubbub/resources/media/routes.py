"""The media service on the wire; not part of the published contract, see docs/media.md."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse

from hubbub.errors import ERRORS, ChatError
from hubbub.resources.media import actions
from hubbub.resources.media.model import SET, UNKNOWN_TYPE, Media, MediaSet, file_name, wire
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import Service
from hubbub.sids import is_sid
from hubbub.storage.files import CHUNK
from hubbub.web.call import Call
from hubbub.web.endpoint import Operations, read_body
from hubbub.web.params import Maybe
from hubbub.web.respond import Message, Receive, standing

operations = Operations()

FORM_AROUND_FILE = 64 * 1024
MULTIPART = "multipart/form-data"


@operations.create("/v1/Services/{ServiceSid}/Media", raw=True)
async def create_media(
    call: Call, service_sid: str, *, filename: Maybe[str] = UNSET, category: Maybe[str] = UNSET
) -> dict[str, Any]:
    if category and category != "media":
        raise ERRORS.INVALID_PARAMETER(name="Category")
    service = await access_service(call.chat, call.caller, service_sid)
    limit = call.chat.settings.media_size_limit_mb * 1_000_000
    request = Request(call.scope, bounded(call.receive, limit + FORM_AROUND_FILE))
    content_type = request.headers.get("content-type", UNKNOWN_TYPE)
    multipart = content_type.lower().startswith(MULTIPART)
    if int(request.headers.get("content-length", 0)) > limit + multipart * FORM_AROUND_FILE:
        raise ERRORS.TOO_LARGE(limit=f"{limit // 1_000_000} MB")
    try:
        if multipart:
            media = await upload_part(call, service, request, filename or None)
        else:
            chunks = request.stream()
            media = await actions.upload_media(call.chat, call.caller, service, chunks, content_type, filename or None)
    except ClientDisconnect as error:
        raise ERRORS.MALFORMED_REQUEST(reason="the upload ended early") from error
    except (MultiPartException, HTTPException) as error:
        raise ERRORS.MALFORMED_REQUEST(reason="the form cannot be read") from error
    return shown(call, media, service.account_sid)


def bounded(receive: Receive, limit: int) -> Receive:
    """The same body, which ends in ERRORS.TOO_LARGE past the limit: also of what declares no length."""
    size = 0

    async def count() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise ERRORS.TOO_LARGE(limit=f"{limit // 1_000_000} MB")
        return message

    return count


async def upload_part(call: Call, service: Any, request: Request, filename: str | None) -> Media:
    """The first file of a browser's form."""
    async with request.form(max_files=1) as form:
        part = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        if part is None:
            raise ERRORS.MALFORMED_REQUEST(reason="no file in the form")

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await part.read(CHUNK):
                yield chunk

        return await actions.upload_media(
            call.chat,
            call.caller,
            service,
            chunks(),
            part.content_type or UNKNOWN_TYPE,
            filename or part.filename,
        )


@operations.fetch("/v1/Services/{ServiceSid}/Media/{Sid}")
async def fetch_media(call: Call, service_sid: str, sid: str) -> dict[str, Any]:
    service = await access_service(call.chat, call.caller, service_sid)
    return shown(call, await actions.access_media(call.chat, call.caller, service, sid), service.account_sid)


@operations.fetch("/v1/Services/{ServiceSid}/Media/{Sid}/Content")
async def fetch_content(call: Call, service_sid: str, sid: str) -> StreamingResponse:
    service = await access_service(call.chat, call.caller, service_sid)
    return await content(call, await actions.access_media(call.chat, call.caller, service, sid))


@operations.fetch("/v1/Services/{ServiceSid}/Media/{Sid}/Content/Temporary", anonymous=True)
async def fetch_temporary(call: Call, service_sid: str, sid: str, *, expires: int, signature: str) -> StreamingResponse:
    return await content(call, await actions.access_media_by_link(call.chat, service_sid, sid, expires, signature))


@operations.update("/v1/Services/{ServiceSid}/MediaSet", raw=True)
async def fetch_media_set(call: Call, service_sid: str) -> list[dict[str, Any]]:
    service = await access_service(call.chat, call.caller, service_sid)
    try:
        asked = msgspec.json.decode(await read_body(call.receive), type=MediaSet)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ERRORS.MALFORMED_REQUEST(reason=f"not a list of at most {SET} media SIDs to get") from error
    return [await in_set(call, service, each.media_sid) for each in asked.list]


async def in_set(call: Call, service: Service, sid: str) -> dict[str, Any]:
    """Each with a code of its own: one that is not there takes no other with it."""
    try:
        if not is_sid(sid, "ME"):  # JSON may hold what no path can, such as a NUL
            raise ERRORS.NOT_FOUND()
        media = await actions.access_media(call.chat, call.caller, service, sid)
    except ChatError as error:
        return {"code": error.status, "media_record": {"sid": sid}}
    return {"code": 200, "media_record": shown(call, media, service.account_sid)}


def shown(call: Call, media: Media, account_sid: str) -> dict[str, Any]:
    seconds = call.chat.settings.media_link_seconds
    return wire(media, account_sid, call.origin, call.chat.vault, seconds)


async def content(call: Call, media: Media) -> StreamingResponse:
    """The bytes as they came. Nothing that a browser would run in our name: a sandbox, and no guessing of types."""
    response = StreamingResponse(await call.chat.files.read(file_name(media)))
    response.raw_headers = [
        (b"content-type", media.content_type.encode()),
        (b"content-length", b"%d" % media.size),
        (b"content-security-policy", b"sandbox; default-src 'none'"),
        (b"x-content-type-options", b"nosniff"),
        *standing(),
    ]
    return response
