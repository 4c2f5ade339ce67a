"""One harness for every kind: push a migration forward, back and forward again, while writers write."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sluice.estate import Migration, Shadow
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Facts, Fence, Kind, Phase
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.engine.way import Step, way


def advance(open_kind: Callable[[], Kind], wanted: Phase, *, lanes: int = 2) -> dict[Step, Facts]:
    """Take every step of the way, as the DAG does; give each step's facts. Lanes have connections of their own."""
    kind = open_kind()
    return {step: take(open_kind, kind, step, lanes) for step in way(kind.position().phase, wanted)}


def take(open_kind: Callable[[], Kind], kind: Kind, step: Step, lanes: int) -> Facts:
    """Take one step, whether or not it was taken before: as a task does that is tried again."""
    if step is Step.BACKFILL:
        steps.plan_backfill(kind)
        fence = Fence(kind.position().epoch)
        with ThreadPoolExecutor(lanes) as pool:
            results = list(pool.map(lambda lane: work_lane(open_kind(), lane, fence, _no_limits()), range(lanes)))
        assert all(result.finished for result in results)
        return steps.finish_backfill(kind)
    if step is Step.ABORT:
        return {"said": kind.abort()}
    return steps.TAKES[step](kind)


def unhurried(migration: Migration) -> Migration:
    """The same, with all the time in the world for reads: how long one takes on a busy machine is no finding, its answer is."""
    shadow = Shadow(slower_than=100.0, allowance=timedelta(hours=1))
    return migration.model_copy(update={"gates": migration.gates.model_copy(update={"shadow": shadow})})


def _no_limits() -> Throttle:
    from sluice.estate.models import Limits

    return Throttle(Limits(replica_lag=None, commit_latency=None, waiting_writers=None))
