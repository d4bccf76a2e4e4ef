"""What can be done with bindings. Only a client's registration makes one: there is no operation for it."""

import msgspec

from hubbub.chat import Chat
from hubbub.errors import ERRORS
from hubbub.resources.bindings import sql
from hubbub.resources.bindings.model import MESSAGE_TYPES, Binding, check_types
from hubbub.resources.credentials import sql as credentials
from hubbub.resources.services.model import Service
from hubbub.resources.users.actions import reach_user
from hubbub.resources.users.model import User
from hubbub.sids import new_sid
from hubbub.storage.database import Transaction
from hubbub.storage.pages import Slice, Window


async def access_binding(chat: Chat, service: int, sid: str) -> Binding:
    """Raises ERRORS.NOT_FOUND."""
    binding = await sql.get_binding(chat.database, service, sid)
    if binding is None:
        raise ERRORS.NOT_FOUND()
    return binding


async def access_user_binding(chat: Chat, user: User, sid: str) -> Binding:
    """Raises ERRORS.NOT_FOUND, also for another user's."""
    binding = await access_binding(chat, user.service, sid)
    if binding.user != user.key:
        raise ERRORS.NOT_FOUND()
    return binding


async def list_bindings(
    chat: Chat, service: Service, types: list[str], identities: list[str], window: Window
) -> Slice[Binding]:
    """All where no type or identity is named."""
    listing = sql.of_service(len(types), len(identities))
    return await listing.page(chat.database, window, service.key, *types, *identities)


async def list_user_bindings(chat: Chat, user: User, types: list[str], window: Window) -> Slice[Binding]:
    return await sql.of_user(len(types)).page(chat.database, window, user.service, user.key, *types)


async def register_binding(
    chat: Chat,
    service: Service,
    user: User,
    binding_type: str,
    endpoint: str,
    address: str,
    credential_sid: str | None,
    message_types: list[str],
    *,
    conversations: bool = False,
) -> Binding:
    """Push to this device from now on; the same endpoint again replaces what it registered before.

    Without a credential nothing can be pushed until there is one of its type.

    Raises ERRORS.INVALID_BINDING_TYPE, ERRORS.NOT_FOUND for an unknown credential, or ERRORS.INVALID_PARAMETER.
    """
    check_types([binding_type])
    if not set(message_types) <= set(MESSAGE_TYPES):
        raise ERRORS.INVALID_PARAMETER(name="MessageTypes")
    moment = chat.clock()
    binding = Binding(
        service=service.key,
        sid=new_sid("BS"),
        user=user.key,
        user_sid=user.sid,
        identity=user.identity,
        endpoint=endpoint,
        binding_type=binding_type,
        address=address,
        credential_sid=credential_sid or "",
        message_types=msgspec.json.encode([name for name in MESSAGE_TYPES if name in message_types]).decode(),
        date_created=moment,
        date_updated=moment,
        conversations=int(conversations),
    )
    async with chat.transaction() as tx:
        if credential_sid and await credentials.get_credential(tx, service.account, credential_sid) is None:
            raise ERRORS.NOT_FOUND()
        await reach_user(tx, user.key, {"is_notifiable": 1})
        return await sql.put_binding(tx, binding)


async def delete_binding(chat: Chat, binding: Binding) -> None:
    """Push to this device no more, until it registers again."""
    async with chat.transaction() as tx:
        if not await sql.remove_binding(tx, binding):
            raise ERRORS.NOT_FOUND()
        await check_reach(tx, binding.service, binding.user)


async def forget_device(chat: Chat, service: int, sid: str, address: str, moment: int) -> None:
    """The push service says of a push of that moment that the device's token is worth nothing.

    A device that has registered since stays, with a new token or the same.
    """
    async with chat.transaction() as tx:
        user = await sql.remove_older_binding(tx, service, sid, address, moment)
        if user is not None:
            await check_reach(tx, service, user)


async def check_reach(tx: Transaction, service: int, user: int) -> None:
    """A user whose last device has gone cannot be pushed to."""
    left = await sql.of_user(0).page(tx, Window(1), service, user)
    if not left.rows:
        await reach_user(tx, user, {"is_notifiable": 0})
