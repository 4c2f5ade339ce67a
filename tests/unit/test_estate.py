"""Wrong files, one mistake each and many at once, and the very words that a person gets to read."""

from __future__ import annotations

import pickle
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from sluice.errors import Terminal
from sluice.estate import EstateErrors, claimed_twice, migration_files, read_estate, read_migration, read_stores
from sluice.estate.models import SameClusterMigration

ESTATE = """\
estate: shop
vault: {connection: s3_vault, bucket: shop-vault}
ledger: {connection: sluice_ledger}
stores:
  shop: {engine: postgres, connection: pg_shop, rto: 5m, rpo: 30s, pool_slots: 4}
"""
ORDERS = """\
migration: orders
from: {store: shop, table: app.orders}
into:
  table: app.orders_by_month
  partition: {range: placed_at, every: month}
  months_ahead: 3
accept: [weaker_key]
backfill:
  lanes: 2
  chunk_rows: 20000
  slow_down_when: {replica_lag: 5s}
gates: {verified: [order_rules]}
cutover:
  window: {days: [mon, tue], from: "09:00", to: "16:00"}
  freeze: [2026-12-20..2027-01-03]
keep_old_for: 7d
"""
MIGRATION_KEYS = "migration, kind, from, into, accept, backfill, gates, cutover, keep_old_for"
SORTED_KEYS = "accept, backfill, cutover, from, gates, into, keep_old_for, kind, migration"
TABLE = 'schema.name, each part at most 63 bytes and in "…" if it holds other than letters, digits, _ and $'
CONNECTION = "the id of an Airflow connection, such as pg_certify, never its address"
NAME = "1 to 40 of a-z, 0-9 and _"
LONG = "c" * 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of one store, one migration and two suites."""
    (tmp_path / "include/estate/migrations").mkdir(parents=True)
    (tmp_path / "expectations").mkdir()
    for suite in ("order_rules", "order_freshness"):
        (tmp_path / f"expectations/{suite}.json").write_text("{}")
    write_estate(tmp_path, ESTATE)
    write_migration(tmp_path, "orders", ORDERS)
    return tmp_path


def write_estate(root: Path, text: str | bytes) -> None:
    (root / "include/estate/estate.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())


def write_migration(root: Path, name: str, text: str | bytes) -> Path:
    path = root / f"include/estate/migrations/{name}.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mistakes_in(root: Path) -> list[str]:
    """What reading finds wrong, without the folder that all messages begin with."""
    with pytest.raises(EstateErrors) as caught:
        read_estate(root)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("include/estate/") for line in lines)
    return [line.replace("include/estate/", "").replace("migrations/", "") for line in lines]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} is to be changed once"
    return text.replace(old, new)


def test_a_good_estate_is_read_as_written(root: Path):
    estate = read_estate(root)
    orders = estate.migrations["orders"]
    assert estate.stores["shop"].rpo == timedelta(seconds=30)
    assert (orders.source.table, orders.target.partition.column) == ("app.orders", "placed_at")
    assert orders.backfill.slow_down_when.replica_lag == timedelta(seconds=5)
    assert orders.gates.verified == ("order_rules",)
    assert orders.cutover.lock_timeout == timedelta(milliseconds=50)
    assert orders.partition_schema == "app_partitions"
    assert orders.kind == "same_cluster"


ONE_MISTAKE = {
    # What is changed, into what, and the one line that a person gets.
    "not a number": (
        "lanes: 2",
        "lanes: many",
        '9: backfill.lanes: found "many", allowed: a whole number from 1 to 16',
    ),
    "too large": ("lanes: 2", "lanes: 99", "9: backfill.lanes: found 99, allowed: a whole number from 1 to 16"),
    "too small": ("lanes: 2", "lanes: 0", "9: backfill.lanes: found 0, allowed: a whole number from 1 to 16"),
    "number in quotes": (
        "lanes: 2",
        'lanes: "2"',
        '9: backfill.lanes: found "2", allowed: a whole number from 1 to 16',
    ),
    "fraction": ("lanes: 2", "lanes: 2.5", "9: backfill.lanes: found 2.5, allowed: a whole number from 1 to 16"),
    "true for one": ("lanes: 2", "lanes: true", "9: backfill.lanes: found true, allowed: a whole number from 1 to 16"),
    "a key left empty": (
        "lanes: 2",
        "lanes:",
        "9: backfill.lanes: found nothing, allowed: a whole number from 1 to 16",
    ),
    "a number of 5000 digits": (
        "lanes: 2",
        "lanes: " + "9" * 5000,
        f'9: backfill.lanes: found "{"9" * 60}…", allowed: a whole number from 1 to 16',
    ),
    "unknown key": (
        "lanes: 2",
        "lane: 2",
        "9: backfill.lane: found an unknown key, allowed: chunk_rows, lanes, slow_down_when; did you mean lanes?",
    ),
    "unknown key, far from any": (
        "keep_old_for: 7d",
        "zzz: 7d",
        f"16: zzz: found an unknown key, allowed: {SORTED_KEYS}",
    ),
    "the name that code uses": (
        "from: {store: shop, table: app.orders}",
        "from: {store: shop, table: app.orders}\nname: orders",
        f"3: name: found an unknown key, allowed: {SORTED_KEYS}",
    ),
    "merge key": (
        "keep_old_for: 7d",
        "<<: {keep_old_for: 7d}",
        f'16: "<<": found an unknown key, allowed: {SORTED_KEYS}',
    ),
    "missing key": (
        ", every: month",
        "",
        "5: into.partition.every: found nothing, allowed: one of month, week, day",
    ),
    "another word": (
        "every: month",
        "every: year",
        '5: into.partition.every: found "year", allowed: one of month, week, day; or null',
    ),
    "two ways to cut": (
        "every: month",
        "every: month, hash: id",
        "5: into.partition: found range and hash, allowed: exactly one of range, hash, list",
    ),
    "parts without a hash": (
        "every: month",
        "every: month, parts: 4",
        "5: into.partition.parts: found 4, allowed: nothing beside range",
    ),
    "a cut below a range": (
        "every: month",
        "every: month, then: {hash: id, parts: 4}",
        "5: into.partition.then: found a cut below a range, allowed: a cut below list or hash",
    ),
    "a kind nearly right": (
        "migration: orders",
        "migration: orders\nkind: single_tabel",
        '2: kind: found "single_tabel", allowed: into_postgres, same_cluster, single_table; did you mean single_table?',
    ),
    "a column's name too long": (
        "  months_ahead: 3",
        f"  columns: {{{'c' * 64}: {{drop: true}}}}",
        f'6: into.columns."{LONG}…": found "{LONG}…", allowed: a name as the catalogue has it, at most 63 bytes',
    ),
    "unknown kind": (
        "migration: orders",
        "migration: orders\nkind: teleport",
        '2: kind: found "teleport", allowed: into_postgres, same_cluster, single_table',
    ),
    "mapping expected": (
        "gates: {verified: [order_rules]}",
        "gates: order_rules",
        '12: gates: found "order_rules", allowed: a mapping with verified, cut_over, freshness, shadow',
    ),
    "mapping left empty": (
        "gates: {verified: [order_rules]}",
        "gates:",
        "12: gates: found nothing, allowed: a mapping with verified, cut_over, freshness, shadow",
    ),
    "list expected": (
        "accept: [weaker_key]",
        "accept: weaker_key",
        '7: accept: found "weaker_key", allowed: a list of 0 to 50, each the code of a preflight finding,'
        " such as weaker_key",
    ),
    "mapping in a list": (
        "accept: [weaker_key]",
        "accept:\n  - weaker_key\n  - {code: x}",
        "9: accept[1]: found a mapping, allowed: the code of a preflight finding, such as weaker_key",
    ),
    "unknown store": (
        "store: shop",
        "store: shp",
        '2: from.store: found "shp", allowed: shop; did you mean shop?',
    ),
    "unknown suite": (
        "[order_rules]",
        "[order_rules, order_rulez]",
        '12: gates.verified[1]: found "order_rulez", allowed: order_freshness, order_rules; did you mean order_rules?',
    ),
    "a suite out of the folder": (
        "[order_rules]",
        "[../secrets]",
        '12: gates.verified[0]: found "../secrets", allowed: the name of a file expectations/<name>.json',
    ),
    "name of another": (
        "migration: orders",
        "migration: invoices",
        '1: migration: found "invoices", allowed: orders, as the file is named',
    ),
    "same table": (
        "app.orders_by_month",
        'APP."orders"',
        '4: into.table: found "APP.\\"orders\\"", allowed: another table than from.table',
    ),
    "table without schema": (
        "table: app.orders_by_month",
        "table: orders_by_month",
        f'4: into.table: found "orders_by_month", allowed: {TABLE}',
    ),
    "table with NUL": (
        "table: app.orders_by_month",
        'table: "app.\\"a\\0b\\""',
        f'4: into.table: found "app.\\"a\\u0000b\\"", allowed: {TABLE}',
    ),
    "schema too long for its partitions": (
        "app.orders}",
        f"{'a' * 53}.orders}}",
        f'3: into.partition_schema: found nothing, allowed: a name, as the default "{"a" * 53}_partit…"'
        " is longer than 63 bytes",
    ),
    "column too long": (
        "range: placed_at",
        f"range: {'c' * 64}",
        f'5: into.partition.range: found "{"c" * 60}…", allowed: a name as the catalogue has it, at most 63 bytes; or null',
    ),
    "no unit": (
        "keep_old_for: 7d",
        "keep_old_for: 7",
        "16: keep_old_for: found 7, allowed: a duration from 1m to 3650d, in ms, s, m, h or d",
    ),
    "duration out of range": (
        "replica_lag: 5s",
        "replica_lag: 5ms",
        '11: backfill.slow_down_when.replica_lag: found "5ms",'
        " allowed: a duration from 10ms to 1h, in ms, s, m, h or d; or null",
    ),
    "unknown day": (
        "[mon, tue]",
        "[mon, tuesday]",
        '14: cutover.window.days[1]: found "tuesday", allowed: one of mon, tue, wed, thu, fri, sat, sun',
    ),
    "no day": (
        "[mon, tue]",
        "[]",
        "14: cutover.window.days: found a list, allowed: a list of 1 to 7,"
        " each one of mon, tue, wed, thu, fri, sat, sun",
    ),
    "no such time": (
        '"16:00"',
        '"24:00"',
        '14: cutover.window.to: found "24:00", allowed: a time of the day in UTC from "00:00" to "23:59"',
    ),
    "a window of no length": (
        '"16:00"',
        '"09:00"',
        '14: cutover.window.to: found "09:00", allowed: another time than from (for the whole day: 00:00 to 00:00)',
    ),
    "freeze backwards": (
        "2026-12-20..2027-01-03",
        "2027-01-03..2026-12-20",
        '15: cutover.freeze[0]: found "2027-01-03..2026-12-20",'
        " allowed: a day, or the first and last of several: 2026-12-20..2027-01-03",
    ),
    "no such day": (
        "2026-12-20..2027-01-03",
        "2026-02-30",
        '15: cutover.freeze[0]: found "2026-02-30",'
        " allowed: a day, or the first and last of several: 2026-12-20..2027-01-03",
    ),
    "yes for true": (
        "cutover:",
        "cutover:\n  approver_is_not_requester: yes",
        '14: cutover.approver_is_not_requester: found "yes", allowed: true or false',
    ),
    "key twice": (
        "  lanes: 2",
        "  lanes: 2\n  lanes: 3",
        "10: backfill.lanes: found the key a second time, allowed: each key once",
    ),
    "a list as key": ("lanes: 2", "[a]: 2", "9: backfill: found a key that is no word, allowed: words as keys"),
    "a tag": ("lanes: 2", "lanes: 2\n  chunk: !!python/name:os.system x", None),
}


@pytest.mark.parametrize(("old", "new", "expected"), ONE_MISTAKE.values(), ids=ONE_MISTAKE)
def test_one_mistake_is_one_line(root: Path, old: str, new: str, expected: str | None):
    write_migration(root, "orders", changed(ORDERS, old, new))
    if expected is None:
        assert any("found a tag (!), allowed: a plain value" in line for line in mistakes_in(root))
    else:
        assert mistakes_in(root) == [f"orders.yaml:{expected}"]


WHOLE = f"found nothing, allowed: a mapping with {MIGRATION_KEYS}"
NO_YAML = {
    "empty": (b"", f"1: the file: {WHOLE}"),
    "only a comment": (b"# soon\n", f"1: the file: {WHOLE}"),
    "only null": (b"~", f"1: the file: {WHOLE}"),
    "a list": (b"[1, 2]", f"1: the file: found a list, allowed: a mapping with {MIGRATION_KEYS}"),
    "a word": (b"hello", f'1: the file: found "hello", allowed: a mapping with {MIGRATION_KEYS}'),
    "a tab": (
        ORDERS.replace("  lanes", "\tlanes").encode(),
        "9: the file: found a tab before the text, allowed: spaces for indentation",
    ),
    "NUL": (
        ORDERS.replace("lanes: 2", "lanes: \0").encode(),
        "9: the file: found the character U+0000, allowed: printable text",
    ),
    "escape": (b"a: \x1b[2J", "1: the file: found the character U+001B, allowed: printable text"),
    "Latin-1": (
        "migration: orders\n# café".encode("latin-1"),
        "2: the file: found bytes that are no UTF-8, allowed: text in UTF-8",
    ),
    "UTF-16": (
        "migration: orders".encode("utf-16"),
        "1: the file: found bytes that are no UTF-8, allowed: text in UTF-8",
    ),
    "no closing bracket": (
        b"migration: orders\nfrom: {store: shop\n",
        "2: the file: found a mistake in the YAML (while parsing a flow mapping, did not find expected ',' or '}'),"
        " allowed: well-formed YAML",
    ),
    "two documents": (
        b"a: 1\n---\nb: 2\n",
        "2: the file: found a mistake in the YAML (expected a single document in the stream, but found another document),"
        " allowed: well-formed YAML",
    ),
    "unknown alias": (
        b"from: *nobody\n",
        "1: the file: found a mistake in the YAML (found undefined alias), allowed: well-formed YAML",
    ),
    "deep": (b"[" * 900_000, "1: the file: found mappings nested too deeply, allowed: at most 50 levels"),
    "huge": (b"#" * 1_000_001, "1: the file: found more than 1 MB, allowed: at most 1 MB"),
}


@pytest.mark.parametrize(("content", "expected"), NO_YAML.values(), ids=NO_YAML)
def test_what_is_no_mapping_in_yaml_is_one_mistake(root: Path, content: bytes, expected: str):
    write_migration(root, "orders", content)
    assert mistakes_in(root) == [f"orders.yaml:{expected}"]


TABLES = "pool_slots: 4}\n  docs: {engine: dynamodb, connection: aws_shop, rto: 5m, rpo: 30s,\n         "
WRONG_ESTATE = {
    "unknown engine": (
        "engine: postgres",
        "engine: oracle",
        ['estate.yaml:5: stores.shop.engine: found "oracle", allowed: one of postgres, dynamodb'],
    ),
    "no stores": (
        "  shop: {engine: postgres, connection: pg_shop, rto: 5m, rpo: 30s, pool_slots: 4}\n",
        "",
        ["estate.yaml:4: stores: found nothing, allowed: a mapping of names, at least one"],
    ),
    "a store's odd name": (
        "  shop:",
        "  Shop A:",
        [
            f'estate.yaml:5: stores."Shop A": found "Shop A", allowed: {NAME}',
            'orders.yaml:2: from.store: found "shop", allowed: Shop A; did you mean Shop A?',
        ],
    ),
    "migrations in the wrong file": (
        "estate: shop",
        "estate: shop\nmigrations: {}",
        [
            "estate.yaml:2: migrations: found an unknown key, allowed: airflow, alerts, contacts, costs, estate, insight,"
            " ledger, notify, reserved, stores, vault"
        ],
    ),
    "a channel that leads to nobody": (
        "estate: shop",
        "estate: shop\nnotify: [{kind: sns, connection: aws}]",
        ["estate.yaml:2: notify[0].to: found nothing, allowed: a list with the ARN of the topic"],
    ),
    "mail to nobody": (
        "estate: shop",
        "estate: shop\nnotify: [{kind: smtp, connection: mail, to: []}]",
        ["estate.yaml:2: notify[0].to: found nothing, allowed: a list with an address at least"],
    ),
    "one channel for two topics": (
        "estate: shop",
        "estate: shop\nnotify: [{kind: sns, connection: aws, to: [a, b]}]",
        ["estate.yaml:2: notify[0].to: found several, allowed: one topic; a channel for each"],
    ),
    "a channel that cannot be led elsewhere": (
        "estate: shop",
        "estate: shop\nnotify: [{kind: slack, connection: ops, to: ['#ops']}]",
        ["estate.yaml:2: notify[0].to: found a list, allowed: none with slack: its connection says to whom"],
    ),
    "a backup of another way": (
        "pool_slots: 4}",
        "backup: {by: logical, connection: pg_backup, window: 7d}}",
        [
            'estate.yaml:5: stores.shop.backup.window: found "7d", allowed: none with logical:'
            " it is a field of physical or documents",
            'estate.yaml:5: stores.shop.rpo: found "30s",'
            " allowed: 1d or more with a backup by logical: between two dumps nothing is kept",
        ],
    ),
    "a second copy where the data may not be, and one that is none": (
        "rpo: 30s, pool_slots: 4}",
        "rpo: 1d, residency: {group: eu, also: [eu-west-2]},"
        " backup: {by: physical, connection: pg_backup,"
        " elsewhere: {connection: s3_vault, bucket: shop-vault, region: us-west-2}}}",
        [
            'estate.yaml:5: stores.shop.backup.elsewhere.bucket: found "shop-vault", allowed: another bucket than the vault\'s',
            'estate.yaml:5: stores.shop.backup.elsewhere.region: found "us-west-2",'
            " allowed: eu-central-1, eu-north-1, eu-south-1, eu-south-2, eu-west-1, eu-west-2, eu-west-3, as `residency` says,"
            " or one that it allows (`also`)",
        ],
    ),
    "an instance, and snapshots of it, where the data may not be": (
        "rpo: 30s, pool_slots: 4}",
        "rpo: 1d, residency: {group: eu}, backup: {by: rds, connection: pg_backup, service: aws, instance: shop,"
        " region: eu-west-2, copies: [{region: eu-west-1}, {region: us-east-1}]}}",
        [
            f'estate.yaml:5: stores.shop.backup.{where}: found "{region}",'
            " allowed: eu-central-1, eu-north-1, eu-south-1, eu-south-2, eu-west-1, eu-west-3, as `residency` says,"
            " or one that it allows (`also`)"
            for where, region in (("copies[1].region", "us-east-1"), ("region", "eu-west-2"))
        ],
    ),
    "a backup that lacks its stanza": (
        "pool_slots: 4}",
        "backup: {by: pgbackrest, connection: pg_backup}}",
        ["estate.yaml:5: stores.shop.backup.stanza: found nothing, allowed: its stanza, with pgbackrest"],
    ),
    "tables that are backed up twice, rarely and as no server": (
        "pool_slots: 4}",
        f"{TABLES}backup: {{by: documents, connection: aws_shop, tables: [orders, orders], every: 1m, jobs: 2, days: 7}}}}",
        [
            "estate.yaml:7: stores.docs.backup.days: found 7, allowed: none with documents: it is a field of service",
            'estate.yaml:7: stores.docs.backup.every: found "1m",'
            " allowed: no more than the store's rpo, 30s: what came in since the last read can be lost",
            "estate.yaml:7: stores.docs.backup.jobs: found 2, allowed: none with documents: it is a field of logical or neon",
            'estate.yaml:7: stores.docs.backup.tables[1]: found "orders", allowed: each table once',
        ],
    ),
    "a backup in RDS that lacks its instance, promises too much and copies home": (
        "pool_slots: 4}",
        "backup: {by: rds, connection: pg_backup, service: aws, region: eu-west-1, stanza: x, copies: [{region: eu-west-1}]}}",
        [
            'estate.yaml:5: stores.shop.backup.copies[0].region: found "eu-west-1",'
            " allowed: another region: each is named once",
            "estate.yaml:5: stores.shop.backup.instance: found nothing, allowed: its instance, with rds",
            'estate.yaml:5: stores.shop.backup.stanza: found "x", allowed: none with rds: it is a field of pgbackrest',
            'estate.yaml:5: stores.shop.rpo: found "30s",'
            " allowed: 10m or more with a backup by rds: it brings its log away every five minutes",
        ],
    ),
    "a backup at Neon that lacks its project": (
        "pool_slots: 4}",
        "backup: {by: neon, connection: pg_backup, service: neon, instance: shop}}",
        [
            'estate.yaml:5: stores.shop.backup.instance: found "shop", allowed: none with neon: it is a field of rds',
            "estate.yaml:5: stores.shop.backup.project: found nothing, allowed: its project, with neon",
        ],
    ),
    "tables that the service backs up, of which none is named": (
        "pool_slots: 4}",
        f"{TABLES}backup: {{by: service, connection: aws_shop}}}}",
        [
            'estate.yaml:6: stores.docs.rpo: found "30s",'
            " allowed: 10m or more with a backup by service: its history is some five minutes behind",
            "estate.yaml:7: stores.docs.backup.tables: found nothing, allowed: its tables, with service",
        ],
    ),
    "tables that are backed up as a server is": (
        "pool_slots: 4}",
        f"{TABLES}backup: {{by: physical, connection: aws_shop}}}}",
        ['estate.yaml:7: stores.docs.backup.by: found "physical", allowed: documents or service'],
    ),
    "a rule for copies that is not there": (
        "pool_slots: 4}",
        "backup: {by: physical, connection: pg_backup, checks: {app.orders: {suites: [odd_rules]}}}}",
        [
            'estate.yaml:5: stores.shop.backup.checks."app.orders".suites[0]: found "odd_rules",'
            " allowed: order_freshness, order_rules; did you mean order_rules?"
        ],
    ),
    "bucket": (
        "shop-vault",
        "Shop_Vault",
        [
            'estate.yaml:2: vault.bucket: found "Shop_Vault",'
            " allowed: an S3 bucket's name: 3 to 63 of a-z, 0-9, . and -"
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), WRONG_ESTATE.values(), ids=WRONG_ESTATE)
def test_mistakes_in_the_estate_file(root: Path, old: str, new: str, expected: list[str]):
    write_estate(root, changed(ESTATE, old, new))
    assert mistakes_in(root) == expected


def test_all_mistakes_of_all_files_come_at_once(root: Path):
    write_estate(root, changed(ESTATE, "pool_slots: 4", "pool_slots: 0"))
    write_migration(root, "orders", ORDERS.replace("lanes: 2", "lanes: many").replace("store: shop", "store: shp"))
    write_migration(root, "broken", "migration: [")
    assert [line.split(": found")[0] for line in mistakes_in(root)] == [
        "estate.yaml:5: stores.shop.pool_slots",
        "broken.yaml:1: the file",
        "orders.yaml:2: from.store",
        "orders.yaml:9: backfill.lanes",
    ]


def test_without_an_estate_file_the_migrations_are_still_read(root: Path):
    (root / "include/estate/estate.yaml").unlink()
    write_migration(root, "orders", changed(ORDERS, "lanes: 2", "lanes: 99"))
    assert mistakes_in(root) == [
        "estate.yaml:1: the file: found nothing to read (No such file or directory), allowed: a file in YAML",
        "orders.yaml:9: backfill.lanes: found 99, allowed: a whole number from 1 to 16",
    ]


@pytest.mark.parametrize("name", ["Orders", "orders-2", "a" * 41, "orders.v2", "bestellung_ä"])
def test_a_name_must_do_for_a_dag_id(root: Path, name: str):
    (root / "include/estate/migrations/orders.yaml").unlink()
    write_migration(root, name, changed(ORDERS, "migration: orders", f"migration: {name}"))
    assert mistakes_in(root) == [f'{name}.yaml:1: migration: found "{name}", allowed: {NAME}']


def test_yml_is_refused_and_not_passed_over(root: Path):
    path = root / "include/estate/migrations/orders.yaml"
    path.rename(path.with_suffix(".yml"))
    assert mistakes_in(root) == ['orders.yml:1: the file: found the file name "orders.yml", allowed: orders.yaml']


def test_a_directory_is_no_migration(root: Path):
    (root / "include/estate/migrations/folder.yaml").mkdir()
    assert mistakes_in(root) == [
        "folder.yaml:1: the file: found nothing to read (Is a directory), allowed: a file in YAML"
    ]


def test_two_migrations_of_one_table_are_both_refused(root: Path):
    invoices = ORDERS.replace("migration: orders", "migration: invoices").replace("app.orders}", "app.invoices}")
    write_migration(root, "invoices", changed(invoices, "app.orders_by_month", "'\"app\".ORDERS_by_month'"))
    elsewhere = "a table of no other migration; include/estate/migrations/{}.yaml:4 has it as into.table"
    assert mistakes_in(root) == [
        line.replace("include/estate/", "").replace("migrations/", "")
        for line in (
            'invoices.yaml:4: into.table: found "\\"app\\".ORDERS_by_month", allowed: ' + elsewhere.format("orders"),
            'orders.yaml:4: into.table: found "app.orders_by_month", allowed: ' + elsewhere.format("invoices"),
        )
    ]


def test_a_copy_that_nobody_has_edited_yet_does_not_stop_the_original(root: Path):
    copy = write_migration(root, "invoices", ORDERS)
    stores = read_stores(root)
    original = root / "include/estate/migrations/orders.yaml"
    assert read_migration(original, stores).name == "orders"
    with pytest.raises(EstateErrors) as caught:
        read_migration(copy, stores)
    assert [(m.line, m.field, m.allowed.split(";")[0]) for m in caught.value.mistakes] == [
        (1, "migration", "a name of its own"),
        (1, "migration", "invoices, as the file is named"),
    ]
    assert claimed_twice(original) == [], "a file under a wrong name claims nothing"
    assert [(m.line, m.field) for m in claimed_twice(copy)] == [(2, "from.table"), (4, "into.table")]


def test_a_second_file_for_a_table_leaves_the_first_readable_and_both_are_named(root: Path):
    second = write_migration(root, "again", changed(ORDERS, "migration: orders", "migration: again"))
    first, stores = root / "include/estate/migrations/orders.yaml", read_stores(root)
    assert [read_migration(path, stores).name for path in (first, second)] == ["orders", "again"]
    for path, other in ((first, second), (second, first)):
        told = claimed_twice(path)
        assert [(m.line, m.field) for m in told] == [(2, "from.table"), (4, "into.table")]
        assert all(path.name in m.file and f"migrations/{other.name}:" in m.allowed for m in told)
    assert len(mistakes_in(root)) == 4, "whoever reads the whole estate is told"


def test_the_names_that_code_uses_are_unknown_in_a_file(root: Path):
    write_migration(root, "orders", changed(ORDERS, "range: placed_at", "column: placed_at"))
    assert mistakes_in(root) == [
        "orders.yaml:5: into.partition: found no way to cut, allowed: exactly one of range, hash, list",
        "orders.yaml:5: into.partition.column: found an unknown key, allowed: every, hash, list, parts, range, then",
    ]


def test_a_bad_migration_fails_itself_and_no_other(root: Path):
    bad = write_migration(root, "bad", "migration: bad\nfrom: {")
    stores = read_stores(root)
    assert stores.migrations == {}
    assert [path.name for path in migration_files(root)] == ["bad.yaml", "orders.yaml"]
    assert read_migration(root / "include/estate/migrations/orders.yaml", stores).name == "orders"
    with pytest.raises(EstateErrors):
        read_migration(bad, stores)


def test_a_mended_file_is_read_afresh(root: Path):
    path = write_migration(root, "orders", changed(ORDERS, "lanes: 2", "lanes: x"))
    with pytest.raises(EstateErrors):
        read_migration(path, read_stores(root))
    write_migration(root, "orders", changed(ORDERS, "lanes: 2", "lanes: 3"))
    assert read_migration(path, read_stores(root)).backfill.lanes == 3


def test_a_relative_path_will_do(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(root / "include/estate/migrations")
    assert read_migration(Path("orders.yaml"), read_stores(root)).name == "orders"


def test_anchors_and_plain_words_are_read_as_meant(root: Path):
    text = changed(ORDERS, "accept: [weaker_key]", "accept: &codes [weaker_key, &no no]")
    text = changed(
        text, "gates: {verified: [order_rules]}", "gates: {verified: [&suite order_rules], cut_over: [*suite]}"
    )
    text = changed(text, '"16:00"', "16:00")
    write_migration(root, "orders", "\ufeff" + text)
    orders = read_estate(root).migrations["orders"]
    assert orders.accept == ("weaker_key", "no")
    assert orders.gates.verified == orders.gates.cut_over == ("order_rules",)
    assert orders.cutover.window is not None
    assert f"{orders.cutover.window}" == "mon-tue 09:00–16:00 UTC"


def test_aliases_of_aliases_cost_nothing(root: Path):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for one, next_one in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        bomb += f"{next_one}: &{next_one} [{','.join([f'*{one}'] * 9)}]\n"
    write_migration(root, "orders", bomb + "accept: *m\nself: &self [*self]\n")
    assert len(mistakes_in(root)) == 3 + 13 + 9 + 1  # fields that are missing, unknown keys, lists in accept, self


def test_a_flood_of_mistakes_is_cut_short(root: Path):
    write_migration(root, "orders", changed(ORDERS, "[weaker_key]", f"[{','.join(['A'] * 300)}]"))
    lines = mistakes_in(root)
    assert len(lines) == 201
    assert lines[0] == "orders.yaml:1: the file: found 100 more mistakes, allowed: none; mend these first"


SECRET = "hunter2"
PASTED = {
    "dsn as connection": ("connection: pg_shop", f"connection: postgresql://mover:{SECRET}@db.example:5432/shop"),
    "key words as connection": ("connection: pg_shop", f"connection: host=db password={SECRET}"),
    "password as connection": ("connection: pg_shop", f"connection: '{SECRET}!'"),
    "a mapping as connection": ("connection: pg_shop", f"connection: {{password: {SECRET}}}"),
    "dsn as a key": ("rpo: 30s", f'"postgresql://mover:{SECRET}@db/shop": 30s'),
    "dsn as engine": ("engine: postgres", f"engine: postgresql://mover:{SECRET}@db/shop"),
    "an unknown password": ("rpo: 30s", f"rpo: 30s, password: {SECRET}"),
    "broken yaml": ("rpo: 30s", f"rpo: 30s, password: *{SECRET}"),
    "unclosed": ("rpo: 30s", f"rpo: 30s, password: '{SECRET}"),
}


@pytest.mark.parametrize(("old", "new"), PASTED.values(), ids=PASTED)
def test_a_secret_is_never_shown(root: Path, old: str, new: str):
    write_estate(root, changed(ESTATE, old, new))
    with pytest.raises(EstateErrors) as caught:
        read_stores(root)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value)


def test_a_pasted_address_is_refused_with_the_way_out(root: Path):
    write_estate(root, changed(ESTATE, "pg_shop", "postgresql://u:p@h/d"))
    assert mistakes_in(root) == [
        "estate.yaml:5: stores.shop.connection: found something else (not shown, as it may hold a password),"
        f" allowed: {CONNECTION}"
    ]


def test_errors_are_terminal_and_survive_a_pickle(root: Path):
    write_migration(root, "orders", "")
    with pytest.raises(Terminal) as caught:
        read_estate(root)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_without_migrations_there_are_none(root: Path):
    (root / "include/estate/migrations/orders.yaml").unlink()
    (root / "include/estate/migrations").rmdir()
    assert read_estate(root).migrations == {}


def test_editors_leavings_are_no_migrations(root: Path):
    for name in (".orders.yaml.swp", ".#orders.yaml", "orders.yaml~", "README.md"):
        (root / f"include/estate/migrations/{name}").write_text("x")
    assert list(read_estate(root).migrations) == ["orders"]


def test_a_migration_is_frozen_and_survives_json(root: Path):
    orders = read_estate(root).migrations["orders"]
    with pytest.raises(ValueError, match="frozen"):
        orders.name = "other"  # type: ignore[misc]
    text = orders.model_dump_json(by_alias=True)
    assert '"keep_old_for":"7d"' in text
    assert SameClusterMigration.model_validate_json(text) == orders
