"""Wrong designs and wrong migrations into one: each mistake with its line, and what is allowed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from sluice.estate import (
    EstateErrors,
    Migration,
    SingleTableMigration,
    document,
    migration_files,
    read_estate,
    read_model,
)
from sluice.estate.migration import Origin
from sluice.estate.single_table import Records
from sluice.local.init_migration import CannotDraft, init_migration
from sluice.migration.kinds import NoSuchKind, open_kind

from tests.unit.tyler import ROOT, SAMPLES, lay_out, sample_estate

SHOP = """\
model: shop
store: tyler
spread: {order: 4}
tables:
  entity:
    name: shop-entity
    key: {partition: PK, sort: SK}
    indexes:
      GSI1: {partition: GSI1PK, sort: GSI1SK}
    ttl: ttl
entities:
  order:
    records:
      - record: METADATA
        key: {PK: "ORDER#{id}", SK: METADATA}
        whole: true
      - record: LOOKUP#STATE
        when: {has: state}
        key: {PK: "ORDER#{id}", SK: LOOKUP#STATE, GSI1PK: "S#{state}", GSI1SK: "{id}"}
        keep: [id]
      - record: LINE
        for_each: {lines: line}
        key: {PK: "ORDER#{id}", SK: "LINE#{line.no}"}
        set: {entityType: LINE}
"""
ORDERS = """\
migration: orders
kind: single_table
from: {store: tyler, table: orders}
into: {model: shop, entity: order}
attributes:
  id: {from: "{orderId}"}
  note: {from: "{remark}", otherwise: none}
skip: {expired: until}
"""
LOG = """\
migration: log
kind: into_postgres
from: {store: tyler, table: audit-log}
into:
  store: certify
  table: app.log
  key: [id, at]
  columns:
    id: {from: "{logId}", type: text}
    at: {from: "{time}", type: timestamptz}
  extra: rest
  tenant: {column: tenant, value: t1}
  partition: {range: at, every: month}
"""
FILTERS = "day, iso, lower, millis, month, or, pad, seconds, spread, trim, upper, year"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of one design and two migrations."""
    folder = tmp_path / "include/estate"
    (folder / "migrations").mkdir(parents=True)
    (folder / "estate.yaml").write_text((ROOT / "include/estate/estate.yaml").read_text())
    (folder / "shop.yaml").write_text(SHOP)
    (folder / "migrations/orders.yaml").write_text(ORDERS)
    (folder / "migrations/log.yaml").write_text(LOG)
    return tmp_path


def mistakes_with(root: Path, file: str, text: str, old: str, new: str) -> list[str]:
    """What reading finds wrong once one thing is changed in one file."""
    assert text.count(old) == 1, f"{old!r} is to be changed once"
    (root / "include/estate" / file).write_text(text.replace(old, new))
    with pytest.raises(EstateErrors) as caught:
        read_estate(root)
    return [line.replace("include/estate/", "").replace("migrations/", "") for line in str(caught.value).splitlines()]


def test_a_migration_has_its_design_in_it(root: Path):
    orders = read_estate(root).migrations["orders"]
    assert isinstance(orders, SingleTableMigration)
    assert isinstance(orders.target, Records)
    assert orders.becomes == "shop.order"
    assert [rule.record for rule in orders.target.records] == ["METADATA", "LOOKUP#STATE", "LINE"]
    assert orders.target.tables["entity"].key_attributes == ("PK", "SK", "GSI1PK", "GSI1SK")
    assert orders.backfill.limits.replica_lag is None


DESIGN = {
    "a brace too many": (
        'SK: "LINE#{line.no}"',
        'SK: "LINE#{line.no"',
        '23: entities.order.records[2].key.SK: found "{" alone, allowed: {attribute}, or {{ and }} for braces themselves',
    ),
    "a template that is no text": (
        'GSI1SK: "{id}"',
        "GSI1SK: 7",
        "19: entities.order.records[1].key.GSI1SK: found 7,"
        " allowed: text with {attribute} or {attribute|filter} in it, at most 1000 characters",
    ),
    "a value that cannot be compared": (
        "when: {has: state}",
        "when: {equals: {state: [x]}}",
        "18: entities.order.records[1].when.equals.state: found a list, allowed: text, a whole number, true or false",
    ),
    "unknown filter": (
        'GSI1SK: "{id}"',
        'GSI1SK: "{id|lowr}"',
        f'19: entities.order.records[1].key.GSI1SK: found the filter "lowr", allowed: {FILTERS}; did you mean lower?',
    ),
    "unknown class of keys": (
        "S#{state}",
        "S#{state}#{id|spread:ordr}",
        '19: entities.order.records[1].key.GSI1PK: found the class of keys "ordr", allowed: order; did you mean order?',
    ),
    "no template for the sort key": (
        ", SK: METADATA",
        "",
        "15: entities.order.records[0].key.SK: found nothing, allowed: a template: the table's key is PK and SK",
    ),
    "half an index": (
        ', GSI1SK: "{id}"',
        "",
        "19: entities.order.records[1].key.GSI1SK: found nothing,"
        " allowed: a template too: GSI1 holds only records that have GSI1PK and GSI1SK",
    ),
    "an attribute of no key": (
        'GSI1PK: "S#{state}"',
        'GSI1PK: "S#{state}", GSI2PK: x',
        "19: entities.order.records[1].key.GSI2PK: found an attribute of no key,"
        " allowed: GSI1PK, GSI1SK, PK, SK; did you mean GSI1PK?",
    ),
    "one key for all": (
        '{PK: "ORDER#{id}", SK: METADATA}',
        "{PK: ORDER, SK: METADATA}",
        "15: entities.order.records[0].key: found the same key for every entity, allowed: an attribute in it, such as {id}",
    ),
    "one partition for all": (
        "S#{state}",
        "ORDERS",
        "19: entities.order.records[1].key.GSI1PK: found one partition for all,"
        " allowed: a spread one, such as #{id|spread:class} at its end (1 where there are few)",
    ),
    "one partition for a month": (
        "S#{state}",
        "S#{state|month}",
        "19: entities.order.records[1].key.GSI1PK: found one partition for all of a time,"
        " allowed: a spread one, such as #{id|spread:class} at its end (1 where there are few)",
    ),
    "an element that is not in its key": (
        "LINE#{line.no}",
        "LINE#{id}",
        "23: entities.order.records[2].key: found a key without the element,"
        " allowed: {line} in PK or SK: or all elements would have one key",
    ),
    "a name twice": (
        "record: LINE",
        "record: METADATA",
        '21: entities.order.records[2].record: found "METADATA", allowed: a name that no other record of the entity has',
    ),
    "two whole records": (
        "        keep: [id]",
        "        whole: true",
        None,
    ),
    "whole, but not always": (
        "        whole: true",
        "        whole: true\n        when: {has: id}",
        "17: entities.order.records[0].when: found when beside whole,"
        " allowed: nothing: a whole record is made always, once, of everything",
    ),
    "unknown table": (
        "record: LINE",
        "record: LINE\n        table: entiti",
        '22: entities.order.records[2].table: found "entiti", allowed: entity; did you mean entity?',
    ),
    "sparse of no index": (
        "keep: [id]",
        "sparse: [GSI3]",
        '20: entities.order.records[1].sparse[0]: found "GSI3", allowed: GSI1; did you mean GSI1?',
    ),
    "optional, and not set": (
        "keep: [id]",
        "optional: [ttl]",
        '20: entities.order.records[1].optional[0]: found "ttl", allowed: none: it has no `set`',
    ),
    "a condition that asks nothing": (
        "when: {has: state}",
        "when: {not: {}}",
        "18: entities.order.records[1].when.not: found a condition that asks nothing, allowed: has, equals, not or any",
    ),
    "a key attribute set": (
        "set: {entityType: LINE}",
        "set: {GSI1PK: LINE}",
        '24: entities.order.records[2].set.GSI1PK: found "GSI1PK",'
        " allowed: no attribute of a key, and none that begins with _",
    ),
    "an attribute of ours kept": (
        "keep: [id]",
        "keep: [_token]",
        '20: entities.order.records[1].keep[0]: found "_token",'
        " allowed: no attribute of a key or of `set`, and none that begins with _",
    ),
    "another name than the file's": (
        "model: shop",
        "model: store",
        '1: model: found "store", allowed: shop, as the file is named',
    ),
    "a store of another engine": (
        "store: tyler",
        "store: certify",
        '2: store: found "certify", which runs on postgres, allowed: tyler',
    ),
    "units without provisioned": (
        "    ttl: ttl",
        "    units: {least: 5}",
        "10: tables.entity.units: found units, allowed: nothing beside on_demand; or capacity: provisioned",
    ),
    "units the wrong way round": (
        "    ttl: ttl",
        "    capacity: provisioned\n    units: {least: 50, most: 5}",
        "11: tables.entity.units.least: found 50, allowed: at most 5, as `most` is",
    ),
    "no buckets": (
        "{order: 4}",
        "{order: 0}",
        "3: spread.order: found 0, allowed: a whole number from 1 to 1000",
    ),
    "an odd record's name": (
        "record: LINE",
        "record: line",
        '21: entities.order.records[2].record: found "line", allowed: a record\'s name: 1 to 60 of A-Z, 0-9, _, # and -',
    ),
    "an odd key attribute": (
        'GSI1SK: "{id}"',
        'GSI1SK: "{id}", "a.b": x',
        '19: entities.order.records[1].key."a.b": found "a.b",'
        " allowed: an attribute's name: 1 to 200 characters, without { } | and .",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), DESIGN.values(), ids=DESIGN)
def test_one_mistake_in_a_design_is_one_line(root: Path, old: str, new: str, expected: str | None):
    found = mistakes_with(root, "shop.yaml", SHOP, old, new)
    if expected is None:
        assert [line.split(", allowed")[0] for line in found] == [
            "shop.yaml:18: entities.order.records[1].when: found when beside whole",
            "shop.yaml:20: entities.order.records[1].whole: found a second whole record",
        ]
    else:
        assert found == [f"shop.yaml:{expected}"]


@pytest.mark.parametrize(
    ("key", "refused"),
    [
        ('PK: "ORDER#{basketId}", SK: METADATA', True),
        ('PK: "ORDER#X#{basketId}", SK: METADATA', True),  # an order may have the id X#7
        ('PK: "{basketId}", SK: "META{part}"', True),
        ('PK: "ORDER#{basketId}", SK: "BASKET"', False),
        ('PK: "BASKET#{basketId}", SK: METADATA', False),
    ],
)
def test_a_key_cannot_be_one_of_two_entities(root: Path, key: str, refused: bool):
    entity = f"""\
  basket:
    records:
      - record: METADATA
        key: {{{key}}}
        whole: true
"""
    (root / "include/estate/shop.yaml").write_text(SHOP + entity)
    if not refused:
        assert read_estate(root).migrations
        return
    with pytest.raises(EstateErrors, match="allowed: a key that cannot be one of order's, whatever stands for …"):
        read_estate(root)


MIGRATION = {
    "unknown design": (
        "model: shop",
        "model: shopp",
        '4: into.model: found "shopp", allowed: shop; did you mean shop?',
    ),
    "unknown entity": (
        "entity: order}",
        "entity: orders}",
        '4: into.entity: found "orders", allowed: order; did you mean order?',
    ),
    "no entity": (
        ", entity: order",
        "",
        "4: into.entity: found nothing, allowed: the name of one of the design's entities",
    ),
    "neither design nor records": (
        "{model: shop, entity: order}",
        "{}",
        None,
    ),
    "records beside a design": (
        "entity: order}",
        "entity: order, store: tyler}",
        "4: into.store: found store beside model, allowed: nothing: the design's file says it",
    ),
    "a store of another engine": (
        "store: tyler",
        "store: certify",
        '3: from.store: found "certify", which runs on postgres, allowed: tyler',
    ),
    "a table that DynamoDB cannot have": (
        "table: orders",
        "table: a/b",
        '3: from.table: found "a/b", allowed: a DynamoDB table\'s name: 3 to 255 of A-Z, a-z, 0-9, _, . and -',
    ),
    "a renamed attribute that a key needs": (
        '{from: "{orderId}"}',
        '{from: "{orderId}"}\n  number: {from: "{state}"}',
        '7: attributes.number: found "state" renamed, which LOOKUP#STATE of shop.order has in a template,'
        " allowed: the new name in that template, or no renaming",
    ),
    "a dropped attribute that a key needs": (
        '{from: "{orderId}"}',
        '{from: "{orderId}"}\n  state: {drop: true}',
        '7: attributes.state.drop: found "state" dropped, which LOOKUP#STATE of shop.order has in a template,'
        " allowed: another attribute in that template, or no dropping",
    ),
    "drop beside from": (
        '{from: "{orderId}"}',
        '{from: "{orderId}", drop: true}',
        "6: attributes.id: found drop beside from, allowed: drop (and back), or from and otherwise",
    ),
    "nothing to do": (
        '{from: "{orderId}"}',
        '{from: "{orderId}"}\n  x: {back: y}',
        "7: attributes.x: found nothing to do, allowed: from, otherwise, or drop: true",
    ),
    "a way back beside a rename": (
        '{from: "{orderId}"}',
        '{from: "{orderId}", back: x}',
        "6: attributes.id.back: found a way back beside a rename, allowed: none: a rename has its own",
    ),
    "a bad template": (
        "otherwise: none",
        'otherwise: "{x|pad}"',
        '7: attributes.note.otherwise: found the filter "pad", allowed: a length from 1 to 40, such as pad:12',
    ),
    "a class of keys that the design has not": (
        "otherwise: none",
        'otherwise: "{x|spread:user}"',
        '7: attributes.note.otherwise: found the class of keys "user", allowed: order',
    ),
    "a way back alone": (
        "skip: {expired: until}",
        "transform_back: x.py:f",
        None,
    ),
    "a condition that asks nothing": (
        "{expired: until}",
        "{when: {}}",
        "8: skip.when: found a condition that asks nothing, allowed: has, equals, not or any",
    ),
    "a key of another kind": (
        "skip: {expired: until}",
        "skip: {expired: until}\nbackfill: {slow_down_when: {replica_lag: 5s}}",
        "9: backfill.slow_down_when: found an unknown key, allowed: chunk_rows, lanes, segments, write_units",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), MIGRATION.values(), ids=MIGRATION)
def test_one_mistake_in_a_migration_is_one_line(root: Path, old: str, new: str, expected: str | None):
    found = mistakes_with(root, "migrations/orders.yaml", ORDERS, old, new)
    if expected is None:
        assert len(found) == 2
        assert all(line.startswith(("orders.yaml:4: into.", "orders.yaml:8: transform_back: ")) for line in found)
    else:
        assert found == [f"orders.yaml:{expected}"]


def test_a_function_stands_alone_and_in_the_project(root: Path):
    (root / "f.py").touch()
    found = mistakes_with(root, "migrations/orders.yaml", ORDERS, "skip: {expired: until}", "transform: f.py:entity")
    assert found == ["orders.yaml:8: transform: found transform beside attributes, allowed: one of the two"]
    alone = re.sub(r"(?s)attributes:.*", "transform: f.py:entity\n", ORDERS)
    for elsewhere in ("g.py:entity", "../f.py:entity", "/f.py:entity"):
        found = mistakes_with(root, "migrations/orders.yaml", alone, "f.py:entity", elsewhere)
        assert [line.split(", allowed: ")[1] for line in found] == ["a file of this project, by its path from the root"]


INLINE = """\
migration: orders
kind: single_table
from: {store: tyler, table: orders}
into:
  tables: {entity: {name: shop-entity, key: {partition: PK, sort: SK}}}
  records:
    - {record: METADATA, key: {PK: "ORDER#{id}", SK: METADATA}, whole: true}
"""


def test_one_file_is_enough(root: Path):
    path = root / "include/estate/migrations/orders.yaml"
    path.write_text(INLINE)
    orders = read_estate(root).migrations["orders"]
    assert isinstance(orders, SingleTableMigration)
    assert orders.becomes == "shop-entity"
    assert mistakes_with(root, "migrations/orders.yaml", INLINE, "SK: METADATA}", "SK: X, GSI1PK: x}") == [
        "orders.yaml:7: into.records[0].key.GSI1PK: found an attribute of no key, allowed: PK, SK"
    ]
    assert mistakes_with(root, "migrations/orders.yaml", INLINE, "into:", "attributes: {x: {from: '{id}'}}\ninto:") == [
        'orders.yaml:4: attributes.x: found "id" renamed, which METADATA of its records has in a template,'
        " allowed: the new name in that template, or no renaming"
    ]


def test_two_migrations_of_one_entity_are_both_refused(root: Path):
    (root / "include/estate/migrations/again.yaml").write_text(
        ORDERS.replace("migration: orders", "migration: again").replace("table: orders", "table: old-orders")
    )
    with pytest.raises(EstateErrors) as caught:
        read_estate(root)
    assert [(one.field, one.allowed) for one in caught.value.mistakes] == [
        (
            "into.entity",
            f"an entity of no other migration; include/estate/migrations/{other}.yaml:4 has it as into.entity",
        )
        for other in ("orders", "again")
    ]


ROWS = {
    "a key without its column": (
        "key: [id, at]",
        "key: [id, when]",
        '7: into.key[1]: found "when", allowed: at, id, tenant',
    ),
    "a partition without its column": (
        "{range: at,",
        "{range: day,",
        '13: into.partition.range: found "day", allowed: at, id, tenant',
    ),
    "no way to cut": (
        "{range: at, every: month}",
        "{every: month}",
        "13: into.partition: found no way to cut, allowed: exactly one of range, hash, list",
    ),
    "every is missing": (
        "{range: at, every: month}",
        "{range: at}",
        "13: into.partition.every: found nothing, allowed: one of month, week, day",
    ),
    "a column twice": (
        "extra: rest",
        "extra: at",
        '11: into.extra: found "at", allowed: a column of its own, not one of `columns`',
    ),
    "the tenant's column again": (
        "extra: rest",
        "extra: tenant",
        '11: into.extra: found "tenant", allowed: another column than the tenant\'s',
    ),
    "a store of another engine": (
        "store: certify",
        "store: tyler",
        '5: into.store: found "tyler", which runs on dynamodb, allowed: certify',
    ),
    "a table without schema": (
        "app.log",
        "log",
        '6: into.table: found "log", allowed: schema.name, each part at most 63 bytes and in "…" if it holds other than'
        " letters, digits, _ and $",
    ),
    "a bad template": (
        "{logId}",
        "{logId",
        '9: into.columns.id.from: found "{" alone, allowed: {attribute}, or {{ and }} for braces themselves',
    ),
    "a class of keys": (
        "{logId}",
        "{logId|spread:x}",
        '9: into.columns.id.from: found the class of keys "x",'
        " allowed: a class of keys under `spread`, where there is none",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), ROWS.values(), ids=ROWS)
def test_one_mistake_on_the_way_into_postgres_is_one_line(root: Path, old: str, new: str, expected: str):
    assert mistakes_with(root, "migrations/log.yaml", LOG, old, new) == [f"log.yaml:{expected}"]


def test_a_design_can_be_read_alone(root: Path):
    path = root / "include/estate/shop.yaml"
    assert read_model(path).entities.keys() == {"order"}
    path.write_text(SHOP.replace("SK: METADATA", "SX: METADATA"))
    with pytest.raises(EstateErrors, match=r"shop\.yaml:15: .*key\.SX: found an attribute of no key"):
        read_model(path)


class Teleport(Migration):
    """A kind that nobody has built."""

    @property
    def becomes(self) -> str:
        return "elsewhere"


def test_what_cannot_be_moved_yet_is_said_before_anything_is_touched():
    far = Teleport.model_construct(name="far", kind="teleport", source=Origin(store="shop", table="app.things"))
    with pytest.raises(NoSuchKind, match=r"^far is of kind teleport, .+ Nothing was changed in app.things\.$"):
        open_kind(far, lambda purpose: pytest.fail(f"opened a connection for {purpose}"))


SAMPLE_FILES = (
    *sorted(SAMPLES.glob("*.yaml")),
    ROOT / "include/estate/estate.yaml",
    ROOT / "include/estate/tyler.yaml",
)


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.stem)
def test_samples_point_at_their_schema_and_keep_it(path: Path):
    first = path.read_text().splitlines()[0]
    schema = (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve()
    assert schema.parent == ROOT / "include/estate/schema"
    values = json.loads(json.dumps(document.open_document(path, path.name).values))
    checker = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    checker.validate(values)
    with pytest.raises(jsonschema.ValidationError):
        checker.validate({**values, "no_such_field": 1})


def test_the_schema_judges_each_kind_by_its_own_fields():
    schema = json.loads((ROOT / "include/estate/schema/migration.json").read_text())
    checker = jsonschema.Draft202012Validator(schema)
    users = yaml.safe_load((SAMPLES / "tyler_users.yaml").read_text())
    assert [error.message for error in checker.iter_errors({**users, "into": {"table": "app.x"}})] == [
        "Additional properties are not allowed ('table' was unexpected)"
    ]
    assert list(checker.iter_errors({**users, "kind": "same_cluster"}))


def test_every_sample_is_read(tmp_path: Path):
    lay_out(tmp_path)
    assert [path.stem for path in migration_files(tmp_path)] == list(sample_estate().migrations)
    kinds = {name: one.kind for name, one in sample_estate().migrations.items()}
    assert kinds.pop("tyler_audit_log") == "into_postgres"
    assert set(kinds.values()) == {"single_table"}
    assert len(kinds) == 5


def test_every_index_key_of_the_design_stands_in_its_page():
    page = (ROOT / "docs/reference/tyler-model.md").read_text()
    for entity, design in read_model(ROOT / "include/estate/tyler.yaml").entities.items():
        for rule in design.records:
            for name, template in rule.key.items():
                if re.fullmatch("GSI.PK", name):
                    assert f"`{template}`" in page.replace("\\|", "|"), f"{entity} {rule.record}: {template}"


def test_a_draft_is_for_a_table_of_postgresql(root: Path):
    with pytest.raises(CannotDraft, match=r"^tyler runs on dynamodb, and only tables of PostgreSQL are drafted"):
        init_migration(root, "tyler.app.orders", "plain", lambda connection: pytest.fail(f"asked for {connection}"))
