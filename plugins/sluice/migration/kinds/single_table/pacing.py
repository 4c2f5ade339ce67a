"""How fast this process may copy: its share of the write units that the YAML allows to all lanes together."""

from __future__ import annotations

from dataclasses import dataclass, field

from sluice.stores.dynamodb.capacity import AdaptiveRate


@dataclass(frozen=True)
class Share:
    """A share of `units` a second. `lanes` are those that the YAML has; a run may be told to use more."""

    units: int
    lanes: int
    rate: AdaptiveRate = field(init=False)
    """One for all threads of the process."""

    def __post_init__(self) -> None:
        """Begin with the share of one of `lanes`."""
        mine = self.units / self.lanes
        object.__setattr__(self, "rate", AdaptiveRate(mine, min(1.0, mine), mine, mine / 10))

    def among(self, lanes: int) -> None:
        """Take the share of one of so many that are at work now: none that the YAML has is forgotten, it may begin."""
        self.rate.limit(self.units / max(self.lanes, lanes))
