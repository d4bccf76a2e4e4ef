"""Credentials: an account's keys for the push services, which go in and never come out."""

import asyncio
from collections.abc import Iterator

import asyncpg
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
    refused,
    rows,
    sid,
    update,
    walk,
)
from tests.harness import Server, unique
from tests.push.keys import (
    PASSPHRASE,
    apns_certificate,
    apns_token,
    load,
    other_key,
    pem,
    rsa_key,
    service_account,
)

CERTIFICATE, KEY = apns_certificate()
OTHER_CERTIFICATE, OTHER_KEY = apns_certificate(key=other_key())
TOKEN, TOKEN_KEY = apns_token()
LEGACY = "AAAAdonttell:APA91bdo-not-tell-this-to-anybody"

APN = {"Type": "apn", "Certificate": CERTIFICATE, "PrivateKey": KEY}
APN_TOKEN = {"Type": "apn", "Certificate": TOKEN, "PrivateKey": TOKEN_KEY}
FORMS: dict[str, dict[str, str]] = {
    "apn": APN,
    "apn token": APN_TOKEN,
    "gcm": {"Type": "gcm", "ApiKey": service_account("of-gcm")},
    "gcm legacy": {"Type": "gcm", "ApiKey": LEGACY},
    "fcm": {"Type": "fcm", "Secret": service_account()},
    "fcm legacy": {"Type": "fcm", "Secret": LEGACY},
}
NEEDED = [("apn", "Certificate"), ("apn", "PrivateKey"), ("gcm", "ApiKey"), ("fcm", "Secret")]

# What will not do in one field of a good credential, and what is said of it.
EXPIRED, _ = apns_certificate(days=-400, begins=-765)
NOT_YET, _ = apns_certificate(days=765, begins=400)
PROTECTED = pem(load(KEY), passphrase=PASSPHRASE)
FAULTS: list[tuple[str, str, str, str]] = [
    ("apn", "Certificate", "certificate", "there is no -----BEGIN CERTIFICATE----- with its end in it"),
    ("apn", "Certificate", CERTIFICATE[:200] + CERTIFICATE[204:], "it cannot be read: "),
    ("apn", "Certificate", EXPIRED, "it expired on "),
    ("apn", "Certificate", NOT_YET, "it is not valid before "),
    ("apn", "Certificate", CERTIFICATE * 100, "it has more than 65536 characters"),
    ("apn", "PrivateKey", "key", "there is no -----BEGIN PRIVATE KEY----- with its end in it"),
    ("apn", "PrivateKey", KEY[:100] + KEY[104:], "it cannot be read: "),
    ("apn", "PrivateKey", PROTECTED, "it is protected by a passphrase: send it without one"),
    ("apn", "PrivateKey", OTHER_KEY, "it is not the certificate's key"),
    ("apn token", "Certificate", TOKEN[:-1], "it is no JSON"),
    ("apn token", "Certificate", TOKEN.replace("topic", "app"), "it has no topic"),
    ("apn token", "Certificate", TOKEN.replace("ABC123DEFG", "ABC"), "it has a key_id that cannot be one"),
    (
        "apn token",
        "PrivateKey",
        rsa_key(),
        "it is no token key: those are EC keys of the curve P-256, in a file with .p8",
    ),
    ("gcm", "ApiKey", service_account("of-gcm")[:-5], "it is no JSON"),
    ("fcm", "Secret", service_account()[:-5], "it is no JSON"),
    ("fcm", "Secret", service_account(type="user"), "it is not a service account: its type is not service_account"),
    ("fcm", "Secret", service_account(client_email=None), "the service account has no client_email"),
    ("fcm", "Secret", service_account("../../v2"), "the service account has a project_id that cannot be one"),
    ("fcm", "Secret", service_account(private_key=KEY), "private_key: it is no RSA key"),
]


def brief(text: str) -> str:
    """Enough of a value to tell which test it is."""
    return text[:24]


@pytest.fixture
def owner(stranger: httpx.Client) -> Iterator[httpx.Client]:
    """The client of an account without credentials; what a test makes is deleted afterwards."""
    assert rows(stranger, {"url": CREDENTIALS}) == []
    yield stranger
    for credential in rows(stranger, {"url": CREDENTIALS}, PageSize="1000"):
        stranger.delete(at(credential))


def create_credential(client: httpx.Client, name: str, **form: str) -> Json:
    return created(client.post(CREDENTIALS, data=FORMS[name] | form))


def pieces(form: dict[str, str]) -> list[str]:
    """Every line of what is secret in the form that is long enough to be told from anything else."""
    secrets = "\n".join(value for name, value in form.items() if name != "Type")
    return [line for line in secrets.replace("\\n", "\n").split("\n") if len(line) > 30 and "-----" not in line]


def shown(form: dict[str, str], text: str) -> list[str]:
    """The pieces of the form's secrets that stand in the text."""
    return [piece for piece in pieces(form) if piece in text]


def stored(server: Server) -> str:
    """Everything that the data folder holds, the log too, and on PostgreSQL every credential."""

    async def read() -> str:
        connection = await asyncpg.connect(server.database)
        try:
            return "".join(row[0] for row in await connection.fetch("SELECT c::text FROM credentials c"))
        finally:
            await connection.close()

    files = "".join(path.read_text(errors="replace") for path in server.data_dir.rglob("*") if path.is_file())
    return files if server.database.startswith("sqlite") else files + asyncio.run(read())


