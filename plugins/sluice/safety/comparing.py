"""Hold a copy of a database against what was counted of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.safety.census import Census


@dataclass(frozen=True)
class Differences:
    """Where a copy is not what was counted. All empty: it is the same."""

    missing: tuple[str, ...]
    """Tables that are not there."""
    extra: tuple[str, ...]
    different: tuple[str, ...]
    """Tables with other rows, each with how many."""
    surroundings: tuple[str, ...]
    """Lines that are on one side alone."""
    sequences: tuple[str, ...]
    """Sequences that would give a number again."""

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them, one a line."""
        gone = [f"{name}: the copy has no such table" for name in self.missing]
        more = [f"{name}: a table that was not there" for name in self.extra]
        return (*gone, *more, *self.different, *self.surroundings, *self.sequences)

    @property
    def none(self) -> bool:
        """Whether there is none."""
        return not self.lines


def compare(was: Census, copy: Census) -> Differences:
    """Hold a copy against what was counted. Pure."""
    both = sorted(was.tables.keys() & copy.tables.keys())
    told = [
        f"{name}: {was.tables[name].rows} rows, {copy.tables[name].rows} in the copy"
        + (", with another content" if was.tables[name].rows == copy.tables[name].rows else "")
        for name in both
        if was.tables[name] != copy.tables[name]
    ]
    lines = [
        f"{kind} {what}: {line}"
        for kind in sorted(was.surroundings.keys() | copy.surroundings.keys())
        for what, one_side in _sides(set(was.surroundings.get(kind, ())), set(copy.surroundings.get(kind, ())))
        for line in sorted(one_side)
    ]
    behind = [
        f"{name}: at {copy.sequences.get(name)}, was at {at}"
        for name, at in sorted(was.sequences.items())
        if copy.sequences.get(name, at - 1) < at
    ]
    return Differences(
        tuple(sorted(was.tables.keys() - copy.tables.keys())), tuple(sorted(copy.tables.keys() - was.tables.keys())), tuple(told),
        tuple(lines), tuple(behind),
    )  # fmt: skip


def _sides(was: set[str], copy: set[str]) -> list[tuple[str, set[str]]]:
    return [("missing", was - copy), ("extra", copy - was)]


def settled(before: Census, after: Census) -> Census:
    """Give what two counts of a database agree in. Whatever it is brought back to in between has the same of these.

    A table that was changed and changed back in between is taken for one that was not.
    """
    tables = {name: found for name, found in before.tables.items() if after.tables.get(name) == found}
    around = {
        kind: [line for line in lines if line in set(after.surroundings.get(kind, ()))]
        for kind, lines in before.surroundings.items()
    }
    # One that is gone by the second, or was set back, may be so in the copy as well.
    sequences = {
        name: min(at, after.sequences[name]) for name, at in before.sequences.items() if name in after.sequences
    }
    return Census(before.database, before.moment, tables, around, sequences)


def lacking(expected: Census, copy: Census) -> Differences:
    """Hold a copy against what it must have at least: what it has besides counts for nothing. Pure."""
    tables = {name: found for name, found in copy.tables.items() if name in expected.tables}
    around = {
        kind: [line for line in lines if line in set(expected.surroundings.get(kind, ()))]
        for kind, lines in copy.surroundings.items()
    }
    return compare(expected, Census(copy.database, copy.moment, tables, around, copy.sequences))
