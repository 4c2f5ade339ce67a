"""The sample estate `tyler`: what is dirty in it, what cannot be mapped, and that its oracle finds what is planted."""

from __future__ import annotations

import json

import pytest
from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.shape import Key
from sluice.local.tyler.dirt import LARGE, legacy_item, poisons
from sluice.local.tyler.oracle import Survey, _add, judge
from sluice.local.tyler.seed import counts_of
from sluice.local.tyler.shape import LEGACY, entity_in, entity_of, key_of_whole, keys_of_lookups
from sluice.local.tyler.writer import effect_of
from sluice.records import Unmappable, item_of, records_of
from sluice.stores.dynamodb.values import same, size_of

from tests.unit.tyler import sample_shape

FEW = 300
USERS = LEGACY["users"]


@pytest.mark.parametrize("table", LEGACY)
def test_the_hand_written_mapping_and_the_migrations_agree_and_items_come_back(table: str) -> None:
    legacy, shape = LEGACY[table], sample_shape(LEGACY[table].migration)
    for number in range(FEW):
        item = legacy_item(table, number)
        entity = entity_of(legacy, item)
        records = {(r.key["PK"]["S"], r.key["SK"]["S"]): r for r in records_of(shape, item)}
        whole = records.pop(key_of_whole(legacy.kind, entity))
        assert same(entity_in(whole.item), entity), item
        assert set(records) == set(keys_of_lookups(legacy.kind, entity)), item
        assert item_of(shape, whole.item) == item


@pytest.mark.parametrize("poison", poisons(), ids=lambda poison: f"{poison.table} {poison.what}")
def test_what_cannot_be_mapped_cannot_and_its_mended_form_can(poison) -> None:
    shape = sample_shape(LEGACY[poison.table].migration)
    with pytest.raises(Unmappable):
        records_of(shape, poison.item)
    assert size_of(poison.item) <= 400 * 1024, "the store would refuse it"
    if poison.mended is not None:
        assert records_of(shape, poison.mended)


def test_the_items_are_as_dirty_as_was_said_and_always_the_same() -> None:
    users = [legacy_item("users", number) for number in range(1, FEW)]
    emails = [item["email"]["S"].strip().lower() for item in users if "email" in item]
    assert len(set(emails)) < len(emails), "no address is there twice"
    for name in ("created", "email", "status"):
        assert 0 < sum(name not in item for item in users) < FEW / 4
    assert any(size_of(item) > LARGE for item in users)
    assert any(len(item["balance"]["N"].replace(".", "").lstrip("-")) == 38 for item in users)
    assert any("legacy-flags.v1" in item for item in users)
    expired = [float(legacy_item("refresh-tokens", n)["expires"]["N"]) < 2e9 for n in range(FEW)]
    assert FEW / 2 < sum(expired) < FEW
    assert users == [legacy_item("users", number) for number in range(1, FEW)]
    assert sum(counts_of(200_000).values()) == 200_000


def _surveyed(*items) -> Survey:
    survey = Survey()
    for item in items:
        entity = entity_of(USERS, item)
        for side in (survey.old, survey.new):
            _add(side, USERS, entity, key_of_whole(USERS.kind, entity))
        for places in (survey.lookups_wanted, survey.lookups_found):
            places.update(keys_of_lookups(USERS.kind, entity))
    return survey


ANN, BOB = legacy_item("users", 2), legacy_item("users", 3)


def test_a_lost_a_wrong_and_a_resurrected_write_are_found() -> None:
    found = _surveyed(ANN, BOB).new
    told = Acknowledged()
    told.committed([effect_of(USERS, None, ANN), effect_of(USERS, BOB, BOB)])
    assert judge(told, found).ok
    told.committed([effect_of(USERS, None, legacy_item("users", 4))])
    told.committed([effect_of(USERS, ANN, {**ANN, "note": {"S": "other"}})])
    told.committed([effect_of(USERS, BOB, None)])
    report = judge(told, found)
    assert (report.lost, report.wrong, report.resurrected, report.ok) == (1, 1, 1, False)
    assert {sample.key for sample in report.samples} == {"u0000002", "u0000003", "u0000004"}


def test_what_was_never_answered_may_be_either_and_nothing_else() -> None:
    told = Acknowledged()
    changed = {**ANN, "note": {"S": "other"}}
    told.unknown([effect_of(USERS, ANN, changed)])
    assert judge(told, _surveyed(ANN).new).ok and judge(told, _surveyed(changed).new).ok
    assert not judge(told, _surveyed({**ANN, "note": {"S": "a third"}}).new).ok
    assert json.loads(next(told.items())[1][0]["item"]) == ANN


@pytest.mark.parametrize("what", ["missing", "extra", "other", "twice", "lookup missing", "lookup extra"])
def test_each_sort_of_difference_between_the_sides_is_seen(what: str) -> None:
    survey = _surveyed(ANN, BOB)
    assert survey.differing == []
    key = Key("users", "u0000002")
    if what == "missing":
        del survey.new[key]
    elif what == "extra":
        del survey.old[key]
    elif what == "other":
        survey.new[key] = _surveyed({**ANN, "note": {"S": "other"}}).new[key]
    elif what == "twice":
        _add(survey.new, USERS, entity_of(USERS, ANN), ("USER#elsewhere", "METADATA"))
    elif what == "lookup missing":
        survey.lookups_found.pop()
    else:
        survey.lookups_found.add(("USER#u0000002", "LOOKUP#ROLE#nobody"))
    assert len(survey.differing) == 1
