"""Files that are whole whenever they can be seen, and a manifest that never describes another file.

A file is written under a temporary name in its own folder, checked against nothing but the disk (flush and fsync), and
then takes its final name in one step. A set of files and its manifest are published in this order:

1. all files and the new manifest are written under temporary names; a failure up to here changes nothing
2. the old manifest goes, if a file below it is about to change
3. the files take their final names
4. the manifest takes its final name, last of all

A reader who trusts manifests alone therefore sees the old set, for some milliseconds none, then the new set; never a
manifest beside a file it does not describe, at whatever point the writer dies. A reader who opened the manifest before
step 2 and the file after step 3 sees that the sha-256 differs, and begins again. A crash leaves temporary files, which
the next writer removes, or files without a manifest, which it replaces. One writer at a time is the caller's duty.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from extractors.errors import PipelineError
from reports.renderers import count_csv_rows

FILE_MODE, FOLDER_MODE = 0o640, 0o750
TEMPORARY = ".tmp-"
MANIFEST = ".manifest.json"


class ExportFailed(PipelineError):
    """The files could not be written; what was there before is still there."""

    action = "look at the disk"


@dataclass(frozen=True, slots=True)
class Written:
    """A published file as its manifest describes it: name in its folder, format, rows, bytes, sha-256 in hex."""

    name: str
    format: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole file that nobody sees yet, and where it belongs."""

    temporary: Path
    final: Path
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing below a folder of exports that is not as its manifest says."""

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@contextlib.contextmanager
def prepared_folder(folder: Path) -> Iterator[Path]:
    """Make a folder and clear what dead writers left; whatever fails inside leaves no temporary file behind.

    Raises ExportFailed, naming the folder, for what the disk or its permissions refuse.
    """
    try:
        _make_folder(folder)
        _remove_temporaries(folder)
        try:
            yield folder
        finally:
            _remove_temporaries(folder)
    except OSError as error:
        raise ExportFailed(
            f"{folder} cannot be written: {error.strerror or error}",
            "check free space and permissions there; what was there before is unchanged",
        ) from error


def write_draft(final: Path, chunks: Iterable[bytes]) -> Draft:
    """Write a file in full under a temporary name beside its final one. Raises OSError, and what `chunks` raises."""
    temporary = final.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)  # whatever the umask
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    return Draft(temporary, final, size, digest.hexdigest())


def publish(drafts: Iterable[Draft], manifest: Draft) -> None:
    """Give drafts of one folder their final names, the manifest last. Raises OSError."""
    changed = [draft for draft in drafts if not _is_there(draft)]
    if changed:
        manifest.final.unlink(missing_ok=True)
        _sync_folder(manifest.final.parent)
    for draft in changed:
        draft.temporary.replace(draft.final)
    if changed:
        _sync_folder(manifest.final.parent)
    manifest.temporary.replace(manifest.final)
    _sync_folder(manifest.final.parent)


def manifest_bytes(facts: Mapping[str, Any], written: Iterable[Written]) -> bytes:
    """Return the manifest: the facts of the export, then its files."""
    document = {**facts, "files": [asdict(each) for each in written]}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def verify(folder: Path) -> tuple[int, list[Difference]]:
    """Compare every file below a folder with its manifest; return the number of manifests, and what differs."""
    manifests = sorted(path for path in folder.rglob(f"*{MANIFEST}") if not path.name.startswith(TEMPORARY))
    described: set[Path] = set()
    differences = []
    for manifest in manifests:
        try:
            files = _described_files(manifest)
        except (ValueError, KeyError, TypeError):
            differences.append(Difference(manifest, "is no manifest of ours"))
            continue
        described.update(files)
        found = (_difference(path, file) for path, file in files.items())
        differences.extend(each for each in found if each is not None)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in described and path not in manifests and not path.name.startswith("."):
            differences.append(Difference(path, "no manifest describes it; it was not finished, or is not ours"))
    return len(manifests), differences


def _described_files(manifest: Path) -> dict[Path, Written]:
    files = [Written(**entry) for entry in json.loads(manifest.read_bytes())["files"]]
    if any(Path(file.name).name != file.name for file in files):
        raise ValueError("a manifest describes the files beside it and no others")
    return {manifest.parent / file.name: file for file in files}


def _difference(path: Path, expected: Written) -> Difference | None:
    if not path.is_file():
        return Difference(path, "is missing")
    size = path.stat().st_size
    if size != expected.bytes:
        return Difference(path, f"has {size} bytes, the manifest says {expected.bytes}")
    digest = file_digest(path)
    if digest != expected.sha256:
        return Difference(path, f"has the sha-256 {digest}, the manifest says {expected.sha256}")
    count = COUNTERS.get(expected.format)
    if count is not None and (rows := count(path)) != expected.rows:
        return Difference(path, f"has {rows} rows, the manifest says {expected.rows}")
    return None


def file_digest(path: Path) -> str:
    """Return a file's sha-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count_csv(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as lines:
        return count_csv_rows(lines)


COUNTERS: Mapping[str, Callable[[Path], int]] = {"csv": _count_csv}


def _is_there(draft: Draft) -> bool:
    """Tell whether the final name already holds these bytes."""
    return (
        draft.final.is_file() and draft.final.stat().st_size == draft.bytes and file_digest(draft.final) == draft.sha256
    )


def _make_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _sync_folder(each.parent)


def _remove_temporaries(folder: Path) -> None:
    for leftover in folder.glob(f"{TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
