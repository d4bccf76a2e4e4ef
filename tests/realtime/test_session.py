"""The session: every move of its table, and any sequence of packets."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hubbub.errors import ERRORS, Kind
from hubbub.realtime.session import MOVES, Check, Effects, End, Run, Send, Session, State
from hubbub.realtime.tunnel import Reply
from tests.realtime.device import pack, unpack

HOUR = 3_600_000
REQUEST = {"host": "aim.us1.twilio.com", "path": "/Client/v1/Configuration", "method": "GET"}
METHODS = ["init", "message", "update", "put_notification_ctx", "delete_notification_ctx", "reply", "telemetry.v1"]
INVALID_TOKEN = Kind(20101, 401, "Invalid Access Token")

PACKETS: dict[str, dict[str, Any]] = {
    "init": {"token": "t", "capabilities": ["client_update"]},
    "message": {"http_request": REQUEST},
    "update": {"token": "t"},
}


def packet(method: str, packet_id: str = "1", **more: Any) -> bytes:
    return pack({"method": method, "id": packet_id, **PACKETS.get(method, {}), **more})


def sent(effects: Effects) -> list[tuple[dict[str, Any], Any]]:
    """The header and content of each packet among the effects."""
    packets = [unpack(effect.packet) for effect in effects if isinstance(effect, Send)]
    return [(header, msgspec.json.decode(payload) if payload else None) for header, payload in packets]


def statuses(effects: Effects) -> list[int]:
    return [header["status"]["code"] for header, _ in sent(effects)]


def opened(expires: int = HOUR, **init: Any) -> Session:
    """A session whose client was let in at 0."""
    session = Session()
    session.receive(packet("init", "init", **init))
    session.admit("init", "alice", expires, 0, "fresh")
    return session


def test_init_is_checked_and_answered() -> None:
    """A client that says who it is has its token checked and is welcomed with a continuation token."""
    session = Session()

    assert session.receive(packet("init", "7", continuation_token=None)) == (Check("7", "t"),)
    ((header, payload),) = sent(session.admit("7", "alice", HOUR, 0, "fresh"))

    assert header["id"] == "7"
    assert header["status"]["code"] == 200
    assert header["continuation_token"] == "fresh"
    assert header["continuation_token_status"] == {"reissued": True, "reissue_message": ""}
    assert header["capabilities"] == ["client_update"]
    assert "offline_storage" not in header
    assert payload is None
    assert session.state is State.OPEN


def test_continuation_token_stays() -> None:
    """A client that comes back keeps the continuation token that it had."""
    session = Session()
    session.receive(packet("init", continuation_token="mine"))

    ((header, _),) = sent(session.admit("1", "alice", HOUR, 0, "fresh"))

    assert header["continuation_token"] == "mine"
    assert header["continuation_token_status"]["reissued"] is False


def test_endless_continuation_token_is_replaced() -> None:
    """What no server gave out is not given back."""
    session = Session()
    session.receive(packet("init", continuation_token="x" * 101))

    ((header, _),) = sent(session.admit("1", "alice", HOUR, 0, "fresh"))

    assert header["continuation_token"] == "fresh"


def test_refused_init_tells_why_and_ends() -> None:
    """A bad token is told with its code, which the SDK's `connectionError` shows."""
    session = Session()
    session.receive(packet("init"))

    effects = session.refuse("1", INVALID_TOKEN())

    ((header, _),) = sent(effects)
    assert header["status"] == {
        "code": 401,
        "status": "Unauthorized",
        "errorCode": 20101,
        "description": "Invalid Access Token",
    }
    assert effects[-1] == End(1008, "refused")
    assert session.state is State.ENDED


def test_init_that_cannot_be_checked_now_says_when_to_come_back() -> None:
    """A failure of the server is no refusal: the client waits and tries again."""
    session = Session()
    session.receive(packet("init"))

    ((header, payload),) = sent(session.refuse("1", ERRORS.UNAVAILABLE(reason="no database")))

    assert header["status"]["code"] == 503
    assert payload == {"backoff_policy": {"reconnect_min_ms": 1000}}


