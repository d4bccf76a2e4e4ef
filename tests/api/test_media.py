"""Media files: uploaded and fetched through their own paths, attached to one message, gone with it."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.more_steps import create_account, eventually
from tests.api.steps import (
    DATE,
    NOBODY,
    Json,
    at,
    create_channel,
    create_message,
    create_service,
    created,
    delete,
    fetch,
    not_found,
    ok,
    raw_request,
    refused,
    rows,
    sid,
    update,
    upload_media,
)
from tests.harness import ACCOUNT_SID, Server

MEGABYTE = 1_000_000
BOUNDARY_HEADER = {"Content-Type": "multipart/form-data; boundary=frontier"}
CONTENTS = {
    "empty": b"",
    "one byte": b"\0",
    "every byte": bytes(range(256)),
    "one chunk and more": bytes(range(256)) * 1025,
}
RECORDS = [
    ("image/png", {"Filename": "cat.png"}, "cat.png"),
    ("text/plain; charset=utf-8", {"Filename": "ünï 😀/..\\x.txt"}, "ünï 😀/..\\x.txt"),
    ("application/pdf", {"Filename": ""}, None),
    ("application/x-www-form-urlencoded", {"Category": "media"}, None),
    ("application/json", {"Nonsense": "x"}, None),
]


def media_of(service: Json) -> str:
    return f"/v1/Services/{service['sid']}/Media"


def chunks(size: int, piece: int = 64 * 1024) -> Iterator[bytes]:
    """So many bytes in pieces, which makes a client send them without a length."""
    for begin in range(0, size, piece):
        yield b"x" * min(piece, size - begin)


def path_of(server: Server, media: Json) -> Path:
    """The one file below the data folder that holds an uploaded media."""
    [path] = (server.data_dir / "media").rglob(media["sid"])
    return path


def files(server: Server, service: Json) -> list[Path]:
    """What lies in a service's folder, whole or not."""
    return list((server.data_dir / "media" / service["sid"]).glob("*"))


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """A browser's form of the parts: the header lines of each, and its content."""
    pieces = [b"--frontier\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return b"".join(pieces) + b"--frontier--\r\n"


def file_part(filename: str, type_: str, content: bytes) -> tuple[str, bytes]:
    head = f'Content-Disposition: form-data; name="media"; filename="{filename}"\r\nContent-Type: {type_}'
    return head, content


# Upload and fetch


def test_uploaded_media_has_the_documented_form(client: httpx.Client, service: Json, server: Server) -> None:
    """A file that no message has yet belongs to the system and to no channel."""
    path = media_of(service)

    media = created(client.post(path, content=b"12345", headers={"Content-Type": "image/png"}))

    url = f"{server.url}{path}/{media['sid']}"
    temporary = media["links"]["content_direct_temporary"]
    assert media == {
        "sid": sid("ME"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "channel_sid": None,
        "message_sid": None,
        "date_created": DATE,
        "date_updated": media["date_created"],
        "date_upload_updated": media["date_created"],
        "size": 5,
        "content_type": "image/png",
        "filename": None,
        "author": "system",
        "category": "media",
        "is_multipart_upstream": False,
        "url": url,
        "links": {"content": f"{url}/Content", "content_direct_temporary": temporary},
    }
    assert temporary.startswith(f"{server.url}/")


@pytest.mark.parametrize(("type_", "query", "filename"), RECORDS)
def test_type_and_name_are_kept(
    client: httpx.Client, service: Json, type_: str, query: dict[str, str], filename: str | None
) -> None:
    """The type comes from the header, the name from the query; neither is interpreted."""
    headers = {"Content-Type": type_}
    media = created(client.post(media_of(service), content=b"{}", params=query, headers=headers))

    fetched = fetch(client, media)

    assert (fetched["content_type"], fetched["filename"], fetched["size"]) == (type_, filename, 2)
    assert {**fetched, "links": None} == {**media, "links": None}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_content_is_given_back_byte_for_byte(client: httpx.Client, service: Json, content: bytes) -> None:
    """With its type and length, and so that no browser runs it in our name."""
    media = upload_media(client, service, content)
    assert media["size"] == len(content)

    response = client.get(media["links"]["content"])

    assert (response.status_code, response.content) == (200, content)
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_chunked_upload_is_accepted(client: httpx.Client, service: Json) -> None:
    """The size need not be told before."""
    media = created(client.post(media_of(service), content=chunks(100_000)))

    assert (media["size"], media["content_type"]) == (100_000, "application/octet-stream")
    assert client.get(media["links"]["content"]).content == b"x" * 100_000


def test_file_of_a_form_is_uploaded(client: httpx.Client, service: Json) -> None:
    """Browsers post multipart forms; name and type are those of the part."""
    body = multipart(('Content-Disposition: form-data; name="a"', b"b"), file_part("cat.png", "image/png", b"123"))

    media = created(client.post(media_of(service), content=body, headers=BOUNDARY_HEADER))

    assert (media["size"], media["content_type"], media["filename"]) == (3, "image/png", "cat.png")
    assert client.get(media["links"]["content"]).content == b"123"


def test_form_without_a_file_is_refused(client: httpx.Client, service: Json, server: Server) -> None:
    """There is nothing to keep."""
    body = multipart(('Content-Disposition: form-data; name="a"', b"b"))

    refused(client.post(media_of(service), content=body, headers=BOUNDARY_HEADER), 400, 20001)
    assert files(server, service) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"--frontier", b"--frontier\r\n\r\nno headers\r\n--frontier--\r\n"],
    ids=["empty", "nonsense", "unfinished", "no headers"],
)
def test_broken_form_is_refused(client: httpx.Client, service: Json, server: Server, body: bytes) -> None:
    """A fault of the caller's is answered as one."""
    refused(client.post(media_of(service), content=body, headers=BOUNDARY_HEADER), 400, 20001)

    assert files(server, service) == []


