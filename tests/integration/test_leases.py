"""A cutover waits for the leases that were handed out, whatever the file says by then: nobody's write may end behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sluice.access.routing import ItemRoute, Routing
from sluice.access.store import Endpoint, Store
from sluice.failpoints import armed
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Phase
from sluice.migration.kinds.into_postgres import IntoPostgres
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.writes import write_one

from tests.few_items import Few, copy, item, settled, to_capturing
from tests.rowed import Stage, audit, to_backfilled

HANDED_OUT, SHORTENED = 2.0, 0.1
"""Seconds that applications were told, and those of the file that was edited before the cutover."""


def of_items(few: Few, lease: float) -> SingleTable:
    """A worker whose file says so many seconds."""
    kind = few.opened()
    kind.route = replace(kind.route, lease=lease)
    return kind


def of_rows(stage: Stage, lease: float) -> IntoPostgres:
    kind = stage.kind()
    kind.parts.route = replace(kind.parts.route, lease=lease)
    return kind


class Slow:
    """An application that takes the route, writes most of a lease later and is acknowledged, or is not."""

    def __init__(self, route: ItemRoute, put: Callable[[], object]) -> None:
        self.acknowledged, self._inside = False, threading.Event()
        self._routing, self._put = Routing(route), put
        self.thread = threading.Thread(target=self._write)
        self.thread.start()
        assert self._inside.wait(10)

    def _write(self) -> None:
        with self._routing.writing() as route:
            self._inside.set()
            time.sleep(HANDED_OUT * 0.6)
            assert route.write_to == "old"
            self._put()
        self.acknowledged = True


def item_shadowing(few: Few) -> SingleTable:
    kind = of_items(few, HANDED_OUT)
    to_capturing(kind)
    copy(kind)
    kind.verify(settled(kind))
    kind.shadow()
    return kind


@pytest.mark.parametrize("shadowed_again", [False, True], ids=["told once", "told again by the shorter one"])
def test_an_item_that_was_written_within_a_lease_of_before_is_a_record(few: Few, shadowed_again: bool) -> None:
    kind = item_shadowing(few)
    slow = Slow(ItemRoute(Store(Endpoint(few.client)), kind.name, kind.marks.table), lambda: few.put(item("late", 2)))
    short = of_items(few, SHORTENED)
    if shadowed_again:
        short.shadow()
    swap = short.cut_over()
    slow.thread.join()
    assert slow.acknowledged
    assert "PK=USER#late&SK=METADATA" in few.records(kind)
    assert swap.facts and swap.facts["lease_ms"] == HANDED_OUT * 1000
    assert kind.marks.route()["lease_seconds"] == {"N": f"{SHORTENED:g}"}, "and from there on the file's holds"
    assert short.cut_back().facts["lease_ms"] == SHORTENED * 1000


def test_a_switch_that_broke_off_has_shortened_no_lease(few: Few) -> None:
    item_shadowing(few)
    short = of_items(few, SHORTENED)
    with armed("route.frozen=raise"), pytest.raises(Exception, match=r"route\.frozen"):
        short.cut_over()
    assert short.marks.route()["lease_seconds"] == {"N": f"{HANDED_OUT:g}"}


def test_a_lease_that_is_told_while_a_switch_looks_is_waited_for_or_stops_it(
    few: Few, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_shadowing(few)
    short = of_items(few, SHORTENED)
    looked, seen = type(short.marks).route, list[Any]()

    def route(marks: Any) -> Any:
        seen.append(looked(marks))
        if len(seen) == 1:  # it has looked, and before it freezes somebody hands out longer ones
            longer = {**seen[0], "lease_seconds": {"N": "30"}}
            write_one(few.client, Put(marks.table, longer))
        return seen[-1]

    monkeypatch.setattr(type(short.marks), "route", route)
    with pytest.raises(Exception, match="another switch"):
        short.cut_over()
    monkeypatch.undo()
    assert short.position().phase is Phase.SHADOWING
    assert short.marks.route()["write_to"] == {"S": "old"}


def row_shadowing(stage: Stage) -> None:
    kind = of_rows(stage, HANDED_OUT)
    stage_of = stage.kind
    stage.kind = lambda: kind  # type: ignore[method-assign]
    to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    stage.kind = stage_of  # type: ignore[method-assign]


@pytest.mark.parametrize("shadowed_again", [False, True], ids=["told once", "told again by the shorter one"])
def test_an_item_that_was_written_within_a_lease_of_before_is_a_row(stage: Stage, shadowed_again: bool) -> None:
    row_shadowing(stage)
    short = of_rows(stage, SHORTENED)
    slow = Slow(
        ItemRoute(Store(Endpoint(stage.client)), stage.m.name, short.parts.items.table),
        lambda: stage.put(audit(77_777)),
    )
    if shadowed_again:
        short.shadow()
    swap = short.cut_over()
    slow.thread.join()
    assert slow.acknowledged
    assert "a77777" in stage.rows()
    assert swap.facts and swap.facts["lease_ms"] == HANDED_OUT * 1000
    told = stage.ask("SELECT lease_seconds FROM sluice_routing.route")
    assert [float(seconds) for (seconds,) in told] == [SHORTENED]
    assert short.parts.items.route()["lease_seconds"] == {"N": f"{SHORTENED:g}"}


def test_a_switch_to_rows_that_broke_off_has_shortened_no_lease(stage: Stage) -> None:
    row_shadowing(stage)
    short = of_rows(stage, SHORTENED)
    with armed("rows.frozen=raise"), pytest.raises(Exception, match=r"rows\.frozen"):
        short.cut_over()
    assert short.parts.items.route()["lease_seconds"] == {"N": f"{HANDED_OUT:g}"}
    with pytest.raises(Exception, match="the route was left"):
        short._switching.over(Fence(7))
