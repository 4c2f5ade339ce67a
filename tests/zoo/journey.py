"""One table's way: a shape is chosen, written as YAML, and taken there and back while its writers write."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from sluice.estate import read_estate
from sluice.estate.mistakes import EstateErrors
from sluice.estate.models import Migration
from sluice.migration.engine.contract import Facts, Kind, Phase
from sluice.migration.engine.way import Step
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import LockBusy, connect

from tests.conftest import Database
from tests.harness import advance
from tests.zoo import catalogue, likeness, oracle, reasons, shapes
from tests.zoo.catalogue import Thing
from tests.zoo.sources import Source
from tests.zoo.writers import Application

ESTATE = {
    "estate": "zoo",
    "vault": {"connection": "s3_vault", "bucket": "sluice-vault"},
    "ledger": {"connection": "sluice_ledger"},
    "stores": {"zoo": {"engine": "postgres", "connection": "pg_zoo", "rto": "5m", "rpo": "30s"}},
}
SMALL = 20_000
RETRIES = 3
"""As in `sluice.flow.policy`."""
MIGRATED, REFUSED, BROKEN = "migrated", "refused", "broken"


@dataclass
class Outcome:
    """What became of one table."""

    database: str
    table: str
    rows: int
    key: str
    odd: str
    shape: str = ""
    result: str = ""
    codes: dict[str, str] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    able: list[str] = field(default_factory=list)
    writes: int = 0
    checked: int = 0
    pause_ms: float = 0.0
    seconds: float = 0.0
    ended: str = ""
    yaml: str = ""

    @property
    def good(self) -> bool:
        """Migrated without a fault, or refused for reasons that are true."""
        if self.result == REFUSED:
            return bool(self.codes) and all(word == "true" for word in self.codes.values()) and not self.faults
        return self.result == MIGRATED and not self.faults


@dataclass
class Journey:
    """A table of a database, and where its files go."""

    database: Database
    source: Source
    thing: Thing
    folder: Path
    number: int
    retires: bool
    connections: list[psycopg.Connection[Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        """Take the way; whatever happens is in the outcome."""
        began = time.monotonic()
        out = self._outcome()
        app: Application | None = None
        try:
            migration = self._choose(out)
            if migration is not None:
                app = Application(self.database.dsn(self.source.role), self.thing, self.source.settings)
                self._migrate(out, migration, app)
                out.result = MIGRATED
        except Exception as error:
            out.result = BROKEN
            out.faults.append(f"{out.ended or 'before'}: {type(error).__name__}: {error} [{_where(error)}]")
        finally:
            if app is not None:
                app.stop()
                if out.result == BROKEN:
                    self._judge(out, app, "after the break")
            for connection in self.connections:
                connection.close()
        out.seconds = round(time.monotonic() - began, 1)
        return out

    # ---- choosing ----

    def _choose(self, out: Outcome) -> Migration | None:
        """Try the shapes that its columns allow until one is not refused."""
        with catalogue.look(self.database.dsn("admin")) as c:
            offered = shapes.candidates(shapes.traits(c, self.thing))
            for name, into in offered:
                try:
                    migration, codes = self._ask(into)
                except EstateErrors as error:
                    out.tried.append(f"{name}: the estate does not read it: {str(error).splitlines()[0]}")
                    continue
                out.shape, out.yaml = name, self._file().read_text()
                if migration is not None:
                    return migration
                out.codes = reasons.truth(reasons.Case(c, self.thing, into), codes)
                out.tried.append(f"{name}: {', '.join(f'{code} ({word})' for code, word in out.codes.items())}")
        out.result, out.remarks = REFUSED, self.said
        if not out.codes:
            out.codes = {"no_shape": "true" if all("does not read" in text for text in out.tried) else "false"}
        return None

    def _ask(self, into: shapes.Into) -> tuple[Migration | None, list[str]]:
        """Write the YAML, accept what may be accepted, and give what is refused."""
        migration = self._write(into, [])
        findings = self._opening(migration)().preflight()
        refused = [finding.code for finding in findings if finding.blocks and not finding.acceptable]
        self.said = [str(finding) for finding in findings if finding.blocks and not finding.acceptable]
        accepted = sorted({finding.code for finding in findings if finding.blocks and finding.acceptable})
        if accepted:
            migration = self._write(into, accepted)
        return (None, sorted(set(refused))) if refused else (migration, [])

    def _write(self, into: shapes.Into, accepted: list[str]) -> Migration:
        small = self._rows < SMALL
        text = {
            "migration": f"zoo_{self.number}",
            "from": {"store": "zoo", "table": _named(self.thing.schema, self.thing.table)},
            "into": {"table": _named(self.thing.schema, f"sluice_zoo_{self.number}"), **into},
            "accept": accepted,
            # How long a read takes on a machine that does something else as well is not what the zoo is for.
            "gates": {"shadow": {"slower_than": 100, "allowance": "10s"}},
            # Where hundreds of partitions meet a slow machine, one statement takes longer than the usual 50 ms.
            "cutover": {"lock_timeout": "300ms"},
            "backfill": {"chunk_rows": 100 if small else 20_000},
        }
        file = self._file()
        file.parent.mkdir(parents=True, exist_ok=True)
        (self._root() / "include/estate/estate.yaml").write_text(yaml.safe_dump(ESTATE))
        file.write_text(yaml.safe_dump(text, allow_unicode=True, sort_keys=False))
        return read_estate(self._root()).migrations[f"zoo_{self.number}"]

    def _root(self) -> Path:
        return self.folder / f"{self.source.name}_{self.number}"

    def _file(self) -> Path:
        return self._root() / f"include/estate/migrations/zoo_{self.number}.yaml"

    # ---- going ----

    def _migrate(self, out: Outcome, migration: Migration, app: Application) -> None:
        opening = self._opening(migration)
        with catalogue.look(self.database.dsn("admin")) as c:
            before = likeness.portrait(c, self.thing.oid)
        self._warm_up(out, app)
        self._take(out, opening, Phase.CAPTURING)
        app.burst(40)
        # Phase by phase: what a step says is heard even if the next one breaks.
        for wanted in (Phase.BACKFILLED, Phase.VERIFIED, Phase.SHADOWING, Phase.CUT_OVER):
            self._take(out, opening, wanted)
        app.burst(60)
        self._same(out, app, opening, "after the cutover")
        self._take(out, opening, Phase.VERIFIED)
        app.burst(60)
        self._same(out, app, opening, "after cutting back")
        if self.retires:
            self._take(out, opening, Phase.CUT_OVER)
            app.burst(30)
            self._take(out, opening, Phase.RETIRED)
            app.burst(20)
            self._compare_portraits(out, migration, before)
        else:
            self._take(out, opening, Phase.PLANNED)
            app.burst(20)
            self._compare_portraits(out, None, before)
        app.stop()
        out.faults += [f"user error while it was migrated: {text}" for text in _samples(app.forget_errors())]
        out.remarks += [f"refused by the table's own function: {text}" for text in _samples(app.diary.refused)]
        out.writes, out.able = app.diary.done.total(), app.able
        self._judge(out, app, "at the end")

    def _warm_up(self, out: Outcome, app: Application) -> None:
        """Write before anything is migrated: what goes wrong now is the table's own doing, and left alone."""
        app.start()
        app.burst(60, seconds=8)
        app.rest()
        for text in app.forget_errors() + app.diary.refused:
            app.drop(text.split(": ")[0])
            out.remarks.append(f"left alone, as the table refuses it now and then: {text}")
        out.remarks = sorted(set(out.remarks))[:5]
        with app.connect("oracle") as c:
            verdict = oracle.judge(c, self.thing, app.columns, app.diary.book)
        if not verdict.ok:
            out.remarks.append(f"not checked, as the table changes acknowledged rows itself: {verdict.samples[:1]}")
            app.unchecked = True
        if not app.able:
            out.remarks.append("no writes: the table allows none to this writer")
        app.go_on()

    def _take(self, out: Outcome, opening: Callable[[], Kind], wanted: Phase) -> None:
        out.ended = f"on the way to {wanted}"
        for step, facts in self._advance(out, opening, wanted).items():
            out.ended = str(step)
            wrong = {name: facts[name] for name in ("rows_missing", "rows_extra", "rows_different") if facts.get(name)}
            if wrong:
                out.faults.append(f"{step}: the diff is red: {wrong} {str(facts.get('diff_samples', ''))[:300]}")
            if step is Step.VERIFY and facts.get("planted") != facts.get("planted_found"):
                out.faults.append(f"{step}: planted faults were missed: {facts.get('planted_missed')}")
            out.faults += [f"{step}: {name} is {facts[name]}" for name in _BAD if facts.get(name)]
            out.pause_ms = max(out.pause_ms, float(facts.get("pause_ms") or 0))
        out.ended = str(wanted)
        if opening().position().phase is not wanted:
            raise RuntimeError(f"it stands at {opening().position().phase}, not at {wanted}")

    def _advance(self, out: Outcome, opening: Callable[[], Kind], wanted: Phase) -> dict[Step, Facts]:
        """Go there; where the table is too busy for a try, again, as often as a task of a DAG is tried."""
        for _ in range(RETRIES):
            try:
                return advance(opening, wanted)
            except LockBusy as busy:
                out.remarks.append(f"tried again on the way to {wanted}: {busy}")
        return advance(opening, wanted)

    def _same(self, out: Outcome, app: Application, opening: Callable[[], Kind], when: str) -> None:
        """Old against new by our own sum, while the writers rest."""
        app.rest()
        row = self._marks(int(self.number))
        same = {c.name for c in catalogue_of(self.database, row["target_oid"])} & set(app.columns)
        columns = [name for name in app.columns if name in same]
        with app_less(self.database, self.thing.schema) as c:
            names = [_name_of(c, row[side]) for side in ("source_oid", "target_oid")]
            old, new = oracle.sums(c, names, columns)
        if old != new:
            out.faults.append(f"{when}: old has {old[0]} rows, sum {old[1]}; new has {new[0]}, {new[1]}")
        app.go_on()

    def _judge(self, out: Outcome, app: Application, when: str) -> None:
        if app.unchecked or not app.diary.book:
            return
        try:
            with app_less(self.database, self.thing.schema) as c:
                verdict = oracle.judge(c, self.thing, app.columns, app.diary.book)
        except psycopg.Error as error:
            out.faults.append(f"{when}: the oracle could not look: {error}")
            return
        out.checked = verdict.checked
        if not verdict.ok:
            out.faults.append(
                f"{when}: of {verdict.checked} acknowledged keys {verdict.lost} lost, {verdict.wrong} wrong,"
                f" {verdict.resurrected} resurrected, {verdict.twice} twice: {'; '.join(verdict.samples[:3])}"
            )

    def _compare_portraits(self, out: Outcome, migration: Migration | None, before: likeness.Lines) -> None:
        with catalogue.look(self.database.dsn("admin")) as c:
            query = "SELECT to_regclass(%s)::oid::bigint AS oid"
            row = c.execute(query, [self.thing.name]).fetchone()
            assert row is not None
            if row["oid"] is None:
                out.faults.append(f"{self.thing.name} is not there any more")
                return
            after = likeness.portrait(c, row["oid"])
        into = yaml.safe_load(out.yaml)["into"] if migration else {}
        cut = set(reasons.Case(None, self.thing, into).cut)  # type: ignore[arg-type]
        out.unlike = likeness.unlike(before, after, set(into.get("columns") or {}), cut)

    # ---- within ----

    def _marks(self, number: int) -> dict[str, Any]:
        with catalogue.look(self.database.dsn("admin")) as c:
            row = c.execute("SELECT * FROM sluice.migration WHERE name = %s", [f"zoo_{number}"]).fetchone()
        assert row is not None
        return row

    def _opening(self, migration: Migration) -> Callable[[], Kind]:
        def opening(purpose: str) -> Any:
            self.connections.append(connect(self.database.dsn(), purpose=purpose))
            return self.connections[-1]

        return lambda: open_kind(migration, opening)

    def _outcome(self) -> Outcome:
        with catalogue.look(self.database.dsn("admin")) as c:
            row = c.execute(f"SELECT count(*) AS n FROM {self.thing.name}").fetchone()  # type: ignore[arg-type]
        self._rows = int(row["n"]) if row else 0
        thing = self.thing
        key = ", ".join(_short(thing.column(name).type) for name in thing.key) or "none"
        return Outcome(self.source.name, f"{thing.schema}.{thing.table}", self._rows, key, odd_types(thing))


