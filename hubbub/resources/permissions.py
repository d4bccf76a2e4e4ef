"""THE table of permissions, and the lookup that tells whether an end user has one.

Back ends are never checked. A user's service role counts in every channel that the user may see, a member's channel
role in that channel, and either of them is enough.
"""

from functools import lru_cache
from typing import NamedTuple

import msgspec

from hubbub.chat import Caller, Changes, Chat
from hubbub.errors import ERRORS
from hubbub.resources.channels.model import PRIVATE, Channel, Place
from hubbub.resources.members import sql as members
from hubbub.resources.services.model import Service
from hubbub.resources.users import sql as users
from hubbub.resources.users.model import User
from hubbub.storage.database import Reader


class Permission(NamedTuple):
    """One row: its name, which roles may hold it, what it opens.

    What `members_only` rows open is no business of those who are not in the channel, whatever their role. `wider`
    is the permission that opens the same and, beyond that, what belongs to others.
    """

    name: str
    in_service: bool
    in_channel: bool
    opens: str
    members_only: bool = False
    wider: "Permission | None" = None


def in_both(name: str, opens: str, *, members_only: bool = False, wider: Permission | None = None) -> Permission:
    return Permission(name, True, True, opens, members_only, wider)


def in_channel(name: str, opens: str, wider: Permission | None = None) -> Permission:
    return Permission(name, False, True, opens, True, wider)


CREATE_CHANNEL = Permission("createChannel", True, False, "create a channel, public or private")
JOIN_CHANNEL = Permission("joinChannel", True, False, "join a public channel")
DESTROY_CHANNEL = in_both("destroyChannel", "delete the channel")
INVITE_MEMBER = in_both("inviteMember", "invite a user, see and revoke invites")
ADD_MEMBER = in_both("addMember", "add another user")
REMOVE_MEMBER = in_both("removeMember", "remove another member")
EDIT_CHANNEL_NAME = in_both("editChannelName", "change the friendly name and the unique name")
EDIT_CHANNEL_ATTRIBUTES = in_both("editChannelAttributes", "change the channel's attributes")
EDIT_ANY_MESSAGE = in_both("editAnyMessage", "change anybody's message body", members_only=True)
EDIT_OWN_MESSAGE = in_both("editOwnMessage", "change one's own message body", members_only=True, wider=EDIT_ANY_MESSAGE)
EDIT_ANY_MESSAGE_ATTRIBUTES = in_both(
    "editAnyMessageAttributes", "change the attributes of anybody's message", members_only=True
)
EDIT_OWN_MESSAGE_ATTRIBUTES = in_both(
    "editOwnMessageAttributes",
    "change the attributes of one's own message",
    members_only=True,
    wider=EDIT_ANY_MESSAGE_ATTRIBUTES,
)
DELETE_ANY_MESSAGE = in_both("deleteAnyMessage", "delete anybody's message", members_only=True)
DELETE_OWN_MESSAGE = in_both(
    "deleteOwnMessage", "delete one's own message", members_only=True, wider=DELETE_ANY_MESSAGE
)
EDIT_ANY_USER_INFO = in_both(
    "editAnyUserInfo",
    "change anybody's friendly name and attributes; as a channel permission, those of the channel's members",
)
EDIT_OWN_USER_INFO = in_both(
    "editOwnUserInfo", "change one's own friendly name and attributes", wider=EDIT_ANY_USER_INFO
)
LEAVE_CHANNEL = in_channel("leaveChannel", "leave the channel")
SEND_MESSAGE = in_channel("sendMessage", "send a text message")
SEND_MEDIA_MESSAGE = in_channel("sendMediaMessage", "send a media message")
EDIT_NOTIFICATION_LEVEL = in_channel("editNotificationLevel", "set one's own notification level")
EDIT_ANY_MEMBER_ATTRIBUTES = in_both(
    "editAnyMemberAttributes", "change the attributes of any member", members_only=True
)
EDIT_OWN_MEMBER_ATTRIBUTES = in_channel(
    "editOwnMemberAttributes", "change the attributes of one's own membership", EDIT_ANY_MEMBER_ATTRIBUTES
)

PERMISSIONS: tuple[Permission, ...] = tuple(row for row in list(globals().values()) if isinstance(row, Permission))

# What an end user may change, and with what. None: whoever it belongs to needs no permission, nobody else may.
Edits = dict[str, Permission | None]
CHANNEL_EDITS: Edits = {
    "friendly_name": EDIT_CHANNEL_NAME,
    "unique_name": EDIT_CHANNEL_NAME,
    "attributes": EDIT_CHANNEL_ATTRIBUTES,
}
MESSAGE_EDITS: Edits = {"body": EDIT_OWN_MESSAGE, "attributes": EDIT_OWN_MESSAGE_ATTRIBUTES}
MEMBER_EDITS: Edits = {
    "attributes": EDIT_OWN_MEMBER_ATTRIBUTES,
    "notification_level": EDIT_NOTIFICATION_LEVEL,
    "last_consumed_message_index": None,
    "last_consumption_timestamp": None,
}
USER_EDITS: Edits = {"friendly_name": EDIT_OWN_USER_INFO, "attributes": EDIT_OWN_USER_INFO}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What an end user is to a channel that it may see."""

    member_sid: str | None
    invited: bool
    private: bool
    awaited: bool  # made the private channel and was never in it: sees it and may join
    service_role: str | None  # JSON
    channel_role: str | None  # JSON

    def check(self, permission: Permission) -> None:
        """Raises ERRORS.NOT_MEMBER or ERRORS.NOT_AUTHORIZED."""
        if permission.members_only and self.member_sid is None:
            raise ERRORS.NOT_MEMBER()
        if not self.holds(permission):
            raise ERRORS.NOT_AUTHORIZED()

    def holds(self, permission: Permission) -> bool:
        return grants(self.channel_role, permission) or grants(self.service_role, permission)


@lru_cache(maxsize=4096)
def grants(permissions: str | None, wanted: Permission) -> bool:
    """Whether a role's permissions, as they are stored, have the one that is wanted or its wider one."""
    held = msgspec.json.decode(permissions or "[]", type=set[str])
    return wanted.name in held or (wanted.wider is not None and wanted.wider.name in held)


