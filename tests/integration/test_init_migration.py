"""A migration's YAML, written from the catalogue: it can be read, and says what preflight thinks."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from sluice.estate import read_estate
from sluice.local.init_migration import CannotDraft, init_migration
from sluice.stores.postgres import connect

ROOT = Path(__file__).parents[2]
SHAPES = {
    "monthly:placed at": "range: placed at, every: month",
    "weekly:placed at": "every: week",
    "daily:placed at": "every: day",
    "hash:id:4": "hash: id, parts: 4",
    "list:state": "list: state",
    "plain": "{table:",
}


@pytest.fixture
def root(tmp_path):
    """A project of its own, without migrations."""
    (tmp_path / "include/estate/migrations").mkdir(parents=True)
    shutil.copy(ROOT / "include/estate/estate.yaml", tmp_path / "include/estate/estate.yaml")
    return tmp_path


@pytest.fixture
def draft(database, root):
    """A function that drafts a migration of a table with a difficult name."""
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute("""CREATE TABLE app."Big Orders" (id bigint PRIMARY KEY, "placed at" timestamptz NOT NULL, state text NOT NULL,
                     exotic int4range)""")
        c.execute("""INSERT INTO app."Big Orders" SELECT i, now(), 's' || i % 3 FROM generate_series(1, 50) i""")
        c.execute("""ALTER TABLE app."Big Orders" OWNER TO certify_owner""")

    def write(table: str, into: str):
        return init_migration(root, table, into, lambda _: connect(database.dsn(), purpose="draft"))

    return write


@pytest.mark.parametrize("into", SHAPES)
def test_every_shape_can_be_read_back(draft, root, into):
    path, found = draft('certify.app."Big Orders"', into)
    text = path.read_text()
    assert path == root / "include/estate/migrations/big_orders.yaml"
    assert SHAPES[into] in text.replace("'", "")
    migration = read_estate(root).migrations["big_orders"]
    assert migration.source.table == 'app."Big Orders"'
    assert "#   exotic  int4range" in text
    assert ("[weaker_key]" in text) == ("id" not in into and into != "plain")
    assert not [one for one in found if one.blocks and not one.acceptable]


def test_what_preflight_refuses_stands_in_the_file(draft):
    path, _ = draft('certify.app."Big Orders"', "monthly:state")
    assert "#   [not_dated] app.Big Orders.state is text." in path.read_text()


def test_a_table_that_another_file_has_is_told(draft, root):
    path, _ = draft('certify.app."Big Orders"', "plain")
    path.rename(path.with_name("mine.yaml"))
    mine = path.with_name("mine.yaml")
    mine.write_text(mine.read_text().replace("migration: big_orders", "migration: mine"))
    _, found = draft('certify.app."Big Orders"', "plain")
    assert [one.code for one in found if one.blocks and not one.acceptable] == ["claimed_twice"] * 2
    assert "migrations/mine.yaml" in str(found[-1])


def test_a_file_that_is_there_is_never_overwritten(draft):
    path, _ = draft('certify.app."Big Orders"', "plain")
    path.write_text("mine")
    with pytest.raises(CannotDraft, match="is there already"):
        draft('certify.app."Big Orders"', "plain")
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("table", "into", "said"),
    (
        ("nowhere.app.orders", "plain", "choose from certify"),
        ("certify.orders", "plain", "STORE.SCHEMA.TABLE"),
        ("certify.app.gone", "plain", "is not there in store certify"),
        ('certify.app."Big Orders"', "yearly:x", "is no shape"),
        ('certify.app."Big Orders"', "hash:id:5000", r"less than or equal to 1024\. Mend --into"),
    ),
)
def test_a_slip_of_the_pen_is_told_and_writes_nothing(draft, root, table, into, said):
    with pytest.raises(CannotDraft, match=said):
        draft(table, into)
    assert list((root / "include/estate/migrations").iterdir()) == []
