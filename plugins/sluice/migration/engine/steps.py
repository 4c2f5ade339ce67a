"""Take one step of the way: call the kind, and give the facts that the step's gate judges.

Called by the tasks of `migrate__<name>` and by the harness in the tests: the same code, with or without Airflow.
"""

from __future__ import annotations

from datetime import datetime

from sluice.errors import Transient
from sluice.estate.models import Migration
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import (
    COPIES_IN,
    Diff,
    Facts,
    Fence,
    Finding,
    Kind,
    NotYet,
    Phase,
    Swap,
    Window,
    as_facts,
)
from sluice.migration.engine.way import Step

DRAIN_SECONDS = 120.0
KEEP_UP_SECONDS = 60.0


class PreflightRefused(NotYet):
    """The table cannot be migrated as it stands; the message lists why, all at once."""


class NotDrained(NotYet):
    """Something still stands between source and target, until a person ends it."""


class NotReadUp(Transient):
    """What was written has not arrived in time. Delivery goes on: it passes by itself."""


def check_findings(name: str, findings: list[Finding], accepted: tuple[str, ...]) -> list[Finding]:
    """Give the findings that a person accepted or that only inform. Raises PreflightRefused with all the others."""
    refused = [f for f in findings if f.blocks and not (f.acceptable and f.code in accepted)]
    if refused:
        listed = "\n".join(f"  - {f}{' (`accept:` cannot lift this one.)' * (f.code in accepted)}" for f in refused)
        raise PreflightRefused(f"{name} cannot be migrated as it stands:\n{listed}")
    return [f for f in findings if f not in refused]


def expand(kind: Kind) -> Facts:
    """planned → expanded."""
    return kind.expand()


def capture(kind: Kind) -> Facts:
    """expanded → capturing."""
    return kind.start_capture()


def plan_backfill(kind: Kind) -> Facts:
    """Lay out the chunks; a rerun goes on where the last one stopped."""
    return as_facts(kind.plan_chunks())


def finish_backfill(kind: Kind) -> Facts:
    """capturing → backfilled, once every chunk is checked off."""
    return kind.finish_backfill(Fence(kind.position().epoch))


def compare(kind: Kind) -> Diff:
    """Deliver what capture holds, where it is not atomic with the write, then compare every row."""
    kind.replicate(KEEP_UP_SECONDS)
    diff = kind.diff()
    failpoint("tables.compared")
    return diff


def verify(kind: Kind) -> Facts:
    """backfilled → verified: a verifier that was seen to fail, then the exact diff.

    Raises NotYet only through the gate: a red diff is given as facts, so that the gate can say which rows.
    """
    planted = kind.check_verifier()
    failpoint("verifier.seen_to_fail")
    diff = compare(kind)
    proven: Facts = {}
    if diff.clean and planted["planted"] == planted["planted_found"] and not planted["equal_rows_flagged"]:
        proven = kind.verify(diff)
    else:
        kind.forget_proof()
    return {**planted, **diff.facts(), "verified_seconds_ago": 0, **proven, **kind.standing()}


def shadow(kind: Kind) -> Facts:
    """verified → shadowing: the application's own reads, on both tables. A red one is given as facts, for its gate."""
    return {**kind.shadow(), **kind.standing()}


def cut_over(kind: Kind) -> Facts:
    """shadowing → cut_over. Raises NotDrained with the name of who holds it up, NotReadUp."""
    _drain(kind, "cutover")
    return _swapped(kind, kind.cut_over())


def _drain(kind: Kind, doing: str) -> None:
    lag = kind.drain(DRAIN_SECONDS)
    if lag.pending:
        refusal = NotReadUp if lag.passes else NotDrained
        raise refusal(f"{doing} waits for {lag.pending} {lag.counts}: {lag.held_by}. {lag.way_on}.")
    failpoint("snapshots.gone")


