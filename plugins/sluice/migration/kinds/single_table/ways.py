"""Both ways of one migration: who leads in a phase, whose stream is followed, what is copied and what is compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import COPIES_IN, NotYet, Phase
from sluice.migration.kinds.single_table.backfill import Copying
from sluice.migration.kinds.single_table.comparing import Sides
from sluice.migration.kinds.single_table.following import Follower, Way
from sluice.migration.kinds.single_table.tables import Tables
from sluice.migration.kinds.single_table.wishes import Translation, Wish
from sluice.stores.dynamodb.streams import Stream, Trimmed, open_stream
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.writes import Check

NOTHING = Translation(lambda item: (), lambda item: ())


def source_leads(state: State) -> bool:
    """Whether the source is what applications write."""
    return state.phase in COPIES_IN


@dataclass(frozen=True)
class Ways:
    """What is followed, copied and compared, by where the migration stands."""

    client: Any
    streams: Any
    marks: ItemMarks
    tables: Tables

    @cached_property
    def source_stream(self) -> Stream:
        """The source's changes. Raises StreamGone."""
        return open_stream(self.client, self.streams, self.tables.source.name)

    @cached_property
    def target_stream(self) -> Stream:
        """The changes of the table whose records hold everything. Raises StreamGone."""
        return open_stream(self.client, self.streams, self.whole_table.name)

    @property
    def whole_table(self) -> TableDefinition:
        """The table whose records hold everything. Raises NotYet where there is none."""
        whole = self.tables.whole_table
        if whole is None:
            raise NotYet(f"{self.marks.name} has no record with `whole: true`: what is written later has no way back.")
        return whole

    def check_stream(self, state: State) -> None:
        """Raise Trimmed when the source has another stream than capture began with: what came in between is in none."""
        if source_leads(state) and state.facts.get("stream") not in (None, "", self.source_stream.arn):
            raise Trimmed(f"{self.tables.source.name} has another stream than before: it was switched off and on.")

    def leader(self, state: State) -> TableDefinition:
        """The table that applications write."""
        return self.tables.source if source_leads(state) else self.whole_table

    def leading(self, state: State) -> Follower:
        """Who follows the leader, and writes what follows."""
        translation = self.tables.forth if source_leads(state) else self.tables.back
        return self._follower(state, translation, forward=source_leads(state))

    def other(self, state: State) -> Follower:
        """Who reads what follows: all in it is ours, and it is only read, so that it is near its head at the switch."""
        return self._follower(state, NOTHING, forward=not source_leads(state))

    def copying(self, state: State) -> Copying:
        """Who copies the leader to what follows."""
        table, segments = self.leader(state), int(state.facts["segments"])
        names = self.tables.key_names(table)
        if source_leads(state):
            # In a later epoch there are records without a token: applications wrote them while they led.
            put = Wish.copy if state.epoch == 1 else Wish.live
            return Copying(self.client, self.marks, table.name, names, self.tables.forth, segments, put=put)
        back, phase = self.tables.back, Phase.CUT_OVER
        return Copying(
            self.client,
            self.marks,
            table.name,
            names,
            back,
            segments,
            phase,
            "back",
            Wish.live,
            1,
            leaves_tombstones=False,
        )

    def sides(self, state: State) -> Sides:
        """What is compared with what."""
        source = {self.tables.source.name: self.tables.key_names(self.tables.source)}
        targets = {table.name: self.tables.key_names(table) for table in self.tables.targets}
        excused = {poison.key for poison in self.marks.quarantined()}.__contains__
        if source_leads(state):
            tables = self.tables
            return Sides(self.client, source, targets, lambda t, i: True, tables.forth, tables.source_of, excused)
        whole = {self.whole_table.name: targets[self.whole_table.name]}
        tables = self.tables
        return Sides(self.client, whole, source, tables.is_whole, tables.back, tables.whole_of, excused, tables.lost)

    def _follower(self, state: State, translation: Translation, *, forward: bool) -> Follower:
        name, stream = ("forward", self.source_stream) if forward else ("reverse", self.target_stream)
        astray = forward and not source_leads(state)
        way = Way(name, stream, translation, state.epoch, self._fence(state), astray, leaves_tombstones=forward)
        return Follower(self.client, self.marks, way)

    def _fence(self, state: State) -> Callable[[int], Check]:
        # Phases in which the same side leads: a delivery need not stop for a step among them.
        phases: Sequence[str] = COPIES_IN if source_leads(state) else (state.phase,)
        return lambda slot: self.marks.fence(slot, state.epoch, *phases)
