"""Schemathesis against a running server: whatever it makes of the contract, the answers stay within it."""

import copy
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.contract import published
from tests.contract.published import Operation
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, running, unique

# What the tests here assert to have been called, each with valid and with broken input.
ATTACKED = frozenset(published.OPERATIONS)
# No operation makes a binding, so no link leads to one.
NEEDS_A_DEVICE = frozenset({"FetchBinding", "DeleteBinding", "FetchUserBinding", "DeleteUserBinding"})
EXAMPLES_PER_OPERATION = 30
LIVES = 30
STEPS_PER_LIFE = 30

# Derandomised: the same requests in every run. Nothing is shrunk, an answer says enough.
BOUNDED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)

# The contract calls these plain strings; of plain strings nearly every one would be refused.
ATTRIBUTES = ["{}", '{ "a": [1, null] }', '"text"', "1.50"]
PERMISSIONS = ["destroyChannel", "inviteMember", "addMember", "editOwnMessage"]
IDENTITIES = ["alice", "bob", "carol", "dave", "dave/ñ ?#%"]
EVENTS = ["onMessageSent", "onMemberAdded", "onChannelDestroyed"]
LIKELY: dict[str, dict[str, Any]] = {
    "Attributes": {"enum": ATTRIBUTES},
    "Permission": {"items": {"enum": PERMISSIONS}, "minItems": 1, "maxItems": 4},
    "FriendlyName": {"minLength": 1, "maxLength": 64},
    "Identity": {"enum": IDENTITIES},
    "Configuration.Url": {"enum": ["https://hooks.example/hook"]},
    "Configuration.Filters": {"items": {"enum": EVENTS}, "minItems": 1},
    "Configuration.RetryCount": {"minimum": 0, "maximum": 4},
    "WebhookFilters": {"items": {"enum": ["onMessageSend", *EVENTS]}},
    "WebhookMethod": {"enum": ["GET", "POST"]},
}

# Values that a create answer holds for the path parameters of later operations.
IN_ANSWER = {"ServiceSid": "service_sid", "ChannelSid": "channel_sid"}


def expressions(source: Operation, target: Operation) -> dict[str, str] | None:
    """Where the target's path parameters stand in the source's answer; None where one does not."""
    found = {}
    for name in target.path_parameters:
        if name == f"{source.resource}Sid" or (name == "Sid" and target.resource == source.resource):
            found[name] = "$response.body#/sid"
        elif name == "UserSid" and source.resource == "Member":
            found[name] = "$response.body#/identity"
        elif name in IN_ANSWER and f"{{{name}}}" in source.path:
            found[name] = f"$response.body#/{IN_ANSWER[name]}"
        else:
            return None
    own = {"$response.body#/sid", "$response.body#/identity"}
    return found if own & set(found.values()) else None


def linked_document() -> dict[str, Any]:
    """The contract, with links from what is created to whatever can be done with it: it has none itself."""
    document: dict[str, Any] = copy.deepcopy(published.DOCUMENT)
    for item in document["paths"].values():
        for media in item.get("post", {}).get("requestBody", {}).get("content", {}).values():
            for name, value in media["schema"]["properties"].items():
                value.update(LIKELY.get(name, {}))
    for source in published.OPERATIONS.values():
        if source.verb != "Create":
            continue
        links = {
            target.id: {"operationId": target.id, "parameters": parameters}
            for target in published.OPERATIONS.values()
            if (parameters := expressions(source, target))
        }
        document["paths"][source.path][source.method.lower()]["responses"]["201"]["links"] = links
    return document


def below(fixed: dict[str, str]) -> dict[str, Any]:
    """Of the linked document what stands below certain things, which the paths then name outright."""
    document = linked_document()
    whole = document["paths"]
    document["paths"] = paths = {}
    kept = {each.id for each in published.OPERATIONS.values() if set(fixed) <= set(each.path_parameters)}
    for path, item in whole.items():
        definitions = [item[method] for method in ("get", "post", "delete") if method in item]
        if not kept & {definition["operationId"] for definition in definitions}:
            continue
        paths[re.sub(r"{(\w+)}", lambda found: fixed.get(found[1], found[0]), path)] = item
        for definition in definitions:
            parameters = definition.get("parameters", [])
            definition["parameters"] = [each for each in parameters if each["name"] not in fixed]
            for response in definition["responses"].values():
                links = response.get("links", {})
                response["links"] = {name: link for name, link in links.items() if name in kept}
                for link in response["links"].values():
                    link["parameters"] = {k: v for k, v in link["parameters"].items() if k not in fixed}
    return document


