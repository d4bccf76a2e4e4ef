"""The steps that the tests of webhooks share: hooks are set up and deliveries looked at."""

import contextlib
import io
import json
from typing import Any

import httpx

from hubbub import cli
from hubbub.events import CHANNEL_WEBHOOKS, WEBHOOKS
from tests.api.steps import Json, Value, at, create_webhook, eventually, update
from tests.delivery.receiver import Hook, Request
from tests.harness import Server

ASKED = {"X-Twilio-Webhook-Enabled": "true"}
FLOW = "FW" + "0123456789abcdef" * 2
FLOW_PATH = "/flow"

Parameters = dict[str, Any]


def listen(client: httpx.Client, service: Json, hook: Hook, *events: str, **form: Value) -> Json:
    """Let the service tell the hook of the events, of all 23 when none is named."""
    usual: dict[str, Value] = {"PostWebhookUrl": hook.url, "WebhookFilters": list(events or WEBHOOKS)}
    return update(client, service, **(usual | form))


def listen_to(client: httpx.Client, channel: Json, hook: Hook, *events: str, **configuration: Value) -> Json:
    """Let the channel tell the hook of the events, of all that it can when none is named."""
    form: dict[str, Value] = {f"Configuration.{name}": value for name, value in configuration.items()}
    usual: dict[str, Value] = {"Configuration.Url": hook.url, "Configuration.Filters": list(events or CHANNEL_WEBHOOKS)}
    return create_webhook(client, channel, **(usual | form))


def send(client: httpx.Client, channel: Json, body: str = "Hello", **form: Value) -> Json:
    response = client.post(at(channel, "Messages"), data={"Body": body} | form, headers=ASKED)
    assert response.status_code == 201, response.text
    sent: Json = response.json()
    return sent


def command(server: Server, *arguments: str) -> Any:
    """What a command that goes well prints; in this process, since starting one takes longer than most tests."""
    settings = {"HUBBUB_DATA_DIR": str(server.data_dir), "HUBBUB_DATABASE": server.database} | server.settings
    flags = [f"--{name.removeprefix('HUBBUB_').lower().replace('_', '-')}={value}" for name, value in settings.items()]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = cli.main([*arguments, "--json", *flags])
    assert code == 0
    return json.loads(printed.getvalue())


def deliveries(server: Server, *arguments: str) -> list[Json]:
    """The oldest first."""
    found: list[Json] = command(server, "deliveries", "list", *arguments)
    return found[::-1]


def states(server: Server, service: Json) -> list[str]:
    """Of the service's deliveries, the oldest first."""
    return [each["state"] for each in deliveries(server, "--service", service["sid"])]


def settled(server: Server, service: Json, state: str, attempts: int = 1) -> Json:
    """All of the service's only delivery, once it is in the state after so many tries."""

    last: list[Json] = []

    def is_settled() -> bool:
        last[:] = deliveries(server, "--service", service["sid"])
        return [(it["state"], it["attempts"]) for it in last] == [(state, attempts)]

    assert eventually(is_settled), last
    shown: Json = command(server, "deliveries", "show", last[0]["sid"])
    return shown


def told(requests: list[Request]) -> list[tuple[str, int]]:
    """Bodies of messages with the number of the try."""
    return [(request.parameters["Body"], request.retry) for request in requests]
