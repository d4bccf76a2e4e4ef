"""A service with thousands of users who are members of channels, written straight into the tables, and their tokens."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apsw
import msgspec

from bench.world import Client
from hubbub.realtime.sync.objects import CHANNEL, INFO, MESSAGES, MY_CHANNELS, ROSTER, Object
from hubbub.resources.members.model import Member
from hubbub.resources.tokens.model import write_token
from hubbub.resources.users.model import User
from hubbub.sids import new_sid
from hubbub.storage.sqlite import numbered
from hubbub.storage.statements import columns, insert, stored
from tests.harness import ACCOUNT_SID, Server

HOURS = 12 * 3600
OF_CHANNEL, OF_USER = (CHANNEL, MESSAGES, ROSTER), (MY_CHANNELS, INFO)
COUNT = """
UPDATE channels SET members_count = "of".members, last_revision = "of".revision
FROM (SELECT channel, COUNT(*) AS members, MAX(revision) AS revision FROM members GROUP BY channel) AS "of"
WHERE channels.key = "of".channel AND channels.members_count < "of".members
"""


@dataclass
class Crowd:
    """Its users by number, each with the numbers of the channels that it is in."""

    server: Server
    service: str
    channels: list[str]
    users: list[str]
    memberships: Sequence[Sequence[int]]
    key: tuple[str, str]

    @property
    def path(self) -> str:
        return f"/v2/Services/{self.service}/Channels"

    def token(self, number: int) -> str:
        grants = {"identity": identity(number), "chat": {"service_sid": self.service}}
        return write_token(*self.key, ACCOUNT_SID, grants, int(time.time()) - 60, HOURS)

    def app(self, number: int, nexts: dict[str, int] | None = None) -> str:
        """The app of a user that listens to all that the SDKs listen to, for `fans`."""
        objects = [Object(part, self.users[number]) for part in OF_USER]
        objects += [Object(part, self.channels[each]) for each in self.memberships[number] for part in OF_CHANNEL]
        known = nexts or {}
        return " ".join(
            [
                self.token(number),
                *(f"{each.part.type.name}:{each.sid}:{known.get(each.owner, 0)}" for each in objects),
            ]
        )

    def apps(self, count: int | None = None) -> list[str]:
        return [self.app(number) for number in range(len(self.users))[:count]]

    def counts(self) -> dict[str, int]:
        """By the SID of each channel's list of messages, how many there are."""
        client = Client(self.server)
        found = {sid: client.get(f"{self.path}/{sid}")["messages_count"] for sid in self.channels}
        return {Object(MESSAGES, sid).sid: count for sid, count in found.items()}


def identity(number: int) -> str:
    return f"user-{number}@example.com"


def gather(server: Server, channels: int, memberships: Sequence[Sequence[int]]) -> Crowd:
    """A crowd on the server, which runs on SQLite and is started anew."""
    client = Client(server)
    service = client.post("/v2/Services", FriendlyName="bench")["sid"]
    path = f"/v2/Services/{service}/Channels"
    sids = [client.post(path, FriendlyName=f"Room {number}")["sid"] for number in range(channels)]
    first = client.post(path)["sid"]
    client.post(f"{path}/{first}/Members", Identity="the first one")
    key = json.loads(server.run("keys", "create", "--account", ACCOUNT_SID, "--json").stdout)
    server.stop()
    users = fill(server.database.removeprefix("sqlite:///"), first, sids, memberships)
    server.start()
    return Crowd(server, service, sids, users, memberships, (key["sid"], key["secret"]))


def fill(path: str, first: str, channels: Sequence[str], memberships: Sequence[Sequence[int]]) -> list[str]:
    """Copies of the only user there is, as members like it. No server may run on the database."""
    connection = apsw.Connection(path)
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
    member = Member(*next(connection.execute(f"SELECT {columns(Member)} FROM members WHERE channel_sid = ?", (first,))))
    user = User(*next(connection.execute(f"SELECT {columns(User)} FROM users WHERE key = ?", (member.user,))))
    keys: dict[str, int] = dict(connection.execute("SELECT sid, key FROM channels"))
    copies = [
        msgspec.structs.replace(
            user,
            sid=new_sid("US"),
            identity=identity(number),
            joined_channels_count=len(joined),
            last_revision=len(joined) + 1,
        )
        for number, joined in enumerate(memberships)
    ]
    with connection:
        connection.executemany(numbered(insert("users", User)), map(stored, copies))
        known: dict[str, int] = dict(connection.execute("SELECT identity, key FROM users"))
        rows = map(stored, members(member, known, [(sid, keys[sid]) for sid in channels], memberships))
        connection.executemany(numbered(insert("members", Member)), rows)
        connection.execute(COUNT)
    connection.execute("ANALYZE")
    connection.close()
    return [copy.sid for copy in copies]


def members(
    like: Member, users: dict[str, int], channels: Sequence[tuple[str, int]], memberships: Sequence[Sequence[int]]
) -> Iterator[Member]:
    revisions = [like.revision] * len(channels)
    for number, joined in enumerate(memberships):
        for place, channel in enumerate(joined):
            sid, key = channels[channel]
            revisions[channel] += 1
            yield msgspec.structs.replace(
                like,
                channel=key,
                sid=new_sid("MB"),
                user=users[identity(number)],
                channel_sid=sid,
                identity=identity(number),
                revision=revisions[channel],
                user_revision=place + 2,
            )
