"""The egress guard: which addresses a URL of a tenant's may lead to.

A host is looked up once and the caller connects to the addresses that were checked, never to the name, so that a
second answer of the name server changes nothing.
"""

import asyncio
import contextlib
import socket
import string
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

from hubbub.delivery.outcome import Blocked, Unreachable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Awaitable[Iterable[str]]]

KEPT_SECONDS = 5.0
KEPT_HOSTS = 4096
TRIED_ADDRESSES = 8  # of one answer, so that a long one does not stretch a delivery
LOOKUPS = 64  # at a time: hosts whose name servers are silent must not hold up the others
HOST_LENGTH = 253
LABEL_LENGTH = 63
HOST_CHARACTERS = (string.ascii_lowercase + string.digits + "-_.").encode()
# IDNA 2003, which Python has, maps these to other letters and so to another host than IDNA 2008, which browsers use.
AMBIGUOUS = frozenset("\u00df\u03c2\u200c\u200d")

# What IANA reserves for special purposes, and the address at which Azure serves its machines' metadata.
NOT_PUBLIC_4 = [
    IPv4Network("0.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("168.63.129.16"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
]
PUBLIC_6 = IPv6Network("2000::/3")  # all that is given out so far; loopback, private, link-local, … lie outside
NOT_PUBLIC_6 = [IPv6Network("2001::/23"), IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20")]

MAPPED = IPv6Network("::ffff:0:0/96")
TRANSLATED = IPv6Network("64:ff9b::/96")
COMPATIBLE = IPv6Network("::/96")


class Finding(msgspec.Struct, frozen=True):
    """What a lookup came to: addresses, or the error to raise."""

    until: float
    addresses: tuple[str, ...] = ()
    error: type[Exception] = Blocked
    reason: str = ""


class Guard:
    """Gives the addresses of a host that may be connected to: those that are public or that the operator allows."""

    def __init__(self, allow: Iterable[Network] = (), resolve: Resolve | None = None) -> None:
        self._allow = tuple(allow)
        self._resolve = resolve or SystemResolver()
        self._known: dict[str, Finding] = {}
        self._lookups: dict[str, asyncio.Task[Finding]] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The checked addresses of a host, in the order to try them; an IPv6 address stands without brackets.

        Raises Blocked when the host is oddly written or none of its addresses is allowed, Unreachable when it has none.
        """
        found = self._known.get(host)
        if found is None or found.until < time.monotonic():
            found = await self._look_up(host)
        if not found.addresses:
            raise found.error(found.reason)
        return found.addresses

    def close(self) -> None:
        """Forget what is known and whoever is being looked up."""
        for task in self._lookups.values():
            task.cancel()
        self._lookups.clear()
        self._known.clear()

    async def _look_up(self, host: str) -> Finding:
        """The finding of the one lookup of this host that is under way; it outlives a caller who gives up."""
        task = self._lookups.get(host)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._find(host))
            self._lookups[host] = task
        return await asyncio.shield(task)

    async def _find(self, host: str) -> Finding:
        try:
            finding = await self._judge(host)
        except (Blocked, Unreachable) as error:
            finding = Finding(time.monotonic() + KEPT_SECONDS, error=type(error), reason=str(error))
        finally:
            self._lookups.pop(host, None)
        self._known.pop(host, None)
        if len(self._known) >= KEPT_HOSTS:
            del self._known[next(iter(self._known))]
        self._known[host] = finding
        return finding

    async def _judge(self, host: str) -> Finding:
        """Raises Blocked, Unreachable.

        The allowed ones of several addresses are kept: nothing is ever sent to the others, so refusing the whole
        answer would protect nobody, and hosts with both an inner and a public address are common.
        """
        name = canonical_host(host)
        answer = [name] if is_literal(name) else await self._ask(name)
        allowed = list(dict.fromkeys(str(address) for text in answer if (address := self._checked(text))))
        if not allowed:
            raise Blocked(
                f"The host {name} leads to no address that is public or that HUBBUB_WEBHOOK_ALLOW names: "
                f"{', '.join(answer)}."
            )
        return Finding(time.monotonic() + KEPT_SECONDS, tuple(allowed[:TRIED_ADDRESSES]))

    async def _ask(self, name: str) -> list[str]:
        """Raises Unreachable."""
        try:
            answer = list(await self._resolve(name))
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"The host {name} cannot be looked up: {error}.") from error
        if not answer:
            raise Unreachable(f"The host {name} has no address.")
        return answer

    def _checked(self, text: str) -> Address | None:
        """The address to connect to, None when it is not allowed."""
        if "%" in text:  # an address with a scope belongs to one of our own links
            return None
        address = ip_address(text)
        judged = carried(address)
        if not all(is_public(each) or any(each in network for network in self._allow) for each in judged):
            return None
        return judged[0] if address in MAPPED else address


class SystemResolver:
    """Asks the operating system, in threads that the end of the process does not wait for."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(LOOKUPS)

    async def __call__(self, host: str) -> list[str]:
        """Raises OSError, UnicodeError."""
        async with self._free:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[list[str]] = loop.create_future()
            threading.Thread(target=ask, args=(host, loop, future), daemon=True).start()
            return await future


def ask(host: str, loop: asyncio.AbstractEventLoop, future: asyncio.Future[list[str]]) -> None:
    """Look the host up, in a thread, and settle the future in its loop."""
    answer: list[str] | Exception
    try:
        answer = [str(row[4][0]) for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        answer = error
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(settle, future, answer)


def settle(future: asyncio.Future[list[str]], answer: list[str] | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def canonical_host(text: str) -> str:
    """The host in lower-case ASCII, or an address in its usual form. Raises Blocked when it is written oddly."""
    if ":" in text:
        return canonical_ipv6(text)
    host = text.lower() if text.isascii() else encoded(text)
    labels = host.split(".")
    known = len(host) <= HOST_LENGTH and not host.encode().translate(None, HOST_CHARACTERS)
    if not known or not all(0 < len(label) <= LABEL_LENGTH for label in labels):
        raise Blocked(f"The URL has {shown(text)} where its host should stand.")
    if is_number(labels[-1]) and not (text.isascii() and is_literal(host)):
        raise Blocked(f"The address {shown(text)} is written oddly.")
    return host


def canonical_ipv6(text: str) -> str:
    """Raises Blocked."""
    try:
        if "%" not in text:
            return str(IPv6Address(text))
    except ValueError:
        pass
    raise Blocked(f"The URL has {shown(text)} where its host should stand.")


def encoded(text: str) -> str:
    """An international host name in ASCII. Raises Blocked."""
    try:
        if len(text) <= HOST_LENGTH and AMBIGUOUS.isdisjoint(text):
            return text.encode("idna").decode().lower()
    except UnicodeError:
        pass
    raise Blocked(f"The host {shown(text)} must be written in ASCII, as xn--….")


def shown(text: str) -> str:
    """The text in quotes for a sentence, cut short."""
    return repr(text[:HOST_LENGTH])


def is_number(label: str) -> bool:
    """Whether resolvers take a host that ends in this label for an address rather than a name."""
    return label.isdigit() or (label[:2] == "0x" and not label[2:].strip(string.hexdigits))


def is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in PUBLIC_6 and not any(address in network for network in NOT_PUBLIC_6)


def carried(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses within an IPv6 one that lead to where it leads; any other address is its own."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.teredo:
        return address.teredo
    if address.sixtofour:
        return (address.sixtofour,)
    low = int(address) & 0xFFFF_FFFF
    if address in MAPPED or address in TRANSLATED or (address in COMPATIBLE and low > 1):
        return (IPv4Address(low),)
    return (address,)
