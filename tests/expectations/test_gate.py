"""What the gate does with runs: judge, decide once, move cursors forward, and say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from expectations import rows
from expectations.__main__ import main
from expectations.gate import validate_pending
from expectations.rows import GateBroken
from expectations.runs import decide, pending
from tests.expectations.conftest import AS_OF, World
from tests.expectations.samples import ACCOUNT, GOOD, good

ROOT = Path(__file__).parents[2]
POST = next(iter(GOOD["twitter__posts"]))


@pytest.mark.fault("D05")
def test_the_watermark_never_moves_backwards(world: World) -> None:
    for until in (AS_OF, AS_OF - timedelta(days=3)):
        world.run("twitter__posts", until=until)
    validate_pending(world.settings)
    assert world.watermark("twitter__posts") == AS_OF
    world.run("twitter__posts", until=AS_OF - timedelta(days=1))
    validate_pending(world.settings)
    assert world.watermark("twitter__posts") == AS_OF
    newest = world.run("twitter__posts", until=AS_OF + timedelta(days=1))
    validate_pending(world.settings)
    assert world.watermark("twitter__posts") == AS_OF + timedelta(days=1)
    assert world.one("select run_id::text from ops.cursors") == newest


def test_a_run_that_begins_later_than_the_last_read_leaves_the_watermark_before_the_gap(world: World) -> None:
    world.run("twitter__posts", until=AS_OF)
    validate_pending(world.settings)
    world.run("twitter__posts", since=AS_OF + timedelta(days=5), until=AS_OF + timedelta(days=9))
    validate_pending(world.settings)
    assert world.watermark("twitter__posts") == AS_OF


def test_a_failed_run_is_judged_by_its_rows_and_moves_no_cursor(world: World) -> None:
    fine = world.run("twitter__posts", good("twitter__posts"), state="failed")
    (result,) = validate_pending(world.settings)
    assert result.passed
    assert world.gate(fine) == "passed"
    assert world.watermark("twitter__posts") is None


def test_a_running_run_and_a_judged_run_are_left_alone(world: World) -> None:
    running = world.run("twitter__posts", good("twitter__posts"))
    world.connection.execute("update ops.extract_runs set state = 'running', finished_at = null")
    judged = world.run("twitter__posts", good("twitter__posts", "11"), account_id="11")
    world.connection.execute("update ops.extract_runs set gate = 'quarantined' where run_id = %s", (judged,))
    assert validate_pending(world.settings) == []
    assert [world.gate(run) for run in (running, judged)] == ["pending", "quarantined"]


def test_only_the_platforms_asked_for_are_judged(world: World) -> None:
    asked = world.run("twitter__posts", good("twitter__posts"))
    other = world.run("facebook__posts", good("facebook__posts"))
    assert [result.run_id for result in validate_pending(world.settings, ["twitter"])] == [asked]
    assert world.gate(other) == "pending"


def test_a_run_that_does_not_hold_the_rows_it_counted_is_quarantined(world: World) -> None:
    world.run("twitter__posts", good("twitter__posts"), stored=2)
    (result,) = validate_pending(world.settings)
    assert [item["expectation"] for item in result.report] == ["rows_as_counted"]


def test_rows_under_another_account_are_not_the_runs_rows(world: World) -> None:
    run_id = world.run("twitter__posts", good("twitter__posts"))
    world.connection.execute("update raw.twitter__posts set business_id = 2")
    (result,) = validate_pending(world.settings)
    assert [item["expectation"] for item in result.report] == ["rows_as_counted"]
    assert world.gate(run_id) == "quarantined"


def test_a_profile_that_answered_nothing_is_quarantined(world: World) -> None:
    world.run("linkedin__profile", dict(list(good("linkedin__profile").items())[:1]))
    (result,) = validate_pending(world.settings)
    assert [item["expectation"] for item in result.report] == ["profile_is_complete"]


def test_a_profile_without_change_passes(world: World) -> None:
    world.run("linkedin__profile", listed=2)
    (result,) = validate_pending(world.settings)
    assert result.passed
    assert world.watermark("linkedin__profile") == AS_OF


@pytest.mark.fault("E08")
def test_an_empty_list_where_posts_were_is_believed_the_second_time(world: World) -> None:
    window = {"since": AS_OF - timedelta(days=28)}
    world.run("twitter__posts", good("twitter__posts"), **window)
    validate_pending(world.settings)
    outcomes = []
    for days in (1, 2, 3):
        run_id = world.run("twitter__posts", until=AS_OF + timedelta(days=days), **window)
        (result,) = validate_pending(world.settings)
        outcomes.append((world.gate(run_id), [item["expectation"] for item in result.report]))
    assert outcomes == [("quarantined", ["posts_are_still_listed"]), ("passed", []), ("passed", [])]
    assert world.watermark("twitter__posts") == AS_OF + timedelta(days=3)


def test_a_quiet_account_passes(world: World) -> None:
    world.run("twitter__posts", good("twitter__posts"))
    validate_pending(world.settings)
    nothing_new = world.run("twitter__posts", listed=1, since=AS_OF - timedelta(days=28))
    nothing_in_window = world.run("twitter__posts", since=AS_OF - timedelta(hours=2))
    validate_pending(world.settings)
    assert [world.gate(run) for run in (nothing_new, nothing_in_window)] == ["passed", "passed"]


def test_two_versions_of_a_post_in_one_run_are_normal(world: World) -> None:
    ((key, post),) = good("twitter__posts").items()
    liked = {**post, "public_metrics": {**post["public_metrics"], "like_count": 235}}
    world.run("twitter__posts", [(key, post), (key, liked)])
    (result,) = validate_pending(world.settings)
    assert result.report == []


def test_a_post_made_while_the_run_read_is_not_from_the_future(world: World) -> None:
    ((key, post),) = good("twitter__posts").items()
    now = world.one("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    world.run("twitter__posts", {key: {**post, "created_at": now}})
    (result,) = validate_pending(world.settings)
    assert result.report == []


def test_two_gates_at_once_decide_every_run_once(world: World) -> None:
    runs = [
        world.run("twitter__posts", good("twitter__posts", str(account)), account_id=str(account))
        for account in range(20, 32)
    ]
    bad = world.run("twitter__posts", {POST: {"id": "1"}}, account_id="19")
    with ThreadPoolExecutor(2) as both:
        results = [each.result() for each in [both.submit(validate_pending, world.settings) for _ in range(2)]]
    decided = [result.run_id for found in results for result in found]
    assert sorted(decided) == sorted([*runs, bad])
    assert {world.gate(run) for run in runs} == {"passed"}
    assert world.gate(bad) == "quarantined"
    assert world.one("select count(*) from ops.cursors") == len(runs)


def test_a_run_that_was_taken_up_again_meanwhile_is_not_decided(world: World) -> None:
    world.run("twitter__posts", good("twitter__posts"), state="failed")
    (seen,) = pending(world.connection, None)
    world.connection.execute("update ops.extract_runs set lease_epoch = lease_epoch + 1")
    assert decide(world.connection, seen, []) is None
    assert world.gate(seen.run_id) == "pending"


def test_a_run_that_another_gate_is_deciding_is_left_to_it(world: World) -> None:
    locked = world.run("twitter__posts", good("twitter__posts"))
    free = world.run("twitter__posts", good("twitter__posts", "11"), account_id="11")
    # Should the gate ever wait for the lock, it fails and does not hang.
    database = sql.Identifier(world.settings.warehouse.database)
    world.connection.execute(sql.SQL("alter database {} set lock_timeout = '3s'").format(database))
    with closing(world.settings.warehouse.connect()) as other:
        other.execute("select 1 from ops.extract_runs where run_id = %s for update", (locked,))
        assert [result.run_id for result in validate_pending(world.settings)] == [free]
    assert [world.gate(run) for run in (locked, free)] == ["pending", "passed"]


def test_judgement_and_cursor_are_one_transaction(world: World) -> None:
    run_id = world.run("twitter__posts", good("twitter__posts"))
    world.connection.execute("alter table ops.cursors add check (watermark < '2000-01-01')")
    with pytest.raises(psycopg.errors.CheckViolation):
        validate_pending(world.settings)
    assert world.gate(run_id) == "pending"


def test_a_stream_that_cannot_be_judged_holds_up_no_other(world: World) -> None:
    unjudged = world.run("facebook__posts", good("facebook__posts"))
    fine = world.run("twitter__posts", good("twitter__posts"))
    world.connection.execute("alter table raw.facebook__posts rename column payload to body")
    with pytest.raises(GateBroken, match="facebook__posts"):
        validate_pending(world.settings)
    assert [world.gate(run) for run in (unjudged, fine)] == ["pending", "passed"]


def test_more_rows_than_a_portion_are_judged_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 7)
    posts = {str(n): {**GOOD["twitter__posts"][POST], "id": str(n)} for n in range(1, 31)}
    for key in ("3", "29"):
        posts[key]["public_metrics"] = {"like_count": -1}
    world.run("twitter__posts", posts)
    (result,) = validate_pending(world.settings)
    (item,) = result.report
    assert (item["count"], sorted(item["rows"])) == (2, ["29", "3"])


def test_data_docs_keep_the_last_validation_of_every_stream(world: World, tmp_path: Path) -> None:
    world.run("twitter__posts", good("twitter__posts"))
    validate_pending(world.settings, docs_dir=tmp_path)
    world.run("facebook__posts", {f"{ACCOUNT}_1": {"id": f"{ACCOUNT}_1"}})
    validate_pending(world.settings, docs_dir=tmp_path)
    index = (tmp_path / "index.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "facebook__posts.html", "index.html", "twitter__posts.html",
    ]  # fmt: skip
    assert "1 expectations failed" in index
    assert "passed" in index
    assert f"{ACCOUNT}_1" in (tmp_path / "facebook__posts.html").read_text()
    for page in tmp_path.iterdir():
        assert world.settings.warehouse.password not in page.read_text()


def test_data_docs_run_no_script_that_a_platform_sent(world: World, tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    ((key, point),) = good("facebook__account_daily").items()
    world.run("facebook__account_daily", {key.replace("page_follows", script): {**point, "name": script + "<img>"}})
    validate_pending(world.settings, docs_dir=tmp_path)
    page = (tmp_path / "facebook__account_daily.html").read_text()
    assert "alert(1)" in page
    assert script not in page


def test_runs_without_rows_pass_without_loading_great_expectations(world: World) -> None:
    world.run("twitter__posts", listed=3)
    program = (
        "import sys; from expectations.gate import validate_pending; from extractors.settings import Settings\n"
        "results = validate_pending(Settings.from_environment())\n"
        "print([result.passed for result in results], 'great_expectations' in sys.modules)"
    )
    assert run_python("-c", program, world=world).stdout.strip() == "[True] False"


def test_the_gate_opens_no_connection_but_the_warehouses(world: World, tmp_path: Path) -> None:
    world.run("twitter__posts", good("twitter__posts"))
    # libpq connects from C: every connection that Python makes would be somebody else's.
    program = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'): print('CALLED', event, arguments[1:], flush=True)\n"
        "sys.addaudithook(refuse)\n"
        "from expectations.__main__ import main\n"
        f"main(['validate', '--docs', {str(tmp_path)!r}])"
    )
    assert run_python("-c", program, world=world).stdout == "1 runs with 1 rows: 1 passed, 0 quarantined\n"


def test_the_command_line_names_what_it_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in world.settings.warehouse.environment().items():
        monkeypatch.setenv(name, value)
    wrong = {POST: {**GOOD["twitter__posts"][POST], "id": "1"}}
    refused = world.run("twitter__posts", wrong)
    assert main(["validate"]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    line, summary = said.out.splitlines()
    assert summary == "1 runs with 1 rows: 0 passed, 1 quarantined"
    for part in ("twitter__posts", ACCOUNT, "expect_column_pair_values_to_be_equal", POST, refused, "docs/runbook.md"):
        assert part in line
    world.run("twitter__posts", wrong)
    world.run("facebook__posts", good("facebook__posts"))
    assert main(["validate", "--json"]) == 1
    answer = {result["stream"]: result for result in json.loads(capsys.readouterr().out)}
    assert answer["facebook__posts"]["passed"]
    assert answer["twitter__posts"]["report"][0]["rows"] == [POST]
    assert main(["validate"]) == 0


def test_an_unreachable_warehouse_is_one_line_and_status_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "a", "PGDATABASE": "b"}.items():
        monkeypatch.setenv(name, value)
    assert main(["validate"]) == 2
    assert "cannot be reached" in capsys.readouterr().err


def test_a_warehouse_without_a_ledger_says_migrate(new_database, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    for name, value in new_database("template0").items():
        monkeypatch.setenv(name, value)
    assert main(["validate"]) == 2
    assert "python -m extractors migrate" in capsys.readouterr().err


def test_an_unknown_platform_is_misuse() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["validate", "--platform", "myspace"])
    assert stopped.value.code == 2


def test_the_list_says_in_words_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert all(stream in said for stream in GOOD)
    assert "nothing was published before 2004" in said


def run_python(*arguments: str, world: World) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **world.settings.warehouse.environment(), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