@pytest.mark.parametrize("name", FORMS)
def test_credential_is_created(owner: httpx.Client, server: Server, other_account: tuple[str, str], name: str) -> None:
    """The answer has a name and a type, and of the secrets nothing; only Apple has a sandbox."""
    credential = create_credential(owner, name, FriendlyName="Phones")

    assert credential == {
        "sid": sid("CR"),
        "account_sid": other_account[0],
        "friendly_name": "Phones",
        "type": FORMS[name]["Type"],
        "sandbox": "False" if FORMS[name]["Type"] == "apn" else None,
        "date_created": DATE,
        "date_updated": credential["date_created"],
        "url": f"{server.url}/v2/Credentials/{credential['sid']}",
    }
    assert fetch(owner, credential) == credential


@pytest.mark.parametrize("name", FORMS)
def test_secrets_are_never_returned(owner: httpx.Client, name: str) -> None:
    """Neither creation nor fetch nor list nor update gives them back."""
    assert pieces(FORMS[name])
    response = owner.post(CREDENTIALS, data=FORMS[name])
    path = at(created(response))

    answers = [response, owner.get(path), owner.get(CREDENTIALS), owner.post(path, data=FORMS[name])]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
    assert [shown(FORMS[name], answer.text) for answer in answers] == [[]] * 4


@pytest.mark.parametrize("name", FORMS)
def test_secrets_do_not_lie_open_on_the_disk(owner: httpx.Client, server: Server, name: str) -> None:
    """Whoever gets hold of the data does not read them; the credential's name shows what would be seen."""
    friendly_name = unique("name")
    create_credential(owner, name, FriendlyName=friendly_name)

    found = stored(server)

    assert friendly_name in found
    assert shown(FORMS[name], found) == []


@pytest.mark.parametrize(("name", "field", "sent", "said"), FAULTS, ids=brief)
def test_bad_key_is_refused(owner: httpx.Client, server: Server, name: str, field: str, sent: str, said: str) -> None:
    """The sentence says what is wrong, and neither it nor anything else keeps what was sent."""
    form = FORMS[name] | {field: sent}
    assert pieces(form)

    response = owner.post(CREDENTIALS, data=form)

    refused(response, 400, 20001)
    assert response.json()["message"].startswith(f"Invalid parameter {field}: {said}")
    assert rows(owner, {"url": CREDENTIALS}) == []
    assert shown(form, response.text) == []
    assert shown(form, stored(server)) == []


@pytest.mark.parametrize(("name", "field", "sent", "said"), FAULTS, ids=brief)
def test_key_is_not_changed_to_a_bad_one(owner: httpx.Client, name: str, field: str, sent: str, said: str) -> None:
    """An update is checked as creation is, with what stays as it was, and nothing changes."""
    credential = create_credential(owner, name, FriendlyName="Phones")

    response = owner.post(at(credential), data={field: sent, "FriendlyName": "Pads", "Sandbox": "true"})

    refused(response, 400, 20001)
    assert response.json()["message"].startswith(f"Invalid parameter {field}: {said}")
    assert fetch(owner, credential) == credential


def test_certificate_is_changed_together_with_its_key(owner: httpx.Client) -> None:
    """One without the other does not match, and leaves both as they were: the old key is still the certificate's."""
    credential = create_credential(owner, "apn")
    mismatch = (400, 20001, "Invalid parameter PrivateKey: it is not the certificate's key")

    refused(owner.post(at(credential), data={"Certificate": OTHER_CERTIFICATE}), *mismatch)
    refused(owner.post(at(credential), data={"PrivateKey": OTHER_KEY}), *mismatch)
    update(owner, credential, PrivateKey=KEY)
    update(owner, credential, Certificate=OTHER_CERTIFICATE, PrivateKey=OTHER_KEY)

    refused(owner.post(at(credential), data={"PrivateKey": KEY}), *mismatch)
    update(owner, credential, PrivateKey=OTHER_KEY)


def test_certificate_is_renewed_for_the_same_key(owner: httpx.Client) -> None:
    """Then it is given alone."""
    credential = create_credential(owner, "apn")
    renewed, _ = apns_certificate(days=500)

    assert update(owner, credential, Certificate=renewed) == credential | {"date_updated": DATE}


def test_certificate_gives_way_to_a_token_key(owner: httpx.Client) -> None:
    """And the other way round; the type is the same."""
    credential = create_credential(owner, "apn")

    for form in (APN_TOKEN, APN):
        assert update(owner, credential, **form) == credential | {"date_updated": DATE}


def test_legacy_key_gives_way_to_a_service_account(owner: httpx.Client) -> None:
    """So devices that are registered with the credential are reached again."""
    for name in ("fcm", "gcm"):
        credential = create_credential(owner, f"{name} legacy")

        assert update(owner, credential, **FORMS[name]) == credential | {"date_updated": DATE}


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
    response = owner.post(CREDENTIALS, data={"Secret": LEGACY})

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

    missing = f"Missing required parameter {emptied} in the post body"
    refused(owner.post(at(credential), data={emptied: ""}), 400, 20001, missing)

    update(owner, credential, **{emptied: FORMS[type_][emptied]})


@pytest.mark.parametrize(("type_", "needed"), NEEDED)
def test_secret_of_another_type_is_not_looked_at(owner: httpx.Client, type_: str, needed: str) -> None:
    """Whatever it is, it is not kept."""
    others = {name: "{" for _, name in NEEDED if name not in FORMS[type_]}
    assert needed not in others

    credential = create_credential(owner, type_, **others)

    assert update(owner, credential, **others) == credential


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
