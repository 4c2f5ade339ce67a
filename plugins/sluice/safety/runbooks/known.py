"""What a runbook is written from: the estate's file, and what the vault says of each store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sluice.estate.backup_ways import WAYS, By
from sluice.estate.models import EstateFile, Store
from sluice.safety.drill.certificate import Certificate
from sluice.safety.exposure import Exposure
from sluice.safety.words import lasts

Drill: TypeAlias = Literal["latest", "moment"]
LATEST = "the latest moment"
"""What certificates call it."""


@dataclass(frozen=True)
class Known:
    """The estate, and of each store that is backed up how it stands, with its certificates, oldest first."""

    estate: EstateFile
    exposures: Mapping[str, Exposure]
    certificates: Mapping[str, Sequence[Certificate]]
    at: datetime
    """When it was looked at."""

    def exercised(self, store: str, drill: Drill) -> str:
        """Say which drill does the same as a step, and when it last passed."""
        name = f"`restore_drill__{store}`"
        drills = (one for one in self.certificates.get(store, ()) if not one.is_full_recovery)
        alike = [one for one in drills if (one.target == LATEST) is (drill == "latest")]
        passed = [one for one in alike if not one.wrong]
        what = "as it is now" if drill == "latest" else "as of a drawn moment"
        if not passed:
            return f"Drilled by {name}, {what}: it has never passed."
        last = passed[-1]
        since = sum(1 for one in alike if one.wrong and one.asked_at > last.asked_at)
        red = f" Red since: {since}." if since else ""
        day = datetime.fromisoformat(last.asked_at)
        took = lasts(last.phases["available"])
        return f"Drilled by {name}, {what}: last passed {day:%Y-%m-%d %H:%M} UTC, available after {took}.{red}"

    @property
    def stores(self) -> Mapping[str, Store]:
        """Those of the estate, by name."""
        return self.estate.stores


def restore_command(store: str, by: By, target: str, value: str = "", region: str = "") -> str:
    """Write the command that brings a store back beside the one that lives, or has died."""
    where: dict[str, object] = {"port": 5499} if WAYS[by].engine == "postgres" else {}
    if by == "rds":  # where it listens is RDS's to say, and in which region a person's
        where = {"region": region} if region else {}
    asked = {"target": target, **({"value": value} if value else {}), "confirm": store, **where, "days": 7}
    return _run(f"restore__{store}", asked)


def drill_command(store: str, value: str) -> str:
    """Write the command that drills a moment of one's choice."""
    return _run(f"restore_drill__{store}", {"target": "time", "value": value})


def tenant_command(store: str, value: str) -> str:
    """Write the command that says what has become of one tenant's rows since a moment."""
    return _run(f"restore_tenant__{store}", {"target": "time", "value": value, "tenant": "42", "column": "tenant_id"})


def promote_command(store: str, **how: bool) -> str:
    """Write the command that has a replica of a store take writes."""
    return _run("promote_replica", {"store": store, "confirm": store, **how})


def _run(dag: str, asked: Mapping[str, object]) -> str:
    import json

    return f"./sluice run {dag} --conf '{json.dumps(asked)}' --wait"
