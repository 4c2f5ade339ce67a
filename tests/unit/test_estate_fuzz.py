"""Whatever is done to the files, reading them ends in an estate or in EstateErrors, soon, and on one line a mistake."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sluice.estate import Estate, EstateErrors, read_estate

ROOT = Path(__file__).parents[2]
GOOD = {
    "include/estate/estate.yaml": (ROOT / "include/estate/estate.yaml").read_text(),
    "include/estate/migrations/user_sessions.yaml": (ROOT / "include/estate/migrations/user_sessions.yaml").read_text(),
    "include/estate/migrations/audit_log.yaml": (ROOT / "include/estate/migrations/audit_log.yaml").read_text(),
}
LINE = re.compile(r"include/estate/[a-z_/]+\.yaml:[1-9][0-9]*: .+: found .+, allowed: .+")
SNIPPETS = [
    "", " ", "\n", "\t", ":", ": ", "- ", "? ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "!x ", "|", ">", "'", '"', "#", "%",
    "---\n", "...\n", "<<: ", "null", "~", "true", "0", "-1", "1e9", "2026-01-01", "99999999999999999999", "\0", "\ufeff",
    "\u2028", "\U0001f600", "\x85", "\ud800", '"\\x00"', "a: b\n", "  x: 1\n", "[[[[", "app.user_sessions", "store", "weaker_key",
]  # fmt: skip
snippets = some.sampled_from(SNIPPETS) | some.text(max_size=6)
edits = some.tuples(some.floats(0, 1), some.integers(0, 30), snippets)


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A copy of the sample estate to spoil."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "include/estate/migrations").mkdir(parents=True)
        (root / "expectations").mkdir()
        for suite in ("session_rules", "audit_rules"):
            (root / f"expectations/{suite}.json").write_text("{}")
        for file, text in GOOD.items():
            (root / file).write_text(text)
        yield root


def edited(text: str, edit: tuple[float, int, str]) -> str:
    """Cut out some characters somewhere, and put others in their place."""
    where, length, snippet = edit
    position = int(where * len(text))
    return text[:position] + snippet + text[position + length :]


def outcome(root: Path, file: str, content: bytes) -> Estate | EstateErrors:
    """Read the project with one file changed; anything but an estate or EstateErrors goes up."""
    (root / file).write_bytes(content)
    try:
        return read_estate(root)
    except EstateErrors as errors:
        assert errors.mistakes
        assert all(LINE.fullmatch(line) for line in str(errors).splitlines()), str(errors)
        return errors
    finally:
        (root / file).write_text(GOOD[file])


@settings(max_examples=300, deadline=2000)
@given(file=some.sampled_from(sorted(GOOD)), changes=some.lists(edits, min_size=1, max_size=5))
def test_a_spoilt_file_is_read_or_refused(project: Path, file: str, changes: list[tuple[float, int, str]]):
    text = GOOD[file]
    for change in changes:
        text = edited(text, change)
    outcome(project, file, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=100, deadline=2000)
@given(file=some.sampled_from(sorted(GOOD)), content=some.binary(max_size=200))
def test_bytes_of_any_kind_are_refused(project: Path, file: str, content: bytes):
    assert isinstance(outcome(project, file, content), EstateErrors)


values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20) | some.dates(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
LEAVES = sorted(set(re.findall(r"(?<=: )[\w.]+(?=[,}\n])", "\n".join(GOOD.values()))))


@settings(max_examples=200, deadline=2000)
@given(file=some.sampled_from(sorted(GOOD)), leaf=some.sampled_from(LEAVES), value=values)
def test_any_value_in_any_place_is_read_or_refused(project: Path, file: str, leaf: str, value: object):
    import json

    written = json.dumps(value, default=str)
    outcome(project, file, GOOD[file].replace(f": {leaf}", f": {written}").encode())


def test_the_untouched_files_are_good(project: Path):
    assert sorted(read_estate(project).migrations) == ["audit_log", "user_sessions"]
