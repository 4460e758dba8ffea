"""One typed object that holds the configuration; nothing else reads the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import psycopg
from psycopg import conninfo

from extractors import redaction
from extractors.clock import Clock
from extractors.errors import ConfigurationError, WarehouseUnavailable
from extractors.registry import PLATFORMS

# A dead network is noticed within a minute on both sides: 30 s of silence and three probes of 10 s each.
KEEPALIVES: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
SESSION: Mapping[str, Any] = {
    "timezone": "UTC",
    # A process that froze in mid-transaction must not hold its rows' locks for ever.
    "idle_in_transaction_session_timeout": "60s",
    # Nobody waits for a lock without end; what may be tried again is (extractors/patience.py).
    "lock_timeout": "5s",
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}


@dataclass(frozen=True, slots=True)
class Credential:
    """A platform credential. `extra` may hold refresh_token, client_id, client_secret, expires_at, refresh_expires_at.

    Its secrets are hidden from every text of this process from the moment it is made.
    """

    connection_id: str
    token: str = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        redaction.remember(self.token, *(self.extra.get(name) for name in ("refresh_token", "client_secret")))

    @property
    def refresh_token(self) -> str:
        """The refresh token, or nothing."""
        return str(self.extra.get("refresh_token") or "")

    def ends(self, name: str) -> datetime | None:
        """Return `expires_at` or `refresh_expires_at` as UTC: ISO 8601 (UTC without an offset) or epoch seconds.

        None when the extra does not say. Raises ConfigurationError for anything else.
        """
        value: Any = self.extra.get(name)
        if value in (None, ""):
            return None
        try:
            if isinstance(value, int | float) or str(value).isdigit():
                return datetime.fromtimestamp(float(value), UTC)
            instant = datetime.fromisoformat(str(value))
        except (ValueError, OverflowError, OSError):
            raise ConfigurationError(
                f"{name} in the extra of the connection {self.connection_id} is no instant",
                "write it like 2026-11-21T08:00:00+00:00, or as epoch seconds",
            ) from None
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Where the warehouse is, in libpq's terms; an empty value leaves the choice to libpq."""

    host: str = ""
    port: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""

    def __str__(self) -> str:
        return f"{self.user or 'default user'}@{self.host or 'local socket'}:{self.port or '5432'}/{self.database}"

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection. Raises WarehouseUnavailable with the address and what to check."""
        given = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        given["dbname"] = self.database
        given["options"] = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
        parameters = {name: value for name, value in given.items() if value} | dict(KEEPALIVES)
        try:
            connection = psycopg.connect(
                conninfo.make_conninfo("", **parameters, connect_timeout=10, application_name="social-analytics")
            )
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            raise WarehouseUnavailable(
                f"the warehouse {self} cannot be reached: {reason}",
                "check PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, and that the server runs",
            ) from None
        if _is_pooled(connection):
            # The next transaction may run in another session, which knows none of this one's prepared statements.
            connection.prepare_threshold = None
        return connection

    def environment(self) -> dict[str, str]:
        """Return libpq's variables, for programs that read them (dbt)."""
        names = {"PGHOST": self.host, "PGPORT": self.port, "PGUSER": self.user, "PGPASSWORD": self.password}
        names["PGDATABASE"] = self.database
        return {name: value for name, value in names.items() if value}

    def url(self) -> str:
        """Return an SQLAlchemy address (driver psycopg 3) with the password in it; never log it."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"postgresql+psycopg://{login}{self.host}{port}/{quote(self.database, safe='')}"


def _is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether a pooler such as PgBouncer answers: the process it promised is not the one that works for us."""
    result = connection.pgconn.exec_(b"select pg_backend_pid()")
    value = result.get_value(0, 0)
    return value is not None and int(value) != connection.info.backend_pid


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of a command or a task, frozen at its start."""

    warehouse: Warehouse
    base_urls: Mapping[str, str]
    clock: Clock
    credential: Callable[[str], Credential] = field(repr=False)
    #: Where the keys that seal refreshed tokens come from, asked only when one is needed.
    credentials_key: Callable[[], str] = field(default=lambda: "", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read libpq's variables, `*_BASE_URL`, PIPELINE_NOW, AIRFLOW_CONN_* and CREDENTIALS_KEY.

        Raises ConfigurationError.
        """
        env = os.environ if environment is None else environment
        warehouse = Warehouse(
            host=env.get("PGHOST", ""),
            port=env.get("PGPORT", ""),
            user=env.get("PGUSER", ""),
            password=env.get("PGPASSWORD", ""),
            database=env.get("PGDATABASE", ""),
        )
        redaction.remember(warehouse.password)
        return cls(
            warehouse,
            base_urls(env),
            Clock(pipeline_now(env)),
            lambda name: credential_from(env, name),
            lambda: env.get("CREDENTIALS_KEY", ""),
        )

    @property
    def now(self) -> datetime:
        """The instant that decides windows, ages and "today", the same each time. Raises WarehouseUnavailable."""
        return self.clock.now(self.warehouse.connect)


def base_urls(env: Mapping[str, str]) -> dict[str, str]:
    """Return each platform's scheme + host + optional port. Raises ConfigurationError for anything more."""
    found = {}
    for key, platform in PLATFORMS.items():
        variable = f"{key.upper()}_BASE_URL"
        url = env.get(variable) or platform.base_url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ConfigurationError(
                f"{variable} is {url!r}, not a scheme, a host and an optional port",
                f"write it like {platform.base_url}",
            )
        found[key] = f"{parts.scheme}://{parts.netloc}"
    return found


def pipeline_now(env: Mapping[str, str]) -> datetime | None:
    """Return PIPELINE_NOW as UTC, None where it is not set. It moves windows, ages and "today", and nothing else."""
    text = env.get("PIPELINE_NOW")
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ConfigurationError(
            f"PIPELINE_NOW is {text!r}, not an ISO 8601 instant with an offset",
            "write it like 2026-11-21T08:00:00+00:00, or unset it",
        )
    return instant.astimezone(UTC)


def credential_from(env: Mapping[str, str], connection_id: str) -> Credential:
    """Read AIRFLOW_CONN_<ID> in Airflow's JSON or URI form. Raises ConfigurationError, never quoting the value."""
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    value = env.get(variable, "").strip()
    if not value:
        raise ConfigurationError(
            f"there is no credential {connection_id!r}",
            f"set {variable}, or add the Airflow connection {connection_id}",
        )
    try:
        token, extra = _from_json(value) if value.startswith("{") else _from_uri(value)
    except (ValueError, TypeError, AttributeError):
        token, extra = "", {}
    if not token:
        raise ConfigurationError(
            f"{variable} holds no access token",
            'its password is the token: {"conn_type": "http", "password": "..."} or http://:TOKEN@host',
        )
    return Credential(connection_id, token, extra)


def _from_json(value: str) -> tuple[str, dict[str, Any]]:
    fields = json.loads(value)
    extra = fields.get("extra") or {}
    return str(fields.get("password") or ""), json.loads(extra) if isinstance(extra, str) else dict(extra)


def _from_uri(value: str) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(value)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    return unquote(parts.password or ""), extra
