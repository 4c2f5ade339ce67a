"""Every look-up of the five legacy tables, asked of the records that their items become."""

from __future__ import annotations

from datetime import datetime

import pytest
from sluice.records import buckets_of, records_of, skipped
from sluice.stores.dynamodb.values import Item

from tests.unit.tyler import sample_estate, sample_shape, texts

NOW = datetime(2026, 1, 1)
LEGACY: dict[str, list[Item]] = {
    "tyler_users": [
        {
            **texts(userId=f"u{number}", email=f"User{number % 40}@Example.org ", status=("ON", "OFF")[number % 2]),
            **texts(created=f"2024-01-{number % 28 + 1:02d}T00:00:00Z", updated="2024-06-01"),
            "roles": {"SS": ["admin", "all"] if number == 7 else ["all"]},
        }
        for number in range(60)
    ],
    "tyler_contractors": [
        {**texts(contractorId=f"c{number}", token=f"t{number}"), "expiry": {"N": f"{1_767_225_600 + 86_400 * number}"}}
        for number in range(20)
    ],
    "tyler_refresh_tokens": [
        {
            **texts(tokenId=f"r{number}", userId=f"u{number % 3}"),
            "expires": {"N": f"{1_767_225_600 + 60 * (number - 4)}"},
        }
        for number in range(20)
    ],
    "tyler_audit": [
        texts(auditId=f"a{number}", userId=f"u{number % 5}", timestamp=f"2024-{number % 12 + 1:02d}-15T10:00:00+02:00")
        for number in range(60)
    ]
    + [texts(auditId="by-itself", timestamp="2024-05-01")],
    "tyler_config": [texts(configKey=f"key.{number}", value=f"{number}") for number in range(5)],
}


@pytest.fixture(scope="module")
def records() -> list[Item]:
    """The records of all legacy items that are migrated, by their keys."""
    found: dict[tuple[str, str], Item] = {}
    for name, items in LEGACY.items():
        shape = sample_shape(name)
        for item in items:
            for record in () if skipped(shape, item, NOW) else records_of(shape, item):
                place = record.key["PK"]["S"], record.key["SK"]["S"]
                assert found.setdefault(place, record.item) is record.item, f"two items on {place}"
    return list(found.values())


def query(records: list[Item], index: str, partitions: list[str], low: str = "", high: str = "\U0010ffff") -> list[str]:
    """Ask each partition as DynamoDB would, and merge by the sort key; gives ids."""
    partition, sort = (f"{index}PK", f"{index}SK")
    rows = [one for one in records if one.get(partition, {}).get("S") in partitions and low <= one[sort]["S"] <= high]
    return [(one.get("id") or one["key"])["S"] for one in sorted(rows, key=lambda one: one[sort]["S"])]


def spread(partition: str, key_class: str) -> list[str]:
    """Every partition of a class of keys."""
    tables = next(iter(sample_estate().migrations.values())).target
    return [f"{partition}#{bucket}" for bucket in buckets_of(tables.spread[key_class])]  # type: ignore[attr-defined]


def ids(letter: str, numbers: range) -> set[str]:
    return {f"{letter}{number}" for number in numbers}


def test_users_by_e_mail(records: list[Item]):
    assert set(query(records, "GSI2", ["EMAIL#user3@example.org"])) == {"u3", "u43"}
    assert query(records, "GSI2", ["EMAIL#user25@example.org"]) == ["u25"]


def test_users_newest_first_by_status_and_by_role(records: list[Item]):
    assert set(query(records, "GSI1", spread("USER", "user"))) == ids("u", range(60))
    assert query(records, "GSI1", spread("USER", "user"))[0] == "u0"
    assert len(query(records, "GSI1", spread("USER_UPDATED", "user"))) == 60
    assert set(query(records, "GSI2", spread("USER_STATUS#OFF", "user"))) == ids("u", range(1, 60, 2))
    assert query(records, "GSI2", spread("USER_ROLE#admin", "user")) == ["u7"]
    assert len(query(records, "GSI2", spread("USER_ROLE#all", "user"))) == 60


def test_contractors_by_token_and_by_expiry(records: list[Item]):
    assert query(records, "GSI2", ["CONTRACTOR_TOKEN#t5"]) == ["c5"]
    gone = query(records, "GSI1", spread("CONTRACTOR_EXPIRY", "contractor"), high="2026-01-04T")
    assert gone == ["c0", "c1", "c2"]


def test_refresh_tokens_by_user_without_the_expired(records: list[Item]):
    assert query(records, "GSI3", ["USER_TOKEN#u1"]) == ["r7", "r10", "r13", "r16", "r19"]
    assert query(records, "GSI2", ["REFRESH_TOKEN#r7"]) == ["r7"]
    assert query(records, "GSI2", ["REFRESH_TOKEN#r4"]) == []  # expired in this very second
    token = next(one for one in records if one["SK"]["S"] == "TOKEN#r7")
    assert token["ttl"] == {"N": f"{1_767_225_600 + 180}"} == token["expiresAt"]


def test_audit_by_user_and_by_time(records: list[Item]):
    assert set(query(records, "GSI3", ["USER_AUDIT#u2"])) == ids("a", range(2, 60, 5))
    months = [partition for month in (3, 4) for partition in spread(f"AUDIT#2024-{month:02d}", "audit")]
    assert set(query(records, "GSI4", months)) == {f"a{number}" for number in range(60) if number % 12 in (2, 3)}
    since = query(records, "GSI4", spread("AUDIT#2024-03", "audit"), low="2024-03-15T08:00:00.000Z")
    assert len(since) == 5, "a time with a zone is sorted by its UTC"
    assert query(records, "GSI4", spread("AUDIT#2024-03", "audit"), low="2024-03-15T08:00:00.001Z") == []
    assert query(records, "GSI2", ["AUDIT#by-itself"]) == ["by-itself"]
    stand_ins = [f"USER_AUDIT#SYSTEM-{bucket}" for bucket in buckets_of(8)]
    assert query(records, "GSI3", stand_ins) == ["by-itself"]


def test_config_by_key(records: list[Item]):
    (found,) = [one for one in records if (one["PK"]["S"], one["SK"]["S"]) == ("CONFIG#key.3", "METADATA")]
    assert found["value"] == {"S": "3"}
    assert query(records, "GSI1", spread("CONFIG", "config")) == [f"key.{number}" for number in range(5)]


def test_a_user_s_partition_holds_what_belongs_to_the_user(records: list[Item]):
    kinds = sorted({one["SK"]["S"].split("#")[0] for one in records if one["PK"]["S"] == "USER#u1"})
    assert kinds == ["AUDIT", "LOOKUP", "METADATA", "TOKEN"]
