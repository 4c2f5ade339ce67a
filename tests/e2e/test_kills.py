"""One migration under live writers in which Airflow's own processes die: its tasks at the edges, its scheduler three times.

`tests/chaos` kills whoever migrates without Airflow; here a task's process is killed within Airflow, which has to take it up
again. Every edge at every step, the same way: `./sluice test kills`.
"""

from __future__ import annotations

from sluice.local.waiting import wait_for

from tests.chaos.edges import IN_AIRFLOW
from tests.e2e.driver import DAG, PATIENCE
from tests.e2e.killing import Killing, killing

KILLED_AT = (
    *sorted(IN_AIRFLOW),
    "attempt.committed",
    "chunk.filled",
    "chunk.checked_off",
    "proof.recorded",
    "cutover.turned",
    "names.swapped",
)
FINISHING, ASKING = "backfill.finish_backfill", "cutover.approve_cutover"


def test_tasks_and_schedulers_die_at_the_edges_and_nothing_is_lost(tmp_path) -> None:
    deaths = {
        "chunk.claimed": _with_tasks_that_nobody_hears_of,
        "statistics.refreshed": _while_a_task_goes_on_by_itself,
        ASKING: _while_it_asks,
    }
    slept_at = [edge for edge in deaths if edge != ASKING]
    with killing(tmp_path, kill=KILLED_AT, sleep=slept_at) as drill:
        over = drill.run("cut_over", deaths)
        assert drill.fired() == {*KILLED_AT, *slept_at}
        drill.compare()
        drill.check_ledger()
        retired = drill.run("retired", retire_early=True)
        assert "this run retires it now (retire_early)" in drill.asked["retire.approve_retire"]
        drill.judge()
        drill.check_ledger()
        _check_evidence(drill, over, ["expanded", "capturing", "backfilled", "verified", "shadowing", "cut_over"])
        _check_evidence(drill, retired, ["retired"])
        assert drill.driver.answers() == [("cut_over", "Approve", "admin"), ("retire", "Approve", "admin")]


def _with_tasks_that_nobody_hears_of(drill: Killing) -> None:
    """Lanes die while there is no scheduler: Airflow has them as running until the next one looks for orphans."""
    drill.kill_scheduler()
    drill.restart()


def _while_a_task_goes_on_by_itself(drill: Killing) -> None:
    """Its task ends well without it, and says so to the API server; only the next one waits for a scheduler."""
    drill.kill_scheduler()
    run = drill.driver.last_run()
    wait_for("its task", lambda: drill.driver.tasks(run)[FINISHING].state == "success", seconds=PATIENCE)
    drill.restart()


def _while_it_asks(drill: Killing) -> None:
    """A question waits in the database, and so does its answer."""
    drill.kill_scheduler()
    drill.restart()


def _check_evidence(drill: Killing, run: str, gates: list[str]) -> None:
    """Each gate has one record, named once; the one whose task died on the way has one of each try that kept one."""
    named, kept = drill.evidence(run)
    assert all(one["passed"] for one in named)
    assert list(dict.fromkeys(one["gate"] for one in named)) == gates
    died = [one["key"] for one in named if one["gate"] == "expanded"]
    stem = f"evidence/{DAG}/{run}/expand.gate_expanded"
    unnamed = kept - {one["key"] for one in named}
    if "expanded" in gates:  # killed once before anything was kept, once when it was kept, once when it was named
        assert (unnamed, died) == ({f"{stem}.json"}, [f"{stem}.2.json", f"{stem}.3.json"])
    else:
        assert not unnamed
    assert len(named) == len(gates) + ("expanded" in gates)
