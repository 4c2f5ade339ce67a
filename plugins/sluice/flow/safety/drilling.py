"""The operators of `restore_drill__<store>` that bring it back as of a moment, and judge what came."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from sluice.errors import SluiceError, Terminal
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.gate import FactsGate
from sluice.flow.safety.keeping import has_names, note_proven
from sluice.flow.safety.moments import OfAMoment, target_of
from sluice.flow.safety.stores import (
    backup_of,
    checks_of,
    driver_of,
    elsewhere_of,
    goals_of,
    name_of_copy,
    now_at,
    tables_of,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.safety.drill.certificate import Certificate
    from sluice.safety.drill.drilling import Asked, Counted
    from sluice.safety.driver import Driver

GATE = "restore_drill"


class DrillRestore(OfAMoment):
    """Bring a store back as of a moment, read and compare all of it, certify, and take it away again."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the certificate's key; one drills at a time on a disk.

        Raises NotRecovered, NoFolder, NoRoom, Damaged, Broken, LogMissing, NotChecked, VaultDown.
        """
        from sluice.safety.room import make_folder, one_at_a_time

        backup = backup_of(self.store)[1]
        if not backup.way.on_disk:
            return self._drill(context)
        with one_at_a_time(make_folder(Path(backup.scratch), self.store), self.log.info):
            return self._drill(context)

    def _drill(self, context: Context) -> dict[str, Any]:
        """Do it. When it was asked for is now: what came in while another was under way counts."""
        from sluice.safety.censuses import read_censuses
        from sluice.safety.documents.drilling import drill as drill_tables
        from sluice.safety.drill.baseline import newest_baseline
        from sluice.safety.drill.drilling import Asked, Counted, drill, failed
        from sluice.safety.driver import name_scratch
        from sluice.safety.keeping.encrypting import wrongly_encrypted
        from sluice.safety.keeping.looking import look

        store, backup = backup_of(self.store)
        vault, target = open_vault(), target_of(self.kind, self.value)
        place = elsewhere_of(self.store) if target.kind == "elsewhere" else vault
        if place is None:
            raise AirflowFailException(f"{self.store} has no `elsewhere`: there is one copy of each backup.")
        now = now_at(self.store)
        counted = [Counted(*one) for one in read_censuses(vault, self.store, self.log.warning).items()]
        seed = f"{context['run_id']} {target}"
        baseline = newest_baseline(vault, self.store)
        asked = Asked(
            target, now, goals_of(store), counted, seed, baseline=baseline, slower_at_most=backup.slower_at_most,
            checks=checks_of(backup), amcheck=backup.amcheck, recount=None if backup.way.has_places else self._recount,
        )  # fmt: skip
        driver = driver_of(self.store, place)
        try:
            asked = self._begun(driver, asked, context)
            if store.engine == "dynamodb":
                made = drill_tables(tables_of(self.store), asked, backup.every, self.log.info)
            else:
                made = drill(driver, asked, self.log.info)
        except Terminal as why:
            with suppress(SluiceError):  # what stopped it is worth more than its certificate
                replace(failed(self.store, asked, why), name=name_scratch(self.store, now, seed)).keep(vault)
            raise
        if target.kind == "latest" and has_names(self.store):  # an older moment may be older than the key
            looked = wrongly_encrypted(place, look(place, self.store), made.backups)
            made = replace(made, kms_key=place.kms_key, wrongly_encrypted=tuple(looked))
        # It is called by when it was made: a drill that is run again finds a copy of the same name.
        key = replace(made, name=name_scratch(self.store, now, seed)).keep(vault).key
        note_proven(place, self.store, made)
        with opened_control(of_drill(self.store, self.kind, self.value), context["run_id"]) as control:
            control.record_facts(GATE, {**facts_of(made), "certificate": key}, epoch=1)
        for slow in (made.baseline or {}).get("slow_on_another_machine", ()):
            self.log.warning("%s; the machine is another, so this proves nothing", slow)
        for line in made.left:
            self.log.warning("Not put back in a drill, and not proven: %s", line)
        if made.uncounted:
            self.log.info("Came back and were looked through, and not counted: %s", ", ".join(made.uncounted))
        self.log.info("%s", key)
        return {"certificate": key, "wrong": list(made.wrong)}

    def _begun(self, driver: Driver, asked: Asked, context: Context) -> Asked:
        """Say under which name a task before has begun the copy, and when, where one does that."""
        from sluice.safety.rds.driver import Rds

        if not isinstance(driver, Rds):
            return asked
        name = name_of_copy(context, self.store, asked.target)
        return replace(asked, name=name, at=driver.asked_at(name))

    def _recount(self) -> Counted:
        """Count the living store once more, and keep that."""
        from sluice.safety.censuses import keep_census
        from sluice.safety.drill.drilling import Counted

        census = driver_of(self.store).count(self.log.info)
        return Counted(keep_census(open_vault(), self.store, census).key, census)


class DrillGate(FactsGate):
    """A gate over one drill."""

    template_fields: Sequence[str] = ("store", "kind", "value", "gate", "suites")
    freshness = timedelta(hours=2)

    def __init__(self, *, store: str, kind: str, value: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.store = store
        self.kind = kind
        self.value = value

    @property
    def whose(self) -> str:
        """The store, as of its moment."""
        return of_drill(self.store, self.kind, self.value)

    @property
    def subject(self) -> str:
        """What it speaks of."""
        return f"{self.store} brought back to {target_of(self.kind, self.value)}"


def facts_of(made: Certificate) -> dict[str, Any]:
    """Give what a gate judges of a drill."""
    against = made.compared
    lost = made.lost[0] if made.lost else None
    differences = against.differences if against else ()
    return {
        "tables_compared": against.tables if against else 0,
        "rows_compared": against.rows if against else 0,
        "tables_left_out": against.tables_left_out if against else 0,
        "rows_compared_percent": against.share if against else 0.0,
        "differences": len(differences),
        "differences_told": "; ".join(differences[:20]),
        "uncounted": "; ".join(made.uncounted),
        "damaged": len(made.damaged),
        "damaged_told": "; ".join(made.damaged[:20]),
        "available_seconds": made.phases["available"],
        "rto_over_seconds": max(0.0, made.phases["available"] - made.goals.back_within),
        "lost_at_least_seconds": lost,
        "rpo_over_seconds": max(0.0, (lost or 0.0) - made.goals.losing_at_most),
        "rpo_unmeasured": int(bool(made.unmeasured)),
        "put_back": len(made.put_back),
        "left": len(made.left),
        "left_told": "; ".join(made.left[:20]),
        **rules_told(made),
        "wrong": len(made.wrong),
        "wrong_told": "; ".join(made.wrong[:20]),
        "headline": "; ".join(made.wrong[:3]),
    }


def rules_told(made: Certificate) -> dict[str, Any]:
    """Give what a person's own suites found: at the latest moment it counts, at an earlier one it is told."""
    from sluice.safety.target import Target

    broken, warned = made.broken_rules, [line for one in made.checked for line in one.warned]
    now = made.target == str(Target("latest"))
    return {
        "suites": len(made.checked),
        "rules_broken": len(broken) if now else 0,
        "rules_broken_told": "; ".join(line.replace("; ", ", ") for line in broken[:20]),
        "rules_broken_then": 0 if now else len(broken),
        "rules_broken_then_told": "; ".join(line.replace("; ", ", ") for line in broken[:20]),
        "rules_warned": len(warned),
        "rules_warned_told": "; ".join(line.replace("; ", ", ") for line in warned[:20]),
    }


def of_drill(store: str, kind: str, value: str) -> str:
    """Name a drill in the ledger, as no table and no file is called."""
    return f"drill/{store}/{kind} {value}".strip()
