"""The ledger's reference page is what the releases make, and nothing of it is without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sluice.ledger.reference import PAGE, RELEASED, SCHEMAS, Unsaid, ledger_page
from sluice.ledger.words import TABLES
from sluice.stores.postgres import Connection, connect

from tests.conftest import Database

ROOT = Path(__file__).parents[2]
Pair = tuple[Connection, Connection]


@pytest.fixture
def pair(database: Database) -> Iterator[Pair]:
    """A store and a ledger, both empty."""
    with (
        connect(database.dsn(), purpose="store") as store,
        connect(database.dsn("sluice_ledger"), purpose="ledger") as c,
    ):
        yield store, c


def test_the_page_is_what_the_releases_make_of_empty_databases(pair: Pair) -> None:
    page = ledger_page(*pair)
    assert (ROOT / PAGE).read_text() == page, "run python -m sluice.local.reference"
    for (schema, table), words in TABLES.items():
        told = page.partition(f"### `{schema}.{table}`")[2].partition("\n### ")[0]
        said = {said for name, said in words.items() if said in (told if name else told.partition("|")[0])}
        assert said == set(words.values()), (
            f"words.py says of {schema}.{table} what a release says, or what is not there"
        )


def test_every_set_of_releases_and_every_schema_that_it_makes_is_on_the_page(pair: Pair) -> None:
    ledger_page(*pair)
    sets = {path.name for path in (ROOT / "include/sql/schema").iterdir()}
    assert {name for names in RELEASED.values() for name in names} == sets
    theirs = (
        "nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public', 'app', 'app_partitions', 'extensions')"
    )
    for which, c in zip(RELEASED, pair, strict=True):
        made = {row["nspname"] for row in c.execute(f"SELECT nspname FROM pg_namespace WHERE {theirs}").fetchall()}
        assert made == set(SCHEMAS[which])


def test_a_column_that_nobody_explains_is_refused(pair: Pair) -> None:
    ledger_page(*pair)
    pair[1].execute("ALTER TABLE control.fact ADD COLUMN mystery text")
    with pytest.raises(Unsaid, match=r"control\.fact\.mystery: nobody says"):
        ledger_page(*pair)
    pair[1].execute("COMMENT ON COLUMN control.fact.mystery IS 'A | riddle.'")
    assert "| `mystery` | text, or null | A \\| riddle. |" in ledger_page(*pair)
