"""Media files and apps: which of them an end user may read, and that a browser may ask for them."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.api.steps import (
    NOBODY,
    Json,
    at,
    create_channel,
    create_invite,
    create_member,
    create_message,
    create_user,
    created,
    delete,
    not_found,
    ok,
    refused,
    upload_media,
)
from tests.harness import Server
from tests.tokens import Signer, new_signer

ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return new_signer(server)


App = Callable[[str], httpx.Client]


@pytest.fixture
def app(server: Server, service: Json, signer: Signer) -> Iterator[App]:
    """The app of an identity, as its browser asks."""
    opened: list[httpx.Client] = []

    def open_app(identity: str) -> httpx.Client:
        headers = {"X-Twilio-Token": signer.token(identity, service["sid"]), "Origin": ORIGIN}
        opened.append(httpx.Client(base_url=server.url, headers=headers))
        return opened[-1]

    yield open_app
    for each in opened:
        each.close()


def readable(app: httpx.Client, media: Json) -> bool:
    """Whether both its record and its bytes are there; one never is without the other."""
    record, content = app.get(at(media)), app.get(f"{at(media)}/Content")
    assert record.status_code == content.status_code
    if record.status_code == 200:
        return True
    not_found(record)
    not_found(content)
    return False


# Who may read


def test_upload_of_an_app_has_its_identity_as_author(app: App, service: Json) -> None:
    """Raw, or as a browser's form."""
    alice = app("alice")
    path = f"/v1/Services/{service['sid']}/Media"

    raw = created(alice.post(path, content=b"raw", params={"Filename": "a.txt"}, headers={"Content-Type": "text/css"}))
    form = created(alice.post(path, files={"media": ("b.png", b"form!", "image/png")}))

    assert [raw[name] for name in ("author", "filename", "content_type", "size")] == ["alice", "a.txt", "text/css", 3]
    assert [form[name] for name in ("author", "filename", "content_type", "size")] == ["alice", "b.png", "image/png", 5]
    assert ok(alice.get(at(raw)))["sid"] == raw["sid"]
    assert alice.get(f"{at(form)}/Content").content == b"form!"
    assert httpx.get(form["links"]["content_direct_temporary"]).content == b"form!"


def test_app_that_can_set_its_region_only_finds_the_media(app: App, service: Json) -> None:
    """The older SDKs take `https://mcs.REGION.twilio.com`, so the region `HOST/x` leads them to mcs.HOST."""
    alice = app("alice")
    path = f"/v1/Services/{service['sid']}/Media"

    media = created(alice.post(f"/x.twilio.com{path}", content=b"bytes", headers={"Content-Type": "text/plain"}))

    assert ok(alice.get(f"/x.twilio.com{at(media)}"))["sid"] == media["sid"]
    assert httpx.get(media["links"]["content_direct_temporary"]).content == b"bytes"
    refused(alice.get(f"/x.example.com{at(media)}"), 404, 20404)


def test_file_that_was_not_sent_is_its_uploader_s_own(client: httpx.Client, app: App, service: Json) -> None:
    """Nobody else in the service knows it, nor what a back end uploaded; the back end sees all."""
    media, of_back_end = upload_media(app("alice"), service), upload_media(client, service)

    assert (readable(app("alice"), media), readable(app("bob"), media)) == (True, False)
    assert not readable(app("alice"), of_back_end)
    assert readable(client, media)


@pytest.mark.parametrize("type_", ["public", "private"])
def test_sent_file_is_for_the_members_of_its_channel(client: httpx.Client, app: App, service: Json, type_: str) -> None:
    """Not for those who are only invited or could join."""
    channel = create_channel(client, service, Type=type_)
    create_member(client, channel, "bob")
    create_user(client, service, "carol")
    create_invite(client, channel, "carol")
    media = upload_media(client, service)
    create_message(client, channel, MediaSid=media["sid"])

    seen = {name: readable(app(name), media) for name in ("bob", "carol", "dave")}

    assert seen == {"bob": True, "carol": False, "dave": False}


