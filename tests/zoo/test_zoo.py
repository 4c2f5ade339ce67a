"""Tables that nobody here designed, each taken there and back under its own writers, or refused for a true reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.zoo import catalogue
from tests.zoo.conftest import TABLES, Menagerie, stock
from tests.zoo.journey import BROKEN, MIGRATED, REFUSED, Journey, Outcome
from tests.zoo.report import result
from tests.zoo.shapes import SHAPES
from tests.zoo.sources import SOURCES, NotHere, Source

LEAST_SOURCES, LEAST_TABLES, LEAST_LARGE, LEAST_ODD = 3, 40, 3, 10
LARGE = 1_000_000


@pytest.fixture(scope="module", params=SOURCES, ids=lambda source: source.name)
def menagerie(request: pytest.FixtureRequest, server: Server) -> Iterator[Menagerie]:
    source: Source = request.param
    try:
        made = stock(server, source)
    except NotHere as error:
        pytest.skip(str(error))
    yield made


def test_every_table_is_migrated_or_refused_for_a_true_reason(
    menagerie: Menagerie, book: list[Outcome], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    outcomes = list(_visit(menagerie, tmp_path, request.config))
    book += outcomes
    wrong = [f"{one.table} ({one.shape}): {result(one)} {' / '.join(one.faults)}" for one in outcomes if not one.good]
    assert outcomes
    assert wrong == [], "\n".join(wrong)


def test_the_zoo_is_large_enough(book: list[Outcome], request: pytest.FixtureRequest) -> None:
    """What the whole run must have shown; a part of it shows less and is not judged."""
    if request.config.getoption("zoo_only", None) or request.config.getoption("keyword"):
        pytest.skip("only a part of the zoo was visited")
    moved = [one for one in book if one.result == MIGRATED and one.good]
    strangers = [one for one in moved if one.database in {source.name for source in SOURCES if source.foreign}]
    assert len({one.database for one in strangers}) >= LEAST_SOURCES
    assert len(strangers) >= LEAST_TABLES
    assert sum(one.rows >= LARGE for one in moved) >= LEAST_LARGE
    assert sum(bool(one.odd) for one in moved) >= LEAST_ODD
    assert {one.shape for one in moved} == {name for name, _ in SHAPES}


def _visit(menagerie: Menagerie, folder: Path, config: pytest.Config) -> Iterator[Outcome]:
    clones = 1
    database = menagerie.clone(clones)
    for number, name in enumerate(_names(menagerie, config)):
        with catalogue.look(database.dsn("admin")) as c:
            thing = next(thing for thing in catalogue.tables(c) if thing.name == name)
        out = Journey(database, menagerie.source, thing, folder, number, retires=number % 2 == 0).run()
        if name in menagerie.unfilled:
            out.remarks.append(f"not filled: {menagerie.unfilled[name]}")
        print(
            f"{out.database} {out.table} [{out.shape}] {result(out)} {out.seconds}s",
            *out.faults,
            *(out.remarks if out.result == REFUSED else ()),
            sep="\n    ",
            flush=True,
        )
        yield out
        if out.result == BROKEN or out.faults:
            # What it left behind is no business of the next table's.
            menagerie.drop(database)
            clones += 1
            database = menagerie.clone(clones)
    menagerie.drop(database)


def _names(menagerie: Menagerie, config: pytest.Config) -> list[str]:
    with catalogue.look(menagerie.server.cluster.dsn(menagerie.pristine)) as c:
        names = [thing.name for thing in catalogue.tables(c)]
    only, most = config.getoption("zoo_only", None), config.getoption("zoo_tables", TABLES)
    large = menagerie.source.grow
    chosen = [name for name in names if not only or only in name]
    if config.getoption("zoo_all", False) or not menagerie.source.foreign or most >= len(chosen):
        return chosen
    step = len(chosen) / most
    return sorted({*(chosen[int(i * step)] for i in range(most)), *(n for n in large if n in chosen)})
