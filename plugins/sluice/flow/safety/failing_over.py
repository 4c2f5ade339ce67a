"""The operators of `failover_drill` and `promote_replica`: rehearse a failover on servers of our own; on the real day, do one."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.flow.connections import dsn_of, names_of, open_vault, opened_control
from sluice.flow.safety.of_a_store import GateOfAStore, OfAStore
from sluice.flow.safety.replicated import FENCED, PROMOTED, asked_of, of_replicas, replicas_of, replicated
from sluice.flow.safety.stores import backup_of, driver_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.driver import Clock
    from sluice.safety.replicas.certificate import FailoverCertificate
    from sluice.safety.replicas.promoting import Promoted

GATE = "failover_drill"


# ---- the drill ----


class ListRehearsed(BaseOperator):
    """List the stores whose failover is drilled: those that have replicas, and a backup of the whole server."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        check_words(context)
        found = [name for name, store in replicated().items() if store.backup and store.backup.by == "physical"]
        if not found:
            raise AirflowSkipException(
                "No store has both `replicas` and `backup: {by: physical}` in the estate's file."
            )
        return found


class DrillFailover(OfAStore):
    """Make two servers of a store's backups, kill the one that leads under load, promote the other, and certify it."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the certificate's key. Raises NotRecovered, Damaged, Broken, LogMissing, VaultDown, TimeoutError."""
        from sluice.safety.physical.driver import Physical
        from sluice.safety.replicas.rehearsing import rehearse
        from sluice.safety.room import make_folder, one_at_a_time

        _, replicas = replicas_of(self.store)
        driver = driver_of(self.store)
        assert isinstance(driver, Physical)
        within = replicas.within.total_seconds()
        with one_at_a_time(make_folder(Path(backup_of(self.store)[1].scratch), self.store), self.log.info):
            made = rehearse(driver, datetime.now(UTC), context["run_id"], within, self.log.info)
        key = made.keep(open_vault()).key
        with opened_control(of_replicas(self.store), context["run_id"]) as control:
            control.record_facts(GATE, {**facts_of(made), "certificate": key}, epoch=1)
        self.log.info("%s", key)
        return {"certificate": key, "wrong": list(made.wrong)}


class FailoverGate(GateOfAStore):
    """A gate over one failover drill."""

    @property
    def whose(self) -> str:
        """The store's replicas."""
        return of_replicas(self.store)

    @property
    def subject(self) -> str:
        """What it speaks of."""
        return f"a failover of {self.store}, drilled"


def facts_of(made: FailoverCertificate) -> dict[str, Any]:
    """Give what a gate judges of a drill."""
    return {
        "rounds": len(made.rounds),
        "acknowledged": min((one["acknowledged"] for one in made.rounds), default=0),
        "lost_synchronous": sum(one["lost"] for one in made.rounds if one["synchronous"]),
        "lost_without": sum(one["lost"] for one in made.rounds if not one["synchronous"]),
        "longest_seconds": made.longest,
        "over_seconds": max(0.0, made.longest - made.within),
        "wrong": len(made.wrong),
        "wrong_told": "; ".join(made.wrong),
    }


# ---- the real day ----


class OfAPromotion(BaseOperator):
    """What works at the promotion that a person has asked for, or takes one back."""

    takes_back = False

    @property
    def nothing(self) -> str:
        """What is said where nothing was done."""
        return "Nothing was done."

    def store_of(self, context: Context) -> str:
        """Give the store that was asked for. Raises NotReplicated, and AirflowFailException where it is not confirmed."""
        check_words(context)
        asked = context["params"]
        replicas_of(asked["store"])
        if asked["confirm"] != asked["store"]:
            raise AirflowFailException(f"Type the store's name, {asked['store']}, into *Confirm*. {self.nothing}")
        if bool(asked.get("take_back")) is not self.takes_back:
            raise AirflowSkipException(f"*Take back* was {'not ' if self.takes_back else ''}asked for. {self.nothing}")
        return str(asked["store"])


class PlanPromotion(OfAPromotion):
    """Say in the log who would be promoted, how the old server is fenced, and what may be lost. A dry run ends here."""

    def execute(self, context: Context) -> str:
        """Give the plan. Raises NotOurs, NotDead, NotPromotable, SplitBrain."""
        from sluice.safety.replicas.promoting import plan

        store = self.store_of(context)
        with opened_control(of_replicas(store), context["run_id"]) as control:
            asked = asked_of(store, context["params"]["word"] or "", control)
            seen = (
                asked.lived_at or "no time: watch_replicas has not met it, and nobody knows for whom its commits wait"
            )
            self.log.info("%s was last seen at %s", asked.old.name, seen)
            planned = plan(asked)
        self.log.info("%s", planned)
        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nothing was changed.")
        return str(planned)