@pytest.mark.parametrize("method", [method for method in METHODS if method not in {"init", "reply", "telemetry.v1"}])
def test_nothing_is_done_before_init(method: str) -> None:
    """A client that has not said who it is gets 401 for everything that wants an answer."""
    session = Session()

    assert statuses(session.receive(packet(method))) == [401]
    assert session.state is State.NEW


def test_second_init_is_refused() -> None:
    """Init comes once: while the token is checked and afterwards, another changes nothing."""
    session = Session()
    session.receive(packet("init", "1"))
    assert statuses(session.receive(packet("init", "2"))) == [401]
    session.admit("1", "alice", HOUR, 0, "fresh")

    assert statuses(session.receive(packet("init", "3"))) == [400]
    assert session.state is State.OPEN


def test_message_is_run_and_answered() -> None:
    """A tunnelled request is run, and its reply stands in `http_status` with the packet's own status at 200."""
    session = opened()
    (run,) = session.receive(packet("message", "5"))
    assert isinstance(run, Run)
    assert (run.request.service, run.request.method, run.request.path) == ("aim", "GET", "/Client/v1/Configuration")

    ((header, payload),) = sent(session.answer("5", Reply(404, b'{"code":1}', {"Twilio-Request-Id": "RQ"})))

    assert header["id"] == "5"
    assert header["status"] == {"code": 200, "status": "OK"}
    assert header["http_status"] == {"code": 404, "status": "Not Found"}
    assert header["http_headers"] == {"Content-Type": "application/json", "Twilio-Request-Id": "RQ"}
    assert payload == {"code": 1}


def test_request_is_decoded() -> None:
    """Parameters come percent-encoded and repeated ones as a list; a region's part before the path goes."""
    http = {
        "host": "cds.example.com:8080",
        "path": "/x.twilio.com/v3/Maps/a%2Fb",
        "method": "get",
        "params": {"Order": "asc", "a%20b": ["%C3%A9", "2+2"]},
        "headers": {"X-Twilio-Mutation-Id": "m"},
    }

    (run,) = opened().receive(packet("message", http_request=http))

    assert isinstance(run, Run)
    request = run.request
    assert (request.service, request.method, request.path) == ("cds", "GET", "/v3/Maps/a%2Fb")
    assert request.params == {"Order": ["asc"], "a b": ["é", "2+2"]}
    assert request.headers == {"x-twilio-mutation-id": "m"}


@pytest.mark.parametrize(
    "http", [None, 1, {}, {"host": "aim"}, {**REQUEST, "params": {"a": 1}}, {**REQUEST, "params": {"a": "%ff"}}]
)
def test_request_that_cannot_be_read_is_answered(http: Any) -> None:
    """A request without its parts gets 400, and the session goes on."""
    session = opened()

    assert statuses(session.receive(packet("message", http_request=http))) == [400]
    assert session.state is State.OPEN


def test_update_replaces_the_token() -> None:
    """A new token of the same user moves the end of the session."""
    session = opened(HOUR)
    assert session.receive(packet("update", "9")) == (Check("9", "t"),)

    assert statuses(session.admit("9", "alice", 2 * HOUR, 0, "")) == [200]

    assert session.due == 2 * HOUR - 180_000


def test_token_of_another_user_is_refused() -> None:
    """A session stays its user's: another's token is refused, and the old one stays in force."""
    session = opened(HOUR)
    session.receive(packet("update", "9"))

    ((header, _),) = sent(session.admit("9", "bob", 2 * HOUR, 0, ""))

    assert (header["status"]["code"], header["status"]["errorCode"]) == (403, 20101)
    assert session.due == HOUR - 180_000
    assert session.who == "alice"


