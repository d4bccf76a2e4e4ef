"""Credentials: an account's keys for the push services, which go in and never come out."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.steps import (
    CREDENTIALS,
    DATE,
    NOBODY,
    Json,
    at,
    created,
    delete,
    fetch,
    not_found,
    ok,
    refused,
    rows,
    sid,
    update,
    walk,
)
from tests.harness import Server, unique

SECRET = "do-not-tell"
FORMS: dict[str, dict[str, str]] = {
    "apn": {"Type": "apn", "Certificate": f"{SECRET} certificate", "PrivateKey": f"{SECRET} key"},
    "gcm": {"Type": "gcm", "ApiKey": SECRET},
    "fcm": {"Type": "fcm", "Secret": SECRET},
}
NEEDED = [("apn", "Certificate"), ("apn", "PrivateKey"), ("gcm", "ApiKey"), ("fcm", "Secret")]


@pytest.fixture
def owner(stranger: httpx.Client) -> Iterator[httpx.Client]:
    """The client of an account without credentials; what a test makes is deleted afterwards."""
    assert rows(stranger, {"url": CREDENTIALS}) == []
    yield stranger
    for credential in rows(stranger, {"url": CREDENTIALS}, PageSize="1000"):
        stranger.delete(at(credential))


def create_credential(client: httpx.Client, type_: str, **form: str) -> Json:
    return created(client.post(CREDENTIALS, data=FORMS[type_] | form))


@pytest.mark.parametrize(("type_", "sandbox"), [("apn", "False"), ("gcm", None), ("fcm", None)])
def test_credential_is_created(
    owner: httpx.Client, server: Server, other_account: tuple[str, str], type_: str, sandbox: str | None
) -> None:
    """The answer has a name and a type, and of the secrets nothing; only Apple has a sandbox."""
    credential = create_credential(owner, type_, FriendlyName="Phones")

    assert credential == {
        "sid": sid("CR"),
        "account_sid": other_account[0],
        "friendly_name": "Phones",
        "type": type_,
        "sandbox": sandbox,
        "date_created": DATE,
        "date_updated": credential["date_created"],
        "url": f"{server.url}/v2/Credentials/{credential['sid']}",
    }
    assert fetch(owner, credential) == credential


@pytest.mark.parametrize("type_", FORMS)
def test_secrets_are_never_returned(owner: httpx.Client, type_: str) -> None:
    """Neither creation nor fetch nor list nor update gives them back."""
    response = owner.post(CREDENTIALS, data=FORMS[type_])
    path = at(created(response))

    answers = [response, owner.get(path), owner.get(CREDENTIALS), owner.post(path, data=FORMS[type_])]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    assert all(SECRET not in answer.text for answer in answers)


@pytest.mark.parametrize("type_", FORMS)
def test_secrets_do_not_lie_open_on_the_disk(owner: httpx.Client, server: Server, type_: str) -> None:
    """Whoever gets hold of the data folder does not read them; the credential's name shows what would be seen."""
    name, secret = unique("name"), unique("secret")
    hidden = {key: secret for key in FORMS[type_] if key != "Type"}
    create_credential(owner, type_, FriendlyName=name, **hidden)

    stored = b"".join(path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file())

    assert (name.encode() in stored) == server.database.startswith("sqlite")
    assert secret.encode() not in stored


@pytest.mark.parametrize("sent", ["true", "True"])
def test_sandbox_is_a_word(owner: httpx.Client, sent: str) -> None:
    """It is a boolean in the request and a string in the answer."""
    credential = create_credential(owner, "apn", Sandbox=sent)
    assert credential["sandbox"] == "True"

    assert update(owner, credential, Sandbox="false")["sandbox"] == "False"
    assert fetch(owner, credential)["sandbox"] == "False"


def test_friendly_name_is_optional(owner: httpx.Client) -> None:
    """A credential without a name has null."""
    assert create_credential(owner, "fcm")["friendly_name"] is None


@pytest.mark.parametrize(("type_", "missing"), NEEDED)
def test_secret_of_the_type_is_needed(owner: httpx.Client, type_: str, missing: str) -> None:
    """Each type names the secret that it lacks, also when only another type's is there."""
    form = {"ApiKey": "1", "Secret": "2", "Certificate": "3", "PrivateKey": "4", "Type": type_}
    del form[missing]

    refused(
        owner.post(CREDENTIALS, data=form),
        *(400, 20001, f"Missing required parameter {missing} in the post body"),
    )
    refused(owner.post(CREDENTIALS, data=form | {missing: ""}), 400, 20001)

    assert rows(owner, {"url": CREDENTIALS}) == []