def read(document: dict[str, Any], server: Server) -> Any:
    """A document as Schemathesis reads it."""
    configuration = {
        "base-url": server.url,
        "seed": 54,
        "generation": {"deterministic": True, "with-security-parameters": False},
        "phases": {"stateful": {"inference": {"algorithms": []}}},
    }
    return schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(configuration))


@pytest.fixture(scope="module")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: what is sent here is no good company for other tests."""
    directory = tmp_path_factory.mktemp("schemathesis")
    with running(Server(directory, f"sqlite:///{directory / 'hubbub.db'}")) as started:
        yield started


@pytest.fixture(scope="module")
def schema(sqlite_server: Server) -> Any:
    return read(linked_document(), sqlite_server)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.auth = (ACCOUNT_SID, AUTH_TOKEN)
        yield opened


def check(server: Server, response: Any, case: Any) -> None:
    """A success fits its schema, a refusal has the error shape, and nothing else comes back."""
    operation = published.OPERATIONS[case.operation.definition.raw["operationId"]]
    content_type = ",".join(response.headers.get("content-type", [])) or None
    try:
        assert response.status_code < 500, "the server failed"
        if response.status_code >= 400:
            published.check_error(response.status_code, content_type, response.content)
        else:
            published.check_answer(operation, server.url, response.status_code, content_type, response.content)
    except Exception as fault:
        fault.add_note(f"{response.status_code} {response.content[:2000]!r} to {case.as_curl_command()}")
        raise


def make_world(client: httpx.Client) -> dict[str, str]:
    """A service with one of everything that REST can make: a SID by each resource's name."""

    def make(resource: str, **form: Any) -> str:
        path = published.OPERATIONS[f"Create{resource}"].fill(**parents(resource, sids))
        response = client.post(path, data=form)
        assert response.status_code == 201, response.text
        return str(response.json()["sid"])

    sids: dict[str, str] = {"Binding": "BS" + "0" * 32, "UserBinding": "BS" + "0" * 32}
    sids["Credential"] = make("Credential", Type="fcm", Secret="key")
    sids["Service"] = make("Service", FriendlyName=unique("attacked"))
    sids["Role"] = make("Role", FriendlyName="r", Type="channel", Permission="sendMessage")
    sids["User"] = make("User", Identity=IDENTITIES[0])
    for identity in IDENTITIES[1:]:
        make("User", Identity=identity)
    sids["Channel"] = make("Channel", UniqueName="general")
    sids["Member"] = make("Member", Identity=IDENTITIES[0])
    sids["Invite"] = make("Invite", Identity=IDENTITIES[1])
    sids["Message"] = make("Message", Body="hello")
    hook = {"Configuration.Url": "https://hooks.example/", "Configuration.Filters": "onMessageSent"}
    sids["ChannelWebhook"] = make("ChannelWebhook", Type="webhook", **hook)
    return sids


@pytest.fixture
def client(sqlite_server: Server) -> Iterator[httpx.Client]:
    with sqlite_server.client() as opened:
        yield opened


@pytest.fixture
def world(client: httpx.Client) -> Iterator[dict[str, str]]:
    sids = make_world(client)
    yield sids
    client.delete(f"/v2/Services/{sids['Service']}")


def parents(resource: str, sids: dict[str, str]) -> dict[str, str]:
    """The values of a resource's path parameters in the world."""
    known = {f"{name}Sid": sid for name, sid in sids.items()} | {"Sid": sids.get(resource, "")}
    operation = published.OPERATIONS.get(f"Fetch{resource}", published.OPERATIONS[f"List{resource}"])
    return {name: known[name] for name in operation.path_parameters if name in known}


