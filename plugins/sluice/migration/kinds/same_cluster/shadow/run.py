"""Run the application's reads on both tables: the same answers, how long each took, and which partitions were looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import psycopg
from psycopg import RawCursor, errors, sql
from psycopg.rows import dict_row

from sluice.estate.models import Shadow
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts, Fenced
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.shadow import wording
from sluice.migration.kinds.same_cluster.shadow.reads import STAGE, Read, Skipped, find_reads
from sluice.migration.kinds.same_cluster.shadow.result import Result, facts_of
from sluice.migration.kinds.same_cluster.shadow.values import NoValue, Parameters, Values, parameters, places_of, sample
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import as_text, raw, statement

MADE = f"{STAGE}_made"
"""The schema in which the source stands with its columns changed as the target's are."""
READ_SECONDS = 10
"""A read that takes longer on the old table is left alone; one that does so on the new table only is too slow."""
STATEMENT_SECONDS = 30.0
"""No further sample of a statement begins after so long."""
SYSTEM_COLUMNS = re.compile(r"\b(?:ctid|xmin|xmax|cmin|cmax|tableoid)\b", re.I)


@dataclass(frozen=True)
class Side:
    """A way to say a statement: which text, and where its names are looked for."""

    text: str
    path: str


@dataclass(frozen=True)
class Answer:
    """How many rows, and a hash of them that is free of their order."""

    rows: int
    hash: str


