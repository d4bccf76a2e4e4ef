"""What each webhook says, held against a copy of the reference's table that was made by hand."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubbub.chat import Caller
from hubbub.delivery.parameters import GETTERS, PARAMETERS, form, parameters, query_url, request_url
from hubbub.events import WEBHOOKS
from hubbub.resources.channels.model import Channel
from hubbub.resources.members.model import Member
from hubbub.resources.messages.model import Message
from hubbub.resources.services.model import Service
from hubbub.resources.users.model import User

MOMENT = 1_642_501_231_731
CREATED = 1_642_501_152_401
UPDATED = 1_642_501_200_050

PREFIXES = ("AC", "IS", "CH", "IM", "MB", "US", "RL", "ME")
AC, IS, CH, IM, MB, US, RL, ME = (prefix + "0123456789abcdef" * 2 for prefix in PREFIXES)

SERVICE = Service(1, 1, AC, IS, "Shop", CREATED, CREATED, RL, RL, RL)
REACHABLE = Service(1, 1, AC, IS, "Shop", CREATED, CREATED, RL, RL, RL, reachability_enabled=1)
CHANNEL = Channel(
    1, 1, CH, "general", "The channel", '{"c":1}', "private", "carol", 2, 3, IM, CREATED, UPDATED, 9, 9, 2, AC, IS
)
NAMELESS = Channel(1, 1, CH, None, None, "{}", "public", "system", 0, 0, None, CREATED, UPDATED, 0, 0, -1, AC, IS)
MESSAGE = Message(1, 7, IM, "alice", "Hello!", '{"m":1}', None, 1, "bob", CREATED, UPDATED, 9)
UNSAVED = Message(1, -1, IM, "alice", "Hello!", '{"m":1}', None, 0, None, CREATED, CREATED, 0)
FILE = f'{{"sid":"{ME}","size":1234,"content_type":"image/png","filename":"a b.png"}}'
PICTURE = Message(1, 7, IM, "alice", "", '{"m":1}', FILE, 0, None, CREATED, CREATED, 9)
MEMBER = Member(1, MB, 1, CH, "alice", RL, '{"member_type":"agent"}', 4, CREATED, "default", CREATED, UPDATED, 9, 9)
USER = User(1, 1, US, "alice", RL, "Alice", '{"u":1}', 1, 0, 2, CREATED, UPDATED, 3, 3, AC, IS)

API = Caller(1, AC)
ALICE = Caller(1, AC, "alice")
BOB = Caller(1, AC, "bob")

COMMON = {"AccountSid", "InstanceSid", "EventType", "Source"}

MEDIA = "MediaFilename MediaContentType MediaSid MediaSize"

# The reference, line by line; "as the one above" is written out.
TABLE: list[tuple[str, Any, str]] = [
    ("onMessageSend", UNSAVED, "ChannelSid Body Attributes From To DateCreated"),
    (
        "onMediaMessageSend",
        PICTURE,
        f"ChannelSid Body Attributes From To DateCreated {MEDIA}",
    ),
    ("onMessageUpdate", MESSAGE, "MessageSid ChannelSid Body Attributes From DateCreated ModifiedBy"),
    ("onMessageRemove", MESSAGE, "MessageSid ChannelSid Body Attributes From DateCreated RemovedBy"),
    ("onMessageSent", MESSAGE, "MessageSid Index ChannelSid Body Attributes From DateCreated"),
    (
        "onMediaMessageSent",
        PICTURE,
        f"MessageSid Index ChannelSid Body Attributes From DateCreated {MEDIA}",
    ),
    (
        "onMessageUpdated",
        MESSAGE,
        "MessageSid Index ChannelSid Body Attributes From DateCreated ModifiedBy DateUpdated",
    ),
    ("onMessageRemoved", MESSAGE, "MessageSid Index ChannelSid Body Attributes From DateCreated RemovedBy DateRemoved"),
    ("onChannelAdd", CHANNEL, "Attributes CreatedBy FriendlyName UniqueName ChannelType"),
    ("onChannelUpdate", CHANNEL, "ChannelSid Attributes DateCreated CreatedBy FriendlyName UniqueName ChannelType"),
    ("onChannelDestroy", CHANNEL, "ChannelSid Attributes DateCreated CreatedBy FriendlyName UniqueName ChannelType"),
    ("onChannelAdded", CHANNEL, "ChannelSid Attributes DateCreated CreatedBy FriendlyName UniqueName ChannelType"),
    (
        "onChannelUpdated",
        CHANNEL,
        "ChannelSid Attributes DateCreated CreatedBy FriendlyName UniqueName ChannelType DateUpdated",
    ),
    (
        "onChannelDestroyed",
        CHANNEL,
        "ChannelSid Attributes DateCreated CreatedBy FriendlyName UniqueName ChannelType DateDestroyed",
    ),
    ("onMemberAdd", MEMBER, "ChannelSid Identity RoleSid Reason"),
    (
        "onMemberUpdate",
        MEMBER,
        "MemberSid ChannelSid Identity RoleSid Attributes DateCreated DateUpdated LastConsumedMessageIndex",
    ),
    ("onMemberRemove", MEMBER, "MemberSid ChannelSid Identity RoleSid Reason"),
    ("onMemberAdded", MEMBER, "MemberSid ChannelSid Identity RoleSid Reason DateCreated Attributes"),
    (
        "onMemberUpdated",
        MEMBER,
        "MemberSid ChannelSid Identity RoleSid Attributes DateCreated DateUpdated LastConsumedMessageIndex",
    ),
    ("onMemberRemoved", MEMBER, "MemberSid ChannelSid Identity RoleSid Reason DateCreated DateRemoved Attributes"),
    (
        "onUserUpdate",
        USER,
        "UserSid Identity FriendlyName RoleSid Attributes DateCreated DateUpdated IsOnline IsNotifiable",
    ),
    ("onUserAdded", USER, "UserSid Identity FriendlyName RoleSid Attributes DateCreated"),
    (
        "onUserUpdated",
        USER,
        "UserSid Identity FriendlyName RoleSid Attributes DateCreated DateUpdated IsOnline IsNotifiable",
    ),
]
RECORDS = {webhook: record for webhook, record, _ in TABLE}


def said(webhook: str, caller: Caller = ALICE, record: Any = None, service: Service = REACHABLE) -> dict[str, str]:
    """The parameters as a dict, no name being there twice."""
    subject = record or RECORDS[webhook]
    pairs = parameters(webhook, caller, service, None if isinstance(subject, User) else CHANNEL.place, subject, MOMENT)
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def test_table_has_every_webhook() -> None:
    """The 23 names that a service's filters accept, and no getter that none of them uses."""
    assert len(TABLE) == 23
    assert [webhook for webhook, _, _ in TABLE] == list(PARAMETERS)
    assert set(PARAMETERS) == set(WEBHOOKS)
    used = {name for names in PARAMETERS.values() for name in names}
    assert set(GETTERS) == used | COMMON | {"ClientIdentity"}


