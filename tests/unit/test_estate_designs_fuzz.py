"""Whatever is done to a design or to a migration into one, reading ends in an estate or in EstateErrors."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sluice.estate import EstateErrors, SingleTableMigration, read_estate
from sluice.records import compile_shape

from tests.unit.test_estate_fuzz import LINE, edited, edits, values
from tests.unit.tyler import ROOT, SAMPLES, lay_out

FILES = [
    "include/estate/estate.yaml",
    "include/estate/tyler.yaml",
    "include/estate/migrations/tyler_users.yaml",
    "include/estate/migrations/tyler_refresh_tokens.yaml",
    "include/estate/migrations/tyler_audit_log.yaml",
]
GOOD = {file: (SAMPLES / Path(file).name if "/migrations/" in file else ROOT / file).read_text() for file in FILES}


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """The sample estate to spoil. Three migrations will do: each reading reads them all."""
    with tempfile.TemporaryDirectory() as folder:
        root = lay_out(Path(folder) / "project")
        for path in (root / "include/estate/migrations").glob("*.yaml"):
            if path.relative_to(root).as_posix() not in FILES:
                path.unlink()
        yield root


def outcome(root: Path, file: str, text: str) -> None:
    """Read the project with one file changed; what is read can be compiled, and what is wrong is a line."""
    (root / file).write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        for migration in read_estate(root).migrations.values():
            if isinstance(migration, SingleTableMigration):
                compile_shape(migration)
    except EstateErrors as errors:
        assert errors.mistakes
        assert all(LINE.fullmatch(line) for line in str(errors).splitlines()), str(errors)
    finally:
        (root / file).write_text(GOOD[file])


@settings(max_examples=200, deadline=None)
@given(file=some.sampled_from(FILES), changes=some.lists(edits, min_size=1, max_size=4))
def test_a_spoilt_file_is_read_or_refused(project: Path, file: str, changes: list[tuple[float, int, str]]):
    text = GOOD[file]
    for change in changes:
        text = edited(text, change)
    outcome(project, file, text)


@settings(max_examples=400, deadline=None)
@given(file=some.sampled_from(FILES), place=some.integers(0, 400), value=values)
def test_any_value_in_any_place_is_read_or_refused(project: Path, file: str, place: int, value: object):
    leaves = list(re.finditer(r'(?<=: )("[^"\n]*"|[\w.#-]+|\{[^{}\n]*\}|\[[^\]\n]*\])(?=[,}\n ])', GOOD[file]))
    leaf = leaves[place % len(leaves)]
    written = json.dumps(value, default=str)
    outcome(project, file, GOOD[file][: leaf.start()] + written + GOOD[file][leaf.end() :])


def test_the_untouched_files_are_good(project: Path):
    assert len(read_estate(project).migrations) == len(FILES) - 2
