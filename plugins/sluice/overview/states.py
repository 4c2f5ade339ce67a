"""How well a thing is, on every page: in four words, a sign of each, and which of several counts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

State: TypeAlias = Literal["bad", "warn", "good", "none"]
"""`none`: nobody knows."""
ORDER: tuple[State, ...] = ("bad", "warn", "good", "none")
"""What is wrong first; what nobody knows is no worse than what is well."""
SIGNS: Mapping[State, str] = {"bad": "✘", "warn": "!", "good": "✔", "none": "·"}
WORDS: Mapping[State, str] = {"bad": "wrong", "warn": "look at it", "good": "well", "none": "not known"}
"""For who cannot see the sign."""


def worst(states: Iterable[State]) -> State:
    """Give the one that counts; `none` of none."""
    return min(states, key=ORDER.index, default="none")
