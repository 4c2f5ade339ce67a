"""The operators of a store in RDS: take a snapshot, bring a copy up, take it away. No worker waits for RDS.

The provider's `RdsCreateDbSnapshotOperator` is not used: it holds a worker for as long as the snapshot takes, and a second try of
it fails on what the first has begun. For a restore the provider has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.connections import open_vault, opened_control
from sluice.flow.safety.backing_up import DAILY, over
from sluice.flow.safety.bringing_back import asked_of, say, told_of
from sluice.flow.safety.moments import OfAMoment, target_of
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.rds_waiting import EVERY, RdsTrigger, rds_of
from sluice.flow.safety.stores import backup_of, driver_of, name_of_copy, of_backup
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate.backups import Backups, CopiedTo
    from sluice.safety.rds.driver import Rds
    from sluice.safety.rds.planning import Likeness
    from sluice.safety.rds.standing import What
    from sluice.safety.target import Target

GATE = "snapshot_fresh"
PATIENCE = timedelta(hours=6)
"""How long a copy or a snapshot may take: then the task fails, is tried again, and finds it as far as it is by then."""
COMES_BY = timedelta(minutes=1)
LOOKS = 20
"""How long, and how often, a drill of the latest moment waits for RDS to have what was counted before it."""


class InRds(OfAStore):
    """What works at a store in RDS, and gives its worker back while RDS does."""

    def opened(self, region: str = "", likeness: Likeness = "drill") -> Rds:
        """Open the store's driver; in another region, one that its snapshots are copied into. Raises NoConnection."""
        from sluice.safety.rds.driver import Rds

        driver = driver_of(self.store)
        assert isinstance(driver, Rds)
        backup = self.backup
        if region in ("", backup.region):
            return replace(driver, likeness=likeness)
        found = [one for one in backup.copies if one.region == region]
        if not found:
            raise AirflowFailException(
                f"No snapshot of {self.store} is copied into {region}: `copies` has none. Nothing was done."
            )
        return replace(
            driver, client=rds_of(backup.service or "", region), likeness=likeness, elsewhere=called_in(found[0])
        )

    @property
    def backup(self) -> Backups:
        """What the estate's file says."""
        return backup_of(self.store)[1]

    def wait(self, what: What, name: str, then: str, there: str = "", **told: Any) -> NoReturn:
        """Give the worker back until RDS has come to an end with it, in its own region or `there`."""
        trigger = RdsTrigger(what, name, self.backup.service or "", there or self.backup.region or "", EVERY)
        self.defer(trigger=trigger, method_name=then, kwargs=told, timeout=PATIENCE)


def called_in(there: CopiedTo) -> Mapping[str, Any]:
    """Give what is called otherwise in a region, by RDS's names of settings. Pure."""
    told = {
        "KmsKeyId": there.kms_key,
        "DBParameterGroups": there.parameter_group,
        "OptionGroupMemberships": there.option_group,
        "DBSubnetGroup": there.subnet_group,
        "VpcSecurityGroups": sorted(there.security_groups),
    }
    return {name: value for name, value in told.items() if value}


class TakeRdsSnapshot(InRds):
    """Have a snapshot taken, and copied into every region that is wanted. A second try goes on with what was begun."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> None:
        """Begin it, and wait."""
        from sluice.safety.rds.snapshots import name_snapshot

        check_words(context)
        moment = context["dag_run"].run_after
        assert moment
        name = name_snapshot(self.store, moment)
        self.opened().begin_snapshot(name)
        self.wait("snapshot", name, "copy_it")

    def copy_it(self, context: Context, event: Mapping[str, str]) -> str:
        """It, or a copy of it, has come to an end: begin what is not begun, wait for the next; at the end give its name."""
        from sluice.safety.rds.standing import look

        driver, name = self.opened(), event["name"]
        driver.check(driver.look("snapshot", name))
        driver.begin_copies(name)
        for to in driver.copies:
            if look(to.client, "snapshot", name).state == "under way":
                self.wait("snapshot", name, "copy_it", to.region)
        driver.verify(name, self.log.info)
        return name


class VerifyRdsSnapshot(InRds):
    """See that a snapshot and its copies are whole, and how far back, and how near, RDS itself can go; leave it for the gate.

    RDS shows nobody the bytes of a snapshot: a drill alone reads them.
    """

    template_fields: Sequence[str] = ("store", "backup_id")

    def __init__(self, *, backup_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backup_id = backup_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what was seen. Raises NotTaken."""
        driver = self.opened()
        driver.verify(self.backup_id, self.log.info)
        taken, window, now = driver.snapshot(self.backup_id), driver.window(), datetime.now(UTC)
        age, behind = now - taken.whole_at, now - (window.latest if window else taken.whole_at)
        facts = {
            "backup": taken.id,
            "backups": len(driver.backups()),
            "bytes_stored": taken.bytes,
            "age_seconds": age.total_seconds(),
            "age_over_seconds": over(age, DAILY),
            "window_seconds": (window.latest - window.earliest).total_seconds() if window else 0.0,
            "behind_seconds": behind.total_seconds(),
            "behind_over_seconds": over(behind, backup_of(self.store)[0].rpo),
        }
        with opened_control(of_backup(self.store), context["run_id"]) as control:
            control.record_facts(GATE, facts, epoch=1)
        return facts


