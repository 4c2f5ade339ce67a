"""What was found wrong, what became of it, and who was told: in the ledger's own database, schema `insight`.

A look is one transaction: how each rule stands, the incidents, and the messages that follow from them are there together or not
at all. Telling comes after it, by the messages that are there: what a crash or a channel that is down keeps from being told is
told by the next look. What is told twice is only what was taken and not noted, between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from psycopg.types.json import Jsonb

from sluice.estate.severity import Severity
from sluice.ledger.releases import bring_up_to_date
from sluice.ledger.samples import Series
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement

Phase: TypeAlias = Literal["pending", "firing", "missing"]
Key: TypeAlias = tuple[str, Series]
"""A rule's name, and what it looked at."""
Kind: TypeAlias = Literal["opened", "back", "worse", "more", "reminder", "cleared"]
Ended: TypeAlias = Literal["well", "joined", "unjudged"]
"""It is well; what was wrong is another incident's now; no rule looks at it any more."""
TOO_LATE = timedelta(days=1)
"""A message that nobody could be told for so long is tried no more."""


@dataclass(frozen=True)
class State:
    """How a rule stands at one series."""

    phase: Phase
    since: datetime
    """When the first number of it was wrong; of what is missing, when the last one was taken."""
    seen: datetime
    """The number, or the end of the period, that was judged last."""
    streak: int = 1
    """How many were wrong in a row."""
    value: float = 0.0
    """The last of them."""
    level: float | None = None
    """The level beyond which the first one was."""


@dataclass(frozen=True)
class Member:
    """One thing that is wrong, as its incident tells it."""

    rule: str
    store: str
    metric: str
    subject: str
    severity: Severity
    cause: str
    text: str
    do: str
    runbook: str
    owner: str
    hushed: str | None = None
    """Why nobody is told of it."""
    follows: bool = False
    """Whether it follows from something else at its store that people are told of."""

    @property
    def key(self) -> Key:
        """What it is, from look to look."""
        return self.rule, Series(self.store, self.metric, self.subject)


@dataclass(frozen=True)
class Named:
    """Something that a message about an incident has named."""

    rule: str
    store: str
    metric: str
    subject: str
    well_since: datetime | None = None
    """Since when it is not wrong any more; None while it is."""

    @property
    def key(self) -> Key:
        """What it is, from look to look."""
        return self.rule, Series(self.store, self.metric, self.subject)


@dataclass(frozen=True)
class Incident:
    """What is wrong at one store for one cause, from its first sign until it has been well for a while."""

    id: int
    store: str
    """'' where it is the estate's."""
    cause: str
    severity: Severity
    opened: datetime
    members: tuple[Member, ...]
    """What is wrong of it now; of one that is quiet, what was last."""
    quiet: datetime | None = None
    """Since when nothing of it is wrong."""
    cleared: datetime | None = None
    times: int = 0
    """How often it came back."""
    hushed: str | None = None
    """Why nobody is told of any of it."""
    told: Severity | None = None
    """How urgent it was when people were told last; None until they are."""
    told_at: datetime | None = None
    told_cleared: bool = False
    evidence: str = ""
    """What was seen of it at the store: who waits for whom."""
    named: tuple[Named, ...] = ()
    """What people have read of already."""
    ended: Ended = "well"
    """Why it is cleared at this look; not kept, as the message of it is."""
    into: int | None = None
    """The incident that it goes on as, where it has joined one."""

    @property
    def place(self) -> tuple[str, str]:
        """The store and the cause: of each there is one at a time."""
        return self.store, self.cause


@dataclass(frozen=True)
class Message:
    """What people are told of an incident."""

    incident: int
    kind: Kind
    at: datetime
    severity: Severity
    subject: str
    text: str
    details: Mapping[str, Any]
    id: int = 0
    """Its number in the ledger; 0 until it is kept."""


@dataclass(frozen=True)
class Board:
    """The incidents that are open or were until a while ago, and the next one's number."""

    incidents: tuple[Incident, ...] = ()
    next: int = 1


