"""Bindings: devices that registered for push, seen from the service and from their user, read and deleted.

Only a client's registration makes one, so the tests register beside the running server, on its database.
"""

from collections.abc import Iterator

import httpx
import pytest

from hubbub.errors import ChatError
from tests.api.steps import (
    CREDENTIALS,
    DATE,
    NOBODY,
    Json,
    Value,
    at,
    create_service,
    create_user,
    created,
    delete,
    fetch,
    not_found,
    refused,
    rows,
    sid,
    update,
    walk,
)
from tests.devices import ALL_TYPES, Device, register
from tests.harness import ACCOUNT_SID, Server

DEVICES: list[Device] = [
    ("alice", "fcm", "alice-phone"),
    ("alice", "apn", "alice-pad"),
    ("bob", "gcm", "bob-phone"),
    ("bob", "fcm", "bob-watch"),
    ("carol", "apn", "carol-pad"),
]


class Registrar:
    """Registers devices as the client edge does: by the same action, on the same database."""

    def __init__(self, server: Server, service: Json, credential: Json) -> None:
        self.server = server
        self.service = service
        self.credential = credential

    def register(self, *devices: Device, message_types: list[str] = ALL_TYPES) -> list[str]:
        """The SIDs of the bindings."""
        service_sid, credential_sid = self.service["sid"], self.credential["sid"]
        return register(self.server, service_sid, credential_sid, *devices, message_types=message_types)


@pytest.fixture
def credential(client: httpx.Client) -> Iterator[Json]:
    """The keys for a push service, deleted afterwards."""
    made = created(client.post(CREDENTIALS, data={"Type": "fcm", "Secret": "key"}))
    yield made
    client.delete(at(made))


@pytest.fixture
def registrar(server: Server, client: httpx.Client, service: Json, credential: Json) -> Registrar:
    """A service with three users, whose devices can be registered."""
    for identity in ("alice", "bob", "carol"):
        create_user(client, service, identity)
    return Registrar(server, service, credential)


def endpoints(bindings: list[Json]) -> list[str]:
    return [binding["endpoint"] for binding in bindings]


def test_binding_is_seen_from_the_service(
    client: httpx.Client, service: Json, credential: Json, registrar: Registrar
) -> None:
    """The device's token is not shown, and the link to the user ends in the identity."""
    [binding_sid] = registrar.register(DEVICES[0])

    binding = fetch(client, service, "Bindings", binding_sid)

    assert binding == {
        "sid": sid("BS"),
        "account_sid": ACCOUNT_SID,
        "service_sid": service["sid"],
        "endpoint": "alice-phone",
        "identity": "alice",
        "binding_type": "fcm",
        "credential_sid": credential["sid"],
        "message_types": ALL_TYPES,
        "date_created": DATE,
        "date_updated": binding["date_created"],
        "url": f"{service['url']}/Bindings/{binding_sid}",
        "links": {"user": f"{service['url']}/Users/alice"},
    }
    assert rows(client, service, "Bindings") == [binding]


