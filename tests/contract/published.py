"""The published contract as data: its operations, what each takes, and a strict reading of what each answers.

`openapi.json` is Twilio's own description of IP Messaging v2 (Apache 2.0) without its catalogue marks.
`examples.json` holds example answers: their key sets count, their values are invented.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from jsonschema import Draft202012Validator, FormatChecker

HERE = Path(__file__).parent
SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# The contract calls every key nullable; clients count on a value in all but these.
MAY_BE_NULL = {
    *("friendly_name", "unique_name", "last_updated_by", "media", "sandbox", "is_online", "is_notifiable"),
    *("pre_webhook_url", "post_webhook_url", "webhook_method", "webhook_filters"),
    *("credential_sid", "member_sid", "previous_page_url", "next_page_url"),
    *("last_consumed_message_index", "last_consumption_timestamp", "unread_messages_count"),
}
LINKS_THAT_MAY_BE_NULL = {"last_message", "member"}
META_KEYS = {"page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url", "key"}
ERROR_KEYS = {"code", "message", "more_info", "status"}
VERBS = ("List", "Create", "Fetch", "Update", "Delete")


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text("utf-8"))


DOCUMENT: dict[str, Any] = load("openapi.json")
EXAMPLES: list[dict[str, Any]] = load("examples.json")


@dataclass(frozen=True)
class Operation:
    """One of the contract's operations."""

    id: str
    method: str
    path: str
    parameters: frozenset[str]
    status: int
    schema: dict[str, Any] | None

    # The schema is a dict: identity is enough, there is one object for each operation.
    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def verb(self) -> str:
        return next(verb for verb in VERBS if self.id.startswith(verb))

    @property
    def resource(self) -> str:
        return self.id.removeprefix(self.verb)

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parameters, decoded, when the path is one of this operation's."""
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None

    def fill(self, **parameters: str) -> str:
        """The path with its parameters in place, each percent-encoded."""
        return self.path.format_map({name: quote(value, safe="") for name, value in parameters.items()})


def read_operations() -> Iterator[Operation]:
    for path, item in DOCUMENT["paths"].items():
        for method in ("get", "post", "delete"):
            if method not in item:
                continue
            definition = item[method]
            form = definition.get("requestBody", {}).get("content", {})
            named = {each["name"] for each in definition.get("parameters", []) if each["in"] != "path"}
            named.update(*(media["schema"].get("properties", {}) for media in form.values()))
            [(status, response)] = definition["responses"].items()
            schema = response.get("content", {}).get("application/json", {}).get("schema")
            yield Operation(definition["operationId"], method.upper(), path, frozenset(named), int(status), schema)


OPERATIONS = {operation.id: operation for operation in read_operations()}


def operation_at(method: str, path: str) -> Operation | None:
    """The contract's operation at a path, given as it stands in a URL (percent-encoded)."""
    found = [each for each in OPERATIONS.values() if each.method == method and each.match(path) is not None]
    return found[0] if found else None


def string(pattern: str = "") -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


