"""The DynamoDB demo with few items, its migrations driven by hand instead of by Airflow; and whose tables it drops."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from sluice.errors import Transient
from sluice.estate.read import MIGRATIONS
from sluice.local.certify import WorkloadProcess
from sluice.local.demo.dynamodb import report as reporting
from sluice.local.demo.dynamodb.belongings import TABLES, Belongings
from sluice.local.demo.dynamodb.stage import HOLDS, Tyler
from sluice.local.demo.dynamodb.story import play
from sluice.local.demo.laying import SAMPLES, FileInTheWay, samples_laid
from sluice.local.demo.options import Options
from sluice.local.demo.strangers import Strangers
from sluice.local.settings import ROOT, Settings
from sluice.local.tyler.dirt import poisons
from sluice.local.tyler.seed import counts_of
from sluice.local.tyler.shape import LEGACY, MARKS
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Fenced, Phase
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.engine.way import ARRIVES_AT, Step, way
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.tables import TableDefinition

from tests.documents import Documents
from tests.unit.tyler import sample_estate

QUICK = {"lease": "1s", "clock_skew": "0ms"}


@dataclass
class ByHand(Tyler):
    """The demo's stage, where each step is taken at once instead of by a task."""

    documents: Documents | None = None
    facts: list[dict[str, Any]] = field(default_factory=list)
    red: dict[str, list[str]] = field(default_factory=dict)

    def run_all(self, to_phase: str, **conf: object) -> dict[str, str]:
        runs = {name: f"{name} to {to_phase} {len(self.runs)}" for name in self.migrations}
        self.runs += runs.values()
        with ThreadPoolExecutor(len(runs)) as pool:
            for done in pool.map(lambda one: self._run(*one, Phase(to_phase)), runs.items()):
                self.facts += done
        return runs

    def red_tasks(self, name: str, run: str) -> list[str]:
        return self.red.get(run, [])

    def _run(self, name: str, run: str, wanted: Phase) -> list[dict[str, Any]]:
        kind = self.kind(name)
        done = []
        for step in way(kind.position().phase, wanted):
            if step == Step.BACKFILL:
                kind.plan_chunks()
                work_lane(kind, 0, Fence(kind.position().epoch), Throttle(kind.migration.backfill.limits))
                facts = steps.finish_backfill(kind)
                if facts["quarantined"]:
                    self.red[run] = [HOLDS]
                gate = "backfilled"
            else:
                facts, gate = steps.TAKES[step](kind), "cut_back" if step is Step.CUT_BACK else str(ARRIVES_AT[step])
            done.append({"migration": name, "gate": gate, "run": run, "facts": facts})
        return done

    def follow(self, name: str, stopping: Event) -> None:
        """What `replicate_changes` does, for one migration."""
        kind = self.kind(name)
        while not stopping.wait(0.3):
            with suppress(Transient, Fenced):  # a phase goes by: the next run goes on
                kind.replicate(1.0)

    def kind(self, name: str) -> SingleTable:
        """A kind of one's own: each thread needs one."""
        m = sample_estate().migrations[name]
        cutover = m.cutover.model_validate(QUICK)
        client, streams = self.documents.client(), self.documents.streams()
        return SingleTable(m.model_copy(update={"cutover": cutover}), client, streams)


@pytest.fixture
def store(documents: Documents) -> Iterator[Documents]:
    """Our own engine, without the demo's tables: their names have no prefix, so it must be nobody else's."""
    if documents.store is None:
        pytest.skip("the demo is for the local engine")
    yield documents
    for name in (*TABLES, MARKS):
        documents.drop(name)


@pytest.fixture
def make_stage(store: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], ByHand]:
    """A function that makes the demo's stage on that engine."""
    secrets = {"documents_key": store.key, "documents_secret": store.secret}
    ports = SimpleNamespace(documents=store.store.port)
    settings = Settings(tmp_path, tmp_path, tmp_path, ports, secrets)
    options = Options("dynamodb", size=150, rate=12, quiet_seconds=0.2, after=100, keep=False, fresh=False)

    def make() -> ByHand:
        stage = ByHand(settings, options, began=0.0, documents=store)
        stage.__dict__["api"] = SimpleNamespace(fail_unfinished=lambda dag_id: [])
        passed = [{"gate": "verified", "run": "any", "passed": True}]
        monkeypatch.setattr("sluice.local.tyler.probe.LONGEST", 30.0)
        monkeypatch.setattr("sluice.local.demo.dynamodb.stage.HEALED_WITHIN", 30.0)
        monkeypatch.setattr("sluice.local.demo.dynamodb.story.PATIENCE", 60.0)
        monkeypatch.setattr(reporting, "read_ledger", lambda stage: (stage.facts, passed))
        return stage

    return make


