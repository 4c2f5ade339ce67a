"""A YAML file with mistakes gets a DAG that says so, and hides no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException


class MendTheFile(BaseOperator):
    """Fails with the file's mistakes."""

    def __init__(self, *, mistakes: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mistakes = mistakes

    def execute(self, context: Any) -> None:
        """Say what is wrong. Raises AirflowFailException."""
        raise AirflowFailException(self.mistakes)


def broken_dag(family: str, path: Path, error: Exception) -> DAG:
    """Give a DAG that shows the mistakes in its documentation and fails with them when it is run.

    It is named by its file, so that `orders.yml` does not stand in for `orders.yaml`.
    """
    name = path.stem if path.suffix == ".yaml" else path.name
    dag_id = f"{family}__{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}"
    dag = DAG(dag_id=dag_id, schedule=None, doc_md=f"**This file has mistakes.**\n\n```\n{error}\n```", tags=["broken"])
    with dag:
        MendTheFile(task_id="mend_the_file", mistakes=str(error), retries=0)
    return dag
