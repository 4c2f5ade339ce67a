"""A shape: what one entity looks like in a single-table design, compiled. Records of an item, and the item again."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from sluice.errors import Terminal
from sluice.estate.design import RecordRule, TableDesign, TableModel
from sluice.estate.single_table import SingleTableMigration
from sluice.records.conditions import Skips, compile_skip
from sluice.records.mapping import MARK, Convert, Ways, check_names, compile_mapping, stripped
from sluice.records.record import MOST_BYTES, MOST_BYTES_TOGETHER, MOST_RECORDS, Record, Unmappable
from sluice.records.rendering import Spread
from sluice.records.rules import CompiledRule, compile_rule
from sluice.stores.dynamodb.values import Item, Key, same, size_of

MOST_ROOMY = MOST_BYTES_TOGETHER // MOST_BYTES
"""So many records of one item fit together, however large each is."""
ROOT = Path(__file__).resolve().parents[3]
_Place: TypeAlias = tuple[str, ...]


class NoSuchShape(Terminal):
    """What was asked for is not in the design, or a transform cannot be loaded."""


@dataclass(frozen=True)
class Shape:
    """What an item becomes: made by `compile_shape` or `compile_entity`, used by the functions below."""

    name: str
    ways: Ways
    rules: tuple[CompiledRule, ...]
    skips: Skips | None
    roomy: int
    """An entity whose text is shorter than this cannot make a record too large, whatever its templates copy."""

    @property
    def whole(self) -> CompiledRule | None:
        """The rule whose record holds every attribute of the entity."""
        return next((rule for rule in self.rules if rule.whole), None)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the DynamoDB tables that its records lie in."""
        return tuple(dict.fromkeys(rule.table for rule in self.rules))

    def rule_of(self, table: str, key: Item) -> CompiledRule | None:
        """Give the rule that a record of a table must have come from, by its key; None where it is none of ours."""
        return next((rule for rule in self.rules if rule.table == table and rule.is_mine(key)), None)


def compile_shape(migration: SingleTableMigration, *, root: Path = ROOT, prefix: str = "") -> Shape:
    """Compile a migration as `read_migration` gave it: the design that it names is in it by then.

    `root` is where a `transform:` is looked for; `prefix` stands before every table's name. Raises NoSuchShape.
    """
    into = migration.target
    if migration.transform:
        back = load_function(root, migration.transform_back) if migration.transform_back else None
        ways = Ways(load_function(root, migration.transform), back)
    else:
        ways = compile_mapping(migration.attributes, into.spread)
    skips = compile_skip(migration.skip) if migration.skip else None
    return _shape(migration.name, ways, into.records, into.tables, into.spread, skips, prefix)


def compile_entity(model: TableModel, entity: str, *, prefix: str = "") -> Shape:
    """Compile an entity of a design by itself, as applications write it: what it is made of is the entity already."""
    if entity not in model.entities:
        raise NoSuchShape(f"{model.model} has no entity {entity!r}: it has {', '.join(model.entities)}.")
    rules = model.entities[entity].records
    return _shape(f"{model.model}.{entity}", compile_mapping({}, {}), rules, model.tables, model.spread, None, prefix)


def _shape(
    name: str,
    ways: Ways,
    rules: tuple[RecordRule, ...],
    tables: Mapping[str, TableDesign],
    spread: Spread,
    skips: Skips | None,
    prefix: str,
) -> Shape:
    compiled = tuple(compile_rule(one, tables[one.table], prefix + tables[one.table].name, spread) for one in rules)
    # A character is at most 4 bytes.
    roomy = min((MOST_BYTES - rule.fixed) // (4 * rule.copies) for rule in compiled)
    return Shape(name, ways, compiled, skips, roomy)


def skipped(shape: Shape, item: Item, now: datetime) -> str | None:
    """Say why an item is not migrated: `expired`, `when`, or None. `now` is UTC without zone. Raises Unmappable."""
    return shape.skips(item, now) if shape.skips else None


def entity_of(shape: Shape, item: Item) -> Item:
    """Give the entity of a legacy item. Raises Unmappable."""
    return check_names(shape.ways.entity_of(stripped(item)))


def records_of(shape: Shape, item: Item) -> tuple[Record, ...]:
    """Give the records of a legacy item, in the order of the rules. Raises Unmappable, and then there is none of them.

    Deterministic: the same item gives the same records. Elements of a list that give the very same record give it once.
    """
    entity = entity_of(shape, item)
    made: list[Record] = []
    for rule in shape.rules:
        rule.make(entity, made)
    if len(made) > 1:
        made = _distinct(made)
    if len(made) > MOST_RECORDS:
        raise Unmappable("too_many", "", f"it would be {len(made)} records, and {MOST_RECORDS} can be written together")
    if len(repr(entity)) > shape.roomy or len(made) > MOST_ROOMY:
        _check_sizes(made)
    return tuple(made)


def item_of(shape: Shape, record: Item) -> Item:
    """Give the legacy item of a whole record, without anything of ours.

    Raises Unmappable where its key is not the one that its attributes give, or there is no way back.
    """
    rule, back = shape.whole, shape.ways.item_of
    if rule is None or back is None:
        raise Unmappable("no_way_back", "", f"{shape.name} has no whole record, or a transform without its way back")
    entity = {
        name: value for name, value in record.items() if name not in rule.reserved and (name[0] != "_" or name == MARK)
    }
    wanted = rule.key_of(entity)
    for name, value in wanted.items():
        if record.get(name) != value:
            raise Unmappable(
                "other_key", name, f"the record's attributes give the key {value['S'][:60]!r}, not its own"
            )
    item = back(entity)
    item.pop(MARK, None)
    return item


def whole_of(records: tuple[Record, ...]) -> Record | None:
    """Give the whole record among an item's records."""
    return next((record for record in records if record.whole), None)


def load_function(root: Path, where: str) -> Convert:
    """Load `include/estate/transforms/users.py:entity`. Raises NoSuchShape."""
    file, _, name = where.partition(":")
    spec = importlib.util.spec_from_file_location(f"sluice_transform_{Path(file).stem}", root / file)
    if spec is None or spec.loader is None:
        raise NoSuchShape(f"{file} is no Python file: mend `transform:`.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function: Convert = getattr(module, name)
    except (OSError, AttributeError) as error:
        raise NoSuchShape(f"{where} cannot be loaded: {error}. Mend `transform:`, or the file.") from error
    return function


def _distinct(made: list[Record]) -> list[Record]:
    seen: dict[_Place, Record] = {}
    for record in made:
        place = _place(record.table, record.key)
        other = seen.setdefault(place, record)
        if other is not record and not same(other.item, record.item):
            what = " and ".join(dict.fromkeys((other.rule, record.rule)))
            raise Unmappable(
                "collision", "", f"two of its records ({what}) would have one key, {'/'.join(place[1:])[:120]}"
            )
    return list(seen.values()) if len(seen) < len(made) else made


def _place(table: str, key: Key) -> _Place:
    return (table, *(value["S"] for value in key.values()))


def _check_sizes(made: list[Record]) -> None:
    sizes = [size_of(record.item) for record in made]
    for record, size in zip(made, sizes, strict=True):
        if size > MOST_BYTES:
            raise Unmappable("too_large", record.rule, f"the record would be {size:,} bytes, and {MOST_BYTES:,} fit")
    if sum(sizes) > MOST_BYTES_TOGETHER:
        raise Unmappable(
            "too_large", "", f"its {len(made)} records would be {sum(sizes):,} bytes, and {MOST_BYTES_TOGETHER:,} fit"
        )
