"""What can be done with services."""

from hubbub.chat import Caller, Changes, Chat
from hubbub.errors import ERRORS
from hubbub.resources.permissions import check_service
from hubbub.resources.roles import sql as roles
from hubbub.resources.roles.model import CHANNEL, DEPLOYMENT, default_roles
from hubbub.resources.services import sql
from hubbub.resources.services.model import Service, check_changes, check_friendly_name, merge
from hubbub.sids import new_sid
from hubbub.storage.database import Reader
from hubbub.storage.pages import Slice, Window


async def access_service(chat: Chat, caller: Caller, sid: str) -> Service:
    """The way to everything below a service. Raises ERRORS.SERVICE_NOT_FOUND."""
    check_service(caller, sid)
    service = await sql.get_service(chat.database, caller.account, sid)
    if service is None:
        raise ERRORS.SERVICE_NOT_FOUND()
    return service


async def access_service_itself(chat: Chat, caller: Caller, sid: str) -> Service:
    """The service as the resource asked for. Raises ERRORS.NOT_FOUND, or ERRORS.SERVICE_NOT_FOUND to an end user."""
    check_service(caller, sid)
    service = await sql.get_service(chat.database, caller.account, sid)
    if service is None:
        raise ERRORS.NOT_FOUND()
    return service


async def service_of(reader: Reader, key: int) -> Service:
    """The service of something found below it. Raises ERRORS.SERVICE_NOT_FOUND when it was deleted meanwhile."""
    service = await sql.service_by_key(reader, key)
    if service is None:
        raise ERRORS.SERVICE_NOT_FOUND()
    return service


async def list_services(chat: Chat, caller: Caller, window: Window) -> Slice[Service]:
    return await sql.OF_ACCOUNT.page(chat.database, window, caller.account)


async def create_service(chat: Chat, caller: Caller, friendly_name: str) -> Service:
    """A service with the defaults and the four roles that every new one has."""
    check_friendly_name(friendly_name)
    moment = chat.clock()
    admin, user, channel_admin, channel_user = default_roles(moment)
    service = Service(
        key=0,
        account=caller.account,
        account_sid=caller.account_sid,
        sid=new_sid("IS"),
        friendly_name=friendly_name,
        date_created=moment,
        date_updated=moment,
        default_service_role_sid=user.sid,
        default_channel_role_sid=channel_user.sid,
        default_channel_creator_role_sid=channel_admin.sid,
    )
    async with chat.transaction() as tx:
        service.key = await sql.add_service(tx, service)
        for role in (admin, user, channel_admin, channel_user):
            role.service = service.key
            await roles.add_role(tx, role)
    return service


ROLE_DEFAULTS = {
    "default_service_role_sid": (DEPLOYMENT, ERRORS.DEPLOYMENT_ROLE_NOT_FOUND),
    "default_channel_role_sid": (CHANNEL, ERRORS.CHANNEL_ROLE_NOT_FOUND),
    "default_channel_creator_role_sid": (CHANNEL, ERRORS.CREATOR_ROLE_NOT_FOUND),
}


async def update_service(chat: Chat, service: Service, changes: Changes) -> Service:
    """Change what is given. Raises the error of the first value that will not do."""
    check_changes(changes)
    if not changes:
        return service
    async with chat.transaction() as tx:
        current = await sql.lock_service(tx, service.key)
        if current is None:
            raise ERRORS.NOT_FOUND()
        for name, (type_, error) in ROLE_DEFAULTS.items():
            if name in changes:
                role = await roles.get_role(tx, service.key, changes[name])
                if role is None or role.type != type_:
                    raise error()
        columns = merge(current, changes) | {"date_updated": chat.clock()}
        return await sql.update_service(tx, service.key, columns)


async def delete_service(chat: Chat, service: Service) -> None:
    """The service and all that is in it vanish at once; their rows and files are swept afterwards."""
    async with chat.transaction() as tx:
        if not await sql.mark_deleted(tx, service.key):
            raise ERRORS.NOT_FOUND()
    chat.to_sweep.set()
