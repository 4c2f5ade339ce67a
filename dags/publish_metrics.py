"""Give what was measured to CloudWatch, with the four dashboards: where the estate's file has `insight: {cloudwatch: …}`.

Every five minutes `publish_metrics` puts the last number of each series under `Sluice/<estate>`, by Store and Subject, and
`put_dashboards` the four pages: a change that somebody made to them there is lost. It reads the ledger alone, and changes nothing
in any store. Grafana and Prometheus need none of this: docs/howto/see-it-in-grafana.md

**Red?** CloudWatch refuses the connection, or the policy of its role (`cloudwatch:PutMetricData`, `cloudwatch:PutDashboard`): the
message says which. What is measured stays in the ledger meanwhile; nobody depends on this but its pages.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.flow.alerting import tell_first_failure
from sluice.flow.insight.publishing import PublishMetrics, PutDashboards
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="publish_metrics",
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={**UPKEEP, "on_failure_callback": tell_first_failure},
    doc_md=__doc__,
    tags=["insight"],
):
    PublishMetrics(task_id="publish_metrics")
    PutDashboards(task_id="put_dashboards")
