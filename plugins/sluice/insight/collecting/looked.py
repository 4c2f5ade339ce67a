"""What one look has found: numbers of now, counters that become rates, and numbers of earlier moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sluice.ledger.samples import Sample, Series


@dataclass(frozen=True)
class Looked:
    """What is found is there; what could not be seen is absent, and `notes` say why."""

    values: Mapping[Series, float] = field(default_factory=dict)
    """As of now."""
    counters: Mapping[Series, float] = field(default_factory=dict)
    """Where each counter stands, under the name of the rate that comes of it."""
    history: tuple[tuple[Series, Sample], ...] = ()
    """What a service tells of earlier moments."""
    notes: tuple[str, ...] = ()
    """What is lacking, and what to do about it: for people, once."""
    once_kept: tuple[Callable[[], None], ...] = ()
    """What is remembered of this, such as up to where it was read: no sooner than all of it is kept."""

    def __add__(self, other: Looked) -> Looked:
        """Give both together."""
        return Looked(
            {**self.values, **other.values},
            {**self.counters, **other.counters},
            (*self.history, *other.history),
            tuple(dict.fromkeys((*self.notes, *other.notes))),
            (*self.once_kept, *other.once_kept),
        )
