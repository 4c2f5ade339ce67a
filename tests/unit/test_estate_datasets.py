"""The files of include/estate/datasets: a wrong one is told by what is wrong in it, and not by what is wrong elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sluice.estate.datasets import read_datasets
from sluice.estate.mistakes import EstateErrors
from sluice.estate.read import read_estate

KEPT = """
dataset: audit_log
store: main
table: app.audit_log
partition: {range: at, every: month}
"""
STORES = """
estate: here
stores: {main: {engine: postgres, connection: main_pg}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "include/estate/datasets"
    folder.mkdir(parents=True)
    (folder / "audit_log.yaml").write_text(KEPT)
    (tmp_path / "include/estate/estate.yaml").write_text(STORES)
    return tmp_path


def test_a_dataset_is_read(root: Path):
    found, wrong = read_datasets(root, {"main": "postgres"})
    assert (list(found), wrong) == (["audit_log"], [])


def test_a_store_that_is_not_there_is_told(root: Path):
    (mistake,) = read_datasets(root, {"other": "postgres"})[1]
    assert mistake.field == "store"


def test_where_the_stores_cannot_be_read_no_dataset_is_blamed(root: Path):
    (root / "include/estate/estate.yaml").write_text("estate: here\nstores: [nonsense]\n")
    with pytest.raises(EstateErrors) as refused:
        read_estate(root)
    assert "datasets" not in str(refused.value)


RETENTION = """
retention:
  keep: 12 months
  then: drop
  tenant: tenant_id
  holds:
    - {from: 2024-01, until: 2024-06, because: case 12-345}
"""


def test_retention_is_read(root: Path):
    (root / "include/estate/datasets/audit_log.yaml").write_text(KEPT + RETENTION)
    found, wrong = read_datasets(root, {"main": "postgres"})
    assert wrong == []
    retention = found["audit_log"].retention
    assert retention is not None
    assert (str(retention.keep), retention.then, retention.cooling) == ("12 months", "drop", timedelta(days=7))
    assert [(hold.from_month, hold.until_month) for hold in retention.holds] == [("2024-01", "2024-06")]


@pytest.mark.parametrize(("told", "said"), [("1 week", "1 weeks"), ("26 weeks", "26 weeks")])
def test_weeks_are_kept_where_months_and_days_are(root: Path, told: str, said: str):
    weekly = f"{KEPT}{RETENTION}  in_vault: {told}\n".replace("keep: 12 months", f"keep: {told}")
    (root / "include/estate/datasets/audit_log.yaml").write_text(weekly)
    found, wrong = read_datasets(root, {"main": "postgres"})
    assert wrong == []
    retention = found["audit_log"].retention
    assert retention is not None and retention.in_vault is not None
    assert (str(retention.keep), retention.in_vault.days) == (said, 7 * int(told.split()[0]))


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("keep: 12 months", "keep: 12mo", "retention.keep: "),
        ("until: 2024-06", "until: 2023-12", "retention.holds[0].until: "),
        ("from: 2024-01", "from: 2024-13", "retention.holds[0].from: "),
        ("then: drop", "then: forget", "retention.then: "),
        ("then: drop", "then: archive\n  late: side", "retention.late: "),
        ("then: drop", "then: drop\n  late: never", "retention.late: "),
        ("range: at, every: month", "list: tenant_id", "retention: found a table that no range cuts"),
    ],
)
def test_a_retention_that_cannot_be_is_told(root: Path, right: str, wrong: str, told: str):
    (root / "include/estate/datasets/audit_log.yaml").write_text((KEPT + RETENTION).replace(right, wrong))
    (mistake,) = read_datasets(root, {"main": "postgres"})[1]
    assert told in str(mistake)