@pytest.mark.parametrize(("webhook", "record", "names"), TABLE, ids=[webhook for webhook, _, _ in TABLE])
def test_webhook_says_what_the_reference_lists(webhook: str, record: Any, names: str) -> None:
    """Exactly the listed parameters; `ClientIdentity` for what an end user did and not for a back end."""
    assert set(said(webhook, ALICE, record)) == COMMON | {"ClientIdentity"} | set(names.split())
    assert set(said(webhook, API, record)) == COMMON | set(names.split())


@pytest.mark.parametrize("webhook", RECORDS)
def test_webhook_says_who_and_where(webhook: str) -> None:
    """The account, the service, the event and who caused it: an end user over an SDK, or a back end over the API."""
    common = {"AccountSid": AC, "InstanceSid": IS, "EventType": webhook}

    assert common | {"Source": "SDK", "ClientIdentity": "alice"} == {
        name: value for name, value in said(webhook, ALICE).items() if name in COMMON or name == "ClientIdentity"
    }
    assert common | {"Source": "API"} == {name: said(webhook, API)[name] for name in COMMON}


def test_message_is_told_whole() -> None:
    """Each value of a sent message, in the order in which it travels."""
    assert parameters("onMessageSent", ALICE, SERVICE, CHANNEL.place, MESSAGE, MOMENT) == [
        ("AccountSid", AC),
        ("InstanceSid", IS),
        ("EventType", "onMessageSent"),
        ("Source", "SDK"),
        ("ClientIdentity", "alice"),
        ("MessageSid", IM),
        ("Index", "7"),
        ("ChannelSid", CH),
        ("Body", "Hello!"),
        ("Attributes", '{"m":1}'),
        ("From", "alice"),
        ("DateCreated", "2022-01-18T10:19:12.401Z"),
    ]


