"""What is wrong in a person's file: where, what was found, and what is allowed instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from sluice.errors import Terminal


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake, on one line of one file."""

    file: str
    line: int
    field: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: found {self.found}, allowed: {self.allowed}"


class EstateErrors(Terminal):
    """Everything that is wrong in the files that were read, one mistake a line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


class NoFile(EstateErrors):
    """There is no file of the name that somebody gave."""

    def __init__(self, folder: str, name: str, names: Iterable[str]) -> None:
        super().__init__(())
        self.args = (folder, name, tuple(names))

    def __str__(self) -> str:
        folder, name, names = self.args
        return (
            f"{folder} has no {name[:100]}.yaml. There are: {choice(name, names)}"
            if names
            else f"{folder} has no file."
        )


def choice(found: str, options: Iterable[str]) -> str:
    """Say what is allowed where a name had to be one of `options`, and which was probably meant."""
    names = sorted(options)
    near = get_close_matches(found[:100], names, n=1)
    return f"{', '.join(names)}" + (f"; did you mean {near[0]}?" if near else "")
