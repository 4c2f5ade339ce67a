"""A reader goes on when the migration that it follows takes a step, or is switched: the next round looks where it stands."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from sluice.errors import Terminal
from sluice.estate.single_table import Replication
from sluice.migration.engine import following
from sluice.migration.engine.contract import Fenced, Lag
from sluice.migration.engine.following import Flights, TooFarBehind, follow


class Moves:
    """A kind whose migration goes on while one round is under way."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.rounds = 0

    def replicate(self, seconds: float) -> Lag:
        self.rounds += 1
        answer = self.answers.pop(0) if self.answers else None
        if answer:
            raise answer
        return Lag(0)

    def drain(self, seconds: float) -> Lag:
        return self.replicate(seconds)


@pytest.mark.parametrize("measure", [False, True])
def test_a_switch_ends_a_round_and_not_the_reader(measure: bool) -> None:
    kind = Moves(Fenced("the migration has gone on"), None, Fenced("and again"))
    followed = follow(kind, SimpleNamespace(name="users"), 5.0, goes_on=lambda: kind.rounds < 6, measure=measure)
    assert kind.rounds == 6
    assert followed.rounds >= 3


def test_what_needs_a_person_ends_it() -> None:
    with pytest.raises(Terminal, match="lost"):
        follow(Moves(Terminal("changes were lost")), SimpleNamespace(name="users"), 5.0, measure=False)


class Silent(Moves):
    """A kind that delivers all it is told, while a shard may tell nothing: of each flight, whether its canaries come home."""

    def __init__(self, *home: bool) -> None:
        super().__init__()
        self.home = list(home)

    def drain(self, seconds: float) -> Lag:
        return Lag(0) if self.home.pop(0) else Lag(1, "not read up to now: shard-3")


def followed(kind: Silent, limits: Replication, flights: Flights | None = None) -> following.Followed:
    m = SimpleNamespace(name="users", replication=limits)
    return follow(kind, m, 5.0, goes_on=lambda: bool(kind.home), flights=flights)


AT_ONCE = Replication().model_copy(update={"stop_behind": timedelta(0)})


@pytest.fixture
def measured_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MEASURE_EVERY", -1.0)


@pytest.mark.usefixtures("measured_always")
def test_a_shard_that_tells_nothing_is_told_of_and_ends_in_red(caplog: pytest.LogCaptureFixture) -> None:
    told = followed(Silent(False, False, False), Replication())
    assert str(told).endswith(
        "from end to end not measured; 3 flights of canaries are out: not read up to now: shard-3"
    )
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    with pytest.raises(TooFarBehind, match=r"users: .* 3 flights in a row.*shard-3"):
        followed(Silent(True, False, False, False), AT_ONCE)


@pytest.mark.usefixtures("measured_always")
def test_flights_count_in_a_row_from_one_turn_to_the_next() -> None:
    assert "are out" not in str(followed(Silent(False, False, True), AT_ONCE))
    followed(Silent(False, False, True, False, False), AT_ONCE)
    flights = Flights()
    followed(Silent(False, False), AT_ONCE, flights)
    with pytest.raises(TooFarBehind):
        followed(Silent(False), AT_ONCE, flights)