@pytest.mark.parametrize(
    ("parameter", "sent", "code"),
    [
        ("Type", "pager", 20001),
        ("Type", "", 20001),
        ("Type", "FCM", 20001),
        ("FriendlyName", "n" * 65, 50003),
        ("Sandbox", "perhaps", 20001),
    ],
)
def test_invalid_value_is_refused(owner: httpx.Client, parameter: str, sent: str, code: int) -> None:
    """There are three types, a name has 64 characters at most, and the sandbox is a boolean."""
    refused(owner.post(CREDENTIALS, data=FORMS["fcm"] | {parameter: sent}), 400, code)

    assert rows(owner, {"url": CREDENTIALS}) == []


def test_missing_type_is_named(owner: httpx.Client) -> None:
    """Without a type nothing else can be checked."""
    response = owner.post(CREDENTIALS, data={"Secret": SECRET})

    refused(response, 400, 20001, "Missing required parameter Type in the post body")


@pytest.mark.parametrize(("sent", "shown"), [("Pads", "Pads"), ("n" * 64, "n" * 64), ("", None)])
def test_friendly_name_is_changed(owner: httpx.Client, sent: str, shown: str | None) -> None:
    """An update changes what is given; an empty name clears it."""
    credential = create_credential(owner, "apn", FriendlyName="Phones", Sandbox="true")

    updated = update(owner, credential, FriendlyName=sent)

    assert updated == credential | {"friendly_name": shown, "date_updated": DATE}
    assert fetch(owner, credential) == updated


@pytest.mark.parametrize(
    ("parameter", "sent", "code"), [("FriendlyName", "n" * 65, 50003), ("Sandbox", "perhaps", 20001)]
)
def test_invalid_update_is_refused(owner: httpx.Client, parameter: str, sent: str, code: int) -> None:
    """It is checked as creation is, and nothing changes."""
    credential = create_credential(owner, "apn", FriendlyName="Phones")

    refused(owner.post(at(credential), data={parameter: sent}), 400, code)

    assert fetch(owner, credential) == credential


@pytest.mark.parametrize(("type_", "emptied"), NEEDED)
def test_secret_of_the_type_cannot_be_taken_away(owner: httpx.Client, type_: str, emptied: str) -> None:
    """An update may replace a secret, but not leave the credential without."""
    credential = create_credential(owner, type_)
    ok(owner.post(at(credential), data={emptied: "another"}))

    refused(owner.post(at(credential), data={emptied: ""}), 400, 20001)


def test_type_does_not_change(owner: httpx.Client) -> None:
    """An update knows no type."""
    credential = create_credential(owner, "fcm")

    assert update(owner, credential, Type="gcm", ApiKey="key")["type"] == "fcm"


def test_update_without_parameters_changes_nothing(owner: httpx.Client) -> None:
    """An empty update is accepted and returns the resource."""
    credential = create_credential(owner, "apn", FriendlyName="Phones", Sandbox="true")

    assert update(owner, credential) == credential | {"date_updated": DATE}


def test_deleted_credential_is_gone(owner: httpx.Client) -> None:
    """It is neither found nor listed; the others stay."""
    credential, other = create_credential(owner, "fcm"), create_credential(owner, "apn")

    delete(owner, credential)

    not_found(owner.get(at(credential)))
    not_found(owner.post(at(credential), data={"FriendlyName": "Phones"}))
    not_found(owner.delete(at(credential)))
    assert rows(owner, {"url": CREDENTIALS}) == [other]


def test_credentials_are_listed_in_creation_order_page_by_page(owner: httpx.Client) -> None:
    """Neither the types nor the names nor the deleted ones matter."""
    types = ("fcm", "apn", "gcm", "fcm", "apn", "fcm")
    credentials = [create_credential(owner, type_, FriendlyName="Phones") for type_ in types]
    delete(owner, credentials.pop(2))

    assert walk(owner, {"url": "/v2"}, "Credentials", PageSize="2") == credentials


def test_credential_is_not_found_by_another_account(owner: httpx.Client, client: httpx.Client) -> None:
    """Nobody sees, changes or deletes what another account has."""
    credential = create_credential(owner, "fcm")

    not_found(client.get(at(credential)))
    not_found(client.post(at(credential), data={"FriendlyName": "Mine"}))
    not_found(client.delete(at(credential)))

    assert credential not in rows(client, {"url": CREDENTIALS}, PageSize="1000")
    assert fetch(owner, credential) == credential


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("name", [f"CR{NOBODY}", "Phones"])
def test_credential_that_never_was_is_not_found(owner: httpx.Client, method: str, name: str) -> None:
    """A credential is found by its SID and by nothing else."""
    create_credential(owner, "fcm", FriendlyName="Phones")

    not_found(owner.request(method, f"{CREDENTIALS}/{name}"))
