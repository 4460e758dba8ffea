"""The three assertions every fault case ends with: the warehouse, the ledger, and no secret anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing

import psycopg
from psycopg import sql

from extractors.registry import streams
from extractors.settings import Settings
from simulator.server import Simulator

Rows = Counter[tuple[int, str, str, bytes]]
#: What a pipeline writes; every one of these is searched for secrets.
SINKS = ("raw", "ops")
STORED = "select coalesce(sum(stored), 0) from ops.extract_runs where stream = %s"


def last_versions(environment: Mapping[str, str], stream: str) -> Rows:
    """The last version of every record of a stream: tenant, account, key and payload hash, as a multiset.

    Rows that the gate refused are no version.
    """
    statement = sql.SQL(
        """
        select distinct on (business_id, account_id, record_key) business_id, account_id, record_key, payload_hash
        from {table} inner join ops.extract_runs as run using (run_id, business_id, account_id)
        where run.gate <> 'quarantined'
        order by business_id, account_id, record_key, observed_at desc
        """
    ).format(table=sql.Identifier("raw", stream))
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        return Counter((row[0], row[1], row[2], bytes(row[3])) for row in connection.execute(statement))


def assert_equal_warehouses(
    environment: Mapping[str, str], undisturbed: Mapping[str, str], names: Sequence[str] | None = None
) -> None:
    """Nothing lost and nothing twice: the streams' records equal those of a run that nothing disturbed.

    Also no record has the same version twice in a row. `undisturbed` is another warehouse, read from the same world.
    """
    for name in names or [stream.full_name for stream in streams()]:
        found, expected = last_versions(environment, name), last_versions(undisturbed, name)
        assert not expected - found, f"{name}: {(expected - found).total()} records lost"
        assert not found - expected, f"{name}: {(found - expected).total()} records too many"
        assert repeated_versions(environment, name) == 0, f"{name}: a version is stored twice"


def assert_survived(
    environment: Mapping[str, str],
    undisturbed: Mapping[str, str],
    simulator: Simulator,
    *texts: str,
    names: Sequence[str] | None = None,
    failed: Mapping[str, str] | None = None,
) -> None:
    """What every fault case ends with, in one call; `docs/faults.md` tells by its name which tests make it.

    `undisturbed` is the warehouse of a run without the fault, `names` the full names of the streams that were read,
    `failed` as for the ledger, and `texts` are searched for secrets besides the tables.
    """
    read = list(names or [stream.full_name for stream in streams()])
    assert any(last_versions(undisturbed, name) for name in read), "an empty reference proves nothing"
    assert_equal_warehouses(environment, undisturbed, read)
    assert_ledger_explains(environment, failed=failed)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, {*tokens(simulator), *simulator.vault.secrets()}, *texts)


def repeated_versions(environment: Mapping[str, str], stream: str) -> int:
    """How many rows repeat the version just before them; rows that the gate refused are no version."""
    statement = sql.SQL(
        """
        select count(*) from (
            select payload_hash = lag(payload_hash) over (
                partition by business_id, account_id, record_key order by observed_at
            ) as is_repeated
            from {table} inner join ops.extract_runs as run using (run_id, business_id, account_id)
            where run.gate <> 'quarantined'
        ) as versions
        where is_repeated
        """
    ).format(table=sql.Identifier("raw", stream))
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        row = connection.execute(statement).fetchone()
        return int(row[0]) if row else 0


def assert_last_versions(environment: Mapping[str, str]) -> None:
    """What new records are compared with is, for every stream, each record's newest row in raw that was not refused."""
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        for stream in streams():
            tables = {"last": sql.Identifier("last_versions", stream.full_name)}
            tables["table"] = sql.Identifier("raw", stream.full_name)
            wrong = connection.execute(sql.SQL(LAST_VERSIONS).format(**tables)).fetchall()
            assert not wrong, f"the last versions of {stream.full_name} do not agree with raw: {wrong[:3]}"


LAST_VERSIONS = """
with kept as (
    select business_id, account_id, record_key, observed_at, payload_hash
    from {last}
),

newest as (
    select distinct on (business_id, account_id, record_key)
        business_id, account_id, record_key, observed_at, payload_hash
    from {table}
    where run_id not in (select run_id from ops.extract_runs where gate = 'quarantined')
    order by business_id, account_id, record_key, observed_at desc
)

(select 'lost', * from newest except select 'lost', * from kept)
union all
(select 'stale', * from kept except select 'stale', * from newest)
"""


def assert_ledger_explains(environment: Mapping[str, str], *, failed: Mapping[str, str] | None = None) -> None:
    """The ledger's counters add up to the tables, no run is left open, and each failure says who, what and what to do.

    `failed`: the error class expected of each stream whose last run failed; every other last run is complete.
    """
    assert_last_versions(environment)
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        for stream in streams():
            counted = sql.SQL("select count(*) from {}").format(sql.Identifier("raw", stream.full_name))
            rows = _one(connection, counted)
            booked = _one(
                connection,
                "select coalesce(sum(stored - purged), 0) from ops.extract_runs where stream = %s",
                (stream.full_name,),
            )
            assert rows == booked, f"{stream.full_name}: the ledger says {booked} stored, the table has {rows}"
        last = connection.execute(
            """
            select distinct on (business_id, platform, account_id, stream)
                stream, state, account_id, error_class, error_message
            from ops.extract_runs order by business_id, platform, account_id, stream, started_at desc
            """
        ).fetchall()
    reasons: dict[str, str] = {}
    for stream_name, state, account_id, error_class, message in last:
        assert state != "running", f"{stream_name} of {account_id} is left open"
        if state == "failed":
            assert account_id in message, message
            assert "; " in message, f"no remedy in: {message}"
            reasons[stream_name] = error_class
    assert reasons == dict(failed or {})


def assert_no_secret(environment: Mapping[str, str], secrets: Iterable[str], *texts: str) -> None:
    """None of the secrets is in any table of `raw` and `ops`, nor in the given texts (logs, output, addresses)."""
    wanted = [secret for secret in secrets if secret]
    assert wanted, "a search for nothing proves nothing"
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_schema = any (%s)",
            (list(SINKS),),
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("select coalesce(string_agg(row::text, chr(10)), '') from {} as row")
            row = connection.execute(query.format(sql.Identifier(schema, table))).fetchone()
            assert row is not None
            found = [secret for secret in wanted if secret in row[0] or secret.encode().hex() in row[0]]
            assert not found, f"a secret is in {schema}.{table} ({len(found)} of them)"
    for text in texts:
        assert not [secret for secret in wanted if secret in text], "a secret is in a text"


def tokens(simulator: Simulator) -> list[str]:
    """Every access token of the simulator's world, page tokens included: the canaries."""
    credentials = simulator.world.credentials.values()
    return [each.token for each in credentials] + [page for each in credentials for page in each.page_tokens.values()]


def assert_no_exposed_address(simulator: Simulator) -> None:
    """No request that the simulator saw had a token in its address."""
    assert not [call for call in simulator.calls if call.exposed], "a token stood in an address"


def _one(connection: psycopg.Connection[tuple[object, ...]], statement: object, values: tuple[object, ...] = ()) -> int:
    row = connection.execute(statement, values).fetchone()  # type: ignore[arg-type]
    return int(row[0]) if row else 0  # type: ignore[call-overload]
