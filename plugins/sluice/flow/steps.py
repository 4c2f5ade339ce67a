"""The operators of a migration's graph: plan the way, take a step, copy in lanes.

Each asks the way that `plan_way` found, and skips what is not on it: a second run does nothing. The work is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)

from sluice.failpoints import failpoint
from sluice.flow.asking import APPROVE
from sluice.flow.connections import opened_control, opened_kind
from sluice.flow.project import claimed, file_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate import Migration
    from sluice.ledger.control import Control
    from sluice.migration.engine.contract import Facts, Kind, Position

PLAN_TASK = "preflight.plan_way"
WAY = "way"
"""The XCom key of what `plan_way` found."""


def way_of(context: Context) -> dict[str, Any]:
    """Give what `plan_way` found: the steps to take, and where the migration stood."""
    found: dict[str, Any] = context["ti"].xcom_pull(task_ids=PLAN_TASK, key=WAY)
    return found


def step_of(task: Any) -> str | None:
    """Tell which step a task belongs to; None for the one that plans."""
    return getattr(task, "step", "backfill" if task.task_id.startswith("backfill.") else None)


def not_reached(tasks: Sequence[Any], taken: Sequence[str]) -> list[str]:
    """List the tasks that no step to be taken leads to, nor belong to one."""
    on_the_way = {task.task_id for task in tasks if step_of(task) in (None, *taken)}
    leading = on_the_way - {PLAN_TASK}
    return [
        task.task_id
        for task in tasks
        if task.task_id not in on_the_way and leading.isdisjoint(task.get_flat_relative_ids(upstream=True))
    ]


def skip_unless_on_the_way(step: str, context: Context) -> None:
    """Skip this task when its step is not to be taken in this run."""
    if step not in way_of(context)["steps"]:
        raise AirflowSkipException(f"{step} is not on the way of this run")


class PlanWay(BaseOperator):
    """Look at the table, list everything in the way, and find the steps to the phase asked for. Changes no table."""

    template_fields: Sequence[str] = ("migration",)
    ui_color = "#e8f1fb"

    def __init__(self, *, migration: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration

    def execute(self, context: Context) -> None:
        """Leave the way in XCom: small, and the only thing that the other tasks read from here.

        What lies before it is skipped at once, by the scheduler: no worker is started to find nothing to do. What lies
        behind skips itself: skipped now, it would hide a red gate from the end of the graph, and the run would be green.
        """
        from sluice.migration.engine.contract import Phase
        from sluice.migration.engine.steps import check_findings
        from sluice.migration.engine.way import ONWARD, onward, way

        params = context["params"]
        check_words(context)
        with opened_kind(self.migration) as (m, kind), opened_control(self.migration, context["run_id"]) as control:
            now = kind.position()
            control.reconcile(now.phase, now.epoch)
            wanted = params["to_phase"]
            steps = onward(now.phase) if wanted == ONWARD else way(now.phase, Phase(wanted))
            if now.phase is Phase.PLANNED and steps:
                found = [*claimed(file_of(self.migration)), *kind.preflight()]
                for finding in check_findings(self.migration, found, m.accept):
                    self.log.info("%s", f"accepted [{finding.code}] {finding.what}" if finding.blocks else finding)
            if now.phase is not Phase.PLANNED and (quarantined := kind.standing()["quarantined"]):
                self.log.warning("%s rows are in quarantine (table sluice.quarantine): no cutover before", quarantined)
            self.log.info(
                "%s\n\nsteps of this run: %s", kind.describe_plan(), ", ".join(steps) or "none, it stands there"
            )
        if params["dry_run"]:
            self.log.info("A dry run: nothing is changed. Everything after this is skipped.")
        taken = [] if params["dry_run"] else [str(step) for step in steps]
        context["ti"].xcom_push(key=WAY, value={"steps": taken, "phase": str(now.phase), "epoch": now.epoch})
        if skipped := not_reached(context["dag"].tasks, taken):
            raise DownstreamTasksSkipped(tasks=skipped)  # type: ignore[no-untyped-call]


class TakeStep(BaseOperator):
    """Take one step of the way and leave its facts in the ledger, for its gate."""

    template_fields: Sequence[str] = ("migration", "step")
    ui_color = "#dcefe2"

    def __init__(self, *, migration: str, step: str, gate: str, **kwargs: Any) -> None:
        super().__init__(trigger_rule="none_failed", **kwargs)
        self.migration = migration
        self.step = step
        self.gate = gate

    def execute(self, context: Context) -> dict[str, Any]:
        """Take the step and say where it led."""
        skip_unless_on_the_way(self.step, context)
        with opened_kind(self.migration) as (m, kind), opened_control(self.migration, context["run_id"]) as control:
            check_time(self.step, m, kind, context)
            before = kind.position()
            check_planned_for(self.step, way_of(context), before)
            check_approved(self.step, control, before)
            facts = verbs()[self.step](kind)
            failpoint("step.taken")
            after = kind.position()
            # What control knows, not `before`: an earlier try may have died between the marks and this.
            control.reconcile(after.phase, after.epoch, self.step)
            control.record_facts(self.gate, facts, after.epoch)
            failpoint("step.noted")
            self.log.info("%s: %s → %s\n%s", self.migration, before.phase, after.phase, _listed(facts))
        return {"phase": str(after.phase), "epoch": after.epoch}


class PlanLanes(BaseOperator):
    """Lay out the chunks and give each lane its number and epoch. The number of lanes does not grow with the table."""

    template_fields: Sequence[str] = ("migration",)
    ui_color = "#dcefe2"

    def __init__(self, *, migration: str, **kwargs: Any) -> None:
        super().__init__(trigger_rule="none_failed", **kwargs)
        self.migration = migration

    def execute(self, context: Context) -> list[dict[str, int]]:
        """Give one small dict a lane."""
        skip_unless_on_the_way("backfill", context)
        with opened_kind(self.migration) as (m, kind):
            chunk_rows = context["params"]["chunk_rows"] or m.backfill.chunk_rows
            self.log.info("%s: %s", self.migration, kind.plan_chunks(chunk_rows))
            epoch = kind.position().epoch
            lanes = context["params"]["lanes"] or m.backfill.lanes
        return [{"number": n, "epoch": epoch} for n in range(lanes)]


class CopyLane(BaseOperator):
    """One lane of the backfill. After half an hour it yields its slot and comes back, so that a deploy never waits."""

    template_fields: Sequence[str] = ("migration", "lane")
    ui_color = "#dcefe2"

    def __init__(self, *, migration: str, lane: dict[str, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration
        self.lane = lane

    def execute(self, context: Context) -> dict[str, Any]:
        """Work the lane; the chunks themselves are the checkpoint."""
        from sluice.migration.engine.contract import Fence
        from sluice.migration.engine.lanes import work_lane
        from sluice.migration.engine.throttle import Throttle

        with opened_kind(self.migration) as (m, kind):
            throttle = Throttle(m.backfill.limits, rest=float(context["params"]["throttle"]))
            result = work_lane(kind, self.lane["number"], Fence(self.lane["epoch"]), throttle)
            self.log.info("lane %d: %s; %s", self.lane["number"], result, kind.progress())
        if not result.finished:
            raise AirflowRescheduleException(datetime.now(UTC) + timedelta(seconds=5))  # type: ignore[no-untyped-call]
        return {"chunks": result.chunks, "rows": result.rows, "rested_seconds": round(result.rested, 1)}


def verbs() -> dict[str, Callable[[Kind], Facts]]:
    """What each step calls. The backfill's own step is its end: lanes did the work."""
    from sluice.migration.engine import steps

    return {
        **{str(step): take for step, take in steps.TAKES.items()},
        "backfill": steps.finish_backfill,
        "abort": steps.abort,
    }


