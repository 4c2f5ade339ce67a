"""Terms for which something is kept in the vault, as people write them: 30 days, 7 years."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from sluice.estate.fields import Written

LONGEST = 36_500
"""Days: S3 locks nothing for longer than a hundred years."""
ALLOWED = "a number of days or years, a hundred years at most, such as 30 days or 7 years"


@dataclass(frozen=True)
class KeptFor:
    """So many days, or years."""

    count: int
    unit: Literal["days", "years"]

    @property
    def days(self) -> int:
        """In days, and never fewer than the calendar has: S3 counts in nothing else, and a year may be a leap year."""
        return self.count if self.unit == "days" else -(-self.count * 1461 // 4)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


def _read(text: str) -> KeptFor:
    found = re.fullmatch(r"([1-9][0-9]{0,4}) (day|year)s?", text)
    term = KeptFor(int(found[1]), "days" if found[2] == "day" else "years") if found else None
    if term is None or term.days > LONGEST + 25:  # a hundred years have 25 leap days at most
        raise ValueError(f"allowed: {ALLOWED}")
    return term


Term: TypeAlias = Annotated[KeptFor, Written(_read, ALLOWED, r"^[1-9][0-9]{0,4} (day|year)s?$")]