_BAD = (
    "columns_missing", "indexes_missing", "rls_differs", "grants_missing", "partitions_gaps", "fingerprint_differs",
    "quarantined",
    "shadow_differences", "sequence_behind", "equal_rows_flagged", "capture_left", "sequences_narrow",
)  # fmt: skip
PLAIN = {"smallint", "integer", "bigint", "text", "character varying", "boolean", "date", "numeric"}
PLAIN |= {"timestamp without time zone", "timestamp with time zone", "double precision", "character", "real"}


def odd_types(thing: Thing) -> str:
    """Types that are not everybody's, shortly."""
    odd = {_short(c.type) if c.kind != "e" else "enum" for c in thing.columns if c.base not in PLAIN or c.domain}
    odd |= {"generated" for c in thing.columns if c.generated} | {"identity" for c in thing.columns if c.identity}
    return ", ".join(sorted(odd)[:8])


def catalogue_of(database: Database, oid: int) -> tuple[catalogue.Column, ...]:
    """The columns of a table as it is now."""
    with catalogue.look(database.dsn("admin")) as c:
        return catalogue.describe(c, oid).columns


def app_less(database: Database, schema: str) -> catalogue.Connection:
    """A session of the superuser with the application's settings of text."""
    return catalogue.work(database.dsn("admin"), schema, "oracle")


def _name_of(c: catalogue.Connection, oid: int) -> str:
    query = "SELECT format('%%I.%%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    row = c.execute(f"{query} WHERE c.oid = %s", [oid]).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return str(row["name"])


def _named(schema: str, table: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))


def _short(type_: str) -> str:
    return (
        type_.replace("public.", "")
        .replace("character varying", "varchar")
        .replace(" without time zone", "")
        .replace(" with time zone", "tz")
    )


def _samples(texts: list[str]) -> list[str]:
    """Each sort of trouble once."""
    seen: dict[str, str] = {}
    for text in texts:
        seen.setdefault(" ".join(text.split()[:4]), text)
    return [f"{text} ({len(texts)} in all)" for text in list(seen.values())[:4]]


def _where(error: BaseException) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "sluice" in f.filename]
    return " > ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[-4:])


def facts_of(facts: Facts) -> str:
    """Facts as a person reads them."""
    return ", ".join(f"{name}={value}" for name, value in facts.items())
