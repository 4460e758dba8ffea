"""A name, a business or a period that is a path: refused by name, and no file anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from extractors.errors import ConfigurationError
from extractors.settings import Settings
from reports.catalog import WEEKLY_OVERVIEW
from reports.render import render
from tests.reports.conftest import Environment, Reports

PATHS = (
    "../escaped", "/etc/escaped", "..", ".", "", "weekly_overview/../../escaped", "weekly_overview/", "escaped\0",
    "..\\escaped", "weekly_overview\n", "%2e%2e%2fescaped", "~root", "weekly_overview::$DATA", "wеekly_overview",
    "..／escaped", "ｗeekly_overview", "CON",
)  # fmt: skip


@pytest.mark.fault("G03")
def test_a_path_is_no_report_and_no_period_and_nothing_is_written(mart: Environment, tmp_path: Path) -> None:
    exports = tmp_path / "deep" / "exports"
    exports.mkdir(parents=True)
    settings = Settings.from_environment(mart)
    asked = [(path, "2026-W46") for path in PATHS] + [("weekly_overview", path) for path in PATHS if path]
    for name, period in asked:
        with pytest.raises(ConfigurationError) as caught:
            render(settings, name, 1, period, exports)
        wrong = name if name in PATHS else period
        assert repr(wrong) in str(caught.value), "the message shows what was asked, as a literal"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "deep", exports]


@pytest.mark.fault("G03")
def test_a_path_is_no_business(mart: Environment, reports: Reports, tmp_path: Path) -> None:
    business = "1/../../escaped\n"
    done = reports(mart, "render", "weekly_overview", "--business", business, "--period", "2026-W46")
    assert done.returncode == 2
    assert f"invalid int value: {business!r}" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("G03")
@pytest.mark.parametrize("name", PATHS)
def test_no_report_can_be_defined_with_a_path_for_a_name(name: str) -> None:
    for wrong in ({"name": name}, {"mart": name}, {"columns": (name,)}):
        with pytest.raises(ValueError, match="is no plain name"):
            replace(WEEKLY_OVERVIEW, **wrong)
