"""The edges of each leg, in the order in which they are passed, and what must be provoked to come to some of them."""

from __future__ import annotations

from sluice.migration.engine.contract import Phase
from sluice.migration.engine.way import Step

WINDOW = "window"
"""The leg that is no step: filling a window's holes."""

FENCED = ("fence.wanted", "fence.taken", "phase.moving", "phase.moved")
CLOSED = ("fence.committing", "fence.committed")
CAPTURE_ON = ("trigger.function", "trigger.half")
CAPTURE_OFF = ("trigger.half_off", "trigger.off")
TRIED = ("attempt.committing", "attempt.committed")
SWAPPED = (*TRIED, "names.swapped", "tables.compared")
COPIED = ("fence.shared", "chunk.claimed", "chunk.filled", "chunk.rechecked", "chunk.checked_off", "chunk.committed")

LEGS: dict[str, tuple[str, ...]] = {
    Step.EXPAND: (
        "schema.ready", "fence.wanted", "fence.taken", "expansion.named", "phase.moving", "phase.moved",
        "expansion.statement", "expansion.built", "expansion.recorded", *CLOSED,
    ),
    Step.CAPTURE: ("attempt.wanted", "attempt.failed", "phase.moving", "phase.moved", *CAPTURE_ON, *TRIED),
    Step.BACKFILL: (
        "layout.stale", "layout.planned", "lane.begun", "chunk.shortened", "chunk.halved", *COPIED, "lane.copied",
        "lane.finished", "statistics.partition", "statistics.refreshed", *FENCED, *CLOSED,
    ),
    Step.VERIFY: (
        "verifier.seen_to_fail", "tables.compared", "proof.forgotten", *FENCED, "proof.recorded", *CLOSED,
    ),
    Step.SHADOW: ("reads.compared", *FENCED, *CLOSED),
    WINDOW: ("fence.shared", "chunk.filled", "window.filled", "window.remembered"),
    Step.CUT_OVER: (
        "snapshots.gone", "fence.shared", "cutover.analyzed", "attempt.wanted", "attempt.failed", "phase.moving",
        "phase.moved", "cutover.locked", *CAPTURE_OFF, "cutover.half_renamed", "cutover.renamed", "cutover.sequenced",
        *CAPTURE_ON, "cutover.turned", *SWAPPED,
    ),
    Step.CUT_BACK: (
        "attempt.wanted", "attempt.failed", "phase.moving", "phase.moved", "cutback.locked", *CAPTURE_OFF,
        "cutback.half_renamed", "cutback.sequenced", *CAPTURE_ON, "cutback.turned", *SWAPPED,
    ),
    Step.RETIRE: (
        "tables.compared", "attempt.wanted", "attempt.failed", "phase.moving", "phase.moved", *CAPTURE_OFF,
        "attic.moved", *TRIED,
    ),
    Step.ABORT: ("abort.asked", "abort.done"),
}  # fmt: skip
"""A leg that was begun is begun again from its first edge, as a task is that is tried again."""

STARTS = {
    Step.EXPAND: Phase.PLANNED,
    Step.CAPTURE: Phase.EXPANDED,
    Step.BACKFILL: Phase.CAPTURING,
    Step.VERIFY: Phase.BACKFILLED,
    WINDOW: Phase.BACKFILLED,
    Step.SHADOW: Phase.VERIFIED,
    Step.CUT_OVER: Phase.SHADOWING,
    Step.CUT_BACK: Phase.CUT_OVER,
    Step.RETIRE: Phase.CUT_OVER,
    Step.ABORT: Phase.VERIFIED,
}
"""Where a leg begins."""

PROVOKED = {
    "chunk.shortened": "somebody holds a row",
    "chunk.halved": "somebody holds a row",
    "attempt.failed": "somebody holds the table",
    "proof.forgotten": "the copy is wrong",
}
"""What must be in the way, or nobody passes here."""

IN_AIRFLOW = frozenset(("step.taken", "step.noted", "gate.judged", "gate.kept", "gate.recorded"))
"""Passed by tasks only; their drills run with a real scheduler."""

WITHOUT_SESSION = frozenset(("lane.begun", "abort.asked"))
"""Whoever stands here has asked the database nothing yet: there is no session to end."""

FAULTS = ("kill", "terminate", "raise", "crash", "twice")
"""The process is killed, its session ended, an error raised, the whole server crashes, or the same is done by two at once."""


def edges_of(leg: str, fault: str) -> list[str]:
    """The edges of a leg at which this fault can happen."""
    return [edge for edge in LEGS[leg] if fault != "terminate" or edge not in WITHOUT_SESSION]
