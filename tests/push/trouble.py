"""Push services that refuse, and what is to be seen of it: the steps that the tests of faults share."""

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx
import jwt
from prometheus_client.parser import text_string_to_metric_families

from hubbub.app import open_chat
from hubbub.purge import purge_pushes
from hubbub.settings import load
from tests.api.steps import Json
from tests.delivery.steps import command
from tests.harness import Server
from tests.push import keys
from tests.push.arrivals import TOKENS, Arrival
from tests.push.peer import Reply, Request
from tests.push.storm import ask
from tests.push.town import Phone, Town
from tests.push.world import World

BAD_KEY, BAD_EMAIL, BAD_PROJECT = "BADBADBAD0", "bad@demo.iam.gserviceaccount.com", "barred"
STOPPED = "hubbub_push_credential_stopped"


def said(status: int, body: Json, **headers: str) -> Reply:
    return Reply(status, tuple((name.replace("_", "-"), value) for name, value in headers.items()), encoded(body))


def encoded(body: Json) -> bytes:
    return json.dumps(body).encode()


def came(world: World, phone: Phone) -> list[Arrival]:
    """All tries to push to the device so far."""
    return [arrival for arrival in world.arrivals() if arrival.address == phone.address]


def of_town(town: Town) -> str:
    return f"notice IN (SELECT sid FROM notices WHERE service_sid = '{town.service['sid']}')"


def states(town: Town) -> list[str]:
    return [trace.state for trace in town.trace()]


def hurry(town: Town) -> None:
    """What is to be tried again is due now."""
    sql = f"UPDATE pushes SET due = 0 WHERE state = 'retrying' AND {of_town(town)} RETURNING sid"
    ask(town.world.server.database, sql)


def gap(town: Town) -> int:
    """Milliseconds until its only push that failed for now is due again."""
    sql = f"SELECT due - date_updated FROM pushes WHERE state = 'retrying' AND {of_town(town)}"
    [(found,)] = ask(town.world.server.database, sql)
    return int(found)


def standing(server: Server, credential: Json) -> Json:
    """What `hubbub push credentials` says of it."""
    [found] = [each for each in command(server, "push", "credentials") if each["sid"] == credential["sid"]]
    return dict(found)


def stopped(server: Server) -> dict[str, float]:
    """What the metric says of each credential."""
    text = httpx.get(f"{server.url}/metrics").raise_for_status().text
    families = [family for family in text_string_to_metric_families(text) if family.name == STOPPED]
    return {sample.labels["credential_sid"]: sample.value for family in families for sample in family.samples}


def purge(server: Server) -> None:
    """What the server does once a minute."""

    async def run() -> None:
        async with open_chat(load({}, server.environment())) as chat:
            await purge_pushes(chat, chat.clock())

    asyncio.run(run())


@dataclass
class Border:
    """Apple and Google who refuse bad keys, and what they have refused."""

    world: World
    refused: list[Request] = field(default_factory=list)
    is_open: bool = False  # whether bad keys will do

    def answer(self, request: Request) -> Reply:
        refusal = None if self.is_open else refusal_of(request)
        if refusal is None:
            return self.world.answer(request)
        self.refused.append(request)
        return refusal


def refusal_of(request: Request) -> Reply | None:
    if request.path == TOKENS:
        [assertion] = parse_qs(request.body.decode())["assertion"]
        claims = jwt.decode(assertion, options={"verify_signature": False})
        return said(400, {"error": "invalid_grant"}) if claims["iss"] == BAD_EMAIL else None
    if f"/projects/{BAD_PROJECT}/" in request.path:
        return said(403, {"error": {"status": "PERMISSION_DENIED"}})
    scheme, _, token = request.headers["authorization"].partition(" ")
    if scheme == "bearer" and jwt.get_unverified_header(token)["kid"] == BAD_KEY:
        return said(403, {"reason": "InvalidProviderToken"})
    return None


def bad_keys(what: str) -> dict[str, str]:
    """Keys that the border refuses."""
    if what == "key":
        certificate, private_key = keys.apns_token(key_id=BAD_KEY)
        return {"Certificate": certificate, "PrivateKey": private_key}
    if what == "account":
        return {"Secret": keys.service_account(client_email=BAD_EMAIL)}
    return {"Secret": keys.service_account(BAD_PROJECT)}
