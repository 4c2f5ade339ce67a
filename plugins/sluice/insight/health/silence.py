"""Why nobody is told of something that is wrong, for now. Pure: who is at work at a store is given.

What is silenced is kept all the same, and told when the silence ends, if it is there still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sluice.estate.calendar import Window
from sluice.estate.health import Silence
from sluice.insight.health.troubles import UNREACHABLE, WATCHING, Trouble


@dataclass(frozen=True)
class Hushed:
    """What keeps people from being told."""

    now: datetime
    maintenance: Sequence[Window] = ()
    silences: Sequence[Silence] = ()
    ours: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Of a store and a cause: which of Sluice's own sessions cause it, and nobody else's."""

    def why(self, trouble: Trouble) -> str | None:
        """Give why nobody is told of it; None where people are."""
        return self._in_maintenance(trouble) or self._asked_for(trouble) or self._by_us(trouble)

    def _in_maintenance(self, trouble: Trouble) -> str | None:
        # Whoever plans work does not plan that a store is gone when it ends: that must not wait for the end of the hour.
        if trouble.cause == WATCHING or (trouble.severity == "P1" and trouble.cause == UNREACHABLE):
            return None
        return next((f"maintenance: {one}" for one in self.maintenance if one.holds(self.now)), None)

    def _asked_for(self, trouble: Trouble) -> str | None:
        for one in self.silences:
            is_meant = one.store in (None, trouble.series.store) and one.rule in (None, trouble.rule)
            if is_meant and self.now.date() <= one.until:
                return f"silenced until {one.until}: {one.why}"
        return None

    def _by_us(self, trouble: Trouble) -> str | None:
        if not trouble.ours:
            return None
        who = self.ours.get((trouble.series.store, trouble.cause))
        return f"Sluice's own work: {who}" if who else None
