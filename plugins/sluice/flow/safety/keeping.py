"""The operators that keep a store's backups: lock them, let the old ones go, sweep halves, and poison copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from sluice.estate import read_stores
from sluice.flow.alerting import raise_alarm
from sluice.flow.connections import MODES, open_vault, opened_control
from sluice.flow.project import ROOT
from sluice.flow.safety.of_a_store import GateOfAStore, OfAStore
from sluice.flow.safety.stores import KEEPS, backup_of, of_backup

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.drill.certificate import Certificate
    from sluice.safety.driver import Driver, Tell
    from sluice.safety.keeping.expiring import Keeping
    from sluice.stores.objects import Vault

GATE = "backups_kept"


class KeepBackups(OfAStore):
    """Lock what is immutable, let go what is kept for nothing any more, and sweep what is half."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what stayed and went. Raises MustAsk, BeingRead, Changed, NotGone, ClockWrong, NotLocked, VaultDown."""
        from sluice.safety.keeping.dropping import apply_expiry, verify_expiry
        from sluice.safety.keeping.expiring import plan_expiry
        from sluice.safety.keeping.locking import apply_locks, check_can_lock, plan_locks, verify_locks
        from sluice.safety.keeping.looking import look
        from sluice.safety.keeping.staying import wrong_rules
        from sluice.safety.keeping.sweeping import sweep

        check_keeps(self.store)
        vault, keeping, now, tell = open_vault(), keeping_of(self.store), datetime.now(UTC), self.log.info
        check_can_lock(vault, keeping)
        seen = look(vault, self.store)
        wanted = plan_locks(seen.holding, keeping, now)
        apply_locks(vault, seen, wanted, tell)
        locked = verify_locks(vault, seen, wanted)
        seen = look(vault, self.store, locks=True)
        planned = plan_expiry(seen.holding, keeping, now)
        tell("%s", planned)
        done = apply_expiry(vault, self.store, planned, now, tell, agreed=context["params"]["agree"])
        facts = {
            **verify_expiry(vault, self.store, planned, done),
            "locked": locked,
            "halves_swept": len((swept := sweep(vault, self.store, now, tell)).gone),
            "hidden": len(swept.hidden),
            "hidden_told": "; ".join(swept.hidden),
            "lost": len(seen.lost),
            "lost_told": "; ".join(seen.lost),
            "rules_wrong": len(rules := [*wrong_rules(vault, self.store, keeping)]),
            "rules_wrong_told": "; ".join(rules),
        }
        if seen.lost:
            raise_alarm(self.log, of_backup(self.store), f"backups have lost something: {facts['lost_told']}", context)
        with opened_control(of_backup(self.store), context["run_id"]) as control:
            control.record_facts(GATE, facts, epoch=1)
        return facts


class PoisonBackup(OfAStore):
    """Flip a bit in copies of a backup, of the log and of the manifest, and see that verification notices each."""

    template_fields: Sequence[str] = ("store", "backup")
    ui_color = "#e8f1fb"

    def __init__(self, *, backup: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup = backup

    def execute(self, context: Context) -> list[str]:
        """Give what caught each. Raises Unnoticed, KeepsAll, Damaged, LogNotYet, VaultDown, AccessDenied."""
        from sluice.safety.keeping.looking import look
        from sluice.safety.keeping.poisoning import Unnoticed, poison

        check_keeps(self.store)
        vault, now = open_vault(), datetime.now(UTC)
        made = poison(vault, look(vault, self.store), self.backup, context["run_id"], now, self.log.info)
        if made.missed:
            raise_alarm(self.log, of_backup(self.store), "; ".join(made.missed), context)
            raise Unnoticed(
                f"{self.store}: {'; '.join(made.missed)}. Trust no verification of this store until that is mended."
            )
        return [f"{flip.what}: {flip.caught_by}" for flip in made.flips]


class KeptBackupsGate(GateOfAStore):
    """A gate over what is kept of a store's backups."""

    @property
    def whose(self) -> str:
        """The store's backups."""
        return of_backup(self.store)

    @property
    def subject(self) -> str:
        """What it speaks of."""
        return f"what is kept of {self.store}'s backups"


def keeping_of(store: str) -> Keeping:
    """Give what the estate's file promises of a store's backups. The monthly ones are locked where the vault locks at all."""
    from sluice.safety.keeping.expiring import Keeping
    from sluice.safety.keeping.tiers import Tier

    _, backup = backup_of(store)
    lock, keep = read_stores(ROOT).vault.lock, backup.keep
    tiers = (
        Tier("daily", "day", timedelta(days=keep.daily.days)),
        Tier("weekly", "week", timedelta(days=keep.weekly.days), whole=True),
        Tier("monthly", "month", timedelta(days=keep.monthly.days), MODES[lock.mode] if lock else None, whole=True),
    )
    return Keeping(tiers, backup.window)


def whole_where_wanted(driver: Driver, tell: Tell) -> Driver:
    """Have the next backup be a whole one where a week or a month has none yet, or the newest whole one was not read back."""
    from sluice.safety.physical.driver import Physical

    if not isinstance(driver, Physical):
        return driver
    from sluice.safety.keeping.expiring import wants_whole
    from sluice.safety.keeping.looking import look

    why = wants_whole(look(driver.vault, driver.store).holding, keeping_of(driver.store), datetime.now(UTC))
    if why is None:
        return driver
    tell(f"{driver.store}: a whole backup is taken: {why}")
    return replace(driver, full_every=timedelta(0))


def keeps(store: str) -> bool:
    """Tell whether we say how long its backups stay: dumps and bases stay, pgBackRest and AWS have rules of their own."""
    return backup_of(store)[1].by in KEEPS


def check_keeps(store: str) -> None:
    """Raise AirflowSkipException where how long backups stay is not ours to say."""
    if not keeps(store):
        raise AirflowSkipException(
            f"{store} is backed up by {backup_of(store)[1].by}: nothing of it is kept, or goes, by us."
        )


def note_proven(vault: Vault, store: str, made: Certificate) -> None:
    """Note of each backup that a drill has restored it, where it has passed: that is worth as much as reading it back."""
    from sluice.safety.backup import MANIFEST, folder_of, read_backup
    from sluice.safety.keeping.notes import note_restored

    against = made.compared
    if not keeps(store) or against is None or against.at != made.target:
        return  # what was compared came out of another copy, and maybe out of other backups
    for name in made.backups:
        note_restored(vault, read_backup(vault, f"{folder_of(store, name)}/{MANIFEST}"), made)
