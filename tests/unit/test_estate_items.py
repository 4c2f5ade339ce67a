"""The files of include/estate/items: a wrong one is told by what is wrong in it, with the design that it names."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sluice.estate import EstateErrors, read_estate, read_items
from sluice.estate.items_files import read_all_items

ROOT = Path(__file__).parents[2]
ENGINES = {"certify": "postgres", "tyler": "dynamodb"}
TRAIL = """items: trail
model: tyler
entity: audit
archive:
  since: 2024-01
  keep: 12 months
  then: delete
  holds:
    - {from: 2024-01, until: 2024-06, because: case 12-345}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "include/estate/items").mkdir(parents=True)
    for name in ("estate.yaml", "tyler.yaml"):
        shutil.copy(ROOT / "include/estate" / name, tmp_path / "include/estate")
    (tmp_path / "include/estate/items/trail.yaml").write_text(TRAIL)
    return tmp_path


def test_a_file_is_read_with_its_design(root: Path):
    items = read_items(root / "include/estate/items/trail.yaml", ENGINES)
    assert (items.file.archive.then, items.file.archive.cooling, items.file.archive.approve) == (
        "delete",
        timedelta(days=7),
        True,
    )
    assert (items.table.name, items.by_month.name, items.by_month.time) == ("tyler-entity", "GSI4", "timestamp")
    assert list(read_estate(root).items) == ["trail"]


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("items: trail", "items: other", "items: found"),
        ("model: tyler", "model: taylor", "model: found"),
        ("entity: audit", "entity: audits", "entity: found"),
        ("entity: audit", "entity: user", "entity of one record"),
        ("entity: audit", "entity: refresh_token", "expires by ttl"),
        ("entity: audit", "entity: config", "which no index lists by month"),
        ("since: 2024-01", "since: 0001-01", "1970-01 or a later month"),
        ("since: 2024-01", "since: 2024-13", "archive.since: "),
        ("keep: 12 months", "keep: 12mo", "archive.keep: "),
        ("then: delete", "then: drop", "archive.then: "),
        ("until: 2024-06", "until: 2023-12", "archive.holds[0].until: "),
    ],
)
def test_a_file_that_cannot_be_is_told(root: Path, right: str, wrong: str, told: str):
    assert right in TRAIL
    (root / "include/estate/items/trail.yaml").write_text(TRAIL.replace(right, wrong))
    (mistake,) = read_all_items(root, ENGINES)[1]
    assert told in str(mistake)
    with pytest.raises(EstateErrors):
        read_estate(root)


def test_two_files_do_not_take_one_entity(root: Path):
    (root / "include/estate/items/again.yaml").write_text(TRAIL.replace("items: trail", "items: again"))
    found, wrong = read_all_items(root, ENGINES)
    assert found == {}
    assert [mistake.field for mistake in wrong] == ["entity", "entity"]
    assert "include/estate/items/trail.yaml:3 has it" in str(wrong[0])


def test_a_mistake_in_the_design_is_told_with_it(root: Path):
    design = root / "include/estate/tyler.yaml"
    design.write_text(design.read_text().replace("GSI4PK: ", "GSI9PK: "))
    with pytest.raises(EstateErrors, match=r"tyler\.yaml"):
        read_items(root / "include/estate/items/trail.yaml", ENGINES)


EXPIRES = """items: events
model: tyler
entity: event
expires: {within: 31d}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("entity: event", "entity: config", "which does not expire"),
        ("expires: {within: 31d}", "", "the file: found neither of them, allowed: archive or expires"),
        ("within: 31d", "within: 31 days", "expires.within: "),
        ("within: 31d", "within: 31d, read_units: 0", "expires.read_units: "),
    ],
)
def test_what_expires_is_checked_too(root: Path, right: str, wrong: str, told: str):
    path = root / "include/estate/items/events.yaml"
    path.write_text(EXPIRES)
    assert read_items(path, ENGINES).file.archive is None
    path.write_text(EXPIRES.replace(right, wrong))
    (mistake,) = read_all_items(root, ENGINES)[1]
    assert told in str(mistake)