def test_form_without_a_boundary_is_refused(client: httpx.Client, service: Json) -> None:
    """It cannot be read."""
    headers = {"Content-Type": "multipart/form-data"}

    refused(client.post(media_of(service), content=b"x", headers=headers), 400, 20001)


@pytest.mark.parametrize("category", ["body", "MEDIA", "history"])
def test_other_categories_are_refused(client: httpx.Client, service: Json, category: str) -> None:
    """There is one category."""
    response = client.post(media_of(service), content=b"x", params={"Category": category})

    refused(response, 400, 20001, "Invalid parameter Category")


@pytest.mark.parametrize("parameter", ["Filename", "Content-Type"])
def test_overlong_name_or_type_is_refused(client: httpx.Client, service: Json, server: Server, parameter: str) -> None:
    """Neither is a place to keep a file in."""
    headers = {"Content-Type": f"text/{'t' * 300}"} if parameter == "Content-Type" else {}
    query = {"Filename": "f" * 257} if parameter == "Filename" else {}

    refused(client.post(media_of(service), content=b"x", params=query, headers=headers), 400, 20001)
    assert files(server, service) == []


def test_interrupted_upload_leaves_nothing(client: httpx.Client, service: Json, server: Server) -> None:
    """A client that goes away in the middle has uploaded nothing."""
    with pytest.raises(ConnectionResetError, match="the client goes away"):
        upload_a_part(server, service)

    eventually(lambda: files(server, service) == [], "the part of a file is removed")


def upload_a_part(server: Server, service: Json) -> None:
    """Promise more than is sent, and hang up."""

    def part() -> Iterator[bytes]:
        yield b"x" * 1000
        eventually(lambda: files(server, service) != [], "the upload has begun")
        raise ConnectionResetError("the client goes away")

    with server.client() as leaving:
        leaving.post(media_of(service), content=part(), headers={"Content-Length": "5000"})


# Who may see it


@pytest.mark.parametrize("below", ["", "/Content"])
def test_media_is_not_found_elsewhere(client: httpx.Client, service: Json, below: str) -> None:
    """A file is addressed through its own service only, and by its SID."""
    media = upload_media(client, service)
    other = create_service(client)

    not_found(client.get(f"{media_of(other)}/{media['sid']}{below}"))
    not_found(client.get(f"{media_of(service)}/ME{NOBODY}{below}"))
    refused(client.get(f"{media_of({'sid': f'IS{NOBODY}'})}/{media['sid']}{below}"), 403, 50050)


def test_media_of_another_account_is_out_of_sight(client: httpx.Client, server: Server, service: Json) -> None:
    """Neither seen nor added to."""
    media = upload_media(client, service)
    account = create_account(server)

    with server.client(account["sid"], account["auth_token"]) as other:
        for path in ("", "/Content"):
            refused(other.get(f"{at(media)}{path}"), 403, 50050)
        refused(other.post(media_of(service), content=b"x"), 403, 50050)


@pytest.mark.parametrize("below", ["", "/Content"])
def test_media_needs_credentials(client: httpx.Client, service: Json, below: str) -> None:
    """All but the temporary link."""
    media = upload_media(client, service)

    refused(httpx.get(media["url"] + below), 401, 20003)


