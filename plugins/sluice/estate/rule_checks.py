"""What the records of a design must agree on: templates that can be read, keys that are whole, names that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.estate.document import Document, Steps
from sluice.estate.key_looks import Look
from sluice.estate.mistakes import Mistake, choice
from sluice.estate.showing import shown
from sluice.estate.templates import BadTemplate, Pieces, Placeholder, parse_template

TIMES = {"year", "month", "day"}
UNREADABLE = Placeholder(("",))
"""What a bad template counts as: told of once, it may be whatever the other checks ask for."""


@dataclass(frozen=True)
class Design:
    """A file that holds a design, and where in it the tables and the classes of keys stand."""

    document: Document
    base: Steps = ()

    @property
    def spread(self) -> list[str] | None:
        """The classes of keys; None where they cannot be read."""
        return _names(self.document.get(*self.base, "spread", otherwise={}))

    @property
    def tables(self) -> Mapping[str, Any] | None:
        """The tables; None where they cannot be read."""
        tables = self.document.get(*self.base, "tables")
        return tables if isinstance(tables, dict) else None


def check_template(document: Document, steps: Steps, spread: Iterable[str] | None) -> Iterator[Mistake]:
    """Find what is wrong with one template. `spread` are the classes of keys; None where they cannot be read."""
    pieces = _pieces(text := document.get(*steps))
    if not isinstance(text, str):
        return
    try:
        parse_template(text)
    except BadTemplate as error:
        yield document.mistake(steps, error.found, error.allowed)
    for piece in pieces:
        asked = piece.spread_class if isinstance(piece, Placeholder) else None
        if asked is not None and spread is not None and asked not in spread:
            classes = sorted(spread)
            allows = choice(asked, classes) if classes else "a class of keys under `spread`, where there is none"
            yield document.mistake(steps, f"the class of keys {shown(asked)}", allows)


def check_rules(design: Design, steps: Steps) -> Iterator[Mistake]:
    """Find what is wrong with the records of one entity."""
    document = design.document
    rules = document.get(*steps)
    seen: dict[object, int] = {}
    whole: list[int] = []
    for number, rule in enumerate(rules if isinstance(rules, tuple) else ()):
        if not isinstance(rule, dict):
            continue
        here = (*steps, number)
        name = rule.get("record")
        if isinstance(name, str) and seen.setdefault(name, number) != number:
            yield document.mistake((*here, "record"), shown(name), "a name that no other record of the entity has")
        if rule.get("whole") is True:
            whole.append(number)
            yield from _check_whole(document, here, rule, len(whole))
        for part in ("key", "set"):
            for name in _names(rule.get(part)) or ():
                yield from check_template(document, (*here, part, name), design.spread)
        yield from check_when(document, (*here, "when"))
        yield from _check_against_table(design, here, rule)


def check_apart(design: Design) -> Iterator[Mistake]:
    """Refuse records of two entities whose keys may be the same: nobody could tell whose a record is."""
    document, entities = design.document, design.document.get("entities")
    before: list[tuple[str, Look]] = []
    for entity in entities if isinstance(entities, dict) else ():
        rules = document.get("entities", entity, "records")
        looks = [(number, look) for number, rule in enumerate(rules or ()) if (look := _look(design, rule))]
        for number, look in looks:
            if other := next((whose for whose, one in before if one.may_be(look)), None):
                allows = f"a key that cannot be one of {other}'s, whatever stands for …"
                yield document.mistake(("entities", entity, "records", number, "key"), str(look), allows)
        before += [(str(entity), look) for _, look in looks]


def _look(design: Design, rule: object) -> Look | None:
    if not isinstance(rule, dict) or not isinstance(rule.get("key"), dict) or design.tables is None:
        return None
    table = rule.get("table", "entity")
    main = _key(design.tables.get(table)) if isinstance(table, str) else None
    if main is None or not isinstance(table, str) or not all(isinstance(rule["key"].get(name), str) for name in main):
        return None
    shapes = (_pieces(rule["key"][name]) for name in main)
    return Look(table, tuple(tuple(one if isinstance(one, str) else None for one in pieces) for pieces in shapes))


def check_when(document: Document, steps: Steps) -> Iterator[Mistake]:
    """Refuse a condition that asks nothing: it would always hold."""
    when = document.get(*steps)
    if not isinstance(when, dict):
        return
    if not (when.get("equals") or when.get("any") or any(when.get(key) is not None for key in ("has", "not"))):
        yield document.mistake(steps, "a condition that asks nothing", "has, equals, not or any")
    yield from check_when(document, (*steps, "not"))
    options = when.get("any")
    for number in range(len(options) if isinstance(options, tuple) else 0):
        yield from check_when(document, (*steps, "any", number))


def _check_whole(document: Document, here: Steps, rule: Mapping[str, Any], count: int) -> Iterator[Mistake]:
    if count > 1:
        yield document.mistake((*here, "whole"), "a second whole record", "one record that holds all of the entity")
    for other in ("when", "for_each", "keep"):
        if rule.get(other):
            yield document.mistake(
                (*here, other), f"{other} beside whole", "nothing: a whole record is made always, once, of everything"
            )


def _check_against_table(design: Design, here: Steps, rule: Mapping[str, Any]) -> Iterator[Mistake]:
    document, tables = design.document, design.tables
    name = rule.get("table", "entity")
    if tables is None or not isinstance(name, str):
        return
    if name not in tables:
        yield document.mistake((*here, "table"), shown(rule.get("table")), choice(name, tables))
        return
    main = _key(tables[name])
    indexes = tables[name].get("indexes", {}) if isinstance(tables[name], dict) else None
    key = rule.get("key")
    if main is None or not isinstance(indexes, dict) or not isinstance(key, dict):
        return
    keys = {index: names for index, one in indexes.items() if (names := _names_of_key(one))}
    yield from _check_key(document, here, key, main, keys)
    yield from _check_element(document, here, rule, main)
    known = {*main, *(name for names in keys.values() for name in names)}
    yield from _check_own(document, here, rule, known)
    for step, index in document.texts(*here, "sparse"):
        if index not in keys:
            yield document.mistake(step, shown(index), choice(index, keys) if keys else "none: the table has no index")
    sets = rule.get("set")
    for step, name in document.texts(*here, "optional"):
        if not isinstance(sets, dict) or name not in sets:
            yield document.mistake(step, shown(name), choice(name, sets) if sets else "none: it has no `set`")


def _check_key(
    document: Document,
    here: Steps,
    key: Mapping[str, Any],
    main: tuple[str, ...],
    indexes: Mapping[str, tuple[str, ...]],
) -> Iterator[Mistake]:
    for name in main:
        if name not in key:
            yield document.mistake(
                (*here, "key", name), "nothing", f"a template: the table's key is {' and '.join(main)}"
            )
    known = {*main, *(name for names in indexes.values() for name in names)}
    for name in key:
        if name not in known:
            yield document.mistake((*here, "key", name), "an attribute of no key", choice(str(name), known))
    for index, names in indexes.items():
        lacking = [name for name in names if name not in key]
        if lacking and len(lacking) < len(names):
            allows = f"a template too: {index} holds only records that have {' and '.join(names)}"
            yield document.mistake((*here, "key", lacking[0]), "nothing", allows)
    if all(name in key for name in main) and all(_is_constant(key[name]) for name in main):
        yield document.mistake((*here, "key"), "the same key for every entity", "an attribute in it, such as {id}")
        return
    for names in (main, *indexes.values()):
        yield from _check_partition(document, (*here, "key", names[0]), key.get(names[0]))


def _check_partition(document: Document, steps: Steps, text: object) -> Iterator[Mistake]:
    """Refuse one partition for all, or for all of a month: DynamoDB gives each 1000 writes a second."""
    pieces = _pieces(text)
    found = [piece for piece in pieces if isinstance(piece, Placeholder)]
    if not pieces or any(piece.spread_class for piece in found):
        return
    if all(piece.filters and piece.filters[-1].name in TIMES for piece in found):
        what = "one partition for all of a time" if found else "one partition for all"
        yield document.mistake(
            steps, what, "a spread one, such as #{id|spread:class} at its end (1 where there are few)"
        )


def _check_element(
    document: Document, here: Steps, rule: Mapping[str, Any], main: tuple[str, ...]
) -> Iterator[Mistake]:
    each, key = rule.get("for_each"), rule.get("key")
    if not isinstance(each, dict) or not isinstance(key, dict):
        return
    for variable in each.values():
        pieces = [piece for name in main for piece in _pieces(key.get(name)) if isinstance(piece, Placeholder)]
        if isinstance(variable, str) and all(piece.path[0] not in (variable, *UNREADABLE.path) for piece in pieces):
            allows = f"{{{variable}}} in {' or '.join(main)}: or all elements would have one key"
            yield document.mistake((*here, "key"), "a key without the element", allows)


def _check_own(document: Document, here: Steps, rule: Mapping[str, Any], known: set[str]) -> Iterator[Mistake]:
    sets = _names(rule.get("set")) or []
    for name in sets:
        if name in known or name.startswith("_"):
            yield document.mistake(
                (*here, "set", name), shown(name), "no attribute of a key, and none that begins with _"
            )
    for step, name in document.texts(*here, "keep"):
        if name in known or name in sets or name.startswith("_"):
            yield document.mistake(step, shown(name), "no attribute of a key or of `set`, and none that begins with _")


def _key(table: object) -> tuple[str, ...] | None:
    return _names_of_key(table.get("key")) if isinstance(table, dict) else None


def _names_of_key(key: object) -> tuple[str, ...] | None:
    if not isinstance(key, dict) or not isinstance(key.get("partition"), str):
        return None
    sort = key.get("sort")
    return (key["partition"], sort) if isinstance(sort, str) else (key["partition"],)


def _is_constant(text: object) -> bool:
    pieces = _pieces(text)
    return isinstance(text, str) and all(isinstance(piece, str) for piece in pieces)


def _pieces(text: object) -> Pieces:
    try:
        return parse_template(text) if isinstance(text, str) else ()
    except BadTemplate:
        return (UNREADABLE,)


def _names(mapping: object) -> list[str] | None:
    return [str(name) for name in mapping] if isinstance(mapping, dict) else None
