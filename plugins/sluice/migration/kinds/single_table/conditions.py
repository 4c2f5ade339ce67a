"""What must hold before a step of a DynamoDB table's migration. Each raises, and its message says what to do."""

from __future__ import annotations

from collections.abc import Callable

from sluice.estate.single_table import SingleTableMigration
from sluice.ledger.item_marks import ItemMarks, State
from sluice.ledger.items_aside import Poison
from sluice.migration.engine.contract import Diff, Drifted, Fenced, NotYet, Phase, Progress
from sluice.migration.kinds.single_table.quarantine import release
from sluice.migration.kinds.single_table.tables import Tables
from sluice.migration.kinds.single_table.ways import Ways


def check_ready(migration: SingleTableMigration, state: State) -> None:
    """Raise NotYet unless everything that a cutover stands on holds."""
    if state.phase != Phase.SHADOWING:
        raise NotYet(f"{migration.name} is {state.phase}: a cutover follows shadowing.")
    proven = state.time("verified_at")
    freshness = migration.gates.freshness
    if proven is None or state.now - proven > freshness:
        raise NotYet(f"{migration.name} has no clean diff of the last {freshness}: run verify again.")


def check_mapping(tables: Tables, state: State) -> None:
    """Raise Drifted when the YAML or a table is not what it was: another mapping makes other records."""
    if drifted(tables, state):
        name = tables.migration.name
        raise Drifted(
            f"The mapping of {name}, or the key of a table, has changed since it was expanded."
            f" Put it back, or `./sluice abort {name}` and begin again."
        )


def drifted(tables: Tables, state: State) -> bool:
    """Whether the mapping or a table's key is another than when it was expanded. Once retired the tables are on their own."""
    if state.phase == Phase.RETIRED:
        return False
    return state.facts.get("fingerprint") not in (None, "", tables.fingerprint())


def waiting(marks: ItemMarks, ways: Ways, state: State) -> list[Poison]:
    """What is in quarantine and has no place still."""
    release(ways.client, marks, ways.sides(state), lambda: [ways.fence(state)(0)])
    return marks.aside.quarantined()


def check_switchable(tables: Tables, marks: ItemMarks, ways: Ways, state: State) -> None:
    """Raise Drifted where another mapping would deliver the last changes; NotYet while something waits in quarantine."""
    check_mapping(tables, state)
    if left := waiting(marks, ways, state):
        raise NotYet(
            f"{marks.name} has {len(left)} items in quarantine, such as {left[0].key}: {left[0].reason}."
            " A switch would lose them. Mend or delete them where they are written, then clear this task."
        )


def check_followed(name: str, state: State, astray: int, compare: Callable[[], Diff]) -> None:
    """Raise NotYet where only a comparison knows whether the old table followed since the cutover, and it did not.

    A gap was copied over, or somebody wrote to the old table past the route. As for a table in one cluster, where nothing of the
    kind happened no comparison is asked for: a way back has to be short.
    """
    gap, since = state.time("gap_at"), state.time("cut_over_at")
    if not astray and (gap is None or since is None or gap < since):
        return
    diff = compare()
    if not diff.clean:
        why = f"{astray} writes went to the old table past the route" if astray else "changes were lost on the way back"
        raise NotYet(
            f"{name}: {why} since the cutover, and the old table differs: {'; '.join(map(str, diff.samples[:5]))}."
            " Nothing was changed: write these once more where applications write, then cut back."
        )


def check_copied(table: str, progress: Progress) -> None:
    """Raise NotYet while a segment is pending."""
    if progress.done < progress.chunks or not progress.chunks:
        raise NotYet(f"{table}: {progress}. Clear the lanes of this run and let them go on.")


def check_proven(name: str, diff: Diff, state: State) -> None:
    """Raise unless a comparison proves something: it is clean, and of this epoch."""
    if not diff.clean:
        raise NotYet(f"the diff of {name} is not clean: {diff.facts()}")
    if state.epoch != diff.epoch:
        raise Fenced(f"{name} went back while its tables were compared. The comparison proves nothing; run it again.")
