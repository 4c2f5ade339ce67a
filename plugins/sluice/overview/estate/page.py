"""The page: a card for each store, what is wrong first; above them what is the estate's, and who does not look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.estate.models import Store
from sluice.insight.metrics import AIRFLOW
from sluice.ledger.seen import Kind, Seen, SeenThings
from sluice.overview.asked import Asked, Waiting
from sluice.overview.capacity.shortened import LAST
from sluice.overview.estate.full import Full, full_of
from sluice.overview.estate.incidents import Open, open_incidents
from sluice.overview.estate.numbers import NONE, Numbers, latest_numbers
from sluice.overview.estate.safety import Safety, safety_at
from sluice.overview.estate.watchers import Watcher, watchers
from sluice.overview.links import dag_path, evidence_path, run_path
from sluice.overview.states import ORDER, State, worst
from sluice.safety.drill.certificate import Goals
from sluice.stores.postgres import Row, rows, translated
from sluice.stores.statements import statement

FIRST = 3
"""So many things that are wrong the headline has room for."""
FRESH_GATES = ("backup_fresh", "service_fresh", "snapshot_fresh")
"""The gates over the newest backup, one for each way in which it is taken."""
BEHIND = ("watch_health", "collect_samples", "capacity_report")
"""The DAGs behind which lie incidents, numbers and forecasts of every store."""
AIRFLOW_KEPT, AIRFLOW_GATE = "airflow/database", "airflow_backup"
"""Under these the ledger has the backups of Airflow's own database."""


@dataclass(frozen=True)
class OwnBackup:
    """The last backup of Airflow's own database, restored for a trial."""

    at: datetime
    passed: bool
    evidence: str
    """The path of its gate's record."""


@dataclass(frozen=True)
class Card:
    """One store. What lies behind a DAG that who asks may not read is None, as what nobody has looked at."""

    name: str
    engine: str
    goals: Goals | None
    """None of Airflow itself."""
    is_backed_up: bool
    by: str
    """How it is backed up; '' where it is not."""
    safety: Safety | None
    safety_failed: str
    """Why nobody has found out yet how safe it is; empty where somebody has."""
    backup_run: str | None
    """The path of the run that took its last whole backup, or of the DAG that does."""
    numbers: Numbers
    full: Full | None
    incidents: tuple[Open, ...]
    own: OwnBackup | None
    hides: tuple[str, ...]
    """The DAGs behind which lies more than who asks may read."""

    @property
    def states(self) -> tuple[State, ...]:
        """Of each thing that is known of it."""
        known = (self.safety, self.numbers.answers, self.numbers.late, self.numbers.headroom, self.full)
        found = tuple(one.state for one in (*known, *self.incidents) if one)
        lacking: tuple[State, ...] = ("warn",) if self.safety_failed or self.is_unprotected else ()
        red: tuple[State, ...] = ("bad",) if self.own and not self.own.passed else ()
        return (*found, *lacking, *red)

    @property
    def is_unprotected(self) -> bool:
        """Whether nobody backs it up."""
        return not self.is_backed_up and not self.hides

    @property
    def state(self) -> State:
        """The worst of them."""
        return worst(self.states)

    @property
    def is_down(self) -> bool:
        """Whether it did not answer."""
        return bool(self.numbers.answers and self.numbers.answers.down)


@dataclass(frozen=True)
class EstateNow:
    """All of it: the stores with something wrong first."""

    at: datetime
    estate: str
    cards: tuple[Card, ...]
    incidents: tuple[Open, ...]
    """Of the estate itself, or of a store that is no more."""
    waiting: tuple[Waiting, ...]
    watchers: tuple[Watcher, ...]
    hidden: tuple[str, ...]
    """The DAGs that who asks may not read, and behind which something of this page lies."""

    @property
    def silent(self) -> tuple[Watcher, ...]:
        """Who does not look."""
        return tuple(one for one in self.watchers if one.is_silent)

    @property
    def stores(self) -> int:
        """How many are under care; Airflow itself is none of them."""
        return sum(one.goals is not None for one in self.cards)

    @property
    def headline(self) -> str:
        """The sum, in words."""
        said, silent = list(_sum(self)), "not all of it is looked at" if self.silent else ""
        beside = " and Airflow" if self.stores < len(self.cards) else ""
        head = f"{self.stores} store{'' if self.stores == 1 else 's'}{beside}"
        if said or silent:
            return f"{head}: {', '.join(said[:FIRST]) or silent}"
        if self.uneasy:
            return f"{head}: {self.uneasy} to be looked at"
        return f"{head}, nothing wrong" + (" as far as you may see" if self.hidden else "")

    @property
    def uneasy(self) -> int:
        """How many stores, and incidents of none of them, are not well."""
        states = (*(one.state for one in self.cards), *(one.state for one in self.incidents))
        return sum(state in ("bad", "warn") for state in states)

    @property
    def also(self) -> str:
        """What else the sum has; empty where the headline says it all."""
        said = list(_sum(self))[FIRST:]
        return f"Also {', '.join(said)}." if said else ""

    @property
    def state(self) -> State:
        """The worst of all."""
        silent: tuple[State, ...] = ("warn",) if self.silent else ()
        return worst((*(one.state for one in self.cards), *(one.state for one in self.incidents), *silent))