def exactly(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object with these keys and no others."""
    required = sorted(set(properties) - set(optional))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def notification(*further: str) -> dict[str, Any]:
    """A kind of push notification: all but `enabled` is absent until it is set."""
    flags: dict[str, Any] = {key: {"type": "boolean"} for key in ("enabled", *further)}
    return exactly(flags | {"template": string(), "sound": string()}, ("template", "sound", *further))


COUNT = {"type": "integer", "minimum": 0}
NAMES = {"type": "array", "items": {"type": "string"}}
HOOK = {"url": string(), "method": {"enum": ["GET", "POST"]}, "retry_count": COUNT}

# What the contract leaves untyped.
DETAILS = {
    "limits": exactly({"channel_members": COUNT, "user_channels": COUNT}),
    "notifications": exactly(
        {
            "log_enabled": {"type": "boolean"},
            "new_message": notification("badge_count_enabled"),
            "added_to_channel": notification(),
            "invited_to_channel": notification(),
            "removed_from_channel": notification(),
        }
    ),
    "configuration": {
        "oneOf": [
            exactly(HOOK | {"filters": NAMES}),
            exactly(HOOK | {"triggers": NAMES}),
            exactly({"flow_sid": string("^FW"), "retry_count": COUNT, "filters": NAMES}, ("filters",)),
        ]
    },
}
MEDIA = {
    "Service": exactly({"size_limit_mb": COUNT, "compatibility_message": string()}),
    "Message": or_null(
        exactly({"sid": string("^ME"), "size": COUNT, "content_type": string(), "filename": or_null(string())})
    ),
}


@cache
def links_of(resource: str) -> dict[str, Any]:
    """The schema of a resource's links: the keys come from the examples."""
    examples = [each["body"] for each in EXAMPLES if each["operation"] == f"Fetch{resource}"]
    keys = {key for example in examples for key in example["links"]}
    # A binding is linked to its user by the identity, everything else by SIDs.
    link = {"type": "string", "format": "uri-by-name" if resource == "Binding" else "uri"}
    return exactly({key: or_null(link) if key in LINKS_THAT_MAY_BE_NULL else link for key in keys})


def strict(schema: dict[str, Any], resource: str, name: str = "") -> dict[str, Any]:
    """The schema as JSON Schema, with exactly its keys and with null only where a client expects it."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if name == "links":
        result = links_of(resource)
    elif name == "media":
        result = MEDIA[resource]
    elif name in DETAILS:
        result = DETAILS[name]
    elif "properties" in schema:
        properties = schema["properties"]
        inside = {key: strict(value, resource, key) for key, value in properties.items()}
        result = exactly(inside)
    elif schema.get("type") == "array":
        result = {"type": "array", "items": strict(schema["items"], resource)}
    else:
        result = {key: value for key, value in schema.items() if key not in {"nullable", "description"}}
        if name.endswith("_page_url"):
            result["format"] = "uri-by-name"
    return or_null(result) if name in MAY_BE_NULL else result


def is_resource_url(value: object, base: str, *, by_sid: bool) -> bool:
    """Whether the URL is absolute, on the base, and a GET of the contract."""
    if not isinstance(value, str):
        return True
    path = value.removeprefix(base)
    operation = operation_at("GET", urlsplit(path).path)
    if path == value or operation is None:
        return False
    parts = operation.match(urlsplit(path).path) or {}
    return not by_sid or all(SID.fullmatch(part) for part in parts.values())


@cache
def validator(operation: Operation, base: str) -> Draft202012Validator:
    """What checks an operation's answer; URLs must stand on the base."""
    checker = FormatChecker(formats=())
    checker.checks("date-time")(lambda value: not isinstance(value, str) or bool(DATE.fullmatch(value)))
    checker.checks("uri")(lambda value: is_resource_url(value, base, by_sid=True))
    checker.checks("uri-by-name")(lambda value: is_resource_url(value, base, by_sid=False))
    assert operation.schema is not None
    return Draft202012Validator(strict(operation.schema, operation.resource), format_checker=checker)


def check_answer(operation: Operation, base: str, status: int, content_type: str | None, content: bytes) -> Any:
    """Assert that the answer is the operation's success and fits the contract; return what it says."""
    assert status == operation.status, f"{operation.id} answered {status}: {content!r}"
    if operation.schema is None:
        assert content == b"", f"{operation.id} answered {content!r} where nothing is expected"
        return None

    assert is_json(content_type), f"{operation.id} answered {content_type}"
    answer = json.loads(content)
    faults = [
        f"{operation.id} {fault.json_path}: {fault.message}" for fault in validator(operation, base).iter_errors(answer)
    ]
    assert not faults, "\n".join(faults)
    if operation.verb == "List":
        check_page(answer)
    return answer


def check_page(answer: dict[str, Any]) -> None:
    """Assert that the list's meta belongs to its rows and that its URLs have the form that clients follow."""
    meta = answer["meta"]
    page = meta["page"]
    assert set(meta) == META_KEYS
    assert set(answer) == {"meta", meta["key"]}
    assert len(answer[meta["key"]]) <= meta["page_size"]
    assert page_of(meta["first_page_url"], meta) == (0, False)
    assert page_of(meta["url"], meta)[0] == page
    assert (meta["previous_page_url"] is None) == (page == 0)
    if page:
        assert page_of(meta["previous_page_url"], meta)[0] == page - 1
    if meta["next_page_url"] is not None:
        assert page_of(meta["next_page_url"], meta) == (page + 1, True)


def page_of(url: str, meta: dict[str, Any]) -> tuple[int, bool]:
    """The page that a page URL names and whether it has a token: filters, PageSize, Page, PageToken."""
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    own = [(name, value) for name, value in query if name in {"PageSize", "Page", "PageToken"}]
    assert query[-len(own) :] == own, f"filters come first: {url}"
    assert [name for name, _ in own] in (["PageSize", "Page"], ["PageSize", "Page", "PageToken"]), url
    assert own[0][1] == str(meta["page_size"]), url
    assert all(value.startswith("PT") for name, value in own if name == "PageToken"), url
    return int(own[1][1]), len(own) == 3


def check_error(status: int, content_type: str | None, content: bytes) -> dict[str, Any]:
    """Assert that a refusal has the one shape that clients read; return it."""
    assert is_json(content_type), f"{status} as {content_type}: {content!r}"
    error = json.loads(content)
    assert set(error) == ERROR_KEYS, error
    assert isinstance(error["message"], str), error
    assert error["message"], error
    assert type(error["code"]) is int, error
    assert error["status"] == status, error
    assert error["more_info"] == f"https://www.twilio.com/docs/errors/{error['code']}", error
    return dict(error)


def is_json(content_type: str | None) -> bool:
    return (content_type or "").partition(";")[0].strip().lower() == "application/json"
