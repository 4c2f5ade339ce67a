"""Random schedules: which table, how many users, what goes wrong where, and how often the migration goes back.

    python -m tests.chaos.schedules 7 --minutes 5     # what `./sluice test chaos --seed 7 --minutes 5` becomes
    python -m tests.chaos.schedules 7:12              # the twelfth of them, alone

A schedule is made from its seed and number alone, so each repeats by itself. The first fault of each is drawn from a shuffled
deck of every edge with every fault: with enough minutes every pair comes up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg
from sluice.estate import Migration, read_estate
from sluice.migration.engine.contract import Phase
from sluice.migration.engine.way import Step

from tests.chaos.drill import Drill, fitted, live
from tests.chaos.edges import FAULTS, LEGS, edges_of
from tests.chaos.mortal import ROWS, Mortal, mortal_server
from tests.chaos.stage import Stage
from tests.conftest import Database

ROOT = Path(__file__).parents[2]
ENOUGH = 5
"""Failures after which no more are looked for."""

QUIRKS = {
    "an index more": "CREATE INDEX ON app.user_sessions (user_id, ended_at)",
    "a check": "ALTER TABLE app.user_sessions ADD CHECK (char_length(tenant_id) > 3)",
    "a generated column": "ALTER TABLE app.user_sessions"
    " ADD COLUMN tenant_length integer GENERATED ALWAYS AS (char_length(tenant_id)) STORED",
    "wide rows": "ALTER TABLE app.user_sessions ADD COLUMN ballast text DEFAULT repeat('x', 600)",
    "sparse pages": "ALTER TABLE app.user_sessions SET (fillfactor = 20)",
    "holes": "DELETE FROM app.user_sessions WHERE mod(id, 3) = 0",
    "rows moved about": "UPDATE app.user_sessions SET note = 'moved about' WHERE mod(id, 4) = 1",
    "a trigger of the users'": "CREATE FUNCTION app.look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    " CREATE TRIGGER zz_look AFTER INSERT OR UPDATE OR DELETE ON app.user_sessions FOR EACH ROW EXECUTE FUNCTION app.look()",
    "impatient sessions": "ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '20s'",
    "snapshots for whole transactions": "ALTER ROLE sluice_mover IN DATABASE {name}"
    " SET default_transaction_isolation = 'repeatable read'",
}

HITS = {
    "expansion.statement": 12, "statistics.partition": 3, "trigger.half": 2, "trigger.half_off": 2, "chunk.claimed": 3,
    "chunk.filled": 3, "chunk.rechecked": 3, "chunk.checked_off": 3, "chunk.committed": 3, "lane.copied": 3,
}  # fmt: skip
"""How often these are passed at least."""


@dataclass(frozen=True)
class Act:
    """One fault: in which leg, at the which-th passing of which edge."""

    leg: str
    edge: str
    fault: str
    hit: int = 1

    def __str__(self) -> str:
        return f"{self.fault} at {self.edge}@{self.hit} of {self.leg}"


@dataclass(frozen=True)
class Schedule:
    """Everything that happens in one run."""

    seed: int
    number: int
    rows: int
    chunk_rows: int
    lanes: int
    rate: int
    quirks: tuple[str, ...]
    acts: tuple[Act, ...]
    pauses: tuple[float, ...]
    ends: Phase

    def __str__(self) -> str:
        table = f"{self.rows} rows{''.join(f', {quirk}' for quirk in self.quirks)}"
        return (
            f"{self.seed}:{self.number}  {table}; chunks of {self.chunk_rows}, {self.lanes} lanes, {self.rate} writes/s;"
            f" {'; '.join(map(str, self.acts))}; ends {self.ends}"
        )

    @property
    def repeat(self) -> str:
        """The command that plays this one alone."""
        return f"./sluice test chaos --seed {self.seed}:{self.number}"


def deck(seed: int) -> list[Act]:
    """Every edge with every fault, shuffled."""
    acts = [Act(leg, edge, fault) for fault in FAULTS for leg in LEGS for edge in edges_of(leg, fault)]
    Random(seed).shuffle(acts)
    return acts


def plan(seed: int, number: int) -> Schedule:
    """Make the schedule with this number. Pure."""
    random, acts = Random(f"{seed}:{number}"), deck(seed)
    chosen = [acts[number % len(acts)], *random.sample(acts, random.randint(0, 3))]
    last = [act for act in chosen if act.leg == Step.RETIRE][:1]  # there is no way back from it
    chosen = [act for act in chosen if act.leg != Step.RETIRE]
    random.shuffle(chosen)
    chosen += last
    lanes = random.randint(1, 3)
    return Schedule(
        seed,
        number,
        rows=random.randint(600, ROWS),
        chunk_rows=random.randint(120, 160),
        lanes=lanes,
        rate=random.choice((10, 40, 120)),
        quirks=tuple(random.sample(list(QUIRKS), random.randint(0, 3))),
        acts=tuple(Act(a.leg, a.edge, a.fault, random.randint(1, HITS.get(a.edge, 1))) for a in chosen),
        pauses=tuple(random.uniform(0, 0.3) for _ in chosen),
        ends=random.choice((Phase.PLANNED, Phase.VERIFIED, Phase.CUT_OVER, Phase.RETIRED)),
    )


def play(schedule: Schedule, mortal: Mortal, migration: Migration) -> None:
    """Play it on a server that may crash. Raises what went wrong."""
    with mortal.database() as database:
        _shape(database, schedule)
        stage = Stage(database, fitted(migration, schedule.chunk_rows))
        with live(stage, seed=schedule.number, rate=schedule.rate, lanes=schedule.lanes) as drill:
            for act, pause in zip(schedule.acts, schedule.pauses, strict=True):
                _play(drill, act, pause)
            _arrive(drill, schedule.ends)
            drill.judge()


def _play(drill: Drill, act: Act, pause: float) -> None:
    drill.stand_before(act.leg, afresh=act.leg == Step.BACKFILL)  # what was copied would not be passed again
    time.sleep(pause)
    drill.meet(act.leg, act.edge, act.fault, act.hit)


def _arrive(drill: Drill, phase: Phase) -> None:
    if drill.phase is not Phase.RETIRED:
        drill.arrive(phase)


def _shape(database: Database, schedule: Schedule) -> None:
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute("DELETE FROM app.user_sessions WHERE id > %s", [schedule.rows])
        for quirk in schedule.quirks:
            c.execute(QUIRKS[quirk].format(name=f'"{database.name}"').encode())
        c.execute("VACUUM FULL app.user_sessions")
        c.execute("VACUUM ANALYZE app.user_sessions")


def numbers(only: int | None, minutes: float) -> Iterator[int]:
    """Count from 1 until the minutes are over, or give the one number that is asked for."""
    deadline = time.monotonic() + 60 * minutes
    number = 1
    while only is None and (number == 1 or time.monotonic() < deadline):
        yield number
        number += 1
    if only is not None:
        yield only


def main(arguments: list[str]) -> int:
    """Play schedules; give 1 when one failed, and say how to repeat it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.schedules", description=__doc__)
    parser.add_argument("seed", help="a number, or number:schedule for that one alone")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--junit-xml", type=Path, help="also write the counts here")
    given = parser.parse_args(arguments)
    seed, _, only = given.seed.partition(":")
    migration = read_estate(ROOT).migrations["user_sessions"]
    failed: list[Schedule] = []
    played = 0
    with tempfile.TemporaryDirectory() as folder, mortal_server(Path(folder) / "mortal") as mortal:
        for number in numbers(int(only) if only else None, given.minutes):
            schedule, began = plan(int(seed), number), time.monotonic()
            try:
                play(schedule, mortal, migration)
                said = f"{time.monotonic() - began:4.1f} s"
            except Exception:
                failed.append(schedule)
                said = f"FAILED\n{traceback.format_exc()}\n{schedule!r}\n{schedule.repeat}"
            played += 1
            print(f"{schedule}: {said}", flush=True)
            if len(failed) == ENOUGH:
                break
    print(f"\n{played - len(failed)} of {played} schedules lost nothing; the deck has {len(deck(int(seed)))} pairs")
    for schedule in failed:
        print(f"repeat it alone: {schedule.repeat}")
    if given.junit_xml:
        suite = ElementTree.Element("testsuite", tests=str(played), failures=str(len(failed)))
        outer = ElementTree.Element("testsuites")
        outer.append(suite)
        ElementTree.ElementTree(outer).write(given.junit_xml)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