def test_binding_is_seen_from_the_user(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """The same row with the user's SID and without links."""
    [binding_sid] = registrar.register(DEVICES[0])
    binding = fetch(client, service, "Bindings", binding_sid)
    user = fetch(client, service, "Users", "alice")

    seen = fetch(client, user, "Bindings", binding_sid)

    del binding["links"]
    url = f"{user['url']}/Bindings/{binding_sid}"
    assert seen == binding | {"user_sid": user["sid"], "url": url}
    assert rows(client, user, "Bindings") == [seen]
    assert rows(client, service, "Users", "alice", "Bindings") == [seen]


@pytest.mark.parametrize("types", [["new_message"], ["invited_to_channel", "removed_from_channel"], []])
def test_message_types_are_those_registered_for(
    client: httpx.Client, service: Json, registrar: Registrar, types: list[str]
) -> None:
    """A device may want to hear of some events only."""
    [binding_sid] = registrar.register(DEVICES[0], message_types=types)

    shown = fetch(client, service, "Bindings", binding_sid)["message_types"]

    assert sorted(shown) == sorted(types)


def test_same_endpoint_replaces_its_binding(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """A device that registers again is there once, as it registered last."""
    registrar.register(DEVICES[0], DEVICES[1])

    registrar.register(DEVICES[0], message_types=["new_message"])

    listed = rows(client, service, "Bindings")
    assert sorted(endpoints(listed)) == ["alice-pad", "alice-phone"]
    [phone] = (binding for binding in listed if binding["endpoint"] == "alice-phone")
    assert phone["message_types"] == ["new_message"]


@pytest.mark.parametrize("type_", ["pager", "FCM", ""])
def test_unknown_type_is_not_registered(client: httpx.Client, service: Json, registrar: Registrar, type_: str) -> None:
    """There are three kinds of push services."""
    with pytest.raises(ChatError, match="Invalid binding type"):
        registrar.register(("alice", type_, "alice-pager"))

    assert rows(client, service, "Bindings") == []


def test_unknown_message_type_is_not_registered(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """There are four events to hear of."""
    with pytest.raises(ChatError, match="MessageTypes"):
        registrar.register(DEVICES[0], message_types=["new_message", "weather"])

    assert rows(client, service, "Bindings") == []


def test_credential_that_is_gone_is_not_registered(
    client: httpx.Client, service: Json, credential: Json, registrar: Registrar
) -> None:
    """Without keys for the push service nothing could be sent."""
    delete(client, credential)

    with pytest.raises(ChatError, match="not found"):
        registrar.register(DEVICES[0])

    assert rows(client, service, "Bindings") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"BindingType": "apn"}, [1, 4]),
        ({"BindingType": ["gcm", "fcm"]}, [0, 2, 3]),
        ({"Identity": "bob"}, [2, 3]),
        ({"Identity": ["carol", "alice"]}, [0, 1, 4]),
        ({"Identity": ["carol", "alice"], "BindingType": ["apn"]}, [1, 4]),
        ({"Identity": ["bob", "nobody"], "BindingType": ["apn", "gcm"]}, [2]),
        ({"Identity": "carol", "BindingType": "gcm"}, []),
        ({"Identity": "nobody"}, []),
    ],
)
def test_bindings_are_filtered(
    client: httpx.Client, service: Json, registrar: Registrar, query: dict[str, Value], expected: list[int]
) -> None:
    """Any of the named types, and any of the named identities; when none is there, the list is empty."""
    registrar.register(*DEVICES)

    listed = rows(client, service, "Bindings", **query)

    assert endpoints(listed) == [DEVICES[index][2] for index in expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [0, 1]),
        ({"BindingType": "apn"}, [1]),
        ({"BindingType": ["apn", "fcm"]}, [0, 1]),
        ({"BindingType": "gcm"}, []),
    ],
)
def test_bindings_of_a_user_are_filtered_by_type(
    client: httpx.Client, service: Json, registrar: Registrar, query: dict[str, Value], expected: list[int]
) -> None:
    """Only the user's own are listed, and of those the named types."""
    registrar.register(*DEVICES)
    user = fetch(client, service, "Users", "alice")

    listed = rows(client, user, "Bindings", **query)

    assert endpoints(listed) == [DEVICES[index][2] for index in expected]


@pytest.mark.parametrize("whose", ["service", "user"])
def test_unknown_type_is_no_filter(client: httpx.Client, service: Json, whose: str) -> None:
    """The type of a filter is one of the three."""
    user = create_user(client, service, "alice")
    path = at({"service": service, "user": user}[whose], "Bindings")
    assert client.get(path, params={"BindingType": "fcm"}).status_code == 200

    refused(client.get(path, params={"BindingType": "pager"}), 400, 50209)


def test_bindings_are_listed_in_creation_order_page_by_page(
    client: httpx.Client, service: Json, registrar: Registrar
) -> None:
    """Pages go on where the page before ended, with the filter kept."""
    sids = registrar.register(*DEVICES)

    every = walk(client, service, "Bindings", PageSize="2")
    some = walk(client, service, "Bindings", BindingType=["fcm", "gcm"], Identity=["alice", "bob"], PageSize="1")
    bobs = walk(client, fetch(client, service, "Users", "bob"), "Bindings", PageSize="1")

    assert [binding["sid"] for binding in every] == sids
    assert [binding["sid"] for binding in some] == [sids[0], *sids[2:4]]
    assert [binding["sid"] for binding in bobs] == sids[2:4]


@pytest.mark.parametrize("whose", ["service", "user"])
def test_deleted_binding_is_gone_from_both_views(
    client: httpx.Client, service: Json, registrar: Registrar, whose: str
) -> None:
    """Whichever way it is deleted, the other devices stay."""
    phone, pad = registrar.register(DEVICES[0], DEVICES[1])
    user = fetch(client, service, "Users", "alice")

    delete(client, {"service": service, "user": user}[whose], "Bindings", phone)

    for owner in (service, user):
        not_found(client.get(at(owner, "Bindings", phone)))
        not_found(client.delete(at(owner, "Bindings", phone)))
        assert [binding["sid"] for binding in rows(client, owner, "Bindings")] == [pad]


