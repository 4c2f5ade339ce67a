"""Terms for which something is kept in the vault, as people write them: 30 days, 26 weeks, 7 years."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from sluice.estate.fields import Written

LONGEST = 36_500
"""Days: S3 locks nothing for longer than a hundred years."""
ALLOWED = "a number of days, weeks or years, a hundred years at most, such as 30 days, 26 weeks or 7 years"

UNITS: Mapping[str, Literal["days", "weeks", "years"]] = {"day": "days", "week": "weeks", "year": "years"}


@dataclass(frozen=True)
class KeptFor:
    """So many days, weeks or years."""

    count: int
    unit: Literal["days", "weeks", "years"]

    @property
    def days(self) -> int:
        """In days, and never fewer than the calendar has: S3 counts in nothing else, and a year may be a leap year."""
        if self.unit == "years":
            return -(-self.count * 1461 // 4)
        return self.count * (7 if self.unit == "weeks" else 1)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


def _read(text: str) -> KeptFor:
    found = re.fullmatch(r"([1-9][0-9]{0,4}) (day|week|year)s?", text)
    term = KeptFor(int(found[1]), UNITS[found[2]]) if found else None
    if term is None or term.days > LONGEST + 25:  # a hundred years have 25 leap days at most
        raise ValueError(f"allowed: {ALLOWED}")
    return term


Term: TypeAlias = Annotated[KeptFor, Written(_read, ALLOWED, r"^[1-9][0-9]{0,4} (day|week|year)s?$")]
