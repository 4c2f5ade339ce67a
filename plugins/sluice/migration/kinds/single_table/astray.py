"""Writes that came past the route: somebody's, to the old table, while the records lead."""

from __future__ import annotations

from collections.abc import Iterable

from sluice.ledger.item_marks import Place, State
from sluice.migration.kinds.dynamodb_source.last_look import is_stray
from sluice.migration.kinds.single_table.leads import FORGOT, led_since, source_leads
from sluice.migration.kinds.single_table.ours import is_ours
from sluice.stores.dynamodb.streams import Change


def is_astray(change: Change, state: State) -> bool:
    """Whether somebody wrote past the route: not us, since the records lead, no canary, and not the table's own TTL.

    What was written before the cutover was right. Whoever begins a stream again may read it once more.
    """
    since = state.time("cut_over_at")
    before = since is not None and change.at < since.replace(microsecond=0)
    return not before and is_stray(change) and not is_ours(change, state.epoch, led_since(state))


def counted_as(epoch: int) -> str:
    """Name their count in an epoch."""
    return f"astray_{epoch}"


def count_astray(places: Iterable[Place], state: State) -> int:
    """Count them: in this epoch, and where the records lead, since they do. What the stream forgot may be one more."""
    epochs = range(led_since(state), state.epoch + 1)
    forgot = not source_leads(state) and bool(state.facts.get(FORGOT))
    return sum(place.counts.get(counted_as(epoch), 0) for place in places for epoch in epochs) + forgot
