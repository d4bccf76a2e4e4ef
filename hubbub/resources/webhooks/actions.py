"""What can be done with channel webhooks."""

import msgspec

from hubbub.chat import Changes, Chat
from hubbub.errors import ERRORS
from hubbub.resources.channels import sql as channels
from hubbub.resources.channels.model import Channel
from hubbub.resources.webhooks import sql
from hubbub.resources.webhooks.model import MOST, Webhook, configure
from hubbub.sids import new_sid
from hubbub.storage.pages import Slice, Window


async def access_webhook(chat: Chat, channel: Channel, sid: str) -> Webhook:
    """Raises ERRORS.NOT_FOUND."""
    webhook = await sql.get_webhook(chat.database, channel.key, sid)
    if webhook is None:
        raise ERRORS.NOT_FOUND()
    return webhook


async def list_webhooks(chat: Chat, channel: Channel, window: Window) -> Slice[Webhook]:
    return await sql.OF_CHANNEL.page(chat.database, window, channel.key)


async def create_webhook(chat: Chat, channel: Channel, type_: str, configuration: Changes) -> Webhook:
    """Raises ERRORS.TOO_MANY_WEBHOOKS, or the error of the first key that is missing or will not do."""
    content = configure(type_, {}, configuration)
    moment = chat.clock()
    webhook = Webhook(channel.key, new_sid("WH"), type_, content, moment, moment)
    async with chat.transaction() as tx:
        if not await channels.lock_channel(tx, channel.key):
            raise ERRORS.NOT_FOUND()
        if await sql.count_webhooks(tx, channel.key) >= MOST:
            raise ERRORS.TOO_MANY_WEBHOOKS()
        await sql.add_webhook(tx, webhook)
    return webhook


async def update_webhook(chat: Chat, channel: Channel, webhook: Webhook, configuration: Changes) -> Webhook:
    """Change the given keys; lists are replaced whole."""
    if not configuration:
        return webhook
    async with chat.transaction() as tx:
        if not await channels.lock_channel(tx, channel.key):
            raise ERRORS.NOT_FOUND()
        current = await sql.get_webhook(tx, channel.key, webhook.sid)
        if current is None:
            raise ERRORS.NOT_FOUND()
        before = msgspec.json.decode(current.configuration)
        current.configuration = configure(current.type, before, configuration)
        current.date_updated = chat.clock()
        await sql.set_configuration(tx, current)
    return current


async def delete_webhook(chat: Chat, webhook: Webhook) -> None:
    async with chat.transaction() as tx:
        if not await sql.remove_webhook(tx, webhook):
            raise ERRORS.NOT_FOUND()
