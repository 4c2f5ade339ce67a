"""A reader goes on when the migration that it follows takes a step, or is switched: the next round looks where it stands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sluice.errors import Terminal
from sluice.migration.engine.contract import Fenced, Lag
from sluice.migration.engine.following import follow


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