def test_the_whole_story_with_few_items_loses_nothing_twice(make_stage: Callable[[], ByHand]) -> None:
    stopping = Event()
    with ThreadPoolExecutor(len(LEGACY)) as pool, make_stage() as stage:
        following = [pool.submit(stage.follow, name, stopping) for name in stage.migrations]
        try:
            told = play(stage)
        finally:
            stopping.set()
    assert [one.result() for one in following] == [None] * len(LEGACY)
    few = {name: told[name] for name in ("lost", "errors", "mismatching", "quarantined", "lag_seconds")}
    assert [promise for promise in reporting.judged(told) if not promise.startswith("phase")] == [], few
    assert told["items"] == sum(counts_of(150).values()) + len(poisons())
    assert told["keys_checked"] > 30
    assert told["phases"]["after_cutover"]["writes"] >= 100
    assert {one["key"].split()[0] for one in told["quarantined"]} == {legacy.migration for legacy in LEGACY.values()}
    assert reporting.as_table(told)
    with make_stage() as again:  # a second one begins afresh, on what the first one left
        assert set(again.sides.client.list_tables()["TableNames"]) >= set(LEGACY)
        assert again.quarantined() == {}
        assert again.kind("tyler_users").position().phase is Phase.PLANNED


def test_tables_of_somebodys_are_named_and_left_alone(store: Documents, tmp_path: Path) -> None:
    client = store.client()
    belongings = Belongings(client, tmp_path / "note.json")
    belongings.check_strangers()
    apply_tables(client, [TableDefinition("users", "id")])
    with pytest.raises(Strangers, match=r"table users\. Nothing was changed.*demo dynamodb --fresh"):
        belongings.check_strangers()
    belongings.write_down()
    apply_tables(client, [TableDefinition("tyler-entity", "PK", "SK")])
    with pytest.raises(Strangers, match=r"table tyler-entity\. Nothing was changed"):
        belongings.check_strangers()
    belongings.write_down()
    belongings.check_strangers()
    belongings.note.write_text(json.dumps({"users": "1999-01-01T00:00:00+00:00"}))
    with pytest.raises(Strangers, match="table users"):
        belongings.check_strangers()
    belongings.drop()
    assert not {"users", "tyler-entity"} & set(client.list_tables()["TableNames"])


def test_the_samples_are_laid_and_taken_away_and_no_file_of_somebodys(tmp_path: Path) -> None:
    folder = tmp_path / MIGRATIONS
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / SAMPLES / "tyler", tmp_path / SAMPLES / "tyler")
    mine = folder / "mine.yaml"
    mine.write_text("mine")
    with samples_laid("tyler", Tyler.migrations, MIGRATIONS, False, tmp_path):
        assert len(list(folder.iterdir())) == 6
        (folder / "tyler_users.yaml").write_text("changed meanwhile")
    assert sorted(file.name for file in folder.iterdir()) == ["mine.yaml", "tyler_users.yaml"]
    with (
        pytest.raises(FileInTheWay, match=r"tyler_users\.yaml is not as in"),
        samples_laid("tyler", Tyler.migrations, MIGRATIONS, False, tmp_path),
    ):
        pass
    (folder / "tyler_users.yaml").unlink()
    with samples_laid("tyler", Tyler.migrations, MIGRATIONS, True, tmp_path):
        pass
    assert len(list(folder.iterdir())) == 6


def test_a_process_that_loses_its_store_says_so(tmp_path: Path) -> None:
    address = json.dumps(["http://127.0.0.1:9", "k", "s", "us-east-1"])
    with pytest.raises(Exception, match="workload"):
        WorkloadProcess(address, tmp_path / "ledger", module="sluice.local.tyler").start()
