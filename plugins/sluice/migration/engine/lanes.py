"""A lane: one of a few parallel workers that fill the target's holes, chunk by chunk, and yield their slot in time.

A lane may be killed at any point: a chunk is copied and checked off in one transaction, so what was lost is one chunk at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sluice.failpoints import failpoint
from sluice.migration.engine.contract import ChunkBusy, Copied, Fence, Kind
from sluice.migration.engine.throttle import Throttle
from sluice.stores.postgres import LockBusy

log = logging.getLogger(__name__)

BUDGET = 30 * 60.0
"""Seconds that a lane works before it yields its slot, so that a deploy never waits for it."""
REPORT_EVERY = 10.0
DELIVER_SECONDS = 1.0
"""Seconds that a lane gives to captured changes after each chunk, at most: a backlog must not outgrow the copy."""
TRIES = 20


@dataclass(frozen=True)
class LaneResult:
    """What a lane did. `finished` is false when its time was over first."""

    finished: bool
    chunks: int
    rows: int
    seconds: float
    rested: float


def work_lane(
    kind: Kind,
    lane: int,
    fence: Fence,
    throttle: Throttle,
    *,
    budget: float = BUDGET,
    sleep: Callable[[float], None] = time.sleep,
) -> LaneResult:
    """Copy pending chunks until none is left or the budget (seconds) is spent.

    Raises Fenced, Drifted, or LockBusy after `TRIES` chunks in a row that could not get their locks.
    """
    started = reported = time.monotonic()
    chunks = copied_rows = 0
    rested = 0.0
    failpoint("lane.begun")
    while time.monotonic() - started < budget:
        copied = _copy_patiently(kind, lane, fence, sleep)
        if copied is None:
            failpoint("lane.finished")
            return LaneResult(True, chunks, copied_rows, time.monotonic() - started, rested)
        chunks, copied_rows = chunks + 1, copied_rows + copied.rows
        failpoint("lane.copied")
        kind.replicate(DELIVER_SECONDS)
        pause = throttle.after(kind.load(lane), copied.seconds)
        if time.monotonic() - reported > REPORT_EVERY or pause.why:
            log.info(
                "lane %d: %s%s",
                lane,
                kind.progress(),
                f"; resting {pause.seconds:.1f} s: {pause.why}" if pause.why else "",
            )
            reported = time.monotonic()
        if pause.seconds:
            sleep(pause.seconds)
            rested += pause.seconds
    return LaneResult(False, chunks, copied_rows, time.monotonic() - started, rested)


def _copy_patiently(kind: Kind, lane: int, fence: Fence, sleep: Callable[[float], None]) -> Copied | None:
    """Copy one chunk; when writers are in the way, halve it and try again."""
    for attempt in range(TRIES):
        try:
            return kind.copy_chunk(lane, fence)
        except LockBusy as busy:
            log.info("lane %d: %s (try %d of %d)", lane, busy, attempt + 1, TRIES)
            if isinstance(busy, ChunkBusy):
                kind.halve_chunk(busy.chunk)
            sleep(min(0.05 * 2**attempt, 2.0))
    return kind.copy_chunk(lane, fence)
