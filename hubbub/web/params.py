"""From a handler's signature to its contract: each keyword parameter is a form, query or header field.

A parameter's annotation says how its text is read: `str`, `int`, `bool`, `Date`, `list[str]`, and `Nullable[int]`
or `Nullable[Date]` where an empty value means null. `Maybe[…] = UNSET` marks one that may be left out, and
`Annotated[…, ERRORS.X]` names the error of a value that cannot be read. `Paging` stands for PageSize, Page and
PageToken together.
"""

import inspect
import types
from collections.abc import Callable
from typing import Annotated, Any, NewType, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from hubbub.dates import parse_date
from hubbub.errors import ERRORS, Kind
from hubbub.web.names import HEADER, wire_name
from hubbub.web.paging import DEFAULT_SIZE, Paging, parse_paging

T = TypeVar("T")

Maybe: TypeAlias = T | UnsetType
Nullable: TypeAlias = T | None
Date = NewType("Date", int)  # milliseconds since 1970

LARGEST_INTEGER = 2**63 - 1


class Parameter(msgspec.Struct):
    """One field of a contract: the handler's name, the wire's, how to read it and what to say when it can't be."""

    name: str
    wire: str
    read: Callable[[str], Any]
    error: Kind | None
    required: bool = False
    repeated: bool = False

    def value(self, text: str) -> Any:
        try:
            return self.read(text)
        except ValueError as error:
            raise (self.error or ERRORS.INVALID_PARAMETER)(name=self.wire) from error


def read_int(text: str) -> int:
    """A decimal integer that a BIGINT holds; nothing that Python alone would take, such as `1_000`."""
    digits = text.strip()
    if not digits.removeprefix("-").isdecimal() or not digits.isascii():
        raise ValueError(text)
    number = int(digits)
    if abs(number) > LARGEST_INTEGER:
        raise ValueError(text)
    return number


def read_bool(text: str) -> bool:
    """`true` or `false` in any case."""
    lowered = text.strip().lower()
    if lowered not in {"true", "false"}:
        raise ValueError(text)
    return lowered == "true"


def read_switch(text: str) -> bool:
    """X-Twilio-Webhook-Enabled: any value but `true` counts as false."""
    return text.strip().lower() == "true"


READERS: dict[Any, Callable[[str], Any]] = {str: str, int: read_int, bool: read_bool, Date: parse_date}


def nullable(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(text) if text else None


class Contract:
    """What a handler takes, compiled from its signature."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        hints = get_type_hints(handler, include_extras=True)
        self.by_wire: dict[str, Parameter] = {}
        self.headers: list[tuple[bytes, Parameter]] = []
        self.paging: tuple[str, int] | None = None
        for field in inspect.signature(handler).parameters.values():
            if field.kind is not field.KEYWORD_ONLY:
                continue
            hint = hints[field.name]
            if hint is Paging:
                size = DEFAULT_SIZE if field.default is field.empty else field.default.page_size
                self.paging = (field.name, size)
                continue
            parameter = compile_parameter(field.name, hint)
            parameter.required = field.default is field.empty
            if field.name.startswith(HEADER):
                parameter.read = read_switch
                self.headers.append((parameter.wire.lower().encode(), parameter))
            else:
                self.by_wire[parameter.wire] = parameter
        self.required = [parameter for parameter in self.by_wire.values() if parameter.required]

    @property
    def names(self) -> set[str]:
        """The wire names, as the published contract lists them."""
        paging = {"PageSize", "Page", "PageToken"} if self.paging else set()
        return set(self.by_wire) | {parameter.wire for _, parameter in self.headers} | paging

    def bind(self, pairs: list[tuple[str, str]], headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
        """The handler's keyword arguments; unknown names are ignored, of a repeated one the last counts.

        Raises the error of the first field that is missing or cannot be read.
        """
        arguments: dict[str, Any] = {}
        for wire, text in pairs:
            parameter = self.by_wire.get(wire)
            if parameter is None:
                continue
            if parameter.repeated:
                arguments.setdefault(parameter.name, []).append(parameter.value(text))
            else:
                arguments[parameter.name] = parameter.value(text)
        for parameter in self.required:
            if parameter.name not in arguments:
                raise ERRORS.MISSING_PARAMETER(name=parameter.wire)
        for header, parameter in self.headers:
            for sent, raw in headers:
                if sent == header:
                    arguments[parameter.name] = parameter.value(raw.decode("latin-1"))
        if self.paging is not None:
            name, size = self.paging
            arguments[name] = parse_paging(pairs, size)
        return arguments


def compile_parameter(name: str, hint: Any) -> Parameter:
    error = None
    members = flatten(hint)
    if get_origin(hint) is Annotated:
        hint, error = get_args(hint)[:2]
        members = flatten(hint)
    for member in members:
        if get_origin(member) is Annotated:
            inner, error = get_args(member)[:2]
            members = [*flatten(inner), *[other for other in members if other is not member]]
    repeated = any(get_origin(member) is list for member in members)
    plain = next(member for member in members if member not in {UnsetType, types.NoneType})
    read = READERS[get_args(plain)[0] if repeated else plain]
    if types.NoneType in members:
        read = nullable(read)
    return Parameter(name, wire_name(name), read, error, repeated=repeated)


def flatten(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in {Union, types.UnionType} else [hint]


def given(**changes: Any) -> dict[str, Any]:
    """Only what the caller sent: an update changes nothing else."""
    return {name: value for name, value in changes.items() if value is not UNSET}