def estate(asked: Asked) -> EstateNow:
    """Answer. Raises StoreDown."""
    incidents = open_incidents(asked) if asked.may_read("watch_health") else ()
    cards = sorted(_cards(asked, incidents), key=lambda one: (ORDER.index(one.state), not one.is_down, one.name))
    named = {one.name for one in cards}
    own = tuple(one for one in incidents if one.store not in named)
    hidden = [dag for dag in BEHIND if not asked.may_read(dag)] + [dag for card in cards for dag in card.hides]
    return EstateNow(
        asked.now, asked.estate.estate, tuple(cards), own, tuple(asked.waiting), watchers(asked), tuple(hidden)
    )


def _cards(asked: Asked, incidents: Sequence[Open]) -> Iterator[Card]:
    seen = SeenThings(asked.ledger)
    safe, report = seen.all_of(Kind.SAFETY), seen.one_of(Kind.CAPACITY, LAST)
    numbers = latest_numbers(asked) if asked.may_read("collect_samples") else {}
    runs = _runs(asked)
    for name, store in asked.estate.stores.items():
        hides = tuple(
            one for one in (f"restore_drill__{name}", f"backup__{name}") if store.backup and not asked.may_read(one)
        )
        looked = None if hides else safe.get(name)
        safety = safety_at(looked, goals_of(store), asked.now) if looked else None
        yield Card(
            name=name,
            engine=store.engine,
            goals=goals_of(store),
            is_backed_up=store.backup is not None,
            by=store.backup.by if store.backup else "",
            safety=safety,
            safety_failed=_why_unknown(store, looked, hides) if safety is None else "",
            backup_run=runs.get((f"backup/{name}", safety.whole_id)) or dag_path(f"backup__{name}") if safety else None,
            numbers=numbers.get(name, NONE),
            full=full_of(report, name, asked.now.date()) if asked.may_read("capacity_report") else None,
            incidents=tuple(one for one in incidents if one.store == name),
            own=None,
            hides=hides,
        )
    if asked.estate.airflow or AIRFLOW in numbers:
        yield _airflow(asked, numbers.get(AIRFLOW, NONE), incidents)


def goals_of(store: Store) -> Goals:
    """Give what the estate's file promises of a store."""
    return Goals(store.rto.total_seconds(), store.rpo.total_seconds())


def _why_unknown(store: Store, looked: Seen | None, hides: Sequence[str]) -> str:
    if store.backup is None or hides:
        return ""
    return looked.failed if looked else "Nobody has looked yet: refresh_overview does."


def _airflow(asked: Asked, numbers: Numbers, incidents: Sequence[Open]) -> Card:
    kept = asked.estate.airflow is not None
    hidden = not asked.may_read("maintain_airflow")
    return Card(
        name=AIRFLOW,
        engine="airflow",
        goals=None,
        is_backed_up=kept,
        by="dump" if kept else "",
        safety=None,
        safety_failed="",
        backup_run=dag_path("maintain_airflow") if kept and not hidden else None,
        numbers=numbers,
        full=None,
        incidents=tuple(one for one in incidents if one.store == AIRFLOW),
        own=None if hidden else _own_backup(asked),
        hides=("maintain_airflow",) if hidden else (),
    )


def _own_backup(asked: Asked) -> OwnBackup | None:
    with translated("asking for the last backup of Airflow's database"):
        found = rows(asked.ledger, statement("overview.find_last_evidence"), whose=AIRFLOW_KEPT, gate=AIRFLOW_GATE)
    return OwnBackup(found[0]["at"], found[0]["passed"], _evidence(found[0])) if found else None


def _evidence(row: Row) -> str:
    return evidence_path(row["key"], row["sha256"])


def _runs(asked: Asked) -> Mapping[tuple[str, str | None], str]:
    """Give the path of the run that took each of the last backups."""
    whose = [f"backup/{name}" for name, store in asked.estate.stores.items() if store.backup]
    with translated("asking which runs took backups"):
        found = rows(asked.ledger, statement("overview.list_backup_runs"), whose=whose, gates=list(FRESH_GATES))
    return {
        (row["whose"], row["backup"]): run_path(row["whose"].replace("/", "__"), row["run"]) for row in reversed(found)
    }


def _sum(it: EstateNow) -> Iterator[str]:
    """Say what is wrong, the worst first."""
    urgent = [one for card in it.cards for one in card.incidents if one.state == "bad"]
    urgent += [one for one in it.incidents if one.state == "bad"]
    counted = (
        (sum(one.is_down for one in it.cards), "down"),
        (len(urgent), "urgent incident{s}"),
        (sum(bool(one.safety and one.safety.loses_too_much) for one in it.cards), "would lose more than was promised"),
        (sum(bool(one.safety and one.safety.takes_too_long) for one in it.cards), "would be back too late"),
        (sum(bool(one.full and one.full.state == "bad") for one in it.cards), "full soon"),
        (
            sum(bool(one.numbers.headroom and one.numbers.headroom.state == "bad") for one in it.cards),
            "out of partitions soon",
        ),
        (sum(bool(one.safety_failed) for one in it.cards), "of which nobody knows what would be lost"),
        (sum(one.is_unprotected for one in it.cards), "not backed up"),
    )
    yield from (f"{count} {what.format(s='' if count == 1 else 's')}" for count, what in counted if count)
