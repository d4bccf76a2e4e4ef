"""Statements on messages."""

from typing import Any

from hubbub.resources.messages.model import Message
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import assignments, columns, insert, stored

OF_CHANNEL = {
    order: Listing(Message, "messages WHERE channel = $1 AND deleted = 0", '"index"', descending=order == "desc")
    for order in ("asc", "desc")
}

BY_SID = (
    f"SELECT {columns(Message, 'm')} FROM messages m JOIN channels c ON c.key = m.channel "
    "JOIN services s ON s.key = c.service "
    "WHERE m.channel = $1 AND m.sid = $2 AND m.deleted = 0 AND c.deleted = 0 AND s.deleted = 0"
)


KEEP_ADDED = "added = COALESCE(added, revision)"  # of a new message it is NULL, and stays so until it changes


async def add_messages(tx: Transaction, messages: list[Message]) -> None:
    await tx.execute_many(insert("messages", Message), [stored(message) for message in messages])


async def get_message(reader: Reader, channel: int, sid: str) -> Message | None:
    """None also when the channel or its service is gone."""
    row = await reader.fetch_one(BY_SID, channel, sid)
    return Message(*row) if row else None


async def update_message(tx: Transaction, message: Message, changed: dict[str, Any]) -> Message | None:
    """None when it was deleted meanwhile."""
    row = await tx.fetch_one(
        f"UPDATE messages SET {KEEP_ADDED}, {assignments(changed, 3)} "
        'WHERE channel = $1 AND "index" = $2 AND deleted = 0 '
        f"RETURNING {columns(Message)}",
        message.channel,
        message.index,
        *changed.values(),
    )
    return Message(*row) if row else None


async def bury_message(tx: Transaction, message: Message, revision: int) -> bool:
    """A tombstone without the words, so that the index is never used again; False when buried before."""
    row = await tx.fetch_one(
        f"UPDATE messages SET deleted = 1, {KEEP_ADDED}, body = '', attributes = '{{}}', media = NULL, \"from\" = '', "
        'last_updated_by = NULL, revision = $3 WHERE channel = $1 AND "index" = $2 AND deleted = 0 RETURNING sid',
        message.channel,
        message.index,
        revision,
    )
    return row is not None


async def purge_up_to(tx: Transaction, channel: int, index: int) -> None:
    """Remove the rows up to this index of a channel that is gone."""
    await tx.execute_many('DELETE FROM messages WHERE channel = $1 AND "index" <= $2', [(channel, index)])
