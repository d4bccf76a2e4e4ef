"""THE table of settings: name, type, default and one sentence each.

A setting comes from a flag `--name`, else from the environment `HUBBUB_NAME`, else from a TOML file named by
`--config` or `HUBBUB_CONFIG`, else from its default here. Unknown names stop the start.
"""

import base64
import contextlib
import ipaddress
import os
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hubbub.sids import is_sid

PREFIX = "HUBBUB_"
KEY_BYTES = 32

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadSettings(Exception):  # noqa: N818 - it names what is wrong
    """One sentence that says which setting to change and how."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes any free one.")] = 8080
    data_dir: Annotated[
        str, Meta(description="Folder that holds the SQLite file, the encryption key and uploaded media.")
    ] = "hubbub-data"
    database: Annotated[
        str,
        Meta(
            description="`sqlite:///path/to/file` (`sqlite:////path` with four slashes begins at the root) or "
            "`postgresql://user:password@host/name`; "
            "empty means the file hubbub.db in the data folder."
        ),
    ] = ""
    postgres_connections: Annotated[
        int, Meta(ge=2, le=1000, description="Most connections that one process opens to PostgreSQL.")
    ] = 16
    bus: Annotated[
        str,
        Meta(
            description="How nodes on one PostgreSQL tell each other at once what happens: "
            "`nats://user:password@host:4222,host:4222` or `tls://…`; `memory` for a single node."
        ),
    ] = "memory"
    public_url: Annotated[
        str,
        Meta(
            description="Scheme and host put into the URLs of every answer, such as https://chat.example.com; "
            "empty means those of the request."
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses, comma-separated, of TLS proxies whose X-Forwarded-Proto and X-Forwarded-For "
            "are believed; empty means none."
        ),
    ] = ""
    account_sid: Annotated[
        str, Meta(description="SID of the account that the first start makes; empty means a new one.")
    ] = ""
    auth_token: Annotated[
        str, Meta(description="Auth token of the account that the first start makes; empty means a new one.")
    ] = ""
    encryption_key: Annotated[
        str,
        Meta(
            description="32 bytes in base64 that encrypt secrets in the database, the same on every node; "
            "empty means the file encryption.key in the data folder, made on the first start."
        ),
    ] = ""
    media_size_limit_mb: Annotated[
        int, Meta(ge=1, le=150, description="Largest media file that an upload may have, in megabytes.")
    ] = 150
    media_link_seconds: Annotated[int, Meta(ge=1, description="Seconds for which a temporary media URL works.")] = 300
    webhook_allow: Annotated[
        str,
        Meta(
            description="Networks, comma-separated, such as 10.0.0.0/8, that webhooks may reach although they are not "
            "public; empty means none."
        ),
    ] = ""
    webhook_retry_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=24 * 30,
            description="Hours for which a webhook that failed is tried again, with growing gaps; 0 leaves it at the "
            "retries that the service or the channel webhook is configured with.",
        ),
    ] = 72
    deliveries_kept_hours: Annotated[
        int, Meta(ge=0, description="Hours for which a webhook that has arrived can be shown and replayed.")
    ] = 24
    deliveries_failed_days: Annotated[
        int, Meta(ge=1, description="Days for which a webhook that was refused or given up can be shown and replayed.")
    ] = 30
    node_lease_seconds: Annotated[
        int,
        Meta(
            ge=3,
            description="Seconds after which other nodes on the same PostgreSQL send the webhooks that a silent node "
            "had taken, and twice as many until they send its pushes; the nodes' clocks must agree to well within it.",
        ),
    ] = 30
    studio_flows: Annotated[
        str,
        Meta(
            description="Where studio webhooks are sent: FW…=https://example.com/flow, comma-separated; "
            "one whose flow is not named here is not sent."
        ),
    ] = ""
    apns_url: Annotated[str, Meta(description="Where pushes to Apple devices are sent.")] = "https://api.push.apple.com"
    apns_sandbox_url: Annotated[
        str, Meta(description="Where they are sent with a credential that is for the sandbox.")
    ] = "https://api.sandbox.push.apple.com"
    fcm_url: Annotated[str, Meta(description="Where pushes through Firebase are sent.")] = "https://fcm.googleapis.com"
    fcm_auth_url: Annotated[str, Meta(description="Where Google gives the tokens that these are sent with.")] = (
        "https://oauth2.googleapis.com/token"
    )
    push_ca_file: Annotated[
        str,
        Meta(
            description="File with certificates (PEM) of authorities that are trusted for the four addresses above "
            "beside those that the system trusts; empty means none."
        ),
    ] = ""
    push_expiry_hours: Annotated[
        int, Meta(ge=1, le=24 * 28, description="Hours after which a push that has not arrived is not worth sending.")
    ] = 24
    push_log_days: Annotated[
        int,
        Meta(
            ge=1,
            description="Days for which can be shown what became of a push: where the service has "
            "notifications.log_enabled of all, else of those that failed.",
        ),
    ] = 7
    realtime_connections: Annotated[
        int, Meta(ge=0, description="Most apps that are connected to one process at a time; one more is answered 503.")
    ] = 20_000
    realtime_ping_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=300,
            description="Seconds between the pings to a connected app; one that is silent for three times as long is "
            "taken for gone.",
        ),
    ] = 20
    shutdown_seconds: Annotated[
        int, Meta(ge=1, description="Seconds that requests in flight are given at the end.")
    ] = 8
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    ] = "info"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{Path(self.data_dir) / 'hubbub.db'}"

    @property
    def nats_servers(self) -> tuple[str, ...]:
        """The URL of each server that `bus` names; empty for `memory`. Raises BadSettings."""
        return () if self.bus == "memory" else parse_servers(self.bus)

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """What `webhook_allow` names. Raises BadSettings."""
        return tuple(parse_network(name.strip()) for name in self.webhook_allow.split(",") if name.strip())

    @property
    def flows(self) -> dict[str, str]:
        """The URL of each flow SID that `studio_flows` names. Raises BadSettings."""
        return dict(parse_flow(flow.strip()) for flow in self.studio_flows.split(",") if flow.strip())


def table() -> list[tuple[str, str, Any, str]]:
    """Name, type, default and sentence of each setting, for flags and docs."""
    hints = get_type_hints(Settings, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Settings):
        kind, meta = get_args(hints[field.name])
        rows.append((field.name, kind.__name__, field.default, meta.description))
    return rows


def load(flags: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises BadSettings with a sentence that says what to change."""
    values: dict[str, Any] = {}
    config = flags.get("config") or environment.get(f"{PREFIX}CONFIG")
    if config:
        values |= read_file(config)
    for name, value in environment.items():
        if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG":
            values[name.removeprefix(PREFIX).lower()] = value
    values |= {name: value for name, value in flags.items() if name != "config"}
    known = {row[0] for row in table()}
    for name in values:
        if name not in known:
            raise BadSettings(f"There is no setting {name} ({PREFIX}{name.upper()}); see `hubbub settings`.")
    settings = convert(values)
    check(settings)
    return settings


