"""What a swap relies on: judged before anybody waits, and once more, of what is seen then, under its own locks."""

from __future__ import annotations

from sluice.estate.models import SameClusterMigration
from sluice.migration.engine.contract import Drifted, NotYet
from sluice.migration.kinds.same_cluster.route import CAPTURE_TRIGGER, Route, judge_make
from sluice.migration.kinds.same_cluster.seen import Seen
from sluice.migration.kinds.same_cluster.surroundings import carry
from sluice.stores.postgres import Row, Table


def check_cutover(
    migration: SameClusterMigration, route: Route, row: Row, carrying: carry.Carrying, seen: Seen
) -> None:
    """What the cutover relies on: before anybody waits, and once more under its own locks."""
    freshness, counted = migration.gates.freshness, seen.chunks
    carry.check(seen.hung, carrying)
    judge_make(seen.make, route)
    wrong = [
        said
        for holds, said in (
            (seen.capture_on, f"capture on {route.source} is off"),
            (
                counted["laid"] and not counted["pending"],
                f"{counted['pending']} chunks are pending" if counted["laid"] else "no chunk was ever laid out",
            ),
            (
                not seen.quarantined["rows"],
                f"{seen.quarantined['rows']} rows are in quarantine ({seen.quarantined['samples']}; table sluice.quarantine)",
            ),
            (
                seen.proof["covers"],
                f"partitions end at {row['upper_bound']}, less than a month ahead: writes would fail then",
            ),
            (
                seen.proof["fresh"],
                f"the last clean diff is older than {freshness} (gates.freshness: it must outlast a comparison),"
                " there is none, or capture or a partition was touched since it began",
            ),
        )
        if not holds
    ]
    if wrong:
        raise NotYet(
            f"{migration.name} may not cut over: {'; '.join(wrong)}. Nothing was changed; run it again to verify anew."
        )


def check_cut_back(
    migration: SameClusterMigration, live: Table, old: Table, carrying: carry.Carrying, seen: Seen
) -> None:
    """What cutting back relies on, both times: the old table has followed, and can hold every column."""
    carry.check(seen.hung, carrying)
    if not seen.capture_on:
        raise NotYet(
            f"reverse capture on {live} is off: the old table lacks writes. Nothing was changed. Bring over what a diff"
            f' lists, switch on trigger "{CAPTURE_TRIGGER}" (ENABLE ALWAYS), and cut back then.'
        )
    if not seen.proof["untouched"]:
        raise NotYet(
            f"reverse capture or a partition of {live} was changed since the cutover: the old table may lack writes."
            " Nothing was changed; run it again to compare them first."
        )
    held = seen.quarantined
    if held["rows"]:
        raise NotYet(
            f"the old table cannot hold {held['rows']} rows written to {live} since the cutover ({held['samples']};"
            " table sluice.quarantine). Nothing was changed: mend them, then cut back."
        )
    now, then = seen.columns
    changed = migration.target.columns
    extra = sorted(column for column in now - then if column[0] not in changed)
    if extra:
        raise Drifted(
            f"{live} has columns that the old table has not: {', '.join(' '.join(c) for c in extra)}."
            " Cutting back would lose them. Nothing was changed: drop them first, or stay."
        )
    for table, same in ((live, seen.make["same_target"]), (old, seen.make["same_source"])):
        if not same:
            raise Drifted(
                f"{table} was changed since the cutover (column, constraint, policy, grant or owner), and the other one was not."
                f" Nothing was changed: take it back on {table}, cut back, and make the change then."
            )
