"""What can be done with roles."""

from hubbub.chat import Caller, Chat
from hubbub.errors import ERRORS, Kind
from hubbub.resources.roles import sql
from hubbub.resources.roles.model import (
    CHANNEL,
    DEPLOYMENT,
    Role,
    check_permissions,
    check_role,
    new_role,
    to_json,
)
from hubbub.resources.services import sql as services
from hubbub.resources.services.actions import access_service
from hubbub.resources.services.model import Service
from hubbub.storage.database import Transaction
from hubbub.storage.pages import Slice, Window

WRONG_SCOPE: dict[str, Kind] = {
    CHANNEL: ERRORS.CHANNEL_ROLE_NOT_FOUND,
    DEPLOYMENT: ERRORS.DEPLOYMENT_ROLE_NOT_FOUND,
}


async def access_role(chat: Chat, caller: Caller, service_sid: str, sid: str) -> tuple[Role, Service]:
    """Raises ERRORS.SERVICE_NOT_FOUND or ERRORS.NOT_FOUND."""
    service = await access_service(chat, caller, service_sid)
    role = await sql.get_role(chat.database, service.key, sid)
    if role is None:
        raise ERRORS.NOT_FOUND()
    return role, service


async def check_role_sid(tx: Transaction, service: int, sid: str, type_: str) -> None:
    """The role can be assigned, and stays until it is. Raises ERRORS.ROLE_NOT_FOUND, or that of the other type."""
    role = await sql.lock_role(tx, service, sid)
    if role is None:
        raise ERRORS.ROLE_NOT_FOUND()
    if role.type != type_:
        raise WRONG_SCOPE[type_]()


async def list_roles(chat: Chat, service: Service, window: Window) -> Slice[Role]:
    return await sql.OF_SERVICE.page(chat.database, window, service.key)


async def create_role(chat: Chat, service: Service, friendly_name: str, type_: str, permissions: list[str]) -> Role:
    """Raises the error of the first value that will not do."""
    check_role(friendly_name, type_)
    check_permissions(type_, permissions)
    role = new_role(service.key, friendly_name, type_, permissions, chat.clock())
    async with chat.transaction() as tx:
        await sql.add_role(tx, role)
    return role


async def update_role(chat: Chat, role: Role, permissions: list[str]) -> Role:
    """Replace the whole set. Holders of the role are bound by it at once."""
    check_permissions(role.type, permissions)
    role.permissions = to_json(permissions)
    role.date_updated = chat.clock()
    async with chat.transaction() as tx:
        if not await sql.set_permissions(tx, role):
            raise ERRORS.NOT_FOUND()
    return role


async def delete_role(chat: Chat, role: Role) -> None:
    """Raises ERRORS.IN_USE for a default of the service and while anyone holds the role."""
    async with chat.transaction() as tx:
        service = await services.lock_service(tx, role.service)
        if service is None:
            raise ERRORS.SERVICE_NOT_FOUND()
        if await sql.lock_role(tx, role.service, role.sid) is None:
            raise ERRORS.NOT_FOUND()
        if role.sid in service.default_roles or await sql.is_assigned(tx, role):
            raise ERRORS.IN_USE()
        await sql.remove_role(tx, role)
