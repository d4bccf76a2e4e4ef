"""What may be asked in which form: credentials, bodies, encodings, paths and methods, and what every answer carries."""

import contextlib
import json
import select
import socket
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.steps import (
    NOBODY,
    SERVICES,
    Json,
    Like,
    at,
    create_channel,
    create_message,
    create_user,
    create_webhook,
    created,
    fetch,
    not_found,
    ok,
    raw_request,
    refused,
    rows,
    update,
)
from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server

FORM = "application/x-www-form-urlencoded"
MEBIBYTE = 1024 * 1024

HOSTS = ["ip-messaging.twilio.com", "chat.twilio.com", "chat.example.com:8443"]

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "ETag",
}
ALLOWED_HEADERS = {
    *("Accept", "Authorization", "Content-Type"),
    *("If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since"),
}

BROKEN = [b"%", b"%z", b"%1", b"%zz", b"a%2", b"%u0041"]
NOT_UTF8 = [b"%ff", b"%C3", b"%ED%A0%80", b"%C0%AF", b"%F5%80%80%80"]
RAW_NOT_UTF8 = [b"\xff", b"\xc3", b"\xed\xa0\x80"]

IDENTITIES = [
    *("alice@example.com", "a/b", "/", "a%2Fb", "a+b", "a b", "a?b#c", "a;b=c,d:e", "!*'()", "..", "."),
    *("ünï-çödé", "😀", "null", "a\\b", '"', "a&b=c", "\u202e\u0301"),
]


def basic(username: str, password: str) -> str:
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


# Credentials that open nothing.
STRANGERS = {
    "none": None,
    "empty": "",
    "no value": "Basic",
    "not base64": "Basic !!!",
    "not UTF-8": "Basic " + b64encode(b"\xff\xfe:x").decode(),
    "no colon": "Basic " + b64encode(ACCOUNT_SID.encode()).decode(),
    "no password": basic(ACCOUNT_SID, ""),
    "wrong password": basic(ACCOUNT_SID, "0" * 32),
    "longer password": basic(ACCOUNT_SID, AUTH_TOKEN + "f"),
    "unicode password": basic(ACCOUNT_SID, "ü😀"),
    "NUL": basic(ACCOUNT_SID + "\0", AUTH_TOKEN),
    "unknown account": basic(f"AC{NOBODY}", AUTH_TOKEN),
    "unknown key": basic(f"SK{NOBODY}", AUTH_TOKEN),
    "lower-case account": basic(ACCOUNT_SID.lower(), AUTH_TOKEN),
    "no user name": basic("", AUTH_TOKEN),
    "other scheme": "Bearer " + AUTH_TOKEN,
}


@pytest.fixture
def anonymous(server: Server) -> Iterator[httpx.Client]:
    """A client without credentials."""
    with httpx.Client(base_url=server.url) as opened:
        yield opened


def raw_json(server: Server, method: str, target: str, *headers: str, body: bytes = b"") -> tuple[int, Any]:
    """Status and JSON of a request that is sent byte for byte, with the length of its body."""
    length = f"Content-Length: {len(body)}"
    response, content = raw_request(server, method, target, length, *headers, body=body)
    return response.status, json.loads(content)


def malformed(answer: tuple[int, Any]) -> None:
    """Assert the refusal of what cannot be decoded."""
    assert answer == (
        400,
        {
            "code": 20001,
            "message": Like("Malformed request: .+"),
            "more_info": "https://www.twilio.com/docs/errors/20001",
            "status": 400,
        },
    )


# Credentials


@pytest.mark.parametrize("header", STRANGERS.values(), ids=STRANGERS)
def test_stranger_is_challenged(anonymous: httpx.Client, header: str | None) -> None:
    """Whatever is wrong with the credentials, the answer is one and the same."""
    response = anonymous.get(SERVICES, headers={} if header is None else {"Authorization": header})

    refused(response, 401, 20003, "Authenticate")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Twilio API"'


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_scheme_is_understood_in_any_case(anonymous: httpx.Client, scheme: str) -> None:
    """HTTP compares the names of schemes without regard to case."""
    login = basic(ACCOUNT_SID, AUTH_TOKEN).replace("Basic", scheme)

    assert ok(anonymous.get(SERVICES, headers={"Authorization": login}))


