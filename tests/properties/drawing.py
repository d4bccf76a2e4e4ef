"""What the properties share: how many examples, which names, and which operations a client has reached."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.contract import published
from tests.harness import unique

# Letters that have a meaning in a URL, a form, JSON or SQL, and some that are rendered oddly.
AWKWARD = "/?#%+&= .:;@'\"\\<>[]{}|^`~!*(),$_-\t\r\n" + "éßİ漢😀\u0301\u200d\u202e"

# Any Unicode text but NUL, which is refused, and lone surrogates, which UTF-8 cannot say.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(st.sampled_from(AWKWARD) | characters, max_size=24)
names = st.text(st.sampled_from(AWKWARD) | characters, min_size=1, max_size=24)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(texts, inside, max_size=3),
    max_leaves=6,
)


@st.composite
def json_texts(draw: st.DrawFn) -> str:
    """A JSON value in one of its spellings."""
    value = draw(json_values)
    indent = draw(st.sampled_from([None, 0, 3]))
    return json.dumps(value, indent=indent, ensure_ascii=draw(st.booleans()))


def bounded(examples: int, **more: Any) -> settings:
    """So many examples, the same ones in every run: a property that fails here fails everywhere."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        **more,
    )


def in_path(name: str) -> str:
    """The name as one part of a path; dots alone would be taken for a way up the tree."""
    encoded = quote(name, safe="")
    return encoded.replace(".", "%2E") if encoded in {".", ".."} else encoded


@contextlib.contextmanager
def fresh_service(client: httpx.Client) -> Iterator[str]:
    """The path of a service for one example, so that what one leaves behind is nothing to the next."""
    path = f"/v2/Services/{client.post('/v2/Services', data={'FriendlyName': unique()}).json()['sid']}"
    yield path
    client.delete(path)


class Reached:
    """The operations of the contract that a client has had a success from."""

    def __init__(self, *clients: httpx.Client) -> None:
        self.operations: set[str] = set()
        for client in clients:
            client.event_hooks = {"response": [self.note]}

    def note(self, response: httpx.Response) -> None:
        assert response.status_code < 500, f"{response.request.method} {response.request.url}"
        path = response.request.url.raw_path.decode("ascii").partition("?")[0]
        operation = published.operation_at(response.request.method, path)
        if operation is not None and response.is_success:
            self.operations.add(operation.id)
