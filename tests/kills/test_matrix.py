"""A task of Airflow's dies at every edge of every step, there and back again: it is tried again, and users notice nothing.

The short form, and the deaths of the scheduler, are in `tests/e2e/test_kills.py`; what is without Airflow, and the edges at
which something must be in the way, in `tests/chaos`.
"""

from __future__ import annotations

from sluice.migration.engine.way import Step

from tests.chaos.edges import IN_AIRFLOW, LEGS, PROVOKED, WINDOW
from tests.e2e.killing import Killing, killing

THERE_AND_BACK = (
    (Step.EXPAND, "expanded"),
    (Step.CAPTURE, "capturing"),
    (Step.BACKFILL, "backfilled"),
    (Step.VERIFY, "verified"),
    (Step.SHADOW, "shadowing"),
    (Step.CUT_OVER, "cut_over"),
    (Step.CUT_BACK, "verified"),
    (Step.ABORT, "planned"),
)
UNGATED = frozenset(("step.taken", "step.noted"))
"""What an abort passes: it has no gate."""
AFTER = {Step.SHADOW: "verify.gate_verified", Step.CUT_OVER: "shadow.gate_shadowing"}
"""Before these steps a run verifies, and compares the reads, again: there nobody dies a second time."""
RETRIES = 60
"""Every edge of a step kills the same task, one after another."""


def edges_of(leg: Step) -> set[str]:
    """The edges at which a task dies that takes this step."""
    return {*LEGS[leg], *(UNGATED if leg is Step.ABORT else IN_AIRFLOW)} - set(PROVOKED)


def test_a_task_killed_at_every_edge_of_the_way_loses_nothing(tmp_path) -> None:
    kill = set().union(*map(edges_of, (leg for leg in LEGS if leg != WINDOW)))
    with killing(tmp_path, kill=sorted(kill), retries=RETRIES) as drill:
        for leg, phase in THERE_AND_BACK:
            drill.rest() if leg in AFTER else drill.forget()
            drill.run(phase, {AFTER[leg]: Killing.forget} if leg in AFTER else None)
            assert edges_of(leg) <= drill.fired(), f"{leg}: nobody died at {edges_of(leg) - drill.fired()}"
            print(f"{leg}: {len(drill.fired())} deaths", flush=True)
            drill.check_ledger()
            if phase not in ("planned", "expanded", "capturing"):
                drill.compare()
        drill.rest()
        drill.run("cut_over")
        drill.forget()
        last = drill.run("retired", retire_early=True)
        assert edges_of(Step.RETIRE) <= drill.fired()
        drill.judge()
        drill.check_ledger()
        named, _ = drill.evidence(last)
        assert {one["gate"] for one in named if one["passed"]} == {"retired"}
