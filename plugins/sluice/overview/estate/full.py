"""When a store's disk is full, by the last capacity report: between which days, as from today. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sluice.ledger.seen import Seen
from sluice.overview.capacity.shortened import comes_first
from sluice.overview.capacity.stores import Arrival, arrival_of
from sluice.overview.links import evidence_path
from sluice.overview.states import State

URGENT, SOON = 14, 60
"""Days until the earliest likely one below which it is bad, and to be looked at."""

NEVER = Arrival("", None, None, None, None)
"""Of a store whose limit nobody knows, or foresees."""


@dataclass(frozen=True)
class Full:
    """When a disk is full. Of ten such forecasts one comes before `earliest`, five before `likely`, nine before `latest`."""

    earliest: date | None
    likely: date | None
    latest: date | None
    told: str
    """What it is to be there: `is 85 % full`; empty where nobody says how much it holds."""
    reason: str
    """Why there is no forecast, or why it is not to be trusted; empty where it is."""
    until: date
    """The first day that the report knows nothing of."""
    report: str
    """The path of its page."""
    today: date

    @property
    def words(self) -> str:
        """Say in how many days."""
        if self.earliest is None:
            return self.reason or ("not within a year" if self.told else "nobody says how much its disk holds")
        first, last = self._left(self.earliest), self._left(self.latest)
        if first == 0:
            return "now" if last == 0 else f"now, or in {'more than a year' if last is None else f'{last} days'}"
        return f"in {first} days or later" if last is None else f"in {first} to {last} days"

    @property
    def state(self) -> State:
        """How near it is."""
        left = self._left(self.earliest)
        if left is None:
            return "none"
        return "bad" if left < URGENT else "warn" if left < SOON else "good"

    def _left(self, day: date | None) -> int | None:
        return max(0, (day - self.today).days) if day else None


def full_of(seen: Seen | None, store: str, today: date) -> Full | None:
    """Give when a store is full, by what a look has kept of the last report; None where that says nothing of its size."""
    known = {one["name"]: one for one in seen.found.get("stores", ())} if seen else {}
    sizes = [one for one in known.get(store, {}).get("measures", ()) if one["unit"] == "bytes" and not one["subject"]]
    if seen is None or not sizes:
        return None
    arrivals = [(arrival_of(one), one["value"]) for one in sizes[0]["arrivals"]]
    first, limit = min(arrivals, key=lambda pair: comes_first(pair[0]), default=(NEVER, None))
    told = next((one["told"] for one in sizes[0]["limits"] if one["value"] == limit), "")
    until, page = date.fromisoformat(seen.found["until"]), evidence_path(seen.found["page"])
    return Full(first.earliest, first.likely, first.latest, told, sizes[0]["reason"], until, page, today)
