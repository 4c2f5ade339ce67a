"""The end of an old DynamoDB table: exported, read back, compared, and only then deleted; and made again from its export."""

from __future__ import annotations

import gzip
import json
import os
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from sluice import failpoints
from sluice.failpoints import EDGES, Broken
from sluice.local.documents import DocumentStore
from sluice.local.ports import free_port
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Facts, NotYet, Phase
from sluice.migration.kinds.dynamodb_source import exporting, last_look
from sluice.migration.kinds.dynamodb_source.bringing_back import NotEmpty, bring_back, creation_of
from sluice.migration.kinds.dynamodb_source.last_look import NotReadToEnd
from sluice.migration.kinds.dynamodb_source.reading_back import Unproven
from sluice.migration.kinds.dynamodb_source.retiring import EXPORT, PROOF
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.ours import as_known
from sluice.stores.dynamodb.identity import OtherTable, delete_table, identify
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.streams import StreamPage
from sluice.stores.dynamodb.values import Item, same
from sluice.stores.objects import Damaged, Vault

from tests.conftest import ScratchVault
from tests.documents import Between, Documents
from tests.few_items import Few, few_items, item, seen_to, to_capturing
from tests.few_items import copy as copied

ODD: dict[str, Any] = {
    "line": {"S": 'two\u2028lines\n\u0085"é\\'},
    "bytes": {"B": b"\x00\xff"},
    "many": {"BS": [b"\x01", b"\x02"]},
    "exact": {"N": "12345678901234567890123456789012345678"},
    "tags": {"SS": ["b", "a"]},
    "deep": {"M": {"list": {"L": [{"B": b"\x03"}, {"NULL": True}, {"BOOL": False}]}}},
    "empty": {"S": ""},
}


@pytest.fixture
def bucket(vault: ScratchVault) -> Vault:
    return Vault(vault.client(), vault.bucket)


@contextmanager
def cut_over(
    documents: Documents, make_table: Callable[..., str], vault: Vault | None, also: tuple[Item, ...] = (), **more: Any
) -> Iterator[tuple[Few, Callable[[], SingleTable]]]:
    """A migration that is cut over, of forty items; each `opened` is a worker of its own."""
    seeds = [item(f"u{n:02}", **(ODD if n % 3 == 0 else {})) for n in range(40)]
    with few_items(documents, make_table, *seeds, *also, **more) as few:

        def opened() -> SingleTable:
            kind = few.opened()
            return SingleTable(
                kind.migration, few.client, kind._streams, documents.prefix, vault=(lambda: vault) if vault else None
            )

        kind = opened()
        to_capturing(kind)
        copied(kind)
        steps.finish_backfill(kind)
        steps.verify(kind)
        kind.shadow()
        steps.cut_over(kind)
        yield few, opened


def there(few: Few) -> bool:
    return identify(few.client, few.old) is not None


def exports(bucket: Vault, kind: SingleTable, what: str) -> list[str]:
    return [key for key in bucket.list(f"retired/{kind.name}/AWSDynamoDB/") if what in key]