@dataclass(frozen=True)
class Incidents:
    """The incidents of an estate."""

    connection: Connection

    def prepare(self) -> Incidents:
        """Make the schema `insight` if it is missing or old. Raises ReleaseChanged, Outdated."""
        with translated("making the ledger's schema insight"):
            bring_up_to_date(self.connection, "insight")
        return self

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Hold one look: alone, and all of it or nothing. Raises StoreDown."""
        with translated("a look at the estate's health"), self.connection.transaction():
            self.connection.execute(statement("health.lock_look"))
            yield

    def now(self) -> datetime:
        """Give the moment, by the ledger's clock."""
        return find_now(self.connection)

    def states(self) -> dict[Key, State]:
        """Give how each rule stands, where something is wrong or about to be."""
        return {
            (row["rule"], Series(row["store"], row["metric"], row["subject"])): State(*(row[name] for name in _STATE))
            for row in self._rows("list_states")
        }

    def board(self, since: datetime) -> Board:
        """Give the incidents that are open, or were after `since`."""
        incidents = tuple(_incident(row) for row in self._rows("list_incidents", since=since))
        return Board(incidents, self._rows("find_next_incident")[0]["next"])

    def keep(self, states: Mapping[Key, State], incidents: Iterable[Incident], messages: Iterable[Message]) -> None:
        """Keep what a look has found; call it within `looking`."""
        self._do("keep_states", **_columns(states))
        self._do("forget_states", **_columns(states))
        for incident in incidents:
            self._do("keep_incident", **_incident_row(incident))
        for message in messages:
            self._do("add_message", **{**asdict(message), "details": Jsonb(dict(message.details))})

    def untold(self, channel: str, severities: Sequence[Severity], now: datetime) -> list[Message]:
        """List what a channel has not taken yet of these severities, and what is well again of what it was told; oldest first.

        Of what was before a channel was asked for first, that is what is open still.
        """
        self._do("meet_channel", channel=channel)
        found = self._rows("list_untold", channel=channel, severities=list(severities), since=now - TOO_LATE)
        return [_message(row) for row in found]

    def note_told(self, message: Message, channel: str, failure: str | None = None) -> None:
        """Note that a channel took a message, or why not."""
        self._do("note_told", message=message.id, channel=channel, failure=failure)

    def forget(self, before: datetime) -> None:
        """Forget incidents that were cleared before a moment, and what was told of them."""
        self._do("forget_incidents", before=before)

    def _do(self, verb: str, **values: object) -> None:
        with translated(f"{verb.replace('_', ' ')} in the ledger"):
            self.connection.execute(statement(f"health.{verb}"), values)

    def _rows(self, verb: str, **values: object) -> list[Row]:
        with translated(f"{verb.replace('_', ' ')} in the ledger"):
            return rows(self.connection, statement(f"health.{verb}"), **values)


_STATE = ("phase", "since", "seen", "streak", "value", "level")


def _columns(states: Mapping[Key, State]) -> dict[str, object]:
    keys, values = list(states), list(states.values())
    return {
        "rules": [rule for rule, _ in keys],
        "stores": [series.store for _, series in keys],
        "metrics": [series.metric for _, series in keys],
        "subjects": [series.subject for _, series in keys],
        **{f"{name}s": [getattr(state, name) for state in values] for name in _STATE},
    }


def _incident(row: Row) -> Incident:
    members, named = (Member(**one) for one in row["members"]), (_named(one) for one in row["named"])
    return Incident(**{**row, "members": tuple(members), "named": tuple(named)})


def _incident_row(one: Incident) -> dict[str, object]:
    told = asdict(one)
    named = [{**each, "well_since": at and at.isoformat()} for each in told["named"] for at in [each["well_since"]]]
    return {**told, "members": Jsonb(told["members"]), "named": Jsonb(named)}


def _named(told: Mapping[str, Any]) -> Named:
    at = told["well_since"]
    return Named(**{**told, "well_since": at and datetime.fromisoformat(at)})


def _message(row: Row) -> Message:
    return Message(**row)
