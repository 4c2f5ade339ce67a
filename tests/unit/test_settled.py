"""What two counts of a store agree in: a copy of any moment between them has the same of it, whatever went in the meantime."""

from __future__ import annotations

from sluice.safety.census import Census, Moment
from sluice.safety.comparing import lacking, settled
from sluice.safety.counting import Content

MOMENT = Moment(None, "2026-01-01T00:00:00+00:00", "9", ())
KEPT, DROPPED, GROWN = Content(3, "a"), Content(50_001, "b"), Content(7, "c")
BEFORE = Census(
    "shop",
    MOMENT,
    {"app.kept": KEPT, "app.dropped": DROPPED, "app.grown": GROWN},
    {"policies": ["kept", "dropped"]},
    {"app.kept_id_seq": 3, "app.dropped_id_seq": 50_001, "app.set_back_seq": 90},
)
AFTER = Census(
    "shop",
    MOMENT,
    {"app.kept": KEPT, "app.grown": Content(8, "d"), "app.new": KEPT},
    {"policies": ["kept", "new"]},
    {"app.kept_id_seq": 5, "app.set_back_seq": 1, "app.new_id_seq": 3},
)


def test_a_copy_from_before_and_one_from_after_lack_nothing_that_both_counts_have() -> None:
    agreed = settled(BEFORE, AFTER)
    assert (agreed.tables, agreed.surroundings) == ({"app.kept": KEPT}, {"policies": ["kept"]})
    assert lacking(agreed, BEFORE).none
    assert lacking(agreed, AFTER).none, "a table that was dropped took its sequence along"


def test_a_copy_that_lacks_what_both_have_is_told() -> None:
    copy = Census("shop", MOMENT, {"app.kept": Content(2, "a")}, {"policies": []}, {"app.set_back_seq": 1})
    assert lacking(settled(BEFORE, AFTER), copy).lines == (
        "app.kept: 3 rows, 2 in the copy",
        "policies missing: kept",
        "app.kept_id_seq: at None, was at 3",
    )
