"""How busy replicas are themselves: their source's processors say nothing of who reads from them. It only reads.

`client` is boto3's for `cloudwatch`. Asked only where a replica may go, as each question costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.insight.collecting.cloudwatch import Asked, CloudRefused, CloudSilent, Stretch, fetch
from sluice.insight.collecting.rds import KEY, NAMESPACE, PLAIN
from sluice.insight.scaling.evaluating import FRESH, GAP, Holds, Threshold, judge
from sluice.ledger.samples import Sample, Series


@dataclass(frozen=True)
class ReplicaLoad:
    """The processors of a replica, in percent, a minute apart; or why nobody knows."""

    name: str
    samples: Sequence[Sample] = ()
    unknown: str = ""

    def judged(self, threshold: Threshold, now: datetime) -> Holds | str:
        """Give how idle it was, for as long as the threshold asks for; or say why that is not known, or not so."""
        found = judge(threshold, self.samples, now)
        if isinstance(found, Holds):
            return found
        if found is not None:
            return f"nobody knows how busy {self.name} is itself: {self.unknown or found.why}"
        busiest = max(one.value for one in self.samples)
        return f"{self.name} is in use itself: its processors were {busiest:.0f} % busy"


def loads_of(client: Any, store: str, replicas: Iterable[str], lasting: timedelta, now: datetime) -> list[ReplicaLoad]:
    """Read them for the last `lasting`. Never raises for CloudWatch: what it does not say is not known."""
    return [_load_of(client, store, name, lasting, now) for name in replicas]


def _load_of(client: Any, store: str, name: str, lasting: timedelta, now: datetime) -> ReplicaLoad:
    until = now.replace(second=0, microsecond=0)
    asked = Asked(Series(store, KEY, name), NAMESPACE, PLAIN[KEY], (("DBInstanceIdentifier", name),), "Average")
    try:
        found = tuple(sample for _, sample in fetch(client, [asked], Stretch(until - lasting - FRESH - GAP, until)))
    except (CloudRefused, CloudSilent) as why:
        return ReplicaLoad(name, unknown=str(why))
    return ReplicaLoad(name, found)
