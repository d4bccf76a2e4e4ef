"""Templates of content, of which there are none: the newer SDK asks for their list."""

from hubbub.realtime.commands.command import Command, Commands, answer
from hubbub.realtime.tunnel import Reply

commands = Commands(version="/Client/v2")


@commands.get("/ContentTemplates")
async def list_templates(command: Command) -> Reply:  # noqa: ARG001 - one signature for all
    return answer(200, {"templates": [], "meta": {"previous_token": None, "next_token": None}})
