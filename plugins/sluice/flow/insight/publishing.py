"""The operators of `publish_metrics`, and the text that Prometheus reads: what was measured, given to those who draw."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import aws_client
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.insight.scaled import estate
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate.insight import InCloudWatch

PUBLISHED = "publish_metrics"
"""The DAG. Who may read it may read the numbers in the console."""
WITHIN = timedelta(minutes=10)
"""How old a number may be and be given to CloudWatch: those of each hour are, once."""


class PublishMetrics(BaseOperator):
    """Give CloudWatch the last number of each series."""

    def execute(self, context: Context) -> dict[str, int]:
        """Give how many. Raises CloudWatchDown, CloudWatchRefused, NoConnection; skipped where nobody asks for it."""
        from sluice.insight.dashboards.cloudwatch import publish
        from sluice.insight.dashboards.largest import last_numbers
        from sluice.insight.dashboards.prometheus import ages

        check_words(context)
        told = _asked_for()
        with opened_ledger("publish metrics") as ledger:
            samples, now = ledger.samples, ledger.samples.now()
            found = last_numbers(samples, now, told.tables)
            every = ages(found, now) | {series: last for series, last in found.items() if last.at > now - WITHIN}
        made = publish(aws_client(told.connection, "cloudwatch", 30, told.region), estate().estate, every)
        self.log.info("%d numbers were put, %d are of no metric that is known here", made.numbers, made.left_out)
        return {"numbers": made.numbers, "left_out": made.left_out}


class PutDashboards(BaseOperator):
    """Put the four dashboards into CloudWatch."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Raises CloudWatchDown, CloudWatchRefused, NoConnection; skipped where nobody asks for it."""
        from sluice.insight.dashboards.cloudwatch import put_dashboards

        told = _asked_for()
        return put_dashboards(aws_client(told.connection, "cloudwatch", 30, told.region), estate().estate, told.region)


def metrics_text() -> str:
    """Give the last number of each series, as Prometheus reads it. Raises NoConnection, StoreDown, EstateErrors."""
    from sluice.insight.dashboards.largest import last_numbers
    from sluice.insight.dashboards.prometheus import exposition

    with opened_ledger("show metrics") as ledger:
        now = ledger.samples.now()
        return exposition(last_numbers(ledger.samples, now), now)


def _asked_for() -> InCloudWatch:
    told = estate().insight.cloudwatch
    if told is None:
        raise AirflowSkipException("include/estate/estate.yaml has no `insight: {cloudwatch: …}`: nothing goes there.")
    return told
