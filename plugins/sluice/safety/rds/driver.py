"""A store in RDS, as every driver is asked; and the same in steps, for whoever must not wait.

A restore takes tens of minutes. `begin` gives at once, `look` tells how far it has come, `settle` gives the copy what a restore
has no parameter for, `unlike` holds it against its original. `restore` does these in a row, and goes on where somebody has begun.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sluice.errors import Terminal, Transient
from sluice.safety.census import Census, take_census
from sluice.safety.driver import Clock, Restored, Taken, Tell, Window
from sluice.safety.passwords import forget_password, without_password
from sluice.safety.rds import kept, scratch, snapshots
from sluice.safety.rds.origin import Source, origin_of, source_of, window_of
from sluice.safety.rds.planning import (
    Likeness,
    Unlike,
    Wanted,
    differences,
    parameters_of,
    plan_afterwards,
    wanted_of,
)
from sluice.safety.rds.settings import settings_of
from sluice.safety.rds.snapshots import CopyTo, name_snapshot, taken_of, whole_at
from sluice.safety.rds.standing import THERE, Standing, What, look
from sluice.safety.standing import LONGEST_DRILL
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect
from sluice.stores.rds import (
    Absent,
    AlreadyStands,
    find_instance,
    find_snapshot,
    list_snapshots,
    moment_of,
    speaking,
    tags_of,
)


class NotRestored(Terminal):
    """RDS has given up on a copy."""


class NotWhole(Terminal):
    """A drill's copy is not what people work at."""


class NotTaken(Terminal):
    """RDS has given up on a snapshot, or what is there is not whole."""


class TakesTooLong(Transient):
    """RDS works at it still."""


