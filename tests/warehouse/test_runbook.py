"""What the runbook tells people to type: every statement and every command, typed at a warehouse."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from extractors.credentials import scope_of
from extractors.sealing import Keyring, new_key
from tests.conftest import ROOT
from tests.expectations.samples import good
from tests.warehouse.conftest import Environment, connect, read
from tests.warehouse.landing import AS_OF, TWITTER, land

TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
STATEMENTS = [said.strip() for kind, text in FENCES if kind == "sql" for said in text.split(";\n") if said.strip()]
#: What they are remedies for.
BEFORE = {
    "alter table raw.twitter__posts add": "alter table raw.twitter__posts drop constraint twitter__posts_pkey",
}
TYPED = [line.split(" #")[0].strip() for kind, text in FENCES if not kind for line in text.splitlines()]
#: A rebuild costs minutes and has a test of its own (test_as_of.py).
ELSEWHERE = "--as-of|as_of:"
COMMANDS = [line for line in TYPED if line and not re.search(ELSEWHERE, line)]
#: In the text, not in a fence: their options exist.
NAMED = sorted(set(re.findall(r"`(python -m [^`\n]+)`", TEXT)))


@pytest.mark.slow
@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda said: " ".join(said.split())[:60])
def test_a_statement_runs(built: Environment, statement: str) -> None:
    with connect(built) as connection, connection.transaction(force_rollback=True):
        for begins, before in BEFORE.items():
            if statement.startswith(begins):
                connection.execute(before)
        connection.execute(statement.encode())


def test_no_statement_is_missed() -> None:
    assert len(STATEMENTS) > 15
    assert len(COMMANDS) > 8


@pytest.fixture(scope="module")
def troubled(new_database: Callable[[str], Environment], built: Environment) -> Environment:
    """What the commands speak of: an entry 17, a business 7 with a post, a token of NAME sealed with the old key."""
    environment = new_database(built["PGDATABASE"])
    new, old = new_key(), new_key()
    ((post_id, sample),) = good("twitter__posts").items()
    post = {**sample, "author_id": TWITTER.account_id}
    with connect(environment) as connection:
        connection.execute("insert into ops.businesses (business_id, name, timezone) values (7, 'Seven', 'UTC')")
        connection.execute(
            "insert into ops.accounts (business_id, platform, account_id, credential)"
            " values (7, 'facebook', '102', 'none')"
        )
        run_id = land(connection, TWITTER, "posts", {post_id: post})
        connection.execute(
            "insert into ops.quarantine (quarantine_id, run_id, business_id, platform, account_id, stream, record_key,"
            " reason, detail, body, observed_at, last_run_id, last_seen_at) overriding system value"
            " select 17, run_id, business_id, platform, account_id, stream, record_key, 'SetAside', 'too odd',"
            " convert_to(payload::text, 'UTF8'), %s, run_id, %s from raw.twitter__posts"
            " inner join ops.extract_runs using (run_id, business_id, account_id) where run_id = %s",
            (AS_OF, AS_OF, run_id),
        )
        connection.execute("delete from raw.twitter__posts where run_id = %s", (run_id,))
        connection.execute(
            "insert into ops.credentials (platform, credential, state, sealed)"
            " values ('twitter', 'NAME', 'current', %s)",
            (Keyring.parse(old).seal(b"{}", scope_of("twitter", "NAME")),),
        )
    return {**environment, "CREDENTIALS_KEY": f"{new},{old}"}


def typed(environment: Environment, line: str) -> subprocess.CompletedProcess[str]:
    """Type a line of the runbook into a shell's place."""
    program, *arguments = shlex.split(line)
    assert program == "python", line
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_runs(troubled: Environment, line: str) -> None:
    done = typed(troubled, line)
    # `credentials list` says 1 while a token needs a person: here none has any.
    assert done.returncode == int(line.endswith("credentials list")), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_they_did(troubled: Environment) -> None:
    """In the order of the runbook, after all of them."""
    assert read(troubled, "select credential from ops.credentials") == []
    assert read(troubled, "select resolved_at is not null as done from ops.quarantine where quarantine_id = 17") == [
        {"done": True}
    ]
    assert read(troubled, "select is_enabled from ops.accounts where business_id = 7") == [{"is_enabled": False}]


@pytest.mark.parametrize("line", NAMED)
def test_a_command_named_in_passing_exists(line: str) -> None:
    example = {"BUSINESS": "1", "NAME": "posts", "D": "2026-01-01", "DIR": "docs"}
    program, *arguments = [example.get(word, word) for word in shlex.split(line)]
    done = subprocess.run([sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (program, done.returncode) == ("python", 0), done.stderr
