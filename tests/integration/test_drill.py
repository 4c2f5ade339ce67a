"""A drill of a real server: drawn, restored, compared, certified, taken away; red, with its reason, where a copy is not right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sluice.local.ports import free_port
from sluice.proof.gates.suites import Suite
from sluice.safety.censuses import keep_census
from sluice.safety.counting import Content
from sluice.safety.drill.certificate import Certificate, Goals, certificates_of
from sluice.safety.drill.checking import Check
from sluice.safety.drill.drilling import Asked, Counted, draw, drill
from sluice.safety.drill.heartbeat import beat, lost_between, prepare_heart
from sluice.safety.driver import Restored, Window, name_scratch
from sluice.safety.physical.driver import Physical
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.postgres import Table

from tests.backed_up import STORE, Shop, opened_shop

GOALS = Goals(back_within=300, losing_at_most=30)


@dataclass(frozen=True)
class Night:
    """A store that was backed up and counted twice, and the moment between."""

    shop: Shop
    driver: Physical
    counted: tuple[Counted, Counted]
    between: datetime
    beat: datetime

    def asked(self, target: Target, seed: str) -> Asked:
        """Ask for a drill."""
        return Asked(target, self.between + timedelta(seconds=5), GOALS, self.counted, seed)


@pytest.fixture(scope="module")
def night(vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Back up, count, write, note the moment, write, count again."""
    bucket = "drilled"
    vault.store.create_bucket(bucket)
    folder = tmp_path_factory.mktemp("drilled")
    with opened_shop(folder, free_port(), Vault(vault.client(), bucket)) as shop:
        driver = Physical(STORE, shop.cluster.dsn(), shop.vault, folder / "drills")
        with shop.connect() as c:
            for name in ("billing", "closed", "empty"):
                c.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
            c.execute("ALTER DATABASE closed ALLOW_CONNECTIONS false")
        with psycopg.connect(make_conninfo(shop.cluster.dsn(), dbname="billing")) as c:
            c.execute("CREATE TABLE bills AS SELECT id FROM generate_series(1, 9) AS id")
            c.execute("CREATE INDEX bills_id ON bills (id)")
        with shop.shipped(), shop.connect() as c:
            prepare_heart(c)
            driver.take(shop.said.append)
            first = counted_now(shop)
            c.execute("INSERT INTO notes (text) VALUES ('between')")
            beaten, moment = beat(c), c.execute("SELECT clock_timestamp() AS now").fetchone()
            c.execute("INSERT INTO notes (text) VALUES ('later')")
            second = counted_now(shop)
        assert moment
        yield Night(shop, driver, (first, second), moment["now"], beaten)


def counted_now(shop: Shop) -> Counted:
    """Count, and keep the count."""
    census = shop.count()
    return Counted(keep_census(shop.vault, STORE, census).key, census)


def certified(night: Night, target: Target, **changed: object) -> Certificate:
    """Do a drill, and see that nothing of it stands afterwards."""
    asked = replace(night.asked(target, f"{target}{changed}"), **changed)  # type: ignore[arg-type]
    made = drill(night.driver, asked, night.shop.said.append)
    assert night.driver.scratches() == []
    return made


def test_at_a_census_everything_is_compared_and_the_certificate_is_kept(night: Night) -> None:
    first = night.counted[0]
    made = certified(night, Target("position", first.census.moment.position))
    assert made.wrong == ()
    assert made.compared
    assert (made.compared.tables, made.compared.rows) == (len(first.census.tables), first.census.rows)
    assert list(made.phases)[-4:] == ["available", "first query", "fully read", "verified"]
    made.keep(night.shop.vault)
    assert certificates_of(night.shop.vault, STORE) == [made]


def test_at_the_latest_moment_the_loss_is_bounded_and_another_copy_is_compared(night: Night) -> None:
    since = (night.between + timedelta(seconds=5) - night.beat).total_seconds()
    newest = night.counted[-1]
    made = certified(night, Target("latest"))
    assert made.wrong == ()
    assert made.compared
    assert (made.compared.census, made.compared.tables) == (newest.key, len(newest.census.tables))
    assert made.compared.at == f"position {newest.census.moment.position}", "of another copy than the latest"
    assert made.lost == (pytest.approx(max(0, since - 10)), pytest.approx(since))
    late = certified(night, Target("latest"), at=night.between + timedelta(minutes=5), counted=())
    assert not any("would be lost" in line for line in made.wrong)
    assert any("s of writes would be lost; the store's RPO is 30 s" in line for line in late.wrong)


def test_a_copy_with_more_than_the_census_has_seen_is_told_apart_from_no_census(night: Night) -> None:
    late = replace(night.counted[0].census.moment, position=night.counted[1].census.moment.position)
    counted = Counted("the first", replace(night.counted[0].census, moment=late))
    more = certified(night, Target("position", str(late.position)), counted=(counted,))
    assert more.wrong == (f"nothing was compared: {more.uncompared}",)
    assert re.match(r"the copy holds \d transactions that the first did not see, such as \d+; count", more.uncompared)
    none = certified(night, Target.at(night.between), counted=night.counted[:1])
    assert none.wrong[0].startswith("nothing was compared: there is no census of the store from after")


def test_between_two_censuses_what_they_agree_in_is_compared(night: Night) -> None:
    made = certified(night, Target.at(night.between))
    assert made.wrong == ()
    assert made.compared
    assert 0 < made.compared.tables < len(night.counted[0].census.tables), "notes were written between the two"
    assert made.lost is None, "it was asked to have less"


