"""The verbs of the kind `into_postgres`: each does one thing to a DynamoDB table's way into PostgreSQL and gives facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import (
    Copied,
    Diff,
    Facts,
    Fence,
    Fenced,
    Finding,
    Held,
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
from sluice.migration.engine.following import check_behind
from sluice.migration.kinds.dynamodb_source import shadow
from sluice.migration.kinds.dynamodb_source.last_look import Looked
from sluice.migration.kinds.into_postgres import (
    delivering,
    describe,
    ending,
    expanding,
    finishing,
    preflight,
    proving,
    standing,
    windows,
)
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.planted import plant_and_find
from sluice.migration.kinds.into_postgres.switching import Switching
from sluice.migration.kinds.postgres_target.verbs import speaking_our_errors
from sluice.proof.gates.rows import Subject
from sluice.proof.gates.window import WindowSubject
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connect, one, translated
from sluice.stores.statements import statement


@speaking_our_errors
class IntoPostgres:
    """Items of one DynamoDB table become rows of a PostgreSQL table."""

    def __init__(
        self,
        migration: IntoPostgresMigration,
        connect: Connect,
        client: Any,
        streams: Any,
        prefix: str = "",
        vault: Callable[[], Vault] | None = None,
    ) -> None:
        """`connect` opens the target's database, `vault` the estate's; `client`, `streams` are boto3's. Nothing is read yet."""
        self.migration, self.name = migration, migration.name
        self.parts = Parts(migration, connect, client, streams, prefix)
        self._vault = vault
        self._last_segment = 0
        self._behind = 0.0
        self._compared: tuple[Diff, Looked] | None = None

    # ---- looking ----

    def preflight(self) -> list[Finding]:
        """Everything that would stop this migration, all at once. Read-only."""
        return preflight.found(self.parts)

    def describe_plan(self) -> str:
        """The plan for a person: the table, and items of the source as the rows they become. Read-only."""
        p = self.parts
        if self.position().phase is Phase.RETIRED:
            return f"{self.name} is retired: {p.table} is the data, and nothing is left to do."
        said = describe.plan(p.c, p.migration, p.shape, p.source, p.look())
        return f"{self.name} is {self.position().phase}; backfill {self.progress()}\n{said}"

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""
        return self.parts.position()

    def progress(self) -> Progress:
        """How far the backfill is. Read-only."""
        return standing.progress(self.parts)

    def load(self, lane: int) -> Load:
        """Nothing that would be waited for: the service throttles, and nobody else writes the target."""
        return Load()

    def standing(self) -> Facts:
        """Facts that every gate wants: drift, quarantine, and writes past the route."""
        return standing.standing(self.parts)

    def quarantine(self, most: int) -> Sequence[Held]:
        """Items that are no row yet."""
        return [Held(**row) for row in self.parts.marks.held(self.parts.c, most)]

    def sample(self) -> Subject | None:
        """The target."""
        cut = self.migration.target.partition
        p = self.parts
        return WindowSubject(p.connect, p.table, cut.range_of if cut else None, p.shape.key)

    # ---- forward ----

    def expand(self) -> Facts:
        """planned → expanded: make the table, or take an empty one; its partitions cover the window that the items have."""
        p = self.parts
        if self.position().phase is Phase.PLANNED:
            count = p.client.describe_table(TableName=p.source_name)["Table"]["ItemCount"]
            expanding.expand(p.c, p.marks, p.migration, p.shape, p.source, count)
        return expanding.verify(p.c, p.marks, p.migration, p.shape)

    def start_capture(self) -> Facts:
        """expanded → capturing: the stream is on and read from its oldest record, and applications have a route."""
        p = self.parts
        p.stream_on()
        p.items.prepare()
        failpoint("rows.stream_on")
        shards = [shard.id for shard in p.stream.shards()]
        with p.marks.alone(p.c):
            if p.marks.move(p.c, Phase.EXPANDED, to=Phase.CAPTURING):
                p.run("forget_places")
                p.run("take_fingerprints", source=p.fingerprint)
                delivering.follower(p, self.position()).begin(shards)
        p.route.publish(p.c)
        noted = one(p.c, statement("into_postgres.count_places"), name=self.name, epoch=self.position().epoch)["places"]
        routed = int(p.route.is_told(p.c))
        return {"stream_on": int(p.has_stream()), "shards_noted": noted, "routed": routed, **self.standing()}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out the segments; what has been copied of them stays copied."""
        p = self.parts
        with p.marks.alone(p.c):
            if p.marks.row(p.c)["phase"] == Phase.CAPTURING and not self.progress().chunks:
                p.run("add_segments", segments=self.migration.backfill.segments)
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Copy one page of a pending segment, in one transaction with its position. Raises Fenced, Drifted, TooFarBehind."""
        check_behind(self._behind, self.migration)
        self.parts.check_mapping()
        with translated(f"copying {self.parts.source_name}"):
            copied = self.parts.copying.copy(lane, fence, self.migration.backfill.chunk_rows, self._last_segment)
        self._last_segment = copied.chunk if copied else 0
        return copied

    def halve_chunk(self, chunk: int) -> None:
        """Nothing to halve: a page is small already."""

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled, and what an epoch gone by left behind is swept. Raises NotYet while a segment is pending."""
        return finishing.finish(self.parts, fence)

    def backfill_window(self, window: Window) -> WindowResult:
        """Fill a window's holes again, by the record's own time, and compare the window."""
        return windows.fill_and_compare(self.parts, window)

    def replicate(self, seconds: float) -> Lag:
        """Deliver captured changes until none is left, so long at most. After the cutover these are strays, and come too."""
        lag = delivering.replicate(self.parts, seconds)
        self._behind = lag.behind
        return lag

    def drain(self, seconds: float) -> Lag:
        """Deliver until canaries that are let go now have come out of the stream, so long at most."""
        return delivering.drain(self.parts, seconds)

    # ---- proof ----

    def diff(self) -> Diff:
        """Compare every item with its row, and every row with its item, settled."""
        self.parts.check_mapping()
        looked = standing.looked(self.parts, self.position())
        diff = proving.compare_sides(self.parts, self.position())
        self._compared = diff, looked
        return diff

    def check_verifier(self) -> Facts:
        """Plant known corruption in scratch and count what the verifier finds of it."""
        return plant_and_find(self.parts.c)

    def verify(self, diff: Diff) -> Facts:
        """backfilled → verified, on a clean diff; further on, the proof alone."""
        return proving.record(self.parts, diff)

    def forget_proof(self) -> None:
        """No cutover before the next clean diff."""
        with self.parts.marks.alone(self.parts.c):
            self.parts.marks.execute(self.parts.c, "forget_proof")

    def shadow(self) -> Facts:
        """verified → shadowing, where what applications compared is good; from here on they read both sides.

        The first call of an epoch lets them begin; where reads are required, it is red until there are enough.
        """
        p, before = self.parts, self.position()
        if before.phase not in (Phase.VERIFIED, Phase.SHADOWING):
            raise NotYet(f"{self.name} is {before.phase}: reads are compared between verified and the cutover.")
        facts = self._reads(before.epoch)
        there, to = (Phase.VERIFIED, Phase.SHADOWING)[:: 1 if shadow.is_good(facts) else -1]
        with p.marks.alone(p.c):
            if self.position().epoch != before.epoch:
                raise Fenced(f"{self.name} went back while reads were judged. Run it again.")
            p.marks.move(p.c, there, to=to)
        p.route.publish(p.c, reading_both=True)
        return facts

    # ---- the switch ----

    def cut_over(self) -> Swap:
        """shadowing → cut_over: applications are held for the lease, the last changes arrive, PostgreSQL leads."""
        if self.position().phase is Phase.CUT_OVER:
            self.parts.route.publish(self.parts.c)
            return self._switched_already()
        standing.check_ready(self.parts)
        shadow.check_reads(self.name, self._reads(self.position().epoch))
        return self._switching.over(Fence(self.position().epoch))

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1, while nobody has written to PostgreSQL. Raises NoWayBack after that."""
        position = self.position()
        if position.phase in (Phase.VERIFIED, Phase.SHADOWING):
            self.parts.route.publish(self.parts.c)
            return self._switched_already()
        if position.phase is not Phase.CUT_OVER:
            raise NotYet(f"{self.name} is {position.phase}: only what is cut over can be cut back.")
        self._switching.check_unwritten()
        diff = self.diff()
        if not diff.clean:
            raise NotYet(
                f"{self.parts.table} has not what DynamoDB has: {diff.facts()['diff_samples']}. Nothing was changed."
            )
        return self._switching.back(Fence(position.epoch))

    # ---- the end, either one ----

    def retire(self) -> Facts:
        """cut_over → retired: nothing follows any more, our columns go, and so does the old table, once its export is proven."""
        return ending.retire(self.parts, self._switching, self._vault, self._compared)

    def abort(self) -> str:
        """Anything before cut_over → planned, epoch + 1: the same statement that needs no Airflow. The copy is taken away."""
        return ending.abort(self.parts)

    # ---- within ----

    def _reads(self, epoch: int) -> Facts:
        """What readers have told by now."""
        return shadow.judged(self.parts.items.shadow_reports(epoch), self.migration.gates.shadow)

    @property
    def _switching(self) -> Switching:
        p = self.parts
        within = self.migration.replication.settled_within
        return Switching(p.c, p.marks, p.table, p.route, self.drain, within)

    def _switched_already(self) -> Swap:
        return Swap(0.0, facts={"already": 1, "pause_beyond_lease_ms": 0, **self._switching.look()})