def test_temporary_link_works_without_credentials(client: httpx.Client, service: Json) -> None:
    """It is enough by itself, for a browser to show the file."""
    media = upload_media(client, service, b"picture")

    response = httpx.get(media["links"]["content_direct_temporary"])

    assert (response.status_code, response.content) == (200, b"picture")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_tampered_link_is_not_found(client: httpx.Client, service: Json) -> None:
    """No part of a link can be changed, nor can it be used for another file."""
    media, other = upload_media(client, service), upload_media(client, service)
    link = media["links"]["content_direct_temporary"]
    [expires] = re.findall(r"\d{10,}(?=&|$)", link)
    assert httpx.get(link).status_code == 200

    tampered = [
        link.replace(media["sid"], other["sid"]),
        link.replace(expires, str(int(expires) + 1)),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link[:-1],
        link + "0",
    ]
    for changed in tampered:
        assert changed != link
        not_found(httpx.get(changed))


def test_link_expires(new_server: Server) -> None:
    """After its time the link is nobody's; a fetch gives a fresh one."""
    new_server.settings["HUBBUB_MEDIA_LINK_SECONDS"] = "1"

    with new_server.start().client() as client:
        media = upload_media(client, create_service(client))
        link = media["links"]["content_direct_temporary"]
        eventually(lambda: httpx.get(link).status_code == 404, "the link expires")
        not_found(httpx.get(link))
        assert httpx.get(fetch(client, media)["links"]["content_direct_temporary"]).status_code == 200


# Sizes


def test_upload_over_the_limit_is_refused_and_not_kept(new_server: Server) -> None:
    """Whether or not the length is told before, raw or in a form; the limit itself is not too much."""
    new_server.settings["HUBBUB_MEDIA_SIZE_LIMIT_MB"] = "1"

    with new_server.start().client() as client:
        service = create_service(client)
        path = media_of(service)
        too_large = b"x" * (MEGABYTE + 1)
        form = multipart(file_part("a", "text/plain", too_large))
        refused(client.post(path, content=too_large), 413, 20413)
        refused(client.post(path, content=chunks(MEGABYTE + 1)), 413, 20413)
        refused(client.post(path, content=form, headers=BOUNDARY_HEADER), 413, 20413)
        refused(client.post(path, content=iter([form]), headers=BOUNDARY_HEADER), 413, 20413)
        assert files(new_server, service) == []
        assert created(client.post(path, content=chunks(MEGABYTE)))["size"] == MEGABYTE


def test_declared_length_alone_is_refused(new_server: Server) -> None:
    """The server does not wait for what it would refuse."""
    new_server.settings["HUBBUB_MEDIA_SIZE_LIMIT_MB"] = "1"

    with new_server.start().client() as client:
        service = create_service(client)
        response, _ = raw_request(new_server, "POST", media_of(service), f"Content-Length: {10 * MEGABYTE}")

    assert response.status == 413