@pytest.mark.parametrize("operation", [pytest.param(published.OPERATIONS[each], id=each) for each in sorted(ATTACKED)])
def test_answers_stay_within_the_contract(
    operation: Operation,
    schema: Any,
    session: requests.Session,
    sqlite_server: Server,
    world: dict[str, str],
) -> None:
    """Valid and broken requests on things that exist are answered as published or refused in one shape."""
    target = schema.find_operation_by_id(operation.id)
    path = {name: parents(operation.resource, world)[name] for name in operation.path_parameters}
    modes = [GenerationMode.POSITIVE]
    if operation.parameters:
        modes.append(GenerationMode.NEGATIVE)
    cases = [target.as_strategy(generation_mode=mode, path_parameters=path) for mode in modes]
    sent: Counter[int] = Counter()

    @settings(BOUNDED, max_examples=EXAMPLES_PER_OPERATION)
    @given(case=st.one_of(cases))
    def attack(case: Any) -> None:
        response = case.call(session=session, timeout=30)
        check(sqlite_server, response, case)
        sent[response.status_code] += 1

    attack()

    assert sent, "nothing was sent"


@pytest.mark.parametrize(
    ("fixed", "premise"),
    [
        ((), {"CreateService", "CreateChannel"}),
        (("Service",), {"CreateChannel", "CreateRole"}),
        (("Service", "Channel"), {"CreateMember", "CreateMessage", "CreateInvite"}),
    ],
    ids=["account", "service", "channel"],
)
def test_random_lives_stay_within_the_contract(
    fixed: tuple[str, ...],
    premise: set[str],
    session: requests.Session,
    client: httpx.Client,
    sqlite_server: Server,
) -> None:
    """Chains of requests, each on what an earlier one has created, keep to the contract."""
    schema = read(below({f"{name}Sid": f"the-{name}" for name in fixed}), sqlite_server)
    base: Any = schema.as_state_machine()
    succeeded: Counter[str] = Counter()

    def setup(life: Any) -> None:
        # Every life has a world of its own, or what one left behind would steer the next.
        life.world = make_world(client)

    def call(life: Any, case: Any) -> Any:
        for name in fixed:
            case.path = case.path.replace(f"the-{name}", life.world[name])
        return case.call(session=session, timeout=30)

    def validate(_: Any, response: Any, case: Any) -> None:
        check(sqlite_server, response, case)
        if response.status_code < 400:
            succeeded[case.operation.definition.raw["operationId"]] += 1

    def teardown(life: Any) -> None:
        client.delete(f"/v2/Services/{life.world['Service']}")

    steps = {"setup": setup, "call": call, "validate_response": validate, "teardown": teardown}
    machine: Any = type("Lives", (base,), steps)
    machine.run(settings=settings(BOUNDED, max_examples=LIVES, stateful_step_count=STEPS_PER_LIFE))

    assert premise <= set(succeeded), "the lives did not get far enough to say anything"


def test_links_lead_from_every_create_to_its_instance() -> None:
    """The links that the lives follow reach each operation but the lists that need nothing."""
    document = linked_document()
    reached: set[str] = set()
    for item in document["paths"].values():
        reached.update(item.get("post", {}).get("responses", {}).get("201", {}).get("links", {}))

    unreachable = {"ListService", "CreateService", "ListCredential", "CreateCredential"}
    assert reached == ATTACKED - unreachable - NEEDS_A_DEVICE


def test_contract_is_what_schemathesis_reads(schema: Any) -> None:
    """Schemathesis knows all of the contract's operations."""
    known = {result.ok().definition.raw["operationId"] for result in schema.get_all_operations()}

    assert known == ATTACKED


def test_requests_without_credentials_are_refused(sqlite_server: Server) -> None:
    """Every operation asks for credentials before anything else."""
    with httpx.Client(base_url=sqlite_server.url) as client:
        for operation in published.OPERATIONS.values():
            path = operation.fill(**dict.fromkeys(operation.path_parameters, "IS" + "0" * 32))
            response = client.request(operation.method, path)
            error = published.check_error(response.status_code, response.headers.get("content-type"), response.content)
            assert (error["status"], error["code"]) == (401, 20003), operation.id
            assert response.headers["www-authenticate"].startswith("Basic")
