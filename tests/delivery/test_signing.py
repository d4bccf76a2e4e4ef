"""Both signatures, checked by those who check them in the field: the official validators."""

import base64
import hmac
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError
from twilio.request_validator import RequestValidator

from hubbub.delivery.parameters import form, query_url, request_url
from hubbub.delivery.signing import secret_bytes, secret_of, standard_signature, twilio_signature
from hubbub.vault import Vault

TOKEN = "12345"
VALIDATOR = RequestValidator(TOKEN)
URL = "https://example.com/hook"
PAIRS = [
    ("EventType", "onMessageSent"),
    ("Body", "Grüße, 你好 🙂 & = + %"),
    ("From", "alice"),
    ("Attributes", '{"a": 1}'),
]
IS = "IS0123456789abcdef0123456789abcdef"
VAULT = Vault(bytes(range(32)))


class Form(dict[str, list[str]]):
    """A parsed form with repeated names, as web frameworks hand it to the validator."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self[name]


def test_twilio_signature_of_the_published_example() -> None:
    """The example that Twilio's own libraries are tested with."""
    pairs = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
    ]

    assert (
        twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", pairs)
        == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com/hook?key=a%20b&key=c",
        "https://example.com:443/hook",
        "http://example.com:80/hook",
        "https://example.com:8443/hook",
        "http://example.com:8080",
        "https://example.com/ü?ö=ä",
        "https://Bücher.example/#top",
    ],
)
def test_official_validator_accepts_a_post(url: str) -> None:
    """With a query, a port, none, or one that goes without saying; and nothing that was changed on the way."""
    signature = twilio_signature(TOKEN, request_url(url), PAIRS)

    assert VALIDATOR.validate(request_url(url), dict(PAIRS), signature)
    assert not VALIDATOR.validate(request_url(url), dict(PAIRS) | {"Body": "forged"}, signature)
    assert not VALIDATOR.validate(request_url(url) + "x", dict(PAIRS), signature)
    assert not RequestValidator("other").validate(request_url(url), dict(PAIRS), signature)


@pytest.mark.parametrize(
    ("signed", "seen"),
    [
        ("https://example.com:443/hook", "https://example.com/hook"),
        ("https://example.com/hook", "https://example.com:443/hook"),
        ("http://example.com:80/hook", "http://example.com/hook"),
    ],
)
def test_official_validator_tries_the_standard_port(signed: str, seen: str) -> None:
    """A receiver may see the URL without the standard port that it was configured with, and the other way round."""
    assert VALIDATOR.validate(seen, dict(PAIRS), twilio_signature(TOKEN, signed, PAIRS))


@pytest.mark.parametrize("url", [URL, f"{URL}?key=1", "https://example.com", "http://example.com:8080/hook#top"])
def test_official_validator_accepts_a_get(url: str) -> None:
    """The parameters are in the URL, so the URL alone is signed."""
    called = query_url(url, PAIRS)
    signature = twilio_signature(TOKEN, called)

    assert VALIDATOR.validate(called, {}, signature)
    assert not VALIDATOR.validate(called.replace("alice", "mallory"), {}, signature)


def test_repeated_names_are_signed_with_their_distinct_values_sorted() -> None:
    """However often and in whichever order they come."""
    pairs = [("b", "2"), ("a", "x"), ("b", "1"), ("b", "2")]

    signature = twilio_signature(TOKEN, URL, pairs)

    assert signature == twilio_signature(TOKEN, URL, [("a", "x"), ("b", "1"), ("b", "2")])
    assert VALIDATOR.validate(URL, Form(pairs), signature)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXTS, TEXTS)))
def test_any_pairs_validate(pairs: list[tuple[str, str]]) -> None:
    """As a form and as a query string, with repeated names or without."""
    called = query_url(f"{URL}?key=1", pairs)

    assert VALIDATOR.validate(URL, Form(pairs), twilio_signature(TOKEN, URL, pairs))
    assert VALIDATOR.validate(called, {}, twilio_signature(TOKEN, called))


def headers(message: str, timestamp: int, body: str) -> dict[str, str]:
    signature = standard_signature(secret_bytes(VAULT, IS, 1), message, timestamp, body.encode())
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


@given(st.lists(st.tuples(TEXTS, TEXTS)), st.text("abcdefgh_0123456789", min_size=1))
def test_standard_library_accepts_what_the_secret_signed(pairs: list[tuple[str, str]], message: str) -> None:
    """The official verifier takes the secret as it is shown, and a form as well as a query string."""
    body = form(pairs)

    Webhook(secret_of(VAULT, IS, 1)).verify(body, headers(message, int(time.time()), body), json_parse=False)


def test_standard_library_refuses_what_was_changed_or_is_old() -> None:
    """Another body, another id, another version's secret and a replay after five minutes."""
    now = int(time.time())
    good = headers("1", now, "a=1")
    webhook = Webhook(secret_of(VAULT, IS, 1))
    webhook.verify("a=1", good, json_parse=False)

    for body, forged in [
        ("a=2", good),
        ("a=1", good | {"webhook-id": "2"}),
        ("a=1", good | {"webhook-timestamp": str(now - 1)}),
        ("a=1", headers("1", now - 301, "a=1")),
    ]:
        with pytest.raises(WebhookVerificationError):
            webhook.verify(body, forged, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(VAULT, IS, 2)).verify("a=1", good, json_parse=False)


def test_standard_signature_of_the_published_example() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = standard_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secret_is_one_of_its_service_and_version() -> None:
    """The same each time, of 32 bytes, and another for another service, version or key of the operator."""
    secret = secret_of(VAULT, IS, 1)

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert base64.b64decode(secret.removeprefix("whsec_")) == secret_bytes(VAULT, IS, 1)
    assert secret == secret_of(Vault(bytes(range(32))), IS, 1)
    others = [
        secret_of(VAULT, IS, 2),
        secret_of(VAULT, IS.replace("0", "1"), 1),
        secret_of(Vault(bytes(32)), IS, 1),
    ]
    assert len({secret, *others}) == 4


def test_derived_secrets_are_apart_from_signatures() -> None:
    """What the vault signs is shown to clients: no text that it is made to sign may give a secret away."""
    assert VAULT.derive("text").hex() != VAULT.sign("text")
    assert VAULT.derive("text") != hmac.digest(bytes(range(32)), b"text", "sha256")
