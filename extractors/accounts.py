"""Who is extracted: accounts.yml into `ops`, whole or not at all, and the enabled accounts out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
import yaml

from extractors import aliases
from extractors.errors import ConfigurationError, WarehouseUnavailable
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account

Node = yaml.nodes.Node


@dataclass(frozen=True, slots=True)
class LoadedAccounts:
    """How much of accounts.yml is in the warehouse now."""

    businesses: int
    accounts: int
    competitors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """One tenant of accounts.yml."""

    business_id: int
    name: str
    timezone: str
    accounts: tuple[tuple[str, str, str], ...]
    #: Platform, account id, and an id it had before.
    formers: tuple[tuple[str, str, str], ...]
    competitors: tuple[tuple[str, str], ...]


def load(settings: Settings, path: Path) -> LoadedAccounts:
    """Upsert the businesses, accounts and competitors of a file.

    Raises ConfigurationError naming the line of a bad file, of which nothing is loaded.
    """
    businesses = parse(path)
    with closing(settings.warehouse.connect()) as connection:
        try:
            for business in businesses:
                _upsert(connection, business)
        except psycopg.errors.UndefinedTable:
            raise not_migrated(settings) from None
        connection.commit()
    return LoadedAccounts(
        businesses=len(businesses),
        accounts=sum(len(each.accounts) for each in businesses),
        competitors=sum(len(each.competitors) for each in businesses),
    )


def not_migrated(settings: Settings) -> WarehouseUnavailable:
    """The error of a warehouse without our tables."""
    return WarehouseUnavailable(
        f"the warehouse {settings.warehouse} has no tables of ours", "run `python -m extractors migrate` first"
    )


def enabled_accounts(
    connection: psycopg.Connection[Any], platforms: Sequence[str] | None, business_ids: Sequence[int] | None
) -> list[Account]:
    """Return the enabled accounts of the platforms and businesses, all of them for None, in a stable order."""
    rows = connection.execute(
        """
        select account.business_id, account.platform, account.account_id, account.credential, business.timezone
        from ops.accounts as account
        inner join ops.businesses as business using (business_id)
        where account.is_enabled
            and (%(platforms)s::text[] is null or account.platform = any (%(platforms)s))
            and (%(business_ids)s::bigint[] is null or account.business_id = any (%(business_ids)s))
        order by account.business_id, account.platform, account.account_id
        """,
        {
            "platforms": list(platforms) if platforms else None,
            "business_ids": list(business_ids) if business_ids else None,
        },
    )
    return [
        Account(business_id=row[0], platform=row[1], account_id=row[2], credential=row[3], timezone=row[4])
        for row in rows
    ]


def parse(path: Path) -> list[Business]:
    """Read accounts.yml. Raises ConfigurationError naming the file, the line and what is wrong there."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror})", "name an existing accounts.yml") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text", "save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{path}, line {line}: {error.problem}", "mend the YAML; nothing was loaded") from None
    if root is None:
        raise ConfigurationError(f"{path} is empty", "write `businesses:` as in the README")
    reader = _Reader(path)
    fields = reader.fields(root, {"businesses"}, {"businesses"})
    businesses = [reader.business(node) for node in reader.items(fields["businesses"], "businesses")]
    reader.refuse_doubles(businesses, fields["businesses"])
    return businesses


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads YAML nodes, which know their lines, and refuses whatever the contract does not have."""

    path: Path

    def error(self, node: Node, problem: str) -> ConfigurationError:
        line = node.start_mark.line + 1
        return ConfigurationError(f"{self.path}, line {line}: {problem}", "mend the line; nothing was loaded")

    def business(self, node: Node) -> Business:
        required = {"business_id", "name", "timezone", "accounts"}
        fields = self.fields(node, required, required | {"competitors"})
        nodes = self.items(fields["accounts"], "accounts")
        accounts = [self.account(each) for each in nodes]
        competitors = self.items(fields["competitors"], "competitors") if "competitors" in fields else []
        return Business(
            business_id=self.integer(fields["business_id"], "business_id"),
            name=self.text(fields["name"], "name"),
            timezone=self.timezone(fields["timezone"]),
            accounts=tuple(accounts),
            formers=tuple(
                (platform, account_id, former)
                for node, (platform, account_id, _) in zip(nodes, accounts, strict=True)
                for former in self.formers(node)
            ),
            competitors=tuple(self.competitor(each) for each in competitors),
        )

    def account(self, node: Node) -> tuple[str, str, str]:
        names = {"platform", "account_id", "credential"}
        fields = self.fields(node, names, names | {"formerly"})
        credential = self.text(fields["credential"], "credential")
        return self.platform(fields["platform"]), self.account_id(fields["account_id"], "account_id"), credential

    def formers(self, node: Node) -> list[str]:
        """The ids an account had before."""
        lists = [value for key, value in node.value if key.value == "formerly"]
        return [self.account_id(each, "formerly") for found in lists for each in self.items(found, "formerly")]

    def account_id(self, node: Node, name: str) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:str":
            raise self.error(node, f"{name} {node.value} needs quotes: platform ids are texts")
        return self.text(node, name)

    def competitor(self, node: Node) -> tuple[str, str]:
        fields = self.fields(node, {"platform", "handle"}, {"platform", "handle"})
        return self.platform(fields["platform"]), self.text(fields["handle"], "handle")

    def fields(self, node: Node, required: set[str], allowed: set[str]) -> dict[str, Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"a mapping with {', '.join(sorted(required))} was expected")
        found: dict[str, Node] = {}
        for key, value in node.value:
            if key.value in found:
                raise self.error(key, f"{key.value!r} is given twice")
            if key.value not in allowed:
                raise self.error(key, f"{key.value!r} is not known here; known are {', '.join(sorted(allowed))}")
            found[key.value] = value
        missing = sorted(required - found.keys())
        if missing:
            raise self.error(node, f"{', '.join(missing)} missing")
        return found

    def items(self, node: Node, name: str) -> list[Node]:
        if isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~"):
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{name} must be a list")
        return list(node.value)

    def text(self, node: Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.error(node, f"{name} must be a text that is not empty")
        return str(node.value).strip()

    def integer(self, node: Node, name: str) -> int:
        if not isinstance(node, yaml.ScalarNode) or not node.value.lstrip("-").isdigit():
            raise self.error(node, f"{name} must be an integer")
        number = int(node.value)
        if not 0 < number < 2**63:
            raise self.error(node, f"{name} must be positive and fit 64 bits")
        return number

    def platform(self, node: Node) -> str:
        key = self.text(node, "platform")
        if key not in PLATFORMS:
            raise self.error(node, f"there is no platform {key!r}; known are {', '.join(PLATFORMS)}")
        return key

    def timezone(self, node: Node) -> str:
        name = self.text(node, "timezone")
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise self.error(node, f"there is no time zone {name!r}; use an IANA name such as Europe/Berlin") from None
        return name

    def refuse_doubles(self, businesses: Sequence[Business], node: Node) -> None:
        seen: set[object] = set()
        for place, business in zip(self.items(node, "businesses"), businesses, strict=True):
            for name in _identities(business):
                if name in seen:
                    raise self.error(place, f"{name} is given twice")
                seen.add(name)


def _identities(business: Business) -> Iterator[str]:
    yield f"business {business.business_id}"
    for platform, account_id, *_ in business.accounts:
        yield f"{platform} account {account_id} of business {business.business_id}"
    for platform, _, former in business.formers:
        yield f"{platform} account {former} of business {business.business_id}"


def _upsert(connection: psycopg.Connection[Any], business: Business) -> None:
    connection.execute(
        """
        insert into ops.businesses (business_id, name, timezone) values (%s, %s, %s)
        on conflict (business_id) do update set
            name = excluded.name, timezone = excluded.timezone, updated_at = now()
        where (businesses.name, businesses.timezone) is distinct from (excluded.name, excluded.timezone)
        """,
        (business.business_id, business.name, business.timezone),
    )
    for platform, account_id, credential in business.accounts:
        connection.execute(
            """
            insert into ops.accounts (business_id, platform, account_id, credential) values (%s, %s, %s, %s)
            on conflict (business_id, platform, account_id) do update set
                credential = excluded.credential, is_enabled = true, updated_at = now()
            where (accounts.credential, accounts.is_enabled) is distinct from (excluded.credential, true)
            """,
            (business.business_id, platform, account_id, credential),
        )
    for platform, account_id, _ in business.accounts:
        formers = [former for *whose, former in business.formers if whose == [platform, account_id]]
        aliases.load(connection, business.business_id, platform, account_id, formers)
    for platform, handle in business.competitors:
        connection.execute(
            "insert into ops.competitors (business_id, platform, handle) values (%s, %s, %s) on conflict do nothing",
            (business.business_id, platform, handle),
        )
