"""The operator that watches how long a table's partitions last: an event of its asset for other DAGs, an alert for people.

It measures by itself, after `make_partitions` and whatever became of that: what keeps partitions from being made must not keep
the alarm from being raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.alerting import send_alert
from sluice.flow.keeping import opened_dataset
from sluice.flow.lasting import Wrong, tell_what_lasts

if TYPE_CHECKING:
    from airflow.sdk import Context

ALL = AssetAlias("sluice_partitions")
"""What stands for the partitions of all tables: which tables there are, the files say."""


def partitions_of(store: str, table: str) -> Asset:
    """Give the asset of a table's partitions, for whoever schedules on it."""
    return Asset(f"x-sluice://{store}/{quote(table, safe='.')}/partitions")


class WatchHeadroom(BaseOperator):
    """Measure for how long there are partitions, tell the asset, and raise an alert where that is short."""

    template_fields: Sequence[str] = ("dataset",)
    ui_color = "#e8f1fb"

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        super().__init__(outlets=[ALL], on_failure_callback=tell_unknown, **kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> dict[str, Any]:
        """Give days and end of the headroom. Raises EstateErrors, what the database refuses, AlertLate, AlertRefused."""
        from sluice.upkeep.partitions.headroom import measure_headroom

        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nobody is told.")
        with opened_dataset(self.dataset) as (dataset, c):
            found = measure_headroom(c, dataset)
        told: dict[str, Any] = {"headroom_days": found.days, "until": found.until.isoformat() if found.until else None}
        context["outlet_events"][ALL].add(partitions_of(dataset.store, dataset.table), extra=told)
        self.log.info("%s has partitions for %g more days, until %s", dataset.table, found.days, found.until or "ever")
        wrong = []
        if found.severity:
            self.log.warning("%s", found.headline)
            wrong = [Wrong(found.severity, f"{dataset.store}/{dataset.table}", found.headline, told)]
        tell_what_lasts(f"headroom/{self.dataset}", wrong, self.log, context)
        return told


def tell_unknown(context: Context) -> None:
    """Tell that the headroom could not be measured, once no try is left: no data is an alert, too."""
    from sluice.flow.alerting import AlertLate, AlertRefused

    if isinstance(context.get("exception"), AlertLate | AlertRefused):
        return  # it was measured: who cannot be told of that is not told of this
    dataset = getattr(context["task"], "dataset", "")
    text = f"P2: nobody knows for how long {dataset} has partitions: {context.get('exception')}"
    send_alert("P2", dataset, text, context)
