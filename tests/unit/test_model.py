"""The protocol's model: whole, no state breaks an invariant; without any one part, some state does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.chaos import mutations as drills
from tests.model import tell
from tests.model.explore import Found, explore
from tests.model.invariants import INVARIANTS
from tests.model.mutations import MUTATIONS, ONE_ROW, WORLDS, Mutation

AT_LEAST = {"one row": 8_000, "old snapshots": 50_000, "two pages": 10_000}
"""States: fewer would mean that the model lost a step that it could take."""


def without(*parts: str, world=ONE_ROW) -> Found:
    """Explore the protocol without some of its parts."""
    return explore(world, frozenset(parts))


def verbs(found: Found) -> list[str]:
    """The way to a counterexample, as sentences."""
    return [tell.step(label) for label in found.path]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_whole_protocol_keeps_every_invariant_in_every_state(world):
    found = explore(world)
    assert not found.broken, tell.found(found)
    assert found.states >= AT_LEAST[world.name]
    assert found.steps > 3 * found.states
    assert found.depth > 20


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.part)
def test_each_part_is_there_for_a_reason(mutation: Mutation):
    found = without(mutation.part, world=mutation.world)
    assert found.broken == mutation.breaks, tell.found(found)
    assert found.path


def test_every_invariant_of_a_state_is_broken_by_some_mutation():
    # I2 and I3 ask what the application sees, I6 asks the graph: they have tests of their own below.
    assert {mutation.breaks for mutation in MUTATIONS} | {"I2", "I3", "I6"} == set(INVARIANTS)


def test_without_the_row_lock_a_deleted_row_is_read_deleted_and_copied():
    way = verbs(without("row lock"))
    gone = [
        "writer A deletes row 1",
        "worker takes its snapshot 0",
        "writer A commits",
        "worker copies 1 0 0",
        "worker commits, rows and mark",
    ]
    assert [said for said in way if said in gone] == gone


def test_a_follower_that_was_left_behind_loses_writes_and_gives_deleted_rows_back():
    # The comparison of both tables is switched off: what is left is what the application sees after cutting back.
    found = [
        explore(ONE_ROW, frozenset({"reverse capture"}), overlook=frozenset(overlooked))
        for overlooked in ({"I1", "I3"}, {"I1", "I2"})
    ]
    assert [one.broken for one in found] == ["I2", "I3"], list(map(tell.found, found))
    assert all("cut back" in verbs(one) for one in found)


def test_a_cutover_that_never_comes_is_a_dead_end():
    # No worker may claim a chunk: nothing is lost, and there is no way on but to abort, until the epochs are used up.
    found = without("workers")
    assert found.broken == "I6", tell.found(found)


def test_given_the_row_lock_overwriting_loses_nothing_and_without_it_more_than_deleted_rows():
    assert without("do nothing").broken == ""
    lost = explore(ONE_ROW._replace(ids=1), frozenset({"row lock", "do nothing", "deletes", "moves to another month"}))
    kept = explore(ONE_ROW._replace(ids=1), frozenset({"row lock", "deletes", "moves to another month"}))
    assert (lost.broken, kept.broken) == ("I1", ""), tell.found(lost)


def test_a_bound_that_is_not_reached_proves_nothing():
    with pytest.raises(OverflowError, match="more than 100 states"):
        explore(ONE_ROW, most=100)


def test_the_same_question_has_the_same_answer():
    first, second = without("row lock"), without("row lock")
    assert (first.states, first.path) == (second.states, second.path)


def test_every_drill_is_in_the_table_and_every_row_of_the_table_has_its_drill():
    source = (Path(__file__).parents[2] / drills.DRILLS).read_text()
    there = [
        node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"
    ]
    assert sorted(row.test for row in drills.TABLE) == sorted(there)
    assert len(drills.lines()) == 1 + len(drills.TABLE)
    assert {row.model for row in drills.TABLE if row.model} == {mutation.part for mutation in MUTATIONS}