def test_it_is_exported_read_back_and_only_then_deleted(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        before = few.items()
        facts = steps.retire(opened())
        assert not there(few)
        assert opened().position().phase is Phase.RETIRED
        assert (facts["exported_items"], facts["read_back_items"], facts["digests_differ"]) == (40, 40, 0), facts
        assert (facts["old_deleted"], facts["old_kept"], facts["deleted_unproven"]) == (1, 0, 0), facts
        assert facts["backup_taken"] == 1
        assert "backup/" in str(facts["backup"])
        assert facts["rows_different"] == facts["rows_missing"] == 0
        assert steps.retire(opened()) == facts, "taken again it says the same, comparison and all"
        assert "retired" in opened().describe_plan()
        restored = few.documents.fresh_name("restored")
        few.client.restore_table_from_backup(
            TargetTableName=restored, BackupArn=str(facts["backup"]).removeprefix("on_demand: ")
        )
        assert len(scan_page(few.client, restored).items) == 40
        documents.drop(restored)
        assert len(before) == 40


def test_the_export_is_laid_out_as_the_services_own(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        kind = opened()
        few.client.update_item(  # an application's write on the new side: it comes back with our marks on it
            TableName=kind.tables.targets[0].name,
            Key={"PK": {"S": "USER#u01"}, "SK": {"S": "METADATA"}},
            UpdateExpression="SET version = :v",
            ExpressionAttributeValues={":v": {"N": "2"}},
        )
        kind.replicate(5)
        table, before = identify(few.client, few.old), few.items()
        assert before["u01"]["version"] == {"N": "2"}
        folder = str(steps.retire(kind)["export"]).removeprefix(f"s3://{bucket.bucket}/")
    summary = json.loads(bucket.get(f"{folder}/manifest-summary.json"))
    assert table is not None
    assert (summary["tableArn"], summary["tableId"]) == (table.arn, table.id)
    assert (summary["itemCount"], summary["outputFormat"]) == (40, "DYNAMODB_JSON")
    assert summary["exportArn"].rpartition("/")[2] == folder.rpartition("/")[2]
    files = [json.loads(line) for line in bucket.get(summary["manifestFilesS3Key"]).splitlines()]
    found: list[Any] = []
    for file in files:
        body = bucket.get(file["dataFileS3Key"])
        assert file["md5Checksum"] == b64encode(md5(body).digest()).decode()
        assert file["etag"] == bucket.client.head_object(Bucket=bucket.bucket, Key=file["dataFileS3Key"])["ETag"][1:-1]
        lines = gzip.decompress(body).decode().splitlines()  # as other tools cut them
        assert file["itemCount"] == len(lines)
        found += [json.loads(line)["Item"] for line in lines]
    assert {one["email"]["S"] for one in found} == {one["email"]["S"] for one in before.values()}
    assert not [one for one in found if "_token" in one or "_canary" in one]
    for name in ("summary", "files"):
        body = bucket.get(f"{folder}/manifest-{name}.json")
        assert bucket.get(f"{folder}/manifest-{name}.checksum") == b64encode(md5(body).digest())


class Both(DocumentStore):
    """A DynamoDB and an S3 in one process: ImportTable reads the bucket there."""

    def _service(self) -> dict[str, str]:
        return {"SERVICES": "dynamodb,dynamodbstreams,s3,iam,sts,logs"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    store = Both(tmp_path_factory.mktemp("both"), free_port(), "SCRATCH", secrets.token_urlsafe())
    try:
        store.start(os.environ)
        yield store
    finally:
        store.stop()


def test_the_services_own_import_makes_the_table_again_from_it(
    service: Both, documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        before = few.items()
        folder = str(steps.retire(opened())["export"]).removeprefix(f"s3://{bucket.bucket}/")
    there = Vault(service.client("s3"), "imports")
    there.client.create_bucket(Bucket="imports")
    for key in bucket.list(f"{folder}/data/"):
        there.client.put_object(Bucket="imports", Key=key, Body=bucket.get(key))
    client = service.client("dynamodb")
    asked = client.import_table(
        S3BucketSource={"S3Bucket": "imports", "S3KeyPrefix": f"{folder}/data/"},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters=json.loads(bucket.get(f"{folder}/table.json")),
    )["ImportTableDescription"]
    for _ in range(300):
        told = client.describe_import(ImportArn=asked["ImportArn"])["ImportTableDescription"]
        if told["ImportStatus"] != "IN_PROGRESS":
            break
        time.sleep(0.1)
    assert (told["ImportStatus"], told["ImportedItemCount"]) == ("COMPLETED", 40), told
    made = {one["email"]["S"].partition("@")[0]: one for one in scan_page(client, few.old).items}
    assert made.keys() == before.keys()
    assert all(same(made[name], before[name]) for name in before)


def test_it_is_brought_back_on_any_engine_twice_and_never_over_other_items(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        before = few.items()
        folder = str(steps.retire(opened())["export"]).removeprefix(f"s3://{bucket.bucket}/")
        for _ in range(2):
            assert bring_back(few.client, bucket, folder) == 40
            assert all(same(one, before[name]) for name, one in few.items().items())
        few.put(item("u01", version=99))
        with pytest.raises(NotEmpty, match="another name"):
            bring_back(few.client, bucket, folder)
        documents.drop(few.old)


def test_the_page_that_says_how_to_bring_it_back_is_true(
    documents: Documents,
    make_table: Callable[..., str],
    bucket: Vault,
    vault: ScratchVault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (Path(__file__).parents[2] / "docs/howto/retire-a-dynamodb-table.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    again = documents.fresh_name("members-again")
    with cut_over(documents, make_table, bucket) as (few, opened):
        kind = opened()
        folder = str(steps.retire(kind)["export"]).removeprefix(f"s3://{bucket.bucket}/")
        held = {key.removeprefix(f"{folder}/") for key in bucket.list(f"{folder}/")}
    assert {name for name in ("table.json", "described.json", "manifest-summary.json") if name in page} <= held
    told = {"S3_URL": vault.endpoint, "DYNAMODB_URL": documents.endpoint, "BUCKET": bucket.bucket, "EXPORT": folder}
    keys = {"AWS_ACCESS_KEY_ID": documents.key, "AWS_SECRET_ACCESS_KEY": documents.secret, "AWS_REGION": "us-east-1"}
    for name, value in {**told, **keys, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value or "")
    exec(compile(code.replace("members-again", again), "page", "exec"), {})
    assert len(scan_page(few.client, again).items) == 40
    documents.drop(again)


def test_local_indexes_come_back_with_their_table_and_are_not_in_what_the_import_is_given() -> None:
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    by_time = {"IndexName": "byTime", "KeySchema": [*key, {"AttributeName": "at", "KeyType": "RANGE"}]}
    by_city = {"IndexName": "byCity", "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}]}
    described = {
        "TableName": "rides",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "at", "city")],
        "KeySchema": key,
        "GlobalSecondaryIndexes": [{**by_city, "Projection": {"ProjectionType": "ALL"}, "ItemCount": 7}],
        "LocalSecondaryIndexes": [{**by_time, "Projection": {"ProjectionType": "KEYS_ONLY"}, "ItemCount": 7}],
    }
    given, made = creation_of(described), creation_of(described, local=True)
    assert "LocalSecondaryIndexes" not in given
    assert [one["AttributeName"] for one in given["AttributeDefinitions"]] == ["id", "city"]
    assert made["LocalSecondaryIndexes"] == [{**by_time, "Projection": {"ProjectionType": "KEYS_ONLY"}}]
    assert [one["AttributeName"] for one in made["AttributeDefinitions"]] == ["id", "at", "city"]


END = [e.name for e in EDGES if "dynamodb_source/retiring.py " in e.where or "dynamodb_source/exporting.py " in e.where]


def test_broken_off_anywhere_it_goes_on_and_leaves_no_half_export(
    documents: Documents, make_table: Callable[..., str], bucket: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failpoints.ONCE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(exporting, "FILE_BYTES", 1)
    with cut_over(documents, make_table, bucket) as (few, opened):
        _of_pages(monkeypatch, 3)
        before, broken = few.items(), 0
        with failpoints.armed(",".join(f"{name}=raise" for name in END)):
            while True:
                try:
                    facts = steps.retire(opened())
                    break
                except Broken as edge:
                    broken += 1
                    assert there(few) or "retired.deleted" in str(edge)
        assert {note.name for note in tmp_path.iterdir()} == set(END)
        assert broken > 5, "two threads may break off at once"
        assert len(exports(bucket, opened(), "manifest-summary.json")) == 1
        assert len(exports(bucket, opened(), "/data/")) > 8, "a file each time it is full"
        assert (facts["exported_items"], facts["old_deleted"], facts["deleted_unproven"]) == (40, 1, 0), facts
        assert bring_back(few.client, bucket, str(facts["export"]).removeprefix(f"s3://{bucket.bucket}/")) == 40
        assert few.items().keys() == before.keys()
        documents.drop(few.old)


def test_what_is_in_the_vault_already_is_not_scanned_again(
    documents: Documents, make_table: Callable[..., str], bucket: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[Any] = []
    monkeypatch.setattr(exporting, "scan_page", lambda *asked: pages.append(asked) or scan_page(*asked))
    with cut_over(documents, make_table, bucket) as (_, opened):
        with failpoints.armed("export.data_written=raise"), pytest.raises(Broken):
            steps.retire(opened())
        assert len(pages) == exporting.SEGMENTS
        assert opened().retire()["old_deleted"] == 1
        assert len(pages) == exporting.SEGMENTS


def _of_pages(monkeypatch: pytest.MonkeyPatch, items: int) -> None:
    """Let a scan give so many items a page."""
    monkeypatch.setattr(exporting, "scan_page", lambda *asked: scan_page(*asked, limit=items))


def test_what_was_written_between_two_tries_makes_it_begin_anew(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        with failpoints.armed("retired.exported=raise"), pytest.raises(Broken):
            steps.retire(opened())
        few.put(item("late"))
        with pytest.raises(Unproven, match="written after it was retired"):
            opened().retire()
        assert there(few)
        with failpoints.armed("retired.looked=raise"), pytest.raises(Broken):
            opened().retire()  # it was found, and nobody told
        for _ in range(2):
            with pytest.raises(Unproven, match=r"1 writes came to it past the route.*late@Example.com") as told:
                opened().retire()  # as a task that is tried again by itself
        assert there(few), "what a stray wrote is in no record"
        kind = opened()
        kind.migration = seen_to(kind.migration, told.value)
        facts = kind.retire()
        assert (facts["exported_items"], facts["old_deleted"]) == (41, 1)
        assert len(exports(bucket, opened(), "manifest-summary.json")) == 2


def test_a_stray_that_the_stream_has_not_told_yet_is_waited_for_and_a_new_one_wants_a_new_word(
    documents: Documents, make_table: Callable[..., str], bucket: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_look, "PATIENCE_SECONDS", 0.5)
    with cut_over(documents, make_table, bucket) as (few, opened):
        with failpoints.armed("retired.export_named=raise"), pytest.raises(Broken):
            steps.retire(opened())
        few.put(item("late"))
        kind = opened()
        monkeypatch.setattr(
            kind._ways.source_stream, "read", lambda shard, after, limit: StreamPage((), after, ended=False)
        )
        with pytest.raises(NotReadToEnd, match="not read up to now: shardId"):
            kind.retire()
        kind = opened()
        with pytest.raises(Unproven, match="1 writes") as told:
            kind.retire()
        kind.migration = seen_to(kind.migration, told.value)
        few.delete("late")
        with pytest.raises(Unproven, match=r"2 writes.*The word in the file, strays-1-.* is of other ones"):
            kind._retiring._check_no_strays("one")
        assert there(few)


def test_a_file_that_is_not_what_was_written_keeps_the_table(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        with failpoints.armed("retired.exported=raise"), pytest.raises(Broken):
            steps.retire(opened())
        key = next(key for key in exports(bucket, opened(), "/data/") if gzip.decompress(bucket.get(key)))
        lines = gzip.decompress(bucket.get(key)).splitlines(keepends=True)
        for body in (gzip.compress(b"".join(lines[1:])), bucket.get(key)[:-9], b""):
            bucket.client.put_object(Bucket=bucket.bucket, Key=key, Body=body)
            kind = opened()
            state = kind.marks.state()
            with pytest.raises(Damaged, match=r"vault (is not what was written|cannot be read)"):
                kind.retire()
            assert there(few)
            kind.marks.note(kind.marks.state(), **{EXPORT: state.facts[EXPORT]})
        kind.marks.note(kind.marks.state(), **{EXPORT: ""})
        assert opened().retire()["old_deleted"] == 1, "a new export takes its place"


def test_without_a_fresh_proof_of_this_very_table_nothing_is_deleted(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    with cut_over(documents, make_table, bucket) as (few, opened):
        with failpoints.armed("retired.export_named=raise"), pytest.raises(Broken):
            steps.retire(opened())
        kind, found = opened(), identify(few.client, few.old)
        assert found is not None
        with pytest.raises(Unproven, match="nobody has read its export back"):
            kind._retiring.delete(found)
        with failpoints.armed("retired.proven=raise"), pytest.raises(Broken):
            kind.retire()
        good = kind.marks.state().facts[PROOF]
        for told, why in (
            (good.replace(found.id, "another"), "another table's"),
            (good.replace(found.created.isoformat(), "2020-01-01T00:00:00+00:00"), "another table's"),
            (good.replace('"at": "20', '"at": "19'), "counts as fresh"),
            (good.replace('"same": true', '"same": false'), "not the same"),
            (good.replace('"read_back": 40', '"read_back": 39'), "39 items of 40"),
            ("[]", "cannot be read"),
        ):
            assert told != good
            kind.marks.note(kind.marks.state(), **{PROOF: told})
            with pytest.raises(Unproven, match=why):
                kind._retiring.delete(found)
            assert there(few)
        kind.marks.note(kind.marks.state(), **{PROOF: good})
        with pytest.raises(OtherTable):
            delete_table(few.client, replace(found, id="of yesterday"))
        assert there(few)
        kind._retiring.delete(found)
        assert not there(few)


def test_of_our_names_only_what_we_wrote_is_left_out() -> None:
    ours: Item = {"_token": {"S": f"{1:010}#{5:040}"}, "_from": {"S": "users/email=a"}}
    assert as_known("users", {**item("a"), **ours}) == item("a")
    assert as_known("users", {**item("a"), "_from": {"S": "a friend"}}) == {**item("a"), "_from": {"S": "a friend"}}
    assert as_known("users", {**item("a"), **ours, "_gone": {"BOOL": True}}) is None


def kept(documents: Documents, make_table: Callable[..., str], vault: Vault | None, **more: Any) -> Facts:
    with cut_over(documents, make_table, vault, **more) as (few, opened):
        facts = steps.retire(opened())
        assert there(few)
        assert len(few.items()) == 40
        return facts


def test_without_a_vault_it_is_kept_and_said(documents: Documents, make_table: Callable[..., str]) -> None:
    facts = kept(documents, make_table, None)
    assert (facts["old_kept"], facts["old_deleted"], facts["old_unsettled"]) == (1, 0, 0)
    assert facts["old_kept_because"] == "there is no vault to export it to"


def test_a_person_may_keep_it(documents: Documents, make_table: Callable[..., str], bucket: Vault) -> None:
    facts = kept(documents, make_table, bucket, retire={"old_table": "keep"})
    assert (facts["old_kept"], facts["old_kept_because"]) == (1, "the YAML says so (retire: old_table: keep)")


def test_what_cannot_be_backed_up_or_deleted_is_said_before_anything_is_changed(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    from botocore.exceptions import ClientError

    def unknown(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "UnknownOperationException", "Message": "?"}}, "ListBackups")

    with cut_over(documents, make_table, bucket) as (few, opened):
        kind = opened()
        kind._client = Between(few.client, "list_backups", unknown)
        with pytest.raises(NotYet, match=r"no such backups.*backup: none"):
            kind.retire()
        few.client.update_table(TableName=few.old, DeletionProtectionEnabled=True)
        with pytest.raises(NotYet, match="deletion protection"):
            opened().retire()
        few.client.update_table(TableName=few.old, DeletionProtectionEnabled=False)
        assert opened().position().phase is Phase.CUT_OVER


@pytest.mark.parametrize("way", ["none", "point_in_time"])
def test_the_backup_is_the_one_that_the_yaml_asks_for(
    documents: Documents, make_table: Callable[..., str], bucket: Vault, way: str
) -> None:
    with cut_over(documents, make_table, bucket, retire={"backup": way}) as (few, opened):
        with failpoints.armed("retired.deleting=raise"), pytest.raises(Broken):
            steps.retire(opened())
        told = few.client.describe_continuous_backups(TableName=few.old)["ContinuousBackupsDescription"]
        wanted = "ENABLED" if way == "point_in_time" else "DISABLED"
        assert told["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == wanted
        facts = opened().retire()
        assert (facts["backup_taken"], facts["backup_lacking"]) == ((0, 1) if way == "none" else (1, 0))


def test_what_expires_between_two_scans_is_no_difference(
    documents: Documents, make_table: Callable[..., str], bucket: Vault
) -> None:
    ghost: Item = item("ghost", expiresAt={"N": "1"})
    with cut_over(documents, make_table, bucket, also=(ghost,)) as (few, opened):
        few.client.update_time_to_live(
            TableName=few.old, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expiresAt"}
        )
        with failpoints.armed("retired.exported=raise"), pytest.raises(Broken):
            steps.retire(opened())
        few.client.delete_item(TableName=few.old, Key={"email": ghost["email"]})
        with pytest.raises(
            Unproven, match="past the route"
        ) as told:  # that it was deleted by hand; the items are the same
            opened().retire()
        kind = opened()
        kind.migration = seen_to(kind.migration, told.value)
        facts = kind.retire()
        assert (facts["read_back_items"], facts["old_deleted"]) == (41, 1)
