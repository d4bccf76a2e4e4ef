"""THE table of errors: name, Twilio code, HTTP status, message. Raise `ERRORS.NAME()`; one place answers it.

Codes and texts: the dictionary of the original (reference: Twilio's error pages, `more_info` of each answer).
"""

from typing import NamedTuple


class ChatError(Exception):
    """A refusal that the caller is told: changes nothing, carries its row of the table."""

    def __init__(self, kind: "Kind", message: str) -> None:
        super().__init__(message)
        self.code = kind.code
        self.status = kind.status
        self.message = message


class Kind(NamedTuple):
    """One row. Calling it makes the exception; keywords fill the message's braces."""

    code: int
    status: int
    message: str

    def __call__(self, **words: object) -> ChatError:
        return ChatError(self, self.message.format(**words) if words else self.message)


class ERRORS:
    """Every error that Hubbub answers."""

    # Platform
    INVALID_PARAMETER = Kind(20001, 400, "Invalid parameter {name}")
    MISSING_PARAMETER = Kind(20001, 400, "Missing required parameter {name} in the post body")
    MALFORMED_REQUEST = Kind(20001, 400, "Malformed request: {reason}")
    AUTHENTICATE = Kind(20003, 401, "Authenticate")
    METHOD_NOT_ALLOWED = Kind(20004, 405, "Method not allowed")
    NOT_FOUND = Kind(20404, 404, "The requested resource {path} was not found")
    IN_USE = Kind(20409, 409, "The role is a default of its service or still assigned")
    CONFLICT = Kind(20409, 409, "Conflicting modification, try again")
    TOO_LARGE = Kind(20413, 413, "The request body is larger than {limit}")
    INTERNAL = Kind(20500, 500, "Internal server error")
    UNAVAILABLE = Kind(20503, 503, "Service unavailable: {reason}")
    INVALID_PAGE_TOKEN = Kind(19038, 400, "Page token must be a number of 0 or more")

    # Access tokens
    INVALID_TOKEN = Kind(20101, 401, "Invalid Access Token")
    INVALID_TOKEN_HEADER = Kind(20102, 401, "Invalid Access Token header")
    INVALID_TOKEN_ISSUER = Kind(20103, 401, "Invalid Access Token issuer/subject")
    TOKEN_EXPIRED = Kind(20104, 401, "Access Token expired or expiration date invalid")
    TOKEN_NOT_YET_VALID = Kind(20105, 401, "Access Token not yet valid")
    INVALID_TOKEN_GRANTS = Kind(20106, 401, "Invalid Access Token grants")
    INVALID_TOKEN_SIGNATURE = Kind(20107, 401, "Invalid Access Token signature")
    TOKEN_LIFETIME = Kind(20157, 401, "Expiration Time in the Access Token Exceeds Maximum Time Allowed")

    # General
    FRIENDLY_NAME_TOO_LONG = Kind(50003, 400, "Friendly name too long")
    UNIQUE_NAME_TOO_LONG = Kind(50004, 400, "Unique Name too long")
    SERVICE_NOT_FOUND = Kind(50050, 403, "Service instance not found")
    INVALID_CONSUMPTION_INTERVAL = Kind(50052, 400, "Invalid consumption interval format")
    INVALID_TYPING_INDICATOR = Kind(50053, 400, "Invalid typing indicator format")
    INVALID_WEBHOOK = Kind(50054, 400, "Invalid webhook format")
    INVALID_WEBHOOK_METHOD = Kind(50055, 400, "Invalid webhook method")
    CANCELLED = Kind(50056, 403, "Webhook cancelled processing of command")
    TEMPLATE_TOO_LONG = Kind(50058, 400, "Notification template too long")
    SOUND_TOO_LONG = Kind(50059, 400, "Notification sound name too long")
    INVALID_USER_CHANNELS_LIMIT = Kind(50060, 400, "Invalid user channels limit format")
    INVALID_CHANNEL_MEMBERS_LIMIT = Kind(50061, 400, "Invalid channel members limit format")
    INVALID_RETRY_COUNT = Kind(50065, 400, "Invalid webhook retry count")
    INVALID_PRE_WEBHOOK_URL = Kind(50077, 400, "Invalid pre-webhook URL")
    INVALID_POST_WEBHOOK_URL = Kind(50078, 400, "Invalid post-webhook URL")

    # Roles
    ROLE_NOT_FOUND = Kind(50100, 400, "Role not found")
    CHANNEL_ROLE_NOT_FOUND = Kind(50101, 400, "Channel role not found")
    DEPLOYMENT_ROLE_NOT_FOUND = Kind(50102, 400, "Deployment role not found")
    PERMISSION_NOT_FOUND = Kind(50104, 400, "Permission not found")
    INVALID_ROLE_TYPE = Kind(50105, 400, "Invalid role type")
    CREATOR_ROLE_NOT_FOUND = Kind(50106, 400, "Channel creator role not found")
    NOT_AUTHORIZED = Kind(50107, 403, "User not authorized for command")

    # Users
    USER_EXISTS = Kind(50201, 409, "User already exists")
    IDENTITY_RESERVED = Kind(50203, 400, "Identity reserved")
    ROLE_UNAUTHORIZED = Kind(50205, 403, "User unauthorized to set role")
    IDENTITY_LIKE_SID = Kind(50206, 400, "Identity should not match user SID pattern")
    IDENTITY_TOO_LONG = Kind(50207, 400, "Identity too long")
    USER_CHANNEL_LIMIT = Kind(50208, 403, "User channel limit exceeded")
    INVALID_BINDING_TYPE = Kind(50209, 400, "Invalid binding type")
    INVALID_NOTIFICATION_LEVEL = Kind(50210, 400, "Invalid notification level")
    USER_INVITED = Kind(50212, 409, "User already invited")

    # Channels
    ATTRIBUTES_TOO_LONG = Kind(50303, 400, "Attributes too long")
    ATTRIBUTES_NOT_JSON = Kind(50304, 400, "Attributes not valid JSON")
    UNIQUE_NAME_LIKE_SID = Kind(50306, 400, "Unique name should not match channel SID pattern")
    UNIQUE_NAME_EXISTS = Kind(50307, 409, "Channel with provided unique name already exists")
    INVALID_DATE_CREATED = Kind(50308, 400, "Invalid Date Created parameter")
    INVALID_DATE_UPDATED = Kind(50309, 400, "Invalid Date Updated parameter")
    AUTHOR_TOO_LONG = Kind(50310, 400, "Author parameter is too long")

    # Channel webhooks
    TOO_MANY_WEBHOOKS = Kind(50321, 400, "Too many channel webhooks")
    TOO_MANY_TRIGGERS = Kind(50322, 400, "Too many channel webhook triggers")
    INVALID_WEBHOOK_TYPE = Kind(50324, 400, "Invalid channel webhook type")
    INVALID_FILTER = Kind(50325, 400, "Invalid channel webhook filter")
    INVALID_TRIGGER = Kind(50326, 400, "Invalid channel webhook trigger")
    INVALID_FLOW_SID = Kind(50327, 400, "Invalid channel webhook flow SID")
    WEBHOOK_URL_NOT_PROVIDED = Kind(50329, 400, "Channel webhook url not provided")
    WEBHOOK_FILTER_NOT_PROVIDED = Kind(50330, 400, "Channel webhook filter not provided")
    WEBHOOK_TRIGGER_NOT_PROVIDED = Kind(50331, 400, "Channel webhook trigger not provided")
    WEBHOOK_URL_TOO_LONG = Kind(50332, 400, "Channel webhook url too long")

    # Members
    NOT_MEMBER = Kind(50400, 403, "User not member of channel")
    CHANNEL_MEMBER_LIMIT = Kind(50403, 403, "Channel member limit exceeded")
    MEMBER_EXISTS = Kind(50404, 409, "Member already exists")
    INVALID_CONSUMPTION_TIMESTAMP = Kind(50405, 400, "Invalid last consumption timestamp format")
    INVALID_CONSUMED_INDEX = Kind(50406, 400, "Invalid last consumed message index format")

    # Messages
    BODY_TOO_LONG = Kind(50504, 400, "Message body too long")
    LAST_UPDATED_BY_TOO_LONG = Kind(50505, 400, "Last Updated By parameter is too long")
    MEDIA_NOT_FOUND = Kind(50507, 404, "Media not found")
    MEDIA_ALREADY_SENT = Kind(50508, 400, "Media already sent with another message")
    MEDIA_BODY_UPDATE = Kind(50509, 400, "Media message body update not allowed")
    INVALID_MEDIA_SID = Kind(50510, 400, "Invalid message media SID")

    # What the newer SDK asks of messages, and takes this answer for none
    CHANNEL_METADATA_NOT_FOUND = Kind(50530, 404, "Channel metadata not found")

    # Invites
    DECLINED_AS_MEMBER = Kind(50602, 409, "Cannot decline invite when already channel member")

    # Sync objects, which only clients read
    SYNC_FORBIDDEN = Kind(54007, 403, "Access forbidden: Sync objects are changed by the commands of the chat")
    DOCUMENT_NOT_FOUND = Kind(54100, 404, "Document not found")
    LIST_NOT_FOUND = Kind(54150, 404, "List not found")
    LIST_ITEM_NOT_FOUND = Kind(54151, 404, "List item not found")
    MAP_NOT_FOUND = Kind(54200, 404, "Map not found")
    MAP_ITEM_NOT_FOUND = Kind(54201, 404, "Map item not found")
    TOO_MANY_SUBSCRIPTIONS = Kind(54009, 429, "Too many subscriptions on one connection")


def all_errors() -> dict[str, Kind]:
    """The table by name, for the docs and for the tests."""
    return {name: kind for name, kind in vars(ERRORS).items() if isinstance(kind, Kind)}