async def standing(reader: Reader, identity: str, channel: int) -> Standing:
    """One lookup for all that counts. Raises ERRORS.NOT_FOUND for a channel that is gone or may not be seen."""
    row = await members.get_standing(reader, channel, identity)
    if row is None:
        raise ERRORS.NOT_FOUND()
    type_, service_role, member_sid, channel_role, invite_sid, memberships = row
    found = Standing(member_sid, invite_sid is not None, type_ == PRIVATE, memberships == 0, service_role, channel_role)
    if found.private and member_sid is None and invite_sid is None and not found.awaited:
        raise ERRORS.NOT_FOUND()
    return found


def check_service(caller: Caller, service_sid: str) -> None:
    """An end user has one service. Raises ERRORS.SERVICE_NOT_FOUND for any other."""
    if caller.identity is not None and caller.service_sid != service_sid:
        raise ERRORS.SERVICE_NOT_FOUND()


def check_role_unset(caller: Caller, role_sid: str | None) -> None:
    """No permission lets an end user hand out roles. Raises ERRORS.ROLE_UNAUTHORIZED."""
    if caller.identity is not None and role_sid:
        raise ERRORS.ROLE_UNAUTHORIZED()


async def allow(chat: Chat, caller: Caller, place: Channel | Place, *needed: Permission) -> None:
    """Raises ERRORS.NOT_FOUND, ERRORS.NOT_MEMBER or ERRORS.NOT_AUTHORIZED."""
    if caller.identity is None:
        return
    found = await standing(chat.database, caller.identity, place.key)
    for permission in needed:
        found.check(permission)


async def allow_reading(chat: Chat, caller: Caller, place: Channel | Place) -> None:
    """Messages and roster are for members. Raises ERRORS.NOT_FOUND or ERRORS.NOT_MEMBER."""
    if caller.identity is None:
        return
    found = await standing(chat.database, caller.identity, place.key)
    if found.member_sid is None:
        raise ERRORS.NOT_MEMBER()


async def allow_naming(chat: Chat, caller: Caller, place: Channel | Place) -> None:
    """A single member may be named by members, and by who may remove it. Raises as `allow_reading`."""
    if caller.identity is None:
        return
    found = await standing(chat.database, caller.identity, place.key)
    if found.member_sid is None and not found.holds(REMOVE_MEMBER):
        raise ERRORS.NOT_MEMBER()


async def allow_edits(
    chat: Chat, caller: Caller, place: Channel | Place, edits: Edits, changes: Changes, owner: str | None = None
) -> None:
    """Each change on its own. `owner` is whose the record is, where it is somebody's. Raises as `allow`."""
    if caller.identity is None:
        return
    needed = permissions_for(edits, changes, own=owner is None or owner == caller.identity)
    if needed:
        await allow(chat, caller, place, *needed)


def permissions_for(edits: Edits, changes: Changes, *, own: bool) -> list[Permission]:
    """Raises ERRORS.ROLE_UNAUTHORIZED, or ERRORS.NOT_AUTHORIZED for what no permission opens."""
    needed = []
    for name in changes:
        if name == "role_sid":
            raise ERRORS.ROLE_UNAUTHORIZED()
        if name not in edits:
            raise ERRORS.NOT_AUTHORIZED()
        permission = edits[name]
        if not own:
            permission = permission.wider if permission else None
            if permission is None:
                raise ERRORS.NOT_AUTHORIZED()
        if permission is not None:
            needed.append(permission)
    return needed


async def allow_entry(chat: Chat, caller: Caller, channel: Channel, identity: str) -> bool:
    """Whoever joins needs the permission, an invite, or to be the one who made the private channel.

    Returns whether the invite is all that lets it in. Raises ERRORS.NOT_FOUND or ERRORS.NOT_AUTHORIZED.
    """
    if caller.identity is None:
        return False
    found = await standing(chat.database, caller.identity, channel.key)
    if identity != caller.identity:
        found.check(ADD_MEMBER)
        return False
    if found.member_sid is not None or found.awaited:
        return False
    if not found.private and found.holds(JOIN_CHANNEL):
        return False
    if not found.invited:
        raise ERRORS.NOT_AUTHORIZED()
    return True


async def allow_in_service(chat: Chat, caller: Caller, service: Service, needed: Permission) -> None:
    """Raises ERRORS.NOT_AUTHORIZED."""
    if caller.identity is None:
        return
    if not grants(await users.get_permissions(chat.database, service.key, caller.identity), needed):
        raise ERRORS.NOT_AUTHORIZED()


async def allow_user_edits(chat: Chat, caller: Caller, user: User, changes: Changes) -> None:
    """The service role decides, else the role in any channel that both are in. Raises ERRORS.NOT_AUTHORIZED."""
    if caller.identity is None:
        return
    for permission in permissions_for(USER_EDITS, changes, own=user.identity == caller.identity):
        if grants(await users.get_permissions(chat.database, user.service, caller.identity), permission):
            continue
        shared = await members.shared_permissions(chat.database, user.service, caller.identity, user.identity)
        if not any(grants(role, permission) for role in shared):
            raise ERRORS.NOT_AUTHORIZED()
