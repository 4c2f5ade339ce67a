"""The operators of `backup__<store>`: take a backup, read it back, judge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.flow.connections import open_vault, opened_control
from sluice.flow.safety.keeping import check_residency, has_names, whole_where_wanted
from sluice.flow.safety.of_a_store import GateOfAStore, OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, of_backup
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

GATE = "backup_fresh"
SERVICE = "service_fresh"
"""The gate of what a service keeps, whose word for it is all that there is before a drill."""
BEAT = timedelta(seconds=15)
"""What lies between two files of the log that is being written, and between two runs of what ships it."""
DAILY = timedelta(hours=26)
"""How old the newest backup of a store may be: one is taken each day, and takes its time."""


class TakeStoreBackup(OfAStore):
    """Take a backup of a store into the vault: whole, or what has changed since, as its driver can."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> str:
        """Give its name. Raises NotTaken, ProgramFailed, OutsideResidency, StoreDown, VaultDown, AccessDenied."""
        check_words(context)
        check_residency(self.store, open_vault())
        asked = context["params"].get("whole", False)
        return whole_where_wanted(driver_of(self.store), self.log.info, asked=asked).take(self.log.info).id


class VerifyBackup(OfAStore):
    """Read a backup back from the vault, byte by byte, with the log that it needs; leave what was seen for the gate."""

    template_fields: Sequence[str] = ("store", "backup")
    patience = timedelta(minutes=3)
    """How long the end of a backup may be on its way into the vault."""

    def __init__(self, *, backup: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup = backup

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what was seen. Raises Broken, Damaged, NoSuchKey, LogNotYet, VaultDown."""
        from sluice.safety.backup import named
        from sluice.safety.keeping.verifying import verify_whole

        driver = driver_of(self.store)
        begun = datetime.now(UTC)
        if has_names(self.store):
            read = verify_whole(open_vault(), self.store, self.backup, self.log.info, self.patience)
        else:
            read = driver.verify(self.backup, self.log.info)
        seconds = (datetime.now(UTC) - begun).total_seconds()
        found, window = driver.backups(), driver.window()
        taken = named(found, self.store, self.backup)
        now = datetime.now(UTC)
        latest = window.latest if window else taken.whole_at
        age, behind = now - taken.whole_at, max(now - latest, timedelta(0))
        facts = {
            "backup": taken.id,
            "backups": len(found),
            "bytes_stored": taken.bytes,
            "bytes_read": read,
            "age_seconds": age.total_seconds(),
            "age_over_seconds": over(age, DAILY),
            "window_seconds": (window.latest - window.earliest).total_seconds() if window else -1.0,
            "behind_seconds": behind.total_seconds(),
            "behind_over_seconds": over(behind, backup_of(self.store)[0].rpo + BEAT),
            "megabytes_per_second": round(read / max(seconds, 0.001) / 1e6, 1),
        }
        with opened_control(of_backup(self.store), context["run_id"]) as control:
            control.record_facts(gate_of(backup_of(self.store)[1].by), facts, epoch=1)
        return facts


def gate_of(by: str) -> str:
    """Name the gate over the newest backup that was taken in this way."""
    return SERVICE if by == "service" else GATE


def over(found: timedelta, allowed: timedelta) -> float:
    """Give by how many seconds something is more than it may be; 0 where it is not. Pure."""
    return max(0.0, (found - allowed).total_seconds())


class BackupGate(GateOfAStore):
    """A gate over the newest backup of a store."""

    @property
    def whose(self) -> str:
        """The store's backups."""
        return of_backup(self.store)

    @property
    def subject(self) -> str:
        """What it speaks of."""
        return f"the newest backup of {self.store}"
