"""Lists: the envelope, the URLs that lead from page to page, and pages that hold still while rows come and go."""

from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest

from tests.api.more_steps import create_account, listed, pages
from tests.api.steps import (
    CREDENTIALS,
    NOBODY,
    SERVICES,
    Json,
    at,
    create_channel,
    create_invite,
    create_member,
    create_message,
    create_role,
    create_service,
    create_user,
    create_webhook,
    created,
    delete,
    ok,
    refused,
)
from tests.harness import Server

META = {"page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url", "key"}

# Each list by its path in the library, which holds ROWS rows of every kind; nobody has a binding.
ROWS = 5
LISTS = {
    "services": SERVICES,
    "credentials": CREDENTIALS,
    "roles": "{service}/Roles",
    "users": "{service}/Users",
    "channels": "{service}/Channels",
    "members": "{channel}/Members",
    "invites": "{invited}/Invites",
    "messages": "{channel}/Messages",
    "webhooks": "{channel}/Webhooks",
    "user channels": "{user}/Channels",
}
EMPTY = {"bindings": "{service}/Bindings", "user bindings": "{user}/Bindings"}

BAD_SIZES = ["0", "-1", "x", "", "1.5", "1e3", "٣"]
BAD_TOKENS = ["x", "PT", "PTx", "PT-1", "PT1.5", "PT²", "PTPT1"]

FILTERS = [
    ("{service}/Channels", "Type=public", ROWS),
    ("{service}/Channels", "Type=public&Type=private", ROWS),
    ("{service}/Channels", "Type=private", 0),
    ("{channel}/Members", "Identity=member0", 1),
    ("{channel}/Members", "Identity=member1&Identity=member3&Identity=nobody", 2),
    ("{channel}/Members", "Identity=nobody+%26+no+%2F+one%3F", 0),
    ("{invited}/Invites", "Identity=guest0&Identity=guest4", 2),
    ("{channel}/Messages", "Order=asc", ROWS),
    ("{channel}/Messages", "Order=desc", ROWS),
    ("{service}/Bindings", "BindingType=apn&BindingType=fcm&Identity=alice&Identity=bob", 0),
    ("{user}/Bindings", "BindingType=gcm", 0),
]


