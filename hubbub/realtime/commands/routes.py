"""Every command that the tunnel takes."""

from hubbub.realtime.commands import (
    configuration,
    content,
    conversations,
    invites,
    messages,
    my_conversations,
    participants,
    registrations,
    typing_indicator,
    users,
)
from hubbub.realtime.commands.command import Repeats
from hubbub.realtime.hub import Hub
from hubbub.realtime.session_list.routes import routes as session_list
from hubbub.realtime.tunnel import Route

NOUNS = (
    configuration,
    conversations,
    my_conversations,
    participants,
    invites,
    messages,
    users,
    registrations,
    content,
)


def routes(hub: Hub) -> list[Route]:
    repeats = Repeats()
    named = [route for noun in NOUNS for route in noun.commands.routes(repeats)]
    return [*named, *typing_indicator.routes(hub), *session_list(repeats)]
