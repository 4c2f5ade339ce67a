"""Nothing is retired without a yes of this very run, whatever became of the task that asks for it."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sluice.flow.steps import check_approved
from sluice.ledger.control import Control
from sluice.migration.engine.contract import Phase, Position
from sluice.stores.postgres import connect

NOW = Position(Phase.CUT_OVER, 3)


@pytest.fixture
def control(database):
    with connect(database.dsn("sluice_ledger"), purpose="test") as connection:
        yield Control(connection, "users", "run 1").prepare()


def test_without_a_yes_of_this_run_and_epoch_nothing_is_retired(control):
    with pytest.raises(AirflowFailException, match="Nobody has approved retire of users in this run"):
        check_approved("retire", control, NOW)
    Control(control.connection, "users", "run 0").record_approval("retire", 3, answer="Approve", by_whom="ann")
    control.record_approval("retire", 2, answer="Approve", by_whom="ann")
    control.record_approval("cut_over", 3, answer="Approve", by_whom="ann")
    with pytest.raises(AirflowFailException, match="Nothing was changed"):
        check_approved("retire", control, NOW)
    control.record_approval("retire", 3, answer="Approve", by_whom="ann")
    check_approved("retire", control, NOW)
    control.record_approval("retire", 3, answer="Reject", by_whom="bob")
    with pytest.raises(AirflowFailException):
        check_approved("retire", control, NOW)


def test_what_can_be_taken_back_asks_the_graph_alone(control):
    check_approved("verify", control, NOW)