@dataclass
class ShadowRead:
    """One shadow read of one migration."""

    c: Connection
    marks: Marks
    route: Route
    wanted: Shadow
    _leaves: set[tuple[str, str]] = field(default_factory=set)
    _pages: int = 1

    def run(self) -> Facts:
        """Compare every statement, and give the numbers."""
        self._leaves = {
            (row["schema"], row["name"])
            for row in rows(self.c, statement("shadow.list_leaves"), oid=self._oid(self.route.target))
        }
        self._pages = places_of(self.c, self.route.shape)
        found = find_reads(self.c, self.route, self.wanted.statements)
        results = [self._compared(read) for read in found.reads]
        skipped = [*found.skipped, *(Skipped(r.read.text, r.untried) for r in results if r.untried)]
        done = [result for result in results if not result.untried]
        return facts_of(self.wanted, done, skipped, found.nothing, leaves=len(self._leaves))

    def _compared(self, read: Read) -> Result:
        """One statement, with values of rows from all over the table. Measured again before it counts as slow."""
        result = Result(read, self.wanted)
        try:
            asked = parameters(read, self.route.shape)
            result.cut = {cut.column for cut in self.route.cuts} & asked.columns
            self._sampled(result, asked)
            if result.slow and not result.too_long:
                again = Result(read, self.wanted)
                self._sampled(again, asked)
                result.confirmed_by(again)
        except NoValue as error:
            result.untried = str(error)
        return result

    def _sampled(self, result: Result, asked: Parameters) -> None:
        began = time.monotonic()
        for values in sample(self.c, self.route, asked, self._pages, self.wanted.samples):
            with self._staged():
                self._once(result, asked, values)
            if time.monotonic() - began > STATEMENT_SECONDS:
                break

    def _once(self, result: Result, asked: Parameters, values: Values) -> None:
        """Both answers, which also warms both tables up; then both clocks, in turns."""
        read = result.read
        old, new = self._answer(self._old(read), values), self._answer(self._new(read), values)
        if isinstance(old, psycopg.Error):
            result.failed_alike(old)
            return
        if isinstance(new, errors.QueryCanceled):
            result.too_long = True
            return
        if isinstance(new, psycopg.Error):
            self._judge_error(result, new)
            return
        if self.route.reshapes:
            made = self._answer(self._made(read), values)
            if isinstance(made, psycopg.Error):
                result.failed_alike(made)
                return
            old = made
        result.answered(old.rows, self._unlike(read, asked, values, old, new))
        self._time(result, values)

    def _unlike(self, read: Read, asked: Parameters, values: Values, old: Answer, new: Answer) -> str | None:
        """How the answers differ; '' when only ties were broken otherwise, None when they are the same."""
        if old == new:
            return None
        told = f"{old.rows} rows and {new.rows}" if old.rows != new.rows else f"not the same {old.rows} rows"
        ordered = wording.is_totally_ordered(read.text, self.route.shape.key)
        if old.rows != new.rows or ordered or not wording.has_limit(read.text):
            return told
        # Which rows come first is up to each table: so all of them must be the same, where that can be asked.
        everything = asked.without_limit(values)
        whole = self._answer(self._expected(read), everything), self._answer(self._new(read), everything)
        return told if all(isinstance(a, Answer) for a in whole) and whole[0] != whole[1] else ""

    def _judge_error(self, result: Result, error: psycopg.Error) -> None:
        """Only the new table fails: that is how the application would fail, but for what a view alone cannot do."""
        stands_in_badly = isinstance(error, errors.UndefinedColumn) and SYSTEM_COLUMNS.search(result.read.text)
        if stands_in_badly or (
            isinstance(error, errors.GroupingError) and self.route.target_key == self.route.shape.key
        ):
            result.failed_alike(error)
        else:
            # The class alone: a message may hold a value.
            result.answered(0, f"the new table gives an error ({type(error).__name__})")

    def _answer(self, side: Side, values: Values) -> Answer | psycopg.Error:
        found = self._ask(side, statement("shadow.digest_answer", text=raw(side.text)), values)
        return found if isinstance(found, psycopg.Error) else Answer(found[0]["rows"], found[0]["hash"])

    def _time(self, result: Result, values: Values) -> None:
        """Run it on both sides in turns, and count the run in the middle: one that was disturbed is no finding."""
        old, new = self._old(result.read), self._new(result.read)
        runs = [(side is new, self._explained(side, values)) for side in (old, new, new, old, old, new)]
        result.too_long |= any(is_new and isinstance(plan, errors.QueryCanceled) for is_new, plan in runs)
        if not any(isinstance(plan, psycopg.Error) for _, plan in runs):
            plans = [
                [plan for is_new, plan in runs if isinstance(plan, dict) and is_new is wanted]
                for wanted in (False, True)
            ]
            old_ms, new_ms = (median(p["Planning Time"] + p["Execution Time"] for p in each) for each in plans)
            looked_at = list(_looked_at(plans[1][0]["Plan"]))
            result.timed(old_ms, new_ms, len({table for table, ran in looked_at if ran} & self._leaves))
            source = self.route.source
            result.misplaced |= any(table == (source.schema, source.name) for table, _ in looked_at)

    def _explained(self, side: Side, values: Values) -> Row | psycopg.Error:
        """The plan with what it took."""
        found = self._ask(side, statement("shadow.explain_read", text=raw(side.text)), values)
        if isinstance(found, psycopg.Error):
            return found
        plan: Row = found[0]["QUERY PLAN"][0]
        return plan

    def _ask(self, side: Side, query: sql.Composed, values: Values) -> list[Row] | psycopg.Error:
        """Ask in a savepoint. What is wrong with the session, or will pass, is raised."""
        try:
            with self.c.transaction():
                self.c.execute(statement("shadow.look_within"), {"path": side.path})
                cursor = RawCursor(self.c, row_factory=dict_row)
                return cursor.execute(as_text(query, self.c).encode(), values).fetchall()
        except errors.QueryCanceled as error:
            return error
        except (errors.LockNotAvailable, errors.DeadlockDetected, psycopg.OperationalError):
            raise
        except psycopg.Error as error:
            return error

    def _old(self, read: Read) -> Side:
        return Side(read.text, read.path)

    def _new(self, read: Read) -> Side:
        return self._within(read, STAGE)

    def _made(self, read: Read) -> Side:
        return self._within(read, MADE)

    def _expected(self, read: Read) -> Side:
        """What the new table's answer is compared with."""
        return self._made(read) if self.route.reshapes else self._old(read)

    def _within(self, read: Read, schema: str) -> Side:
        stand_in = Table(schema, self.route.source.name)
        return Side(wording.put_in_place(read.text, self.route.source, stand_in), f"{schema}, {read.path}")

    @contextmanager
    def _staged(self) -> Iterator[None]:
        """One snapshot in which the new table goes by the old one's name. Nothing can be written, and all is rolled back.

        A transaction for each sample: who aborts, or swaps, waits for the fence no longer than one takes.
        """
        with self.c.transaction(force_rollback=True):
            self.c.execute(statement("shadow.stand_still"))
            self.marks.execute(self.c, "share_fence")
            self._check_names()
            self._stand_in(STAGE, sql.SQL("*"), self.route.target)
            if self.route.reshapes:
                values = [
                    sql.SQL("{} AS {}").format(value.compared("t"), sql.Identifier(value.name))
                    for value in self.route.values
                ]
                self._stand_in(MADE, sql.SQL(", ").join(values), self.route.source)
            self.c.execute(statement("shadow.limit_read"), {"milliseconds": READ_SECONDS * 1000})
            self.c.execute(statement("shadow.forbid_writes"))
            yield

    def _stand_in(self, schema: str, values: sql.Composable, table: Table) -> None:
        self.c.execute(statement("shadow.create_schema", schema=sql.Identifier(schema)))
        view = sql.Identifier(schema, self.route.source.name)
        self.c.execute(statement("shadow.stand_in", view=view, values=values, table=table.identifier))

    def _check_names(self) -> None:
        """Under the fence: the snapshot may be older than a swap, the names are not."""
        row = self.marks.row(self.c)
        if [self._oid(t) for t in (self.route.source, self.route.target)] != [row["source_oid"], row["target_oid"]]:
            raise Fenced(
                f"{self.marks.name} was moved while the application's reads were compared. Run the migration again."
            )

    def _oid(self, table: Table) -> int | None:
        try:
            return int(one(self.c, statement("swap.find_oid"), name=table.identifier.as_string(self.c))["oid"])
        except errors.UndefinedTable:
            return None


def _looked_at(node: Row) -> Iterator[tuple[tuple[str, str], bool]]:
    """The tables of a plan, and whether each was really read from."""
    if "Relation Name" in node:
        yield (node["Schema"], node["Relation Name"]), bool(node.get("Actual Loops"))
    for inner in node.get("Plans", ()):
        yield from _looked_at(inner)
