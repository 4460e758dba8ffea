"""Files that are whole whenever they can be seen, whatever stops the writer."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports import files
from reports.files import ExportFailed, Written
from tests.reports.conftest import ROOT

NAME, MANIFEST = "r_1_2026.csv", "r_1_2026.manifest.json"


def export(folder: Path, *rows: str) -> None:
    """Publish one file with these rows and its manifest."""
    with files.prepared_folder(folder):
        draft = files.write_draft(folder / NAME, (f"{row}\r\n".encode() for row in ("a", *rows)))
        written = Written(NAME, "csv", len(rows), draft.bytes, draft.sha256)
        manifest = files.write_draft(folder / MANIFEST, [files.manifest_bytes({"rows": len(rows)}, [written])])
        files.publish([draft], manifest)


def state(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def problems(folder: Path) -> list[str]:
    """Return what `verify` finds."""
    return [str(each) for each in files.verify(folder)[1]]


def test_an_export_is_the_file_and_a_manifest_that_agrees(tmp_path: Path) -> None:
    folder = tmp_path / "exports" / "r" / "1" / "2026"
    export(folder, "x", '"two\r\nlines"')
    assert sorted(state(folder)) == [NAME, MANIFEST]
    described = json.loads((folder / MANIFEST).read_text())["files"]
    assert [(each["name"], each["rows"], each["bytes"]) for each in described] == [(NAME, 2, 20)]
    assert files.verify(tmp_path) == (1, [])


def test_files_and_folders_are_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        export(tmp_path / "new", "x")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes == {0o640}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o750


@pytest.mark.fault("F02")
def test_rows_that_raise_in_the_middle_leave_the_old_export_alone(tmp_path: Path) -> None:
    export(tmp_path, "old")
    before = state(tmp_path)

    def rows() -> Iterator[bytes]:
        yield b"a\r\n"
        raise ConnectionError("the database went away")

    with pytest.raises(ExportFailed), files.prepared_folder(tmp_path):
        files.write_draft(tmp_path / NAME, rows())
    assert state(tmp_path) == before


@pytest.mark.fault("F03")
def test_a_full_disk_leaves_the_old_export_alone_and_names_the_folder(tmp_path: Path) -> None:
    export(tmp_path, "old")
    before = state(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ExportFailed, match="cannot be written: File too large") as caught:
            export(tmp_path, *("x" * 1000 for _ in range(1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert str(tmp_path) in str(caught.value)
    assert state(tmp_path) == before


def test_a_place_where_a_file_stands_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("in the way")
    with pytest.raises(ExportFailed, match="exports"):
        export(tmp_path / "exports" / "r", "x")


# Where a writer may be killed: at the nth call of these, counted over the whole export.
STEPS = [("os.fsync", number) for number in range(1, 6)] + [
    ("pathlib.Path.replace", 1),
    ("pathlib.Path.replace", 2),
    ("pathlib.Path.unlink", 1),
]


@pytest.mark.fault("F02", "F06")
@pytest.mark.parametrize(("step", "number"), STEPS)
def test_a_killed_writer_leaves_no_manifest_that_lies(tmp_path: Path, step: str, number: int) -> None:
    export(tmp_path, "old")
    old = state(tmp_path)
    export(tmp_path / "whole", "new", "rows")
    new = state(tmp_path / "whole")
    for path in (tmp_path / "whole").iterdir():
        path.unlink()
    (tmp_path / "whole").rmdir()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), step, str(number)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    seen = {name: data for name, data in state(tmp_path).items() if not name.startswith(files.TEMPORARY)}
    assert MANIFEST not in seen or seen in (old, new)
    assert seen[NAME] in (old[NAME], new[NAME])
    export(tmp_path, "new", "rows")
    assert state(tmp_path) == new


KILLED = textwrap.dedent("""
    import os, pathlib, signal, sys
    from tests.reports.test_files import export
    folder, step, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    owner = os if step.startswith("os.") else pathlib.Path
    real, calls = getattr(owner, step.rpartition(".")[2]), 0
    def dying(*arguments, **options):
        global calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(owner, step.rpartition(".")[2], dying)
    export(pathlib.Path(folder), "new", "rows")
""")


@pytest.mark.fault("F02")
def test_a_reader_never_sees_a_manifest_of_another_file(tmp_path: Path) -> None:
    export(tmp_path, "0")
    done = threading.Event()
    lies, looks = [], 0

    def write() -> None:
        for number in range(1, 150):
            export(tmp_path, *(str(number) for _ in range(number % 7 + 1)))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        looks += 1
        try:
            first = (tmp_path / MANIFEST).read_bytes()
            found = problems(tmp_path)
            second = (tmp_path / MANIFEST).read_bytes()
        except FileNotFoundError:
            continue
        # Only what lay still while it was looked at can lie; a changed manifest says: begin again.
        if first == second:
            lies.extend(found)
    writer.join()
    assert lies == []
    assert looks > 10


def test_writing_the_same_again_never_takes_the_manifest_away(tmp_path: Path) -> None:
    export(tmp_path, "x")
    inode = (tmp_path / NAME).stat().st_ino
    export(tmp_path, "x")
    assert (tmp_path / NAME).stat().st_ino == inode
    assert problems(tmp_path) == []


@pytest.mark.fault("F08")
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / NAME).write_bytes(b"a\r\ny\r\n"), "has the sha-256"),
        (lambda folder: (folder / NAME).write_bytes(b"a\r\n"), "has 3 bytes, the manifest says 6"),
        (lambda folder: (folder / NAME).unlink(), "is missing"),
        (lambda folder: (folder / MANIFEST).unlink(), "no manifest describes it"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "is no manifest of ours"),
        (lambda folder: (folder / MANIFEST).write_text(json.dumps({"files": [{"name": "x"}]})), "is no manifest"),
        (
            lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text().replace(NAME, "../x")),
            "is no manifest of ours",
        ),
        (
            lambda folder: (folder / MANIFEST).write_text(
                (folder / MANIFEST).read_text().replace('"rows": 1', '"rows": 2')
            ),
            "has 1 rows, the manifest says 2",
        ),
    ],
)
def test_verify_names_what_is_not_as_the_manifest_says(tmp_path: Path, damage: object, problem: str) -> None:
    export(tmp_path, "x")
    assert callable(damage)
    damage(tmp_path)
    assert any(problem in found for found in problems(tmp_path)), problems(tmp_path)
