"""Every route of the older SDKs that the newer ones do not know."""

from hubbub.realtime.commands.command import Repeats
from hubbub.realtime.session_list import directory, items
from hubbub.realtime.tunnel import Route


def routes(repeats: Repeats) -> list[Route]:
    return [*items.routes(repeats), *directory.commands.routes(repeats)]
