"""The two kinds of failure. Retry is a question of type, never of text.

Everything that Sluice raises on purpose is one of these. A message names the table, the window and the next action.
"""

from __future__ import annotations


class SluiceError(Exception):
    """What Sluice raises on purpose."""


class Transient(SluiceError):
    """May pass by itself: try again."""


class Terminal(SluiceError):
    """Will not pass by itself: a person must act."""
