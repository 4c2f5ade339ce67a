"""A retirement whose task died after the commit is taken again, when the two tables are no longer kept in step."""

from __future__ import annotations

from sluice.migration.engine import steps
from sluice.migration.engine.contract import Phase

from tests.harness import advance


def test_a_retirement_that_is_taken_again_does_not_ask_for_what_is_over(stage):
    advance(stage.open, Phase.RETIRED)
    stage.ask("UPDATE app.user_sessions SET note = 'later' WHERE id = (SELECT max(id) FROM app.user_sessions)")
    assert steps.retire(stage.open())["old_kept"] == 1
