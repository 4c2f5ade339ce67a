"""A run is told nothing that its form does not have: a misspelt dry_run must not become a real run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.samples import MIGRATIONS

FIRST = {
    "create_partitions": "list_datasets",
    "archive_retention": "list_datasets",
    "maintain_airflow": "take_backup",
    "archive_items": "list_items",
    f"migrate__{MIGRATIONS[0]}": "preflight.plan_way",
}


@pytest.mark.parametrize("dag_id", FIRST)
def test_the_first_task_refuses_a_word_that_the_form_does_not_have(bag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    context = {"dag": dag, "dag_run": SimpleNamespace(conf={"dry_rum": True}), "run_id": "manual", "params": {}}
    with pytest.raises(AirflowFailException, match=r"Unknown: dry_rum\. Did you mean dry_run\?.*Nothing was done"):
        dag.get_task(FIRST[dag_id]).execute(context)
