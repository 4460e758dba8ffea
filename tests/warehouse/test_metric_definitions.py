"""The registry of metrics: its native fields are what staging reads, and kinds of numbers are never mixed."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.conftest import PROJECT, Dbt, Environment, read
from tests.warehouse.test_contract import METRICS, every_definition

LIFETIME = PROJECT / "models" / "intermediate" / "int_post_metrics_unioned.sql"
DAILY = PROJECT / "models" / "intermediate" / "int_account_daily_unioned.sql"
#: The registry's name of an account's numbers, and the column of the daily model.
FOLLOWERS = {
    "followers_gained": "followers_gained",
    "followers_lost": "followers_lost",
    "followers_net": "followers_net",
}
#: What a definition means; a note or a delay may be worded better without a new version.
MEANING = ("native_field", "unit", "measured_over", "additivity", "counts", "valid_from")
KNOWN = Path(__file__).with_name("known_definitions.csv")


def current() -> list[dict[str, str]]:
    return [row for row in every_definition() if not row["valid_to"]]


def branches(path: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Each branch of a unioned model: its platform, and which expression feeds which metric."""
    text = path.read_text()
    block = text[text.index("branches = [") : text.index("] %}", text.index("branches = ["))]
    for part in re.split(r"\n    \('", block)[1:]:
        platform = part[: part.index("'")]
        yield platform, dict(re.findall(r"'(\w+)': (.+?),?\n", part.replace("}),", ",\n").replace("{'", "\n'")))


def staged(platform: str) -> str:
    """All staging SQL of a platform."""
    return "".join(path.read_text() for path in sorted((PROJECT / "models" / "staging" / platform).glob("*.sql")))


@pytest.mark.unit
def test_the_registry_names_exactly_what_feeds_the_metrics_of_posts() -> None:
    fed = {(platform, metric) for platform, told in branches(LIFETIME) for metric in told}
    named = {
        (row["platform"], row["canonical_metric"]) for row in current() if row["canonical_metric"] in METRICS.split()
    }
    assert fed == named


@pytest.mark.unit
@pytest.mark.parametrize("row", current(), ids=lambda row: f"{row['platform']} {row['canonical_metric']}")
def test_staging_reads_the_native_field_the_registry_names(row: dict[str, str]) -> None:
    text = staged(row["platform"])
    for native in re.split(r" [+-] ", row["native_field"]):
        path, _, breakdown = native.partition("[")
        parts = [part for part in path.split(".") if part not in ("includes", "media")]
        # X renames its posts' fields without notice; a field of a sum stands beside its first.
        assert re.search(rf"\b{parts[-1]}\b", text) or parts[-1] in DAILY.read_text(), native
        if breakdown:
            assert f'"{breakdown.rstrip("]")}"' in text, native


@pytest.mark.unit
@pytest.mark.fault("E06")
def test_a_lifetime_number_never_feeds_a_day_nor_a_day_s_number_a_lifetime() -> None:
    kinds = {(row["platform"], row["canonical_metric"]): row["measured_over"] for row in current()}
    for platform, told in branches(LIFETIME):
        assert {kinds[platform, metric] for metric in told} == {"lifetime"}
    for platform, told in branches(DAILY):
        for metric in set(told) & set(FOLLOWERS):
            assert kinds[platform, FOLLOWERS[metric]] == "day"
    # A native metric told both for a post and for a day has two names; what is read for days is never a post's field.
    posts = {row["native_field"] for row in current() if row["measured_over"] == "lifetime"}
    days = {row["native_field"] for row in current() if row["measured_over"] == "day"}
    assert not posts & days
    # Nothing adds lifetime values of posts up to a day of the account, and no post is made of days.
    assert "fct_account_daily" not in (PROJECT / "models" / "core" / "fct_post_snapshots.sql").read_text()
    assert "int_post_metrics" not in (PROJECT / "models" / "core" / "fct_account_daily.sql").read_text()


@pytest.mark.unit
@pytest.mark.fault("E07")
def test_no_unique_count_is_ever_summed() -> None:
    unique = {row["canonical_metric"] for row in current() if row["additivity"] == "unique"} - {"followers_count"}
    assert unique == {"reach"}
    summed = re.compile(rf"\b(sum|avg|mean)\(\s*(?:\w+\.)?({'|'.join(unique)})\b", re.IGNORECASE)
    for path in [*PROJECT.glob("models/core/*.sql"), *PROJECT.glob("models/publish/*.sql")]:
        assert not summed.search(path.read_text()), path.name
    # Loops over all metrics that add up leave it out.
    for path in [*PROJECT.glob("models/core/*.sql"), *PROJECT.glob("models/publish/*.sql")]:
        text = path.read_text()
        if re.search(r"sum\(\s*(?:\w+\.)?\{\{ metric", text):
            assert "reject('equalto', 'reach')" in text or "additive_metrics()" in text, path.name


