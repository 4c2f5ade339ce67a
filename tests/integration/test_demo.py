"""The demo begins afresh, and takes nobody else's tables with it."""

from __future__ import annotations

import pytest
from sluice.local.demo.strangers import Strangers, check_strangers
from sluice.migration.engine.contract import Phase
from sluice.stores.postgres import connect

from tests.integration.moved import PLAIN

OURS = ("user_sessions", "audit_log")
TABLE = ("CREATE TABLE app.thing (id int PRIMARY KEY)", "GRANT ALL ON app.thing TO certify_app")


def test_the_sample_alone_is_no_stranger(database):
    with connect(database.dsn(), purpose="test") as c:
        check_strangers(c, OURS)


def test_a_table_of_somebodys_and_its_migration_are_named(moving):
    moved = moving(PLAIN, *TABLE)
    moved.to(Phase.CAPTURING)
    with (
        connect(moved.database.dsn(), purpose="test") as c,
        pytest.raises(Strangers, match=r"app\.thing, app\.thing_new, migration thing"),
    ):
        check_strangers(c, OURS)