def test_refused_update_leaves_the_old_token_in_force() -> None:
    """A bad new token is told; the client closes on its own."""
    session = opened()
    session.receive(packet("update", "9"))

    assert statuses(session.refuse("9", INVALID_TOKEN())) == [401]
    assert session.state is State.OPEN


def test_one_token_is_checked_at_a_time() -> None:
    """Another update while one is checked is to come later."""
    session = opened()
    session.receive(packet("update", "8"))

    ((header, payload),) = sent(session.receive(packet("update", "9")))

    assert header["status"]["code"] == 429
    assert payload["backoff_policy"]["reconnect_min_ms"] > 0


def test_client_is_told_that_its_token_expires() -> None:
    """Three minutes before the end, once, and then the connection is dropped without a word."""
    session = opened(HOUR)
    assert session.due == HOUR - 180_000
    assert session.wake(session.due - 1) == ()

    ((header, _),) = sent(session.wake(session.due))
    assert (header["method"], header["client_update_type"]) == ("client_update", "token_about_to_expire")
    assert session.wake(HOUR - 1) == ()

    assert session.wake(HOUR) == (End(None, ""),)
    assert session.state is State.ENDED


def test_short_token_is_not_said_to_expire_at_once() -> None:
    """A token of two minutes is told at half its time: told at once, each new one would be asked for at once, too."""
    assert opened(120_000).due == 60_000


def test_client_that_does_not_listen_is_not_told() -> None:
    """A client that did not ask for `client_update` just meets the end of its token."""
    assert opened(HOUR, capabilities=None).due == HOUR


def test_offload_waits_for_the_last_answer() -> None:
    """A server that goes answers what runs, turns away what comes, and then says when to come back."""
    session = opened()
    session.receive(packet("message", "1"))
    assert session.offload(1234) == ()

    (turned,) = sent(session.receive(packet("message", "2")))
    assert (turned[0]["id"], turned[0]["http_status"]["code"], turned[1]["code"]) == ("2", 503, 20503)
    answer, close = sent(session.answer("1", Reply(200)))

    assert answer[0]["id"] == "1"
    assert (close[0]["method"], close[0]["status"]["code"]) == ("close", 308)
    assert close[1] == {"backoff_policy": {"reconnect_min_ms": 1234}}
    assert session.state is State.LEAVING


def test_offload_of_a_client_that_waits_for_nothing_is_said_at_once() -> None:
    """An idle client is told at once, and only once."""
    session = opened()

    assert [header["method"] for header, _ in sent(session.offload(1))] == ["close"]
    assert session.offload(1) == ()
    assert session.receive(packet("reply")) == ()


def test_offload_before_init_ends_the_connection() -> None:
    """Who has not been let in is sent away with the WebSocket's own word."""
    assert Session().offload(1) == (End(1001, "the server is stopping"),)


@pytest.mark.parametrize("method", ["put_notification_ctx", "delete_notification_ctx"])
def test_notification_context_is_acknowledged(method: str) -> None:
    """SDKs up to 5.x name the types that they want; they get all of them anyway."""
    assert statuses(opened().receive(packet(method, notification_ctx_id="c"))) == [200]


@pytest.mark.parametrize("method", ["reply", "telemetry.v1"])
def test_packet_that_wants_no_answer_gets_none(method: str) -> None:
    """An acknowledgement or telemetry is read and forgotten."""
    assert opened().receive(packet(method)) == ()


def test_unknown_packet_is_answered_and_harmless() -> None:
    """A method that we do not know gets 400; without an id there is nothing to answer."""
    session = opened()

    assert statuses(session.receive(packet("brew"))) == [400]
    assert session.receive(pack({"method": "brew"})) == ()
    assert session.state is State.OPEN


def test_close_ends_the_session() -> None:
    """A client that says `close` is let go."""
    session = opened()

    assert session.receive(packet("close")) == (End(1000, ""),)
    assert session.receive(packet("message")) == ()


