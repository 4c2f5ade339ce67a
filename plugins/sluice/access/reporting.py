"""Tell Sluice what a reader has compared, where the gate before the cutover looks for it."""

from __future__ import annotations

from sluice.access.routing import MARKS
from sluice.access.shadow import ShadowReport
from sluice.access.store import Store
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import Put


def tell(store: Store, migration: str, reader: str, report: ShadowReport, *, table: str = MARKS) -> None:
    """Keep a reader's report; a later one of the same reader takes its place. `reader` names the process.

    It counts for the epoch that it was read in, and for no other; where nothing was read there is nothing to keep. Raises
    DynamoDown, Throttled.
    """
    if report.epoch is None:
        return
    told = ("asked", "compared", "equal", "race", "real", "fell_back", "failed", "not_compared")
    counts = {name: getattr(report, name) for name in told}
    counts |= {"old_p95": report.old.p95, "new_p95": report.new.p95, "epoch": report.epoch}
    examples = "; ".join(f"{one.key} in {', '.join(one.attributes)}" for one in report.examples)
    item: Item = {name: {"N": str(count)} for name, count in counts.items()}
    place: Item = {"PK": {"S": migration}, "SK": {"S": f"SHADOW#{reader}"}}
    store.put(Put(table, {**place, **item, "examples": {"S": examples[:2000]}}))
