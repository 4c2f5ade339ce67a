"""What is a fault, as a person writes it: the rules of include/health/rules.yaml, and one's own in include/estate/health.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from sluice.estate.durations import format_duration, parse_duration
from sluice.estate.fields import Name, Part, Words, Written, matching
from sluice.estate.severity import Severity

NAMED = ("disk_full_at", "replica_alert", "replica_count")
"""What a level may be called instead of its number: what the estate's file says of each store."""


@dataclass(frozen=True)
class Leveled:
    """Marks a level: a number, or the name of one in the estate's file."""

    allowed = f"a number, or one of {', '.join(NAMED)}"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take either of them."""

        def validate(value: object) -> object:
            if value in NAMED or (isinstance(value, int | float) and not isinstance(value, bool)):
                return value
            raise ValueError(f"allowed: {self.allowed}")

        return core_schema.no_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe it; the title holds the words for what is allowed."""
        return {"type": ["number", "string"], "title": self.allowed}


Level: TypeAlias = Annotated[float | str, Leveled()]


@dataclass(frozen=True)
class Lasting:
    """For how long something must be wrong: all of a time, or the means of `count` periods, one after the other."""

    period: timedelta
    count: int = 0
    """How many periods; 0 where each number of the time counts by itself."""

    @classmethod
    def parse(cls, text: str) -> Lasting:
        """Read `5m`, or `2 x 300s`. Raises ValueError."""
        found = re.fullmatch(r"(?:([1-9]|1[0-2]) x )?([0-9]+(?:s|m|h))", text)
        if found is None:
            raise ValueError(f"allowed: {FOR}")
        period = parse_duration(found[2])
        if period > timedelta(days=1) or (found[1] and period < timedelta(minutes=1)):
            raise ValueError(f"allowed: {FOR}")
        return cls(period, int(found[1] or 0))

    def __str__(self) -> str:
        """Write it as in a file."""
        length = format_duration(self.period) if self.period else "0s"
        return f"{self.count} x {length}" if self.count else length


FOR = "a duration up to 24h, such as 5m, or how many periods of a minute and more: 2 x 300s"
For: TypeAlias = Annotated[Lasting, Written(Lasting.parse, FOR, r"^([1-9][0-2]? x )?[0-9]{1,6}(s|m|h)$")]
Query: TypeAlias = Annotated[
    str,
    matching(
        r"(?s)\s*(?i:select|with)\s(?!.*;\s*\S).{1,4000}",
        "one SELECT: a number `value`, and if wanted a text `subject`",
    ),
]
Page: TypeAlias = Annotated[
    str,
    matching(
        r"(docs|include)/[\w./-]{1,200}\.md(#[\w-]{1,100})?|https://[^\s@]{1,300}",
        "a page: docs/howto/….md, or https://…",
    ),
]
Until: TypeAlias = Annotated[date, Written(date.fromisoformat, "a day: 2027-01-31", r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$")]


class Levels(Part):
    """What is too much at one store."""

    over: Level | None = None
    """It is wrong above this."""
    under: Level | None = None
    """It is wrong below this."""
    clear: Level | None = None
    """It is well again from here on; without it, as soon as it is wrong no more."""


class RuleFile(Part):
    """A rule: what is wrong, for how long, how urgent that is, and what somebody does then."""

    off: bool = False
    """True: nobody looks."""
    metric: Name | None = None
    """What is looked at: docs/reference/metrics.md lists all there is."""
    sql: Query | None = None
    """Instead of a metric, a question of your own: read-only, within five seconds."""
    store: Name | None = None
    """The PostgreSQL store that `sql` asks."""
    against: Literal["level", "usual"] | None = None
    """`usual`: the levels are how many times the mean of the same hour in the last two weeks."""
    over: Level | None = None
    """It is wrong above this."""
    under: Level | None = None
    """It is wrong below this."""
    clear: Level | None = None
    """It is well again from here on; without it, as soon as it is wrong no more."""
    lasts: For | None = Field(default=None, alias="for")
    """For how long it must be wrong until it counts: `5m`, or the means of so many periods in a row, `2 x 300s`."""
    severity: Severity | None = None
    """P1 at once, P2 within 15 minutes, P3 within an hour, P4 with the report."""
    cause: Name | None = None
    """The family: what is wrong at a store for one cause is one incident."""
    explained_by: tuple[Name, ...] | None = Field(default=None, max_length=20)
    """Causes that explain this one: while one of them is there at the same store, this hangs below it."""
    ours: Literal["silent", "told"] | None = None
    """`silent`: nobody is told while it is Sluice's own sessions that cause it."""
    runbook: Page | None = None
    """The page that says what to do."""
    do: Words | None = None
    """The first thing to do, in a line."""
    owner: Words | None = None
    """Whose matter it is."""
    stores: dict[Name, Levels] = Field(default_factory=dict)
    """Other levels for some stores."""


class Silence(Part):
    """What nobody wants to be told for a while."""

    store: Name | None = None
    """Of this store alone; without it, of all."""
    rule: Name | None = None
    """Of this rule alone; without it, of all."""
    until: Until
    """Until the end of this day, UTC."""
    why: Words
    """Why: whoever comes next reads it."""


class HealthFile(Part):
    """One's own rules, changes to those that come along, and what nobody wants to be told for a while."""

    rules: dict[Name, RuleFile] = Field(default_factory=dict)
    """By name: one that comes along is changed in the fields that are written here; another is new."""
    silences: tuple[Silence, ...] = Field(default=(), max_length=100)
    """What nobody is told for a while. What is wrong is kept all the same."""
