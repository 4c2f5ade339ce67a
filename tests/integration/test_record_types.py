"""The account of record types, the histogram of attributes, and suites over typed rows: what a person reads and a gate judges."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Diff, RowDiff
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.accounting import histogram
from sluice.migration.kinds.single_table.sampling import typed
from sluice.proof.gates.rows import RowsSubject
from sluice.proof.gates.run import judge
from sluice.proof.gates.suites import suites_for
from sluice.proof.gates.verdict import Verdict

from tests.documents import Documents
from tests.few_items import Few, copy, few_items, item, settled, to_capturing

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SEEDS = (item("a"), item("b", status=None), item("c"), item("gone", expiresAt={"N": "1"}))


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]):
    with few_items(documents, make_table, *SEEDS) as made:
        to_capturing(made.opened())
        copy(made.opened())
        yield made


def types(diff: Diff) -> dict[str, tuple[int, ...]]:
    rows = json.loads(str(diff.facts()["record_types"]))
    return {row["record"]: tuple(row[name] for name in list(row)[1:]) for row in rows}


def judged(gate: str, facts: dict[str, Any], window: RowsSubject | None, suites: Sequence[str], root: Path) -> Verdict:
    return judge(
        gate,
        facts,
        subject="users",
        suites=suites,
        window=window,
        freshness=timedelta(minutes=30),
        now=NOW,
        facts_at=NOW,
        root=root,
    ).verdict


def test_as_many_records_of_each_type_as_the_items_ask_for(few: Few) -> None:
    diff = settled(few.opened())
    assert diff.clean
    assert types(diff) == {"METADATA": (3, 3, 0, 0, 0), "LOOKUP": (2, 2, 0, 0, 0)}
    assert diff.facts()["items_skipped"] == 1
    assert diff.facts()["attributes_differ"] == ""
    assert str(diff.facts()["account"]).splitlines()[0].split() == [
        "record",
        "expected",
        "counted",
        "missing",
        "orphans",
        "different",
    ]


def planted(few: Few) -> tuple[SingleTable, Diff]:
    """Corruption of each sort, past every path of ours."""
    kind = few.opened()
    target = kind.tables.targets[0].name

    def change(name: str, how: str) -> None:
        key = {"PK": {"S": f"USER#{name}"}, "SK": {"S": "METADATA"}}
        few.client.update_item(
            TableName=target, Key=key, UpdateExpression=how, ExpressionAttributeValues={":v": {"N": "9"}}
        )

    change("a", "SET version = :v")
    change("c", "SET version = :v")
    change("a", "REMOVE createdAt SET odd = :v")
    few.client.delete_item(TableName=target, Key={"PK": {"S": "USER#c"}, "SK": {"S": "LOOKUP#ACTIVE"}})
    orphan = {"PK": {"S": "USER#b"}, "SK": {"S": "LOOKUP#ACTIVE"}, "_token": {"S": f"{1:010}#{0:040}"}}
    few.client.put_item(TableName=target, Item={**orphan, "_from": {"S": f"{kind.name}/email=b%40Example.com"}})
    return kind, settled(kind)


def test_what_is_wrong_is_counted_by_type_and_by_attribute(few: Few) -> None:
    _, diff = planted(few)
    assert types(diff) == {"METADATA": (3, 3, 0, 0, 2), "LOOKUP": (2, 2, 1, 1, 0)}
    assert str(diff.facts()["attributes_differ"]).splitlines() == [
        "METADATA.version: 2 differs",
        "METADATA.createdAt: 1 missing_right",
        "METADATA.odd: 1 missing_left",
    ]


def test_the_histogram_is_of_all_that_differs_most_often_first() -> None:
    rows = [RowDiff(str(n), "different", ("a", "b"), "X", ("differs", "missing_left")) for n in range(300)]
    rows += [RowDiff("x", "different", ("a",), "X", ("missing_right",)), RowDiff("y", "missing", ("key",), "X")]
    assert list(histogram(rows)) == ["X.a: 300 differs, 1 missing_right", "X.b: 300 missing_left"]


def test_the_gate_judges_each_type_and_a_typed_sample(few: Few) -> None:
    kind = few.opened()
    settled(kind)
    facts = steps.verify(kind)
    suites = suites_for(ROOT, "verified", "single_table")
    assert suites == ["verified", "verified__single_table__sample", "verified__single_table__types"]
    verdict = judged("verified", facts, kind.sample(), suites, ROOT)
    assert verdict.passed, verdict.describe()
    assert verdict.compared == 2, "the least that any of them stood on: two types"
    _, diff = planted(few)
    verdict = judged("verified", {**facts, **diff.facts()}, kind.sample(), suites[1:], ROOT)
    assert not verdict.passed
    assert {check.name for check in verdict.checks if check.blocks} == {
        "missing: no record of any type is missing",
        "orphans: no record of any type stands without an item that asks for it",
        "different: no record of any type differs from what its item asks for",
    }
    assert {row["record"] for check in verdict.checks for row in check.sample_rows} <= {"LOOKUP", "METADATA"}


RULES = [
    ("expect_column_values_to_be_between", {"column": "version", "min_value": 1, "max_value": 1}),
    ("expect_column_values_to_be_in_set", {"column": "entityType", "value_set": ["USER"]}),
    ("expect_column_values_to_match_regex", {"column": "PK", "regex": "^USER#"}),
    ("expect_column_values_to_not_be_null", {"column": "email"}),
]


def suite(folder: Path, **meta: Any) -> Path:
    (folder / "expectations").mkdir(exist_ok=True)
    said = [{"type": t, "kwargs": k, "severity": "critical", "description": "holds"} for t, k in RULES]
    body = {"name": "rules", "meta": {"sluice": {"over": "rows", **meta}}, "expectations": said}
    (folder / "expectations" / "rules.json").write_text(json.dumps(body))
    return folder


def test_a_persons_own_suite_looks_at_typed_rows_of_one_type(few: Few, tmp_path: Path) -> None:
    kind = few.opened()
    whole = suite(tmp_path, where={"record": "METADATA"})
    good = judged("verified", {}, kind.sample(), ["rules"], whole)
    assert good.passed, good.describe()
    assert good.compared == 3
    _, _ = planted(few)
    bad = judged("verified", {}, kind.sample(), ["rules"], whole)
    (check,) = [check for check in bad.checks if check.blocks]
    assert check.name == "version: holds"
    assert {row["PK"] for row in check.sample_rows} == {"USER#a", "USER#c"}
    assert not judged("verified", {}, kind.sample(), ["rules"], suite(tmp_path)).passed, "a look-up has no e-mail"


def test_a_few_records_among_very_many_of_others_are_found(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    target = kind.tables.targets[0].name
    others: list[Any] = [{"PK": {"S": f"A#{number:05}"}, "SK": {"S": "METADATA"}} for number in range(1000)]
    for start in range(0, len(others), 25):
        puts = [{"PutRequest": {"Item": one}} for one in others[start : start + 25]]
        few.client.batch_write_item(RequestItems={target: puts})
    subject = kind.sample()
    assert isinstance(subject, RowsSubject)
    assert {row["PK"] for row in subject.take(8)} <= {f"USER#{name}" for name in few.items()}
    assert len(subject.take(8)) == len(few.by_hand())


def test_an_empty_sample_and_a_suite_in_the_wrong_place_are_red(few: Few, tmp_path: Path) -> None:
    kind = few.opened()
    nothing = judged("verified", {}, kind.sample(), ["rules"], suite(tmp_path, where={"record": "none"}))
    assert not nothing.passed
    assert nothing.compared == 0
    assert judged("verified", {"counted_empty": 1}, kind.sample(), ["rules"], tmp_path).passed
    assert not judged("verified", {}, kind.sample(), ["rules"], suite(tmp_path, over="window", days=3)).passed
    table = suite(tmp_path, over="table", of="record_types")
    for facts in ({}, {"record_types": "{}"}, {"record_types": "[]"}, {"record_types": "no"}):
        assert not judged("verified", facts, None, ["rules"], table).passed


def test_values_are_typed_and_no_number_becomes_a_float() -> None:
    digits = "12345678901234567890123456789012345678"
    assert typed({"N": digits}) == int(digits)
    assert typed({"N": "1.10"}) == Decimal("1.1")
    assert isinstance(typed({"N": "1.10"}), Decimal)
    assert isinstance(typed({"N": "1.0"}), int)
    assert [typed({"S": "x"}), typed({"BOOL": False}), typed({"NULL": True})] == ["x", False, None]
    assert typed({"SS": ["b", "a"]}) == '["a", "b"]'
    assert typed({"B": b"\xff"}) == "/w=="
    assert json.loads(typed({"M": {"a": {"L": [{"B": b"\xff"}]}}})) == {"a": {"L": [{"B": "/w=="}]}}
