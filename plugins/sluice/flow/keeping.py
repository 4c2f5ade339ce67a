"""The operators of upkeep: list the tables that are kept, make their partitions ahead, and judge how they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import dsn_of, opened_control
from sluice.flow.gate import FactsGate
from sluice.flow.project import ROOT, dataset_names, dataset_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate import Dataset
    from sluice.stores.postgres import Connection


CURE = (
    "%s has partitions that are less closed than itself, and the gate is red until they are not. This closes them; run it as who"
    " owns the table, once nobody has to read a partition directly any more:\n%s;"
)


class ListDatasets(BaseOperator):
    """List the tables that are kept: the files of include/estate/datasets. One that is wrong is told by its own task."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        check_words(context)
        found = dataset_names()
        if not found:
            raise AirflowSkipException("No table is kept: include/estate/datasets has no file.")
        return found


class MakePartitions(BaseOperator):
    """Make the partitions of one table that are missing, and leave what was seen then for the gate."""

    template_fields: Sequence[str] = ("dataset",)
    ui_color = "#dcefe2"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many were made. Skipped while the table is being migrated. Raises EstateErrors, what the database refuses."""
        from sluice.ledger.in_flight import InFlight
        from sluice.upkeep.partitions.keeping import apply_partitions, plan_partitions, verify_partitions

        with opened_dataset(self.dataset) as (dataset, c):
            planned = plan_partitions(c, dataset)
            if planned.kept_by_another:
                self.log.warning(
                    "%s is kept by pg_partman: nothing is made here, it is looked at alone.", dataset.table
                )
            self.log.info(
                "%s: %s\n%s", dataset.table, "\n".join(map(str, planned.actions)) or "all is there", planned.sql
            )
            if planned.cure:
                self.log.warning(CURE, dataset.table, ";\n".join(planned.cure))
            if context["params"]["dry_run"]:
                raise AirflowSkipException("A dry run: nothing was changed.")
            try:
                made = apply_partitions(c, dataset, lambda told: self.log.info("done: %s", told))
            except InFlight as told:
                raise AirflowSkipException(str(told)) from told
            facts = verify_partitions(c, dataset)
        with opened_control(self.dataset, context["run_id"]) as control:
            control.record_facts("partitions_ahead", {**facts, "made": made}, epoch=1)
        return {"made": made, "headroom_days": facts["headroom_days"]}


class DatasetGate(FactsGate):
    """A gate over the facts of one table that is kept."""

    template_fields: Sequence[str] = ("dataset", "gate", "suites")

    def __init__(self, *, dataset: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.dataset = dataset

    @property
    def whose(self) -> str:
        """The dataset."""
        return self.dataset

    @property
    def subject(self) -> str:
        """Its table."""
        return dataset_of(self.dataset).table


@contextmanager
def opened_dataset(name: str) -> Iterator[tuple[Dataset, Connection]]:
    """Read a dataset's file and open its store; the connection is closed afterwards."""
    from sluice.estate import read_stores
    from sluice.stores.postgres import connect

    dataset = dataset_of(name)
    c = connect(dsn_of(read_stores(ROOT).stores[dataset.store].connection), purpose=f"upkeep {name}")
    try:
        yield dataset, c
    finally:
        c.close()
