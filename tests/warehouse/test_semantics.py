"""What BI tools read of the dbt project: its metrics equal the marts, and every report is an exposure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import yaml

from docs import site
from reports.catalog import REPORTS
from tests.warehouse.conftest import PROJECT, Environment, read

Value = Decimal | None
Group = tuple[int, str, date]

#: Which column of a mart says the same; a ratio of a hundred says it as a percentage.
OF_POSTS = {
    **{name: name for name in ("posts", "impressions", "likes", "comments", "shares", "clicks", "engagement")},
    **{name: name for name in ("rated_engagement", "rated_impressions", "engagement_rate", "avg_engagement_per_post")},
    "engagement_ratio": "engagement_rate / 100",
}
OF_ACCOUNTS = {f"followers_{name}": f"sum(followers_{name})" for name in ("gained", "lost", "net")}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The semantic definitions, as `make docs` writes them."""
    target = tmp_path_factory.mktemp("semantic")
    site.run_dbt(target, "parse")
    return site.published(target)


def test_every_report_is_an_exposure_of_its_mart() -> None:
    exposures = [
        exposure
        for path in PROJECT.glob("models/**/*.yml")
        for exposure in yaml.safe_load(path.read_text(encoding="utf-8")).get("exposures", [])
    ]
    assert {each["name"]: (each["label"], each["depends_on"]) for each in exposures} == {
        name: (report.title, [f"ref('{report.mart}')"]) for name, report in REPORTS.items()
    }


@pytest.mark.slow
def test_every_metric_equals_the_mart(definitions: dict[str, Any], built: Environment) -> None:
    assert {metric["name"] for metric in definitions["metrics"]} == {*OF_POSTS, *OF_ACCOUNTS, "engaged_posts"}
    evaluate = evaluator(definitions, built)
    months = "select business_id, platform, period_start, {} from marts.analytics_summaries"
    months += " where period = 'month' and platform <> 'all'"
    for name, column in OF_POSTS.items():
        wanted = keyed(built, months.format(f"{column} as value"))
        assert len(wanted) > 5
        assert rounded(evaluate(name)) == rounded(wanted), name
    known = "select business_id, platform, date_trunc('month', published_at_local)::date as period_start,"
    known += " nullif(count(engagement), 0) as value from marts.post_performance group by 1, 2, 3"
    assert evaluate("engaged_posts") == keyed(built, known)
    days = "select business_id, platform, date_trunc('month', measured_date)::date as period_start, {}"
    days += " from core.fct_account_daily group by 1, 2, 3"
    for name, column in OF_ACCOUNTS.items():
        assert evaluate(name) == keyed(built, days.format(f"{column} as value")), name


def test_the_definitions_name_what_is_published(definitions: dict[str, Any]) -> None:
    assert {json.dumps(model["node_relation"]["relation_name"]) for model in definitions["semantic_models"]} == {
        json.dumps('"marts"."post_performance"'),
        json.dumps('"marts"."audience_growth"'),
    }


def keyed(environment: Environment, query: str) -> dict[Group, Value]:
    """The column `value` by business, platform and month."""
    rows = read(environment, query)
    return {(row["business_id"], row["platform"], row["period_start"]): row["value"] for row in rows}


def rounded(values: dict[Group, Value]) -> dict[Group, Value]:
    """Values as far as two ways of dividing agree."""
    return {group: None if value is None else round(Decimal(value), 9) for group, value in values.items()}


def evaluator(definitions: dict[str, Any], environment: Environment) -> Callable[[str], dict[Group, Value]]:
    """A function that works out a metric by business, platform and month, as its definition says."""
    metrics = {metric["name"]: metric for metric in definitions["metrics"]}
    measures = {each["name"]: (model, each) for model in definitions["semantic_models"] for each in model["measures"]}

    def simple(name: str) -> dict[Group, Value]:
        model, measure = measures[name]
        days = {each["name"]: each["expr"] for each in model["dimensions"] if each["type"] == "time"}
        day = days[model["defaults"]["agg_time_dimension"]]
        return keyed(
            environment,
            f"select business_id, platform, date_trunc('month', {day})::date as period_start,"
            f" {measure['agg']}({measure['expr'] or measure['name']})::numeric as value"
            f" from {model['node_relation']['relation_name']} group by 1, 2, 3",
        )

    def evaluate(name: str) -> dict[Group, Value]:
        definition = metrics[name]
        parameters = definition["type_params"]
        if definition["type"] == "simple":
            return simple(parameters["measure"]["name"])
        if definition["type"] == "ratio":
            above, below = evaluate(parameters["numerator"]["name"]), evaluate(parameters["denominator"]["name"])
            return {group: divided(above[group], below[group]) for group in above}
        (only,) = parameters["metrics"]
        return {
            group: None if value is None else of_text(parameters["expr"], only["name"], value)
            for group, value in evaluate(only["name"]).items()
        }

    return evaluate


def of_text(expression: str, name: str, value: Value) -> Value:
    """A metric that is another times a number, such as `engagement_ratio * 100`."""
    factor = re.fullmatch(rf"{name} \* (\d+)", expression)
    assert factor, expression
    return None if value is None else value * int(factor[1])


def divided(above: Value, below: Value) -> Value:
    """A ratio; NULL where a side is unknown or nothing is below."""
    return above / below if above is not None and below else None