def test_member_removed_is_as_recorded() -> None:
    """The one request of the original that was recorded whole, but for `RetryCount`, which its sender counts."""
    assert said("onMemberRemoved") == {
        "EventType": "onMemberRemoved",
        "InstanceSid": IS,
        "MemberSid": MB,
        "Attributes": '{"member_type":"agent"}',
        "DateCreated": "2022-01-18T10:19:12.401Z",
        "DateRemoved": "2022-01-18T10:20:31.731Z",
        "AccountSid": AC,
        "Source": "SDK",
        "Reason": "LEFT",
        "ChannelSid": CH,
        "RoleSid": RL,
        "ClientIdentity": "alice",
        "Identity": "alice",
    }


def test_dates_have_their_milliseconds() -> None:
    """Those of the record are its own, also before an update; a removal's is the moment of the event."""
    created = {found["DateCreated"] for webhook in RECORDS if "DateCreated" in (found := said(webhook))}
    updated = {found["DateUpdated"] for webhook in RECORDS if "DateUpdated" in (found := said(webhook))}

    assert created == {"2022-01-18T10:19:12.401Z"}
    assert updated == {"2022-01-18T10:20:00.050Z"}
    assert said("onMessageRemoved")["DateRemoved"] == "2022-01-18T10:20:31.731Z"
    assert said("onChannelDestroyed")["DateDestroyed"] == "2022-01-18T10:20:31.731Z"


def test_new_message_names_its_channel_twice() -> None:
    """A recorded request before sending had `To` beside `ChannelSid`, both the channel."""
    assert said("onMessageSend")["To"] == said("onMessageSend")["ChannelSid"] == CH


@pytest.mark.parametrize("webhook", ["onMediaMessageSend", "onMediaMessageSent"])
def test_media_message_tells_its_file(webhook: str) -> None:
    """The text is empty and said to be; a file without a name has none."""
    nameless = Message(1, 7, IM, "alice", "", "{}", FILE.replace('"a b.png"', "null"), 0, None, CREATED, CREATED, 9)

    file = {name: value for name, value in said(webhook).items() if name.startswith("Media")}
    assert file == {
        "MediaFilename": "a b.png",
        "MediaContentType": "image/png",
        "MediaSid": ME,
        "MediaSize": "1234",
    }
    assert said(webhook)["Body"] == ""
    assert "MediaFilename" not in said(webhook, record=nameless)


@pytest.mark.parametrize(
    ("webhook", "name"),
    [
        ("onMessageUpdate", "ModifiedBy"),
        ("onMessageUpdated", "ModifiedBy"),
        ("onMessageRemove", "RemovedBy"),
        ("onMessageRemoved", "RemovedBy"),
    ],
)
def test_message_tells_who_changed_it(webhook: str, name: str) -> None:
    """The end user who did; for a back end whoever it named, or else the system."""
    assert said(webhook, ALICE)[name] == "alice"
    assert said(webhook, API)[name] == "bob"
    assert said(webhook, API, UNSAVED)[name] == "system"


@pytest.mark.parametrize(
    ("webhook", "itself", "by_another"),
    [
        ("onMemberAdd", "JOINED", "ADDED"),
        ("onMemberAdded", "JOINED", "ADDED"),
        ("onMemberRemove", "LEFT", "REMOVED"),
        ("onMemberRemoved", "LEFT", "REMOVED"),
    ],
)
def test_member_tells_the_reason(webhook: str, itself: str, by_another: str) -> None:
    """Whether it came or went by itself, or another end user or a back end did it."""
    assert said(webhook, ALICE)["Reason"] == itself
    assert said(webhook, BOB)["Reason"] == said(webhook, API)["Reason"] == by_another