def check_words(context: Context) -> None:
    """Refuse a word that the form does not have: a misspelt dry_run must not become a real run."""
    from difflib import get_close_matches

    told, known = context["dag_run"].conf or {}, list(context["dag"].params)
    if unknown := [word for word in told if word not in known]:
        near = get_close_matches(unknown[0], known, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise AirflowFailException(
            f"Unknown: {', '.join(unknown)}.{meant} Known: {', '.join(known)}. Nothing was done."
        )


def check_planned_for(step: str, planned: dict[str, Any], now: Position) -> None:
    """Raise Fenced when the migration has gone back since this run was planned: nobody agreed to this step as it is now."""
    from sluice.migration.engine.contract import Fenced
    from sluice.migration.engine.way import ARRIVES_AT, Step

    expected = planned["epoch"] + (step == Step.ABORT and Step.CUT_BACK in planned["steps"])
    if now.epoch != expected and now.phase != ARRIVES_AT[Step(step)]:
        raise Fenced(
            f"This run was planned in epoch {expected}; the migration is {now.phase} in epoch {now.epoch}. Trigger a new one."
        )


def check_approved(step: str, control: Control, now: Position) -> None:
    """Refuse to destroy anything without a person's yes of this run: a task may be cleared, skipped or marked by hand."""
    if step != "retire":
        return
    given = control.approval(step, now.epoch)
    if given is None or given["answer"] != APPROVE:
        raise AirflowFailException(
            f"Nobody has approved {step} of {control.migration} in this run. Clear approve_retire and answer it."
            " Nothing was changed."
        )


def check_time(step: str, m: Migration, kind: Kind, context: Context) -> None:
    """Refuse a cutover outside its window, and a retirement before its time."""
    from sluice.migration.engine import steps

    now = kind.position().now
    if step == "cut_over" and now:
        steps.check_window(m, now)
    if step == "retire" and now and not context["params"]["retire_early"]:
        steps.check_kept_long_enough(m, kind, now)


def _listed(facts: Facts) -> str:
    return "\n".join(f"  {name}: {value}" for name, value in facts.items())
