"""Texts that want to be SQL, a path, a line of a log or an address: arguments, names of accounts, answers."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from extractors.__main__ import main
from extractors.accounts import load, parse
from extractors.errors import ConfigurationError
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from simulator.server import Simulator
from tests.aftermath import assert_no_exposed_address, assert_no_secret, tokens
from tests.extractors.conftest import Extract

Connection = psycopg.Connection[Any]
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["'; drop table ops.accounts; --", "%s", "%(a)s", "{}", '"', "\\", "1 or 1=1", "$$;", "../../etc/passwd"]
    ),
)
MOVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def tables(environment: dict[str, str]) -> list[tuple[Any, ...]]:
    """Every table of ours, and the accounts as they stand."""
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        names = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema in ('ops', 'raw') order by 1, 2"
        ).fetchall()
        return names + connection.execute("select * from ops.accounts order by 1, 2, 3").fetchall()


@pytest.mark.fault("G02")
@pytest.mark.parametrize("option", ["--business", "--platform", "--stream", "--since"])
def test_no_argument_becomes_sql(
    option: str, environment: dict[str, str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = tables(environment)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(HOSTILE.filter(lambda text: not text.lstrip("-").isdigit()))
    @example("'; drop table ops.accounts; --")
    @example("1; select pg_sleep(9)")
    def refused(text: str) -> None:
        try:
            status = main(["plan", f"{option}={text}"])
        except SystemExit as ended:
            status = int(ended.code or 0)
        assert status == 2

    refused()
    assert tables(environment) == before
    assert simulator.calls == []


@pytest.mark.fault("G02", "G15")
def test_a_business_an_account_and_a_credential_of_any_spelling_stay_text(
    environment: dict[str, str], tmp_path: Path, connection: Connection, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    evil = "x'); drop table ops.accounts; --\x1b[31m"
    connection.execute("insert into ops.businesses (business_id, name, timezone) values (99, %s, 'UTC')", (evil,))
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) values (99, 'twitter', %s, %s)",
        (evil, evil),
    )
    before = tables(environment)
    assert main(["run", "--business", "99", "--stream", "profile"]) == 1
    assert main(["status", "--business", "99"]) == 0
    assert main(["credentials", "list"]) == 1
    shown = "".join(capfd.readouterr())
    assert "drop table" in shown
    assert not MOVES.search(shown)
    assert tables(environment) == before


@pytest.mark.fault("G02")
@given(text=HOSTILE)
def test_no_text_of_an_accounts_file_is_a_platform_or_a_business(text: str):
    import json
    import tempfile

    for field in ("business_id", "platform"):
        values = {"business_id": 1, "platform": "twitter"} | {field: text}
        account = {"platform": values["platform"], "account_id": "1", "credential": "c"}
        business = {"business_id": values["business_id"], "name": "n", "timezone": "UTC", "accounts": [account]}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "accounts.yml"
            path.write_text(json.dumps({"businesses": [business]}), encoding="utf-8")
            # A quoted number is a number.
            if text not in PLATFORMS and not (field == "business_id" and text.strip().isdecimal()):
                with pytest.raises(ConfigurationError):
                    parse(path)


@pytest.mark.fault("G15", "G01")
@pytest.mark.parametrize("platform", ["linkedin", "twitter", "facebook"])
def test_a_platform_s_message_forges_no_line_and_moves_no_terminal(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    simulator.faults.add("token_quoted", platform=platform, times=99)
    results = extract(platform, streams=["profile"])
    assert all(result.error for result in results)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    main(["status", "--platform", platform])
    main(["quarantine", "list"])
    main(["run", "--platform", platform, "--stream", "profile"])
    shown = "".join(capfd.readouterr())
    kept = [row[0] for row in connection.execute("select error_message from ops.extract_runs").fetchall()]
    for text in [shown, *kept, *(str(result.error) for result in results)]:
        assert "all is lost" in text, "the message is quoted"
        assert not MOVES.search(text)
        assert not re.search(r"(?m)^2026-01-01 00:00:00 CRITICAL", text), "it begins no line"
    assert all("\n" not in text for text in kept)
    assert_no_secret(environment, tokens(simulator), shown, *kept)
    assert_no_exposed_address(simulator)


@pytest.mark.fault("G10")
@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:{port}/", "//10.0.0.1/"]
)
def test_an_address_that_an_answer_names_is_never_called(
    location: str, extract: Extract, simulator: Simulator, environment: dict[str, str], new_listener: Any
):
    listener, heard = new_listener
    simulator.faults.add("redirect", platform="facebook", location=location.format(port=listener), times=99)
    results = extract("facebook", streams=["profile"])
    assert {type(result.error).__name__ for result in results} == {"Refused"}
    assert heard() == 0
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))


@pytest.fixture
def new_listener() -> Any:
    """A port of an inner network's service, and how many have called."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)

        def heard() -> int:
            try:
                listening.accept()[0].close()
            except BlockingIOError:
                return 0
            return 1

        yield listening.getsockname()[1], heard


def test_loading_refuses_nothing_that_is_only_unusual(environment: dict[str, str], tmp_path: Path):
    path = tmp_path / "accounts.yml"
    path.write_text('businesses:\n  - {business_id: 5, name: "O\'Hara; --", timezone: UTC, accounts: []}\n')
    assert load(Settings.from_environment(environment), path).businesses == 1
