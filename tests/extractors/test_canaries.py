"""Two hundred secrets go through eight kinds of trouble, and none of them comes out anywhere."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from extractors import redaction
from extractors.__main__ import main
from extractors.accounts import load
from extractors.extract import due_accounts, extract_account
from extractors.sealing import new_key
from extractors.settings import Settings
from simulator.model import PLATFORMS
from simulator.server import Simulator
from simulator.world import build_world
from tests.aftermath import assert_no_exposed_address, assert_no_secret
from tests.canaries import found_in_files, found_in_texts, planted
from tests.extractors.conftest import ANCHOR

Fault = tuple[str, dict[str, Any]]
TOKEN_ENDPOINTS = ("/2/oauth2/token", "/oauth/v2/accessToken")
CASES: dict[str, list[Fault]] = {
    "tokens end": [("token_expired", {"times": 2})],
    "tokens are taken back": [("token_revoked", {"times": 6})],
    "a gateway quotes the login": [("token_quoted", {"times": 2}), ("token_quoted", {"times": 2, "after": 3})],
    "permissions are lost": [("permission_lost", {"times": 6})],
    "limits are used up": [("rate_limited_day", {"times": 3})],
    "answers are cut and lost": [("connection_reset", {}), ("truncated_json", {"after": 2})],
    "answers are no JSON": [("empty_body", {"times": 2}), ("html_error_page", {"after": 2, "status": 200})],
    "answers lead elsewhere": [
        ("redirect", {"location": "http://127.0.0.1:1/?a=b"}),
        ("gzip_bomb", {"bytes": 1 << 26}),
    ],
}


@pytest.mark.slow
@pytest.mark.fault("G01")
def test_two_hundred_canaries_are_in_no_table_log_traceback_page_or_address(
    new_database: Callable[[str], dict[str, str]], migrated_template: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
):  # fmt: skip
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "urllib3")
    before = logging.getLogRecordFactory()
    request.addfinalizer(lambda: logging.setLogRecordFactory(before))
    redaction.install()
    canaries: set[str] = set()
    traces: list[str] = []
    warehouses = []
    for number, (name, faults) in enumerate(CASES.items()):
        environment = {**new_database(migrated_template), "CREDENTIALS_KEY": f"{new_key()},{new_key()}"}
        with Simulator(
            build_world(seed=100 + number, anchor=ANCHOR, scale=0.005), now=ANCHOR, expiring=True
        ) as simulator:
            environment |= simulator.environment() | {"PIPELINE_NOW": ANCHOR.isoformat()}
            path = tmp_path / f"accounts_{number}.yml"
            path.write_text(simulator.world.accounts_yaml())
            load(Settings.from_environment(environment), path)
            for credential in simulator.world.credentials.values():
                if credential.refresh_token:
                    simulator.vault.set_state(credential.name, "expired")
            for platform in PLATFORMS:
                for fault, options in faults:
                    simulator.faults.add(fault, platform=platform, **options)
            settings = Settings.from_environment(environment)
            for account in (each for platform in PLATFORMS for each in due_accounts(settings, platform)):
                results = extract_account(settings, account, streams=None if number == 0 else ["profile", "posts"])
                traces += ["".join(traceback.format_exception(each.error)) for each in results if each.error]
            for variable, value in environment.items():
                monkeypatch.setenv(variable, value)
            if number < 2:
                main(
                    ["run", "--platform", "twitter", "--stream", "profile", "--docs", str(tmp_path / f"docs_{number}")]
                )
            main(["status"])
            main(["credentials", "list"])
            assert_no_exposed_address(simulator)
            canaries |= planted(simulator, environment)
            warehouses.append((name, environment))
    output = capfd.readouterr()
    assert len(canaries) >= 200
    assert len(traces) > 20, "trouble was meant"
    for _, environment in warehouses:
        assert_no_secret(environment, canaries)
    logs = "\n".join(f"{record.getMessage()} {record.exc_text} {record.__dict__}" for record in caplog.records)
    texts = {"stdout": output.out, "stderr": output.err, "traces": "\n".join(traces), "logs": logs}
    assert output.out
    assert logs, "a search through nothing proves nothing"
    assert found_in_texts(canaries, **texts) == []
    assert found_in_files(canaries, tmp_path) == []
    plant_one_in_each(sorted(canaries)[0], canaries, environment, tmp_path)


def plant_one_in_each(canary: str, canaries: set[str], environment: dict[str, str], folder: Path) -> None:
    """The search finds a secret in every kind of sink."""
    (folder / "planted.html").write_bytes(b"\x00\xff<a href='" + canary.encode() + b"'>")
    assert found_in_files(canaries, folder) == [str(folder / "planted.html")]
    assert found_in_texts(canaries, log=f"GET /?t={canary}") == ["log"]
    with closing(Settings.from_environment(environment).warehouse.connect()) as connection:
        connection.execute("update ops.extract_runs set error_message = %s where error_class is not null", (canary,))
        connection.commit()
    with pytest.raises(AssertionError, match=r"a secret is in ops\.extract_runs"):
        assert_no_secret(environment, canaries)
