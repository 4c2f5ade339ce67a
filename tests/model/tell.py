"""Say in words what an exploration found."""

from __future__ import annotations

from tests.model.explore import Found
from tests.model.invariants import INVARIANTS
from tests.model.state import Bounds
from tests.model.writers import NAMES, Label

STATEMENTS = {
    "inserts": "inserts row {}, month {}",
    "deletes": "deletes row {}",
    "updates": "updates row {}",
    "moves to another month": "moves row {} to another month",
    "changes the id of": "changes the id of row {} to {}",
}
EVENTS = {
    "snapshot": "begins at REPEATABLE READ",
    "commits": "commits",
    "rolls back": "rolls back",
}


def step(label: Label) -> str:
    """One step as a sentence without a full stop."""
    verb, *rest = label
    if verb in EVENTS:
        return f"writer {NAMES[rest[0]]} {EVENTS[verb]}"
    if verb in ("writes", "is refused (40001)"):
        number, statement, *values = rest
        said = f"writer {NAMES[number]} {STATEMENTS[statement].format(*values)}"
        return said if verb == "writes" else f"{said} and is refused (40001)"
    return " ".join([verb, *map(_value, rest)])


def _value(value: object) -> str:
    return {True: "clean", False: "red"}.get(value, "") if isinstance(value, bool) else str(value)


def bounds(world: Bounds) -> str:
    """The bounds in one line."""
    return (
        f"{world.name}: {len(world.rows)} row(s) on {world.pages} page(s), ids 1 to {world.ids}, 2 months,"
        f" {world.writers} writer(s), {world.ops} writes, {world.epochs} epoch(s)"
        f"{', rows that change page' if world.moves_pages else ''}{', old snapshots' if world.old_snapshots else ''}"
    )


def found(one: Found) -> str:
    """What was explored; the way to a counterexample, if there is one, a line a step."""
    counted = f"{one.states:,} states, {one.steps:,} steps, {one.depth} deep, {one.seconds:.1f} s"
    if not one.broken:
        return f"{bounds(one.bounds)}\n    {counted}: every invariant holds in every state"
    lines = [f"    {number:2}. {step(label)}" for number, label in enumerate(one.path, 1)]
    return "\n".join([f"    {counted}: {one.broken} breaks ({INVARIANTS[one.broken]})", *lines])