@dataclass(frozen=True)
class Rds:
    """One instance, its snapshots, and copies of it beside it."""

    store: str
    instance: str
    dsn: str = field(repr=False)
    """The store's own: who connects to a copy is who connects to the store."""
    client: Any
    """boto3's for `rds`, in the instance's region."""
    vault: Vault
    folder: Path
    """Of this machine alone: the password of a copy lies there while the copy is looked at."""
    likeness: Likeness = "drill"
    """`whole` is for the real day: like the original in everything, and never taken away by itself."""
    drill_class: str | None = None
    lasts: timedelta = LONGEST_DRILL
    copies: Sequence[CopyTo] = ()
    elsewhere: Mapping[str, Any] = field(default_factory=dict)
    """Where `client` is of a region that snapshots were copied into: settings that are called otherwise there, by RDS's names."""
    every: float = 30.0
    """Seconds between two looks, for whoever waits."""
    patience: timedelta = timedelta(hours=6)

    # Backups.

    def take(self, tell: Tell) -> Taken:
        """Take a snapshot, and copy it where copies are wanted. One that is under way is waited for, and no other begun."""
        name = self._under_way() or name_snapshot(self.store, self._now())
        self.begin_snapshot(name)
        self.wait("snapshot", name, tell)
        self.begin_copies(name)
        for copy in self.copies:
            self.wait("snapshot", name, tell, copy.client)
        return self.snapshot(name)

    def begin_snapshot(self, name: str, tags: Mapping[str, str] | None = None) -> None:
        """Have a snapshot taken, and keep the instance's settings with it. Safe to repeat."""
        live = self._live()
        if live is None:
            raise Absent(
                f"{self.store}: RDS has no instance {self.instance}. Check its name and the connection's region."
            )
        snapshots.begin_snapshot(self.client, self.store, self.instance, name, tags or {})
        kept.keep(self.vault, self.store, name, kept.Kept(self.instance, live["DbiResourceId"], settings_of(live)))

    def begin_copies(self, name: str) -> None:
        """Have a snapshot that is whole copied into each region that is wanted. Safe to repeat."""
        found = self._whole_snapshot(name)
        for copy in self.copies:
            snapshots.begin_copy(copy, self.store, found)

    def snapshot(self, name: str) -> Taken:
        """Tell of a snapshot that is whole. Raises NotTaken."""
        return taken_of(self._whole_snapshot(name))

    def backups(self) -> Sequence[Taken]:
        """List the snapshots that are whole, ours and RDS's own, oldest first."""
        found = [one for one in list_snapshots(self.client, self.instance) if one["Status"] in THERE]
        return sorted((taken_of(one) for one in found), key=lambda one: (one.whole_at, one.id))

    def window(self) -> Window | None:
        """Tell from when to when RDS can bring it back; None where it keeps no backups by itself."""
        return window_of(self.client, self.instance, self._live())

    def verify(self, backup: str, tell: Tell) -> int:
        """See that a snapshot and its copies are whole. Gives 0: RDS shows nobody its bytes, a drill alone reads them."""
        self._whole_snapshot(backup)
        for copy in self.copies:
            self._whole_snapshot(backup, copy)
        tell(f"{self.store}: {backup} is whole, says RDS, which shows nobody its bytes; a drill reads them")
        return 0

    def count(self, tell: Tell) -> Census:
        """Count the living store as it is now: two counts say what a copy of a moment between them must hold."""
        return take_census(lambda purpose: connect(self.dsn, purpose=f"{purpose} {self.store}"), tell)

    # Copies.

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Bring it back as a copy, or go on with one that was begun.

        Raises NotScratch, NotOurs, NotReachable, NotRestored, TakesTooLong.
        """
        self.begin(target, name)
        copy = self._copy(name)
        # Somebody may have asked long before us: the clock counts from then, without what lay between that and us.
        since = scratch.seconds_since(scratch.label_of(copy, self.store).asked, copy)
        clock.begun = time.monotonic() - float(tags_of(copy).get(scratch.AVAILABLE, since))
        if scratch.AVAILABLE not in tags_of(copy):
            clock.note("accepted")
        self.wait("instance", name, tell)
        clock.note("available")
        done: list[str] = []
        while (given := self.settle(name)) and given != done:
            tell(f"{self.store}: {name} is given {', '.join(given)}")
            done = given
            time.sleep(self.every)
            self.wait("instance", name, tell)
        copy = self._copy(name)
        found = self.unlike(name)
        for line in found.meant:
            tell(f"{self.store}: {name} has {line}")
        address = without_password(_at(self.dsn, copy["Endpoint"]), self.folder / name)
        backups = (target.value,) if target.kind == "point" else (f"RDS's own backups of {self.instance}",)
        return Restored(name, address, backups, self._reached(target, copy), None, unlike=found.wrong)

    def asked_at(self, name: str) -> datetime:
        """Tell when a copy was asked for, by RDS's clock. Raises NotRestored, NotOurs."""
        return scratch.label_of(self._copy(name), self.store).asked

    def begin(self, target: Target, name: str) -> None:
        """Have RDS begin a copy; one of this name that was begun before is left alone. Gives at once.

        Raises NotScratch, NotOurs, NotReachable, Absent, NoCapacity, Throttled, RdsDown, AccessDenied, RdsRefused.
        """
        if scratch.begun(self.client, self.store, name, target, self.likeness):
            return
        source = self._source()
        origin = origin_of(self.client, self.store, source, target)
        label = scratch.Label(self.store, self.likeness, str(target), self._now(), origin.latest)
        parameters = parameters_of(
            self._wanted(source).settings, label.tags(self.lasts), from_snapshot=origin.from_snapshot
        )
        try:
            with speaking(f"bring back to {target} as {name}", f"instance {self.instance} of {self.store}"):
                origin.ask(self.client, name, parameters)
        except AlreadyStands:  # a first try whose answer was lost, or two workers at once
            scratch.begun(self.client, self.store, name, target, self.likeness)

    def look(self, what: What, name: str) -> Standing:
        """Look how far a copy or a snapshot has come. Reads only."""
        return look(self.client, what, name)

    def settle(self, name: str) -> list[str]:
        """Give a copy that is there what a restore has no parameter for; says what, nothing where all is as wanted.

        Notes on the copy when it was first seen available. Raises NotRestored, NotYet.
        """
        copy = self._copy(name)
        if scratch.AVAILABLE not in tags_of(copy):
            after = f"{scratch.seconds_since(scratch.label_of(copy, self.store).asked, copy):.0f}"
            with speaking("tag", name):
                told = [{"Key": scratch.AVAILABLE, "Value": after}]
                self.client.add_tags_to_resource(ResourceName=copy["DBInstanceArn"], Tags=told)
        plan = plan_afterwards(settings_of(copy), self._wanted(self._source()).settings)
        with speaking(f"give {', '.join(plan.names)} to", name):
            if plan.changes:
                self.client.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **plan.changes)
            for role in plan.roles:
                self.client.add_role_to_db_instance(DBInstanceIdentifier=name, **role)
        return plan.names

    def unlike(self, name: str) -> Unlike:
        """Hold a copy's settings against its original's, as these are now. Raises NotRestored."""
        source = self._source()
        return differences(source.settings, self._wanted(source), settings_of(self._copy(name)))

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Give the address of a copy for the real day, without our password: it has every setting, and its original's port.

        Raises NotScratch, NotOurs, NotWhole.
        """
        copy = self._copy(found.name)
        if scratch.label_of(copy, self.store).kind != "whole":
            raise NotWhole(
                f"{self.store}: {found.name} is a drill's copy: small, unprotected, and it goes by itself. Bring one up that is"
                " like the original in everything (likeness: whole). This one is as it was."
            )
        forget_password(self.folder / found.name)
        told: dict[str, Any] = {**conninfo_to_dict(found.address)}
        told.pop("passfile", None)
        return make_conninfo(**told)

    def scratches(self) -> Sequence[str]:
        """List the copies of this store, whoever made them: drills', and those for people."""
        return scratch.scratches(self.client, self.store)

    def destroy(self, name: str) -> None:
        """Begin to take a drill's copy away. Safe to repeat. Raises NotScratch, NotOurs, Protected."""
        forget_password(self.folder / name)
        scratch.destroy(self.client, self.store, name)

    # Waiting, for the command line; in Airflow nobody waits, see flow/safety/rds_waiting.py.

    def wait(self, what: What, name: str, tell: Tell, client: Any = None) -> None:
        """Wait until it is there. Raises NotRestored, NotTaken, TakesTooLong."""
        deadline, told = time.monotonic() + self.patience.total_seconds(), ""
        while (found := look(client or self.client, what, name)).state == "under way":
            if str(found) != told:
                told = str(found)
                tell(f"{self.store}: {told}")
            if time.monotonic() > deadline:
                raise TakesTooLong(
                    f"{self.store}: {found}, after {self.patience}. Run it again: what was begun is found again."
                )
            time.sleep(self.every)
        self.check(found)

    def check(self, found: Standing) -> None:
        """Raise NotRestored or NotTaken unless it is there."""
        if found.state == "there":
            return
        if found.what == "snapshot":
            raise NotTaken(f"{self.store}: {found}. Look at the instance's events in RDS, then take another.")
        raise NotRestored(
            f"{self.store}: {found}. Look at its events in RDS; the drill takes it away, and the next one begins anew."
        )

    def _copy(self, name: str) -> dict[str, Any]:
        found = find_instance(self.client, name)
        if found is None:
            raise NotRestored(f"{self.store}: instance {name} is gone: somebody took it away. Begin anew.")
        scratch.label_of(found, self.store)
        return found

    def _whole_snapshot(self, name: str, copy: CopyTo | None = None) -> dict[str, Any]:
        client = copy.client if copy else self.client
        found = find_snapshot(client, name)
        if found is None or found["Status"] not in THERE:
            where = f" in {copy.region}" if copy else ""
            status = found["Status"] if found else "not there"
            raise NotTaken(
                f"{self.store}: snapshot {name}{where} is {status}. Look at the instance's events, then take another."
            )
        return found

    def _under_way(self) -> str | None:
        """Name a snapshot of ours that is being taken: the last try was killed while it waited."""
        ours = [
            one for one in list_snapshots(self.client, self.instance) if tags_of(one).get(snapshots.STORE) == self.store
        ]
        return next((str(one["DBSnapshotIdentifier"]) for one in ours if one["Status"] == "creating"), None)

    def _live(self) -> dict[str, Any] | None:
        return find_instance(self.client, self.instance)

    def _source(self) -> Source:
        return source_of(self.store, self.instance, self._live(), lambda: kept.newest(self.vault, self.store))

    def _wanted(self, source: Source) -> Wanted:
        return wanted_of(source.settings, self.likeness, self.drill_class, self.elsewhere)

    def _reached(self, target: Target, copy: Mapping[str, Any]) -> datetime | None:
        """As of when the copy is, where the target does not say it: RDS does not tell which commit was the last."""
        if target.kind == "point":
            return whole_at(self._whole_snapshot(target.value))
        return scratch.label_of(copy, self.store).reached

    def _now(self) -> datetime:
        """RDS's clock."""
        with speaking("ask the time of", self.instance):
            return moment_of(self.client.describe_db_instances(MaxRecords=20)).astimezone(UTC)


def _at(dsn: str, endpoint: Mapping[str, Any]) -> str:
    """Give the address of a copy: as the store's, at the copy's own endpoint. It has the roles and passwords of its moment."""
    told: dict[str, Any] = {key: value for key, value in conninfo_to_dict(dsn).items() if key != "hostaddr"}
    return make_conninfo("", **{**told, "host": str(endpoint["Address"]), "port": str(endpoint["Port"])})
