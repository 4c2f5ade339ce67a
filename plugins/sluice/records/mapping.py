"""`attributes:` compiled: a legacy item becomes the entity, and the entity the legacy item again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sluice.estate.single_table import AttributeChange
from sluice.estate.templates import placeholders, renamed
from sluice.records.record import OURS, Unmappable
from sluice.records.rendering import Give, Spread, compile_value, is_there
from sluice.stores.dynamodb.values import Item, Value

Convert: TypeAlias = Callable[[Item], Item]
MARK = "_otherwise"
"""On a whole record: which attributes `otherwise` filled, with what, and what stood there before. The way back needs it."""


@dataclass(frozen=True)
class Ways:
    """How an item becomes its entity, and the entity the item again (None where nobody said how)."""

    entity_of: Convert
    item_of: Convert | None


def compile_mapping(attributes: Mapping[str, AttributeChange], spread: Spread) -> Ways:
    """Give both ways between a legacy item, ours stripped off it, and its entity."""
    if not attributes:
        return Ways(lambda item: item, lambda entity: entity)
    plan = _plan(attributes, spread)
    return Ways(lambda item: _forth(plan, item), lambda entity: _back(plan, entity))


def stripped(item: Item) -> Item:
    """Give a legacy item without our own attributes."""
    if OURS.isdisjoint(item):
        return item
    return {name: value for name, value in item.items() if name not in OURS}


def check_names(entity: Item) -> Item:
    """Give an entity back. Raises Unmappable where a name of its begins with `_`: applications do not get to see those."""
    for name in entity:
        if name[0] == "_" and name != MARK:
            raise Unmappable(
                "in_the_way",
                name,
                "names that begin with _ are kept from applications: give it another by `attributes`",
            )
    return entity


@dataclass(frozen=True)
class _Made:
    """An attribute that is computed. `own` says that it takes the place of the legacy one of its name."""

    name: str
    give: Give
    otherwise: Give | None
    own: bool


@dataclass(frozen=True)
class _Plan:
    renames: tuple[tuple[str, str, Give | None], ...]  # new name, old name, otherwise
    made: tuple[_Made, ...]
    dropped: tuple[str, ...]
    back: tuple[tuple[str, Give], ...]
    leaves: frozenset[str]
    """Legacy names that the entity has no more: those renamed and dropped."""


def _plan(attributes: Mapping[str, AttributeChange], spread: Spread) -> _Plan:
    renames: list[tuple[str, str, Give | None]] = []
    made: list[_Made] = []
    dropped: list[str] = []
    back: list[tuple[str, Give]] = []
    taken: set[str] = set()
    for name, change in attributes.items():
        otherwise = compile_value(change.otherwise, spread) if change.otherwise is not None else None
        if change.back is not None:
            back.append((name, compile_value(change.back, spread)))
        if change.drop:
            dropped.append(name)
        elif change.value is None:
            renames.append((name, name, otherwise))  # only `otherwise`: it keeps its name
        elif (old := renamed(change.value)) is not None and old not in taken:
            taken.add(old)
            renames.append((name, old, otherwise))
        else:
            own = any(one.path[0] == name for one in placeholders(change.value))
            made.append(_Made(name, compile_value(change.value, spread), otherwise, own))
    leaves = frozenset({*dropped, *(old for _, old, _ in renames)})
    return _Plan(tuple(renames), tuple(made), tuple(dropped), tuple(back), leaves)


def _forth(plan: _Plan, item: Item) -> Item:
    entity = dict(item)
    for name in plan.leaves:
        entity.pop(name, None)
    marks: Item = {}
    for new, old, otherwise in plan.renames:
        value = item.get(old)
        if otherwise is not None and not is_there(value):
            value = _instead(marks, new, otherwise(item), value)
        if value is not None:
            _put(entity, new, value)
    for one in plan.made:
        if one.own:
            entity.pop(one.name, None)
        _put(entity, one.name, _computed(one, item))
    if marks:
        entity[MARK] = {"M": marks}
    return entity


def _computed(one: _Made, item: Item) -> Value:
    if one.otherwise is None:
        return one.give(item)
    try:
        return one.give(item)
    except Unmappable as why:
        if why.reason not in ("missing", "null", "empty"):
            raise
        return one.otherwise(item)


def _instead(marks: Item, name: str, value: Value, before: Value | None) -> Value:
    marks[name] = {"M": {"put": value} if before is None else {"put": value, "for": before}}
    return value


def _put(entity: Item, name: str, value: Value) -> None:
    if name in entity:
        raise Unmappable("in_the_way", name, "the item has an attribute of this name already: rename or drop that too")
    entity[name] = value


def _back(plan: _Plan, entity: Item) -> Item:
    marks: Item = entity.get(MARK, {}).get("M", {})
    item = {name: value for name, value in entity.items() if name != MARK}
    kept = [(old, item.pop(new, None), marks.get(new)) for new, old, _ in plan.renames]
    for one in plan.made:
        if not one.own:
            item.pop(one.name, None)
    for old, value, mark in kept:
        if mark is not None and value == mark["M"]["put"]:
            value = mark["M"].get("for")
        if value is not None:
            _put(item, old, value)
    for name, give in plan.back:
        item[name] = give(entity)
    return item
