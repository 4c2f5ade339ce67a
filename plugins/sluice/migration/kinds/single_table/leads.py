"""Who leads, by where a migration stands: the table that applications write, and the other one follows."""

from __future__ import annotations

from sluice.ledger.item_marks import State
from sluice.migration.engine.contract import COPIES_IN

LED = "records_led"
"""A fact of a migration, and since which epoch: applications have written records while these led, and some may have none of our
attributes still."""
FORGOT = "old_stream_forgot_at"
"""A fact: since the records lead, the old table's stream has forgotten something before it was read, or was switched off."""


def source_leads(state: State) -> bool:
    """Whether the source is what applications write."""
    return state.phase in COPIES_IN


def has_led(state: State) -> bool:
    """Whether what stands at a record's place without our attributes is this migration's: see `adopting.py`."""
    return bool(state.facts.get(LED))


def led_since(state: State) -> int:
    """Since which epoch the same side leads: a gap on the way back begins another one."""
    return state.epoch if source_leads(state) else int(state.facts.get(LED) or state.epoch)
