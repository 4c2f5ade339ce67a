"""What a copy is to be like, what RDS is told for that, and in what the copy that came of it is not so. Pure.

A drill's copy is the original with little around it: one machine, of a class of its own if the estate says so, that nobody from
outside reaches, that may be deleted, and that leaves nothing behind. One for the real day is the original in everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluice.safety.rds.settings import NOT_OF_A_SNAPSHOT, PASSED, PUT_BACK, Settings
from sluice.stores.rds import as_tags

Likeness = Literal["drill", "whole"]
GP3_IN_STRIPES = 400
"""GiB. From here on RDS for PostgreSQL takes IOPS and throughput of gp3; below it refuses them, also the ones it tells."""

_DRILL: Mapping[str, tuple[Any, str]] = {
    "AssociatedRoles": ([], "a drill's copy calls no other service"),
    "BackupRetentionPeriod": (0, "a drill's copy is not backed up"),
    "DBCapacityReservationIdentifier": (None, "what is reserved is for the store"),
    "DBInstanceAutomatedBackupsReplications": ([], "a drill's copy is not backed up"),
    "DatabaseInsightsMode": (None, "a drill's copy is not watched"),
    "DeletionProtection": (False, "a drill's copy goes when the drill is over"),
    "EnabledCloudwatchLogsExports": ([], "groups of logs would outlive a drill's copy"),
    "MasterUserSecret": (None, "a secret is not made for a drill"),
    "MonitoringInterval": (0, "a drill's copy is not watched"),
    "MonitoringRoleArn": (None, "a drill's copy is not watched"),
    "MultiAZ": (False, "one machine is enough for a drill"),
    "PerformanceInsightsEnabled": (False, "a drill's copy is not watched"),
    "PerformanceInsightsKMSKeyId": (None, "a drill's copy is not watched"),
    "PerformanceInsightsRetentionPeriod": (None, "a drill's copy is not watched"),
    "PubliclyAccessible": (False, "nobody from outside reaches a drill's copy"),
}
_ANYTHING_IN_A_DRILL = {
    "PreferredBackupWindow": "a drill's copy is not backed up",
    "PreferredMaintenanceWindow": "a drill's copy does not live to see one",
}


@dataclass(frozen=True)
class Wanted:
    """What a copy is to be like."""

    settings: Settings
    reasons: Mapping[str, str]
    """Why a setting is another than the original's. One that is in no settings may be anything."""


@dataclass(frozen=True)
class Unlike:
    """In what a copy differs from its original, a line each."""

    meant: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Afterwards:
    """What a copy is given once it is there."""

    changes: Mapping[str, Any]
    roles: tuple[Mapping[str, str], ...]

    @property
    def names(self) -> list[str]:
        """All of it, by name."""
        return sorted([*self.changes, *(role["RoleArn"] for role in self.roles)])


def wanted_of(
    original: Settings, likeness: Likeness, drill_class: str | None = None, elsewhere: Settings | None = None
) -> Wanted:
    """Say what a copy is to be like. `elsewhere` has what is called otherwise where it comes up: groups and keys of a region."""
    changed = {name: (value, "it is called so where the copy is") for name, value in (elsewhere or {}).items()}
    anything: Mapping[str, str] = {}
    if likeness == "drill":
        own = {"DBInstanceClass": (drill_class, "drills have a class of their own")} if drill_class else {}
        changed, anything = {**changed, **_DRILL, **own}, _ANYTHING_IN_A_DRILL
    settings = {name: value for name, value in original.items() if name not in anything}
    reasons = {**{name: reason for name, (_, reason) in changed.items()}, **anything}
    return Wanted({**settings, **{name: value for name, (value, _) in changed.items()}}, reasons)


def parameters_of(wanted: Settings, tags: Mapping[str, str], *, from_snapshot: bool) -> dict[str, Any]:
    """Say it in the parameters of a restore: all but from what, to when, and under which name."""
    kept = {parameter: wanted.get(setting) for parameter, setting in PASSED.items()}
    if from_snapshot:
        kept = {name: value for name, value in kept.items() if name not in NOT_OF_A_SNAPSHOT}
    told = {**kept, **_speed(wanted), **_domain(wanted)}
    # False and 0 are said: they are what RDS might not choose.
    said = {name: value for name, value in told.items() if value not in (None, "", [])}
    return {**said, "Tags": as_tags({**wanted.get("TagList", {}), **tags})}


def plan_afterwards(copy: Settings, wanted: Settings) -> Afterwards:
    """List what the copy is not yet given, of what can be changed once it is there: nothing where all is as wanted."""
    changes: dict[str, Any] = {}
    for group in PUT_BACK:
        if any(name in wanted and not same(copy.get(name), wanted[name]) for name in group.values()):
            changes |= {told: wanted[name] for told, name in group.items() if wanted.get(name) not in (None, "")}
    if "ManageMasterUserPassword" in changes:
        changes["ManageMasterUserPassword"] = True
    there = copy.get("AssociatedRoles", [])
    return Afterwards(changes, tuple(role for role in wanted.get("AssociatedRoles", []) if role not in there))


def differences(original: Settings, wanted: Wanted, copy: Settings) -> Unlike:
    """Hold a copy against its original: what was meant to be another, and what is another though it was not meant."""
    meant, wrong = [], []
    for name in sorted({*original, *wanted.settings, *copy}):
        was, is_now = original.get(name), copy.get(name)
        anything = name in wanted.reasons and name not in wanted.settings
        if not anything and not same(is_now, wanted.settings.get(name)):
            wrong.append(f"{name}: {_said(is_now)}, should be {_said(wanted.settings.get(name))}")
        elif not same(is_now, was):
            meant.append(f"{name}: {_said(is_now)}, was {_said(was)}: {wanted.reasons[name]}")
    return Unlike(tuple(meant), tuple(wrong))


def same(one: Any, other: Any) -> bool:
    """Tell whether two values of a setting are the same: RDS leaves out what is off, empty or none."""
    return (one or None) == (other or None)


def _said(value: Any) -> str:
    return str(value) if value not in (None, "", [], {}) else "none"


def _speed(wanted: Settings) -> dict[str, Any]:
    if wanted.get("StorageType") == "gp3" and wanted.get("AllocatedStorage", 0) < GP3_IN_STRIPES:
        return {}
    return {"Iops": wanted.get("Iops") or None, "StorageThroughput": wanted.get("StorageThroughput") or None}


def _domain(wanted: Settings) -> dict[str, Any]:
    """A directory that AWS keeps goes by its id and a role; one of the user's own by its name and a secret."""
    found: Mapping[str, Any] = next(iter(wanted.get("DomainMemberships") or ()), {})
    if found.get("Domain") and not found.get("AuthSecretArn"):
        return {"Domain": found["Domain"], "DomainIAMRoleName": found.get("IAMRoleName")}
    own = {"DomainFqdn": "FQDN", "DomainOu": "OU", "DomainAuthSecretArn": "AuthSecretArn", "DomainDnsIps": "DnsIps"}
    return {parameter: found.get(name) for parameter, name in own.items()}