def test_who_leaves_a_channel_reads_its_files_no_more(client: httpx.Client, app: App, service: Json) -> None:
    """But for those that were its own."""
    channel = create_channel(client, service)
    member = create_member(client, channel, "alice")
    own, other = upload_media(app("alice"), service), upload_media(client, service)
    for media in (own, other):
        create_message(client, channel, MediaSid=media["sid"])
    assert (readable(app("alice"), own), readable(app("alice"), other)) == (True, True)

    delete(client, member)

    assert (readable(app("alice"), own), readable(app("alice"), other)) == (True, False)


def test_file_of_another_service_is_not_there(client: httpx.Client, app: App, service: Json) -> None:
    """The token's service is the only one."""
    other = created(client.post("/v2/Services", data={"FriendlyName": "Other"}))
    media = upload_media(client, other)

    for path in (at(media), f"{at(media)}/Content"):
        refused(app("alice").get(path), 403, 50050)
    not_found(app("alice").get(at(media).replace(other["sid"], service["sid"])))
    delete(client, other)


def test_several_files_are_read_at_once(client: httpx.Client, app: App, service: Json) -> None:
    """In the order asked for; what may not be read, or is not there, has 404 in its place."""
    alice = app("alice")
    own, other = upload_media(alice, service), upload_media(client, service)
    sids = [other["sid"], own["sid"], f"ME{NOBODY}", "x\0"]

    answer = alice.post(
        f"/v1/Services/{service['sid']}/MediaSet", json={"command": "get", "list": [{"media_sid": sid} for sid in sids]}
    )

    assert answer.status_code == 200, answer.text
    assert [each["code"] for each in answer.json()] == [404, 200, 404, 404]
    assert [each["media_record"]["sid"] for each in answer.json()] == sids
    record = answer.json()[1]["media_record"]
    assert {**record, "links": None} == {**own, "links": None}
    assert httpx.get(record["links"]["content_direct_temporary"]).content == b"bytes"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"command": "get"}',
        b'{"command": "drop", "list": []}',
        b'{"command": "get", "list": [{}]}',
        b'{"command": "get", "list": [{"media_sid": "\xff"}]}',
        b'{"command": "get", "list": [%s{"media_sid": ""}]}' % (b'{"media_sid": ""}, ' * 100),
        b"[" * 100_000,
    ],
    ids=range(9),
)
def test_set_that_cannot_be_read_is_refused(client: httpx.Client, service: Json, body: bytes) -> None:
    """Whatever it is instead."""
    refused(client.post(f"/v1/Services/{service['sid']}/MediaSet", content=body), 400, 20001)


# Browsers


@pytest.mark.parametrize("below", ["", f"/ME{NOBODY}", f"/ME{NOBODY}/Content", f"/ME{NOBODY}/Content/Temporary"])
def test_preflight_lets_a_browser_send_the_token(server: Server, service: Json, below: str) -> None:
    """From any page, without credentials, and whether or not the file is there."""
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-twilio-token",
    }

    response = httpx.options(f"{server.url}/v1/Services/{service['sid']}/Media{below}", headers=asked)

    allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    methods = {name.strip() for name in response.headers["Access-Control-Allow-Methods"].split(",")}
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert {"content-type", "x-twilio-token"} <= allowed
    assert {"GET", "POST"} <= methods


def test_every_answer_may_be_read_by_a_browser(server: Server, app: App, service: Json) -> None:
    """What went well, the bytes, and what was refused."""
    alice = app("alice")
    media = upload_media(alice, service)
    path = f"/v1/Services/{service['sid']}/Media"

    answers = {
        201: alice.post(path, content=b"x"),
        200: alice.get(f"{at(media)}/Content"),
        404: alice.get(f"{path}/ME{NOBODY}"),
        403: alice.get(f"/v1/Services/IS{NOBODY}/Media/ME{NOBODY}"),
        401: httpx.post(f"{server.url}{path}", content=b"x", headers={"Origin": ORIGIN, "X-Twilio-Token": "x"}),
        405: alice.put(at(media)),
    }

    for status, response in answers.items():
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Expose-Headers"] == "ETag"
