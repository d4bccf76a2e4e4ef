"""The text of a push."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.delivery.push.model import ADDED, INVITED, LONGEST_TEXT, NEW_MESSAGE, REMOVED
from hubbub.delivery.push.templates import text_of, title_of
from hubbub.resources.channels.model import Channel
from hubbub.resources.users.model import User

CHANNEL_SID = "CH" + "c" * 32
USER_SID = "US" + "a" * 32


def channel(unique_name: str | None = "general", friendly_name: str | None = "General Talk") -> Channel:
    return Channel(
        key=1,
        service=1,
        sid=CHANNEL_SID,
        unique_name=unique_name,
        friendly_name=friendly_name,
        attributes="{}",
        type="public",
        created_by="alice",
        members_count=2,
        messages_count=1,
        last_message_sid=None,
        date_created=0,
        date_updated=0,
        revision=1,
        last_revision=1,
        last_index=0,
    )


def user(friendly_name: str | None = "Alice A.") -> User:
    return User(
        key=1,
        service=1,
        sid=USER_SID,
        identity="alice",
        role_sid="RL" + "0" * 32,
        friendly_name=friendly_name,
        attributes="{}",
        is_online=None,
        is_notifiable=None,
        joined_channels_count=1,
        date_created=0,
        date_updated=0,
        revision=1,
        last_revision=1,
    )


def said(template: str | None, body: str = "Hi", of: Channel | None = None, by: User | None = None) -> str:
    """The text of a message that alice has written."""
    return text_of(template, NEW_MESSAGE, of or channel(), by or user(), "alice", body)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("${USER}", "Alice A."),
        ("${USER_FRIENDLY_NAME}", "Alice A."),
        ("${USER_IDENTITY}", "alice"),
        ("${USER_SID}", USER_SID),
        ("${CHANNEL}", "general"),
        ("${CHANNEL_FRIENDLY_NAME}", "General Talk"),
        ("${CHANNEL_UNIQUE_NAME}", "general"),
        ("${CHANNEL_SID}", CHANNEL_SID),
        ("${MESSAGE}", "Hi"),
    ],
)
def test_variable_stands_for_its_value(variable: str, value: str) -> None:
    """Alone, in the midst of text, and more than once."""
    assert said(variable) == value
    assert said(f"<{variable}> {variable}{variable}") == f"<{value}> {value}{value}"


@pytest.mark.parametrize(
    ("names", "unique", "friendly"),
    [
        ({"unique_name": "general", "friendly_name": None}, "general", "general"),
        ({"unique_name": None, "friendly_name": "General Talk"}, "General Talk", "General Talk"),
        ({"unique_name": None, "friendly_name": None}, CHANNEL_SID, CHANNEL_SID),
    ],
)
def test_channel_without_a_name_goes_by_what_it_has(names: dict[str, str | None], unique: str, friendly: str) -> None:
    """The other name, else the SID; the title is what the friendly name's variable is."""
    nameless = channel(**names)

    texts = [said(template, of=nameless) for template in ("${CHANNEL}", "${CHANNEL_UNIQUE_NAME}")]

    assert texts == [unique, unique]
    assert said("${CHANNEL_FRIENDLY_NAME}", of=nameless) == title_of(nameless) == friendly


def test_title_is_the_friendly_name() -> None:
    assert title_of(channel()) == "General Talk"


def test_user_without_a_friendly_name_goes_by_the_identity() -> None:
    assert said("${USER} ${USER_FRIENDLY_NAME}", by=user(None)) == "alice alice"


def test_who_is_no_user_has_an_identity_and_no_sid() -> None:
    """As a back end, which is "system"."""
    template = "${USER},${USER_FRIENDLY_NAME},${USER_IDENTITY},${USER_SID}"

    assert text_of(template, ADDED, channel(), None, "system", "") == "system,system,system,"


@pytest.mark.parametrize("template", [None, ""])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (NEW_MESSAGE, "general;Alice A.: Hi"),
        (ADDED, "You have been added to channel general by Alice A."),
        (INVITED, "Alice A. has invited you to join the channel general"),
        (REMOVED, "Alice A. has removed you from the channel general"),
    ],
)
def test_kind_without_a_template_has_a_default(template: str | None, kind: str, text: str) -> None:
    assert text_of(template, kind, channel(), user(), "alice", "Hi" if kind == NEW_MESSAGE else "") == text


@pytest.mark.parametrize(
    "template",
    [
        "${NOBODY}",
        "${user}",
        "${CHANNEL",
        "$CHANNEL",
        "{CHANNEL}",
        "${}",
        "$${",
        "${MEDIA}",
        "100 $ {USER}",
        r"\1 \g<0>",
    ],
)
def test_what_is_no_variable_stays_as_it_is(template: str) -> None:
    assert said(template) == template


def test_dollar_before_a_variable_stays() -> None:
    assert said("$${MESSAGE}") == "$Hi"
    assert said("${${MESSAGE}}") == "${Hi}"


@pytest.mark.parametrize("template", ["${MESSAGE}", "${USER}", "${CHANNEL}"])
def test_value_that_looks_like_a_variable_is_shown_as_it_is(template: str) -> None:
    """Nobody gets at another value by writing a variable into a message or a name."""
    tricky = "${CHANNEL_SID}${USER}"

    assert said(template, tricky, channel(tricky), user(tricky)) == tricky


def test_variables_that_grow_together_are_none() -> None:
    assert said("${MESSAGE}{USER}", "$") == "${USER}"


@pytest.mark.parametrize("letter", ["x", "é", "世", "🎉"])
def test_text_is_cut_after_178_characters(letter: str) -> None:
    """All of it counts, the template's own and the values; a character is one whatever its bytes."""
    assert LONGEST_TEXT == 178
    assert said("${MESSAGE}", letter * 178) == letter * 178
    assert said("${MESSAGE}", letter * 179) == letter * 178
    assert said("> ${MESSAGE}!", letter * 500) == "> " + letter * 176
    assert said(letter * 1024) == letter * 178


def test_long_name_leaves_no_room_for_the_message() -> None:
    assert said(None, of=channel("n" * 256)) == "n" * 178


NAMES = st.one_of(st.none(), st.text(min_size=1, max_size=256))
PIECES = st.one_of(
    st.sampled_from(["${USER}", "${MESSAGE}", "${CHANNEL}", "${CHANNEL_FRIENDLY_NAME}", "${X}", "$", "{", "}"]),
    st.text(max_size=20),
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)


@given(TEXTS, NAMES, NAMES, NAMES, TEXTS)
def test_no_text_is_longer_than_178_characters(
    template: str, unique_name: str | None, friendly_name: str | None, named: str | None, body: str
) -> None:
    assert len(said(template, body, channel(unique_name, friendly_name), user(named))) <= LONGEST_TEXT


@given(TEXTS)
def test_no_value_is_substituted_in(body: str) -> None:
    """Whatever is in a message, it is shown as it is."""
    assert said("${MESSAGE}", body) == body[:LONGEST_TEXT]
    assert said("${USER}: ${MESSAGE}", body) == f"Alice A.: {body}"[:LONGEST_TEXT]
