"""What a handler knows of its request beside its fields."""

import msgspec

from hubbub.chat import Caller, Chat
from hubbub.web.respond import Receive, Scope


class Call(msgspec.Struct):
    """The chat, who asks, and the scheme and host for the URLs in the answer."""

    chat: Chat
    caller: Caller
    origin: str
    scope: Scope
    receive: Receive
