"""Concurrent senders that remember what was acknowledged, and the check that it is all there, once."""

import contextlib
import http.client
import json
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx

from tests.harness import ACCOUNT_SID, AUTH_TOKEN, Server, unique

WRITERS = 32
CHANNELS = 8
FORM = "application/x-www-form-urlencoded"
CREDENTIALS = "Basic " + b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
HEADERS = {"Authorization": CREDENTIALS, "Content-Type": FORM}
BROKEN = (OSError, http.client.HTTPException)


def eventually(condition: Callable[[], object], seconds: float = 15, what: str = "") -> None:
    """Wait until the condition holds; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.005)


def new_channels(server: Server, count: int = CHANNELS) -> list[str]:
    """The paths of new channels in a new service."""
    with server.client() as client:
        service = client.post("/v2/Services", data={"FriendlyName": unique("service")}).raise_for_status()
        path = f"/v2/Services/{service.json()['sid']}/Channels"
        created = [client.post(path, data={"UniqueName": unique("room")}) for _ in range(count)]
    return [f"{path}/{channel.raise_for_status().json()['sid']}" for channel in created]


S = TypeVar("S", bound=Server)


@contextlib.contextmanager
def ended(server: S) -> Iterator[S]:
    """The server, not started yet; its process is gone at the end even when the test fails."""
    try:
        yield server
    finally:
        if server.process is not None:
            server.process.kill()
            server.process.wait()


@dataclass
class Writers:
    """Threads that send messages, each with a body of its own, until they are stopped."""

    server: Server
    channels: list[str]
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator["Writers"]:
        threads = [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(timeout=40)

    def wait_for_acknowledged(self, more: int) -> None:
        """Wait until this many more messages are acknowledged."""
        wanted = len(self.acknowledged) + more
        eventually(lambda: len(self.acknowledged) >= wanted, what=f"{more} more messages; {self.refused}")

    def _write(self, number: int) -> None:
        sent = 0
        while not self._stopped.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            with contextlib.suppress(*BROKEN), contextlib.closing(connection):
                while not self._stopped.is_set():
                    sent += 1
                    channel = self.channels[(number + sent) % len(self.channels)]
                    self._send(connection, channel, f"writer {number} message {sent}")
            self._stopped.wait(0.02)

    def _send(self, connection: http.client.HTTPConnection, channel: str, body: str) -> None:
        connection.request("POST", f"{channel}/Messages", urlencode({"Body": body}), HEADERS)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status == 201:
            self.acknowledged[body] = answer
        else:
            self.refused[response.status] += 1
            self.refusals.append(answer)
            self._stopped.wait(0.02)


def stored_messages(client: httpx.Client, channel: str) -> list[dict[str, Any]]:
    """Every message of the channel, over all pages, as a client reads them."""
    found: list[dict[str, Any]] = []
    path: str | None = f"{channel}/Messages?PageSize=1000"
    while path:
        page = client.get(path).raise_for_status().json()
        found += page["messages"]
        link = urlsplit(page["meta"]["next_page_url"] or "")
        path = f"{link.path}?{link.query}" if link.path else None
    return found


def assert_nothing_lost(server: Server, channels: list[str], acknowledged: dict[str, dict[str, Any]]) -> None:
    """Each acknowledged message is there once, as it was acknowledged; indexes have no gap and no repeat."""
    found: dict[str, dict[str, Any]] = {}
    with server.client() as client:
        for channel in channels:
            messages = stored_messages(client, channel)
            assert [message["index"] for message in messages] == list(range(len(messages)))
            assert client.get(channel).json()["messages_count"] == len(messages)
            repeated = [body for body, times in Counter(m["body"] for m in messages).items() if times > 1]
            assert not repeated
            found |= {message["body"]: message for message in messages}
    lost = acknowledged.keys() - found.keys()
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages are gone"
    assert {body: found[body] for body in acknowledged} == acknowledged
