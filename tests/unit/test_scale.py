"""The cost model and the simulated queue: pure, so each claim of docs/scale.md that is arithmetic can be held here."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy
import pytest

from benchmarks._model import Copy, Law, Machine, bend, fit, laws, predict, steady
from benchmarks._queue import Lanes, simulate
from benchmarks._told import fill, markdown

LINE = [(rows, 5 + 2 * rows) for rows in (1.0, 3.0, 10.0)]
COPY = Copy(lane_rows=50_000, wal=800, target=400, source=200, chunk_rows=20_000)
HERE = Machine(cores=2, disk_mb=340, link_mb=125, claims=500)


def test_a_line_is_found_and_predicted_without_a_range():
    found = predict(LINE, 30)
    assert found.law == Law(pytest.approx(5), pytest.approx(2))
    assert (found.value, found.low, found.high) == (pytest.approx(65),) * 3
    assert found.error(65) == pytest.approx(0)
    assert found.error(50) == pytest.approx(0.3)


def test_repeats_count_by_their_median():
    off = [(1.0, 7.0), (1.0, 7.0), (1.0, 99.0), *LINE[1:]]
    assert predict(off, 30).value == pytest.approx(65), "one run that was disturbed does not move the line"


def test_a_run_weighs_one_over_its_rows():
    points = [(1.0, 7.0), (3.0, 12.0), (10.0, 21.0), (30.0, 80.0)]
    rows, seen = zip(*points, strict=True)
    each, fixed = numpy.polyfit(rows, seen, 1, w=[row**-0.5 for row in rows])  # it squares the weights
    assert fit(points) == Law(pytest.approx(fixed), pytest.approx(each))


def test_the_range_holds_what_each_two_sizes_say():
    bent = [(1.0, 1.0), (3.0, 3.0), (10.0, 17.0)]
    found = predict(bent, 30)
    lines = [fit([bent[i], bent[j]]).at(30) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert (found.low, found.high) == (pytest.approx(min(lines)), pytest.approx(max(lines)))
    assert found.low < found.value < found.high


def test_a_bend_shows_and_a_line_has_none():
    assert bend(LINE) == pytest.approx(1)
    assert bend([(1.0, 1.0), (3.0, 3.0), (10.0, 17.0)]) == pytest.approx(2)


def test_what_does_not_grow_has_no_bend_until_it_grows():
    assert bend([(1.0, 8.0), (3.0, 8.0), (10.0, 8.0)]) == 1
    assert bend([(1.0, 8.0), (3.0, 8.0), (10.0, 16.0)]) == inf


def test_one_size_alone_is_a_line_through_nothing():
    assert fit([(4.0, 8.0)]).at(40) == pytest.approx(80)


def test_what_is_free_of_rows_stays_what_it_is():
    runs = [{"rows": rows, "seconds": 2 * rows, "pause_ms": pause} for rows, pause in ((1, 30), (3, 10), (10, 20))]
    found = laws(runs, 30, constant=["pause_ms"])
    assert found["seconds"].value == pytest.approx(60)
    assert (found["pause_ms"].low, found["pause_ms"].value, found["pause_ms"].high) == (10, 20, 30)
    assert steady([(1, 30), (9, 10)]).law.each == 0


def test_the_first_limit_is_the_one_that_is_met_with_the_fewest_lanes():
    met = COPY.met_at(HERE)
    assert next(iter(met)) == "cores"
    assert met["cores"] == 2
    assert met["a chunk's time"] == pytest.approx(2 * 0.8 * 50_000 / 20_000)
    assert next(iter(COPY.met_at(Machine(cores=64, disk_mb=340, link_mb=inf, claims=500)))) == "disk"


def test_more_lanes_than_the_first_limit_bring_nothing_and_need_smaller_chunks():
    rates = [COPY.rate(HERE, lanes) for lanes in (1, 2, 20, 200)]
    assert rates == [50_000, 100_000, 100_000, 100_000]
    chunks = [COPY.fitting_chunk(HERE, lanes) for lanes in (2, 20, 200)]
    assert chunks == [20_000, pytest.approx(4_000), pytest.approx(400)]
    assert all(more <= fewer for fewer, more in pairwise(chunks))


def test_a_roomy_machine_is_as_fast_as_its_lanes():
    assert COPY.rate(Machine(cores=200, disk_mb=inf, link_mb=inf, claims=inf), 200) == 200 * 50_000


def test_the_simulated_queue_gives_each_chunk_once_and_is_the_same_each_time():
    world = Lanes(lanes=200, chunks=20_000, copying=[0.2, 0.3, 0.4], claim=0.0005, deaths=60, back_after=30)
    seen = simulate(world)
    assert seen.done == world.chunks
    assert seen.deaths > 50
    assert seen == simulate(world)
    assert seen != simulate(world, seed=2)


def test_without_deaths_it_takes_what_the_chunks_take():
    seen = simulate(Lanes(lanes=10, chunks=1_000, copying=[0.5], claim=0.0))
    assert seen.seconds == pytest.approx(50)
    assert (seen.deaths, seen.lost_seconds, seen.queued_seconds) == (0, 0, 0)


def test_the_claim_is_the_limit_once_it_is_as_long_as_the_copy_over_the_lanes():
    seen = simulate(Lanes(lanes=200, chunks=10_000, copying=[0.1], claim=0.002))
    assert seen.seconds == pytest.approx(10_000 * 0.002, rel=0.02)
    assert seen.queued_seconds / (200 * seen.seconds) > 0.5


def test_a_lane_whose_machine_is_lost_holds_its_chunk_until_that_is_known():
    world = {"lanes": 20, "chunks": 20_000, "copying": [0.3], "claim": 0.001, "deaths": 60.0}
    known, lost = simulate(Lanes(**world)), simulate(Lanes(**world, known_after=7_200))
    assert lost.done == known.done == 20_000
    assert known.seconds < 600 < 7_200 < lost.seconds
    assert lost.tail_seconds > 6_000


def test_a_page_gets_its_tables_and_keeps_what_a_person_wrote():
    page = "# A\n\n<!-- told: first -->\nwhat was\n<!-- end -->\n\nwords\n\n<!-- told: second -->\n<!-- end -->\n"
    told = fill(page, lambda name: markdown([{"what": name, "is": "1"}]))
    assert "what was" not in told
    assert "\nwords\n" in told
    assert "| first | 1 |\n<!-- end -->" in told
    assert fill(told, lambda name: markdown([{"what": name, "is": "1"}])) == told
