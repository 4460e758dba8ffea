"""What the contract promises of the marts, and what the project promises of itself."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from extractors.registry import streams
from tests.warehouse.conftest import PROJECT

METRICS = (
    "impressions reach views clicks likes reactions comments shares reposts quotes saves video_views watch_time_seconds"
)
#: Columns of contract section 5, without the grain's; more may be added, none may go.
PROMISED = {
    "post_performance": "business_id account_id platform post_id published_at published_at_local content_type text"
    f" permalink hashtags {METRICS} engagement engagement_rate engagement_rate_by_reach engagement_rate_by_followers"
    " click_through_rate virality_rate followers_at_publish metrics_observed_at is_deleted",
    "story_performance": "business_id account_id post_id published_at expires_at views reach replies navigation"
    " taps_forward taps_back exits swipes_forward shares total_interactions metrics_observed_at suppressed_because",
    "post_velocity": "business_id platform account_id post_id metric value_1h value_3h value_6h value_24h value_48h"
    " value_7d value_30d is_interpolated_1h is_interpolated_30d final_value hours_to_half hours_to_90 is_censored",
    "post_over_performance": "business_id platform account_id post_id metric content_type age_hours value n expected"
    " expected_low expected_high ratio ratio_low ratio_high not_judged_because",
    "restatements": "business_id platform account_id post_id metric period day observed_at old_value new_value"
    " delay_hours",
    "post_analytics": "business_id id published_post_id post_id platform impressions likes comments shares clicks"
    " engagement_rate synced_at created_at",
    "audience_insights": "business_id platform day id followers_count follower_growth_rate age_demographics"
    " gender_demographics location_demographics synced_at created_at",
    "analytics_summaries": "business_id platform period period_start posts impressions likes comments shares clicks"
    " engagement engagement_rate avg_engagement_per_post followers_count is_partial rated_engagement rated_impressions",
    "engagement_overview": "business_id platform window_days posts impressions likes comments shares clicks engagement"
    " engagement_rate rated_engagement rated_impressions previous_posts previous_impressions previous_likes"
    " previous_comments previous_shares previous_clicks previous_engagement previous_engagement_rate",
    "engagement_trends": "business_id platform period period_start attribution posts impressions views clicks likes"
    " reactions comments shares reposts quotes saves video_views watch_time_seconds engagement engagement_rate"
    " is_partial",
    "platform_comparison": "business_id window_days platform posts impressions engagement engagement_rate"
    " avg_engagement_per_post followers_count rank note rated_engagement rated_impressions",
    "top_posts": "business_id platform window_days metric rank post_id value",
    "content_types": "business_id platform content_type posts avg_engagement median_engagement engagement_rate"
    " rated_engagement rated_impressions",
    "best_hours": "business_id platform hour posts avg_engagement engagement_rate is_best rated_engagement"
    " rated_impressions",
    "best_days": "business_id platform weekday posts avg_engagement engagement_rate is_best rated_engagement"
    " rated_impressions",
    "best_times": "business_id platform weekday hour posts engagement_rate_mean lift lift_low lift_high"
    " probability_better verdict",
    "best_time_recommendations": "business_id platform rank weekday hour label lift verdict evidence",
    "hashtags": "business_id platform hashtag display posts avg_engagement total_engagement engagement_rate lift"
    " lift_low lift_high q_value verdict first_used_at last_used_at rated_engagement rated_impressions",
    "audience_growth": "business_id account_id day followers_count gained lost net growth_rate",
    "audience_demographics": "business_id account_id day dimension value label followers share",
    "reconciliation": "business_id run_id account_id stream listed stored unchanged quarantined staged in_core"
    " difference reason in_mart",
    "reconciliation_totals": "business_id run_id account_id stream metric listed in_core in_mart difference reason",
    "data_freshness": "business_id account_id stream last_success_at age_hours is_stale last_error"
    " last_published_at publish_error",
}


def every_definition() -> list[dict[str, str]]:
    """The rows of metric_definitions."""
    with (PROJECT / "seeds" / "core" / "metric_definitions.csv").open() as file:
        return list(csv.DictReader(file))


def documents(pattern: str) -> list[dict[str, Any]]:
    """Every yml of the project that matches."""
    return [yaml.safe_load(path.read_text()) for path in sorted(PROJECT.glob(pattern))]


@pytest.mark.slow
@pytest.mark.parametrize("mart", PROMISED)
def test_a_mart_has_the_columns_of_the_contract(mart: str, reader: Callable[..., list[dict[str, Any]]]) -> None:
    rows = reader(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = 'marts' and table_name = %s",
        mart,
    )
    present = {row["column_name"]: row["data_type"] for row in rows}
    assert set(PROMISED[mart].split()) <= set(present)
    assert all(present[metric] == "numeric" for metric in METRICS.split() if metric in present)


@pytest.mark.slow
def test_marts_carry_their_descriptions(reader: Callable[..., list[dict[str, Any]]]) -> None:
    rows = reader(
        "select attribute.attrelid::regclass::text as mart, attribute.attname::text as name"
        " from pg_attribute as attribute inner join pg_class as relation on attribute.attrelid = relation.oid"
        " where relation.relnamespace = 'marts'::regnamespace and attribute.attnum > 0"
        " and col_description(attribute.attrelid, attribute.attnum) is null"
    )
    assert rows == []


@pytest.mark.unit
def test_every_model_and_column_is_described() -> None:
    models = [model for document in documents("models/**/*.yml") for model in document.get("models", [])]
    described = {model["name"] for model in models if model["description"].strip()}
    assert described == {path.stem for path in PROJECT.glob("models/**/*.sql")}
    assert [
        (model["name"], column["name"])
        for model in models
        for column in model["columns"]
        if not column.get("description")
    ] == []


@pytest.mark.unit
def test_every_mart_has_a_key_test_and_a_unit_test() -> None:
    pages = documents("models/publish/*.yml")
    marts = {path.stem for path in PROJECT.glob("models/publish/*.sql")}
    models = [model for page in pages for model in page.get("models", [])]
    assert {model["name"] for model in models if model["data_tests"][0].keys() & {"is_key", "is_sound"}} == marts
    assert {test["model"] for page in pages for test in page.get("unit_tests", [])} == marts


@pytest.mark.unit
def test_the_streams_are_those_of_the_registry() -> None:
    with (PROJECT / "seeds" / "core" / "streams.csv").open() as file:
        assert {row["stream"] for row in csv.DictReader(file)} == {stream.full_name for stream in streams()}


@pytest.mark.unit
def test_only_staging_reads_sources_and_marts_rest_on_core() -> None:
    def models_that(word: str, folder: str) -> list[Path]:
        return [path for path in PROJECT.glob(f"models/{folder}/**/*.sql") if word in path.read_text()]

    core = {path.stem for path in PROJECT.glob("models/core/*.sql")} | {
        path.stem for path in PROJECT.glob("seeds/core/*.csv")
    }
    assert not [path for layer in ("intermediate", "core", "publish") for path in models_that("source(", layer)]
    for mart in PROJECT.glob("models/publish/*.sql"):
        assert {part.split("'")[0] for part in mart.read_text().split("ref('")[1:]} <= core, mart


@pytest.mark.unit
def test_no_two_platforms_feed_a_metric_without_a_note() -> None:
    definitions = every_definition()
    assert {row["canonical_metric"] for row in definitions} >= set(METRICS.split())
    assert all(row["comparability_note"] for row in definitions)
