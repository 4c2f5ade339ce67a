"""Old months of records in DynamoDB: stored, read back, held against the table, deleted record by record, and brought back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sluice.failpoints import Broken, armed
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import Cancelled, Delete, write_one
from sluice.stores.objects import Damaged, Vault
from sluice.upkeep.items import archiving, deleting, storing
from sluice.upkeep.items.archiving import NotDeleted
from sluice.upkeep.items.bringing_back import TakenAway
from sluice.upkeep.items.deleting import unchanged
from sluice.upkeep.items.reading_back import WrittenMeanwhile
from sluice.upkeep.items.storing import TooWide
from sluice.upkeep.items.watching import look_for_items
from sluice.upkeep.refusals import NoSuchMonth, NotBroughtBack
from sluice.upkeep.vault.staying import EndsEarly

from tests.archived_items import MONTHS, Trail, laid_trail, to_the_end
from tests.conftest import ScratchVault
from tests.documents import Between, Documents

FIRST, SECOND = MONTHS
ODD: dict[str, Any] = {
    "line": {"S": 'two\u2028lines\n"é\\'},
    "bytes": {"B": b"\x00\xff"},
    "many": {"BS": [b"\x01", b"\x02"]},
    "exact": {"N": "12345678901234567890123456789012345678"},
    "tags": {"SS": ["b", "a"]},
    "deep": {"M": {"list": {"L": [{"B": b"\x03"}, {"NULL": True}, {"BOOL": False}, {"N": "1.50"}]}}},
    "nothing": {"NULL": True},
    "empty": {"S": ""},
}


@pytest.fixture
def trail(documents: Documents, vault: ScratchVault, tmp_path: Path) -> Iterator[Trail]:
    with laid_trail(documents, Vault(vault.client(), vault.bucket), tmp_path) as made:
        yield made


def quiet(_: str) -> None:
    """Nobody listens."""


def test_an_old_month_is_stored_proven_and_deleted_and_nothing_else_is(trail: Trail) -> None:
    trail.fill(30, FIRST, **ODD)
    trail.fill(5, SECOND)
    young = trail.record("young", "2999-01-01T00:00:00Z")
    other = {"PK": {"S": "USER#u"}, "SK": {"S": "METADATA"}, "id": {"S": "u"}}
    trail.put(young, other)
    before = trail.there()
    assert [month.round.month for month in trail.archive.list_due()] == [FIRST, SECOND]
    facts = trail.archive.advance(FIRST, quiet)
    assert (facts["items_stored"], facts["items_read"], facts["items_same"]) == (30, 30, 30)
    assert (facts["hash_differs"], facts["items_changed"], facts["items_gone"], facts["items_late"]) == (0, 0, 0, 0)
    assert trail.there() == before, "nothing is deleted by storing"
    assert trail.archive.find(FIRST).standing.startswith("cooling until 20")
    assert dict(trail.archive.delete(FIRST, quiet)) == {"deleted": 30, "gone": 0, "changed": 0}
    to_the_end(trail.archive)
    assert len(before) == 37
    assert list(trail.there().values()) == [item for item in trail.there().values() if item in (young, other)]
    assert len(trail.there()) == 2
    assert trail.archive.list_due() == [], "and the next night has nothing to do"


def test_what_is_in_the_vault_is_read_without_us(trail: Trail) -> None:
    made = trail.fill(20, **ODD)
    trail.archive.advance(FIRST, quiet)
    folder = trail.archive.find(FIRST).round.folder
    manifest = json.loads(trail.vault.get(f"{folder}/manifest.json"))
    assert (manifest["format"], manifest["version"], manifest["items"]) == ("sluice-items", 1, 20)
    assert (manifest["store"], manifest["table"], manifest["key"]) == ("tyler", trail.table, ["PK", "SK"])
    lines = [line for part in manifest["parts"] for line in gzip.decompress(trail.vault.get(part["key"])).splitlines()]
    found = [json.loads(line)["Item"] for line in lines]
    assert {item["id"]["S"] for item in found} == {item["id"]["S"] for item in made}
    assert all(item["exact"] == ODD["exact"] and item["bytes"] == {"B": "AP8="} for item in found)


def test_nothing_is_deleted_that_the_vaults_rules_would_take_away(trail: Trail) -> None:
    trail.fill(2)
    trail.archive.advance(FIRST, quiet)
    where, bucket = {"Filter": {"Prefix": f"{trail.archive.folder}/"}}, {"Bucket": trail.vault.bucket}
    rule = {"ID": "theirs", "Status": "Enabled", **where, "Expiration": {"Days": 9}}
    trail.vault.client.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": [rule]})
    try:
        with pytest.raises(
            EndsEarly, match=r"rule theirs: .* expires after 9 days, .* stays for good.*items/trail\.yaml"
        ):
            trail.archive.delete(FIRST, quiet)
    finally:
        trail.vault.client.delete_bucket_lifecycle(**bucket)
    assert len(trail.there()) == 2


def test_what_was_deleted_is_looked_for_and_what_is_lost_is_named(trail: Trail) -> None:
    trail.fill(3)
    assert look_for_items(trail.archive).known == 0
    to_the_end(trail.archive)
    seen = look_for_items(trail.archive)
    assert (seen.known, seen.months, seen.objects, seen.lost) == (1, 1, 4, [])
    file, *_ = (key for key in trail.objects() if "/data/" in key)
    trail.vault.client.delete_object(Bucket=trail.vault.bucket, Key=file)
    assert look_for_items(trail.archive).lost == [
        f"audit, {FIRST}: {file} was hidden by a DELETE: take its marker away"
    ]
    (manifest,) = (key for key in trail.objects() if key.endswith("/manifest.json"))
    trail.vault.remove(manifest)
    assert look_for_items(trail.archive).lost == [f"audit, {FIRST}: {manifest} is gone"]


def test_a_month_of_many_files_is_whole(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "FILE_BYTES", 700)
    trail.fill(40)
    facts = trail.archive.advance(FIRST, quiet)
    assert facts["files"] > 10
    assert (facts["items_stored"], facts["items_same"]) == (40, 40)
    trail.archive.delete(FIRST, quiet)
    assert trail.there() == {}


def test_what_is_changed_after_it_was_read_back_stays_and_goes_into_another_round(trail: Trail) -> None:
    first, second, third, *_ = trail.fill(10)
    trail.archive.advance(FIRST, quiet)
    trail.put({**first, "action": {"S": "logout"}}, {**second, "added": {"S": "later"}})
    late = trail.record("late", f"{FIRST}-20T10:00:00Z")
    trail.put(late)
    trail.client.delete_item(TableName=trail.table, Key={name: third[name] for name in ("PK", "SK")})
    facts = trail.archive.advance(FIRST, quiet)
    assert (facts["items_changed"], facts["items_gone"], facts["items_late"], facts["items_same"]) == (2, 1, 1, 7)
    assert dict(trail.archive.delete(FIRST, quiet)) == {"deleted": 7, "gone": 1, "changed": 2}
    left = trail.there()
    assert {one["id"]["S"] for one in left.values()} == {first["id"]["S"], second["id"]["S"], "late"}
    to_the_end(trail.archive)
    assert trail.there() == {}
    assert all(one in trail.in_verified_objects() for one in left.values())


def test_a_write_between_the_look_and_the_delete_is_never_lost(trail: Trail) -> None:
    """The condition of the delete itself: the application writes when we have looked already."""
    (record,) = trail.fill(1)
    trail.archive.advance(FIRST, quiet)
    newer = {**record, "action": {"S": "changed"}}

    def write_first(turn: int, real: Any, asked: dict[str, Any]) -> Any:
        if turn == 1:
            trail.put(newer)
        return real(**asked)

    archive = archiving.ItemArchive(
        trail.archive.items, Between(trail.client, "delete_item", write_first), trail.vault, trail.archive.prefix
    )
    assert dict(archive.delete(FIRST, quiet)) == {"deleted": 0, "gone": 0, "changed": 1}
    assert list(trail.there().values()) == [newer]


def test_a_month_that_is_written_while_it_is_stored_is_stored_anew(trail: Trail) -> None:
    (record,) = trail.fill(1)

    def write(_: str) -> None:
        trail.put({**record, "action": {"S": "changed"}})

    with pytest.raises(WrittenMeanwhile, match="1 records were changed after they were stored"):
        trail.archive.advance(FIRST, write)  # told that it is stored, before it is read back
    assert dict(trail.archive.advance(FIRST, quiet))["items_same"] == 1
    assert trail.in_verified_objects() == list(trail.there().values())


def test_what_an_index_tells_that_is_behind_is_not_believed(trail: Trail) -> None:
    """It gives a record as it was, one that is of another month by now, and one that is gone."""
    old = trail.fill(3)
    now = {**old[0], "action": {"S": "newer"}}
    moved = trail.record(f"{FIRST}-1", "2999-01-01T00:00:00Z")
    trail.put(now, moved)
    trail.client.delete_item(TableName=trail.table, Key={name: old[2][name] for name in ("PK", "SK")})

    def behind(_: int, real: Any, asked: dict[str, Any]) -> Any:
        (wanted,) = asked["ExpressionAttributeValues"].values()
        return {**real(**asked), "Items": [one for one in old if one["GSI4PK"] == wanted], "LastEvaluatedKey": None}

    client = Between(trail.client, "query", behind)
    archive = archiving.ItemArchive(trail.archive.items, client, trail.vault, trail.archive.prefix)
    assert dict(archive.advance(FIRST, quiet))["items_stored"] == 1
    assert trail.in_verified_objects() == [now]


def test_each_sort_of_value_is_in_the_condition(trail: Trail) -> None:
    for name, value in ODD.items():
        record: Item = {"PK": {"S": "p"}, "SK": {"S": name}, "value": value}
        delete = Delete(trail.table, {"PK": {"S": "p"}, "SK": {"S": name}}, unchanged(record))
        trail.put({**record, "value": {"S": "another"}})
        with pytest.raises(Cancelled):
            write_one(trail.client, delete)
        trail.put(record)
        write_one(trail.client, delete)
    assert trail.there() == {}


def test_the_condition_of_the_widest_record_is_one_that_the_service_takes() -> None:
    """The local engine takes longer ones. Limits: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Limits.html."""
    condition = unchanged({f"{n}": {"S": "x"} for n in range(storing.MOST_ATTRIBUTES)})
    assert condition.expression.count(" = ") + condition.expression.count(" AND ") <= 300
    assert len(condition.expression) <= 4096


def flip(trail: Trail, key: str) -> None:
    """Change one byte of an object."""
    body = bytearray(trail.vault.get(key))
    body[len(body) // 2] ^= 1
    trail.vault.client.put_object(Bucket=trail.vault.bucket, Key=key, Body=bytes(body))


@pytest.mark.parametrize("what", ["manifest.json", "data/"])
def test_a_flipped_byte_deletes_nothing(trail: Trail, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trail.fill(5)
    trail.archive.advance(FIRST, quiet)
    for key in [key for key in trail.objects() if what in key]:
        flip(trail, key)
    # The manifest names the version of each file, and a bucket that keeps versions has that one still.
    monkeypatch.setattr(Vault, "get", lambda vault, key, version=None, get=Vault.get: get(vault, key))
    with pytest.raises(Damaged, match=r"not the manifest that was verified|not what was stored"):
        trail.archive.delete(FIRST, quiet)
    assert len(trail.there()) == 5


def test_a_forged_note_deletes_nothing_that_was_not_stored(trail: Trail) -> None:
    """Who writes that a month was verified has only its own lines to delete by."""
    made = trail.fill(5)
    trail.archive.advance(FIRST, quiet)
    trail.put(*({**one, "action": {"S": "forged"}} for one in made))
    assert dict(trail.archive.delete(FIRST, quiet)) == {"deleted": 0, "gone": 0, "changed": 5}
    assert len(trail.there()) == 5


def test_it_cools_by_the_stores_clock_and_a_hold_stops_it(trail: Trail) -> None:
    trail.fill(3)
    archive = trail.rewritten("cooling: 0s", "cooling: 7d")
    archive.advance(FIRST, quiet)
    assert archive.list_due() == []
    with pytest.raises(NotDeleted, match="cooling until"):
        archive.delete(FIRST, quiet)
    held = "cooling: 0s, holds: [{from: 2024-01, because: case 7}]"
    archive = trail.rewritten("cooling: 7d", held)
    assert archive.list_due() == []
    with pytest.raises(NotDeleted, match="held: case 7"):
        archive.delete(FIRST, quiet)
    assert len(trail.there()) == 3
    archive = trail.rewritten(held, "cooling: 0s")
    assert [month.round.month for month in archive.list_due()] == [FIRST]


def test_archived_alone_it_is_stored_once_and_stays(trail: Trail) -> None:
    trail.fill(3)
    archive = trail.rewritten("then: delete", "then: archive")
    to_the_end(archive)
    assert archive.find(FIRST).standing == "verified"
    assert archive.list_due() == []
    assert len(trail.there()) == 3


def test_a_month_that_is_young_held_or_empty_is_not_begun(trail: Trail) -> None:
    trail.fill(2)
    trail.put(trail.record("young", "2999-01-01T00:00:00Z"))
    with pytest.raises(NoSuchMonth, match="not older than"):
        trail.archive.advance("2999-01", quiet)
    with pytest.raises(NoSuchMonth, match="not older"):
        trail.archive.advance("2023-12", quiet)
    with pytest.raises(NoSuchMonth, match="has no record"):
        trail.archive.advance(SECOND, quiet)
    archive = trail.rewritten("cooling: 0s", "cooling: 0s, holds: [{from: 2024-01, because: case 7}]")
    assert archive.list_due() == []
    with pytest.raises(NoSuchMonth, match="held: case 7"):
        archive.advance(FIRST, quiet)
    assert trail.objects() == []


def test_a_record_of_too_many_attributes_stops_its_month(trail: Trail) -> None:
    trail.fill(1, **{f"a{n}": {"N": "1"} for n in range(150)})
    with pytest.raises(TooWide, match="attributes"):
        trail.archive.advance(FIRST, quiet)
    assert len(trail.there()) == 1


def test_a_month_is_brought_back_while_it_is_held_and_goes_again_after_that(trail: Trail) -> None:
    made = trail.fill(12, **ODD)
    before = trail.there()
    to_the_end(trail.archive)
    with pytest.raises(NotBroughtBack, match="hold it first"):
        trail.archive.bring_back(FIRST, quiet)
    held = "cooling: 0s, holds: [{from: 2024-01, because: an audit}]"
    archive = trail.rewritten("cooling: 0s", held)
    trail.put({**made[0], "action": {"S": "newer"}})
    assert dict(archive.bring_back(FIRST, quiet)) == {"brought_back": 11, "there": 0, "kept": 1}
    assert dict(archive.bring_back(FIRST, quiet)) == {"brought_back": 0, "there": 11, "kept": 1}
    back = trail.there()
    assert back.keys() == before.keys()
    assert sum(back[key] == before[key] for key in before) == 11
    with pytest.raises(NotBroughtBack, match="nothing of it"):
        archive.bring_back(SECOND, quiet)
    to_the_end(trail.rewritten(held, "cooling: 0s"))
    assert trail.there() == {}


HELD = "cooling: 0s, holds: [{from: 2024-01, because: case 7}]"


def test_a_hold_stops_a_deletion_between_two_lots_and_all_of_it_comes_back(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "AT_ONCE", 8)
    before = len(trail.fill(40))
    trail.archive.advance(FIRST, quiet)

    def hold_first(turn: int, real: Any, asked: dict[str, Any]) -> Any:
        if turn == 10:
            trail.rewritten("cooling: 0s", HELD)
        return real(**asked)

    client = Between(trail.client, "delete_item", hold_first)
    archive = replace(trail.archive, client=client, again=lambda: trail.archive.items)
    with pytest.raises(NotDeleted, match="is held by now: case 7"):
        archive.delete(FIRST, quiet)
    left = len(trail.there())
    assert 10 <= before - left <= 16, "the lot that had begun goes to its end, and no other begins"
    assert dict(trail.archive.bring_back(FIRST, quiet)) == {"brought_back": before - left, "there": left, "kept": 0}


def test_what_is_gone_again_when_all_was_put_back_is_told(trail: Trail) -> None:
    trail.fill(12)
    to_the_end(trail.archive)
    held = trail.rewritten("cooling: 0s", HELD)

    def take_one_away(turn: int, real: Any, asked: dict[str, Any]) -> Any:
        done = real(**asked)
        if turn == 3:
            key = {name: asked["Item"][name] for name in trail.archive.place.key_names}
            trail.client.delete_item(TableName=trail.table, Key=key)
        return done

    with pytest.raises(TakenAway, match=r"1 records of 2024-01 are gone again from"):
        replace(held, client=Between(trail.client, "put_item", take_one_away)).bring_back(FIRST, quiet)
    assert dict(held.bring_back(FIRST, quiet)) == {"brought_back": 1, "there": 11, "kept": 0}


@pytest.mark.parametrize("edge", ["items.file_stored", "items.files_stored", "items.stored", "items.read_back"])
def test_broken_off_while_it_is_stored_the_next_run_finishes(trail: Trail, edge: str) -> None:
    made = trail.fill(8)
    with pytest.raises(Broken), armed(f"{edge}=raise@1"):
        trail.archive.advance(FIRST, quiet)
    trail.put({**made[0], "action": {"S": "changed"}}) if edge.startswith("items.file") else None
    assert dict(trail.archive.advance(FIRST, quiet))["items_same"] == 8
    assert len(trail.there()) == 8


@pytest.mark.parametrize("edge", ["items.deleting", "items.deleted", "items.file_deleted"])
def test_broken_off_while_it_is_deleted_the_next_run_finishes(trail: Trail, edge: str) -> None:
    made = trail.fill(8)
    trail.archive.advance(FIRST, quiet)
    with pytest.raises(Broken), armed(f"{edge}=raise@2"):
        trail.archive.delete(FIRST, quiet)
    to_the_end(trail.archive)
    assert trail.there() == {}
    assert len(trail.in_verified_objects()) == len(made)
