"""Apple's and Google's push services beside the tests, the way to them with a credential, and what is sent."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubbub.dates import now
from hubbub.delivery.push.model import BADGE, NEW_MESSAGE, WAITING, Notice, Parcel, Push
from hubbub.delivery.push.services import open_service
from hubbub.delivery.push.verdict import PushService
from hubbub.resources.credentials.model import Credential
from hubbub.settings import Settings
from tests.push import keys
from tests.push.peer import Authority, Listener, Reply, Request, echo, listening

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
CHANNEL_SID = "CH" + "c" * 32
PUSH_SID = "RU0123456789ABCDEF0123456789abcdef"
DEVICE = "0123456789abcdef" * 4
REGISTRATION = "dGVzdA:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"
PROJECT = "demo"


@dataclass
class Clock:
    """What the server takes for the time."""

    moment: int = field(default_factory=now)

    def __call__(self) -> int:
        return self.moment


@dataclass
class Apple:
    """Takes each push, unless it is told to reply otherwise."""

    listener: Listener
    replies: list[Reply] = field(default_factory=list)  # to the next pushes, in turn

    def answer(self, request: Request) -> Reply:
        return self.replies.pop(0) if self.replies else echo(request)

    @property
    def tokens(self) -> list[str]:
        """That it was shown, in turn."""
        return [request.headers["authorization"].removeprefix("bearer ") for request in self.listener.requests]


@dataclass
class Google:
    """Gives tokens, and takes each push that shows the newest of them, unless it is told to reply otherwise."""

    listener: Listener
    replies: list[Reply] = field(default_factory=list)  # to the next pushes, in turn
    grants: list[Reply] = field(default_factory=list)  # to those who next ask for a token, in turn
    given: int = 0  # tokens, so far
    seconds: int = 3599  # for which they are good

    def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return self.grants.pop(0) if self.grants else self.give()
        if self.replies:
            return self.replies.pop(0)
        if request.headers["authorization"] != f"Bearer {self.token}":
            return fcm_error(401, "UNAUTHENTICATED")
        return Reply(body=b'{"name":"projects/demo/messages/1"}')

    def give(self) -> Reply:
        self.given += 1
        return said(200, access_token=self.token, expires_in=self.seconds, token_type="Bearer")

    @property
    def token(self) -> str:
        return f"ya29.c.token-{self.given}"

    @property
    def pushes(self) -> list[Request]:
        return [request for request in self.listener.requests if request.path != "/token"]

    @property
    def token_requests(self) -> list[Request]:
        return [request for request in self.listener.requests if request.path == "/token"]


@contextlib.contextmanager
def apple(folder: Path, *, wants_certificate: bool = False) -> Iterator[Apple]:
    with listening(Authority(folder).server_context(wants_certificate=wants_certificate)) as listener:
        there = Apple(listener)
        listener.answer = there.answer
        yield there


@contextlib.contextmanager
def google(folder: Path) -> Iterator[Google]:
    with listening(Authority(folder).server_context()) as listener:
        there = Google(listener)
        listener.answer = there.answer
        yield there


@contextlib.asynccontextmanager
async def opened(
    type_: str, secrets: dict[str, str], clock: Clock, folder: Path, *, sandbox: bool = False, **settings: Any
) -> AsyncIterator[PushService]:
    """The push service of such a credential, which trusts the authority whose file is in the folder."""
    credential = Credential(
        account=1,
        sid="CR" + "a" * 32,
        friendly_name=None,
        type=type_,
        sandbox=str(sandbox) if type_ == "apn" else None,
        secrets="",
        date_created=0,
        date_updated=0,
    )
    settings.setdefault("push_ca_file", str(Authority(folder).file))
    service = open_service(credential, secrets, Settings(**settings), clock)
    try:
        yield service
    finally:
        await service.close()


def token_key() -> dict[str, str]:
    """The secrets of a credential with Apple's token key."""
    certificate, private_key = keys.apns_token()
    return {"certificate": certificate, "private_key": private_key}


def certificate(topic: str | None = keys.TOPIC, days: float = 365) -> dict[str, str]:
    """The secrets of one with Apple's certificate, good for so many days."""
    text, private_key = keys.apns_certificate(topic, days)
    return {"certificate": text, "private_key": private_key}


def parcel(kind: str = NEW_MESSAGE, address: str | None = DEVICE, expires: int = DAY) -> Parcel:
    is_message = kind == NEW_MESSAGE
    notice = Notice(
        sid="NO" + "f" * 32,
        account=1,
        service=1,
        service_sid="IS" + "b" * 32,
        kind=kind,
        channel=1,
        channel_sid=CHANNEL_SID,
        revision=1,
        user=None,
        author="alice",
        message_sid="IM" + "e" * 32 if is_message else None,
        message_index=7 if is_message else None,
        body="Hi" if is_message else "",
        channel_title="General",
        text="General;Alice: Hi",
        sound="",
        is_enabled=1,
        is_badged=1,
        is_logged=0,
        after=None,
        due=0,
        date_created=0,
    )
    push = Push(
        sid=PUSH_SID,
        notice=notice.sid,
        identity="bob",
        binding_sid="BS" + "a" * 32,
        binding_type="apn",
        credential_sid="CR" + "a" * 32,
        conversations=0,
        badge=3 if kind == BADGE else None,
        state=WAITING,
        reason=None,
        status=None,
        answer=None,
        attempts=0,
        due=0,
        expires=expires,
        date_created=0,
        date_updated=0,
    )
    return Parcel(push, notice, address)


def said(status: int, headers: dict[str, str] | None = None, **values: object) -> Reply:
    """An answer in JSON."""
    return Reply(status, tuple((headers or {}).items()), json.dumps(values).encode())


def fcm_error(
    status: int, word: str, code: str | None = None, field: str | None = None, message: str = "No.", **headers: str
) -> Reply:
    """Google's: the word for its status, the code and the field of its details; headers with _ for -."""
    details: list[dict[str, object]] = []
    if code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field:
        violations = [{"field": field, "description": "Invalid."}]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    error = {"code": status, "message": message, "status": word, "details": details}
    return said(status, {name.replace("_", "-"): value for name, value in headers.items()}, error=error)
