"""Where a design keeps what is asked for: the key of an entity, the partitions of an index that can hold an answer.

Read from the design's own templates, so a reader cannot look elsewhere than the writer wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from sluice.access.spans import Span
from sluice.access.walking import Index
from sluice.estate.design import RecordRule, TableModel
from sluice.estate.templates import Placeholder, parse_template, placeholders
from sluice.records.partitions import NotAnswered, begin_of, needed, partitions_of, periods, timed, written
from sluice.records.record import Unmappable
from sluice.records.rendering import compile_text
from sluice.records.rules import CompiledRule
from sluice.records.shape import Shape, compile_entity
from sluice.stores.dynamodb.values import Item, Key, Value, key_of

LIST, SEARCH, RELATIONS, SERIES = "GSI1", "GSI2", "GSI3", "GSI4"
LAST = "\U0010ffff"
Moment = datetime | None
ALWAYS = Span()
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
OURS = " The library's own, take it over from include/estate/tyler.yaml, with its table."

__all__ = ["LIST", "RELATIONS", "SEARCH", "SERIES", "Layout", "Lookup", "NotAnswered"]


@dataclass(frozen=True)
class Lookup:
    """An index, the partitions that hold the answer, and which records are in them."""

    index: Index
    stages: tuple[tuple[str, ...], ...]
    rule: CompiledRule
    low: Value | None = None
    high: Value | None = None


@dataclass(frozen=True)
class Layout:
    """A design, and what stands before the names of its tables."""

    model: TableModel
    prefix: str = ""

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return {kind: compile_entity(self.model, kind, prefix=self.prefix) for kind in self.model.entities}

    @cached_property
    def _ttl(self) -> dict[str, str]:
        told = ((kind, rule) for kind, one in self.model.entities.items() for rule in one.records if rule.whole)
        return {kind: ttl for kind, rule in told if (ttl := self.model.tables[rule.table].ttl)}

    def shape(self, kind: str) -> Shape:
        """Give the compiled entity. Raises NotAnswered."""
        if kind not in self._shapes:
            told = f"{self.model.model} has no entity {kind!r}: it has {', '.join(self._shapes)}."
            raise NotAnswered(told + (OURS if kind in ("event", "cache") else ""))
        return self._shapes[kind]

    def whole(self, kind: str) -> CompiledRule:
        """Give the rule of the record that holds all of an entity. Raises NotAnswered."""
        if (rule := self.shape(kind).whole) is None:
            raise NotAnswered(f"{kind} has no record with `whole: true`: it can be searched, not got, put or deleted.")
        return rule

    def key(self, kind: str, known: Item) -> Key:
        """Give the key of the whole record. Raises NotAnswered where an attribute is missing."""
        try:
            return self.whole(kind).key_of(known)
        except Unmappable as why:
            by = ", ".join(self.named_by(kind))
            raise NotAnswered(f"{kind} is known by {by}, not by {', '.join(known) or 'nothing'}: {why}.") from why

    def named_by(self, kind: str) -> tuple[str, ...]:
        """Give the attributes that an entity is known by: those of its whole record's key."""
        rule = next(one for one in self._rules(kind) if one.whole)
        names = (rule.key[name] for name in self.whole(kind).key_names)
        return tuple(dict.fromkeys(one.path[0] for template in names for one in placeholders(template)))

    def key_of(self, kind: str, whole: Item) -> Key:
        """Give the key that a whole record has."""
        return key_of(whole, *self.whole(kind).key_names)

    def is_expired(self, kind: str, whole: Item, now: float) -> bool:
        """Tell whether a whole record has outlived the time that its table's TTL attribute says (seconds since 1970)."""
        told = whole.get(self._ttl.get(kind, ""), {}).get("N")
        return told is not None and float(told) <= now

    def find(self, kind: str, index: str, known: Item, record: str | None = None, span: Span = ALWAYS) -> Lookup:
        """Give where the answer to `known`, no more and no less, lies in an index; `record` names one of several.

        A span of time is asked for where the index is in an order of it. Raises NotAnswered.
        """
        for rule in self._rules(kind, record):
            template = self._partition(rule, index)
            if template is not None and needed(template) == set(known):
                stages = (partitions_of(template, self.model.spread, known),)
                low, high = (self._bound(rule, index, moment) for moment in (span.since, span.until))
                return Lookup(self._index(rule, index), stages, self._compiled(kind, rule), low, high)
        raise self._unordered(kind, index, record) if record else self._unanswered(kind, index, known)

    def find_between(self, kind: str, index: str, span: Span, known: Item) -> Lookup:
        """Give where the records of a time lie, from one moment to another: a stage for each period, oldest first.

        Raises NotAnswered.
        """
        since, until = span.since or BEGIN, span.until or BEGIN
        for rule in self._rules(kind):
            template = self._partition(rule, index)
            period = timed(template) if template is not None else None
            if template is None or period is None or needed(template) != {*known, period.path[0]}:
                continue
            stages = tuple(
                partitions_of(template, self.model.spread, {**known, period.path[0]: {"S": moment.isoformat()}})
                for moment in periods(since, until, period)
            )
            low, high = (self._bound(rule, index, moment) for moment in (since, until))
            return Lookup(self._index(rule, index), stages, self._compiled(kind, rule), low, high)
        raise self._unanswered(kind, index, known)

    def own(self, kind: str, known: Item) -> Lookup:
        """Give where whole records of a kind lie in their table, by its own key: what `known` names, in every bucket.

        Raises NotAnswered.
        """
        rule = next(one for one in self._rules(kind) if one.whole)
        table = self.model.tables[rule.table]
        try:
            stages = (partitions_of(rule.key[table.key.partition], self.model.spread, known),)
        except Unmappable as why:
            raise NotAnswered(f"{kind} cannot be listed by {', '.join(known)}: {why}.") from why
        sort = table.key.sort or ""
        # Others share the partition where sort keys begin with a text of their own, such as VERSION#METADATA#.
        begins = begin_of(rule.key[sort], self.model.spread, known) if sort else ""
        low, high = ({"S": begins}, {"S": begins + LAST}) if begins else (None, None)
        index = Index(self.prefix + table.name, table.key.partition, sort, None, table.key.names)
        return Lookup(index, stages, self.whole(kind), low, high)

    # ---- within ----

    def _rules(self, kind: str, record: str | None = None) -> Iterator[RecordRule]:
        """Give the rules of a kind, whole records first: one look-up less."""
        self.shape(kind)
        named = [rule for rule in self.model.entities[kind].records if record in (None, rule.record)]
        return iter(sorted(named, key=lambda rule: not rule.whole))

    def _compiled(self, kind: str, rule: RecordRule) -> CompiledRule:
        return next(one for one in self.shape(kind).rules if one.name == rule.record)

    def _partition(self, rule: RecordRule, index: str) -> str | None:
        names = self.model.tables[rule.table].indexes.get(index)
        return rule.key.get(names.partition) if names and names.sort else None

    def _index(self, rule: RecordRule, index: str) -> Index:
        table = self.model.tables[rule.table]
        names = table.indexes[index]
        return Index(self.prefix + table.name, names.partition, names.sort or "", index, table.key.names)

    def _bound(self, rule: RecordRule, index: str, moment: Moment) -> Value | None:
        """Give what a sort key of that moment begins with. Raises NotAnswered where it does not begin with a time."""
        if moment is None:
            return None
        pieces = parse_template(rule.key[self._index(rule, index).sort])
        first = pieces[0] if pieces else None
        if not isinstance(first, Placeholder):
            raise NotAnswered(f"{index} of {rule.record} is not in an order of time: ask for all of it.")
        # Without its zone: the text of that very moment, in whatever form, is not before it.
        text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
        if not first.filters:
            return {"S": text}
        return {"S": compile_text(written(first), self.model.spread)({first.path[0]: {"S": text}})}

    def _unordered(self, kind: str, index: str, record: str) -> NotAnswered:
        told = [rule.record for rule in self._rules(kind) if (one := self._partition(rule, index)) and not needed(one)]
        orders = ", ".join(told) or "none"
        return NotAnswered(f"{kind} cannot be listed in the order of {record!r}: the orders in {index} are {orders}.")

    def _unanswered(self, kind: str, index: str, known: Item) -> NotAnswered:
        told = [template for rule in self._rules(kind) if (template := self._partition(rule, index))]
        by = f"by {', '.join(known)} alone" if known else "without anything known"
        return NotAnswered(
            f"{index} of {kind} cannot be asked {by}. Its partitions are {', '.join(told) or 'none'}: "
            "give what they name, or add a record to the design."
        )
