"""Measure every hour how large everything is, and roll up what was measured by the hour and the day.

Of each PostgreSQL store: every table with its partitions, indexes and rows, what of it is dead or empty, what our archive has
dropped of it, for how long it has partitions; the database, and its disk. Of each table in DynamoDB, what the service counts. It
costs each store fewer than ten queries, however many tables there are, and waits for nobody's lock. Samples stay for days, hours
for months, days for years: `insight: {keep: …}` in include/estate/estate.yaml. An hour that was missed is missing.

**Red?** `measure_sizes` of that store: it is down, or its role is refused; the others are measured. A table that somebody has
locked is no failure: the log names it, and it is measured in an hour. `roll_up_samples` and `forget_samples` are red where the
ledger is down; the next run goes on from the last hour that was rolled up, and samples that wait for it are not forgotten.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from sluice.flow.alerting import tell_first_failure
from sluice.flow.insight.measuring import ForgetSamples, ListStores, MeasureSizes, RollUpSamples
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="measure_sizes",
    schedule=CronDataIntervalTimetable("7 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={
        **UPKEEP,
        "on_failure_callback": tell_first_failure,
        "execution_timeout": timedelta(minutes=20),  # a store that hangs holds up no other hour
    },
    doc_md=__doc__,
    tags=["insight"],
):
    # By themselves: what was sampled is rolled up, whether or not every store could be measured.
    # First what is quick, and waits for whoever reads: rolling up may take longer than it is given, and nothing stands behind it.
    ForgetSamples(task_id="forget_samples") >> RollUpSamples(task_id="roll_up_samples")
    MeasureSizes.partial(task_id="measure_sizes", map_index_template="{{ task.store }}").expand(
        store=ListStores(task_id="list_stores").output
    )
