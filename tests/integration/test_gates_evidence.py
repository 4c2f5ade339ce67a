"""Evidence: kept once, never lost behind a later try, and a changed byte is seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sluice.proof.gates.evidence import code_version, keep, read, seal
from sluice.proof.gates.run import judge
from sluice.proof.gates.verdict import canonical
from sluice.stores.objects import Vault

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = {"capture_left": 0, "sequences_narrow": 0, "live_is_target": True, "old_kept": True, "rows_compared": 9}


@pytest.fixture
def bucket(vault) -> Vault:
    return Vault(vault.client(), vault.bucket)


def kept(bucket, run_id: str, *, try_number: int = 1, **facts):
    judged = judge(
        "retired", {**FACTS, **facts}, subject="app.t", suites=["retired"], window=None,
        freshness=timedelta(minutes=1), now=NOW, facts_at=NOW, root=ROOT,
    )  # fmt: skip
    return keep(
        bucket, judged, {**FACTS, **facts}, dag_id="migrate__t", run_id=run_id, task_id="gate_retired",
        try_number=try_number, extra={"kept_at": NOW, "config_sha256": "c0ffee"},
    )  # fmt: skip


def test_a_record_tells_what_was_judged_and_by_which_rules(bucket) -> None:
    run = f"manual__{uuid4()}"
    evidence = kept(bucket, run)
    assert evidence.key == f"evidence/migrate__t/{run}/gate_retired.json"
    found = read(bucket, evidence.key, evidence.sha256)
    assert found.intact
    assert found.record["verdict"]["passed"] is True
    assert found.record["facts"] == FACTS
    assert found.record["suites_sha256"].keys() == {"retired"}
    assert found.record["kept_at"] == "2026-03-01T12:00:00+00:00"
    assert found.record["docs_key"] == evidence.docs_key
    assert b"Suite retired" in bucket.get(evidence.docs_key)


def test_every_try_keeps_its_own(bucket) -> None:
    run = f"manual__{uuid4()}"
    red, green = kept(bucket, run, capture_left=1), kept(bucket, run, try_number=2)
    assert green.key == f"evidence/migrate__t/{run}/gate_retired.2.json"
    assert kept(bucket, run, try_number=3).key.endswith("gate_retired.3.json")
    assert read(bucket, red.key).record["verdict"]["passed"] is False


def test_a_changed_record_is_seen_and_so_is_one_sealed_again(bucket) -> None:
    evidence = kept(bucket, f"manual__{uuid4()}", capture_left=1)
    told = json.loads(bucket.get(evidence.key))
    told["record"]["verdict"]["passed"] = True
    overwrite(bucket, evidence.key, canonical(told))
    assert not read(bucket, evidence.key).intact
    overwrite(bucket, evidence.key, canonical({**told, "sha256": seal(told["record"])}))
    assert read(bucket, evidence.key).intact  # the seal alone cannot tell
    assert not read(bucket, evidence.key, evidence.sha256).intact  # the one kept elsewhere does


@pytest.mark.parametrize("body", ["", "[]", "null", '{"record": [1], "sha256": "x"}', '{"record": null}', "\x00"])
def test_rubbish_is_not_intact_and_does_not_raise(bucket, body) -> None:
    key = f"evidence/migrate__t/{uuid4()}.json"
    overwrite(bucket, key, body)
    assert not read(bucket, key).intact


def test_the_version_of_the_code(tmp_path) -> None:
    assert code_version(tmp_path) is None
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text("abc123\n")
    assert code_version(tmp_path) == "abc123"
    (tmp_path / ".git" / "HEAD").write_text("def456\n")
    assert code_version(tmp_path) == "def456"


def overwrite(bucket: Vault, key: str, body: str) -> None:
    bucket.client.put_object(Bucket=bucket.bucket, Key=key, Body=body.encode())