def test_stranger_changes_nothing(client: httpx.Client, anonymous: httpx.Client, service: Json) -> None:
    """No method gets past missing credentials."""
    for method in ("GET", "POST", "DELETE"):
        refused(anonymous.request(method, at(service), data={"FriendlyName": "Mine"}), 401, 20003)

    assert fetch(client, service) == service


# Hosts


@pytest.mark.parametrize("host", HOSTS)
def test_urls_lead_back_to_the_host_that_was_called(
    client: httpx.Client, service: Json, channel: Json, host: str
) -> None:
    """One server is both hosts of the API, or any other that leads to it."""
    create_message(client, channel)
    headers = {"Host": host}

    found = ok(client.get(at(channel), headers=headers))

    urls = [found["url"], *found["links"].values()]
    assert all(url.startswith(f"http://{host}/v2/Services/{service['sid']}/") for url in urls)
    meta = ok(client.get(at(service, "Channels"), params={"PageSize": "1"}, headers=headers))["meta"]
    assert meta["first_page_url"].startswith(f"http://{host}/v2/")


def test_both_hosts_show_the_same_data(client: httpx.Client, service: Json) -> None:
    """What one host makes, the other shows, but for the URLs."""
    channel = created(client.post(at(service, "Channels"), headers={"Host": HOSTS[0]}))

    seen = ok(client.get(at(channel), headers={"Host": HOSTS[1]}))

    assert json.loads(json.dumps(channel).replace(HOSTS[0], HOSTS[1])) == seen


def test_forwarded_scheme_of_a_stranger_is_not_believed(client: httpx.Client, service: Json) -> None:
    """Only a proxy that the operator named may say that the caller came by TLS."""
    found = ok(client.get(at(service), headers={"X-Forwarded-Proto": "https"}))

    assert found["url"] == service["url"]


def test_forwarded_scheme_of_a_trusted_proxy_is_believed(new_server: Server) -> None:
    """Behind a TLS proxy the URLs are https."""
    new_server.settings["HUBBUB_TRUSTED_PROXIES"] = "127.0.0.1"
    headers = {"X-Forwarded-Proto": "https", "Host": HOSTS[1]}

    with new_server.start().client() as client:
        service = created(client.post(SERVICES, data={"FriendlyName": "x"}, headers=headers))

    assert service["url"] == f"https://{HOSTS[1]}{SERVICES}/{service['sid']}"


@pytest.mark.parametrize("url", ["https://chat.example.com", "https://chat.example.com/"])
def test_public_url_takes_the_place_of_the_host(new_server: Server, url: str) -> None:
    """The operator may fix scheme and host for all URLs."""
    new_server.settings["HUBBUB_PUBLIC_URL"] = url

    with new_server.start().client() as client:
        service = created(client.post(SERVICES, data={"FriendlyName": "x"}, headers={"Host": HOSTS[0]}))
        meta = ok(client.get(SERVICES))["meta"]

    assert service["url"] == f"https://chat.example.com/v2/Services/{service['sid']}"
    assert service["links"]["users"] == f"{service['url']}/Users"
    assert meta["url"] == "https://chat.example.com/v2/Services?PageSize=50&Page=0"


# Bodies


def test_close_is_honoured_and_echoed(server: Server, service: Json) -> None:
    """Older Node clients rely on it."""
    response, _ = raw_request(server, "GET", at(service), "Connection: close")

    assert response.status == 200
    assert response.getheader("Connection") == "close"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (["Content-Length: 0"], b""),
        ([f"Content-Type: {FORM}", "Content-Length: 0"], b""),
        ([], b""),
    ],
    ids=["chunked, no type", "length 0, no type", "length 0", "neither"],
)
def test_empty_body_of_any_form_is_a_form_without_parameters(
    server: Server, service: Json, headers: list[str], body: bytes
) -> None:
    """One Go client creates a channel with a chunked body of no bytes and no Content-Type."""
    response, content = raw_request(server, "POST", at(service, "Channels"), *headers, body=body)

    assert response.status == 201
    assert json.loads(content)["friendly_name"] is None


