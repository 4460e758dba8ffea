"""Fields are learned from rows: the first whole read says what is normal, later ones what is new, retyped or gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from expectations.gate import validate_pending
from extractors.__main__ import main
from extractors.drift import drifted
from tests.expectations.conftest import World
from tests.expectations.samples import GOOD, good


def paths(world: World, drift: str = "true") -> dict[str, str]:
    rows = world.connection.execute(f"select path, json_type from ops.schema_paths where {drift}").fetchall()
    return dict(rows)


def land(world: World, stream: str, *changes: dict[str, Any], **run: Any) -> None:
    """A run of the stream's sample, changed."""
    rows = good(stream, run.get("account_id", "2414183"))
    for (_, payload), change in zip(rows.items(), changes, strict=False):
        payload |= change
    world.run(stream, rows, **run)
    validate_pending(world.settings)


@pytest.mark.parametrize("stream", GOOD)
def test_every_stream_teaches_its_fields_and_a_second_look_is_no_drift(world: World, stream: str) -> None:
    land(world, stream)
    land(world, stream)
    known = paths(world)
    assert known
    assert drifted(world.connection) == []
    assert not [path for path in known if path.startswith((".", "*")) or ".." in path]


def test_names_stand_in_paths_and_data_never(world: World) -> None:
    land(world, "facebook__audience")
    land(world, "facebook__posts", {"odd": {"somebody@example.org": 1, "a b": 2, "\n": 3, "1234": [{"x": 1}]}})
    known = paths(world)
    assert {path for path in known if path.startswith("page_follows_country")} == {
        "page_follows_country.name", "page_follows_country.period", "page_follows_country.value",
        "page_follows_country.value.*", "page_follows_country.end_time",
    }  # fmt: skip
    assert known["odd.*"] in ("number", "array")
    assert "odd.*[].x" in known
    assert known["insights.data[post_media_view].values[].value"] == "number"
    assert known["insights.data[post_reactions_by_type_total].values[].value.*"] == "number"
    assert "somebody" not in json.dumps(list(known))


@pytest.mark.fault("B20", "B21")
def test_what_is_new_or_of_another_type_is_one_line_each(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    land(world, "twitter__posts")
    for _ in range(2):
        land(world, "twitter__posts", {"note": {"by": {"id": "7"}}, "text": ["parts"]})
    found = {(field.path, field.json_type): (field.drift, field.occurrences) for field in drifted(world.connection)}
    assert found == {
        ("note", "object"): ("new field", 2),
        ("text", "array"): ("new type", 2),
        ("text[]", "string"): ("new field", 2),
    }
    warehouse = world.settings.warehouse
    for name in ("host", "port", "user", "password", "database"):
        monkeypatch.setenv(f"PG{name.upper()}", str(getattr(warehouse, name)))
    assert main(["drift", "--platform", "twitter"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:3] for line in lines] == [
        ["twitter__posts", "note", "new field: object"],
        ["twitter__posts", "text", "new type: array"],
        ["twitter__posts", "text[]", "new field: string"],
    ]
    assert main(["drift", "--json"]) == 0
    assert [each["path"] for each in json.loads(capsys.readouterr().out)] == ["note", "text", "text[]"]
    assert main(["drift", "--platform", "facebook"]) == 0
    assert capsys.readouterr().out == "No field is new, of another type, or gone.\n"


def test_each_account_may_bring_its_own_at_first(world: World) -> None:
    land(world, "instagram__posts")
    land(world, "instagram__posts", {"extra": 1}, account_id="77")
    assert drifted(world.connection) == []
    land(world, "instagram__posts", {"more": 1}, account_id="77")
    assert [field.path for field in drifted(world.connection)] == ["more"]


def test_a_run_that_is_held_back_says_what_changed_and_teaches_nothing(world: World) -> None:
    land(world, "twitter__posts", {"public_metrics": {"like_count": "many"}})
    assert paths(world) == {}
    land(world, "twitter__posts")
    land(world, "twitter__posts", {"public_metrics": {"like_count": "many"}})
    assert [(field.path, field.drift) for field in drifted(world.connection)] == [
        ("public_metrics.like_count", "new type")
    ]


@pytest.mark.fault("B22")
def test_a_number_that_no_longer_comes_is_gone_after_three_days(world: World) -> None:
    land(world, "twitter__posts")
    world.connection.execute("update ops.schema_paths set last_seen_at = last_seen_at - interval '4 days'")
    land(world, "twitter__posts", {"public_metrics": {"like_count": 3}})
    gone = [field.path for field in drifted(world.connection) if field.drift == "gone"]
    assert "public_metrics.impression_count" in gone
    assert "public_metrics.like_count" not in gone


def test_a_known_field_is_written_again_after_six_hours_alone(world: World) -> None:
    land(world, "twitter__posts")
    before = world.connection.execute("select xmin::text, path from ops.schema_paths order by 2").fetchall()
    land(world, "twitter__posts")
    assert world.connection.execute("select xmin::text, path from ops.schema_paths order by 2").fetchall() == before
