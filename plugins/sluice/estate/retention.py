"""How long a table's months are kept in the database, and what becomes of them then, as a person writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sluice.estate.document import Document, Steps
from sluice.estate.fields import Identifier, Part, Words, Written, lasting, matching
from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown
from sluice.estate.terms import Term

RETENTION: Steps = ("retention",)


@dataclass(frozen=True)
class Keep:
    """An age in whole months, weeks or days."""

    count: int
    unit: Literal["months", "weeks", "days"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


KEPT = "a number of months, weeks or days from 1 to 9999, such as 12 months, 26 weeks or 90 days"
UNITS: Mapping[str, Literal["months", "weeks", "days"]] = {"month": "months", "week": "weeks", "day": "days"}


def _read_keep(text: str) -> Keep:
    found = re.fullmatch(r"([1-9][0-9]{0,3}) (month|week|day)s?", text)
    if found is None:
        raise ValueError(f"allowed: {KEPT}")
    return Keep(int(found[1]), UNITS[found[2]])


Kept: TypeAlias = Annotated[Keep, Written(_read_keep, KEPT, r"^[1-9][0-9]{0,3} (month|week|day)s?$")]
MONTH = "[0-9]{4}-(0[1-9]|1[0-2])"
Month: TypeAlias = Annotated[str, matching(MONTH, "a month such as 2024-01")]


class Hold(Part):
    """Months that nobody may take away, for as long as this stands in the file."""

    from_month: Month = Field(alias="from")
    """The first month that is held."""
    until_month: Month | None = Field(default=None, alias="until")
    """The last month that is held, itself included; without it, all that come after."""
    because: Words
    """Why: for whoever finds the hold in the ledger."""


class Retention(Part):
    """What becomes of months that are old enough."""

    keep: Kept
    """How long rows stay in the table. A partition goes once all that it can hold is older, by the end of its bounds."""
    then: Literal["archive", "drop"] = "archive"
    """`archive`: detached, stored in the vault, read back. `drop`: all of that, and dropped once it has cooled."""
    cooling: Annotated[timedelta, lasting("0s", "365d")] = timedelta(days=7)
    """With `drop`: how long a month lies beside the table after it was read back."""
    late: Literal["refuse", "side", "reopen"] = "refuse"
    """Rows for a month that has left: PostgreSQL refuses them; or, with `drop`, they follow it to the vault, or bring it back."""
    approve: bool = False
    """With `drop`: whether a person is asked before a month is dropped."""
    tenant: Identifier | None = None
    """The column that tells tenants apart: the manifest counts each one's rows, and what is read back is counted so too."""
    in_vault: Term | None = None
    """How long a month stays in the vault once it is stored: no rule may expire it before. Without it, for good."""
    holds: tuple[Hold, ...] = Field(default=(), max_length=100)
    """Legal holds. A month that one touches is not begun, and never dropped; while there is one, nothing ends in the vault."""


def check_retention(document: Document) -> Iterator[Mistake]:
    """Find what single fields of `retention` cannot see."""
    if not isinstance(document.get(*RETENTION), dict):
        return
    if not _ranges(document):
        yield document.mistake(
            RETENTION, "a table that no range cuts", "retention where a range of time cuts the table"
        )
    late = document.get(*RETENTION, "late")
    if late in ("side", "reopen") and document.get(*RETENTION, "then") != "drop":
        yield document.mistake((*RETENTION, "late"), shown(str(late)), "refuse, or then: drop beside it")
    yield from check_holds(document, (*RETENTION, "holds"))


def check_holds(document: Document, steps: Steps) -> Iterator[Mistake]:
    """Find holds that end before they begin."""
    holds = document.get(*steps)
    for number, hold in enumerate(holds if isinstance(holds, tuple) else ()):
        first, last = (str(hold.get(key)) if isinstance(hold, dict) else "" for key in ("from", "until"))
        if re.fullmatch(MONTH, first) and re.fullmatch(MONTH, last) and last < first:
            yield document.mistake((*steps, number, "until"), shown(last), f"{first} or a later month")


def _ranges(document: Document) -> bool:
    cuts = (("partition",), ("partition", "then"))
    return any(document.get(*steps, "range") is not None for steps in cuts)