@pytest.mark.parametrize("type_", [FORM, f"{FORM}; charset=utf-8", "Application/X-WWW-Form-Urlencoded"])
def test_form_is_read_whatever_its_type_adds(client: httpx.Client, service: Json, type_: str) -> None:
    """A charset and another case change nothing."""
    response = client.post(at(service), content=b"FriendlyName=x", headers={"Content-Type": type_})

    assert ok(response)["friendly_name"] == "x"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"a+b", "a b"),
        (b"a%20b", "a b"),
        (b"a%2Bb", "a+b"),
        (b"a=b", "a=b"),
        (b"%C3%BC%f0%9f%98%80", "ü😀"),
        ("ü😀".encode(), "ü😀"),
        (b"a%26b", "a&b"),
        (b"%2500", "%00"),
    ],
)
def test_value_is_decoded_once(client: httpx.Client, service: Json, sent: bytes, read: str) -> None:
    """Plus and %20 are spaces, and UTF-8 may stand there bare."""
    response = client.post(at(service), content=b"FriendlyName=" + sent, headers={"Content-Type": FORM})

    assert ok(response)["friendly_name"] == read


def test_body_that_is_not_a_form_is_not_read(client: httpx.Client, service: Json) -> None:
    """JSON counts as no parameters."""
    response = client.post(at(service, "Users"), json={"Identity": "alice"})

    refused(response, 400, 20001, "Missing required parameter Identity in the post body")
    assert ok(client.post(at(service), json={"FriendlyName": "x"})) == service


def test_last_of_a_repeated_scalar_counts(client: httpx.Client, service: Json) -> None:
    """A parameter that takes one value takes the last."""
    assert update(client, service, FriendlyName=["first", "last"])["friendly_name"] == "last"


def test_repeated_keys_are_an_array_in_their_order(client: httpx.Client, channel: Json) -> None:
    """Arrays are sent as repetitions, also with other keys between them."""
    hook = create_webhook(client, channel)
    names = ["onMessageSent", "onMemberAdded", "onChannelUpdated"]
    body = "&Configuration.RetryCount=1&".join(f"Configuration.Filters={name}" for name in names)

    response = client.post(at(hook), content=body, headers={"Content-Type": FORM})

    assert ok(response)["configuration"]["filters"] == names


@pytest.mark.parametrize(
    ("sent", "read"), [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)]
)
def test_boolean_is_read_in_any_case(client: httpx.Client, service: Json, sent: str, read: bool) -> None:
    """Python clients write True and False."""
    opposite = str(not read)
    assert update(client, service, ReachabilityEnabled=opposite)["reachability_enabled"] is not read

    assert update(client, service, ReachabilityEnabled=sent)["reachability_enabled"] is read


@pytest.mark.parametrize("sent", ["", "1", "0", "yes", "on", "null"])
def test_boolean_of_another_spelling_is_refused(client: httpx.Client, service: Json, sent: str) -> None:
    """Nothing is guessed."""
    refused(client.post(at(service), data={"ReadStatusEnabled": sent}), 400, 20001)


@pytest.mark.parametrize("sent", ["", " ", "1.0", "1e1", "0x1", "1_0", "+", "٣", "9" * 30, "9" * 5000])
def test_integer_of_another_spelling_is_refused(client: httpx.Client, service: Json, sent: str) -> None:
    """Integers are decimal, and no larger than the database holds."""
    refused(client.post(at(service), data={"TypingIndicatorTimeout": sent}), 400, 50053)


def test_empty_value_clears_a_nullable_text(client: httpx.Client, service: Json) -> None:
    """`FriendlyName=` is a value, other than none at all."""
    channel = create_channel(client, service, FriendlyName="A", UniqueName="a")

    cleared = update(client, channel, FriendlyName="", UniqueName="")

    assert (cleared["friendly_name"], cleared["unique_name"]) == (None, None)
    assert update(client, channel)["friendly_name"] is None


def test_unknown_parameters_and_headers_are_ignored(client: httpx.Client, service: Json) -> None:
    """Clients send more than the contract knows."""
    form = {"Nonsense": "x", "friendlyname": "x", "Friendly_Name": "x", "": "x"}
    headers = {"Accept": "text/html", "Accept-Charset": "utf-16", "X-Nonsense": "x"}

    assert ok(client.post(at(service), data=form, headers=headers)) == service
    assert ok(client.get(at(service), params=form, headers=headers)) == service


