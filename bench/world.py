"""What the server holds while it is measured, and the requests that are sent to it."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from bench.wrk import HEADERS, Request
from tests.harness import Server

CHANNELS = 100
PAGE = 50
LISTED_CHANNELS = 10
BODY = "Shall we meet at the station at half past nine? The museum opens at ten, and the café next to it is good"
ATTRIBUTES = '{"importance":"high","tags":["travel","today"],"reply_to":null}'
MESSAGE = urlencode({"Body": BODY, "From": "anna@example.com", "Attributes": ATTRIBUTES})


@dataclass
class World:
    """A service with channels, users, members and messages; every path is absolute."""

    server: Server
    service: str = ""
    channels: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def creates(self, channels: int = CHANNELS) -> list[Request]:
        return [Request("POST", f"{channel}/Messages", MESSAGE) for channel in self.channels[:channels]]

    def fetches(self) -> list[Request]:
        return [Request("GET", message) for message in self.messages]

    def lists(self, what: str) -> list[Request]:
        if what in ("Channels", "Users"):
            return [Request("GET", f"{self.service}/{what}?PageSize={PAGE}")]
        return [Request("GET", f"{each}/{what}?PageSize={PAGE}") for each in self.channels[:LISTED_CHANNELS]]


class Client:
    """One connection, one request after the other."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def answer(self, request: Request) -> tuple[http.client.HTTPResponse, bytes]:
        self.connection.request(request.method, request.path, request.body or None, HEADERS)
        answer = self.connection.getresponse()
        body = answer.read()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{request.method} {request.path}: {answer.status} {body.decode()}")
        return answer, body

    def get(self, path: str) -> dict[str, Any]:
        return dict(json.loads(self.answer(Request("GET", path))[1]))

    def post(self, path: str, **form: str) -> dict[str, Any]:
        return dict(json.loads(self.answer(Request("POST", path, urlencode(form)))[1]))


def new_service(server: Server) -> World:
    """A fresh service with 100 empty channels."""
    client = Client(server)
    world = World(server, f"/v2/Services/{client.post('/v2/Services', FriendlyName='bench')['sid']}")
    for number in range(CHANNELS):
        channel = client.post(f"{world.service}/Channels", UniqueName=f"room-{number}", FriendlyName=f"Room {number}")
        world.channels.append(f"{world.service}/Channels/{channel['sid']}")
    return world


def new_world(server: Server) -> World:
    """A fresh service with 100 channels; in ten of them a page of members and a page of messages."""
    world = new_service(server)
    client = Client(server)
    for channel in world.channels[:LISTED_CHANNELS]:
        for number in range(PAGE):
            client.post(f"{channel}/Members", Identity=f"user-{number}@example.com")
            client.answer(Request("POST", f"{channel}/Messages", MESSAGE))
        page = client.get(f"{channel}/Messages?PageSize={PAGE}")
        world.messages += [f"{channel}/Messages/{message['sid']}" for message in page["messages"]]
    return world
