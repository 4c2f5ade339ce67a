"""What waits in quarantine is named wherever a person looks, and none of it outlives an abort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from sluice import failpoints
from sluice.migration.engine.contract import Finding, Phase
from sluice.migration.kinds.single_table import SingleTable, aborting
from sluice.migration.kinds.single_table.aborting import abort
from sluice.stores.dynamodb.values import Item

from tests.documents import Documents
from tests.few_items import Few, copy, few_items, item, to_capturing


def unfit(name: str) -> Item:
    """An item that no record can be made of."""
    return {attribute: value for attribute, value in item(name).items() if attribute != "userId"}


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    with few_items(documents, make_table, item("one"), unfit("odd"), unfit("queer")) as made:
        yield made


def copied(few: Few) -> SingleTable:
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    return kind


def test_a_gate_and_a_person_are_told_which_items_and_why(few: Few) -> None:
    kind = copied(few)
    standing = kind.standing()
    told = ["email=odd@Example.com: id: it is missing", "email=queer@Example.com: id: it is missing"]
    assert [str(held) for held in kind.quarantine(10)] == told
    assert (standing["quarantined"], standing["quarantined_told"]) == (2, "; ".join(told))
    assert len(kind.quarantine(1)) == 1


def test_nothing_waits_any_more_once_it_is_aborted(few: Few) -> None:
    kind = copied(few)
    kind.abort()
    assert kind.standing()["quarantined"] == 0
    few.delete("odd", "queer")
    kind = copied(few)
    assert kind.standing()["quarantined"] == 0


def test_an_abort_that_is_late_takes_nothing_of_the_next_capture(few: Few) -> None:
    kind = copied(few)
    epoch = kind.position().epoch
    kind.abort()
    kind = copied(few)
    kind.marks.aside.forget_quarantine(kind.marks.fence(0, epoch + 1, Phase.PLANNED))
    assert kind.standing()["quarantined"] == 2


def test_an_abort_that_died_is_ended_by_the_next(few: Few, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = copied(few)
    monkeypatch.setattr(aborting, "_forget_quarantine", lambda marks, epoch: failpoints._raise("here", ""))
    with suppress(failpoints.Broken):
        abort(kind.marks, kind.marks.find())
    monkeypatch.undo()
    assert kind.position().phase is Phase.PLANNED and kind.standing()["quarantined"] == 2
    abort(kind.marks, kind.marks.find())
    assert kind.standing()["quarantined"] == 0


def found(kind: SingleTable) -> dict[str, Finding]:
    return {finding.code: finding for finding in kind.preflight()}


def test_a_mapping_that_takes_no_item_is_refused_and_one_that_takes_most_is_not(
    documents: Documents, make_table: Callable[..., str], few: Few
) -> None:
    finding = found(few.opened())["unmappable"]
    assert not finding.blocks and "2 of the first 3 items" in finding.what
    with few_items(documents, make_table, unfit("odd")) as none_fits:
        finding = found(none_fits.opened())["unmappable"]
    assert finding.blocks and finding.acceptable


@pytest.mark.parametrize(("seeds", "refused"), [(2, True), (7, False)])
def test_items_that_want_one_place_are_seen_before_they_are_copied(
    documents: Documents, make_table: Callable[..., str], seeds: int, refused: bool
) -> None:
    ours = [item(f"u{number}") for number in range(seeds)]
    ours[1]["userId"] = ours[0]["userId"]
    with few_items(documents, make_table, *ours) as made:
        finding = found(made.opened())["colliding"]
    assert finding.blocks is refused
    assert f"2 of the first {seeds} items" in finding.what and "PK=USER#u0&SK=METADATA" in finding.what
    assert "(email)" in finding.way_on


def test_items_with_places_of_their_own_collide_with_nobody(few: Few) -> None:
    assert "colliding" not in found(few.opened())