def read_file(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise BadSettings(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"The configuration file {path} is not TOML: {error}.") from error


def convert(values: dict[str, Any]) -> Settings:
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at")[0]
            raise BadSettings(f"{PREFIX}{name.upper()}={value!r} will not do: {reason}.") from error
    return msgspec.convert(values, Settings, strict=False)


def check(settings: Settings) -> None:
    """Rules beyond the type. Raises BadSettings."""
    if urlsplit(settings.database_url).scheme not in {"sqlite", "postgresql", "postgres"}:
        raise BadSettings(
            f"HUBBUB_DATABASE={settings.database!r} will not do: write sqlite:///path/to/file or postgresql://…."
        )
    if settings.nats_servers and urlsplit(settings.database_url).scheme == "sqlite":
        raise BadSettings(
            "HUBBUB_BUS names NATS, which is for several nodes on one PostgreSQL, but the database is a SQLite file: "
            "set HUBBUB_DATABASE to postgresql://… or HUBBUB_BUS to memory."
        )
    if settings.account_sid and not is_sid(settings.account_sid, "AC"):
        raise BadSettings("HUBBUB_ACCOUNT_SID must be AC and 32 hexadecimal digits, or left out.")
    if settings.public_url and urlsplit(settings.public_url).scheme not in {"http", "https"}:
        raise BadSettings("HUBBUB_PUBLIC_URL must begin with http:// or https://.")
    if settings.encryption_key:
        decode_key(settings.encryption_key, "HUBBUB_ENCRYPTION_KEY")
    _ = settings.webhook_networks, settings.flows
    check_push(settings)


def check_push(settings: Settings) -> None:
    """Raises BadSettings."""
    for name in ("apns_url", "apns_sandbox_url", "fcm_url", "fcm_auth_url"):
        if not is_https(getattr(settings, name)):
            raise BadSettings(f"{PREFIX}{name.upper()} will not do: write https://host or https://host:port/path.")
    if settings.push_ca_file:
        try:
            ssl.create_default_context(cafile=settings.push_ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise BadSettings(
                f"HUBBUB_PUSH_CA_FILE names {settings.push_ca_file}, which holds no certificates in PEM: {error}."
            ) from error


def is_https(url: str) -> bool:
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):  # the port is no number
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    return False


def parse_servers(text: str) -> tuple[str, ...]:
    """One URL for each server of a list; all have the scheme and credentials of the first. Raises BadSettings."""
    scheme, _, rest = text.partition("://")
    credentials, at, hosts = rest.rpartition("@")
    servers = tuple(f"{scheme}://{credentials}{at}{host.strip()}" for host in hosts.split(","))
    if scheme in {"nats", "tls"} and all(is_server(server) for server in servers):
        return servers
    raise BadSettings(
        "HUBBUB_BUS will not do: write memory, nats://host:4222, nats://user:password@host:4222,host:4222 or tls://…; "
        "what is not a letter or a digit in the password is written as %2F and the like."
    )


def is_server(url: str) -> bool:
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):  # the port is no number
        return bool(parts.hostname) and parts.port != 0 and not (parts.path or parts.query or parts.fragment)
    return False


def parse_network(name: str) -> Network:
    """The network that is written as an address or a CIDR. Raises BadSettings."""
    try:
        return ipaddress.ip_network(name)
    except ValueError as error:
        raise BadSettings(
            f"HUBBUB_WEBHOOK_ALLOW has {name!r}, which is no network ({error}): write 10.0.0.0/8, fd00::/8 or the like."
        ) from error


def parse_flow(text: str) -> tuple[str, str]:
    """Raises BadSettings."""
    flow_sid, _, url = text.partition("=")
    if not is_sid(flow_sid, "FW") or urlsplit(url).scheme not in {"http", "https"}:
        raise BadSettings(f"HUBBUB_STUDIO_FLOWS has {text!r}: write FW and 32 hexadecimal digits, then =https://….")
    return flow_sid, url


def decode_key(text: str, where: str) -> bytes:
    """The 32 bytes of an encryption key in base64. Raises BadSettings."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadSettings(f"{where} must be {KEY_BYTES} bytes in base64 (`openssl rand -base64 32` makes one).")
    return key
