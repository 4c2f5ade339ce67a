"""Whatever a writer does, and whenever: the copy ends equal."""

from __future__ import annotations

import pytest

from tests.chaos.moments import ACTIONS, MOMENTS, Scene


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_committed_write_and_a_chunk_end_equal(stage, action, moment):
    moment(Scene.set(stage, action))
    diff = stage.diff_at_the_end()
    assert diff.clean, diff.samples


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_write_taken_back_and_a_chunk_end_equal(stage, moment):
    scene = Scene.set(stage, "change the partition key", commits=False)
    before = stage.ask("SELECT started_at FROM app.user_sessions WHERE id = %s", scene.row)
    moment(scene)
    diff = stage.diff_at_the_end()
    assert diff.clean, diff.samples
    assert stage.ask("SELECT started_at FROM app.user_sessions_by_month WHERE id = %s", scene.row) == before
