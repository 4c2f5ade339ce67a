"""What applications compared while they read both sides, added up for the gate."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.estate.single_table import DualRead
from sluice.migration.engine.contract import Facts, NotYet
from sluice.stores.dynamodb.values import Item

FAILING = 0.01
"""Of all shadowed reads so many may fail on the new side alone: a restart, a throttled moment. More is no accident."""


def judged(reports: Sequence[Item], limits: DualRead | None) -> Facts:
    """Count what was compared, what differed for good, and whether the new side is too slow. Latencies in milliseconds.

    `limits` None leaves the comparison out: nothing is asked for then.
    """

    def added(name: str) -> int:
        return sum(int(report[name]["N"]) for report in reports)

    def slowest(name: str) -> float:
        return max((float(report[name]["N"]) for report in reports), default=0.0)

    limits, asked = limits or DualRead(), limits is not None
    allowed = slowest("old_p95") * limits.slower_than + limits.allowance.total_seconds() * 1000
    lacking = limits.required and added("compared") < limits.at_least
    read = sum(map(_read, reports))
    failing = added("failed") > FAILING * read
    seen = f"{added('compared'):,} reads of {len(reports)} readers compared"
    failed = f"{added('failed')} of {read:,} failed on the new side"
    headline = f"{seen}: {added('real')} differ for good, {added('race')} raced, {failed}"
    if asked and not (added("compared") or failing):
        headline = f"{seen}: nobody's reads vouch for the new side yet (docs/howto/use-the-new-tables.md)"
    return {
        "headline": headline,
        "shadow_compared": added("compared"),
        "shadow_races": added("race"),
        "shadow_differences": added("real") if asked else 0,
        "shadow_failed": added("failed") if asked else 0,
        "shadow_failing": int(asked and failing),
        "shadow_slower": int(asked and slowest("new_p95") > allowed),
        "shadow_reads_lacking": int(lacking),
        "shadow_old_p95_ms": slowest("old_p95"),
        "shadow_new_p95_ms": slowest("new_p95"),
        "shadow_differing": "\n".join(report["examples"]["S"] for report in reports if report["examples"]["S"]),
    }


def _read(report: Item) -> int:
    """How many reads a reader was asked for; one of an older release does not tell, and of its reads these are known."""
    known = ("asked",) if "asked" in report else ("compared", "failed")
    return sum(int(report[name]["N"]) for name in known)


def check_reads(migration: str, facts: Facts) -> None:
    """Raise NotYet where readers have told by now of what their gate had not seen: it judged when they had just begun."""
    if not is_good(facts):
        raise NotYet(
            f"{migration}: {facts['headline']}, since their gate was green. Nothing was switched. Look at the reads"
            " (docs/howto/use-the-new-tables.md), then run it again: the comparison and the gate come first."
        )


def is_good(facts: Facts) -> bool:
    """Whether nothing stands in the way of a cutover."""
    return not any(facts[f"shadow_{what}"] for what in ("differences", "failing", "slower", "reads_lacking"))
