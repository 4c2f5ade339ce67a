"""Releases of a schema: in order, each once, all or nothing, and never changed afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sluice.ledger import releases
from sluice.ledger.releases import ReleaseChanged, bring_up_to_date
from sluice.stores.postgres import connect


@pytest.fixture
def c(database):
    with connect(database.dsn("sluice_ledger"), purpose="test") as connection:
        yield connection


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A function that writes a file of the set `lab`, as a new version of this project would bring it."""
    monkeypatch.setattr(releases, "SQL_ROOT", tmp_path)
    (tmp_path / "schema/lab").mkdir(parents=True)

    def write(name: str, text: str) -> None:
        (tmp_path / "schema/lab" / name).write_text(text)
        releases.releases.cache_clear()

    write("V1_0_0__steps.sql", "CREATE TABLE step (at serial, of text); INSERT INTO step (of) VALUES ('1.0.0')")
    yield write
    releases.releases.cache_clear()


def applied(c: psycopg.Connection) -> list[str]:
    return [row["of"] for row in c.execute("SELECT of FROM step ORDER BY at")]


def test_each_is_applied_once_and_a_second_call_does_nothing(c, release):
    assert bring_up_to_date(c, "lab") == ["1.0.0"]
    assert bring_up_to_date(c, "lab") == []
    release("V1_0_1__more.sql", "INSERT INTO step (of) VALUES ('1.0.1')")
    assert bring_up_to_date(c, "lab") == ["1.0.1"]
    assert applied(c) == ["1.0.0", "1.0.1"]


def test_versions_are_numbers_not_text(c, release):
    for version in ("1_10_0", "1_9_0", "2_0", "1_9"):
        release(f"V{version}__more.sql", f"INSERT INTO step (of) VALUES ('{version}')")
    assert bring_up_to_date(c, "lab") == ["1.0.0", "1.9", "1.9.0", "1.10.0", "2.0"]
    assert applied(c) == ["1.0.0", "1_9", "1_9_0", "1_10_0", "2_0"]


def test_a_file_that_changed_after_it_was_applied_is_refused(c, release):
    bring_up_to_date(c, "lab")
    release("V1_0_0__steps.sql", "SELECT 1")
    release("V1_0_1__more.sql", "INSERT INTO step (of) VALUES ('1.0.1')")
    with pytest.raises(ReleaseChanged, match=r"V1_0_0__steps\.sql was changed.*Restore it"):
        bring_up_to_date(c, "lab")
    assert applied(c) == ["1.0.0"]


def test_a_failing_release_leaves_nothing_of_its_set(c, release):
    release("V1_1__wrong.sql", "SELECT 1/0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        bring_up_to_date(c, "lab")
    assert c.execute("SELECT to_regclass('step') AS there").fetchone()["there"] is None
    release("V1_1__wrong.sql", "SELECT 1")
    assert bring_up_to_date(c, "lab") == ["1.0.0", "1.1"]


def test_a_file_with_another_name_is_refused(c, release):
    release("V1__a-b.sql", "SELECT 1")
    with pytest.raises(ReleaseChanged, match=r"V1__a-b\.sql is not named"):
        bring_up_to_date(c, "lab")


def test_two_that_start_together_apply_it_once(database, c, release):
    release("V1_1__slow.sql", "SELECT pg_sleep(0.3)")

    def start(_: int) -> list[str]:
        with connect(database.dsn("sluice_ledger"), purpose="race", lock_timeout="20s") as own:
            return bring_up_to_date(own, "lab")

    with ThreadPoolExecutor(3) as pool:
        done = sorted(pool.map(start, range(3)))
    assert done == [[], [], ["1.0.0", "1.1"]]
    assert applied(c) == ["1.0.0"]


def test_sets_do_not_mix(c):
    assert bring_up_to_date(c, "control")
    assert bring_up_to_date(c, "control") == []
    sets = c.execute("SELECT DISTINCT release_set FROM sluice.release").fetchall()
    assert [row["release_set"] for row in sets] == ["control"]