class PromoteReplica(OfAPromotion):
    """Fence the old server, promote the replica that has most, and prove it. What was broken off is gone on with."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give who leads. Raises NotOurs, NotDead, NotFenced, NotPromotable, NotProven, SplitBrain, StoreDown."""
        from sluice.safety.driver import Clock
        from sluice.safety.replicas.promise import NOBODY
        from sluice.safety.replicas.promoting import plan, promote
        from sluice.safety.replicas.rebuilding import commands

        clock, store = Clock(), self.store_of(context)
        _, replicas = replicas_of(store)
        with opened_control(of_replicas(store), context["run_id"]) as control:
            asked = asked_of(store, context["params"]["word"] or "", control)
            made = promote(
                asked,
                plan(asked),
                clock,
                self.log.info,
                lambda proven: control.record_facts(FENCED, asdict(proven), epoch=1),
            )
            # First of all, as it must be read on the day on which all else fails.
            self.log.info("%s", commands(made, host_of(store, made.new)))
            control.record_facts(PROMOTED, promotion_told(made, clock), epoch=1)
        if made.waits_for == str(NOBODY):
            self.log.warning(
                "Commits of %s wait for nobody: its loss would lose some. Let its synchronous_standby_names name the others.",
                made.new,
            )
        if clock.phases["writable"] > replicas.within.total_seconds():
            self.log.warning("It took %.0f s, and %s are promised.", clock.phases["writable"], replicas.within)
        return {"store": store, "new": made.new, **clock.phases}


class ShipRecord(OfAPromotion):
    """Store what was proven of the promotion in the vault. Beside the switches: users never wait for the vault."""

    def execute(self, context: Context) -> str:
        """Give the record's key. Raises NoFacts, NoConnection, VaultDown, AccessDenied, AlreadyThere."""
        store = self.store_of(context)
        with opened_control(of_replicas(store), context["run_id"]) as control:
            found = control.facts(PROMOTED)
        # By when it was noted: another try stores no second one.
        key = f"promotions/{store}/{found.at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{found.facts['new']}.json"
        open_vault().put_once(key, json.dumps(found.facts, indent=1).encode(), "application/json")
        self.log.info("%s", key)
        return key


class SwitchName(OfAPromotion):
    """Say how the store's name changes, and change it where that was asked for."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the diff, and whether it was done. Raises NamesRefused, NamesDown."""
        from sluice.safety.replicas.names import Name, apply_switch, plan_switch, verify_switch

        store = self.store_of(context)
        _, replicas = replicas_of(store)
        if replicas.dns is None:
            raise AirflowSkipException(f"`replicas` of {store} has no `dns`: lead users to the new server yourself.")
        with opened_control(of_replicas(store), context["run_id"]) as control:
            new = str(control.facts(PROMOTED).facts["new"])
        client = names_of(replicas.dns.connection)
        name = Name(replicas.dns.zone, replicas.dns.record, int(replicas.dns.ttl.total_seconds()))
        planned = plan_switch(client, name, host_of(store, new))
        self.log.info("%s", planned)
        done = bool(context["params"]["switch_name"])
        if done:
            apply_switch(client, planned)
            if not verify_switch(client, planned):
                raise AirflowFailException(
                    f"{name.name} was switched, and does not lead to {planned.to}. Look at the zone."
                )
        return {"plan": str(planned), "done": done}


def promotion_told(made: Promoted, clock: Clock) -> dict[str, Any]:
    """Give what is kept of a promotion."""
    lost = made.lost
    return {
        "store": made.store,
        "old": made.old,
        "new": made.new,
        "fence": made.fence,
        "kept_all": made.kept_all,
        "timelines": list(made.timelines),
        "received": made.received,
        "replayed": made.replayed,
        "lost_seconds_bounds": [lost.at_least.total_seconds(), lost.at_most.total_seconds()] if lost else None,
        "following": list(made.following),
        "not_following": list(made.not_following),
        "waits_for": made.waits_for,
        "next_write": made.next_write,
        "phases": clock.phases,
    }


def host_of(store: str, server: str) -> str:
    """Give the host at which applications find one of a store's replicas. Raises NotReplicated, NoConnection."""
    from psycopg.conninfo import conninfo_to_dict

    _, replicas = replicas_of(store)
    found = replicas.servers[server]
    return found.host or str(conninfo_to_dict(dsn_of(found.connection)).get("host", ""))
