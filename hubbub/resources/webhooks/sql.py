"""Statements on channel webhooks."""

from collections import defaultdict

from hubbub.resources.webhooks.model import Webhook
from hubbub.storage.database import Reader, Transaction
from hubbub.storage.pages import Listing
from hubbub.storage.statements import columns, insert, placeholders, stored

OF_CHANNEL = Listing(Webhook, "webhooks WHERE channel = $1", "sid")


async def add_webhook(tx: Transaction, webhook: Webhook) -> None:
    await tx.fetch_one(insert("webhooks", Webhook), *stored(webhook))


async def of_channels(reader: Reader, channels: list[int]) -> dict[int, list[Webhook]]:
    """Every webhook of the channels, by channel."""
    found: dict[int, list[Webhook]] = defaultdict(list)
    if channels:
        sql = f"SELECT {columns(Webhook)} FROM webhooks WHERE channel IN ({placeholders(len(channels))}) ORDER BY sid"
        for row in await reader.fetch_all(sql, *channels):
            found[row[0]].append(Webhook(*row))
    return found


async def count_webhooks(reader: Reader, channel: int) -> int:
    row = await reader.fetch_one("SELECT count(*) FROM webhooks WHERE channel = $1", channel)
    assert row is not None
    return int(row[0])


async def get_webhook(reader: Reader, channel: int, sid: str) -> Webhook | None:
    row = await reader.fetch_one(
        f"SELECT {columns(Webhook)} FROM webhooks WHERE channel = $1 AND sid = $2", channel, sid
    )
    return Webhook(*row) if row else None


async def set_configuration(tx: Transaction, webhook: Webhook) -> bool:
    """False when it was deleted meanwhile."""
    row = await tx.fetch_one(
        "UPDATE webhooks SET configuration = $3, date_updated = $4 WHERE channel = $1 AND sid = $2 RETURNING sid",
        webhook.channel,
        webhook.sid,
        webhook.configuration,
        webhook.date_updated,
    )
    return row is not None


async def remove_webhook(tx: Transaction, webhook: Webhook) -> bool:
    """False when it was deleted before."""
    row = await tx.fetch_one(
        "DELETE FROM webhooks WHERE channel = $1 AND sid = $2 RETURNING sid", webhook.channel, webhook.sid
    )
    return row is not None


async def purge_channel(tx: Transaction, channel: int) -> None:
    await tx.fetch_all("DELETE FROM webhooks WHERE channel = $1 RETURNING sid", channel)
