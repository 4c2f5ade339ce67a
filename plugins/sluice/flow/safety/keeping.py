"""The operators that keep a store's backups: copy, lock, let the old ones go, sweep halves, and poison copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from sluice.estate import read_stores
from sluice.flow.connections import MODES, open_vault, opened_control
from sluice.flow.project import ROOT
from sluice.flow.safety.letting_go import NONE_ELSEWHERE, let_go, let_go_at, let_go_elsewhere, read_the_unread
from sluice.flow.safety.of_a_store import GateOfAStore, OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, elsewhere_of, of_backup

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.drill.certificate import Certificate
    from sluice.safety.driver import Driver, Tell
    from sluice.safety.keeping.describing import Line
    from sluice.safety.keeping.expiring import Keeping
    from sluice.safety.keeping.looking import Seen, Sort
    from sluice.safety.keeping.services import Service
    from sluice.stores.objects import Vault

GATE = "backups_kept"


class CopyElsewhere(OfAStore):
    """Copy into another region what is to lie there too, and read it back."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> list[str]:
        """Give what was copied. Raises OutsideResidency, OtherRegion, SameBucket, Damaged, AlreadyThere, VaultDown."""
        from sluice.safety.keeping.elsewhere import check_apart, copy_backup, plan_copies
        from sluice.safety.keeping.looking import look
        from sluice.safety.keeping.residency import check_lies_in, check_may_hold
        from sluice.safety.keeping.verifying import verify_whole

        store, backup = backup_of(self.store)
        there, vault, now, tell = elsewhere_of(self.store), open_vault(), datetime.now(UTC), self.log.info
        if there is None or backup.elsewhere is None:
            raise AirflowSkipException(f"{self.store} has no `elsewhere`: there is one copy of each backup.")
        check_apart(vault, there)
        check_lies_in(there, backup.elsewhere.region)
        check_may_hold(there, self.store, store.residency)
        seen = look(vault, self.store)
        planned = plan_copies(seen, look(there, self.store), keeping_of(self.store), now)
        for name in planned:
            copy_backup(vault, there, seen, name, now, tell)
            verify_whole(there, self.store, name, tell, timedelta(0))
        return planned


class KeepBackups(OfAStore):
    """Lock what is immutable, let go what is kept for nothing any more, and sweep what is half; elsewhere too."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what stayed and went. Raises MustAsk, BeingRead, Changed, NotGone, ClockWrong, NotLocked, VaultDown."""
        check_keeps(self.store)
        now, agreed = datetime.now(UTC), context["params"]["agree"]
        if service := service_of(self.store, self.log.warning):
            facts = let_go_at(service, self.store, keeping_of(self.store), now, agreed, self.log.info)
        else:
            facts = self._in_vault(now, agreed)
        with opened_control(of_backup(self.store), context["run_id"]) as control:
            control.record_facts(GATE, facts, epoch=1)
        return facts

    def _in_vault(self, now: datetime, agreed: bool) -> dict[str, Any]:
        from sluice.safety.keeping.locking import apply_locks, check_can_lock, plan_locks, verify_locks
        from sluice.safety.keeping.looking import look_at
        from sluice.safety.logical.kept import thin_out_counts

        sort, vault, there = sort_of(self.store), open_vault(), elsewhere_of(self.store)
        keeping, tell = keeping_of(self.store), self.log.info
        check_can_lock(vault, keeping)
        if not has_names(self.store):
            read_the_unread(sort, driver_of(self.store), vault, tell)
        seen = look_at(sort, vault, self.store)
        wanted = plan_locks(seen.holding, keeping, now)
        apply_locks(vault, seen, wanted, tell)
        facts = {
            "locked": verify_locks(vault, seen, wanted),
            **let_go(sort, vault, self.store, keeping, now, agreed, tell),
        }
        facts |= let_go_elsewhere(vault, there, self.store, keeping, now, agreed, tell) if there else NONE_ELSEWHERE
        if backup_of(self.store)[1].by == "logical":  # nobody counts such a store but for a dump
            thin_out_counts(vault, self.store, tell)
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

        if not has_names(self.store):
            raise AirflowSkipException(
                f"{self.store} is backed up by {backup_of(self.store)[1].by}: nothing of it is poisoned by us."
            )
        vault, now = open_vault(), datetime.now(UTC)
        made = poison(vault, look(vault, self.store), self.backup, context["run_id"], now, self.log.info)
        if made.missed:
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
    lock, keep = None if backup.way.at_service else read_stores(ROOT).vault.lock, backup.kept
    # Where no moment between two can be had, all of the days stay that `daily` names: one that somebody took before something
    # risky is not gone the day after.
    window = backup.window if "window" in backup.way.fields else timedelta(days=keep.daily.days)
    tiers = (
        Tier("daily", "day", timedelta(days=keep.daily.days)),
        Tier("weekly", "week", timedelta(days=keep.weekly.days), whole=True),
        Tier("monthly", "month", timedelta(days=keep.monthly.days), MODES[lock.mode] if lock else None, whole=True),
    )
    too = backup.elsewhere.tiers if backup.elsewhere else ()
    return Keeping(tuple(replace(tier, elsewhere=tier.name in too) for tier in tiers), window)