def test_bytes_that_are_no_packet_end_the_session() -> None:
    """Who does not speak the protocol is told with the WebSocket's code for that."""
    (end,) = opened().receive(b"hello")

    assert isinstance(end, End)
    assert end.code == 1007


@pytest.mark.parametrize("state", [state for state in State if state is not State.ENDED])
@pytest.mark.parametrize("method", [*METHODS, "close", "brew"])
def test_every_packet_in_every_state_is_defined(state: State, method: str) -> None:
    """Each state crossed with each packet: a move of the table, or an answer that changes nothing."""
    session = Session()
    session.state = state

    effects = session.receive(packet(method))

    if (state, method) in MOVES:
        return
    assert session.state is state
    assert all(400 <= code < 500 for code in statuses(effects))


class Sessions(RuleBasedStateMachine):
    """Packets, answers, time and the server's end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.now = 0
        self.ids = 0
        self.checks: list[str] = []
        self.running: list[str] = []
        self.waiting: set[str] = set()

    def follow(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Check):
                self.checks.append(effect.id)
            elif isinstance(effect, Run):
                self.running.append(effect.id)
            elif isinstance(effect, End):
                assert self.session.state is State.ENDED
            else:
                header, _ = unpack(effect.packet)
                if header["method"] == "reply":
                    assert header["id"] in self.waiting, "nothing is answered twice"
                    self.waiting.discard(header["id"])

    @rule(method=st.sampled_from([*METHODS, "brew"]))
    def say(self, method: str) -> None:
        self.ids += 1
        packet_id = str(self.ids)
        if method not in {"reply", "telemetry.v1"} and self.session.state is not State.ENDED:
            self.waiting.add(packet_id)
        self.follow(self.session.receive(packet(method, packet_id)))

    @rule(data=st.binary(max_size=30))
    def say_anything_in_a_request(self, data: bytes) -> None:
        self.ids += 1
        header = {"method": "message", "id": str(self.ids), "http_request": {**REQUEST, "path": data.decode("latin-1")}}
        if self.session.state is not State.ENDED:
            self.waiting.add(str(self.ids))
        self.follow(self.session.receive(pack(header, data)))

    @rule(who=st.sampled_from(["alice", "bob"]), hours=st.integers(0, 3))
    def admit(self, who: str, hours: int) -> None:
        if self.checks:
            self.follow(self.session.admit(self.checks.pop(), who, self.now + hours * HOUR, self.now, "fresh"))

    @rule()
    def refuse(self) -> None:
        if self.checks:
            self.follow(self.session.refuse(self.checks.pop(), INVALID_TOKEN()))

    @rule()
    def answer(self) -> None:
        if self.running:
            self.follow(self.session.answer(self.running.pop(), Reply(200, b"{}")))

    @rule(minutes=st.integers(0, 100))
    def wait(self, minutes: int) -> None:
        self.now += minutes * 60_000
        self.follow(self.session.wake(self.now))

    @rule()
    def offload(self) -> None:
        self.follow(self.session.offload(1000))

    @invariant()
    def everything_is_answered(self) -> None:
        """What waits for an answer is being worked on, unless the session has ended."""
        if self.session.state is not State.ENDED:
            assert self.waiting == {*self.checks, *self.running}

    @invariant()
    def who_is_let_in_has_an_end(self) -> None:
        """An open session knows when it has something to do; one that has ended has nothing to do."""
        if self.session.state is State.OPEN:
            assert self.session.due is not None
        if self.session.state is State.ENDED:
            assert self.session.wake(self.now + 100 * HOUR) == ()


TestAnySequence = Sessions.TestCase


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_leave_the_session_defined(messages: list[bytes]) -> None:
    """Bytes of any kind leave the session in one of its states."""
    session = opened()

    for message in messages:
        session.receive(message)

    assert session.state in {State.OPEN, State.ENDED}
