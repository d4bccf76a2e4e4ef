"""Whatever push services say, in whatever order: each push ends once, and a stopped credential is left alone."""

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.delivery.push.model import DEAD, DELIVERED, REFUSED, Parcel
from hubbub.delivery.push.post import free_all
from hubbub.delivery.push.verdict import Meaning, Verdict
from hubbub.purge import purge_pushes
from hubbub.resources.credentials.model import Credential
from tests.push.desk import AWAY, BAD, HOUR, LATER, TAKEN, Desk, opened

FULL = Verdict(Meaning.AGAIN, 429, None, "Too many.", retry_after=5_000)
WRONG = Verdict(Meaning.REFUSED, 400, "BadDeviceToken", "It is not known.")
GONE = Verdict(Meaning.GONE, 410, "Unregistered", "It is gone.")
FINAL = {Meaning.DELIVERED: DELIVERED, Meaning.REFUSED: REFUSED, Meaning.GONE: REFUSED}
PAUSES = (200, 15_000, 61_000, 130_000, HOUR, 25 * HOUR)
EXPIRY = 24  # hours
ROUNDS = 60  # of an hour each, after which everything has ended

runs = st.tuples(st.sampled_from([BAD, TAKEN, AWAY, LATER, FULL, WRONG, GONE]), st.integers(1, 8))
verdicts = st.lists(runs, max_size=12).map(lambda drawn: [each for each, times in drawn for _ in range(times)])
credentials = st.integers(0, 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("store"), credentials, st.integers(1, 12)),
        st.tuples(st.just("pass"), st.sampled_from(PAUSES)),
        st.tuples(st.just("pass"), st.sampled_from(PAUSES)),
        st.tuples(st.just("renew"), credentials),
        st.tuples(st.sampled_from(["look", "stop", "crash"])),
    ),
    max_size=25,
)


@dataclass
class Story:
    """What is done, what the push services say to it, and how each push must end."""

    desk: Desk
    verdicts: list[Verdict]
    credentials: list[Credential] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)  # by the push services' last words
    late: list[str] = field(default_factory=list)  # SIDs of pushes that were sent when they had ended or expired
    tries: list[tuple[str, Verdict]] = field(default_factory=list)  # the credential of each, since the last look

    def answer(self, parcel: Parcel) -> Verdict:
        push = parcel.push
        if push.sid in self.ends or self.desk.clock() >= push.expires:
            self.late.append(push.sid)
        verdict = self.verdicts.pop(0) if self.verdicts else TAKEN
        self.tries.append((str(push.credential_sid), verdict))
        if verdict.meaning in FINAL:
            self.ends[push.sid] = FINAL[verdict.meaning]
        return verdict

    async def play(self, played: list[tuple[str, int]]) -> None:
        self.desk.answer = self.answer
        self.credentials = [await self.desk.credential() for _ in range(2)]
        for step in played:
            await self.do(*step)
            await self.look()
        for _ in range(ROUNDS):
            self.desk.clock.moment += HOUR
            await self.look()
            await purge_pushes(self.desk.chat, self.desk.clock())

    async def do(self, what: str, which: int = 0, count: int = 0) -> None:
        if what == "store":
            logged = bool(count % 2)
            self.stored += await self.desk.store(self.credentials[which], count, logged=logged, hours=EXPIRY)
        elif what == "pass":
            self.desk.clock.moment += which
        elif what == "renew":
            self.credentials[which] = await self.desk.renew(self.credentials[which])
        elif what == "stop":
            await self.desk.pusher.finish()
            self.desk.start()
        elif what == "crash":
            self.desk.start()
            await free_all(self.desk.chat)

    async def look(self) -> None:
        """A stopped credential gets nothing before its time, then one push, and all others when that is taken."""
        before = [await self.desk.reload(credential) for credential in self.credentials]
        self.tries.clear()
        await self.desk.look()
        for credential in before:
            said = [verdict for sid, verdict in self.tries if sid == credential.sid]
            if credential.push_error is None:
                continue
            if self.desk.clock() < credential.push_due:
                assert said == []
            elif len(said) > 1:
                assert said[0] == TAKEN

    async def assert_ended(self) -> None:
        assert self.late == []
        states = await self.desk.states()
        left = {sid: states.get(sid, DELIVERED) for sid in self.stored}
        assert left == {sid: self.ends.get(sid, DEAD) for sid in self.stored}
        assert max(Counter(self.stored).values(), default=1) == 1


@settings(max_examples=80, deadline=None)
@given(steps, verdicts)
def test_each_push_ends_once_whatever_is_said(played: list[tuple[str, int]], said: list[Verdict]) -> None:
    """As the push service says, or dead when it has expired."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
            url = f"sqlite:///{directory}/hubbub.db"
            async with opened(Path(directory), url, patch) as desk:
                story = Story(desk, list(said))
                await story.play(played)
                await story.assert_ended()

    asyncio.run(run())
