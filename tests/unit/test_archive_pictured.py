"""Two years foreseen, as a table and a picture: each cell is what the simulation says, and the page shows what is drawn."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sluice.estate.dataset import Dataset
from sluice.upkeep.archive.foreseeing import Foresight, Size
from sluice.upkeep.archive.picturing import MOST_ROWS, MOST_TABLES, SHAPES, picture
from sluice.upkeep.archive.simulating import simulate, tonight
from sluice.upkeep.partitions.spans import Every, spans

IMAGE = Path(__file__).parents[2] / "docs/images/foreseen.svg"
PAGE = IMAGE.parents[1] / "howto/archive-old-months.md"
HOLD = {"from": "2025-01", "until": "2025-02", "because": "case 12-345"}


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc]


BEGUN = at(2024, 6, 1)
SVG = "{http://www.w3.org/2000/svg}"


def foreseen(lower: datetime = BEGUN, every: Every = "month", months: int = 24, table: str = "app.orders") -> Foresight:
    told: dict[str, Any] = {
        "partition": {"range": "at", "every": every},
        "retention": {"keep": "12 months", "holds": (HOLD,)},
    }
    dataset = Dataset.model_validate({"dataset": "t", "store": "s", "table": table, **told})
    there = list(spans(lower, at(2026, 7, 1), every))
    assert dataset.retention is not None
    found = tuple(simulate(there, dataset, dataset.retention, at(2026, 3, 10), months))
    first = tonight(there, dataset.retention, at(2026, 3, 10), [])
    return Foresight(table, "12 months", found, {span: Size(1_250_000, 96_000_000) for span in there}, first)


def cells(drawn: str) -> dict[str, list[str]]:
    """Give each row's states, as the picture's own words for a cell have them."""
    found: dict[str, list[str]] = {}
    for said in ElementTree.fromstring(drawn).iter(f"{SVG}title"):
        if told := re.fullmatch(r"(\S+) in (\S+): (.+)", said.text or ""):
            found.setdefault(told[1], []).append(told[3])
    return found


def test_each_cell_is_what_is_foreseen():
    rows = cells(picture([foreseen()]))
    assert list(rows) == sorted(rows)
    assert rows["2024-06"] == ["goes", *["is gone"] * 23]
    assert rows["2025-01"] == ["is held"] * 24
    assert rows["2025-05"] == ["stays"] * 2 + ["goes"] + ["is gone"] * 21
    assert rows["2028-05"] == ["stays"], "made three months ahead, in the last month"


def test_partitions_of_a_month_share_a_row_and_months_of_a_year_where_there_are_many():
    days = cells(picture([foreseen(at(2025, 1, 1), "day", months=3)]))
    assert days["2025-02"] == ["is held"] * 3
    assert days["2025-03"] == ["goes"] + ["is gone"] * 2, "as of the month's end"
    years = cells(picture([foreseen(at(2000, 1, 1))]))
    assert (list(years)[:2], years["2000"][0], years["2025"][:2]) == (["2000", "2001"], "goes", ["goes", "goes"])
    assert len(years) <= MOST_ROWS


def test_a_picture_has_every_shape_and_escapes_what_a_table_is_called():
    drawn = picture([foreseen(table='app."<b>&"')])
    assert "&lt;b&gt;&amp;" in drawn and "<b>" not in drawn
    root = ElementTree.fromstring(drawn)
    used = {one.attrib["href"] for one in root.iter(f"{SVG}use")}
    assert used == {f"#{name}" for name in SHAPES}


def test_of_very_many_tables_the_rest_is_told():
    drawn = picture([foreseen(months=1, table=f"app.t{number}") for number in range(MOST_TABLES + 3)])
    assert "and 3 tables more" in drawn
    assert f"app.t{MOST_TABLES - 1}," in drawn and f"app.t{MOST_TABLES}," not in drawn
    assert ElementTree.fromstring(picture([])).tag == f"{SVG}svg"


def test_the_page_shows_what_is_drawn_and_what_is_told():
    """Red after a change on purpose: write `picture([foreseen()])` into the file, and the lines into the page."""
    assert IMAGE.read_text() == picture([foreseen()])
    head = "\n".join(str(foreseen()).splitlines()[:6])
    assert head in PAGE.read_text(), head


def test_partitions_for_late_rows_are_counted_apart():
    days = foreseen(every="day")
    assert "late" not in str(days)
    last = days.months[-1].stays
    few, many = (str(replace(days, rooms=(20, then))).splitlines()[-2:] for then in (1000 - last, 2557))
    assert few[1].startswith("for late rows: 20 partitions of months that have left, ")
    assert many[0].endswith(
        "20 partitions of months that have left, 2,557 at the end of 2028-02, beside those that stay"
    )
    assert many[1].startswith(f"{2557 + last:,} partitions in all: more than 1,000 slow every plan.")


@pytest.mark.parametrize("known", [0, 1])
def test_what_is_not_known_is_not_made_up(known: int):
    one = foreseen()
    sizes = dict(list(one.sizes.items())[:known])
    line = str(Foresight(one.table, one.keep, one.months, sizes, one.tonight)).splitlines()[3]
    assert line.endswith("≥ 1,250,000     ≥ 96.0" if known else "17")
    unread = {span: Size(None, 8192) for span in one.sizes}
    told = str(Foresight(one.table, one.keep, one.months, unread, one.tonight)).splitlines()[3]
    assert told.split()[6:] == ["17", "0.1"]
