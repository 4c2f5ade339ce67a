"""Whoever migrates meets a fault at every edge there is, one after another, and users notice nothing.

One journey for each fault: every edge of every leg on the way to the cutover, back again, to the very beginning, and
through to the end. `./sluice test chaos --seed N --minutes M` plays every edge with every fault, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sluice.estate import Migration
from sluice.failpoints import EDGES
from sluice.migration.engine.contract import Phase
from sluice.migration.engine.way import Step

from tests.chaos.drill import fitted, live
from tests.chaos.edges import IN_AIRFLOW, LEGS, WINDOW, edges_of
from tests.chaos.mortal import Mortal, mortal_server
from tests.chaos.stage import Stage

ELSEWHERE = (
    "ledger/item_marks.py",
    "migration/engine/following.py",
    "migration/kinds/dynamodb_source/",
    "migration/kinds/single_table/",
    "migration/kinds/into_postgres/",
    "upkeep/",
    "safety/",
)
"""Where the edges of the other kinds and jobs stand: they have journeys of their own."""

THERE_AND_BACK = (
    (Step.EXPAND, Phase.EXPANDED),
    (Step.CAPTURE, Phase.CAPTURING),
    (Step.BACKFILL, Phase.BACKFILLED),
    (WINDOW, Phase.BACKFILLED),
    (Step.VERIFY, Phase.VERIFIED),
    (Step.SHADOW, Phase.SHADOWING),
    (Step.CUT_OVER, Phase.CUT_OVER),
    (Step.CUT_BACK, Phase.VERIFIED),
    (Step.ABORT, Phase.PLANNED),
)

CRASHES = (
    (Step.EXPAND, "expansion.built"),
    (Step.EXPAND, "fence.committed"),
    (Step.CAPTURE, "attempt.committing"),
    (Step.CAPTURE, "attempt.committed"),
    (Step.BACKFILL, "chunk.checked_off"),
    (Step.BACKFILL, "chunk.committed"),
    (Step.VERIFY, "proof.recorded"),
    (Step.CUT_OVER, "cutover.turned"),
    (Step.CUT_OVER, "attempt.committed"),
    (Step.CUT_BACK, "cutback.sequenced"),
    (Step.CUT_BACK, "attempt.committed"),
    (Step.RETIRE, "attic.moved"),
    (Step.RETIRE, "attempt.committed"),
)

TWICE = (
    (Step.EXPAND, "fence.wanted"),
    (Step.CAPTURE, "attempt.wanted"),
    (Step.CAPTURE, "trigger.half"),
    (Step.BACKFILL, "layout.stale"),
    (Step.BACKFILL, "chunk.filled"),
    (Step.BACKFILL, "statistics.refreshed"),
    (Step.VERIFY, "tables.compared"),
    (Step.CUT_OVER, "snapshots.gone"),
    (Step.CUT_OVER, "attempt.wanted"),
    (Step.CUT_OVER, "cutover.turned"),
    (Step.CUT_BACK, "attempt.wanted"),
    (Step.ABORT, "abort.asked"),
    (Step.RETIRE, "attempt.wanted"),
)


def test_every_edge_lies_on_a_leg():
    elsewhere = {edge.name for edge in EDGES if edge.where.startswith(ELSEWHERE)}
    assert {edge for edges in LEGS.values() for edge in edges} | IN_AIRFLOW == {edge.name for edge in EDGES} - elsewhere


@pytest.fixture
def migration(migration: Migration) -> Migration:
    """Small chunks, and the patience of the sample's own YAML."""
    return fitted(migration)


@pytest.mark.parametrize("fault", ("kill", "terminate"))
def test_a_fault_at_every_edge_of_the_way_loses_nothing(stage, fault):
    # With two, the other lane would finish the leg before its next edge comes up.
    with live(stage, lanes=2 if fault == "kill" else 1) as drill:
        for leg, arrives in THERE_AND_BACK:
            for edge in edges_of(leg, fault):
                drill.meet(leg, edge, fault)
            drill.arrive(arrives)
        drill.arrive(Phase.CUT_OVER)
        for edge in edges_of(Step.RETIRE, fault):
            drill.meet(Step.RETIRE, edge, fault)
        drill.arrive(Phase.RETIRED)
        drill.judge()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory) -> Iterator[Mortal]:
    """A durable server that may crash as often as it likes."""
    with mortal_server(tmp_path_factory.mktemp("mortal")) as made:
        yield made


def test_a_server_that_crashes_at_the_edges_loses_nothing(mortal, migration):
    with mortal.database() as database, live(Stage(database, migration)) as drill:
        for leg, edge in CRASHES:
            drill.stand_before(leg)
            drill.meet(leg, edge, "crash")
        drill.arrive(Phase.RETIRED)
        drill.judge()


def test_the_same_step_by_two_at_once_is_taken_once(stage):
    with live(stage) as drill:
        for leg, edge in TWICE:
            drill.stand_before(leg)
            drill.meet(leg, edge, "twice")
        drill.arrive(Phase.RETIRED)
        drill.judge()
