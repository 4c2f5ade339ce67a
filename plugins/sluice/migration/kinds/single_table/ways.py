"""Both ways of one migration: who leads in a phase, whose stream is followed, what is copied and what is compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import COPIES_IN, NotYet, Phase
from sluice.migration.kinds.dynamodb_source.rounds import Seen
from sluice.migration.kinds.single_table.astray import is_astray
from sluice.migration.kinds.single_table.backfill import Copying
from sluice.migration.kinds.single_table.claims import Claims
from sluice.migration.kinds.single_table.following import Follower, Way
from sluice.migration.kinds.single_table.leads import has_led, source_leads
from sluice.migration.kinds.single_table.pacing import Share
from sluice.migration.kinds.single_table.sides import Sides
from sluice.migration.kinds.single_table.tables import Tables
from sluice.migration.kinds.single_table.wishes import Translation, Wish
from sluice.stores.dynamodb.applying import start_stream
from sluice.stores.dynamodb.streams import Stream, Trimmed, open_stream
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.writes import Check

NOTHING = Translation(lambda item: (), lambda item: ())


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

    def switch_on(self, *, source: bool) -> None:
        """Switch the stream of the source, or of the records, on where it is off: it is another one then."""
        if start_stream(self.client, self.tables.source.name if source else self.whole_table.name):
            self.__dict__.pop("source_stream" if source else "target_stream", None)

    def begins(self, *, source: bool) -> dict[str, str]:
        """Give the fact that says which stream the source, or the records, had when they began to lead."""
        fact, stream = self.stream_of(source)
        return {fact: stream.arn}

    def check_stream(self, state: State) -> None:
        """Raise Trimmed when what leads has another stream than it began with: what came in between is in none."""
        fact, stream = self.stream_of(source_leads(state))
        if state.facts.get(fact) not in (None, "", stream.arn):
            raise Trimmed(f"{self.leader(state).name} has another stream than before: it was switched off and on.")

    def stream_of(self, source: bool) -> tuple[str, Stream]:
        """The stream of the source, or of the records, and the name of the fact that says which it was when it began to lead."""
        return ("stream", self.source_stream) if source else ("target_stream", self.target_stream)

    def leader(self, state: State) -> TableDefinition:
        """The table that applications write."""
        return self.tables.source if source_leads(state) else self.whole_table

    def leading(self, state: State) -> Follower:
        """Who follows the leader, and writes what follows."""
        translation = self.tables.forth if source_leads(state) else self.tables.back
        return self._follower(state, translation, forward=source_leads(state))

    def old(self, state: State) -> Follower:
        """Who reads the old table's stream while the records lead: all in it is ours, or came past the route."""
        return self._follower(state, NOTHING, forward=True)

    def copying(self, state: State) -> Copying:
        """Who copies the leader to what follows."""
        table, segments = self.leader(state), int(state.facts["segments"])
        names = self.tables.key_names(table)
        if source_leads(state):
            # In a later epoch there are records of the one before: what is stale goes, and what is not there was deleted.
            put = Wish.copy if state.epoch == 1 else Wish.live
            judge = self.claims(state).judge
            forth, share = self.tables.forth, self._forth_share
            return Copying(self.client, self.marks, table.name, names, forth, segments, judge, put=put, share=share)
        back, phase = self.tables.back, Phase.CUT_OVER
        return Copying(
            self.client,
            self.marks,
            table.name,
            names,
            back,
            segments,
            self.claims(state).judge,
            phase,
            "back",
            Wish.live,
            1,
            leaves_tombstones=False,
            share=self._back_share,
        )

    @cached_property
    def _forth_share(self) -> Share | None:
        pace = self.tables.migration.backfill
        return Share(pace.write_units, pace.lanes) if pace.write_units else None

    @cached_property
    def _back_share(self) -> Share | None:
        units = self.tables.migration.backfill.write_units
        return Share(units, 1) if units else None  # one reader of the stream copies, beside what it reads

    def claims(self, state: State) -> Claims:
        """Whose place is whose, in the direction in which changes are brought now."""
        forward = source_leads(state)
        return Claims(
            self.leader(state).name,
            cache(lambda: self.sides(state)),  # it asks who is in quarantine, and not every refusal shall
            self.tables.source_of if forward else self.tables.leader_of,
            unmarked_is_ours=forward and has_led(state),
        )

    def sides(self, state: State) -> Sides:
        """What is compared with what."""
        source = {self.tables.source.name: self.tables.key_names(self.tables.source)}
        targets = {table.name: self.tables.key_names(table) for table in self.tables.targets}
        excused = {poison.key for poison in self.marks.aside.quarantined()}.__contains__
        if source_leads(state):
            tables = self.tables
            whose = tables.source_by_content if has_led(state) else tables.source_of
            return Sides(
                self.client, source, targets, lambda t, i: True, tables.forth, whose, excused, type_of=tables.type_of
            )
        whole = {self.whole_table.name: targets[self.whole_table.name]}
        tables = self.tables
        mine, back = tables.is_whole, tables.back
        return Sides(self.client, whole, source, mine, back, tables.whole_of, excused, lost=tables.lost)

    def _follower(self, state: State, translation: Translation, *, forward: bool) -> Follower:
        name, stream = ("forward", self.source_stream) if forward else ("reverse", self.target_stream)
        fence, claims = self.fence(state), self.claims(state)
        past_the_route = partial(is_astray, state=state) if forward and not source_leads(state) else None
        way = Way(
            name,
            stream,
            translation,
            state.epoch,
            fence,
            claims,
            past_the_route,
            seen=self._seen[name],
            leaves_tombstones=forward,
        )
        return Follower(self.client, self.marks, way)

    @cached_property
    def _seen(self) -> dict[str, Seen]:
        return {"forward": Seen(), "reverse": Seen()}

    def fence(self, state: State) -> Callable[[int], Check]:
        """Give the check of a fence's slot that refuses who goes on as it stands in a state, once that is over."""
        # Phases in which the same side leads: a delivery need not stop for a step among them.
        phases: Sequence[str] = COPIES_IN if source_leads(state) else (state.phase,)
        return lambda slot: self.marks.fence(slot, state.epoch, *phases)
