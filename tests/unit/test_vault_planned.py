"""What is to be done to a bucket: nothing twice, nothing weaker, and nothing to what other people made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.dataset import Dataset
from sluice.estate.document import Document
from sluice.estate.terms import KeptFor
from sluice.estate.vault import Vault, check_vault
from sluice.stores.bucket import Rule, Settings
from sluice.stores.locks import AGAIN, Lock, Locked, default_of
from sluice.stores.rules import Kept, reaches
from sluice.upkeep.vault.configuring import facts_of, kept_by, kept_items
from sluice.upkeep.vault.planning import Plan, plan
from sluice.upkeep.vault.rules import is_ours

from tests.archived_items import items_of

PLAIN = Settings(False, False, None, ())
FULL = Settings(True, True, None, ())
EVIDENCE = {"prefix": "evidence/", "after": "1 year"}
THEIRS: Rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "evidence/"}, "Expiration": {"Days": 400}}
MONTHS = "archive/shop/app.orders/"
ORDERS = (Kept(MONTHS, None),)


def vault(**rest: Any) -> Vault:
    return Vault.model_validate({"connection": "s3_vault", "bucket": "vault", **rest}, by_alias=True)


def expiring(prefix: str, days: int, **rest: Any) -> Rule:
    filtered = {"Prefix": prefix}
    return {"ID": "theirs", "Status": "Enabled", "Filter": filtered, "Expiration": {"Days": days}, **rest}


def done(there: Settings, planned: Plan) -> Settings:
    """How the bucket is set once a plan was applied."""
    told = {type(action).__name__: action for action in planned.actions}
    rules = told["SetRules"].rules if "SetRules" in told else there.rules  # type: ignore[union-attr]
    versions, locks = there.keeps_versions or "KeepVersions" in told, there.knows_locks or "AllowLocks" in told
    return Settings(versions, locks, there.default_lock, tuple(rules))


def test_versions_come_before_locks_and_a_second_plan_is_empty():
    wanted = vault(lock={"mode": "compliance", "keep": "7 years"}, lifecycle=(EVIDENCE,))
    first = plan(PLAIN, wanted, ORDERS)
    assert str(first).splitlines() == [
        "keep every version of what is stored",
        "let objects be locked: this bucket can never be without locks and versions again",
        "new rule sluice:evidence/ expire: evidence/ expires after 366 days",
    ]
    second = plan(done(PLAIN, first), wanted, ORDERS)
    assert (second.actions, second.refused, str(second)) == ((), (), "all is as the file says")


def test_nothing_is_switched_off_and_no_lock_of_others_is_touched():
    there = Settings(True, True, Lock("COMPLIANCE", 3660), (THEIRS,))
    assert plan(there, vault(versioning=False), ()).actions == ()


def test_rules_of_others_stay_to_the_letter_and_ours_follow_the_file():
    tagged: Rule = {"ID": "theirs too", "Status": "Disabled", "Filter": {"Tag": {"Key": "a", "Value": "b"}}}
    first = done(Settings(True, False, None, (THEIRS, tagged)), plan(Settings(True, False, None, (THEIRS, tagged)), vault(
        lifecycle=({"prefix": "evidence/", "after": "600 days"}, {"prefix": "docs/", "after": "30 days", "then": "GLACIER_IR"})
    ), ()))  # fmt: skip
    assert first.rules[:2] == (THEIRS, tagged)
    assert len(first.rules) == 4
    changed = plan(first, vault(lifecycle=({"prefix": "evidence/", "after": "700 days"},)), ())
    assert str(changed).splitlines() == [
        "change rule sluice:evidence/ expire: evidence/ expires after 600 days: evidence/ expires after 700 days",
        "take away rule sluice:docs/ GLACIER_IR: docs/ moves to GLACIER_IR after 30 days",
    ]
    assert done(first, changed).rules[:2] == (THEIRS, tagged)
    assert done(first, plan(first, vault(), ())).rules == (THEIRS, tagged)


def test_a_prefix_of_older_times_is_written_anew_and_means_the_same():
    """S3 takes no rules of both forms together."""
    old = {"ID": "old", "Status": "Enabled", "Prefix": "logs/", "Expiration": {"Days": 3}}
    (action,) = plan(Settings(True, False, None, (old,)), vault(lifecycle=(EVIDENCE,)), ()).actions
    assert action.rules[0] == {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": "logs/"},
        "Expiration": {"Days": 3},
    }  # type: ignore[union-attr]
    assert plan(Settings(True, False, None, (old,)), vault(), ()).actions == (), "and not for its own sake"


def test_what_would_shorten_a_rule_of_others_is_refused_and_ours_of_before_stays():
    ours = done(FULL, plan(FULL, vault(lifecycle=({"prefix": "evidence/", "after": "500 days"},)), ()))
    there = Settings(True, True, None, (THEIRS, *ours.rules))
    planned = plan(there, vault(lifecycle=({"prefix": "evidence/old/", "after": "30 days"},)), ())
    assert planned.refused == (
        "evidence/old/ expires after 30 days: it would be sooner than rule theirs: evidence/ expires after 400 days."
        " Say 400 days or more, or take that rule away",
    )
    planned = plan(there, vault(lifecycle=({"prefix": "evidence/", "after": "30 days"},)), ())
    assert (len(planned.refused), planned.actions) == (1, ())


def test_a_rule_of_ours_goes_once_a_tables_file_says_that_its_months_stay_longer():
    wanted = vault(lifecycle=({"prefix": "archive/", "after": "1 year"},))
    ours = done(FULL, plan(FULL, wanted, ()))
    planned = plan(ours, wanted, ORDERS)
    assert len(planned.refused) == 1
    assert "take away rule sluice:archive/ expire" in str(planned)
    assert plan(done(ours, planned), wanted, ORDERS).actions == ()


@pytest.mark.parametrize("prefix", ["archive/", "archive/shop/", MONTHS, f"{MONTHS}2024/"])
def test_no_rule_of_ours_takes_a_month_away_before_its_file_says_so(prefix: str):
    wanted = vault(lifecycle=({"prefix": prefix, "after": "7 years"},))
    for kept, well in ((None, False), (3000, False), (2557, True), (30, True)):
        planned = plan(FULL, wanted, (Kept(MONTHS, kept),))
        assert bool(planned.actions) is well is not bool(planned.refused)
    assert "`in_vault`" in plan(FULL, wanted, ORDERS).refused[0]


@pytest.mark.parametrize(
    ("rule", "early"),
    [
        (expiring("", 9999), True),
        (expiring("archive/", 9999), True),
        (expiring(f"{MONTHS}2024", 9999), True),
        ({"ID": "old", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}, True),
        (expiring("", 1, Filter={"And": {"Prefix": "arch", "ObjectSizeGreaterThan": 1}}), True),
        ({"Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2030-01-01"}}, True),
        (expiring("archive/", 1, Status="Disabled"), False),
        (expiring("archive/bank/", 1), False),
        (expiring("", 1, Filter={"Tag": {"Key": "k", "Value": "v"}}), False),
        (expiring("", 1, Expiration={"ExpiredObjectDeleteMarker": True}), False),
        (expiring("", 1, Expiration={}, Transitions=[{"Days": 1, "StorageClass": "GLACIER"}]), False),
    ],
)  # fmt: skip
def test_a_rule_of_others_that_takes_months_away_is_an_alarm(rule: Rule, early: bool):
    there = Settings(True, False, None, (rule,))
    facts = facts_of(there, vault(), ORDERS, plan(there, vault(), ORDERS))
    assert (facts["ended_early"], facts["left_to_do"]) == (int(early), 0)
    assert ("stays for good" in str(facts["ended_early_told"])) is early


@pytest.mark.parametrize(
    ("ends", "early"),
    [
        ({"NoncurrentDays": 30}, True),
        ({"NoncurrentDays": 2557}, False),
        (
            {"NoncurrentDays": 30, "NewerNoncurrentVersions": 1},
            False,
        ),  # what is archived is stored once: it is the newest
    ],
)
def test_a_rule_that_forgets_what_a_delete_has_hidden_is_a_warning(ends: dict[str, int], early: bool):
    rule: Rule = {"ID": "theirs", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": ends}
    there, kept = Settings(True, False, None, (rule,)), (Kept(MONTHS, 2557),)
    facts = facts_of(there, vault(), kept, plan(there, vault(), kept))
    assert (facts["ended_early"], facts["forgotten_early"]) == (0, int(early))
    assert (
        "rule theirs: everything that a DELETE hides is gone after 30 days" in str(facts["forgotten_early_told"])
    ) is early


def test_a_rule_that_puts_months_to_sleep_is_told():
    there = Settings(
        True, False, None, (expiring("", 1, Expiration={}, Transitions=[{"Days": 1, "StorageClass": "GLACIER"}]),)
    )
    assert facts_of(there, vault(), (), plan(there, vault(), ()))["put_to_sleep"] == 1


@given(st.integers(1, 99), st.integers(1900, 2300))
def test_so_many_years_are_never_fewer_days_than_the_calendar_has(count: int, year: int):
    from datetime import date

    for month, day in ((1, 1), (2, 28), (3, 1), (12, 31)):
        assert KeptFor(count, "years").days >= (date(year + count, month, day) - date(year, month, day)).days
    assert KeptFor(count, "days").days == count


def test_a_lock_is_never_made_weaker_by_another():
    from datetime import UTC, datetime, timedelta

    assert str(Lock("GOVERNANCE", 10).and_at_least(Lock("COMPLIANCE", 5))) == "10 days, compliance"
    assert default_of({"Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 7}}}) == Lock("COMPLIANCE", 2562)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    wanted, day = Locked("GOVERNANCE", now), timedelta(days=1)
    assert wanted.and_at_least(None) == wanted
    assert wanted.and_at_least(Locked("COMPLIANCE", now - 2 * day)) == Locked("COMPLIANCE", now)
    for there in (Locked("COMPLIANCE", now + day), Locked("GOVERNANCE", now - AGAIN)):
        assert wanted.and_at_least(there) is there
    assert Locked("COMPLIANCE", now).and_at_least(Locked("GOVERNANCE", now + day)) == Locked("COMPLIANCE", now + day)


def test_how_long_months_stay_is_said_by_the_files_of_their_tables():
    told = {"dataset": "t", "store": "shop", "table": 'app."My Orders"', "partition": {"range": "at", "every": "month"}}
    kept = {"retention": {"keep": "12 months", "in_vault": "7 years"}}
    twice = {
        "partition": {"list": "tenant", "then": {"range": "at", "every": "month"}},
        "retention": {"keep": "1 month"},
    }
    held = {"retention": {**kept["retention"], "holds": ({"from": "2019-01", "because": "case 12"},)}}
    found = kept_by(Dataset.model_validate({**told, **more}) for more in ({}, kept, twice, held))
    assert found == [
        Kept("archive/shop/app.My%20Orders/", 2557),
        Kept("archive/shop/", None),
        Kept("archive/shop/app.My%20Orders/", None),
    ]
    assert not reaches(expiring("archive/shop/app.orders/", 1), found[0].folder)


def test_months_of_records_stay_for_good(tmp_path: Path):
    assert kept_items([items_of(tmp_path)]) == [Kept("archive/tyler/tyler-entity/", None)]
    assert kept_items([items_of(tmp_path, "items: trail\nmodel: tyler\nentity: event\nexpires: {within: 31d}\n")]) == []


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"versioning": False, "lock": {}}, "vault.versioning"),
        ({"lifecycle": (EVIDENCE, {**EVIDENCE, "then": "expire"})}, "vault.lifecycle[1].prefix"),
        ({"lifecycle": ({**EVIDENCE, "after": "29 days", "then": "STANDARD_IA"},)}, "vault.lifecycle[0].after"),
    ],
)
def test_a_file_that_contradicts_itself_is_told(told: dict[str, Any], field: str):
    assert [mistake.field for mistake in check_vault(Document("estate.yaml", {"vault": told}))] == [field]


def test_a_file_may_say_nothing_of_it():
    assert list(check_vault(Document("estate.yaml", {"vault": {"bucket": "b"}}))) == []
    assert not is_ours(THEIRS)
