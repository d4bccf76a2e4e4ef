"""URLs as a tenant may write them: each is read as browsers read it, refused, or leads to an allowed address only."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.delivery.guard import Guard
from hubbub.delivery.http import head
from hubbub.delivery.outcome import Blocked, Unreachable
from hubbub.delivery.place import Key, read_place
from tests.delivery.receivers import PUBLIC, Connectionless, Names, networks
from tests.delivery.test_guard import NOT_PUBLIC, ODD_HOSTS

ODD_URLS = [
    "",
    "good.example",
    "//good.example/",
    "ftp://good.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "javascript:alert(1)",
    "http:/good.example/",
    "http:good.example",
    " http://good.example/",
    "\nhttp://good.example/",
    "ht\ttp://good.example/",
    "http:///path",
    "http://",
    "http://?query",
    "http://user@good.example/",
    "http://user:password@good.example/",
    "http://@good.example/",
    "http://good.example@127.0.0.1/",
    "http://good.example:80@127.0.0.1/",
    "http://127.0.0.1@good.example/",
    "http://good.example%40127.0.0.1/",
    "http://127.0.0.1#@good.example/",
    "http://127.0.0.1?@good.example/",
    "http://127.0.0.1\\@good.example/",
    "http://good.example\\@127.0.0.1/",
    "http://good.example\\127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http://127.0.0.1\t/",
    "http://good.example:0/",
    "http://good.example:65536/",
    "http://good.example:99999999999999999999/",
    f"http://good.example:{'9' * 5000}/",
    "http://good.example:8a/",
    "http://good.example:-1/",
    "http://good.example:+80/",
    "http://good.example:\uff18\uff10/",
    "http://good.example:80:80/",
    "http://::1/",
    "http://[::1]/",
    "http://[::1/",
    "http://[::1]x/",
    "http://[::1]:x/",
    "http://[]/",
    "http://[good.example]/",
    "http://[127.0.0.1]/",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]/",
    "http://[::1%25lo]/",
    "http://[::1%lo]/",
    "http://[fe80::1%25eth0]/",
    "http://[v1.x]/",
    "http://[::1]@good.example/",
    "http://localhost/",
    "http://LOCALHOST:8080/",
]


async def refuse(sender: Connectionless, url: str) -> None:
    with pytest.raises(Blocked) as refused:
        await sender.send("POST", url, (), b"", 1)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("url", ODD_URLS)
async def test_tricky_url_is_refused(url: str) -> None:
    """A URL with a user, without a host, of another scheme, or that leads inside in disguise is refused."""
    names = Names(good_example=[[PUBLIC]], localhost=[["::1", "127.0.0.1"]])
    sender = Connectionless(Guard(resolve=names))

    await refuse(sender, url)

    assert sender.tried == []


@pytest.mark.parametrize(
    ("url", "key", "path"),
    [
        ("http://good.example", ("http", "good.example", 80), "/"),
        ("HTTPS://GOOD.Example:8443/A/b", ("https", "good.example", 8443), "/A/b"),
        ("http://good.example:", ("http", "good.example", 80), "/"),
        ("http://good.example/a\r\nb c", ("http", "good.example", 80), "/a%0D%0Ab%20c"),
        ("http://good.example/@127.0.0.1", ("http", "good.example", 80), "/@127.0.0.1"),
        ("http://good.example/\\@x/\u00fc%zz", ("http", "good.example", 80), "/%5C@x/%C3%BC%zz"),
        ("https://b\u00fccher.example/", ("https", "xn--bcher-kva.example", 443), "/"),
        ("http://[2606:4700:0::1]:81/", ("http", "2606:4700::1", 81), "/"),
        ("http://under_score.example/", ("http", "under_score.example", 80), "/"),
    ],
)
def test_url_is_read_as_browsers_read_it(url: str, key: Key, path: str) -> None:
    """A plain URL gives its scheme, host, port and path; only what may not stand in a request is encoded."""
    place = read_place(url)

    assert (place.key, place.path) == (key, path)


@pytest.mark.parametrize("url", ["http://localhost:1/", "https://localhost:1/", "http://127.0.0.1:1/"])
async def test_this_machine_is_refused_by_default(url: str) -> None:
    """Without a setting and with the operating system's own answers, nothing is sent to this machine."""
    await refuse(Connectionless(Guard()), url)


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.sampled_from(NOT_PUBLIC),
    st.sampled_from(["127.0.0.1", "10.0.0.1", PUBLIC, "10.9.9.9"]),
)
PIECES = st.one_of(
    st.sampled_from(
        [*ODD_HOSTS, "http://", "https://", "good.example", "@", ":", "/", "\\", "?", "#", "[", "]", "%00"]
    ),
    ADDRESSES,
    ADDRESSES.map(lambda address: f"[{address}]"),
    st.text(max_size=5),
)
URLS = st.one_of(
    st.text(),
    st.builds("{}{}".format, st.sampled_from(["http://", "https://", "HTTP://"]), st.lists(PIECES).map("".join)),
)


@given(URLS, st.lists(ADDRESSES, max_size=3))
@settings(max_examples=400, deadline=None)
async def test_any_url_is_refused_or_leads_to_an_allowed_address(url: str, answer: list[str]) -> None:
    """Whatever the URL says and the name server answers, a connection is made to an allowed address only."""

    async def resolve(_: str) -> list[str]:
        return answer

    sender = Connectionless(Guard(networks("10.0.0.0/24"), resolve))

    with pytest.raises((Blocked, Unreachable)):
        await sender.send("POST", url, (), b"", 5)

    for tried in map(ipaddress.ip_address, sender.tried):
        carries = (tried.sixtofour or tried.teredo) if isinstance(tried, ipaddress.IPv6Address) else None
        assert carries or str(tried).startswith(("64:ff9b::", "::")) or tried.is_global or str(tried)[:7] == "10.0.0."


@given(st.text(), st.text())
def test_any_url_makes_a_head_of_the_same_lines(path: str, query: str) -> None:
    """Nothing in a path or a query adds a line or a word to the request."""
    place, rest = Connectionless(Guard())._read(f"http://good.example/{path}?{query}")

    made = head("POST", place, rest, [], b"")

    assert made.isascii()
    assert made.count(b"\r\n") == made.count(b"\n") == made.count(b"\r") == 5
    assert made.split(b"\r\n")[0].count(b" ") == 2
