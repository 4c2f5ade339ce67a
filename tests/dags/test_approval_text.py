"""What the question before a cutover tells applications: what is true of this migration, and nothing else."""

from __future__ import annotations

import pytest
from sluice.estate import SameClusterMigration
from sluice.estate.models import KINDS
from sluice.flow.question import WHAT_HAPPENS, _what_happens, for_applications

from tests.moved_items import migration


def told(into: dict, accept: tuple[str, ...] = (), step: str = "cut_over") -> str:
    """The row of the question, for a migration into that."""
    said = {
        "migration": "thing",
        "from": {"store": "certify", "table": "app.thing"},
        "into": {"table": "app.thing_new", **into},
        "accept": accept,
    }
    return for_applications(SameClusterMigration.model_validate(said), step).get("For applications", "")


def test_a_plain_table_changes_nothing():
    assert told({}) == "Nothing changes but the table behind the name."
    assert told({"partition": {"hash": "id", "parts": 4}}) == "Nothing changes but the table behind the name."


def test_months_are_told_of_the_key_and_of_dates():
    said = told({"partition": {"range": "at", "every": "month"}}, ("weaker_key",))
    assert (
        said == "`ON CONFLICT` must name the key with at in it. A row whose at is outside the partitions is an error."
    )


@pytest.mark.parametrize("word", ("Gone: amount.", r"New or another type: id bigint, day\_of date.", "Deploy"))
def test_columns_that_change_are_named(word):
    columns = {
        "id": {"type": "bigint", "from": "id", "back": "id::integer"},
        "amount": {"drop": True},
        "day_of": {"type": "date", "from": "at::date"},
    }
    assert word in told({"columns": columns})


def test_retiring_asks_nothing_of_them():
    assert told({}, step="retire") == ""


@pytest.mark.parametrize(
    ("retire", "said"),
    [
        ({}, "backed up by the service, it is exported"),
        ({"backup": "point_in_time"}, "keeps its history (35 days), it is exported"),
        ({"backup": "none"}, "**without a backup by the service**, it is exported"),
        ({"old_table": "keep"}, "is kept as it is"),
    ],
)
def test_the_question_before_a_deletion_says_that_it_is_one(retire, said):
    told = _what_happens(migration("users", "entity", retire=retire), "retire")
    assert said in told
    assert ("**the old table is deleted**" in told) is (retire.get("old_table") != "keep")
    assert "{" not in told.replace("{old_table: keep}", "")


def test_every_kind_says_what_a_yes_leads_to():
    assert WHAT_HAPPENS.keys() == KINDS.keys()
    assert all(set(said) == {"cut_over", "retire"} for said in WHAT_HAPPENS.values())


def test_nobody_is_promised_a_way_back_that_there_is_not():
    keeps = {kind for kind, said in WHAT_HAPPENS.items() if "cutting back keeps them all" in said["cut_over"]}
    assert keeps == {"same_cluster", "single_table"}
    assert "only until the first write" in WHAT_HAPPENS["into_postgres"]["cut_over"]
