"""Pushes as Apple and Google are asked for them, by the same names."""

import json
from typing import NamedTuple

from tests.api.steps import Json
from tests.push.peer import Request

# The paths under which one listener is both of Apple's services, Google's and the place where it gives tokens.
APPLE, SANDBOX, GOOGLE, TOKENS = "/apple", "/sandbox", "/google", "/token"


class Arrival(NamedTuple):
    """A push as it has come to a device."""

    service: str  # APPLE, SANDBOX or GOOGLE
    address: str
    headers: dict[str, str]
    content: Json  # Apple's payload, or Google's message

    @property
    def data(self) -> Json:
        """What the app is told."""
        if self.service == GOOGLE:
            return dict(self.content["data"])
        return {name: value for name, value in self.content.items() if name != "aps"}

    @property
    def aps(self) -> Json:
        """What the device shows by itself; of Google's pushes, by the same names."""
        if self.service == GOOGLE:
            names = {"alert": "twi_body", "sound": "twi_sound"}
            return {name: self.data[key] for name, key in names.items() if key in self.data}
        return dict(self.content["aps"])

    @property
    def text(self) -> str | None:
        return self.aps.get("alert")

    @property
    def type(self) -> str:
        return str(self.data["twi_message_type"])


def read(request: Request) -> Arrival:
    """A push as Apple or Google is asked for it."""
    content = json.loads(request.body)
    service, _, rest = request.path[1:].partition("/")
    if f"/{service}" == GOOGLE:
        message = content["message"]
        return Arrival(GOOGLE, message["token"], request.headers, message)
    return Arrival(f"/{service}", rest.removeprefix("3/device/"), request.headers, content)