def resident(server: Server) -> int:
    """Bytes of memory that the server holds, at their peak so far."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("form", [False, True], ids=["raw", "form"])
def test_large_upload_and_download_are_not_held_in_memory(new_server: Server, form: bool) -> None:
    """100 MB pass through a server that grows by no more than 30 MB at any moment."""
    size = 100 * MEGABYTE
    [head, tail] = multipart(file_part("a", "text/plain", b"SPLIT")).split(b"SPLIT")

    def body() -> Iterator[bytes]:
        yield head if form else b""
        yield from chunks(size)
        yield tail if form else b""

    with new_server.start().client() as client:
        service = create_service(client)
        upload_media(client, service, b"warm")
        before = resident(new_server)
        headers = BOUNDARY_HEADER if form else {}
        media = created(client.post(media_of(service), content=body(), headers=headers))
        with client.stream("GET", media["links"]["content"]) as response:
            received = sum(len(piece) for piece in response.iter_raw())

    assert (media["size"], received) == (size, size)
    assert resident(new_server) - before < 30 * MEGABYTE


# With a message


def test_message_carries_its_media(client: httpx.Client, channel: Json, service: Json) -> None:
    """The message shows the file, the file its message; a body may go with it."""
    media = upload_media(client, service, b"123", Filename="cat.png")

    message = create_message(client, channel, "Look!", MediaSid=media["sid"])

    shown = {"sid": media["sid"], "size": 3, "content_type": "text/plain", "filename": "cat.png"}
    assert (message["type"], message["media"], message["body"]) == ("media", shown, "Look!")
    assert fetch(client, message) == message
    assert rows(client, channel, "Messages") == [message]
    attached = fetch(client, media)
    assert (attached["channel_sid"], attached["message_sid"]) == (channel["sid"], message["sid"])


def test_media_needs_no_body(client: httpx.Client, channel: Json, service: Json) -> None:
    """A picture says it all."""
    media = upload_media(client, service)

    message = created(client.post(at(channel, "Messages"), data={"MediaSid": media["sid"]}))

    assert (message["body"], message["media"]["filename"]) == ("", None)


def test_media_is_attached_once(client: httpx.Client, channel: Json, service: Json) -> None:
    """Not twice, in whatever channel; the refused message takes no index."""
    media = upload_media(client, service)
    create_message(client, channel, MediaSid=media["sid"])

    for place in (channel, create_channel(client, service)):
        response = client.post(at(place, "Messages"), data={"MediaSid": media["sid"]})
        refused(response, 400, 50508, "Media already sent with another message")
    assert create_message(client, channel)["index"] == 1


def test_media_is_attached_in_its_own_service_only(client: httpx.Client, service: Json) -> None:
    """Another service does not know it."""
    media = upload_media(client, service)
    channel = create_channel(client, create_service(client))

    response = client.post(at(channel, "Messages"), data={"MediaSid": media["sid"]})

    refused(response, 404, 50507, "Media not found")
    assert fetch(client, media)["message_sid"] is None


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        (f"ME{NOBODY}", 404, 50507),
        ("picture", 400, 50510),
        ("ME123", 400, 50510),
        (f"IM{NOBODY}", 400, 50510),
        (f"ME{'g' * 32}", 400, 50510),
    ],
)
def test_media_that_never_was_is_not_attached(
    client: httpx.Client, channel: Json, name: str, status: int, code: int
) -> None:
    """What is no SID of a file is told apart from what is unknown."""
    refused(client.post(at(channel, "Messages"), data={"MediaSid": name, "Body": "x"}), status, code)

    assert rows(client, channel, "Messages") == []


def test_refused_message_leaves_its_media_free(client: httpx.Client, channel: Json, service: Json) -> None:
    """The file can go with the next try."""
    media = upload_media(client, service)
    form = {"MediaSid": media["sid"], "Attributes": "nonsense"}
    refused(client.post(at(channel, "Messages"), data=form), 400, 50304)

    assert create_message(client, channel, MediaSid=media["sid"])["media"]["sid"] == media["sid"]


@pytest.mark.parametrize("body", ["Changed", ""])
def test_body_of_a_media_message_is_not_updated(client: httpx.Client, channel: Json, service: Json, body: str) -> None:
    """All else may change."""
    message = create_message(client, channel, MediaSid=upload_media(client, service)["sid"])

    refused(client.post(at(message), data={"Body": body, "From": "bob"}), 400, 50509)

    assert fetch(client, message) == message
    assert update(client, message, Attributes="[1]")["attributes"] == "[1]"


@pytest.mark.parametrize("gone", ["message", "channel", "service"])
def test_file_goes_with_what_it_belonged_to(client: httpx.Client, server: Server, gone: str) -> None:
    """It is out of sight at once, and out of the data folder soon."""
    service = create_service(client)
    channel = create_channel(client, service)
    media = upload_media(client, service)
    message = create_message(client, channel, MediaSid=media["sid"])
    path = path_of(server, media)
    assert path.read_bytes() == b"bytes"

    delete(client, {"message": message, "channel": channel, "service": service}[gone])

    status = 403 if gone == "service" else 404
    assert client.get(at(media)).status_code == status
    assert client.get(f"{at(media)}/Content").status_code == status
    assert httpx.get(media["links"]["content_direct_temporary"]).status_code == 404
    eventually(lambda: not path.exists(), "the file is removed")


def test_unattached_file_goes_with_its_service(client: httpx.Client, server: Server) -> None:
    """Nothing of a service is left."""
    service = create_service(client)
    path = path_of(server, upload_media(client, service))

    delete(client, service)

    eventually(lambda: not path.parent.exists(), "the folder of the service is removed")


def test_file_of_one_message_stays_when_another_goes(client: httpx.Client, channel: Json, service: Json) -> None:
    """Deleting touches no other file."""
    kept = upload_media(client, service, b"kept")
    create_message(client, channel, MediaSid=kept["sid"])
    going = create_message(client, channel, MediaSid=upload_media(client, service)["sid"])

    delete(client, going)

    assert client.get(kept["links"]["content"]).content == b"kept"
    assert ok(client.get(at(kept)))["sid"] == kept["sid"]
