"""Propose to scale a store by what was measured of it, and do so after a person's yes: never without.

Every five minutes, one branch for each store that has a `scaling` in include/estate/estate.yaml. `plan_scaling` writes into its
log what the rules ask for, with the numbers, and what holds something back: a gap in the numbers, a rule that rests, a bound.
`approve_scaling` asks, where there is something to do, and people are told of it once; a yes counts for just that plan, and a
question is open for an hour. `scale_store` does it in RDS, or tells the service that scales DynamoDB's tables; `verify_scaling`
looks whether it stands. A disk only grows. A change of class restarts the instance: it waits for the instance's own maintenance
window, unless *Now* is ticked. Nothing is ever taken away but a replica that this DAG has made. *Dry run* only plans. With
*Simulate from* and *to*, `simulate_scaling` says what the rules would have done over that time, and draws it: see
*Details* → *Evidence*.

**Red?** `approve_scaling`: somebody said No, and nothing was changed. `scale_store`: it says what stands otherwise by now, or
what AWS refuses; what was done before it in the same plan stays, and is not done twice. `verify_scaling`: the change was taken,
and does not stand: look at the instance's events in RDS. docs/howto/scale-a-store.md
"""

from __future__ import annotations

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, chain, task_group
from sluice.flow.alerting import tell_first_failure
from sluice.flow.forms import optional_text
from sluice.flow.insight.scaling import (
    ApproveScaling,
    ListScaled,
    PlanScaling,
    ScaleStore,
    VerifyScaling,
)
from sluice.flow.insight.simulating import SimulateScaling
from sluice.flow.policy import UPKEEP

with DAG(
    dag_id="scale_capacity",
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    # A run may wait an hour for its answer, and twelve begin in an hour: as many as may ask hold up no store.
    max_active_runs=16,
    params={
        "store": optional_text("Store", "Only this one; else each that has a `scaling`."),
        "now": Param(
            False, type="boolean", title="Now", description="Restart an instance at once, and not in its window."
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only write down what would be proposed."),
        "simulate_from": optional_text(
            "Simulate from", "A date or a time in UTC, such as 2026-11-16: nothing is planned."
        ),
        "simulate_to": optional_text("Simulate to", "Until when, itself not included."),
    },
    default_args={**UPKEEP, "on_failure_callback": tell_first_failure},
    doc_md=__doc__,
    tags=["insight"],
):

    @task_group
    def each(store: str) -> None:
        """One store."""
        told = {"store": store, "map_index_template": "{{ task.store }}"}
        chain(
            PlanScaling(task_id="plan_scaling", **told),
            ApproveScaling(task_id="approve_scaling", trigger_rule="all_success", **told),
            ScaleStore(task_id="scale_store", trigger_rule="all_success", **told),
            VerifyScaling(task_id="verify_scaling", trigger_rule="all_success", **told),
        )
        SimulateScaling(task_id="simulate_scaling", **told)

    each.expand(store=ListScaled(task_id="list_stores").output)
