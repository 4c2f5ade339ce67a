"""An estate whose ledger was filled by what fills it: looks, samples, incidents, drills. For tests of the pages that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from psycopg.sql import SQL
from sluice.estate.models import Estate
from sluice.ledger.control import Control
from sluice.ledger.incidents import Incident, Incidents, Member, Message
from sluice.ledger.samples import Samples, Series
from sluice.ledger.seen import Kind, SeenThings
from sluice.local import databases
from sluice.overview.asked import Asked, Waiting
from sluice.overview.drills.condensed import condensed, restored
from sluice.overview.drills.year import year_told
from sluice.overview.estate.safety import facts_told
from sluice.safety.drill.certificate import Certificate, Compared, Goals
from sluice.safety.driver import Taken, Window
from sluice.safety.exposure import Facts
from sluice.stores.postgres import Connection, connect

from tests.conftest import Server

GOALS = Goals(300, 30)
"""What each store of `an_estate` is promised, in seconds."""
RUN = "scheduled__2026-03-01T04:00:00+00:00"


def an_estate(backed_up: Sequence[str] = ("shop",), more: Mapping[str, Any] | None = None) -> Estate:
    """Stores that are backed up with their log, and `more` as the file writes them."""
    stores: dict[str, Any] = {
        name: {
            "engine": "postgres",
            "connection": f"pg_{name}",
            "rto": timedelta(seconds=GOALS.back_within),
            "rpo": timedelta(seconds=GOALS.losing_at_most),
            "backup": {"by": "physical", "connection": f"pg_{name}"},
        }
        for name in backed_up
    }
    told = {"vault": {"connection": "s3_vault", "bucket": "sluice-vault"}, "ledger": {"connection": "sluice_ledger"}}
    return Estate.model_validate({"estate": "sample", **told, "stores": {**stores, **(more or {})}})


def asked(
    ledger: Connection,
    estate: Estate,
    now: datetime,
    waiting: Sequence[Waiting] = (),
    may_read: Callable[[str], bool] = lambda dag_id: True,
) -> Asked:
    """Who asks: everything may be read unless told."""
    return Asked(ledger, estate, now, waiting, may_read)


def prepare(ledger: Connection) -> SeenThings:
    """Make what an answer finds made."""
    Control(ledger, "", "").prepare()
    Samples(ledger).prepare()
    return SeenThings(ledger).prepare()


@contextmanager
def opened_ledger(server: Server, name: str) -> Iterator[str]:
    """Make a ledger for a whole module, which `emptied` makes anew for each test; give its address."""
    databases.create_database(server.cluster, name, owner=databases.LEDGER)
    try:
        yield server.cluster.dsn(name, databases.LEDGER, server.passwords[databases.LEDGER])
    finally:
        databases.drop_database(server.cluster, name)


@contextmanager
def emptied(dsn: str) -> Iterator[Connection]:
    """Open a ledger with nothing in it."""
    with connect(dsn, purpose="test") as ledger:
        prepare(ledger)
        listed = (
            "SELECT format('%%I.%%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = ANY (%(of)s)"
        )
        for row in ledger.execute(listed, {"of": ["control", "insight", "overview"]}).fetchall():
            ledger.execute(SQL("TRUNCATE {} CASCADE").format(SQL(row["name"])))
        yield ledger


def a_drill(store: str, at: datetime, available: float = 38.0, **changed: Any) -> Certificate:
    """A certificate, right and in time unless `changed`."""
    told: dict[str, Any] = {
        "store": store,
        "name": f"sluice-scratch-{store}-{at:%Y%m%dt%H%M%S}z-abcdef",
        "target": "the latest moment",
        "asked_at": at.isoformat(),
        "backups": ("full",),
        "reached": at.isoformat(),
        "position": None,
        "phases": {"fetched": available * 0.6, "replayed": available * 0.9, "available": available, "verified": available * 2},
        "goals": GOALS,
        "lost": (2.0, 12.0),
        "holds_sha256": "0",
        "compared": Compared("census", 3, 100, ()),
        "damaged": (),
    }  # fmt: skip
    return Certificate(**{**told, **changed})


def broken(line: str = "public.notes: 1 row fewer") -> Compared:
    """What a drill of a copy that lacks something compared."""
    return Compared("census", 3, 100, (line,))


def some_facts(store: str, now: datetime, certificates: Sequence[Certificate] = (), **changed: Any) -> Facts:
    """A store whose log came in three seconds ago, with a whole backup of last night."""
    taken = Taken("full", now - timedelta(hours=9), 1_000)
    told: dict[str, Any] = {
        "store": store,
        "goals": GOALS,
        "window": Window(taken.whole_at, now - timedelta(seconds=3)),
        "backups": (taken,),
        "certificates": certificates or (a_drill(store, now - timedelta(hours=7)),),
        "drill_at": time(4),
        "on_its_way": timedelta(seconds=10),
    }
    return Facts(**{**told, **changed})


def leave_safety(seen: SeenThings, facts: Facts, at: datetime) -> None:
    """Leave what a look at a store leaves."""
    seen.record(Kind.SAFETY, facts.store, at, facts_told(facts))


def leave_drills(seen: SeenThings, store: str, certificates: Sequence[Certificate], at: datetime, **more: Any) -> None:
    """Leave what a look at its drills leaves, read from the few words that a look before has left."""
    few = [restored(store, condensed(one)) for one in certificates]
    year = year_told(store, few, {"full": 1_000}, GOALS, at)
    seen.record(Kind.DRILLS, store, at, {"year": year, "failovers": [], "unread": [], **more})


def leave_numbers(ledger: Connection, at: datetime, told: Iterable[tuple[str, str, str, float]]) -> None:
    """Leave what a look of `collect_samples` leaves: store, metric, subject and number, and how long it took."""
    found = {Series(store, metric, subject): value for store, metric, subject, value in told}
    stores = {series.store for series in found}
    Samples(ledger).record(at, found | {Series(store, "collection_seconds"): 0.2 for store in stores})


def an_incident(number: int, store: str, at: datetime, **changed: Any) -> Incident:
    """One that is open, of a single trouble."""
    member = Member(
        "lock_waits", store, "lock_waits_count", "", "P2", "locks", "3 sessions wait for a lock", "End that session.",
        "docs/howto/know-what-is-wrong.md#locks", "application",
    )  # fmt: skip
    one = Incident(number, store, "locks", "P2", at, (member,))
    made = replace(one, **changed)
    return replace(made, members=tuple(replace(each, severity=made.severity) for each in made.members))


def leave_incidents(ledger: Connection, *found: Incident, told: str = "slack_ops", failure: str | None = None) -> None:
    """Leave what a look of `watch_health` leaves, with the channel that was told."""
    kept = Incidents(ledger).prepare()
    messages = [Message(one.id, "opened", one.opened, one.severity, "subject", "text", {}) for one in found]
    with kept.looking():
        kept.keep({}, found, messages)
    for message in kept.untold(told, ["P1", "P2", "P3", "P4"], datetime.now(UTC)):
        if message.incident in {one.id for one in found}:
            kept.note_told(message, told, failure)


def leave_run(
    ledger: Connection, whose: str, gate: str, facts: Mapping[str, Any], key: str, *, passed: bool = True
) -> None:
    """Leave what a step and its gate leave of a run."""
    control = Control(ledger, whose, RUN)
    control.record_facts(gate, facts, epoch=1)
    control.record_evidence(gate, 1, passed=passed, compared=1, key=key, sha256="ab12")
