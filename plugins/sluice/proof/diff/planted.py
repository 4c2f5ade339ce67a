"""Show that the verifier can fail, before its green counts: plant known faults in scratch and count what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.proof.diff.pair import Pair
from sluice.proof.diff.rows import compare
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import statement

FAULTS = {
    "1": "missing",
    "100": "extra",
    "3": "stale",
    "5": "NULL for ''",
    "6": "trailing space",
    "7": "'ab','c' for 'a','bc'",
    "8": "precision",
    "9": "time zone",
    "10": "a microsecond",
    "11": "Unicode form",
    "12": "a deep JSON leaf",
    "13": "one bit of a bytea",
    "14": "letter case",
}
DUPLICATE = "a pair of duplicates"
HARMLESS = {"20": "the order of JSON keys"}


@dataclass(frozen=True)
class Planted:
    """What was planted, what of it was found, and what was flagged though it is equal."""

    planted: int
    found: int
    missed: tuple[str, ...]
    flagged_wrongly: tuple[str, ...]

    @property
    def sees(self) -> bool:
        """Whether the verifier may be believed."""
        return self.found == self.planted and not self.flagged_wrongly


def plant_and_find(connection: Connection) -> Planted:
    """Run the real comparison over scratch tables with one known fault a row. Touches nothing but temporary tables."""
    with connection.transaction(force_rollback=True):
        for verb in ("create_scratch", "fill_scratch", "plant", "plant_harmless", "plant_duplicate"):
            connection.execute(statement(f"planted.{verb}"))
        flagged = {d.key for d in compare(connection, _pair("planted_right")).samples}
        twice = compare(connection, _pair("planted_twice"))
    missed = [what for key, what in FAULTS.items() if key not in flagged]
    missed += [] if twice.extra or twice.different else [DUPLICATE]
    wrongly = [key for key in flagged if key not in FAULTS]
    planted = len(FAULTS) + 1
    return Planted(planted, planted - len(missed), tuple(missed), tuple(HARMLESS.get(key, key) for key in wrongly))


def _pair(right: str) -> Pair:
    columns = ("id", "a", "b", "n", "at", "j", "bin")
    return Pair.alike(Table("pg_temp", "planted_left"), Table("pg_temp", right), (("id", "bigint"),), columns)
