"""The verbs of the kind `into_postgres`: each does one thing to a DynamoDB table's way into PostgreSQL and gives facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any, TypeAlias

from psycopg import errors, sql

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import (
    COPIES_IN,
    Copied,
    Diff,
    Drifted,
    Facts,
    Fence,
    Fenced,
    Finding,
    Lag,
    Load,
    NotYet,
    Phase,
    Position,
    Progress,
    Swap,
    Window,
    WindowResult,
)
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.into_postgres import describe, expanding, preflight
from sluice.migration.kinds.into_postgres.comparing import Sides, compare
from sluice.migration.kinds.into_postgres.copying import Copying, Source
from sluice.migration.kinds.into_postgres.following import Follower
from sluice.migration.kinds.into_postgres.gap import Gap, begin_gap
from sluice.migration.kinds.into_postgres.planted import plant_and_find
from sluice.migration.kinds.into_postgres.routing import Route
from sluice.migration.kinds.into_postgres.shape import RowShape, compile_rows
from sluice.migration.kinds.into_postgres.switching import Switching
from sluice.migration.kinds.into_postgres.target import Target
from sluice.migration.kinds.same_cluster.swap import refresh_statistics
from sluice.migration.kinds.same_cluster.verbs import speaking_our_errors
from sluice.migration.kinds.single_table.ours import token
from sluice.proof.gates.window import WindowSubject
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.client import NoSuchTable
from sluice.stores.dynamodb.streams import Change, Stream, StreamGone, Trimmed, open_stream
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.tables import describe as describe_table
from sluice.stores.postgres import Connect, Connection, Table, one, rows, translated
from sluice.stores.statements import statement

Watch: TypeAlias = Callable[[Sequence[Change]], None]


@speaking_our_errors
class IntoPostgres:
    """Items of one DynamoDB table become rows of a PostgreSQL table."""

    def __init__(
        self, migration: IntoPostgresMigration, connect: Connect, client: Any, streams: Any, prefix: str = ""
    ) -> None:
        """`connect` opens the target's database; `client` and `streams` are boto3's. Nothing is read yet."""
        self.migration, self.name = migration, migration.name
        self.marks = Marks(migration.name)
        self._connect, self._client, self._streams = connect, client, streams
        self._source_name = prefix + migration.source.table
        self._last_segment = 0
        cutover = migration.cutover
        self.items = ItemMarks(client, migration.name, f"{prefix}sluice-marks")
        lease, skew = cutover.lease.total_seconds(), cutover.clock_skew.total_seconds()
        self.route = Route(client, self.items, self.marks, lease, skew)

    # ---- looking ----

    def preflight(self) -> list[Finding]:
        """Everything that would stop this migration, all at once. Read-only."""
        if describe_table(self._client, self._source_name) is None:
            what = f"There is no table {self._source_name} in store {self.migration.source.store}."
            return [Finding("no_source", True, what, "Mend `from.table`.")]
        fresh = self.position().phase is Phase.PLANNED
        return preflight.findings(self._c, self.migration, self.shape, self._source, fresh=fresh)

    def describe_plan(self) -> str:
        """The plan for a person: the table, and items of the source as the rows they become. Read-only."""
        said = describe.plan(self._c, self.migration, self.shape, self._source)
        return f"{self.name} is {self.position().phase}; backfill {self.progress()}\n{said}"

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""
        row = self.marks.find(self._c)
        if row is None:
            return Position(Phase.PLANNED, 1)
        return Position(Phase(row["phase"]), row["epoch"], row["verified_at"], row["cut_over_at"], row["now"])

    def progress(self) -> Progress:
        """How far the backfill is. Read-only."""
        counted, row = self.marks.chunks(self._c), self.marks.find(self._c)
        seconds, done, chunks = counted["seconds"], counted["done"], counted["chunks"]
        rate = counted["rows"] / seconds if seconds else 0.0
        estimated = row["rows_estimated"] or 0 if row else 0
        eta = max(0, estimated - counted["rows"]) / rate if rate else None
        return Progress(chunks, done, counted["rows"], estimated, rate, eta)

    def load(self, lane: int) -> Load:
        """Nothing that would be waited for: the service throttles, and nobody else writes the target."""
        return Load()

    def standing(self) -> Facts:
        """Facts that every gate wants: drift and quarantine."""
        with self.marks.shared(self._c) as row:
            differs = not row["same_target"]
        made = self.marks.row(self._c)["source_fingerprint"]
        differs = differs or made not in (None, self._fingerprint)
        return {"fingerprint_differs": int(differs), "quarantined": self.marks.quarantined(self._c)["rows"]}

    # ---- forward ----

    def expand(self) -> Facts:
        """planned → expanded: make the table and its partitions, over the whole window that the items have."""
        if self.position().phase is Phase.PLANNED:
            count = self._client.describe_table(TableName=self._source_name)["Table"]["ItemCount"]
            expanding.expand(self._c, self.marks, self.migration, self.shape, self._source, count)
        return expanding.verify(self._c, self.marks, self.migration, self.shape)

    def start_capture(self) -> Facts:
        """expanded → capturing: the stream is on and read from its oldest record, and applications have a route."""
        apply_tables(self._client, (replace(self._definition, stream=True),))
        self.items.prepare()
        failpoint("rows.stream_on")
        shards = [shard.id for shard in self._stream.shards()]
        with self.marks.alone(self._c):
            if self.marks.move(self._c, Phase.EXPANDED, to=Phase.CAPTURING):
                self._run("forget_places")
                self._run("take_fingerprints", source=self._fingerprint)
                self._follower(self.position()).begin(shards)
        self.route.publish(self._c)
        return {"stream_on": 1, "routed": int(self.items.route() is not None), **self.standing()}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out the segments; what has been copied of them stays copied."""
        with self.marks.alone(self._c):
            if self.marks.row(self._c)["phase"] == Phase.CAPTURING and not self.progress().chunks:
                self._run("add_segments", segments=self.migration.backfill.segments)
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Copy one page of a pending segment, in one transaction with its position. Raises Fenced, Drifted."""
        self._check_mapping()
        with translated(f"copying {self._source_name}"):
            copied = self._copying.copy(lane, fence, self.migration.backfill.chunk_rows, self._last_segment)
        self._last_segment = copied.chunk if copied else 0
        return copied

    def halve_chunk(self, chunk: int) -> None:
        """Nothing to halve: a page is small already."""

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled, and what an epoch gone by left behind is swept. Raises NotYet while a segment is pending."""
        progress = self.progress()
        if progress.done < progress.chunks or not progress.chunks:
            raise NotYet(f"{self._source_name}: {progress}. Clear the lanes of this run and let them go on.")
        self._copying.again(fence)
        swept = 0
        with self.marks.alone(self._c):
            row = self.marks.row(self._c)
            if row["epoch"] != fence.epoch:
                raise Fenced(f"{self.name} went back while it was copied: this run is over.")
            if self.marks.move(self._c, Phase.CAPTURING, to=Phase.BACKFILLED):
                query = statement("into_postgres.sweep", target=self._table.identifier)
                swept = self._c.execute(query, {"floor": token(fence.epoch)}).rowcount
        refresh_statistics(self._c, row["target_oid"], self._table)
        return {
            "chunks": progress.chunks,
            "chunks_done": progress.done,
            "rows_copied": progress.rows,
            "rows_per_second": round(progress.rate),
            "rows_swept": swept,
            "rows_skipped": self._copying.skipped(),
            **self._extras(),
            **self.standing(),
        }

    def replicate(self, seconds: float) -> Lag:
        """Deliver captured changes until none is left, so long at most. After the cutover these are strays, and come too."""
        position = self.position()
        if position.phase not in (*COPIES_IN, Phase.CUT_OVER):
            return Lag(0)
        self._check_mapping()
        expanding.extend(self._c, self.marks, self.migration, self.shape)
        return self._deliver(position, seconds)

    def drain(self, seconds: float) -> Lag:
        """Deliver until canaries that are let go now have come out of the stream, so long at most."""
        canaries = Canaries(self._client, self._definition)
        position, deadline = self.position(), time.monotonic() + seconds
        canaries.let_go()
        try:
            lag = Lag(len(canaries.out))
            while (canaries.out or lag.pending) and time.monotonic() < deadline:
                lag = self._deliver(position, deadline - time.monotonic(), canaries.watch)
            return Lag(len(canaries.out) + lag.pending, lag.held_by, lag.behind)
        finally:
            canaries.call_back()

    # ---- proof ----

    def diff(self) -> Diff:
        """Compare every item with its row, and every row with its item, settled."""
        self._check_mapping()
        return self._compare(self.position(), None)

    def check_verifier(self) -> Facts:
        """Plant known corruption in scratch and count what the verifier finds of it."""
        return plant_and_find(self._c)

    def verify(self, diff: Diff) -> Facts:
        """backfilled → verified, on a clean diff; further on, the proof alone."""
        if not diff.clean:
            raise NotYet(f"the diff of {self.name} is not clean: {diff.facts()}")
        with self.marks.alone(self._c):
            if self.marks.row(self._c)["epoch"] != diff.epoch:
                raise Fenced(
                    f"{self.name} went back while its tables were compared. The comparison proves nothing; run it again."
                )
            self.marks.move(self._c, Phase.BACKFILLED, to=Phase.VERIFIED)
            self.marks.execute(self._c, "record_verified", epoch=diff.epoch, since=diff.since, under=diff.under)
            failpoint("rows.proof_recorded")
        return {"verified_seconds_ago": 0, **self.standing()}

    def forget_proof(self) -> None:
        """No cutover before the next clean diff."""
        with self.marks.alone(self._c):
            self.marks.execute(self._c, "forget_proof")

    def shadow(self) -> Facts:
        """verified → shadowing: applications read both sides from now on, and what they compared is judged."""
        phase = self.position().phase
        if phase not in (Phase.VERIFIED, Phase.SHADOWING):
            raise NotYet(f"{self.name} is {phase}: reads are compared between verified and the cutover.")
        with self.marks.alone(self._c):
            self.marks.move(self._c, Phase.VERIFIED, to=Phase.SHADOWING)
        self.route.publish(self._c)
        return {}

    # ---- the switch ----

    def cut_over(self) -> Swap:
        """shadowing → cut_over: applications are held for the lease, the last changes arrive, PostgreSQL leads."""
        if self.position().phase is Phase.CUT_OVER:
            self.route.publish(self._c)
            return Swap(0.0, facts={"already": 1})
        self._check_ready()
        return self._switching.over(Fence(self.position().epoch))

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1, while nobody has written to PostgreSQL. Raises NoWayBack after that."""
        position = self.position()
        if position.phase in (Phase.VERIFIED, Phase.SHADOWING):
            self.route.publish(self._c)
            return Swap(0.0, facts={"already": 1})
        if position.phase is not Phase.CUT_OVER:
            raise NotYet(f"{self.name} is {position.phase}: only what is cut over can be cut back.")
        self._switching.check_unwritten()
        diff = self.diff()
        if not diff.clean:
            raise NotYet(
                f"{self._table} has not what DynamoDB has: {diff.facts()['diff_samples']}. Nothing was changed."
            )
        return self._switching.back(Fence(position.epoch))

    # ---- the end, either one ----

    def retire(self) -> Facts:
        """cut_over → retired: nothing follows any more, and our columns go. The old table is kept as it is."""
        if self.position().phase is Phase.CUT_OVER:
            self.replicate(30.0)
        with self.marks.alone(self._c):
            if self.marks.move(self._c, Phase.CUT_OVER, to=Phase.RETIRED):
                self._switching.stop_watching()
                self._c.execute(statement("into_postgres.drop_marks", target=self._table.identifier))
                self._run("forget_places")
            elif self.marks.row(self._c)["phase"] != Phase.RETIRED:
                raise NotYet(f"{self.name} is {self.position().phase}: only what is cut over can be retired.")
        self.route.publish(self._c)
        return {
            "live_is_target": 1,
            "capture_left": 0,
            "sequences_narrow": 0,
            "old_kept": 1,
            "old_table": self._source_name,
        }

    def abort(self) -> str:
        """Anything before cut_over → planned, epoch + 1: the same statement that needs no Airflow. The copy is dropped."""
        if self.marks.find(self._c) is None:
            return f"{self.name} is planned: there is nothing to take back"
        try:
            said = str(one(self._c, statement("marks.abort"), name=self.name)["said"])
        except errors.RaiseException as refused:
            raise NotYet(f"{refused.diag.message_primary}.") from None
        self._run("forget_places")
        if self.items.there():
            self.route.publish(self._c)
        return said

    def sample(self) -> WindowSubject | None:
        """The target."""
        cut = self.migration.target.partition
        return WindowSubject(self._connect, self._table, cut.range_of if cut else None, self.shape.key)

    def backfill_window(self, window: Window) -> WindowResult:
        """Fill a window's holes again, by the record's own time, and compare the window."""
        cut = self.migration.target.partition
        if cut is None or cut.range_of is None:
            raise NotYet(f"{self.name} has no windows of time: its table is not cut by `range`.")
        self._check_mapping()
        position = self.position()
        filled = self._copying.copy_window(Fence(position.epoch), window, cut.range_of)
        return WindowResult(filled, self._compare(position, window, cut.range_of))

    # ---- within ----

    @cached_property
    def _c(self) -> Connection:
        connection = self._connect(f"migrate {self.name}")
        with translated(f"making schema sluice for {self.name}"):
            self.marks.prepare(connection)
        return connection

    @cached_property
    def shape(self) -> RowShape:
        """The migration's columns, compiled."""
        return compile_rows(self.migration)

    @cached_property
    def _target(self) -> Target:
        return Target(self._table, self.shape)

    @property
    def _table(self) -> Table:
        return Table.parse(self.migration.target.table)

    @cached_property
    def _definition(self) -> TableDefinition:
        found = describe_table(self._client, self._source_name)
        if found is None:
            raise NoSuchTable(f"There is no table {self._source_name} in store {self.migration.source.store}.")
        return found

    @cached_property
    def _source(self) -> Source:
        table = self._definition
        return Source(self._client, table.name, tuple(filter(None, (table.partition, table.sort))))

    @cached_property
    def _stream(self) -> Stream:
        return open_stream(self._client, self._streams, self._source_name)

    @property
    def _copying(self) -> Copying:
        return Copying(self._c, self.marks, self._target, self._source)

    @property
    def _switching(self) -> Switching:
        return Switching(self._c, self.marks, self._table, self.route, self.drain)

    def _follower(self, position: Position, watch: Watch = lambda changes: None) -> Follower:
        leads = position.phase is not Phase.CUT_OVER
        phases: Sequence[Phase] = COPIES_IN if leads else (Phase.CUT_OVER,)
        fence = Fence(position.epoch)
        return Follower(self._c, self.marks, self._target, self._stream, fence, phases, leads, watch)

    def _deliver(self, position: Position, seconds: float, watch: Watch = lambda changes: None) -> Lag:
        try:
            return self._follower(position, watch).deliver(seconds)
        except StreamGone as lost:
            # On again before the copy that mends it, and with another identity.
            apply_tables(self._client, (replace(self._definition, stream=True),))
            self.__dict__.pop("_stream", None)
            raise self._gap(position, lost) from lost
        except Trimmed as lost:
            raise self._gap(position, lost) from lost

    def _gap(self, position: Position, lost: Trimmed | StreamGone) -> Gap:
        gap = begin_gap(self._c, self.marks, Fence(position.epoch), lost)
        self.route.publish(self._c)  # nobody is to read the rows meanwhile
        return gap

    def _compare(self, position: Position, window: Window | None, column: str | None = None) -> Diff:
        since = self.marks.begin_comparison(self._c)
        taken = partial(self._origins, "list_taken") if position.phase is Phase.CUT_OVER else None
        quarantined: Callable[[Sequence[str]], set[str]] = partial(self._origins, "which_quarantined")
        if position.phase in COPIES_IN:
            self._copying.again(Fence(position.epoch))
        sides = Sides(self._c, self._target, self._source, quarantined, taken, window, column)
        diff = compare(sides, lambda: self.replicate(5.0), position.epoch, since["since"])
        return replace(diff, under=since["under"])

    def _origins(self, verb: str, origins: Sequence[str]) -> set[str]:
        if not origins:
            return set()
        found = rows(self._c, statement(f"into_postgres.{verb}"), name=self.name, origins=list(origins))
        return {row["origin"] for row in found}

    def _extras(self) -> Facts:
        """Attributes that no column takes: how many sorts, how many values, and the most frequent."""
        if self.migration.target.extra is None:
            return {"extra_attributes": 0, "extra_values": 0}
        extra = sql.Identifier(self.migration.target.extra)
        counted = rows(self._c, statement("into_postgres.count_extras", target=self._table.identifier, extra=extra))
        told = ", ".join(f"{row['name']} {row['rows']}" for row in counted[:20])
        return {"extra_attributes": len(counted), "extra_values": sum(r["rows"] for r in counted), "extras": told}

    @property
    def _fingerprint(self) -> str:
        """What must stay as it is while the migration is under way: the mapping, and the source's key."""
        m = self.migration
        parts = (m.source, m.target.key, m.target.columns, m.target.extra, m.target.tenant, m.target.partition, m.skip)
        return blake2b(repr((self._source.key_names, parts)).encode(), digest_size=16).hexdigest()

    def _check_mapping(self) -> None:
        """Raise Drifted when the YAML or the source's key is not what it was: another mapping makes other rows."""
        if self.marks.row(self._c)["source_fingerprint"] not in (None, self._fingerprint):
            raise Drifted(
                f"The mapping of {self.name}, or the key of {self._source_name}, has changed since capture began."
                f" Put it back, or `./sluice abort {self.name}` and begin again."
            )

    def _check_ready(self) -> None:
        """Raise NotYet unless everything that a cutover stands on holds."""
        phase, standing = self.position().phase, self.standing()
        if phase is not Phase.SHADOWING:
            raise NotYet(f"{self.name} is {phase}: a cutover follows shadowing.")
        if standing["quarantined"]:
            samples = self.marks.quarantined(self._c)["samples"]
            raise NotYet(f"{self.name} has {standing['quarantined']} items in quarantine: {samples}.")
        if standing["fingerprint_differs"]:
            raise Drifted(f"{self._table} or the mapping is not what it was when capture began. Nothing was switched.")
        if not self.marks.proof_age(self._c, self.migration.gates.freshness)["fresh"]:
            raise NotYet(
                f"{self.name} has no clean diff of the last {self.migration.gates.freshness}: run verify again."
            )

    def _run(self, verb: str, **values: object) -> None:
        self._c.execute(statement(f"into_postgres.{verb}"), {"name": self.name, **values})
