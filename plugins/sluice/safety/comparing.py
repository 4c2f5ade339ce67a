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
    def none(self) -> bool:
        """Whether there is none."""
        return not (self.missing or self.extra or self.different or self.surroundings or self.sequences)


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
