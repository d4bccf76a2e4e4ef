"""The steps that the tests of the REST API share; they read like the API itself."""

import http.client
import re
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, unique

Json = dict[str, Any]
Value = str | list[str]

SERVICES = "/v2/Services"
CREDENTIALS = "/v2/Credentials"
NOBODY = "0" * 32  # after a prefix: a well-formed SID that nothing has
LONG_AGO = "2016-03-24T20:37:57Z"
LATER = "2016-03-25T08:00:00Z"

DEADLINE_SECONDS = 10

JSON_TEXTS = ['{ "a" : 1 }', "[1, 2]", '"text"', "1.0", "null", '{"é": "日本"}', '{"b": 1, "a": 2}']
NO_JSON_TEXTS = ["", "{", "{'a': 1}", "text", "{} {}"]
ODD_NAMES = ["a b", "a/b", "a%2Fb", "a+b", "alice@example.com", "!*'();:&=$,?#[]", "Zoë", "日本"]


class Like:
    """Equal to every string of the pattern, so that an expected resource can be written out whole."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        return f"Like({self.pattern!r})"


DATE = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def sid(prefix: str) -> Like:
    """Any generated SID of the kind."""
    return Like(f"{prefix}[0-9a-f]{{32}}")


def at(resource: Json, *parts: str | Json) -> str:
    """The path of a resource, or of something below it; a resource among the parts stands for its SID."""
    names = [part["sid"] if isinstance(part, dict) else part for part in parts]
    return "/".join([urlsplit(resource["url"]).path, *(quote(name, safe="") for name in names)])


def ok(response: httpx.Response) -> Json:
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


def created(response: httpx.Response) -> Json:
    assert response.status_code == 201, response.text
    body: Json = response.json()
    return body


def refused(response: httpx.Response, status: int, code: int, message: str | None = None) -> None:
    """Assert the error and its exact shape; without a message, any sentence will do."""
    body = response.json()
    assert (response.status_code, body.get("code")) == (status, code), response.text
    assert body == {
        "code": code,
        "message": Like(".+") if message is None else message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


def not_found(response: httpx.Response) -> None:
    """Assert a 404 that names the path as it was called, without host and version."""
    called = response.request.url.raw_path.decode().partition("?")[0].removeprefix("/v2")
    refused(response, 404, 20404, f"The requested resource {called} was not found")


def fetch(client: httpx.Client, resource: Json, *parts: str | Json) -> Json:
    return ok(client.get(at(resource, *parts)))


def rows(client: httpx.Client, resource: Json, *parts: str | Json, **query: Value) -> list[Json]:
    """The rows on the first page of a list."""
    body = ok(client.get(at(resource, *parts), params=query))
    [found] = (value for key, value in body.items() if key != "meta")
    assert isinstance(found, list)
    return found


def walk(client: httpx.Client, resource: Json, part: str, **query: Value) -> list[Json]:
    """The rows of a list from all its pages, which must be more than one."""
    body = ok(client.get(at(resource, part), params=query))
    found: list[Json] = list(body[body["meta"]["key"]])
    assert body["meta"]["next_page_url"] is not None
    while url := body["meta"]["next_page_url"]:
        body = ok(client.get(url))
        found += body[body["meta"]["key"]]
    return found


def update(client: httpx.Client, resource: Json, **form: Value) -> Json:
    return ok(client.post(at(resource), data=form))


def delete(client: httpx.Client, resource: Json, *parts: str | Json) -> None:
    response = client.delete(at(resource, *parts))
    assert (response.status_code, response.content) == (204, b""), response.text


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def create_service(client: httpx.Client, **form: Value) -> Json:
    return created(client.post(SERVICES, data={"FriendlyName": unique("service")} | form))


def create_role(client: httpx.Client, service: Json, type_: str, *permissions: str) -> Json:
    form = {"FriendlyName": unique("role"), "Type": type_, "Permission": list(permissions)}
    return created(client.post(at(service, "Roles"), data=form))


def default_role(client: httpx.Client, service: Json, name: str) -> Json:
    """One of the four roles that the service was born with."""
    [role] = (role for role in rows(client, service, "Roles") if role["friendly_name"] == name)
    return role


def create_user(client: httpx.Client, service: Json, identity: str, **form: Value) -> Json:
    return created(client.post(at(service, "Users"), data={"Identity": identity} | form))


def create_channel(client: httpx.Client, service: Json, **form: Value) -> Json:
    return created(client.post(at(service, "Channels"), data=form))


def create_member(client: httpx.Client, channel: Json, identity: str, **form: Value) -> Json:
    return created(client.post(at(channel, "Members"), data={"Identity": identity} | form))


def create_invite(client: httpx.Client, channel: Json, identity: str, **form: Value) -> Json:
    return created(client.post(at(channel, "Invites"), data={"Identity": identity} | form))


def create_message(client: httpx.Client, channel: Json, body: str = "Hello", **form: Value) -> Json:
    return created(client.post(at(channel, "Messages"), data={"Body": body} | form))


def create_webhook(client: httpx.Client, channel: Json, **form: Value) -> Json:
    """A channel webhook, of type `webhook` unless the form says otherwise."""
    usual = {
        "Type": "webhook",
        "Configuration.Url": "https://example.com/hook",
        "Configuration.Filters": ["onMessageSent"],
    }
    return created(client.post(at(channel, "Webhooks"), data=usual | form))


def upload_media(client: httpx.Client, service: Json, content: bytes = b"bytes", **query: str) -> Json:
    path = f"/v1/Services/{service['sid']}/Media"
    headers = {"Content-Type": "text/plain"}
    return created(client.post(path, content=content, params=query, headers=headers))


def stored_files(server: Server, media: Json) -> list[Path]:
    """What the data folder holds of an uploaded file."""
    return [path for path in server.data_dir.rglob("*") if media["sid"] in path.name]


def raw_request(
    server: Server, method: str, target: str, *headers: str, body: bytes = b""
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request byte for byte, as no client library would, and read the answer."""
    login = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Authorization: Basic {login}",
        *headers,
    ]
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1") + body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response, response.read()
