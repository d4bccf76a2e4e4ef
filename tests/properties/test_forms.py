"""Forms are decoded as the standard library does it, and what it would guess at is refused."""

from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.errors import ChatError
from hubbub.web.forms import parse_form, unquote

PROVED = frozenset[str]()  # no operation by itself

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PAIRS = st.lists(st.tuples(TEXT.filter(bool), TEXT))
ESCAPED = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=3).map(lambda raw: raw.replace(b"%", b"")),
        st.binary(min_size=1, max_size=1).map(lambda raw: b"%" + raw.hex().encode()),
        st.binary(min_size=1, max_size=1).map(lambda raw: b"%" + raw.hex().upper().encode()),
    )
).map(b"".join)


@given(PAIRS)
def test_form_comes_out_as_it_went_in(pairs: list[tuple[str, str]]) -> None:
    """Every pair, in order, repeated and empty ones too."""
    encoded = urlencode(pairs)

    assert parse_form(encoded.encode()) == pairs
    assert parse_qsl(encoded, keep_blank_values=True) == pairs


@given(ESCAPED)
def test_escapes_are_what_the_standard_library_says(raw: bytes) -> None:
    """Whatever the bytes around them, line ends and equal signs included."""
    assert unquote(raw) == unquote_to_bytes(raw)


@given(ESCAPED, st.sampled_from([b"%", b"%4", b"%zz", b"%4g", b"%\n", b"%\r\n", b"% 1", b"%%41"]), ESCAPED)
def test_broken_escape_is_refused(before: bytes, broken: bytes, after: bytes) -> None:
    """Also where it stands at the end, before a line end or before another escape."""
    raw = before + broken + b"&x=" + after

    with pytest.raises(ChatError, match="percent-encoding"):
        parse_form(b"a=" + raw)
