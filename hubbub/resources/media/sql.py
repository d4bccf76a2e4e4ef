"""Statements on media files. A deleted one keeps its row until its file is gone."""

from hubbub.resources.media.model import Media
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.statements import columns, insert, stored


async def add_media(tx: Transaction, media: Media) -> None:
    await tx.fetch_one(insert("media", Media), *stored(media))


async def get_media(reader: Reader, service: int, sid: str) -> Media | None:
    sql = f"SELECT {columns(Media)} FROM media WHERE service = $1 AND sid = $2 AND deleted = 0"
    row = await reader.fetch_one(sql, service, sid)
    return Media(*row) if row else None


async def media_of_link(reader: Reader, service_sid: str, sid: str) -> Media | None:
    """For a signed link, which names no account."""
    row = await reader.fetch_one(
        f"SELECT {columns(Media, 'm')} FROM media m JOIN services s ON s.key = m.service "
        "WHERE s.sid = $1 AND s.deleted = 0 AND m.sid = $2 AND m.deleted = 0",
        service_sid,
        sid,
    )
    return Media(*row) if row else None


async def attach(
    tx: Transaction, media: Media, channel: int, channel_sid: str, message_sid: str, date_updated: int
) -> bool:
    """False when another message has it already."""
    row = await tx.fetch_one(
        "UPDATE media SET channel = $3, channel_sid = $4, message_sid = $5, date_updated = $6 "
        "WHERE service = $1 AND sid = $2 AND message_sid IS NULL AND deleted = 0 RETURNING sid",
        media.service,
        media.sid,
        channel,
        channel_sid,
        message_sid,
        date_updated,
    )
    return row is not None


async def mark_message_deleted(tx: Transaction, service: int, message_sid: str) -> None:
    await tx.fetch_all(
        "UPDATE media SET deleted = 1 WHERE service = $1 AND message_sid = $2 RETURNING sid",
        service,
        message_sid,
    )


async def mark_channel_deleted(tx: Transaction, channel: int) -> None:
    await tx.fetch_all("UPDATE media SET deleted = 1 WHERE channel = $1 RETURNING sid", channel)


async def mark_service_deleted(tx: Transaction, service: int) -> None:
    await tx.fetch_all("UPDATE media SET deleted = 1 WHERE service = $1 AND deleted = 0 RETURNING sid", service)


async def media_to_sweep(reader: Reader, most: int) -> list[Media]:
    sql = f"SELECT {columns(Media)} FROM media WHERE deleted = 1 ORDER BY service, sid LIMIT $1"
    return [Media(*row) for row in await reader.fetch_all(sql, most)]


async def purge_media(tx: Transaction, media: Media) -> None:
    sql = "DELETE FROM media WHERE service = $1 AND sid = $2 RETURNING sid"
    await tx.fetch_one(sql, media.service, media.sid)
