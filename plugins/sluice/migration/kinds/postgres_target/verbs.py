"""Whichever verb a lost session or a full disk comes out of, it comes out as one of our errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from sluice.stores.postgres import translated

Class = TypeVar("Class", bound=type[Any])


def speaking_our_errors(kind: Class) -> Class:
    """Translate what each verb of a kind raises; where a verb has said more precisely what it was doing, that stands."""
    for name, verb in list(vars(kind).items()):
        if callable(verb) and not name.startswith("_"):
            setattr(kind, name, _speaking(verb))
    return kind


def _speaking(verb: Callable[..., Any]) -> Callable[..., Any]:
    doing = verb.__name__.replace("_", " ")

    @functools.wraps(verb)
    def speaking(self: Any, *arguments: Any, **named: Any) -> Any:
        with translated(f"{doing} of {self.migration.source.table}"):
            return verb(self, *arguments, **named)

    return speaking
