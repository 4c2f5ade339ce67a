"""From what a copy is made: the instance that lives, what RDS keeps of one that is gone, or a snapshot; and to which moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal
from sluice.safety.driver import Window
from sluice.safety.rds.kept import Kept
from sluice.safety.rds.settings import Settings, settings_of
from sluice.safety.rds.standing import THERE
from sluice.safety.target import Target
from sluice.stores.rds import Absent, find_instance, find_snapshot, list_automated, list_snapshots


class NotReachable(Terminal):
    """RDS cannot bring the store back to this moment."""


class OfACluster(Terminal):
    """An instance that shares its disk with others: Aurora, or a cluster of RDS."""


@dataclass(frozen=True)
class Source:
    """What is brought back, and how it is, or was, set."""

    instance: str
    resource: str
    settings: Settings
    lives: bool


@dataclass(frozen=True)
class Origin:
    """From what, and to when."""

    parameters: Mapping[str, Any]
    latest: datetime | None = None
    """Where the latest moment is asked for: as of when that was, by then."""

    @property
    def from_snapshot(self) -> bool:
        """Whether it is a snapshot."""
        return "DBSnapshotIdentifier" in self.parameters

    def ask(self, client: Any, name: str, parameters: Mapping[str, Any]) -> None:
        """Have RDS begin."""
        if self.from_snapshot:
            client.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=name, **self.parameters, **parameters)
        else:
            client.restore_db_instance_to_point_in_time(
                TargetDBInstanceIdentifier=name, **self.parameters, **parameters
            )


def source_of(store: str, instance: str, live: Mapping[str, Any] | None, kept: Callable[[], Kept | None]) -> Source:
    """Give the instance as it is; where it is gone, as it was when the last snapshot was taken. Raises Absent, OfACluster."""
    if live is not None and live.get("DBClusterIdentifier"):
        raise OfACluster(
            f"{store}: {instance} is a member of cluster {live['DBClusterIdentifier']}, which is backed up and brought back as a"
            " whole. Back this store up logically."
        )
    if live is not None:
        return Source(instance, live["DbiResourceId"], settings_of(live), True)
    if (last := kept()) is None:
        raise Absent(
            f"{store}: RDS has no instance {instance}, and the vault keeps no settings of it. Check its name and the"
            " connection's region; restore by hand if it is gone."
        )
    return Source(last.instance, last.resource, last.settings, False)


def origin_of(client: Any, store: str, source: Source, target: Target) -> Origin:
    """Say from what a target is reached. Raises NotReachable, Throttled, RdsDown, AccessDenied."""
    if target.kind == "position":
        raise NotReachable(
            f"{store}: RDS knows no positions of the log ({target.value}). Ask for a time, or for a snapshot."
        )
    if target.kind == "point":
        return Origin({"DBSnapshotIdentifier": _snapshot(client, store, target.value)})
    live = find_instance(client, source.instance) if source.lives else None
    window = window_of(client, source.instance, live)
    if window is None:
        raise NotReachable(
            f"{store}: RDS keeps no backups of {source.instance} by itself, so there is no way back to {target}. Name a"
            " snapshot, and switch its retention on."
        )
    whose = {"SourceDBInstanceIdentifier": source.instance} if live else {"SourceDbiResourceId": source.resource}
    if target.kind == "latest":
        return Origin({**whose, "UseLatestRestorableTime": True}, window.latest)
    return Origin({**whose, "RestoreTime": _within(window, store, datetime.fromisoformat(target.value))})


def window_of(client: Any, instance: str, live: Mapping[str, Any] | None) -> Window | None:
    """Tell from when to when RDS can bring an instance back, to the second; None where it keeps nothing by itself."""
    told = [one["RestoreWindow"] for one in list_automated(client, instance) if one.get("RestoreWindow")]
    ends = [one["LatestTime"] for one in told if one.get("LatestTime")]
    if live is not None:
        ends = (
            [live["LatestRestorableTime"]]
            if live.get("BackupRetentionPeriod") and live.get("LatestRestorableTime")
            else []
        )
    begins = [one["EarliestTime"] for one in told if one.get("EarliestTime")] or _own_snapshots(client, instance)
    return Window(min(begins).astimezone(UTC), max(ends).astimezone(UTC)) if begins and ends else None


def _own_snapshots(client: Any, instance: str) -> list[datetime]:
    """Of RDS's own making: its log goes on from the first of them."""
    found = [one for one in list_snapshots(client, instance) if one.get("SnapshotType") == "automated"]
    return [one["SnapshotCreateTime"] for one in found if one.get("SnapshotCreateTime")]


def _within(window: Window, store: str, moment: datetime) -> datetime:
    """Give the time that RDS is asked for: it takes whole seconds."""
    if not window.earliest <= moment <= window.latest:
        late = moment > window.latest
        next_step = "Ask again in some minutes, RDS is always a little behind" if late else "Name a snapshot of before"
        raise NotReachable(
            f"{store}: {moment:%Y-%m-%d %H:%M:%S %Z} is {'after the last' if late else 'before the first'} moment to which RDS"
            f" can bring it back: {window.earliest:%Y-%m-%d %H:%M:%S} to {window.latest:%Y-%m-%d %H:%M:%S} UTC."
            f" {next_step}, or choose another time."
        )
    return moment.astimezone(UTC).replace(microsecond=0)


def _snapshot(client: Any, store: str, name: str) -> str:
    found = find_snapshot(client, name)
    if found is None or found["Status"] not in THERE:
        status = found["Status"] if found else "not there"
        raise NotReachable(f"{store}: snapshot {name} is {status}. Choose one of those that are listed as its backups.")
    return name
