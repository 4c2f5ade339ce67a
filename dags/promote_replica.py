"""Promote a replica of a store, on the day its own server is gone: fenced, promoted, proven, and the name switched.

Started by a person, who types the store's name. Refused where something else promotes: the estate says `failover: platform`,
or an agent or a platform is seen. A server that answers is fenced first and its last write waited for: nothing is lost. One
that does not answer is not dead: where its commits wait for standbys, so many of them are told to listen no more that it can
have none acknowledged, and the one that has most is promoted: nothing that was acknowledged is lost. Where they wait for
nobody, only *Word* goes on: type `<server> is dead`, and what may be lost is bounded. *Dry run* writes all of it into the log
of `plan_promotion`, and changes nothing. *Switch the name* changes the record of Route 53 and the line of a PgBouncer
(`pooler`), too; without it both only show the diff, and users stay where they are. Fenced, and nobody was promoted? *Take
back* lifts the fence, and promotes nothing: the old server takes writes again, and all follow it. It is refused where a
replica leads, or may.

**Red?** `plan_promotion` says why nothing can be promoted, and nothing was changed. `promote_replica` takes its fence back where
nobody was promoted, and says so; it may be cleared: what was broken off is gone on with. Two servers that take writes: stop the
one that was left, at once. How the old one comes back as a replica stands in the log of `promote_replica`; it is never started
before. `ship_record` alone is red: the promotion stands, its record is in the ledger; clear that task once the vault answers.
docs/howto/fail-over.md
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, chain
from sluice.flow.forms import optional_text
from sluice.flow.policy import UPKEEP
from sluice.flow.safety.failing_over import PlanPromotion, PromoteReplica, ShipRecord, SwitchName
from sluice.flow.safety.switching import SwitchPooler, TakeBack

with DAG(
    dag_id="promote_replica",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    allowed_run_types=["manual"],
    params={
        "store": Param(type="string", minLength=1, title="Store"),
        "confirm": Param(type="string", minLength=1, title="Confirm", description="Type the store's name again."),
        "word": optional_text("Word", "Only where the plan asks for it: <server> is dead."),
        "switch_name": Param(
            False,
            type="boolean",
            title="Switch the name",
            description="Change the record, and PgBouncer's line; else show the diffs.",
        ),
        "take_back": Param(
            False, type="boolean", title="Take back", description="Lift the fence of a promotion that came to nothing."
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only write down what would be done."),
    },
    default_args={**UPKEEP, "retry_delay": timedelta(seconds=10)},  # somebody waits
    doc_md=__doc__,
    tags=["safety"],
):
    chain(
        PlanPromotion(task_id="plan_promotion"),
        PromoteReplica(task_id="promote_replica"),
        # The record is shipped beside the switches: where the vault is gone with the old server, users are led away all the same.
        [SwitchName(task_id="switch_name"), SwitchPooler(task_id="switch_pooler"), ShipRecord(task_id="ship_record")],
    )
    TakeBack(task_id="take_back")  # in this DAG, as one run of it at a time: never beside a promotion