def test_nulls_are_left_out_but_for_names() -> None:
    """A name that is not set is sent empty."""
    unread = Member(1, MB, 1, CH, "alice", RL, "{}", None, None, "default", CREATED, UPDATED, 9, 9)
    new = User(1, 1, US, "alice", RL, None, "{}", None, None, 0, CREATED, CREATED, 0, 0, AC, IS)

    assert "LastConsumedMessageIndex" not in said("onMemberUpdated", record=unread)
    assert said("onMemberUpdated")["LastConsumedMessageIndex"] == "4"
    for webhook in ("onChannelAdd", "onChannelAdded", "onChannelUpdated"):
        assert said(webhook, record=NAMELESS)["UniqueName"] == said(webhook, record=NAMELESS)["FriendlyName"] == ""
    assert said("onUserAdded", record=new)["FriendlyName"] == ""
    assert not {"IsOnline", "IsNotifiable"} & set(said("onUserUpdated", record=new))


@pytest.mark.parametrize("webhook", ["onUserUpdate", "onUserUpdated"])
def test_reachability_is_told_only_where_it_is_on(webhook: str) -> None:
    """As true or false; a service without it says nothing of it."""
    assert said(webhook)["IsOnline"] == "true"
    assert said(webhook)["IsNotifiable"] == "false"
    assert not {"IsOnline", "IsNotifiable"} & set(said(webhook, service=SERVICE))


@pytest.mark.parametrize("record", [MEMBER, CHANNEL], ids=["member", "channel"])
def test_channel_is_known_from_its_member_and_itself(record: Any) -> None:
    """Where no channel is given, as when a user is deleted; a message without its channel is a mistake."""
    webhook = "onMemberRemoved" if isinstance(record, Member) else "onChannelUpdated"

    assert dict(parameters(webhook, API, SERVICE, None, record, MOMENT))["ChannelSid"] == CH
    with pytest.raises(AttributeError):
        parameters("onMessageSent", API, SERVICE, None, MESSAGE, MOMENT)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PAIRS = st.lists(st.tuples(TEXTS, TEXTS))


@given(PAIRS)
@example([("Body", "".join(map(chr, range(128)))), ("a+b", "50 % Zürich, 你好 🙂"), ("", "")])
def test_form_is_the_standard_one(pairs: list[tuple[str, str]]) -> None:
    """Byte for byte what the standard library makes of any pairs."""
    assert form(pairs) == urlencode(pairs)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://example.com/hook", "https://example.com/hook"),
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:8443/Hook", "https://example.com:8443/Hook"),
        ("https://example.com/hook#top", "https://example.com/hook"),
        ("https://example.com?a=1&a=2#top", "https://example.com/?a=1&a=2"),
        ("https://example.com/hook?", "https://example.com/hook"),
        ("https://example.com/a%2Fb?c=%20d", "https://example.com/a%2Fb?c=%20d"),
        ("https://example.com/ü?ö=ä", "https://example.com/%C3%BC?%C3%B6=%C3%A4"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("https://ü..example/", "https://ü..example/"),  # nothing can be sent there
    ],
)
def test_request_url_is_the_one_on_the_wire(url: str, sent: str) -> None:
    """What a receiver reads from the request line and the Host header; making it so twice changes nothing."""
    assert request_url(url) == sent
    assert request_url(sent) == sent


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        ("https://example.com/hook", "https://example.com/hook?"),
        ("https://example.com/hook?", "https://example.com/hook?"),
        ("https://example.com/hook?key=1", "https://example.com/hook?key=1&"),
        ("https://example.com?key=1#top", "https://example.com/?key=1&"),
    ],
)
def test_query_follows_what_the_url_has(url: str, begins: str) -> None:
    """The URL's own query stays in front, its fragment goes."""
    pairs = [("Body", "a & b=c#d"), ("From", "ü")]

    made = query_url(url, pairs)

    assert made == begins + urlencode(pairs)
    assert parse_qsl(urlsplit(made).query)[-2:] == pairs
    assert re.fullmatch(r"[!-~]+", made)