def cut_back(kind: Kind) -> Facts:
    """cut_over → verified, with every write since the cutover. Raises NotDrained and NotReadUp, as cutting over does."""
    _drain(kind, "cutting back")
    return _swapped(kind, kind.cut_back())


def retire(kind: Kind) -> Facts:
    """cut_over → retired, after one more comparison; where it is retired already, the tables go their own ways by now."""
    if kind.position().phase is Phase.RETIRED:
        return kind.retire()
    diff = compare(kind)
    if not diff.clean:
        raise NotYet(
            f"the old table no longer equals the new one: {'; '.join(map(str, diff.samples[:5]))}. Nothing was retired. Write"
            " these once more where applications write, then clear this task."
        )
    return {**kind.retire(), **diff.facts()}


def abort(kind: Kind) -> Facts:
    """Anything before cut_over → planned."""
    return {"said": kind.abort()}


def check_window(m: Migration, now: datetime) -> None:
    """Raise NotYet when the YAML does not allow a cutover now."""
    open_now, why = m.cutover.open_at(now)
    if not open_now:
        raise NotYet(f"{m.name} may not cut over now: {why}. Nothing was changed; run it again then.")


def check_kept_long_enough(m: Migration, kind: Kind, now: datetime) -> None:
    """Raise NotYet while the old table must still be kept in step."""
    until = kept_until(m, kind)
    if until is not None and now < until:
        raise NotYet(
            f"{m.source.table} may be retired from {until:%Y-%m-%d %H:%M} UTC on (keep_old_for). Until then you can cut back."
            " To retire now, trigger with retire_early."
        )


def kept_until(m: Migration, kind: Kind) -> datetime | None:
    """Until when the old table is to be kept in step; None before the cutover."""
    since = kind.position().cut_over_at
    return None if since is None else since + m.keep_old_for


def _swapped(kind: Kind, swap: Swap) -> Facts:
    """How the swap went, and both sides compared once more."""
    failpoint("names.swapped")
    pause = {"pause_ms": round(swap.longest_ms, 2), "failed_tries": len(swap.failed_tries_ms)}
    compared = compare(kind).facts()
    # What stands is asked after the comparison, which has read what came past the route meanwhile.
    return {**(swap.facts or {}), **pause, **compared, **kind.standing()}


TAKES = {
    Step.EXPAND: expand,
    Step.CAPTURE: capture,
    Step.VERIFY: verify,
    Step.SHADOW: shadow,
    Step.CUT_OVER: cut_over,
    Step.CUT_BACK: cut_back,
    Step.RETIRE: retire,
}
"""Steps that are one call. The backfill is laid out, worked by lanes and finished."""


def require(kind: Kind, *phases: Phase) -> None:
    """Raise NotYet unless the migration stands in one of `phases`, which follow each other."""
    now = kind.position().phase
    if now in phases:
        return
    way_on = f"Run migrate__{kind.name} first." if now.rank < phases[0].rank else "That time is over."
    raise NotYet(f"{kind.name} is {now}; this is done from {phases[0]} until {phases[-1]}. {way_on}")


IN_FLIGHT = (*COPIES_IN, Phase.CUT_OVER)


def fill_window(kind: Kind, lower: datetime, upper: datetime) -> tuple[int, Facts]:
    """Fill a window's holes and compare it; gives the rows filled and the facts. Raises NotYet outside COPIES_IN."""
    require(kind, *COPIES_IN)
    result = kind.backfill_window(Window(lower, upper))
    return result.filled, {**result.diff.facts(), **kind.standing()}


def validate(kind: Kind) -> Facts:
    """Compare everything; while the backfill is still copying, rows not copied yet are no fault."""
    require(kind, *IN_FLIGHT)
    copying = kind.position().phase is Phase.CAPTURING
    facts = compare(kind).facts()
    waiting = facts["rows_missing"] if copying else 0
    return {
        **facts,
        "rows_missing": 0 if copying else facts["rows_missing"],
        "rows_not_copied_yet": waiting,
        **kind.standing(),
    }