@pytest.mark.parametrize("what", ["a row short", "a bit off", "a policy missing", "nothing to compare", "too slow"])
def test_a_copy_that_is_not_right_is_red_with_its_reason(night: Night, what: str) -> None:
    first = night.counted[0]
    tables, around = dict(first.census.tables), dict(first.census.surroundings)
    there = tables["public.tenants"]
    if what == "a row short":
        tables["public.tenants"] = Content(there.rows + 1, there.hash)
    if what == "a bit off":
        tables["public.tenants"] = Content(there.rows, str(int(there.hash) ^ 1))
    if what == "a policy missing":
        around["policy"] = [*around["policy"], "other on tenants"]
    counted = (Counted(first.key, replace(first.census, tables=tables, surroundings=around)),)
    goals = Goals(0.01, 30) if what == "too slow" else GOALS
    target = Target("position", first.census.moment.position)
    made = certified(night, target, counted=() if what == "nothing to compare" else counted, goals=goals)
    reasons = {
        "a row short": "51 rows, 50 in the copy",
        "a bit off": "with another content",
        "a policy missing": "policy missing: other on tenants",
        "nothing to compare": "nothing was compared: there is no census",
        "too slow": "the store's RTO is 0 s",
    }
    assert len(made.wrong) == 1
    assert reasons[what] in made.wrong[0]


def rules(pattern: str) -> Suite:
    """Write a person's suite: what a tenant is called."""
    asked = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "name", "regex": pattern}}
    body = {"meta": {"sluice": {"over": "window", "days": 1, "rows_at_most": 40}}, "expectations": [asked]}
    return Suite("names", body, "…")


def test_a_persons_own_suites_are_run_on_the_copy_and_hold_at_the_latest_moment(night: Night) -> None:
    tenants = Table("public", "tenants")
    keeps = Check(tenants, (rules("^tenant"),))
    breaks = Check(tenants, (rules("^nobody"),))
    gone = Check(Table("public", "gone"), (rules("^tenant"),))
    made = certified(night, Target("latest"), checks=(keeps, breaks, gone))
    assert [(one.rows, len(one.wrong)) for one in made.checked] == [(40, 0), (40, 1), (0, 1)]
    assert made.wrong == made.broken_rules
    told = "public.tenants: name: column values to match regex: 40 of 40 rows, expected regex ^nobody (rows: id="
    assert made.wrong[0].startswith(told)
    assert "name=" not in made.wrong[0], "keys, and no other value"
    assert made.wrong[1] == "names: the copy has no table public.gone"
    made.keep(night.shop.vault)
    assert made in certificates_of(night.shop.vault, STORE)
    then = replace(made, target=str(Target.at(night.between)))
    assert (then.wrong, len(then.broken_rules)) == ((), 2), "of an earlier moment it is told alone"


def test_a_damaged_index_is_found(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = Physical.restore

    def spoilt(self: Physical, *how: object) -> Restored:
        """Bring it back, and take one row from under its index."""
        back = restore(self, *how)  # type: ignore[arg-type]
        with psycopg.connect(back.address, autocommit=True) as copy:
            copy.execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 'tenants_pkey'::regclass")
            copy.execute("INSERT INTO tenants VALUES (1000, 'unknown to the index')")
            copy.execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 'tenants_pkey'::regclass")
        with psycopg.connect(make_conninfo(back.address, dbname="billing"), autocommit=True) as other:
            other.execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 'bills_id'::regclass")
            other.execute("INSERT INTO bills VALUES (10)")
            other.execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 'bills_id'::regclass")
        return back

    monkeypatch.setattr(Physical, "restore", spoilt)
    made = certified(night, Target("position", night.counted[0].census.moment.position))
    assert any("tenants_pkey" in line for line in made.damaged), made.damaged
    assert any("bills_id" in line for line in made.damaged), "all databases came back, and all are looked through"
    assert made.uncounted == ("billing", "closed: takes no sessions, nor was it looked through")


def test_a_drill_that_fails_leaves_nothing_behind(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.safety.drill.drilling.find_damage", lambda *how: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        certified(night, Target("position", night.counted[0].census.moment.position))
    assert night.driver.scratches() == []


def test_what_a_killed_try_of_the_same_drill_has_left_goes_first_and_what_another_run_has_stays(night: Night) -> None:
    asked, earlier = night.asked(Target("latest"), "the same run"), night.between - timedelta(hours=1)
    for seed in ("the same run", "another run"):
        (night.driver.scratch / name_scratch(STORE, earlier, seed)).mkdir(parents=True)
    drill(night.driver, asked, night.shop.said.append)
    assert night.driver.scratches() == [name_scratch(STORE, earlier, "another run")]
    night.driver.destroy(name_scratch(STORE, earlier, "another run"))


def test_a_moment_is_drawn_anywhere_in_the_window_and_the_same_for_a_second_try() -> None:
    window = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
    drawn = [datetime.fromisoformat(draw(window, str(seed)).value) for seed in range(200)]
    assert all(window.earliest < moment <= window.latest for moment in drawn)
    assert len({moment.hour for moment in drawn}) == 24
    assert {moment.microsecond for moment in drawn} == {0}, "RDS takes whole seconds"
    short = Window(window.earliest, window.earliest + timedelta(milliseconds=5))
    assert short.earliest < datetime.fromisoformat(draw(short, "7").value) <= short.latest
    assert draw(window, "7") == draw(window, "7")


def test_what_is_lost_is_bounded_by_the_beats_around_it() -> None:
    fail = datetime(2026, 11, 1, 12, 0, 7, tzinfo=UTC)
    beats = [fail - timedelta(seconds=s) for s in (37, 27, 17)]
    found = lost_between(beats, fail)
    assert found
    assert (found.at_least, found.at_most) == (timedelta(seconds=7), timedelta(seconds=17))
    assert lost_between([], fail) is None
    assert lost_between([fail + timedelta(seconds=1)], fail) is None
