"""Removes what deleted services, channels and messages leave behind, in steps too small to hold anyone up.

Whatever is swept was out of every reader's sight before; a step that is lost to a crash is done again.
"""

import asyncio
import logging

from hubbub.chat import Chat
from hubbub.errors import ChatError
from hubbub.resources.bindings import sql as bindings
from hubbub.resources.channels import sql as channels
from hubbub.resources.invites import sql as invites
from hubbub.resources.media import sql as media
from hubbub.resources.media.model import file_name
from hubbub.resources.members import sql as members
from hubbub.resources.messages import sql as messages
from hubbub.resources.roles import sql as roles
from hubbub.resources.services import sql as services
from hubbub.resources.users import sql as users
from hubbub.resources.webhooks import sql as webhooks
from hubbub.storage.database import Contention

log = logging.getLogger("hubbub.sweep")

STEP = 500
RETRY_SECONDS = 30


async def keep_sweeping(chat: Chat) -> None:
    """Sweep at the start, whenever something was deleted, and again later when the database was away."""
    while True:
        chat.to_sweep.clear()
        try:
            await sweep(chat)
        except (ChatError, Contention, OSError) as error:
            log.warning("sweeping stopped and will be tried again: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            continue
        except Exception:  # what nobody thought of must not end the sweeping for good
            log.exception("sweeping failed and will be tried again")
            await asyncio.sleep(RETRY_SECONDS)
            continue
        await chat.to_sweep.wait()


async def sweep(chat: Chat) -> None:
    for service in await services.services_to_sweep(chat.database):
        await sweep_service(chat, service)
    while found := await channels.channels_to_sweep(chat.database, STEP):
        for key, last_index in found:
            await sweep_channel(chat, key, last_index)
            async with chat.transaction() as tx:
                await channels.mark_swept(tx, key)
    await sweep_files(chat)


async def sweep_service(chat: Chat, key: int) -> None:
    async with chat.transaction() as tx:
        await media.mark_service_deleted(tx, key)
    await sweep_files(chat)
    while found := await channels.channels_of_service(chat.database, key, STEP):
        for channel, last_index in found:
            await sweep_channel(chat, channel, last_index)
            async with chat.transaction() as tx:
                await members.purge_channel(tx, channel)
                await invites.purge_channel(tx, channel)
                await channels.purge_channel(tx, channel)
    more = STEP
    while more == STEP:
        async with chat.transaction() as tx:
            more = await users.purge_some(tx, key, STEP)
    async with chat.transaction() as tx:
        await bindings.purge_service(tx, key)
        await roles.purge_service(tx, key)
        await services.purge_service(tx, key)


async def sweep_channel(chat: Chat, key: int, last_index: int) -> None:
    """The messages and webhooks of a channel; memberships and invites stay as tombstones for those who were in it."""
    for index in range(STEP - 1, last_index + STEP, STEP):
        async with chat.transaction() as tx:
            await messages.purge_up_to(tx, key, index)
    async with chat.transaction() as tx:
        await webhooks.purge_channel(tx, key)


async def sweep_files(chat: Chat) -> None:
    """The file first, then its row: a crash between them is met by removing the file once more."""
    while found := await media.media_to_sweep(chat.database, STEP):
        for file in found:
            await chat.files.delete(file_name(file))
            async with chat.transaction() as tx:
                await media.purge_media(tx, file)
