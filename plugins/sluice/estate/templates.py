"""Templates as a person writes them, `USER#{userId|lower}`, taken apart. What they give is `sluice.records`' task.

`{path.to.attribute}` is a value, `|` puts a filter behind it, `{{` and `}}` are braces. A template that is one placeholder and
nothing else, without filters, keeps the value's own type; every other one is text, or a number where its last filter gives one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from sluice.estate.durations import PATTERN as DURATION
from sluice.estate.mistakes import choice
from sluice.estate.showing import shown

Taken: TypeAlias = Literal["value", "text", "number"]


@dataclass(frozen=True)
class FilterKind:
    """One filter: what it takes and gives, and what may stand behind its colon."""

    takes: frozenset[Taken]
    gives: Taken
    argument: str = ""
    words: str = ""
    optional: bool = False


_VALUE: frozenset[Taken] = frozenset({"value"})
_TEXT: frozenset[Taken] = frozenset({"value", "text"})
_ANY: frozenset[Taken] = frozenset({"value", "text", "number"})
FILTERS: Mapping[str, FilterKind] = {
    "or": FilterKind(_VALUE, "value", r"[^{}|]*", "the text for a missing one, such as or:NONE"),
    "lower": FilterKind(_TEXT, "text"),
    "upper": FilterKind(_TEXT, "text"),
    "trim": FilterKind(_TEXT, "text"),
    "year": FilterKind(_VALUE, "text"),
    "month": FilterKind(_VALUE, "text"),
    "day": FilterKind(_VALUE, "text"),
    "iso": FilterKind(_VALUE, "text"),
    "seconds": FilterKind(
        _VALUE, "number", DURATION.strip("^$"), "a duration to add, such as seconds:30d", optional=True
    ),
    "millis": FilterKind(
        _VALUE, "number", DURATION.strip("^$"), "a duration to add, such as millis:30d", optional=True
    ),
    "pad": FilterKind(_ANY, "text", "[1-9]|[1-3][0-9]|40", "a length from 1 to 40, such as pad:12"),
    "spread": FilterKind(_ANY, "text", "[a-z0-9_]{1,40}", "a class of keys under `spread`, such as spread:user"),
}
_PIECE = re.compile(r"(\{\{|\}\})|\{([^{}]*)\}|([{}])|([^{}]+)")


class BadTemplate(ValueError):
    """What is wrong with a template, and what is allowed."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(f"found {found}, allowed: {allowed}")
        self.found, self.allowed = found, allowed


@dataclass(frozen=True)
class Filter:
    """A filter behind a placeholder, with what stands behind its colon (None where nothing does)."""

    name: str
    argument: str | None = None


@dataclass(frozen=True)
class Placeholder:
    """One attribute, reached through maps, and what is done to it."""

    path: tuple[str, ...]
    filters: tuple[Filter, ...] = ()

    @property
    def gives(self) -> Taken:
        """What comes out: the value as it is, text, or a number."""
        return FILTERS[self.filters[-1].name].gives if self.filters else "value"

    @property
    def spread_class(self) -> str | None:
        """The class of keys that it is spread over, if it is."""
        return next((one.argument for one in self.filters if one.name == "spread"), None)

    @property
    def has_default(self) -> bool:
        """Whether a missing attribute does no harm."""
        return any(one.name == "or" for one in self.filters)


Pieces: TypeAlias = tuple[str | Placeholder, ...]


@lru_cache(maxsize=4096)
def parse_template(text: str) -> Pieces:
    """Take a template apart into literals and placeholders. Raises BadTemplate."""
    pieces: list[str | Placeholder] = []
    for brace, inner, stray, literal in _PIECE.findall(text):
        if stray:
            raise BadTemplate(f"{shown(stray)} alone", "{attribute}, or {{ and }} for braces themselves")
        if brace or literal:
            told = brace[:1] or literal
            if pieces and isinstance(pieces[-1], str):
                pieces[-1] += told
            else:
                pieces.append(told)
        else:
            pieces.append(_placeholder(inner))
    return tuple(pieces)


def placeholders(text: str) -> tuple[Placeholder, ...]:
    """Give the placeholders of a template. Raises BadTemplate."""
    return tuple(piece for piece in parse_template(text) if isinstance(piece, Placeholder))


def renamed(text: str) -> str | None:
    """Give the attribute that a template is, where it is one plain top-level `{attribute}`; else None."""
    pieces = parse_template(text)
    one = pieces[0] if len(pieces) == 1 else None
    return one.path[0] if isinstance(one, Placeholder) and len(one.path) == 1 and not one.filters else None


def _placeholder(inner: str) -> Placeholder:
    path, *rest = inner.split("|")
    steps = tuple(path.split("."))
    if not all(steps) or path != path.strip():
        raise BadTemplate(shown("{" + inner + "}"), "{attribute} or {map.attribute}, without spaces")
    filters: list[Filter] = []
    given: Taken = "value"
    for one in map(_filter, rest):
        kind = FILTERS[one.name]
        if given not in kind.takes:
            before = filters[-1].name
            raise BadTemplate(f"{one.name} behind {before}", f"behind {before}: {_behind(before)}")
        filters.append(one)
        given = kind.gives
    return Placeholder(steps, tuple(filters))


def _filter(text: str) -> Filter:
    name, colon, argument = text.partition(":")
    kind = FILTERS.get(name)
    if kind is None:
        raise BadTemplate(f"the filter {shown(name)}", choice(name, FILTERS))
    if colon and not kind.argument:
        raise BadTemplate(f"{name} with {shown(argument)}", f"{name} alone")
    wrong = bool(colon) and re.fullmatch(kind.argument, argument) is None
    if wrong or (not colon and kind.argument and not kind.optional):
        raise BadTemplate(f"the filter {shown(text)}", kind.words)
    return Filter(name, argument if colon else None)


def _behind(name: str) -> str:
    gives = FILTERS[name].gives
    return ", ".join(sorted(other for other, kind in FILTERS.items() if gives in kind.takes)) or "nothing"
