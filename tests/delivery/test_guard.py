"""The egress guard: nothing of the operator's own network is reached, however a URL is written."""

import asyncio
import socket
import threading

import pytest

from hubbub.delivery import guard as guard_module
from hubbub.delivery.guard import Guard, SystemResolver
from hubbub.delivery.outcome import Blocked, Unreachable
from hubbub.settings import BadSettings, load
from tests.delivery.receivers import PUBLIC, Names, networks

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",  # metadata at Alibaba
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # metadata at Azure
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # metadata at Oracle
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:169.254.169.254",
    "0:0:0:0:0:ffff:a00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:5db8:d822:0:0:80ff:fffe",  # Teredo: a public server, but 127.0.0.1 behind it
    "2001:0:7f00:1:0:0:a247:27dd",  # Teredo: 127.0.0.1 as its server
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
]
ODD_HOSTS = [
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0X7F000001",
    "0x",
    "2130706433",
    "127.1",
    "127.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.01",
    "8.8.8.8.",
    "8.8.2056",
    "134744072",
    "256.1.1.1",
    "1.2.3.4.5",
    "good.example.1",
    "good.example.0x10",
    "\uff11\uff12\uff17.0.0.1",  # fullwidth digits
    "\uff18.8.8.8",
    "8\u30028\u30028\u30028",  # ideographic full stops
    "\u2460.8.8.8",  # a digit in a circle
    "good.example.",
    "good..example",
    ".good.example",
    "%31%32%37.0.0.1",
    "good%2eexample",
    "good.example%00",
    "good_example\\.evil",
    "good example",
    "good.example\t",
    "good.example\n",
    "good\u2100.example",  # becomes "a/c"
    "fa\u00df.example",
    "a\u200db.example",
    "x" * 64 + ".example",
    ".".join(["x" * 60] * 5),
    "\u00fc" * 300,
    "\ud800.example",
    "",
    "[::1]",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_address_that_is_not_public_is_refused(address: str) -> None:
    """An address of a reserved network is refused as the host of a URL and as the answer of a name server."""
    guard = Guard(resolve=Names(good_example=[[address]]))

    for host in (address, "good.example"):
        with pytest.raises(Blocked):
            await guard.addresses(host)


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"],
)
async def test_public_address_is_given_back(address: str) -> None:
    """A public address passes, also one that carries a public IPv4 address."""
    guard = Guard(resolve=Names(good_example=[[address]]))

    assert await guard.addresses(address) == await guard.addresses("good.example") == (address,)


async def test_mapped_address_is_connected_to_as_what_it_is() -> None:
    """An IPv4 address in IPv6 notation is given back as the IPv4 address that was checked."""
    assert await Guard().addresses("::ffff:8.8.8.8") == ("8.8.8.8",)


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_oddly_written_host_is_refused(host: str) -> None:
    """A host that different readers understand differently is refused before any name server is asked."""
    names = Names()

    with pytest.raises(Blocked):
        await Guard(networks("0.0.0.0/0", "::/0"), names).addresses(host)

    assert names.asked == []


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("127.0.0.1", "127.0.0.1"),
        ("fd00::/8", "fd00::1"),
        ("::1", "::1"),
        ("10.0.0.0/8", "64:ff9b::a01:203"),
        ("10.0.0.0/8", "2002:a01:203::1"),
        ("10.0.0.0/8", "2001:0:a01:203::f5fe:fdfc"),
    ],
)
async def test_operator_may_allow_a_network(allowed: str, address: str) -> None:
    """What the operator allows passes, also carried in an IPv6 address."""
    guard = Guard(networks(allowed), Names(inner_example=[[address]]))

    assert await guard.addresses("inner.example") == (address,)
    with pytest.raises(Blocked):
        await guard.addresses("192.168.1.1")


async def test_allowed_ones_of_several_addresses_are_kept() -> None:
    """Of an answer with public and inner addresses only the public ones are given back, each once, in order."""
    guard = Guard(resolve=Names(good_example=[["10.0.0.1", PUBLIC, "::1", "8.8.8.8", PUBLIC]]))

    assert await guard.addresses("good.example") == (PUBLIC, "8.8.8.8")


async def test_long_answer_is_cut() -> None:
    """No more than a few addresses of one host are tried."""
    guard = Guard(resolve=Names(good_example=[[f"8.8.8.{n}" for n in range(200)]]))

    assert len(await guard.addresses("good.example")) == guard_module.TRIED_ADDRESSES


