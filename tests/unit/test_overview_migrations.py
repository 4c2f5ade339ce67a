"""What a page of migrations says of one: its phases, what it wants, and whether one can go back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sluice.ledger.samples import Sample
from sluice.ledger.seen import Seen
from sluice.migration.engine.contract import Phase
from sluice.overview.asked import Waiting
from sluice.overview.beside import migration_of, page_for
from sluice.overview.migrations.compared import Compared, Verdict
from sluice.overview.migrations.phases import line
from sluice.overview.migrations.seen import File, Stood, found, read
from sluice.overview.migrations.standing import Known, Standing, standing
from sluice.overview.migrations.way_back import way_back

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = "manual__2026-03-01T11:00:00+00:00"
HOUR = timedelta(hours=1)
ROWS = File(
    "same_cluster", "certify", "app.orders", "app.orders_by_month", False, True, timedelta(days=7), None, None, ""
)
ITEMS = replace(ROWS, kind="single_table", follows_later=True, warn_behind=HOUR, stop_behind=12 * HOUR)
OVER = Stood(Phase.CUT_OVER, 1, cut_over_at=NOW - HOUR, captured=True, untouched=True, chunks=4, done=4, rows=400)
SAME = Compared("validated", NOW, RUN, 400, 0, 0, 0, 0, "/sluice/evidence/x.json")


def verdict(gate: str, passed: bool, at: datetime, epoch: int = 1) -> Verdict:
    return Verdict(
        "orders", gate, passed, 9, epoch, at, RUN, f"/sluice/evidence/{gate}", "/dags/x", "migrate__orders", "g"
    )


def known(file: File = ROWS, stood: Stood = OVER, **more: Any) -> Known:
    kept = json.loads(json.dumps(found(file, stood, {}, NOW)))
    seen = Seen("orders", NOW, kept, NOW, "")
    told: dict[str, Any] = {"verdicts": (), "compared": None, "behind": None, "waiting": (), "came": {}, "stood": None}
    told["now"] = NOW
    return Known("orders", **{"seen": seen, **told, **more})


def wants(it: Standing) -> list[str]:
    return [want.what for want in it.wants]


def test_what_a_look_found_is_read_as_it_was_after_it_was_kept() -> None:
    copying = Stood(Phase.CAPTURING, 2, chunks=4, done=1, rows=100, held_by=("session 1", "slot x"))
    once = found(ITEMS, copying, {}, NOW)
    then = found(ITEMS, replace(copying, rows=200), json.loads(json.dumps(once)), NOW + timedelta(minutes=1))
    look = read(json.loads(json.dumps(then)))
    assert (look.file, look.stood) == (ITEMS, replace(copying, rows=200))
    assert [point.rows for point in look.trail] == [100, 200]
    assert look.pace.rate == pytest.approx(100 / 60)
    anew = found(ITEMS, replace(copying, epoch=3, rows=300), then, NOW + timedelta(minutes=2))
    assert len(anew["trail"]) == 1, "another epoch is another copy"


def test_the_line_says_what_is_done_where_it_is_and_what_is_left_out() -> None:
    told = {step.phase: step.word for step in line(Phase.VERIFIED, shadows=False)}
    assert list(told) == list(Phase)
    assert [word for word in told.values()] == ["done"] * 4 + ["here", "left out", "to come", "to come"]
    assert line(Phase.SHADOWING, shadows=False)[5].word == "here", "it passes through all the same"


def test_what_is_well_wants_nobody_and_stands_behind_what_does() -> None:
    well = standing(known())
    assert (wants(well), well.rank) == ([], 3)
    assert standing(known(stood=Stood(Phase.PLANNED, 1))).rank == 4
    assert standing(known(stood=Stood(Phase.RETIRED, 1))).rank == 5
    asked = [Waiting("migrate__orders", RUN, "retire.approve_retire", -1, "retire of orders?", NOW)]
    assert standing(known(waiting=asked)).rank == 0


@pytest.mark.parametrize("beside", ["validated", "window"])
def test_a_comparison_beside_the_way_mends_no_gate_on_it_and_none_mends_it_but_itself(beside: str) -> None:
    red, green = verdict("cut_over", False, NOW - HOUR), verdict(beside, True, NOW)
    assert wants(standing(known(verdicts=[red, green]))) == ["gate cut_over is red"]
    red, green = verdict(beside, False, NOW - HOUR), verdict("cut_over", True, NOW)
    assert wants(standing(known(verdicts=[red, green]))) == [f"gate {beside} is red"]


def test_of_what_a_run_has_moved_since_the_look_nobody_says_how_one_goes_back() -> None:
    before = known(stood=replace(OVER, phase=Phase.SHADOWING, cut_over_at=None))
    row = {"phase": "cut_over", "epoch": 1, "run": RUN, "at": NOW + HOUR}
    assert standing(before).way_back
    assert standing(replace(before, stood=row)).way_back is None


@pytest.mark.parametrize(
    ("stood", "said"),
    [
        ({"captured": False}, "capture is off"),
        ({"drifted": True}, "not what it was"),
        ({"quarantined": 1200}, "1,200 in quarantine"),
        ({"astray": 3}, "came past the route"),
    ],
)
def test_whatever_is_wrong_is_a_want_and_stands_in_the_way_back(stood: dict[str, Any], said: str) -> None:
    it = standing(known(stood=replace(OVER, **stood)))
    assert [said in want for want in wants(it)] == [True]
    assert it.rank == 1
    assert it.way_back and it.way_back.state == "hindered"
    assert len(it.way_back.hindrances) == 1


def test_a_red_gate_is_a_want_until_a_later_one_is_green_or_it_went_back() -> None:
    red = verdict("verified", False, NOW - HOUR)
    assert wants(standing(known(verdicts=[red]))) == ["gate verified is red"]
    assert wants(standing(known(verdicts=[red, verdict("shadowing", True, NOW)]))) == []
    assert wants(standing(known(verdicts=[replace(red, epoch=0)]))) == []


@pytest.mark.parametrize(
    ("seconds", "rank", "said"),
    [(5.0, 3, []), (7200.0, 2, ["far behind"]), (13 * 3600.0, 1, ["far behind"]), (None, 1, ["nobody says"])],
)
def test_a_follower_that_is_late_or_silent_is_told(seconds: float | None, rank: int, said: list[str]) -> None:
    it = standing(known(ITEMS, behind=Sample(NOW, seconds) if seconds is not None else None))
    assert it.rank == rank
    assert [part in want for part, want in zip(said, wants(it), strict=True)] == [True] * len(said)


def test_what_a_follower_said_hours_ago_is_no_word_of_now() -> None:
    said = Sample(NOW - 44 * HOUR, 3.0)
    late = standing(known(ITEMS, behind=said))
    assert late.lag and late.lag.behind == 44 * HOUR + timedelta(seconds=3)
    assert "far behind" in wants(late)[0]
    young = standing(known(ITEMS, behind=Sample(NOW - HOUR / 10, 3.0)))
    assert young.lag and young.lag.behind == timedelta(seconds=3)


def test_a_question_is_asked_and_is_nothing_that_is_wrong() -> None:
    ask = Waiting("migrate__orders", RUN, "approve_cutover", -1, "Cut over?", NOW)
    it = standing(known(waiting=[ask], verdicts=[verdict("verified", False, NOW)]))
    assert [(want.asks, want.sign) for want in it.wants] == [(False, "✘"), (True, "?")]


def test_nobody_judges_what_is_retired_so_nothing_red_of_before_wants_anybody() -> None:
    red = verdict("validated", False, NOW - HOUR)
    assert wants(standing(known(verdicts=[red]))) == ["gate validated is red"]
    assert (
        wants(
            standing(
                replace(known(verdicts=[red]), stood={"phase": "retired", "epoch": 1, "run": RUN, "at": NOW + HOUR})
            )
        )
        == []
    )


def test_what_was_seen_days_ago_is_not_shown_as_now() -> None:
    it = standing(replace(known(), now=NOW + 72 * HOUR))
    assert [(want.since, want.grave) for want in it.wants] == [(NOW, False)]
    assert "nobody has looked at it" in wants(it)[0]


def test_until_somebody_has_looked_a_new_phase_has_no_lag_that_anybody_knows() -> None:
    moved = standing(replace(known(), stood={"phase": "verified", "epoch": 1, "run": RUN, "at": NOW + HOUR}))
    assert (moved.lag, moved.way_back) == (None, None)


def test_a_run_that_moved_it_since_the_look_is_believed_and_an_older_one_is_not() -> None:
    row = {"phase": "retired", "epoch": 1, "run": RUN, "at": NOW + HOUR}
    later = known()
    assert standing(replace(later, stood=row)).phase == "retired"
    assert standing(replace(later, stood={**row, "at": NOW - HOUR})).phase == "cut_over"


def test_one_that_nobody_could_look_at_says_why_and_where_the_ledger_saw_it_last() -> None:
    row = {"phase": "verified", "epoch": 2, "run": RUN, "at": NOW - HOUR}
    silent = Seen("orders", None, {}, NOW, "the store is down")
    it = standing(replace(known(), seen=silent, stood=row))
    assert (it.phase, it.epoch, it.file, it.rank) == ("verified", 2, None, 1)
    assert wants(it) == ["it could not be looked at: the store is down"]
    assert it.worked and it.worked.link.startswith("/dags/migrate__orders/runs/manual__2026-03-01T11:00:00")


def test_the_way_back_of_each_phase() -> None:
    before = way_back("orders", ROWS, Stood(Phase.VERIFIED, 1), None)
    assert (before.state, before.command) == ("ready", "./sluice abort orders")
    after = way_back("orders", ROWS, OVER, SAME)
    assert (after.state, after.proof, after.kept_until) == (
        "ready",
        SAME,
        OVER.cut_over_at and OVER.cut_over_at + 168 * HOUR,
    )
    assert "migrate__orders" in after.command and '"verified"' in after.command
    assert "reverse capture is on" in after.grounds
    assert way_back("orders", ROWS, OVER, replace(SAME, at=NOW - 2 * HOUR)).proof is None, "older than the cutover"
    assert way_back("orders", ROWS, OVER, replace(SAME, missing=1)).state == "hindered"
    assert way_back("orders", replace(ROWS, kind="into_postgres"), OVER, SAME).state == "hindered", (
        "nobody knows who wrote"
    )
    assert way_back("orders", ROWS, Stood(Phase.RETIRED, 1), SAME).state == "none"
    assert way_back("orders", ROWS, Stood(Phase.PLANNED, 1), None).state == "not needed"


def test_a_scan_that_has_read_more_than_was_estimated_has_no_share_above_all() -> None:
    it = standing(
        known(ITEMS, Stood(Phase.CAPTURING, 1, chunks=64, done=60, rows=200, rows_estimated=100), behind=Sample(NOW, 0))
    )
    assert it.copy and not it.copy.is_over
    assert it.copy.share < 1


def test_a_dag_leads_to_the_page_that_shows_more_of_it() -> None:
    pages = ("estate", "migrations", "partitions")
    told = {dag: page_for(dag, pages) for dag in ("migrate__a", "validate_data", "create_partitions", "beat_drum")}
    assert list(told.values()) == ["migrations/a", "migrations", "partitions", "estate"]
    assert page_for("backup__certify", ("quality",)) == "quality", "never to a page that there is none"
    assert [migration_of(dag) for dag in ("migrate__a_b", "backfill_window__a", "validate_data")] == ["a_b", "a", None]
