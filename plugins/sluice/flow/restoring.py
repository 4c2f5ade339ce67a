"""The operator that brings a month back: into its table, or as a copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.archiving import opened_archive
from sluice.flow.connections import open_vault
from sluice.flow.copies import opened_store
from sluice.flow.project import dataset_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.upkeep.partitions.spans import Span


class RestoreMonth(BaseOperator):
    """Bring a month back into its table, or a copy of it beside the table or into another store."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> list[str]:
        """Give the tables that are back. Raises NotBroughtBack, SeveralExports, Damaged, Unlike."""
        from sluice.upkeep.partitions.spans import span_at

        check_words(context)
        asked = context["params"]
        month = span_at(datetime.strptime(asked["month"], "%Y-%m").replace(tzinfo=UTC), "month")
        lasts = timedelta(days=asked["days"])
        if asked["where"] == "beside":
            return self._copied(asked["dataset"], month, lasts, asked["store"], asked["manifest"])
        if asked["manifest"] or asked["store"] not in ("", dataset_of(asked["dataset"]).store):
            raise AirflowFailException(
                "In place is in the table that it left, by the word of its own ledger. With another store or a manifest of"
                " your choice, say `where`: beside. Nothing was done."
            )
        with opened_archive(asked["dataset"]) as archive:
            back = archive.restore_all(month, lasts, self.log.info)
        return [str(month.partition) for month in back]

    def _copied(self, name: str, month: Span, lasts: timedelta, store: str, manifest: str) -> list[str]:
        from sluice.upkeep.archive.copying import copy_months

        dataset = dataset_of(name)
        with opened_store(store or dataset.store) as (keeper, _):
            place = (store or dataset.store, manifest)
            made = copy_months(keeper, open_vault(), dataset, month, lasts, self.log.info, *place)
        return [str(copy.table) for copy in made]
