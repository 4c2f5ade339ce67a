"""The demo begins afresh, and takes nobody else's tables with it."""

from __future__ import annotations

import psycopg
import pytest
from sluice.local.demo.sample.holders import SampleHeld, clear_sample
from sluice.local.demo.sample.strangers import Strangers, check_strangers
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


def test_who_holds_the_sample_is_named_and_nothing_is_dropped(moving):
    moved = moving(PLAIN, *TABLE)
    with (
        psycopg.connect(moved.database.dsn("certify_app"), application_name="report") as holder,
        connect(moved.database.dsn(), purpose="test", lock_timeout="50ms") as c,
    ):
        holder.execute("SELECT count(*) FROM app.thing")
        named = (
            rf"session {holder.info.backend_pid} \(certify_app, report, idle in transaction since .*Nothing was dropped"
        )
        with pytest.raises(SampleHeld, match=named):
            clear_sample(c)
        holder.rollback()
        clear_sample(c)
    assert moved.ask("SELECT FROM pg_namespace WHERE nspname = 'app'") == []