@pytest.mark.parametrize("value", [*BROKEN, *NOT_UTF8, *RAW_NOT_UTF8])
@pytest.mark.parametrize("body", [b"FriendlyName=%s", b"%s=x", b"FriendlyName=ok&Nonsense=%s"])
def test_malformed_form_is_refused(
    client: httpx.Client, server: Server, service: Json, value: bytes, body: bytes
) -> None:
    """What cannot be decoded is not guessed at, wherever in the form it stands."""
    malformed(raw_json(server, "POST", at(service), f"Content-Type: {FORM}", body=body.replace(b"%s", value)))

    assert fetch(client, service) == service


@pytest.mark.parametrize("value", [*BROKEN, *NOT_UTF8])
def test_malformed_query_is_refused(server: Server, service: Json, value: bytes) -> None:
    """The same in a query."""
    malformed(raw_json(server, "GET", f"{at(service, 'Channels')}?Type={value.decode()}"))


@pytest.mark.parametrize("value", [*BROKEN, *NOT_UTF8])
def test_malformed_path_is_refused(server: Server, service: Json, value: bytes) -> None:
    """The same in a part of a path."""
    malformed(raw_json(server, "GET", f"{at(service, 'Users')}/{value.decode()}"))


@pytest.mark.parametrize("value", [b"%00", b"\0", b"a%00b"])
@pytest.mark.parametrize("path", ["Users", "Channels"])
def test_nul_in_a_form_is_refused(server: Server, service: Json, path: str, value: bytes) -> None:
    """A NUL has no place in a text."""
    body = b"Identity=alice&FriendlyName=" + value

    malformed(raw_json(server, "POST", at(service, path), f"Content-Type: {FORM}", body=body))


def test_nul_in_a_query_is_refused(server: Server, service: Json) -> None:
    """The same in a filter."""
    malformed(raw_json(server, "GET", f"{at(service, 'Bindings')}?Identity=%00"))


@pytest.mark.parametrize("path", ["Users/%00", "Users/alice%00", "Channels/%00", "Channels/%00/Messages"])
def test_nul_in_a_path_is_nobodys_name(client: httpx.Client, service: Json, path: str) -> None:
    """There is no such thing, so it is not found."""
    create_user(client, service, "alice")

    not_found(client.get(f"{at(service)}/{path}"))


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 3 * MEBIBYTE])
@pytest.mark.parametrize("type_", [FORM, "application/json"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_oversize_body_is_refused(client: httpx.Client, service: Json, size: int, type_: str, chunked: bool) -> None:
    """Over 1 MiB, whether or not the length is told before, and whether or not the body would be read."""
    body = b"FriendlyName=changed&Nonsense=".ljust(size, b"x")
    content = iter([body[:MEBIBYTE], body[MEBIBYTE:]]) if chunked else body

    response = client.post(at(service), content=content, headers={"Content-Type": type_})

    refused(response, 413, 20413)
    assert fetch(client, service) == service


def test_body_of_the_largest_size_is_read(client: httpx.Client, service: Json) -> None:
    """1 MiB is not too much."""
    body = b"FriendlyName=changed&Nonsense=".ljust(MEBIBYTE, b"x")

    response = client.post(at(service), content=body, headers={"Content-Type": FORM})

    assert ok(response)["friendly_name"] == "changed"


# Paths and methods


@pytest.mark.parametrize("identity", IDENTITIES)
def test_name_in_a_path_is_decoded_once(client: httpx.Client, server: Server, service: Json, identity: str) -> None:
    """An encoded slash does not split the path, and what looks encoded twice is taken at its word."""
    user = create_user(client, service, identity)
    assert user["identity"] == identity

    assert raw_json(server, "GET", at(service, "Users", identity)) == (200, user)
    assert raw_json(server, "GET", at(service, "Users", identity) + "/Channels")[0] == 200


def test_at_sign_may_stand_bare_in_a_path(client: httpx.Client, server: Server, service: Json) -> None:
    """One client encodes it, another leaves it."""
    user = create_user(client, service, "alice@example.com")

    assert raw_json(server, "GET", f"{at(service, 'Users')}/alice@example.com") == (200, user)
    assert raw_json(server, "GET", f"{at(service, 'Users')}/alice%40example.com") == (200, user)


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/", "/v2/Nothing", "/v3/Services", "/v2/services", "//v2/Services"])
def test_unknown_path_is_not_found(server: Server, path: str) -> None:
    """The message names the path without version, host and query."""
    status, body = raw_json(server, "GET", f"{path}?PageSize=1")

    assert (status, body["code"]) == (404, 20404)
    assert body["message"] == f"The requested resource {path.removeprefix('/v2')} was not found"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["", "/Channels", "/Users", "/Channels/general"])
def test_trailing_slash_is_another_path_and_no_redirect(
    client: httpx.Client, service: Json, method: str, path: str
) -> None:
    """Clients do not follow redirects."""
    create_channel(client, service, UniqueName="general")

    not_found(client.request(method, f"{at(service)}{path}/"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "") for method in ("PUT", "PATCH")),
        *((method, "/Channels") for method in ("PUT", "PATCH", "DELETE")),
        ("POST", "/Bindings"),
        ("POST", f"/Bindings/BS{NOBODY}"),
        ("POST", "/Users/alice/Channels"),
        ("POST", f"/Channels/general/Invites/IN{NOBODY}"),
        ("DELETE", "/Channels/general/Messages"),
    ],
)
def test_other_methods_are_not_allowed(client: httpx.Client, service: Json, method: str, path: str) -> None:
    """A path has the methods of its contract."""
    refused(client.request(method, f"{at(service)}{path}"), 405, 20004, "Method not allowed")


