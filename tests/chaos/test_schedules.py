"""Random schedules are made from their seed alone; those that once failed are played again, always."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sluice.migration.engine.contract import Phase
from sluice.migration.engine.way import Step

from tests.chaos.edges import FAULTS, LEGS, edges_of
from tests.chaos.mortal import Mortal, mortal_server
from tests.chaos.schedules import QUIRKS, Act, Schedule, deck, plan, play

EARLIER = {
    # By the way in which its database had been cloned: see mortal.py.
    "numbers were handed out twice after a crash": Schedule(
        seed=7, number=17, rows=686, chunk_rows=135, lanes=3, rate=40, quirks=(),
        acts=(
            Act("backfill", "layout.planned", "crash"),
            Act("cut_back", "tables.compared", "raise"),
            Act("window", "fence.shared", "raise"),
            Act("cut_over", "fence.shared", "kill"),
        ),
        pauses=(0.1, 0.1, 0.1, 0.1), ends=Phase.RETIRED,
    ),
}  # fmt: skip
"""Schedules that failed once, whole: a seed means another one as soon as there is another edge."""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory) -> Iterator[Mortal]:
    """A server that may crash."""
    with mortal_server(tmp_path_factory.mktemp("mortal")) as made:
        yield made


@pytest.mark.parametrize("schedule", EARLIER)
def test_a_schedule_that_failed_once_loses_nothing(mortal, migration, schedule):
    play(EARLIER[schedule], mortal, migration)


def test_a_schedule_repeats_by_its_seed_and_number():
    assert plan(7, 12) == plan(7, 12)
    assert plan(7, 12) != plan(7, 13)
    assert plan(7, 12) != plan(8, 12)
    assert plan(7, 12).repeat == "./sluice test chaos --seed 7:12"


def test_the_deck_holds_every_edge_with_every_fault():
    cards = {(act.leg, act.edge, act.fault) for act in deck(1)}
    assert cards == {(leg, edge, fault) for leg in LEGS for fault in FAULTS for edge in edges_of(leg, fault)}
    leads = {(act.leg, act.edge, act.fault) for number in range(len(cards)) for act in plan(1, number).acts}
    assert leads == cards, "some pair would never come up"


def test_schedules_differ_in_everything():
    plans = [plan(3, number) for number in range(200)]
    assert {quirk for one in plans for quirk in one.quirks} == set(QUIRKS)
    assert {one.lanes for one in plans} == {1, 2, 3}
    assert len({one.ends for one in plans}) == 4
    assert {len(one.acts) for one in plans} == {1, 2, 3, 4}
    assert any(act.hit > 1 for one in plans for act in one.acts)
    assert all(act.leg != Step.RETIRE for one in plans for act in one.acts[:-1]), "there is no way back from it"
