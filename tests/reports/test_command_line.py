"""`python -m reports` as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.reports.conftest import Environment, Reports


def test_list_prints_one_name_per_line_and_needs_no_database(reports: Reports) -> None:
    done = reports({}, "list")
    assert (done.returncode, done.stdout) == (0, "weekly_overview\n")
    facts = json.loads(reports({}, "list", "--json").stdout)
    assert [(each["name"], each["period"], each["formats"]) for each in facts] == [("weekly_overview", "week", ["csv"])]


def test_render_and_verify_agree(mart: Environment, reports: Reports, tmp_path: Path) -> None:
    asked = ("weekly_overview", "--business", "1", "--period", "2026-W46")
    done = reports(mart, "render", *asked, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["rows"], facts["period"], len(facts["files"])) == (3, "2026-W46", 2)
    assert (tmp_path / facts["files"][0]).exists()
    assert reports({}, "verify", "exports").stdout == "1 manifests checked, 0 differences\n"
    (tmp_path / facts["files"][0]).write_bytes(b"flipped")
    damaged = reports({}, "verify", "exports", "--json")
    assert damaged.returncode == 1
    assert json.loads(damaged.stdout)["differences"][0]["path"] == facts["files"][0]
    assert "differs: exports/weekly_overview/1/2026-W46/weekly_overview_1_2026-W46.csv" in damaged.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("render", "weekly_overview", "--business", "99", "--period", "2026-W46"), "there is no business 99"),
        (("render", "weekly_overview", "--business", "1", "--period", "2026-11"), "this report is by week"),
        (("render", "weekly_overview", "--business", "x", "--period", "2026-W46"), "invalid int value: 'x'"),
        (("render", "nonsense", "--business", "1", "--period", "2026-W46"), "there is no report 'nonsense'"),
        (("render", "weekly_overview"), "--business"),
        (("verify", "nowhere"), "nowhere is no folder"),
        (("verify", "."), "there is no manifest"),
        ((), "COMMAND"),
    ],
)
def test_wrong_use_is_exit_2_and_says_what_is_wrong(
    mart: Environment, reports: Reports, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = reports(mart, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "exports").exists()


def test_an_unreachable_database_is_one_line(reports: Reports) -> None:
    nowhere = {"PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "u", "PGPASSWORD": "hunter2", "PGDATABASE": "d"}
    done = reports(nowhere, "render", "weekly_overview", "--business", "1", "--period", "2026-W46")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the warehouse u@127.0.0.1:1/d cannot be reached")
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr


def test_a_place_that_cannot_be_written_is_exit_1(mart: Environment, reports: Reports, tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("in the way")
    done = reports(mart, "render", "weekly_overview", "--business", "1", "--period", "2026-W46")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_command_explains_itself(reports: Reports) -> None:
    for command in ((), ("list",), ("render",), ("verify",)):
        done = reports({}, *command, "--help")
        assert done.returncode == 0
        assert "usage: python -m reports" in done.stdout
