"""One rule of a design, compiled: the records that it makes of an entity, and whether a record is one of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sluice.estate.design import RecordRule, TableDesign
from sluice.estate.templates import Placeholder, parse_template
from sluice.records.conditions import Holds, compile_when
from sluice.records.record import Record, Unmappable
from sluice.records.rendering import Spread, compile_fetch, compile_text, compile_value
from sluice.stores.dynamodb.values import Item, Value

Make: TypeAlias = Callable[[Item, list[Record]], None]
LONGEST_PARTITION, LONGEST_SORT = 2048, 1024  # bytes of UTF-8, of tables and of indexes alike
_SHORT = LONGEST_SORT // 4  # so many characters fit whatever they are
_QUIET = {"missing", "null", "empty"}


@dataclass(frozen=True)
class CompiledRule:
    """One rule. `reserved` are the attributes that are the rule's own and not the entity's."""

    name: str
    table: str
    key_names: tuple[str, ...]
    whole: bool
    reserved: frozenset[str]
    copies: int
    """How often a record can hold what an item holds: once itself, and once for each placeholder."""
    fixed: int
    """Bytes of a record that come from the rule and not from the item."""
    make: Make
    key_of: Callable[[Item], Item]
    pattern: Mapping[str, re.Pattern[str]]

    def is_mine(self, key: Item) -> bool:
        """Tell whether a key of its table can be one of this rule's."""
        return all(
            name in key and "S" in key[name] and form.fullmatch(key[name]["S"]) is not None
            for name, form in self.pattern.items()
        )


def compile_rule(rule: RecordRule, design: TableDesign, table: str, spread: Spread) -> CompiledRule:
    """Compile a rule whose templates, table and key attributes have been checked."""
    key_of = _key_part(design.key.names, rule, spread)
    indexes = [_or_nothing(part) if name in rule.sparse else part for name, part in _index_parts(rule, design, spread)]
    sets = [
        _or_nothing(part) if name in rule.optional else part
        for name, template in rule.sets.items()
        for part in (_set_part(name, compile_value(template, spread)),)
    ]
    # A table's TTL too, said or not: an attribute of that name that means something else would have the record removed.
    reserved = frozenset({*design.key_attributes, *rule.sets, *filter(None, [design.ttl])})
    whole, keep, name = rule.whole, rule.keep, rule.record

    def make_one(entity: Item, out: list[Record]) -> None:
        key = key_of(entity)
        if whole:
            if not reserved.isdisjoint(entity):
                raise _in_the_way(reserved, entity)
            item = {**key, **entity}
        else:
            item = dict(key)
            for one in keep:
                if one in entity:
                    item[one] = entity[one]
        for index in indexes:
            item.update(index(entity))
        for given in sets:
            item.update(given(entity))
        out.append(Record(table, key, item, whole, name))

    make = _each(rule, make_one)
    if rule.when is not None:
        make = _only(compile_when(rule.when), make)
    texts = {**rule.key, **rule.sets}
    copies = 1 + sum(isinstance(piece, Placeholder) for text in texts.values() for piece in parse_template(text))
    fixed = sum(len(one.encode()) + 2 * len(text.encode()) for one, text in texts.items())
    pattern = {one: _pattern(rule.key[one]) for one in design.key.names}
    return CompiledRule(name, table, design.key.names, whole, reserved, copies, fixed, make, key_of, pattern)


def _index_parts(rule: RecordRule, design: TableDesign, spread: Spread) -> Iterator[tuple[str, Callable[[Item], Item]]]:
    for name, key in design.indexes.items():
        if any(one in rule.key for one in key.names):
            yield name, _key_part(key.names, rule, spread)


def _key_part(names: tuple[str, ...], rule: RecordRule, spread: Spread) -> Callable[[Item], Item]:
    """Give what renders one key: that of the table, or of an index."""
    renders = [compile_text(rule.key[name], spread, in_key=True) for name in names]
    if len(names) == 1:
        (only,), (render,) = names, renders
        return lambda entity: {only: _fitting(render(entity), only, LONGEST_PARTITION)}
    (partition, sort), (render_partition, render_sort) = names, renders

    def key(entity: Item) -> Item:
        return {
            partition: _fitting(render_partition(entity), partition, LONGEST_PARTITION),
            sort: _fitting(render_sort(entity), sort, LONGEST_SORT),
        }

    return key


def _fitting(text: str, name: str, longest: int) -> Value:
    if len(text) > _SHORT and len(text.encode()) > longest:
        raise Unmappable("too_long", name, f"its key would be longer than {longest} bytes")
    return {"S": text}


def _set_part(name: str, give: Callable[[Item], Value]) -> Callable[[Item], Item]:
    return lambda entity: {name: give(entity)}


def _or_nothing(part: Callable[[Item], Item]) -> Callable[[Item], Item]:
    def or_nothing(entity: Item) -> Item:
        try:
            return part(entity)
        except Unmappable as why:
            if why.reason in _QUIET:
                return {}
            raise

    return or_nothing


def _each(rule: RecordRule, make: Make) -> Make:
    if not rule.for_each:
        return make
    ((path, variable),) = rule.for_each.items()
    fetch = compile_fetch(tuple(path.split(".")))

    def make_each(entity: Item, out: list[Record]) -> None:
        value = fetch(entity)
        for element in _elements(value, path) if value is not None else ():
            make({**entity, variable: element}, out)

    return make_each


def _elements(value: Value, path: str) -> list[Value]:
    """Give the elements of a list, or of a set in a stable order. NULL has none."""
    ((kind, inner),) = value.items()
    if kind == "L":
        return list(inner)
    if kind in ("SS", "NS"):
        return [{kind[0]: one} for one in sorted(inner)]
    if kind == "NULL":
        return []
    raise Unmappable("not_a_list", path, f"a {kind} is neither list nor set of text or numbers")


def _only(holds: Holds, make: Make) -> Make:
    def make_where(entity: Item, out: list[Record]) -> None:
        if holds(entity):
            make(entity, out)

    return make_where


def _in_the_way(reserved: frozenset[str], entity: Item) -> Unmappable:
    name = min(reserved & entity.keys())
    return Unmappable(
        "in_the_way", name, "the record has an attribute of this name of its own: rename it by `attributes`"
    )


def _pattern(template: str) -> re.Pattern[str]:
    """Give what a template's text looks like."""
    parts = [re.escape(piece) if isinstance(piece, str) else _form(piece) for piece in parse_template(template)]
    return re.compile("".join(parts), re.DOTALL)


_FORMS = {
    "year": r"\d{4}",
    "month": r"\d{4}-\d\d",
    "day": r"\d{4}-\d\d-\d\d",
    "iso": r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z",
    "seconds": r"-?\d+",
    "millis": r"-?\d+",
    "spread": r"P\d{3}",
    "pad": r"\d+",
}


def _form(one: Placeholder) -> str:
    return _FORMS.get(one.filters[-1].name, ".+") if one.filters else ".+"