@pytest.mark.unit
def test_a_changed_definition_is_a_new_version_with_its_date() -> None:
    versions: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in every_definition():
        versions.setdefault((row["platform"], row["canonical_metric"]), []).append(row)
    for key, rows in versions.items():
        assert [int(row["version"]) for row in rows] == list(range(1, len(rows) + 1)), key
        for before, after in pairwise(rows):
            assert before["valid_to"] == after["valid_from"] != ""
            assert date.fromisoformat(after["valid_from"])
            assert before["native_field"] != after["native_field"]
        assert rows[-1]["valid_to"] == ""
    assert sum(len(rows) > 1 for rows in versions.values()) >= 4


@pytest.mark.unit
def test_no_version_that_was_ever_in_force_means_something_else_by_now() -> None:
    """Whoever changes what a row means finds it here: end that version with a date, begin the next, and list it too."""
    with KNOWN.open() as file:
        known = {tuple(row.values())[:3]: row for row in csv.DictReader(file)}
    told = {
        (row["platform"], row["canonical_metric"], row["version"]): {name: row[name] for name in MEANING}
        for row in every_definition()
    }
    assert {key: {name: row[name] for name in MEANING} for key, row in known.items()} == told


def project_with(folder: Path, rows: Iterable[dict[str, str]]) -> Path:
    """A copy of the dbt project with other definitions."""
    project = folder / "redefined" / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"), dirs_exist_ok=True)
    listed = list(rows)
    with (project / "seeds" / "core" / "metric_definitions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, listed[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
    return project


def redefined(platform: str, metric: str, day: date) -> list[dict[str, str]]:
    """All definitions, one of them with another version from a day on."""
    rows = []
    for row in every_definition():
        if (row["platform"], row["canonical_metric"], row["valid_to"]) != (platform, metric, ""):
            rows.append(row)
            continue
        following = {"version": str(int(row["version"]) + 1), "valid_from": str(day), "counts": f"anew since {day}"}
        rows += [row | {"valid_to": str(day)}, row | following | {"comparability_note": f"Anew since {day}."}]
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("days_ahead", [0, 1])
def test_a_new_version_counts_from_its_day_on_and_the_old_one_stays(
    copy: Environment, dbt: Dbt, tmp_path: Path, days_ahead: int
) -> None:
    day = datetime.now(UTC).date() + timedelta(days_ahead)
    (old,) = (r for r in current() if (r["platform"], r["canonical_metric"]) == ("linkedin", "impressions"))
    project = project_with(tmp_path, redefined("linkedin", "impressions", day))
    dbt(copy, "build", "--select", "metric_definitions", "as_of", "--exclude-resource-type", "unit_test",
        project=project)  # fmt: skip
    for mart in ("analytics_summaries", "engagement_overview", "top_posts", "platform_comparison"):
        notes = {row["platform"]: row["note"] for row in read(copy, f"select platform, note from candidate.{mart}")}
        assert notes["linkedin"] == (old["comparability_note"] if days_ahead else f"Anew since {day}."), mart
        if "all" in notes:
            assert (f"linkedin: {old['counts']}" in notes["all"]) is bool(days_ahead)
            assert notes["all"].count("linkedin: ") == 1
    kept = read(
        copy,
        "select version, counts, valid_to::text from core.metric_definitions"
        " where platform = 'linkedin' and canonical_metric = 'impressions' order by version",
    )
    assert [(row["version"], row["valid_to"]) for row in kept] == [(1, str(day)), (2, None)]
    assert kept[0]["counts"] == old["counts"]


UNDATED: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "the version before goes on": lambda row: row | {"valid_to": ""},
    "a gap lies before it": lambda row: row | {"valid_to": "2020-01-01"},
    "a number is left out": lambda row: row | {"version": "0"},
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", UNDATED)
def test_a_version_without_its_place_in_time_is_refused(
    copy: Environment, dbt: Dbt, tmp_path: Path, fault: str
) -> None:
    rows = redefined("linkedin", "impressions", date(2026, 1, 1))
    key = ("linkedin", "impressions", "1")
    broken = [UNDATED[fault](r) if (r["platform"], r["canonical_metric"], r["version"]) == key else r for r in rows]
    project = project_with(tmp_path, broken)
    refused = dbt(copy, "build", "--select", "metric_definitions", project=project, ok=False)
    assert "has_one_current_version_metric_definitions" in refused.stdout


@pytest.mark.slow
def test_whatever_shows_platforms_together_carries_the_note(reader: Callable[..., list[dict[str, Any]]]) -> None:
    notes = {
        row["platform"]: row["comparability_note"] for row in current() if row["canonical_metric"] == "impressions"
    }
    for mart in ("analytics_summaries", "engagement_overview", "top_posts", "platform_comparison"):
        for row in reader(f"select distinct platform, note from marts.{mart}"):
            if row["platform"] == "all":
                assert row["note"].startswith("Adds up what platforms count differently")
                assert all(platform in row["note"] for platform in notes)
            else:
                assert row["note"] == notes[row["platform"]]
