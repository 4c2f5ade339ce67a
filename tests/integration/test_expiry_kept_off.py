"""A table's expiry is off while its records are compared, and the last migration into it switches it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sluice.migration.engine import steps
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.expiring import unsafe_rules
from sluice.stores.dynamodb.tables import describe

from tests.documents import Documents
from tests.few_items import WHOLE, Few, copy, few_items, item, to_capturing
from tests.moved_items import INDEXES, migration

SEEDS = [item(f"u{n}", expiresAt={"N": "4102444800"}) for n in range(5)]


def into(target: str, **sets: str) -> dict[str, Any]:
    table = {"name": target, "key": {"partition": "PK", "sort": "SK"}, "indexes": INDEXES, "ttl": "ttl"}
    key = {**WHOLE, "PK": "USER#{id}"}
    rule = {"record": "METADATA", "key": key, "whole": True, "set": {"entityType": "USER", **sets}}
    return {"tables": {"entity": table}, "records": (rule,)}


@contextmanager
def moving(
    documents: Documents, make_table: Callable[..., str], target: str, **more: Any
) -> Iterator[tuple[Few, SingleTable, str]]:
    """A migration of five items that expire in 2100, into a table that shall expire records."""
    asked = {"into": into(target, ttl="{expiresAt|seconds}"), "retire": {"old_table": "keep"}, **more}
    with few_items(documents, make_table, *SEEDS, **asked) as few:
        yield few, few.opened(), documents.prefix + target


@pytest.fixture
def target(documents: Documents) -> Iterator[str]:
    name = documents.fresh_name("expiring")
    yield name.removeprefix(documents.prefix)
    documents.drop(name)


@contextmanager
def two_moving(
    documents: Documents, make_table: Callable[..., str], target: str
) -> Iterator[tuple[Few, SingleTable, SingleTable, str]]:
    """Two such migrations into one table."""
    other = into(target, ttl="{expiresAt|seconds}")
    other["records"][0]["key"]["PK"] = "OTHER#{id}"
    with (
        moving(documents, make_table, target) as (few, first, table),
        moving(documents, make_table, target, into=other) as (_, second, _),
    ):
        yield few, first, second, table


def to_retired(kind: SingleTable) -> dict[str, Any]:
    to_capturing(kind)
    copy(kind)
    steps.finish_backfill(kind)
    steps.verify(kind)
    kind.shadow()
    steps.cut_over(kind)
    return steps.retire(kind)


def expiry(few: Few, table: str) -> str | None:
    found = describe(few.client, table)
    assert found is not None
    return found.ttl


def test_it_is_off_until_the_end_and_then_on(documents: Documents, make_table: Callable[..., str], target: str) -> None:
    with moving(documents, make_table, target) as (few, kind, table):
        to_capturing(kind)
        assert expiry(few, table) is None
        copy(kind)
        steps.finish_backfill(kind)
        steps.verify(kind)
        kind.shadow()
        steps.cut_over(kind)
        assert expiry(few, table) is None
        facts = steps.retire(kind)
        assert (facts["expiry_on"], facts["expiry_waits"]) == (1, 0)
        assert expiry(few, table) == "ttl"
        assert kind.retire()["expiry_on"] == 1


def test_the_last_migration_into_a_table_switches_it_on(
    documents: Documents, make_table: Callable[..., str], target: str
) -> None:
    with two_moving(documents, make_table, target) as (few, kind, second, table):
        to_capturing(second)
        facts = to_retired(kind)
        assert (facts["expiry_on"], facts["expiry_waits"]) == (0, 1)
        assert facts["expiry_waits_for"] == f"{table} waits for {second.name}"
        assert expiry(few, table) is None
        second.abort()
        assert kind.retire()["expiry_waits"] == 0
        assert expiry(few, table) == "ttl"


def test_a_later_migration_comes_into_a_table_whose_expiry_is_on(
    documents: Documents, make_table: Callable[..., str], target: str
) -> None:
    with two_moving(documents, make_table, target) as (few, kind, second, table):
        to_retired(kind)
        assert [finding for finding in second.preflight() if finding.blocks] == []
        facts = to_retired(second)
        assert (facts["expiry_on"], facts["rows_missing"], facts["rows_extra"]) == (1, 0, 0)
        assert expiry(few, table) == "ttl"


def test_records_that_may_go_before_their_items_are_refused_there(
    documents: Documents, make_table: Callable[..., str], target: str
) -> None:
    with (
        moving(documents, make_table, target) as (_, kind, _),
        moving(documents, make_table, target, into=into(target, ttl="{expiresAt|seconds}"), skip=None) as (_, rash, _),
    ):
        to_retired(kind)
        (found,) = [finding for finding in rash.preflight() if finding.blocks and finding.code == "expiry_on"]
        assert "METADATA" in found.what
        assert found.acceptable


@pytest.mark.parametrize(
    ("sets", "more", "unsafe"),
    [
        ({}, {"skip": None}, []),
        ({"ttl": "{expiresAt|seconds}"}, {}, []),
        ({"ttl": "{expiresAt|seconds}"}, {"skip": None}, ["METADATA"]),
        ({"ttl": "{createdAt|seconds:30d}"}, {}, ["METADATA"]),
        ({"ttl": "{until|seconds}"}, {"attributes": {"until": {"from": "{expiresAt}"}}}, []),
        ({"ttl": "{until|seconds}"}, {"attributes": {"until": {"from": "{other}"}}}, ["METADATA"]),
        ({"ttl": "{expiresAt|seconds}"}, {"transform": "include/estate/transforms/a.py:b"}, ["METADATA"]),
    ],
)
def test_a_record_is_safe_that_expires_by_what_its_item_expires_by(sets, more, unsafe) -> None:
    m = migration("old", "", into=into("entity", **sets), **{"skip": {"expired": "expiresAt"}, **more})
    assert list(unsafe_rules(m, "entity", "ttl")) == unsafe
