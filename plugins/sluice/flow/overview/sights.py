"""What is looked at for the overview: each kind of thing, which there are, and how one is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.flow.overview import capacity, certificates, drills, migrations, safety
from sluice.flow.overview.months import archived_items, look_at_item_months, look_at_months
from sluice.flow.project import dataset_names
from sluice.ledger.seen import Kind


@dataclass(frozen=True)
class Sight:
    """One kind of thing."""

    kind: Kind
    subjects: Callable[[], Sequence[str]]
    """Names those that there are. Raises EstateErrors."""
    look: Callable[[str], Mapping[str, Any]]
    """Looks at one, and gives what a page needs as plain JSON. Read-only. Raises SluiceError."""
    often: bool = False
    """Whether it changes by the second: looked at each time, all else once in a run."""


SIGHTS: tuple[Sight, ...] = (
    Sight(Kind.CERTIFICATES, certificates.stores, certificates.look),
    Sight(Kind.SAFETY, certificates.stores, safety.look),
    Sight(Kind.DRILLS, certificates.stores, drills.look),
    Sight(Kind.MONTHS, dataset_names, look_at_months),
    Sight(Kind.ITEM_MONTHS, archived_items, look_at_item_months),
    Sight(Kind.CAPACITY, capacity.reports, capacity.look),
    Sight(Kind.MIGRATION, migrations.names, migrations.look, often=True),
)
"""In their order: of drills, what was read of certificates just now is shown."""