class _BringsUp(InRds):
    """Has a copy brought up with every setting. A second try goes on with what was begun."""

    likeness: Likeness = "drill"

    def begin(self, target: Target, name: str, region: str = "") -> NoReturn:
        """Begin it, and wait."""
        self.opened(region, self.likeness).begin(target, name)
        self.wait("instance", name, "settle", region)

    def settled(self, name: str, region: str, given: Sequence[str]) -> Rds:
        """Give it what a restore has no parameter for, once, and wait for that; then hold it against its original."""
        driver = self.opened(region, self.likeness)
        driver.check(driver.look("instance", name))
        if not given and (names := driver.settle(name)):
            self.log.info("%s is given %s", name, ", ".join(names))
            self.wait("instance", name, "settle", region, given=names)
        found = driver.unlike(name)
        for line in found.meant:
            self.log.info("%s has %s", name, line)
        for line in found.wrong:
            self.log.warning("%s has %s", name, line)
        return driver


class StartRdsCopy(_BringsUp, OfAMoment):
    """Have a copy brought up as of a moment, for the task behind it. Of the latest one, once RDS has what was counted."""

    ui_color = "#dcefe2"

    def execute(self, context: Context, looks: int = 0, event: Any = None) -> NoReturn:
        """Begin it, and wait. Raises NotReachable, NoCapacity, NotOurs, Throttled, RdsDown, AccessDenied."""
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        target = target_of(self.kind, self.value)
        if target.kind == "latest" and looks < LOOKS and self._lacks_the_count():
            self.log.info("RDS does not have what was counted last: it is some minutes behind, and waited for")
            self.defer(trigger=TimeDeltaTrigger(COMES_BY), method_name="execute", kwargs={"looks": looks + 1})
        self.begin(target, name_of_copy(context, self.store, target))

    def settle(self, context: Context, event: Mapping[str, str], given: Sequence[str] = ()) -> dict[str, Any]:
        """It is there: give it the rest. Raises NotRestored."""
        driver = self.settled(event["name"], "", given)
        return {"name": event["name"], "unlike": list(driver.unlike(event["name"]).wrong)}

    def _lacks_the_count(self) -> bool:
        """Tell whether the newest count is later than what RDS can bring back: it says nothing of such a copy."""
        from sluice.safety.censuses import censuses_of, counted_at

        kept, window = censuses_of(open_vault(), self.store), self.opened().window()
        return bool(kept and window and window.latest < counted_at(kept[-1]))


class DropRdsCopy(InRds, OfAMoment):
    """Take a drill's copy away, whatever became of the drill. RDS goes on with it by itself."""

    ui_color = "#f3e3d3"

    def execute(self, context: Context) -> None:
        """Begin it. Safe to repeat; refuses whatever is no drill's."""
        self.opened().destroy(name_of_copy(context, self.store, target_of(self.kind, self.value)))


class RestoreRdsStore(_BringsUp):
    """On the real day: bring a copy up that is like the original in everything, and let it stand. It never goes by itself."""

    ui_color = "#dcefe2"
    likeness = "whole"

    def execute(self, context: Context) -> NoReturn:
        """Begin it, and wait. Raises NotReachable, NoCapacity, NotOurs, Throttled, RdsDown, AccessDenied."""
        from sluice.safety.standing import keep_standing
        from sluice.stores.objects import AlreadyThere

        asked = asked_of(context, self.store)
        name = name_of_copy(context, self.store, asked.target)
        with suppress(AlreadyThere):  # a second try: what was noted first counts
            keep_standing(open_vault(), self.store, name, asked.until)
        self.begin(asked.target, name, context["params"]["region"])

    def settle(self, context: Context, event: Mapping[str, str], given: Sequence[str] = ()) -> dict[str, Any]:
        """It is there: give it the rest, and its address to people. Raises NotRestored, NotWhole."""
        from sluice.safety.driver import Clock
        from sluice.safety.standing import stands_until

        asked, clock, name = asked_of(context, self.store), Clock(), event["name"]
        driver = self.settled(name, context["params"]["region"], given)
        found = driver.restore(asked.target, name, clock, self.log.info)
        address = driver.hand_over(found, None)
        until = stands_until(open_vault(), self.store, name) or asked.until
        told = told_of(found, clock) | {"address": address, "until": until.isoformat()}
        say(self.store, told, self.log)
        return told
