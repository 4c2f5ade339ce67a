"""`python -m tests.model`: explore the whole protocol, then without each of its parts. `--large` takes minutes."""

from __future__ import annotations

import sys

from tests.model import tell
from tests.model.explore import explore
from tests.model.invariants import INVARIANTS
from tests.model.mutations import LARGE, MUTATIONS, WORLDS


def main(*arguments: str) -> int:
    """Print what was found; 1 when the whole protocol breaks an invariant, or a mutation breaks none."""
    print("Invariants\n" + "\n".join(f"    {number:3} {what}" for number, what in INVARIANTS.items()))
    print("\nThe whole protocol")
    wrong = states = 0
    for world in (*WORLDS, *(LARGE if "--large" in arguments else ())):
        found = explore(world)
        wrong, states = wrong + bool(found.broken), states + found.states
        print(tell.found(found), flush=True)
    for mutation in MUTATIONS:
        found = explore(mutation.world, frozenset({mutation.part}))
        wrong, states = wrong + (found.broken != mutation.breaks), states + found.states
        print(f"\nWithout '{mutation.part}': {mutation.without}\n{tell.found(found)}", flush=True)
    print(f"\n{states:,} states in all. {'As it should be.' if not wrong else f'{wrong} not as it should be.'}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
