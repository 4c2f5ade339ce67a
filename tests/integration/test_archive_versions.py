"""The same rows make the same files, to the byte, whatever PostgreSQL they are in and whatever clock its sessions go by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sluice.stores.postgres import Table
from sluice.upkeep.archive.ledger import months_of
from sluice.upkeep.partitions.actions import Make
from sluice.upkeep.partitions.keeping import apply_partitions, verify_partitions
from sluice.upkeep.partitions.looking import look
from sluice.upkeep.partitions.making import make
from sluice.upkeep.partitions.spans import Span, span_at

from tests.archived import ROLES, Stage, kept, staged
from tests.conftest import Database, Server
from tests.odd_rows import ODD, ROWS
from tests.other_versions import OURS, Versions

FIRSTS = ("2000-02", "2023-12", "2024-01", "2024-02", "2024-03", "2024-11")
"""Leap Februaries, a year's end, and the months in which New York changes its clocks."""
AHEAD = ("2096-02", "2100-02")
MOMENTS = (
    *(f"2024-03-10 0{hour}:59:59.999999+00" for hour in (4, 5, 6, 7)),
    *(f"2024-11-03 0{hour}:30+00" for hour in (4, 5, 6, 7)),
    "2000-02-29 18:29:59.999999+00", "2024-02-29 18:30+00", "2024-02-29 23:59:59.999999+00", "2023-12-31 18:30+00",
)  # fmt: skip
PLAIN: tuple[str, ...] = ()
ODDLY = (
    "datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'", "extra_float_digits = -15", "bytea_output = 'escape'",
    "client_encoding = 'LATIN1'", "array_nulls = off", "quote_all_identifiers = on", "standard_conforming_strings = off",
    "default_transaction_isolation = 'serializable'", "search_path = app",
)  # fmt: skip
NEW_YORK, KOLKATA = ((f"timezone = '{zone}'", *ODDLY) for zone in ("America/New_York", "Asia/Kolkata"))
PLACES = {
    "18": (OURS, PLAIN),
    "18, New York": (OURS, NEW_YORK),
    "17, Kolkata": ("17", KOLKATA),
    "15, New York": ("15", NEW_YORK),
}
STORE = f"certify_{datetime.now(UTC):%H%M%S%f}"
"""One for all: who makes other files for the same rows is refused by the vault."""


@pytest.fixture(scope="module")
def versions(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    made = Versions(tmp_path_factory.mktemp("versions"), server)
    yield made
    made.stop()


def spans_of(months: tuple[str, ...]) -> list[Span]:
    return [span_at(datetime.fromisoformat(f"{first}-01T00:00+00:00"), "month") for first in months]


def name_of(span: Span) -> str:
    return f"event_{span.lower:%Y_%m}"


def set_oddly(database: Database, settings: tuple[str, ...]) -> None:
    """Of the database, and of the roles that come to it."""
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        for setting in settings:
            named = Identifier(database.name)
            c.execute(SQL("ALTER DATABASE {} SET " + setting).format(named))  # type: ignore[arg-type]
            for role in (*ROLES, "sluice_mover"):
                of = {"role": Identifier(role), "name": named}
                c.execute(SQL("ALTER ROLE {role} IN DATABASE {name} SET " + setting).format(**of))  # type: ignore[arg-type]


def fill(stage: Stage, spans: list[Span]) -> None:
    """What is odd about each type; the first and the last moment of each month, and a night when clocks are changed."""
    edges = [edge.isoformat() for one in spans for edge in (one.lower, one.upper - timedelta(microseconds=1))]
    stage.own(
        "SET array_nulls = on",
        *[ROWS.format(i=i) for i in (1, 2)],
        *[f"INSERT INTO app.event (at, title, said) VALUES ('{at}', '', 'édge')" for at in (*edges, *MOMENTS)],
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_month_goes_and_comes_back_and_its_files_are_those_of_any_other_place(
    place: str, versions: Versions, vault, monkeypatch: pytest.MonkeyPatch
):
    version, settings = PLACES[place]
    if settings:
        monkeypatch.setenv("PGTZ", settings[0].partition("'")[2].rstrip("'"))
    database = versions.database(version)
    with staged(database, vault, *ODD.split(";")) as stage:
        dataset = stage.dataset = kept().model_copy(update={"store": STORE})
        set_oddly(database, settings)
        c, spans = stage.connection(), spans_of(FIRSTS)
        assert apply_partitions(c, dataset, print) == 4
        wanted = [
            Make(stage.table, Table("app_partitions", name_of(one)), one, "at") for one in (*spans, *spans_of(AHEAD))
        ]
        make(c, wanted, print)
        assert verify_partitions(c, dataset)["odd_bounds"] == 0
        assert set(spans) < set(look(c, dataset).spans)
        fill(stage, spans)
        before = rows_of(stage)
        archive = stage.archive()
        assert archive.archive(print) == {"cooling": len(spans)}
        assert [month.span for month in months_of(c, stage.table)] == spans
        stored = stage.vault.list(f"archive/{STORE}/")
        assert len(stored) == 2 * len(spans), "each month has one file and one manifest, wherever it was made"
        assert archive.drop(print) == len(spans)
        for one in spans:
            archive.restore(one.upper - timedelta(microseconds=1), timedelta(0), print)
        assert rows_of(stage) == before
        assert archive.archive(print) == {"cooling": len(spans)}, "what came back goes again"
        assert stage.vault.list(f"archive/{STORE}/") == stored, "to the same files"


def rows_of(stage: Stage) -> list[tuple[str]]:
    return stage.ask("SELECT t::text FROM app.event t ORDER BY 1")
