"""What orders every write of ours: the epoch, and within it the sequence of the change in its stream."""

from __future__ import annotations

import re

FLOOR = "0" * 40
"""The sequence of what was copied: older than every change of its epoch, younger than any epoch before."""
SWEPT = "1".zfill(40)
"""The sequence of what nobody led to after a copy: younger than the copy, older than every change."""
TOKEN_FORM = re.compile(r"\d{10}#\d{40}")


def token(epoch: int, order: str = FLOOR) -> str:
    """Give the place of a write among all of its key, as text that sorts. `order` has 40 digits."""
    return f"{epoch:010}#{order}"
