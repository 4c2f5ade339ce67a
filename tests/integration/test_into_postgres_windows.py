"""Twelve months of history, window by window: twice the same, beside the live follower, and never over what is younger."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from sluice.failpoints import armed
from sluice.migration.engine.contract import COPIES_IN, Facts, Fence, NotYet, Phase, Window
from sluice.migration.engine.steps import fill_window
from sluice.migration.kinds.into_postgres import IntoPostgres
from sluice.migration.kinds.postgres_target.partitions import TooManyPartitions
from sluice.proof.gates.run import judge
from sluice.proof.gates.suites import suite_for
from sluice.stores.dynamodb.values import Item

from tests.rowed import PARTS, Stage, audit, copied, to_backfilled, to_capturing

ROOT = Path(__file__).parents[2]
YEAR = [datetime(2025, month, 1, tzinfo=UTC) for month in range(1, 13)] + [datetime(2026, 1, 1, tzinfo=UTC)]
EACH = 8


def trail(number: int, **more: object) -> Item:
    """One record of the year: eight a month, one of them in its first moment and one in its last."""
    month, place = 1 + number // EACH, number % EACH
    day = {0: "01T00:00:00Z", 1: "28T23:59:59.999999Z"}.get(place, f"{2 + place:02}T12:30:00Z")
    return {**audit(number, timestamp={"S": f"2025-{month:02}-{day}"}, unknown={"S": str(number)}), **more}


@pytest.fixture
def year(stage: Stage) -> Stage:
    """A year of records, and none of the others."""
    for number in range(120):
        stage.delete(number)
    stage.fill([trail(number) for number in range(12 * EACH)])
    return stage


def twelve(kind: IntoPostgres) -> list[tuple[int, Facts]]:
    """Fill twelve monthly windows, as the tasks of a backfill do: rows filled, and facts."""
    return [fill_window(kind, lower, upper) for lower, upper in pairwise(YEAR)]


def told(filled: list[tuple[int, Facts]]) -> list[tuple[object, object]]:
    return [(facts["rows_compared"], facts["diff_hash"]) for _, facts in filled]


def green(facts: Facts) -> bool:
    now = datetime.now(UTC)
    verdict = judge(
        "window", facts, subject="audit", suites=[suite_for(ROOT, "window", "into_postgres")], window=None,
        freshness=YEAR[1] - YEAR[0], now=now, facts_at=now, root=ROOT,
    ).verdict  # fmt: skip
    return verdict.passed


def test_twelve_windows_twice_give_the_same_rows_and_the_same_hash(year: Stage) -> None:
    kind = to_capturing(year)
    first = twelve(kind)  # before any lane has copied a page
    assert [filled for filled, _ in first] == [EACH] * 12
    rows = year.rows()
    assert len(rows) == 12 * EACH and all(row[5]["unknown"] == str(int(name[1:])) for name, row in rows.items())
    second = twelve(year.kind())
    assert [filled for filled, _ in second] == [0] * 12
    assert told(second) == told(first) and len(set(told(first))) == 12
    assert year.rows() == rows
    assert all(green(facts) for _, facts in (*first, *second))
    copied(kind)
    assert kind.finish_backfill(Fence(1))["rows_copied"] == 12 * EACH and year.rows() == rows
    assert told(twelve(year.kind())) == told(first), "the lanes' copy has changed nothing of it"


def test_what_was_written_between_two_runs_is_not_undone(year: Stage) -> None:
    kind = to_backfilled(year)
    before = twelve(kind)
    year.put(
        trail(0, note={"S": "changed"}),
        trail(9, timestamp={"S": "2025-11-05T00:00:00Z"}),
        trail(500 % 96, n={"N": "1"}),
    )
    year.delete(17)
    year.put(trail(18, timestamp={"S": "never"}))
    kind.replicate(10)
    rows = year.rows()
    after = twelve(year.kind())
    assert year.rows() == rows and [filled for filled, _ in after] == [0] * 12
    assert rows["a00000"][5]["note"] == "changed" and rows["a00009"][1].month == 11
    assert not {"a00017", "a00018"} & set(rows) and set(year.quarantine()) == {"auditId=a00018"}
    changed = {
        number for number, (one, other) in enumerate(zip(told(before), told(after), strict=True), 1) if one != other
    }
    assert changed == {1, 2, 3, 11}, "months that were not written have the hash that they had"
    assert all(facts["rows_missing"] == facts["rows_extra"] == facts["rows_different"] == 0 for _, facts in after)
    assert kind.diff().clean


def test_a_late_window_never_overwrites_what_the_follower_brought(year: Stage) -> None:
    kind, late = to_backfilled(year), year.kind()
    with armed("rows.window_read=sleep:1.5@1"):
        filling = threading.Thread(target=twelve, args=(late,))
        filling.start()
        time.sleep(0.7)  # it has read its first page by now, and has not written it
        year.put(trail(0, note={"S": "newer"}), trail(1, timestamp={"S": "2025-06-06T00:00:00Z"}))
        year.delete(2)
        year.delete(3)
        year.put(trail(3, note={"S": "again"}))
        kind.replicate(10)
        assert filling.is_alive(), "else nothing was late"
        filling.join()
    rows = year.rows()
    assert rows["a00000"][5]["note"] == "newer" and rows["a00003"][5]["note"] == "again"
    assert rows["a00001"][1].month == 6 and "a00002" not in rows and len(rows) == 12 * EACH - 1
    assert kind.diff().clean and year.quarantine() == {}


def test_a_window_is_red_for_its_own_quarantine_and_not_for_another_month_s(year: Stage) -> None:
    year.put(trail(0, amount={"S": "many"}), trail(9, timestamp={"S": "never"}))
    kind = to_backfilled(year)
    (_, january), (_, february), *_ = twelve(kind)
    assert (january["rows_source"], january["rows_target"], january["rows_compared"]) == (EACH, EACH - 1, EACH - 1)
    assert not green(january)
    assert february["quarantined"] == 2 and green(february), "what has no time is in no window; it is a warning"
    reasons = {key: reason for key, (reason, _) in year.quarantine().items()}
    assert reasons["auditId=a00000"].startswith("type: ") and "amount" in reasons["auditId=a00000"]


def test_a_month_that_no_partition_holds_is_told_and_made_by_its_window(year: Stage) -> None:
    kind = to_backfilled(year)
    year.put(audit(900, timestamp={"S": "2019-05-17T00:00:00Z"}), audit(901, timestamp={"S": "2199-01-01T00:00:00Z"}))
    kind.replicate(10)
    waiting = year.quarantine()
    assert all("no partition" in reason and "backfill_window" in reason for reason, _ in waiting.values()), waiting
    assert set(waiting) == {"auditId=a00900", "auditId=a00901"}
    count = f"SELECT count(*) FROM pg_class WHERE relnamespace = '{PARTS}'::regnamespace AND relkind = 'r'"
    ((before,),) = year.ask(count)
    empty, may = (
        Window(datetime(2018, 1, 1, tzinfo=UTC), datetime(2018, 2, 1, tzinfo=UTC)),
        datetime(2019, 5, 1, tzinfo=UTC),
    )
    assert kind.backfill_window(empty).filled == 0 and year.ask(count) == [(before,)], "no partition for nothing"
    result = kind.backfill_window(Window(may, datetime(2019, 6, 1, tzinfo=UTC)))
    assert (result.filled, result.diff.clean, result.diff.compared) == (1, True, 1)
    made = f"SELECT relrowsecurity AND relforcerowsecurity, pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '{PARTS}.tyler_audit_log_y2019m05'::regclass"  # noqa: E501
    assert year.ask(made) == [(True, "FOR VALUES FROM ('2019-05-01 00:00:00+00') TO ('2019-06-01 00:00:00+00')")]
    assert year.rows()["a00900"][1].year == 2019 and set(year.quarantine()) == {"auditId=a00901"}
    assert kind.standing()["fingerprint_differs"] == 0 and kind.diff().clean
    with pytest.raises(TooManyPartitions, match="at most"):
        kind.backfill_window(Window(datetime(1900, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_window_is_refused_outside_of_the_time_when_it_is_kept_in_step(year: Stage) -> None:
    kind = year.kind()
    kind.expand()
    with pytest.raises(NotYet, match="Run migrate__"):
        fill_window(kind, YEAR[0], YEAR[1])
    assert Phase.EXPANDED not in COPIES_IN and year.rows() == {}
