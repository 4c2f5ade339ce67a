"""When a store's disk is full, by the last capacity report: between which days, as from today. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sluice.insight.capacity.report import SCHEMA
from sluice.ledger.seen import Seen
from sluice.overview.estate.safety import State
from sluice.overview.links import evidence_path

KIND, SUBJECT = "arrivals", "last"
"""Under these it is kept: there is a look in each run, whatever the estate has."""
LIMITS = ("full", "most")
"""Of a report's limits those that end a disk."""
URGENT, SOON = 14, 60
"""Days until the earliest likely one below which it is bad, and to be looked at."""


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


def arrivals_told(report: Mapping[str, Any], page: str) -> dict[str, Any]:
    """Write what a page needs of a report's JSON; its stores are empty where the report is of another form."""
    stores = report["stores"] if report.get("schema") == SCHEMA else ()
    sizes = {one["name"]: _size(one) for one in stores}
    return {"until": report["until"], "page": page, "stores": {name: one for name, one in sizes.items() if one}}


def full_of(seen: Seen | None, store: str, today: date) -> Full | None:
    """Give when a store is full; None where no report says anything of its size."""
    if seen is None or store not in seen.found.get("stores", {}):
        return None
    told = seen.found["stores"][store]
    earliest, likely, latest = (date.fromisoformat(one) if one else None for one in told["days"])
    until, page = date.fromisoformat(seen.found["until"]), evidence_path(seen.found["page"])
    return Full(earliest, likely, latest, told["told"], told["reason"], until, page, today)


def _size(store: Mapping[str, Any]) -> dict[str, Any] | None:
    """Take the limit of its size that comes first."""
    measures = [one for one in store["measures"] if one["unit"] == "bytes" and not one["subject"]]
    if not measures:
        return None
    one = measures[0]
    limits = [at for at in one["arrivals"] if at["limit"]["name"] in LIMITS]
    first = min(limits, key=lambda at: (at["likely"] or "9", at["earliest"] or "9"), default=None)
    days = [first[name] for name in ("earliest", "likely", "latest")] if first else [None] * 3
    return {"days": days, "told": first["limit"]["told"] if first else "", "reason": one["reason"]}