# What every answer carries


def answers(client: httpx.Client, service: Json) -> list[httpx.Response]:
    """One of every status."""
    channel = client.post(at(service, "Channels"))
    return [
        channel,
        client.get(at(service)),
        client.delete(at(channel.json())),
        client.post(at(service, "Users")),
        client.get(at(service), auth=("x", "y")),
        client.get(at(channel.json())),
        client.get("/v2/Nothing"),
        client.put(at(service)),
        client.get(f"{SERVICES}/IS{NOBODY}/Users"),
        client.options(at(service)),
    ]


def test_every_answer_has_the_headers_of_the_contract(client: httpx.Client, service: Json) -> None:
    """Browsers need the CORS set on each answer, also on refusals."""
    found = answers(client, service)

    assert [response.status_code for response in found] == [201, 200, 204, 400, 401, 404, 404, 405, 403, 200]
    for response in found:
        assert {name: response.headers[name] for name in CORS} == CORS
        assert set(response.headers["Access-Control-Allow-Headers"].split(", ")) >= ALLOWED_HEADERS


def test_every_answer_has_a_request_id_of_its_own(client: httpx.Client, service: Json) -> None:
    """Two answers are told apart by it."""
    ids = [response.headers["Twilio-Request-Id"] for response in answers(client, service)]

    assert all(identifier == Like("RQ[0-9a-f]{32}") for identifier in ids)
    assert len(set(ids)) == len(ids)


def test_answers_with_a_body_are_json(client: httpx.Client, service: Json) -> None:
    """A deletion has no body and says nothing of one."""
    for response in answers(client, service):
        if response.content:
            assert response.headers["Content-Type"].partition(";")[0] == "application/json"
            assert isinstance(response.json(), dict)
        else:
            assert response.status_code == 204 or response.request.method == "OPTIONS"


@pytest.mark.parametrize("path", [SERVICES, f"{SERVICES}/IS{NOBODY}/Channels/x/Messages"])
def test_browser_may_ask_what_is_allowed_without_credentials(anonymous: httpx.Client, path: str) -> None:
    """A preflight request carries none."""
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}

    response = anonymous.options(path, headers=headers)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]


def test_request_head_without_end_is_cut_off(server: Server) -> None:
    """A client that goes on sending headers is told so and loses its connection; the server gathers no more."""
    endless = b"GET /v2/Services HTTP/1.1\r\nHost: x\r\nX-Padding: "
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(endless)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 10_000_000 and not select.select([connection], [], [], 0)[0]:
                sent += connection.send(b"a" * 4096)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")

    assert 64 * 1024 <= sent < 10_000_000


def test_connection_is_kept_for_the_next_request(client: httpx.Client, service: Json) -> None:
    """Refusals do not end it either."""
    streams = {id(response.extensions["network_stream"]) for response in answers(client, service)}

    assert rows(client, service, "Channels") == []
    assert len(streams) == 1