async def test_rebinding_name_server_gets_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was public a moment ago and is loopback now is refused when it is looked up again."""
    monkeypatch.setattr(guard_module, "KEPT_SECONDS", -1)
    guard = Guard(resolve=Names(evil_example=[[PUBLIC], ["127.0.0.1"]]))

    assert await guard.addresses("evil.example") == (PUBLIC,)
    with pytest.raises(Blocked, match=r"127\.0\.0\.1"):
        await guard.addresses("evil.example")


async def test_answers_are_kept_for_a_moment() -> None:
    """A host is looked up once for many requests, whether it was found, refused or unknown."""
    names = Names(good_example=[[PUBLIC]], inner_example=[["10.0.0.1"]])
    guard = Guard(resolve=names)

    for _ in range(3):
        await guard.addresses("good.example")
        with pytest.raises(Blocked):
            await guard.addresses("inner.example")
        with pytest.raises(Unreachable):
            await guard.addresses("nowhere.example")

    assert names.asked == ["good.example", "inner.example", "nowhere.example"]


async def test_known_hosts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hosts are looked up, no more than a fixed number is remembered."""
    monkeypatch.setattr(guard_module, "KEPT_HOSTS", 3)
    guard = Guard()

    for n in range(10):
        await guard.addresses(f"8.8.8.{n}")

    assert list(guard._known) == ["8.8.8.7", "8.8.8.8", "8.8.8.9"]


async def test_concurrent_callers_share_one_lookup() -> None:
    """Many requests to one host ask once, and one that gives up takes the answer from nobody."""
    go = asyncio.Event()
    asked = []

    async def resolve(host: str) -> list[str]:
        asked.append(host)
        await go.wait()
        return [PUBLIC]

    guard = Guard(resolve=resolve)
    first, second, third = (asyncio.create_task(guard.addresses("good.example")) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    go.set()

    assert [await second, await third] == [(PUBLIC,), (PUBLIC,)]
    assert asked == ["good.example"]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_close_ends_lookups_under_way() -> None:
    """A name server that says nothing holds up no shutdown."""

    async def resolve(_: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    guard = Guard(resolve=resolve)
    waiting = asyncio.create_task(guard.addresses("slow.example"))
    await asyncio.sleep(0)

    guard.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert guard._lookups == {}


async def test_name_without_an_address_is_unreachable() -> None:
    """A host that the name server does not know, or knows without an address, is unreachable, not blocked."""
    guard = Guard(resolve=Names(empty_example=[[]]))

    for host in ("empty.example", "nowhere.example"):
        with pytest.raises(Unreachable, match=host):
            await guard.addresses(host)


async def test_operating_system_is_asked() -> None:
    """The resolver of production gives what the operating system says, and raises what it raises."""
    resolve = SystemResolver()

    assert set(await resolve("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        await resolve("nowhere.invalid")


async def test_lookups_at_a_time_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many lookups only so many take a thread at a time; the others wait their turn."""
    active: list[str] = []
    most = []
    go = threading.Event()

    def look_up(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        active.append(host)
        go.wait(10)
        most.append(len(active))
        active.remove(host)
        return [(0, 0, 0, "", (PUBLIC, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(guard_module, "LOOKUPS", 2)
    resolve = SystemResolver()
    lookups = [asyncio.create_task(resolve(f"{n}.example")) for n in range(6)]
    await asyncio.sleep(0)
    go.set()

    assert [await lookup for lookup in lookups] == [[PUBLIC]] * 6
    assert max(most) <= 2


def test_allowed_networks_are_a_setting() -> None:
    """`webhook_allow` takes networks and addresses of both versions, comma-separated."""
    found = load({"webhook-allow".replace("-", "_"): "10.0.0.0/8, fd00::/8,192.168.1.5,"}, {}).webhook_networks

    assert found == tuple(networks("10.0.0.0/8", "fd00::/8", "192.168.1.5/32"))
    assert load({}, {}).webhook_networks == ()


@pytest.mark.parametrize("value", ["everything", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8 fd00::/8", "10.1"])
def test_setting_that_is_no_network_stops_the_start(value: str) -> None:
    """What is no network is named in a sentence when the settings are read."""
    with pytest.raises(BadSettings, match="HUBBUB_WEBHOOK_ALLOW"):
        load({}, {"HUBBUB_WEBHOOK_ALLOW": value})
