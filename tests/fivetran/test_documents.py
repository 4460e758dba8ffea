"""The reasons of the differences are the same in the model, in its test and in the documentation."""

from __future__ import annotations

import re

import yaml

from tests.conftest import ROOT

MODELS = ROOT / "dbt_project" / "models"
COMPAT = MODELS / "publish" / "fivetran_compat"
DIFFERENCES = (COMPAT / "fivetran_compat__differences.sql").read_text(encoding="utf-8")


def documents(name: str, key: str) -> list[dict[str, object]]:
    """The entries of one file of properties."""
    found: list[dict[str, object]] = yaml.safe_load((COMPAT / name).read_text(encoding="utf-8"))[key]
    return found


def accepted() -> set[str]:
    """The reasons that the test of the column accepts."""
    text = (COMPAT / "_fivetran_compat__models.yml").read_text(encoding="utf-8")
    (values,) = re.findall(r"(?:values|reason): \[(undated[^]]*)\]", text)
    return set(values.split(", "))


def excluded() -> set[str]:
    """Why dim_posts leaves a record out, as a reason."""
    text = (MODELS / "core" / "_core__models.yml").read_text(encoding="utf-8")
    (values,) = re.findall(r"values: \[(undated[^]]*)\]", text)
    return {value.replace(" ", "_") for value in values.split(", ")}


def test_every_reason_is_explained_and_accepted() -> None:
    page = (ROOT / "docs" / "fivetran.md").read_text(encoding="utf-8")
    table = page.split("## Why the two differ")[1].split("\n## ")[0]
    explained = {
        reason for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for reason in re.findall(r"`(\w+)`", row)
    }
    given = set(re.findall(r"(?:then|else) '(\w+)'", DIFFERENCES)) | excluded()
    assert given == accepted()
    assert explained == accepted()


def test_every_model_has_a_key_and_a_unit_test() -> None:
    names = {path.stem for path in COMPAT.glob("*.sql")}
    models = documents("_fivetran_compat__models.yml", "models")
    assert {model["name"] for model in models if re.search("is_key|is_sound", str(model["data_tests"]))} == names
    assert {each["model"] for each in documents("_fivetran_compat__unit_tests.yml", "unit_tests")} == names


def test_the_report_has_the_columns_of_fivetran_s_in_their_order() -> None:
    (report,) = (each for each in documents("_fivetran_compat__models.yml", "models") if "rollup" in str(each["name"]))
    columns = report["columns"]
    assert isinstance(columns, list)
    names = (
        "_dbt_source_relation created_timestamp post_id post_message page_id page_name post_url source_relation"
        " platform clicks impressions likes shares comments"
    )
    assert [column["name"] for column in columns] == [*names.split(), "business_id", "row_key"]
