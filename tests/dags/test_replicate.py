"""The DAG that delivers changes: it goes round and round where there is something to follow, and not at all elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sluice.estate import any_follows_later

ROOT = Path(__file__).parents[2]
USERS = ROOT / "include" / "samples" / "tyler" / "tyler_users.yaml"


def test_an_estate_without_streams_has_nothing_to_go_round_for(bag) -> None:
    assert any_follows_later(ROOT) is (bag.dags["replicate_changes"].schedule is not None)


@pytest.mark.parametrize(
    ("text", "follows"), [(USERS.read_text(), True), ("kind: same_cluster", False), ("kind: [x", False)]
)
def test_a_migration_on_dynamodb_is_followed(tmp_path: Path, text: str, follows: bool) -> None:
    folder = tmp_path / "include" / "estate" / "migrations"
    folder.mkdir(parents=True)
    (folder / "users.yaml").write_text(text)
    assert any_follows_later(tmp_path) is follows


@pytest.mark.parametrize("name", ["replicate_changes", "collect_samples", "refresh_overview"])
def test_each_run_has_a_logical_date_of_its_own(bag, name: str) -> None:
    """Airflow makes no second run of one logical date: with an empty first interval it would stop after one."""
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.timetables.simple import ContinuousTimetable

    dag = bag.dags[name]
    between = TimeRestriction(earliest=dag.start_date, latest=None, catchup=False)
    first = ContinuousTimetable().next_dagrun_info(last_automated_data_interval=None, restriction=between)
    second = ContinuousTimetable().next_dagrun_info(
        last_automated_data_interval=first.data_interval, restriction=between
    )
    assert first.logical_date < second.logical_date <= datetime.now(UTC)
    assert isinstance(first.data_interval, DataInterval)