def test_deleted_device_registers_again(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """Deleting a binding holds until the device comes back."""
    [former] = registrar.register(DEVICES[0])
    delete(client, service, "Bindings", former)

    [binding_sid] = registrar.register(DEVICES[0])

    assert binding_sid != former
    assert [binding["sid"] for binding in rows(client, service, "Bindings")] == [binding_sid]


def test_user_is_notifiable_while_a_device_is_registered(
    client: httpx.Client, service: Json, registrar: Registrar
) -> None:
    """It is null before the first registration, false after the last one went, and told by a fetch only."""
    update(client, service, ReachabilityEnabled="true")
    user = fetch(client, service, "Users", "alice")
    assert user["is_notifiable"] in {None, False}

    phone, pad = registrar.register(DEVICES[0], DEVICES[1])
    assert fetch(client, user)["is_notifiable"] is True
    assert {row["is_notifiable"] for row in rows(client, service, "Users")} == {None}

    delete(client, service, "Bindings", phone)
    assert fetch(client, user)["is_notifiable"] is True
    delete(client, service, "Bindings", pad)
    assert fetch(client, user)["is_notifiable"] is False


def test_nobody_is_notifiable_without_reachability(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """A service that has it off tells nothing."""
    registrar.register(DEVICES[0])

    assert service["reachability_enabled"] is False
    assert fetch(client, service, "Users", "alice")["is_notifiable"] is None


def test_bindings_of_a_deleted_user_go_along(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """Those of the others stay, and the identity's next user starts without."""
    sids = registrar.register(*DEVICES[:3])

    delete(client, service, "Users", "alice")

    not_found(client.get(at(service, "Bindings", sids[0])))
    assert endpoints(rows(client, service, "Bindings")) == ["bob-phone"]
    assert rows(client, create_user(client, service, "alice"), "Bindings") == []


def test_bindings_go_with_their_service(client: httpx.Client, service: Json, registrar: Registrar) -> None:
    """Below a service that is gone nothing is found."""
    [binding_sid] = registrar.register(DEVICES[0])
    assert fetch(client, service, "Bindings", binding_sid)["sid"] == binding_sid

    delete(client, service)

    refused(client.get(at(service, "Bindings", binding_sid)), 403, 50050)
    refused(client.get(at(service, "Users", "alice", "Bindings")), 403, 50050)


def test_binding_is_found_by_its_owners_only(
    client: httpx.Client, service: Json, registrar: Registrar, stranger: httpx.Client
) -> None:
    """Neither another user nor another service nor another account has it."""
    [binding_sid] = registrar.register(DEVICES[0])
    elsewhere = create_service(client)

    for path in (at(service, "Users", "bob", "Bindings", binding_sid), at(elsewhere, "Bindings", binding_sid)):
        not_found(client.get(path))
        not_found(client.delete(path))
    refused(stranger.get(at(service, "Bindings", binding_sid)), 403, 50050)
    refused(stranger.delete(at(service, "Bindings", binding_sid)), 403, 50050)

    assert fetch(client, service, "Bindings", binding_sid)["sid"] == binding_sid
    delete(client, elsewhere)


@pytest.mark.parametrize("path", ["Bindings", "Users/alice/Bindings"])
def test_binding_cannot_be_made_or_changed_over_http(client: httpx.Client, service: Json, path: str) -> None:
    """Neither the list nor an instance takes a POST."""
    create_user(client, service, "alice")
    form = {"Identity": "alice", "BindingType": "fcm", "Endpoint": "alice-phone"}

    for target in (f"{at(service)}/{path}", f"{at(service)}/{path}/BS{NOBODY}"):
        refused(client.post(target, data=form), 405, 20004)

    assert rows(client, service, "Bindings") == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        *(f"Bindings/BS{NOBODY}", "Bindings/alice-phone"),
        *(f"Users/alice/Bindings/BS{NOBODY}", "Users/alice/Bindings/alice-phone"),
        f"Users/nobody/Bindings/BS{NOBODY}",
    ],
)
def test_binding_that_never_was_is_not_found(client: httpx.Client, service: Json, method: str, path: str) -> None:
    """The message holds the path as it was called."""
    create_user(client, service, "alice")

    not_found(client.request(method, f"{at(service)}/{path}"))


@pytest.mark.parametrize("name", [f"US{NOBODY}", "nobody"])
def test_nothing_is_below_a_user_that_never_was(client: httpx.Client, service: Json, name: str) -> None:
    """The missing user is a missing resource."""
    not_found(client.get(at(service, "Users", name, "Bindings")))
