"""What was dropped is looked for in the vault again: what is gone, hidden or of another size is told, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sluice.stores.objects import Asleep, Vault
from sluice.stores.postgres import connect
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.reading_back import read_manifest
from sluice.upkeep.archive.watching import look_for_months
from sluice.upkeep.vault import watching

from tests.archived import Stage, kept, months, staged
from tests.conftest import Database

LATE = "INSERT INTO app.event (at, tenant, said) VALUES ('2024-01-20', 1, 'late') RETURNING id"


@pytest.fixture
def stage(database: Database, vault) -> Iterator[Stage]:
    with staged(database, vault, *months()) as made:
        yield made


def dropped(stage: Stage) -> list[ledger.Month]:
    """Both old months are gone; late rows have followed the first."""
    archive = stage.archive(kept(late="side").model_copy(update={"store": stage.dataset.store}))
    archive.archive(print)
    assert archive.drop(print) == 2
    stage.ask(LATE)
    archive.archive(print)
    assert archive.drop(print) == 1
    return ledger.months_of(stage.connection(), stage.table)


def look(stage: Stage, vault: Vault | None = None) -> watching.Seen:
    with connect(stage.database.dsn("admin"), purpose="watch") as c:
        return look_for_months(c, vault or stage.vault)


def test_all_that_was_dropped_is_found_and_what_is_lost_is_named(stage: Stage) -> None:
    assert look(stage).facts["months_known"] == 0
    first, second = dropped(stage)
    assert first.export and second.export
    seen = look(stage)
    assert (seen.months, seen.objects, seen.lost) == (2, 6, []), "three exports, each a manifest and a file"
    supplement = read_manifest(stage.vault, first.export)
    assert supplement.supplement_of
    (late,), (gone,) = supplement.parts, read_manifest(stage.vault, second.export).parts
    bucket = {"Bucket": stage.vault.bucket}
    stage.vault.client.delete_object(**bucket, Key=late.key)
    stage.vault.client.put_object(**bucket, Key=gone.key, Body=b"short")
    stage.vault.client.delete_object(**bucket, Key=supplement.supplement_of["key"])
    told = "; ".join(look(stage).lost)
    assert f"2024-01-01 to 2024-02-01: {late.key} was hidden by a DELETE" in told
    assert f"{supplement.supplement_of['key']} was hidden by a DELETE" in told
    assert f"{gone.key} has 5 bytes of {gone.bytes:,}" in told
    for key in (late.key, gone.key, second.export.key):
        stage.vault.remove(key)
    facts = look(stage).facts
    assert (facts["lost"], facts["months"]) == (3, 2)
    for key in (late.key, second.export.key):
        assert f"{key} is gone" in str(facts["lost_told"])


def test_a_month_that_is_back_or_only_cools_is_not_missed(stage: Stage) -> None:
    archive = stage.archive()
    archive.archive(print)
    assert look(stage).known == 0
    archive.drop(print)
    archive.restore(datetime(2024, 1, 15, tzinfo=UTC), timedelta(days=1), print)
    assert look(stage).known == 1


def test_a_month_that_sleeps_is_told_and_is_not_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = stage.archive()
    archive.archive(print)
    archive.drop(print)

    def sleeping(vault: Vault, key: str, version: str | None = None) -> bytes:
        raise Asleep(key)

    monkeypatch.setattr(Vault, "get", sleeping)
    facts = look(stage).facts
    assert (facts["asleep"], facts["lost"]) == (2, 0)


def test_where_there_is_much_each_month_has_its_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "A_NIGHT", 10)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for count, nights in ((10, 1), (11, 2), (70, 8)):
        known = [SimpleNamespace(name=f"month {n}") for n in range(count)]
        parts = [watching.tonights(known, lambda one: one.name, begin + timedelta(n)) for n in range(nights)]
        assert sorted(one.name for part in parts for one in part) == sorted(one.name for one in known)
        assert all(len(part) < count for part in parts) or nights == 1