def whole_where_wanted(driver: Driver, tell: Tell, *, asked: bool) -> Driver:
    """Have the next backup be a whole one: a person has asked, a week has none yet, or the newest one was not read back."""
    from sluice.safety.pgbackrest.driver import PgBackRest
    from sluice.safety.physical.driver import Physical

    if asked and isinstance(driver, Physical | PgBackRest):
        return replace(driver, full_every=timedelta(0))
    if not isinstance(driver, Physical):
        return driver
    from sluice.safety.keeping.expiring import wants_whole
    from sluice.safety.keeping.looking import look

    seen = look(driver.vault, driver.store)
    why = wants_whole(seen.holding, keeping_of(driver.store), datetime.now(UTC)) or _another_key(driver.vault, seen)
    if why is None:
        return driver
    tell(f"{driver.store}: a whole backup is taken: {why}")
    return replace(driver, full_every=timedelta(0))


def _another_key(vault: Vault, seen: Seen) -> str | None:
    """Say that the newest whole backup is encrypted by another key: an increment would rest on it."""
    from sluice.safety.keeping.encrypting import other_keys

    newest = [backup.manifest for backup in seen.backups.values() if backup.after is None][-1:]
    return next(iter(other_keys(vault, newest)), None)


def kept_of(store: str) -> list[Line]:
    """Tell what is kept of a store's backups and why, elsewhere too; nothing where that is not ours to say.

    Raises NotBackedUp, NoConnection, VaultDown, AccessDenied.
    """
    from sluice.safety.keeping.describing import describe, describe_at

    if not keeps(store):
        return []
    now, keeping, unread = datetime.now(UTC), keeping_of(store), list[str]()
    if service := service_of(store, unread.append):  # whoever asks is told of these by how the store stands
        return describe_at(service.look(now), keeping, now)
    there = elsewhere_of(store)
    return describe(sort_of(store), open_vault(), store, keeping, now, [there] if there else ())


def sort_of(store: str) -> Sort[Any]:
    """Give how its backups lie in the vault. Raises NotBackedUp, EstateErrors."""
    from sluice.safety.documents.kept import BASES
    from sluice.safety.keeping.looking import SERVERS
    from sluice.safety.logical.kept import DUMPS

    if has_names(store):
        return SERVERS
    return BASES if backup_of(store)[0].engine == "dynamodb" else DUMPS


def service_of(store: str, tell: Tell) -> Service | None:
    """Give what keeps its backups, where that is a service; else None. A certificate that nobody can read proves nothing.

    Raises NotBackedUp, NoConnection, VaultDown, AccessDenied.
    """
    if not backup_of(store)[1].way.at_service:
        return None
    from sluice.safety.documents.on_demand import OnDemand
    from sluice.safety.documents.service import ServiceBackups
    from sluice.safety.drill.certificate import readable_certificates
    from sluice.safety.rds.driver import Rds
    from sluice.safety.rds.ours import Snapshots

    driver, drills = driver_of(store), readable_certificates(open_vault(), store, tell)
    proven = frozenset(backup for one in drills if not one.wrong for backup in one.backups)
    if isinstance(driver, Rds):
        return Snapshots(driver, proven)
    assert isinstance(driver, ServiceBackups)
    return OnDemand(driver, proven)


def keeps(store: str) -> bool:
    """Tell whether we say how long its backups stay: pgBackRest has rules of its own."""
    return backup_of(store)[1].way.prunes


def has_names(store: str) -> bool:
    """Tell whether one backup of it alone is brought back by its name, poisoned, and copied elsewhere."""
    return backup_of(store)[1].way.has_names


def check_keeps(store: str) -> None:
    """Raise AirflowSkipException where how long backups stay is not ours to say."""
    if not keeps(store):
        raise AirflowSkipException(
            f"{store} is backed up by {backup_of(store)[1].by}: nothing of it is kept, or goes, by us."
        )


def check_residency(store: str, vault: Vault) -> None:
    """Raise OutsideResidency where a store's backups may not lie in the vault. Raises VaultDown, AccessDenied."""
    from sluice.safety.keeping.residency import check_may_hold

    found, backup = backup_of(store)
    if backup.way.in_vault:  # where a service keeps them, the estate's file says in which region
        check_may_hold(vault, store, found.residency)


def note_proven(vault: Vault, store: str, made: Certificate) -> None:
    """Note of each backup that a drill has restored it, where it has passed: that is worth as much as reading it back."""
    from sluice.safety.backup import MANIFEST, folder_of
    from sluice.safety.keeping.notes import note_restored

    against = made.compared
    if not keeps(store) or backup_of(store)[1].way.at_service or against is None or against.at != made.target:
        return  # what was compared came out of another copy, and maybe out of other backups
    for name in made.backups:
        note_restored(vault, sort_of(store).read(vault, f"{folder_of(store, name)}/{MANIFEST}"), made)