class Library:
    """An account with ROWS rows in every list, which nobody changes."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        service, other, *_ = (create_service(client) for _ in range(ROWS))
        channel, *channels = (create_channel(client, service) for _ in range(ROWS))
        invited = create_channel(client, other)  # in another service, so that guests do not count as users here
        for n in range(ROWS):
            created(client.post(CREDENTIALS, data={"Type": "fcm", "Secret": "s"}))
            create_member(client, channel, f"member{n}")
            create_message(client, channel, str(n))
            create_webhook(client, channel)
            create_user(client, other, f"guest{n}")
            create_invite(client, invited, f"guest{n}")
        create_role(client, service, "channel", "sendMessage")
        for each in channels:
            create_member(client, each, "member0")
        user = ok(client.get(at(service, "Users", "member0")))
        self.words = {
            "service": at(service),
            "channel": at(channel),
            "invited": at(invited),
            "user": at(user),
        }

    def path(self, template: str) -> str:
        return template.format(**self.words)

    def first(self, template: str, query: str = "") -> Json:
        return ok(self.client.get(f"{self.path(template)}?{query}"))

    def walk(self, template: str, query: str = "") -> list[Json]:
        """Every page from the first on."""
        return list(pages(self.client, f"{self.path(template)}?{query}"))


@pytest.fixture(scope="module")
def library(server: Server) -> Iterator[Library]:
    """One library for the tests of this module: they only read it."""
    account = create_account(server)
    with server.client(account["sid"], account["auth_token"]) as client:
        yield Library(client)


every_list = pytest.mark.parametrize("template", LISTS.values(), ids=LISTS)


def key_of(template: str) -> str:
    """The key that a row goes by in page tokens: a message by its index, all else by SID."""
    return "index" if template.endswith("Messages") else "sid"


def keys(rows: list[Json], template: str) -> list[str]:
    if template == LISTS["user channels"]:
        return [row["channel_sid"] for row in rows]
    return [str(row[key_of(template)]) for row in rows]


@pytest.mark.parametrize("template", [*LISTS.values(), *EMPTY.values()], ids=[*LISTS, *EMPTY])
def test_list_has_the_documented_envelope(library: Library, server: Server, template: str) -> None:
    """One array and a meta of exactly seven keys; the only page leads nowhere else."""
    page = library.first(template, "PageSize=100")

    key = template.rpartition("/")[2].lower()
    here = f"{server.url}{library.path(template)}?PageSize=100&Page=0"
    meta = {
        "page": 0,
        "page_size": 100,
        "first_page_url": here,
        "previous_page_url": None,
        "url": here,
        "next_page_url": None,
        "key": key,
    }
    assert page == {key: page[key], "meta": meta}
    assert len(page[key]) == (0 if template in EMPTY.values() else ROWS)


@every_list
def test_default_size_is_fifty_and_five_for_webhooks(library: Library, template: str) -> None:
    """A list that is asked for without parameters tells what it assumed."""
    meta = library.first(template)["meta"]

    size = 5 if template == LISTS["webhooks"] else 50
    assert (meta["page"], meta["page_size"]) == (0, size)
    assert meta["url"].endswith(f"?PageSize={size}&Page=0")


@every_list
def test_pages_together_are_the_list(library: Library, template: str) -> None:
    """Following next_page_url visits every row once, in the order of the one large page."""
    walked = library.walk(template, "PageSize=2")

    assert [len(listed(page)) for page in walked] == [2, 2, 1]
    assert [row for page in walked for row in listed(page)] == listed(library.first(template))


@every_list
def test_list_is_in_the_order_of_its_key(library: Library, template: str) -> None:
    """Messages by index, all else by SID."""
    found = keys(listed(library.first(template)), template)

    assert len(set(found)) == ROWS
    assert found == sorted(found)


@every_list
def test_page_urls_have_the_documented_form(library: Library, server: Server, template: str) -> None:
    """PageSize, Page and then the token of the last row that was seen, absolute and on the called host."""
    first, second, third = library.walk(template, "PageSize=2")

    url = f"{server.url}{library.path(template)}?PageSize=2&Page="
    urls = [
        f"{url}0",
        f"{url}1&PageToken=PT{keys(listed(first), template)[-1]}",
        f"{url}2&PageToken=PT{keys(listed(second), template)[-1]}",
    ]
    for number, page in enumerate((first, second, third)):
        assert set(page["meta"]) == META
        assert page["meta"] == page["meta"] | {
            "page": number,
            "page_size": 2,
            "first_page_url": urls[0],
            "previous_page_url": urls[number - 1] if number else None,
            "url": urls[number],
            "next_page_url": urls[number + 1] if number < 2 else None,
        }


@every_list
def test_pages_are_walked_back_to_the_first(library: Library, template: str) -> None:
    """Following previous_page_url from the last page shows the same pages in reverse."""
    forth = library.walk(template, "PageSize=2")

    back = pages(library.client, forth[-1]["meta"]["url"], "previous_page_url")

    assert list(back) == forth[::-1]


@every_list
def test_page_that_ends_with_the_list_is_the_last(library: Library, template: str) -> None:
    """No empty page follows a full one."""
    assert library.first(template, f"PageSize={ROWS}")["meta"]["next_page_url"] is None
    assert library.first(template, f"PageSize={ROWS - 1}")["meta"]["next_page_url"] is not None


@every_list
def test_page_without_token_skips_the_pages_before_it(library: Library, template: str) -> None:
    """`Page=1&PageSize=2` shows the third and the fourth row."""
    everything = listed(library.first(template))

    shown = [listed(library.first(template, f"Page={number}&PageSize=2")) for number in range(4)]

    assert shown == [everything[0:2], everything[2:4], everything[4:], []]


@every_list
def test_page_without_token_leads_on_and_back(library: Library, template: str) -> None:
    """From a page in the middle both neighbours are reached."""
    first, second, third = library.walk(template, "PageSize=2")

    meta = library.first(template, "Page=1&PageSize=2")["meta"]

    assert ok(library.client.get(meta["next_page_url"])) == third
    assert ok(library.client.get(meta["previous_page_url"])) == first
    assert meta["next_page_url"] == second["meta"]["next_page_url"]


@pytest.mark.parametrize("size", ["1000", "1001", "5000", "9" * 30, "9" * 5000])
def test_page_size_is_clamped(library: Library, size: str) -> None:
    """Clients ask for far more than they get; meta shows what they get."""
    meta = library.first(LISTS["channels"], f"PageSize={size}")["meta"]

    assert meta["page_size"] == 1000
    assert meta["url"].endswith("?PageSize=1000&Page=0")


@pytest.mark.parametrize("size", BAD_SIZES)
@every_list
def test_page_size_that_is_no_number_above_zero_is_refused(library: Library, template: str, size: str) -> None:
    """A page has at least one row."""
    response = library.client.get(library.path(template), params={"PageSize": size})

    refused(response, 400, 20001, "Invalid parameter PageSize")


@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_page_that_is_no_number_is_refused(library: Library, number: str) -> None:
    """The first page is number 0."""
    response = library.client.get(library.path(LISTS["channels"]), params={"Page": number})

    refused(response, 400, 20001, "Invalid parameter Page")


@pytest.mark.parametrize("number", ["3", "1000000", "9" * 18, "9" * 30, "9" * 5000])
def test_page_after_the_end_is_empty(library: Library, number: str) -> None:
    """However far: there is nothing there, and nothing after it."""
    page = library.first(LISTS["channels"], f"Page={number}&PageSize=1000")

    assert listed(page) == []
    assert page["meta"]["next_page_url"] is None


@every_list
@pytest.mark.parametrize("token", BAD_TOKENS, ids=lambda token: token[:12])
def test_token_that_nobody_gave_out_is_refused(library: Library, template: str, token: str) -> None:
    """Messages have a code of their own for it."""
    response = library.client.get(library.path(template), params={"PageToken": token})

    refused(response, 400, 19038 if template == LISTS["messages"] else 20001)


def test_token_of_a_row_that_never_was_marks_its_place(library: Library) -> None:
    """A token is a place in the order, not a row."""
    template = LISTS["channels"]

    before = library.first(template, f"Page=1&PageToken=PTCH{NOBODY}")
    after = library.first(template, f"Page=1&PageToken=PTCH{'f' * 32}")

    assert listed(before) == listed(library.first(template))
    assert listed(after) == []


@pytest.mark.parametrize("digits", [4, 18, 19, 20, 30, 5000])
def test_token_after_the_last_message_leads_to_an_empty_page(library: Library, digits: int) -> None:
    """However large the number is."""
    page = library.first(LISTS["messages"], f"Page=1&PageToken=PT{'9' * digits}")

    assert listed(page) == []
    assert page["meta"]["next_page_url"] is None


@pytest.mark.parametrize(("template", "filters", "matching"), FILTERS)
def test_filters_are_kept_in_every_url(library: Library, template: str, filters: str, matching: int) -> None:
    """They come first, in the order and with the repetitions in which they were sent."""
    walked = library.walk(template, f"{filters}&PageSize=1")

    assert [len(listed(page)) for page in walked] == ([1] * matching or [0])
    for page in walked:
        for name in ("first_page_url", "url"):
            assert f"?{filters}&PageSize=1&Page=" in page["meta"][name]
    for page, following in pairwise(walked):
        assert page["meta"]["next_page_url"] == following["meta"]["url"]
        assert following["meta"]["previous_page_url"] == page["meta"]["url"]


def test_filters_come_first_wherever_they_were_sent(library: Library) -> None:
    """A client may put them after the paging."""
    meta = library.first(LISTS["channels"], "PageSize=3&Type=public&Page=0&Nonsense=1")["meta"]

    assert meta["url"].endswith("/Channels?Type=public&PageSize=3&Page=0")


def test_newest_messages_come_first_on_demand(library: Library) -> None:
    """Order=desc pages downwards, with the last index seen as the token."""
    walked = library.walk(LISTS["messages"], "Order=desc&PageSize=2")

    assert [[row["index"] for row in listed(page)] for page in walked] == [[4, 3], [2, 1], [0]]
    assert walked[0]["meta"]["next_page_url"].endswith("?Order=desc&PageSize=2&Page=1&PageToken=PT3")
    back = pages(library.client, walked[-1]["meta"]["url"], "previous_page_url")
    assert list(back) == walked[::-1]


def test_urls_hold_sids_where_the_caller_used_a_name(client: httpx.Client, service: Json) -> None:
    """Channels by unique name and users by identity are named by their SIDs in every URL."""
    channel = create_channel(client, service, UniqueName="general")
    create_member(client, channel, "alice")

    members = ok(client.get(at(service, "Channels", "general", "Members")))["meta"]
    channels = ok(client.get(at(service, "Users", "alice", "Channels")))["meta"]

    assert f"/Channels/{channel['sid']}/Members?" in members["url"]
    assert "/Users/US" in channels["url"]


def test_rows_that_come_are_found_on_later_pages(client: httpx.Client, service: Json) -> None:
    """What is added while a client reads shifts nothing: no row is missed, none comes twice."""
    channels = [create_channel(client, service) for _ in range(4)]
    first = ok(client.get(at(service, "Channels"), params={"PageSize": "2"}))

    channels.append(create_channel(client, service))

    rest = [row for page in pages(client, first["meta"]["next_page_url"]) for row in listed(page)]
    assert listed(first) + rest == channels


@pytest.mark.parametrize("gone", [[0], [1], [0, 1], [0, 1, 2], [2, 3]], ids=str)
def test_rows_that_go_shift_no_page(client: httpx.Client, service: Json, gone: list[int]) -> None:
    """Also the row that the token names may go: the next page begins where it would have."""
    channels = [create_channel(client, service) for _ in range(6)]
    first = ok(client.get(at(service, "Channels"), params={"PageSize": "2"}))
    assert listed(first) == channels[:2]

    for n in gone:
        delete(client, channels[n])

    rest = [row for page in pages(client, first["meta"]["next_page_url"]) for row in listed(page)]
    assert rest == [channel for n, channel in enumerate(channels) if n >= 2 and n not in gone]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_messages_that_come_and_go_shift_no_page(client: httpx.Client, channel: Json, order: str) -> None:
    """The same holds for messages in both orders."""
    messages = [create_message(client, channel, str(n)) for n in range(6)]
    first = ok(client.get(at(channel, "Messages"), params={"PageSize": "2", "Order": order}))
    seen = [row["index"] for row in listed(first)]

    create_message(client, channel, "new")
    delete(client, messages[seen[1]])

    rest = [row["index"] for page in pages(client, first["meta"]["next_page_url"]) for row in listed(page)]
    assert seen + rest == ([0, 1, 2, 3, 4, 5, 6] if order == "asc" else [5, 4, 3, 2, 1, 0])


@pytest.mark.parametrize("gone", [[0], [3], [0, 3]], ids=str)
def test_way_back_misses_nothing_after_deletions(client: httpx.Client, service: Json, gone: list[int]) -> None:
    """Every page on the way back shows rows that come before, until the first has been seen."""
    channels = [create_channel(client, service) for _ in range(6)]
    last = list(pages(client, f"{at(service, 'Channels')}?PageSize=2"))[-1]
    for n in gone:
        delete(client, channels[n])

    here, *back = pages(client, last["meta"]["url"], "previous_page_url")

    seen = [row["sid"] for page in back for row in listed(page)]
    assert listed(here) == channels[4:]
    assert set(seen) == {channels[n]["sid"] for n in range(4) if n not in gone}
