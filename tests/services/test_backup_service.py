"""The service's own backups, on an engine that has some of them and only pretends at the rest: what pretends is found out.

Backups on demand are real here. History is not: a table comes back as it is now, whatever moment was asked for, and of one that
is deleted nothing is kept. Exports are called complete with nothing written. What is asked is what AWS takes:
tests/unit/test_safety_documents.py holds it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

import pytest
from sluice.errors import SluiceError
from sluice.failpoints import Broken, armed
from sluice.safety.documents import exports, service
from sluice.safety.documents.counting import count_still
from sluice.safety.documents.drilling import drill
from sluice.safety.documents.exporting import NotExported, StillExporting, begin_export, look_at_export, read_export
from sluice.safety.documents.exports import go_on
from sluice.safety.documents.on_demand import OnDemand
from sluice.safety.documents.scratch import table_under
from sluice.safety.documents.service import HISTORY, Begun, NoHistory, NoSuchBackup, NotRestored, ServiceBackups
from sluice.safety.drill.certificate import Certificate
from sluice.safety.drill.drilling import Asked, Counted
from sluice.safety.driver import Clock, NotScratch, name_scratch
from sluice.safety.keeping.dropping import MustAsk
from sluice.safety.keeping.expiring import Keeping
from sluice.safety.keeping.services import let_go
from sluice.safety.target import Target
from sluice.stores.dynamodb.backups import KeptOfDeleted
from sluice.stores.objects import Vault

from tests.documented import EVERY, GOALS, STORE, Shop, closed_shop, one_second, opened_shop


@dataclass(frozen=True)
class Night:
    """A store that the service has backed up, and counted."""

    shop: Shop
    driver: ServiceBackups
    backup: str
    counted: Counted

    def drilled(self, target: Target, *counted: Counted) -> Certificate:
        """Do a drill, and see that nothing of it stands afterwards."""
        asked = Asked(target, self.driver.tables.now(), GOALS, counted, str(target))
        made = drill(self.driver, asked, EVERY, self.shop.said.append)
        assert self.driver.scratches() == []
        return made


@pytest.fixture(scope="module")
def night(documents, vault) -> Iterator[Night]:
    """Back up while nobody writes for a second on each side, and count."""
    vault.store.create_bucket("by-the-service")
    shop = opened_shop(documents, Vault(vault.client(), "by-the-service"))
    quickly, second = timedelta(seconds=0.05), timedelta(seconds=1)
    driver = ServiceBackups(shop.driver.tables, shop.driver.vault, shop.said.append, quickly, within=second)
    with one_second():
        time.sleep(1.5)
        for shipper in shop.driver.shippers.values():
            shipper.begin()
        taken = driver.take(shop.said.append)
        time.sleep(1)
        still = shop.driver.tables.names[1]
        assert count_still(replace(driver.tables, names=(still,))).tables[still].rows == 1
        counted = Counted("a count", driver.count(shop.said.append))
        shop.put(1, "after the count")
    yield Night(shop, driver, taken.id, counted)
    closed_shop(shop)


def test_a_backup_on_demand_is_drilled_and_the_settings_that_a_restore_drops_are_put_back(night: Night) -> None:
    assert [one.id for one in night.driver.backups()] == [night.backup]
    made = night.drilled(Target("point", night.backup), night.counted)
    assert made.wrong == ()
    assert made.compared
    assert (made.compared.tables, made.compared.rows) == (2, 302)
    assert {line.partition(":")[0] for line in made.put_back} == {
        "stream", "tag", "history", "resource policy", "contributor insights", "deletion protection", "time to live"
    }  # fmt: skip
    night.driver.verify(night.backup, night.shop.said.append)
    assert any("only a drill reads it" in line for line in night.shop.said)


def test_an_engine_that_only_pretends_at_history_is_found_out(night: Night) -> None:
    assert night.driver.window(), "a backup that is taken switches the history on"
    quiet = night.driver.tables.names[1]
    off = {"PointInTimeRecoveryEnabled": False}
    night.shop.client.update_continuous_backups(TableName=quiet, PointInTimeRecoverySpecification=off)
    assert night.driver.window() is None, "the history of the quiet table is not kept"
    with pytest.raises(NoHistory, match=rf"keeps no history of {quiet}.*switches it on"):
        night.drilled(Target("latest"), night.counted)
    night.driver.keep_history(night.shop.said.append)
    with pytest.raises(NoHistory, match="was asked for"):
        night.drilled(Target.at(night.counted.at - timedelta(days=40)), night.counted)
    with pytest.MonkeyPatch.context() as patch:
        # Here a history begins now: what was asked for is let through, as AWS would let it.
        patch.setattr(ServiceBackups, "_check_reaches", lambda *_: None)
        made = night.drilled(Target.at(night.counted.at), night.counted)
    assert made.backups == (HISTORY,)
    assert len([line for line in made.wrong if "with another content" in line]) == 1, made.wrong


def test_a_restore_is_begun_looked_at_and_finished_by_three_who_know_nothing_of_each_other(night: Night) -> None:
    driver, shop = night.driver, night.shop
    name = name_scratch(STORE, night.counted.at, "three")
    begun = driver.begin(Target("point", night.backup), name, shop.said.append)
    again = driver.begin(Target("point", night.backup), name, shop.said.append)
    assert again == begun, "a second try asks for nothing twice"
    told = json.loads(json.dumps(asdict(begun)))
    later = Begun(told["name"], tuple(told["target"]), told["copies"], tuple(told["backups"]))
    assert driver.look(later) == []
    found = driver.finish(later)
    assert found.address == ",".join(table_under(name, table) for table in driver.tables.names)
    driver.destroy(name)
    with pytest.raises(NotRestored, match="Restore anew"):
        driver.look(later)


def test_a_name_that_lives_and_a_backup_that_is_not_there_are_refused(night: Night) -> None:
    driver, shop = night.driver, night.shop
    with pytest.raises(NotScratch):
        driver.restore(Target("point", night.backup), shop.table, Clock(), print)
    name = name_scratch(STORE, night.counted.at, "none")
    with pytest.raises(NoSuchBackup, match=f"it has {night.backup}"):
        driver.restore(Target("point", "another"), name, Clock(), print)
    stranger = table_under(name, shop.table)
    shop.client.create_table(
        TableName=stranger,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(NotScratch, match="not its tag"):
        driver.begin(Target("point", night.backup), name, print)
    shop.engine.drop(stranger)


def test_a_table_that_is_gone_and_of_which_nothing_is_kept_is_named_with_what_there_is(night: Night) -> None:
    shop, gone = night.shop, night.shop.engine.make(name="gone")
    shop.client.create_backup(TableName=gone, BackupName="by-hand")  # here it is listed as if the service had made it
    shop.engine.drop(gone)
    driver = replace(night.driver, tables=replace(night.driver.tables, names=(*night.driver.tables.names, gone)))
    name = name_scratch(STORE, night.counted.at, "gone")
    with pytest.raises(NoHistory, match=rf"table {gone} is gone, and the service kept nothing.*ListBackups.*`tables`"):
        driver.begin(Target("latest"), name, print)
    assert driver.scratches() == [], "nothing is begun before all is looked for"


def test_a_table_that_was_deleted_is_handed_over_with_the_others_and_what_was_set_of_it(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, gone = night.shop, night.shop.engine.make(name="gone")
    driver = replace(night.driver, tables=replace(night.driver.tables, names=(*night.driver.tables.names, gone)))
    shop.client.put_item(TableName=gone, Item={"id": {"S": "of the last minute"}})
    driver.keep_settings(driver.tables.now())
    made = shop.client.create_backup(TableName=gone, BackupName="as-it-was-deleted")["BackupDetails"]
    shop.engine.drop(gone)
    # AWS makes it by itself, and names it as tests/unit/test_safety_documents.py has it: here one on demand stands for it.
    told = KeptOfDeleted(made["BackupArn"], made["BackupCreationDateTime"])
    monkeypatch.setattr(service, "kept_of_deleted", lambda client, table: told if table == gone else None)
    name = name_scratch(STORE, night.counted.at, "deleted")
    try:
        found = driver.restore(Target("latest"), name, Clock(), shop.said.append)
        assert found.backups == (HISTORY, made["BackupArn"])
        assert driver.hand_over(found, None) == found.address
        copy = shop.client.describe_table(TableName=table_under(name, gone))["Table"]
        assert copy["StreamSpecification"]["StreamEnabled"], "what a restore drops is put back"
        (item,) = shop.client.scan(TableName=copy["TableName"])["Items"]
        assert item == {"id": {"S": "of the last minute"}}
    finally:
        driver.destroy(name)


def test_an_export_that_is_called_complete_counts_when_it_was_read(night: Night) -> None:
    tables, vault = night.driver.tables, night.driver.vault
    table = tables.names[0]
    address = begin_export(tables, vault, table, night.counted.at)
    assert begin_export(tables, vault, table, night.counted.at) == address
    deadline = time.monotonic() + 10
    while (told := look_at_export(tables, table, address)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(NotExported, match="the service says that its export is complete"):
        read_export(vault, table, told)
    assert read_export(vault, table, exported(vault)).items == 1


def exported(vault: Vault) -> dict[str, str]:
    """Write an export of one item as AWS lays it out; gives what it says of one that is complete."""
    body = gzip.compress(b'{"Item":{"id":{"S":"a"},"b":{"B":"AA=="}}}\n')
    md5 = b64encode(hashlib.md5(body).digest()).decode()
    files = {"itemCount": 1, "md5Checksum": md5, "etag": "e", "dataFileS3Key": "exported/data/a.json.gz"}
    summary = {"manifestFilesS3Key": "exported/manifest-files.json", "itemCount": 1}
    vault.put_once("exported/data/a.json.gz", body, "application/gzip")
    vault.put_once("exported/manifest-files.json", json.dumps(files).encode(), "application/json")
    vault.put_once("exported/manifest-summary.json", json.dumps(summary).encode(), "application/json")
    return {"ExportManifest": "exported/manifest-summary.json"}


def test_an_export_is_asked_for_read_back_the_next_night_and_asked_for_anew_when_it_is_old(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = night.driver.tables.names[0]
    tables, vault, at = replace(night.driver.tables, names=(table,)), night.driver.vault, night.counted.at

    def told(days: float) -> str:
        (line,) = go_on(tables, vault, timedelta(days=31), at + timedelta(days=days), night.shop.said.append)
        return line

    assert "is asked for" in told(0)
    with pytest.raises(NotExported, match="complete"):
        told(1)
    assert "is asked for" in told(2), "what was none is asked for again"
    with monkeypatch.context() as patch:
        patch.setattr(exports, "look_at_export", lambda *_: None)
        assert "is under way" in told(3)
        with pytest.raises(StillExporting, match=f"{table} of shop: the service exports it since"):
            told(5)
        patch.setattr(exports, "look_at_export", lambda *_: exported(vault))
        assert told(5).endswith("is read back, 1 items")
    assert "is younger than 31 days" in told(32)
    assert "is asked for" in told(34), "it is of when it was asked for"
    kept = [key for key in vault.list(f"backups/stores/shop/exports/{table}/") if "/read-" in key]
    assert [json.loads(vault.get(key))["items"] for key in kept] == [1]


def test_one_table_that_cannot_be_exported_holds_up_no_other(night: Night) -> None:
    there = night.driver.tables.names[1]
    tables = replace(night.driver.tables, names=("no_such_table", there))
    said: list[str] = []
    with pytest.raises(SluiceError, match="no_such_table"):
        go_on(tables, night.driver.vault, timedelta(days=31), night.counted.at, said.append)
    assert f"{there}: its export of" in said[-1]


def test_backups_on_demand_that_are_over_go_of_every_table_and_nobody_elses(night: Night) -> None:
    client, driver, told = night.shop.client, night.driver, night.shop.said
    bare, now = Keeping(tiers=(), window=timedelta(0)), driver.tables.now()
    old = [f"sluice-{STORE}-20200{month}01T020000000Z-full" for month in (1, 2, 3, 4, 5)]
    others = ["by-hand", "sluice-shop-eu-20200101T020000000Z-full", f"sluice-{STORE}-before-7.2"]
    for name in (*old[:4], *others):
        for table in driver.tables.names:
            client.create_backup(TableName=table, BackupName=name)
    client.create_backup(TableName=driver.tables.names[0], BackupName=old[4])  # killed before the second table
    try:
        seen = OnDemand(driver).look(now)
        assert [*seen.holding.backups] == [*sorted(old[:4]), night.backup]
        assert seen.halves == [], "young ones may be made at this moment"
        with pytest.raises(MustAsk, match="3 of 5 backups would go at once"):
            let_go(OnDemand(driver), STORE, bare, now, False, told.append)
        proven = OnDemand(driver, frozenset({night.backup}))
        with armed("expiry.service_backup_gone=raise"), pytest.raises(Broken):
            let_go(proven, STORE, bare, now, True, told.append)
        facts = let_go(proven, STORE, bare, now + timedelta(days=2), True, told.append)
        assert (facts["gone"], facts["halves_swept"], facts["lost"]) == (1, 1, 0)
        left = {night.backup, *old[2:4]}  # a drill has brought that one back, and the newest two
        for table in driver.tables.names:
            there = {one["BackupName"] for one in client.list_backups(TableName=table)["BackupSummaries"]}
            assert there == {*others, *left}
    finally:
        for table in driver.tables.names:
            for one in client.list_backups(TableName=table)["BackupSummaries"]:
                if one["BackupName"] != night.backup:
                    client.delete_backup(BackupArn=one["BackupArn"])


def test_a_table_that_joined_the_store_later_makes_no_older_backup_half(night: Night) -> None:
    driver, later = night.driver, night.shop.engine.make(name="later")
    try:
        joined = replace(driver, tables=replace(driver.tables, names=(*driver.tables.names, later)))
        seen = OnDemand(joined).look(driver.tables.now() + timedelta(days=2))
        assert (seen.halves, [*seen.holding.backups]) == ([], [night.backup])
        kept = next(key for key in driver.vault.list(f"backups/stores/{STORE}/settings/"))
        body = driver.vault.get(kept)
        driver.vault.remove(kept)
        try:
            assert OnDemand(joined).look(driver.tables.now() + timedelta(days=2)).halves == [night.backup]
        finally:
            driver.vault.put_once(kept, body, "application/json")
    finally:
        night.shop.engine.drop(later)


def test_a_backup_that_is_being_restored_stays(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = night.driver
    name = name_scratch(STORE, night.counted.at, "busy")
    begun = driver.begin(Target("point", night.backup), name, night.shop.said.append)
    address = driver.made()[night.backup][night.shop.table]["BackupArn"]
    working = {"SourceBackupArn": address, "RestoreInProgress": True}
    monkeypatch.setattr(OnDemand, "_summary", lambda self, copy: working)
    try:
        copy = OnDemand(driver).remove(night.backup)
        assert copy is not None
        assert copy.split(" ")[0] in begun.copies.values()
        assert night.backup in driver.made()
    finally:
        driver.destroy(name)
