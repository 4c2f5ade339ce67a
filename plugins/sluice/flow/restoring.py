"""The operator that brings a month back, into its table or as a copy, and ends what is back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.archiving import opened_archive
from sluice.flow.connections import open_vault
from sluice.flow.copies import opened_store
from sluice.flow.project import dataset_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.stores.postgres import Table
    from sluice.upkeep.partitions.spans import Span


class RestoreMonth(BaseOperator):
    """Bring a month back into its table, or a copy of it beside the table or into another store; or end what is back."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Give what is back: month, table, and until when. With no days, what is over its time from now on.

        Raises NotBroughtBack, SeveralExports, Damaged, Unlike.
        """
        from sluice.upkeep.partitions.spans import span_at

        check_words(context)
        asked = context["params"]
        month = span_at(datetime.strptime(asked["month"], "%Y-%m").replace(tzinfo=UTC), "month")
        beside = asked["where"] == "beside"
        told = self._beside(asked, month) if beside else self._in_place(asked, month)
        for one in told:
            self.log.info("%s: %s, until %s", *one.values())
        return told

    def _in_place(self, asked: Mapping[str, Any], month: Span) -> list[dict[str, str]]:
        own = dataset_of(asked["dataset"]).store
        if asked["manifest"] or (asked["store"] or own) != own:
            raise AirflowFailException(
                "In place is in the table that it left, by the word of its own ledger. With another store or a manifest of"
                " your choice, say `where`: beside. Nothing was done."
            )
        with opened_archive(asked["dataset"]) as archive:
            if asked["days"]:
                back = archive.restore_all(month, timedelta(days=asked["days"]), self.log.info)
            else:
                back = archive.end_all(month, self.log.info)
        return [_told(one.span, one.partition, one.expires_at) for one in back]

    def _beside(self, asked: Mapping[str, Any], month: Span) -> list[dict[str, str]]:
        from sluice.upkeep.archive.copies import end_copies
        from sluice.upkeep.archive.copying import copy_months

        dataset = dataset_of(asked["dataset"])
        store, key, lasts = asked["store"] or dataset.store, asked["manifest"] or "", timedelta(days=asked["days"])
        with opened_store(store) as (keeper, _):
            if lasts:
                copies = copy_months(keeper, open_vault(), dataset, month, lasts, self.log.info, store, key)
            else:
                copies = end_copies(keeper, f"{dataset.table} of {dataset.store}", month, self.log.info, key)
        return [_told(one.span, one.table, one.expires_at) for one in copies]


def _told(span: Span, table: Table, until: datetime | None) -> dict[str, str]:
    return {"month": str(span), "table": str(table), "until": f"{until:%Y-%m-%d %H:%M} UTC" if until else "now"}
