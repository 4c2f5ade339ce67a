"""What a DynamoDB table's migration is made of, and what it tells without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sluice.estate.single_table import SingleTableMigration
from sluice.ledger.item_marks import ItemMarks, State
from sluice.ledger.items_aside import Poison
from sluice.migration.engine.contract import Diff, Facts, Finding, Held, Load, Phase, Position, Progress
from sluice.migration.kinds.dynamodb_source.last_look import Looked
from sluice.migration.kinds.dynamodb_source.notes import StateNotes
from sluice.migration.kinds.dynamodb_source.retiring import Retiring
from sluice.migration.kinds.single_table import conditions, describe, preflight
from sluice.migration.kinds.single_table.astray import count_astray, is_astray
from sluice.migration.kinds.single_table.gap import GapMender
from sluice.migration.kinds.single_table.ours import as_known
from sluice.migration.kinds.single_table.routing import Route
from sluice.migration.kinds.single_table.sampling import sample_of
from sluice.migration.kinds.single_table.tables import Tables
from sluice.migration.kinds.single_table.ways import Ways
from sluice.proof.gates.rows import Subject
from sluice.stores.dynamodb.streams import Stream, StreamGone
from sluice.stores.objects import Vault

SHOWN = 5
"""Items in quarantine, or written past the route, that are named; `./sluice quarantine` lists all of the former."""


class Looking:
    """The parts of a migration, and the verbs that only read."""

    def __init__(
        self,
        migration: SingleTableMigration,
        client: Any,
        streams: Any,
        prefix: str = "",
        vault: Callable[[], Vault] | None = None,
        scaling: Callable[[], Any] | None = None,
    ) -> None:
        """`client`, `streams` and what `scaling` opens are boto3's; `vault` opens the estate's. Nothing is read yet."""
        self.migration, self.name = migration, migration.name
        self._vault, self._scaling = vault, scaling
        self._compared: tuple[Diff, Looked] | None = None
        self._behind = 0.0
        self._client, self._streams = client, streams
        self.tables = Tables(client, migration, prefix)
        self.marks = ItemMarks(client, migration.name, f"{prefix}sluice-marks")
        self._ways = Ways(client, streams, self.marks, self.tables)
        self._gap = GapMender(self._ways)
        cutover = migration.cutover
        self.route = Route(client, self.marks, cutover.lease.total_seconds(), cutover.clock_skew.total_seconds())

    def preflight(self) -> list[Finding]:
        """Everything that would stop this migration, all at once. Read-only."""
        return preflight.findings(self._client, self._streams, self.tables)

    def describe_plan(self) -> str:
        """The plan for a person: tables, records, and items of the source as the records they become. Read-only."""
        return describe.plan(self._client, self._streams, self.tables, self.position(), self.progress())

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""
        state = self._find()
        if state is None:
            return Position(Phase.PLANNED, 1)
        return Position(
            Phase(state.phase), state.epoch, state.time("verified_at"), state.time("cut_over_at"), state.now
        )

    def progress(self) -> Progress:
        """How far the backfill is. Read-only."""
        state = self._find()
        if state is None or not state.facts.get("segments"):
            return Progress(0, 0, 0, 0, 0.0, None)
        places = self.marks.places("segment").values()
        rows, done = sum(place.counts.get("rows", 0) for place in places), sum(place.done for place in places)
        seconds = (state.now - (state.time("copying_since") or state.now)).total_seconds()
        estimated = int(state.facts["rows_estimated"])
        rate = rows / seconds if seconds > 0 else 0.0
        eta = max(0, estimated - rows) / rate if rate else None
        return Progress(int(state.facts["segments"]), done, rows, estimated, rate, eta)

    def load(self, lane: int) -> Load:
        """Nothing that could be asked: the service throttles, and each write waits as it is told to."""
        return Load()

    def standing(self) -> Facts:
        """Facts that every gate wants: drift, quarantine, where applications are told to write, and who did not."""
        state = self.marks.state()
        told = (self.marks.route() or {}).get("write_to", {}).get("S")
        held = self.marks.aside.quarantined()
        return {
            "fingerprint_differs": int(conditions.drifted(self.tables, state)),
            "quarantined": len(held),
            "quarantined_told": "; ".join(map(str, _told(held)[:SHOWN])),
            "routed_to_old": int(told == "old"),
            "routed_to_new": int(told == "new"),
            "writes_astray": self._astray(state),
            "writes_astray_told": "; ".join(self.marks.aside.strays()[:SHOWN]) if state.phase == Phase.CUT_OVER else "",
        }

    def quarantine(self, most: int) -> Sequence[Held]:
        """Items that have no records yet."""
        return _told(self.marks.aside.quarantined())[:most]

    def sample(self) -> Subject | None:
        """Records from all over the target, as typed rows: SQL cannot be asked."""
        return sample_of(self._client, self.tables)

    # ---- within ----

    def _find(self) -> State | None:
        return self.marks.find() if self.marks.there() else None

    def _astray(self, state: State) -> int:
        return count_astray(self.marks.places("forward").values(), state)

    @property
    def _retiring(self) -> Retiring:
        source = self.tables.prefix + self.migration.source.table
        notes, seen = StateNotes(self.marks), partial(as_known, self.name)
        stray = partial(is_astray, state=self.marks.state())

        def stream() -> Stream:
            return self._ways.source_stream

        return Retiring(self._client, notes, self.migration, source, self._vault, stream, stray, seen)

    def _looked(self, state: State) -> Looked:
        """How far the old table's stream is read, where the records lead."""
        if state.phase != Phase.CUT_OVER:
            return Looked()
        try:
            arn = self._ways.source_stream.arn
        except StreamGone:
            return Looked()  # nobody knows what came
        places = self.marks.places("forward")
        left = {name: place.at for name, place in places.items() if not place.done}
        finished = tuple(name for name, place in places.items() if place.done)
        looked = Looked(state.now.isoformat(), arn, left, finished)
        # What came since the cutover may have been written over by the way back, and then no comparison knows of it.
        counted = self._astray(state)
        named = ", ".join(self.marks.aside.strays()[:SHOWN]) or "the stream forgot which"
        return looked.with_stray(f"{counted} counted since the cutover: {named}") if counted else looked


def _told(held: Sequence[Poison]) -> list[Held]:
    return [Held(poison.key, poison.reason) for poison in held]
