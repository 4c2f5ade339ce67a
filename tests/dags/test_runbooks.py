"""Runbooks say what is true: what they tell people to type runs, what they name exists, what no drill does is told so."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest
from sluice.estate import read_stores
from sluice.safety.driver import Taken, Window
from sluice.safety.exposure import Facts, exposure
from sluice.safety.runbooks.known import Known
from sluice.safety.runbooks.pages import runbooks
from sluice.safety.runbooks.steps import UNDRILLED

from tests.dags.conftest import SERVED, TABLES
from tests.drilled import FIRST, FULL, GOALS, WHOLE, certificate
from tests.unit.test_docs import commands, wrong_commands, wrong_dags

ROOT = Path(__file__).resolve().parents[2]
NOW = FIRST + timedelta(hours=8)
PAGES = ("region-failure.md", "corruption.md", "degradation.md", "breach.md")
CONTACTS = 'contacts: [{name: Ada, role: leads, reach: "+49 30 1"}, {name: Grace, role: knows it, reach: "#db"}]\n'
REPLICAS = "replicas: {name: a, servers: {b: {connection: pg_b}, c: {connection: pg_c}}, failover: sluice}"
FOLLOWED = f"""  followed:
    {{engine: postgres, connection: pg_followed, rto: 5m, rpo: 5m, {REPLICAS}}}
"""
"""A store that nobody backs up, with replicas."""
LATEST, DRAWN = certificate(0, 38), certificate(0.01, 71, target="time 2026-01-01T03:00:00+00:00")


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """The sample's estate, with a store that is backed up, one that is not, and people to call."""
    (tmp_path / "include/estate").mkdir(parents=True)
    text = (ROOT / "include/estate/estate.yaml").read_text().replace("# backup: {", "backup: {")
    (tmp_path / "include/estate/estate.yaml").write_text(CONTACTS + text)
    taken = Taken(FULL, FIRST - timedelta(hours=2), 1_000)
    window = Window(taken.whole_at, NOW - timedelta(seconds=3))
    facts = Facts("certify", GOALS, window, (taken,), (LATEST, DRAWN), time(4), timedelta(seconds=10))
    drills = {"certify": (LATEST, DRAWN)}
    return Known(read_stores(tmp_path), {"certify": exposure(facts, NOW)}, drills, NOW)


@pytest.mark.parametrize("tables", ["", TABLES], ids=["a server", "tables too"])
def test_what_they_tell_people_to_type_runs(known: Known, bag, tables: str, tmp_path: Path) -> None:
    estate = tmp_path / "include/estate/estate.yaml"
    estate.write_text(estate.read_text() + tables)
    pages = runbooks(replace(known, estate=read_stores(tmp_path)))
    assert tuple(pages) == PAGES
    asked = 0
    for page in pages.values():
        text = re.sub(r"(?m)^ {3}", "", page)  # what stands below a step
        assert wrong_commands(text) == []
        assert wrong_dags(text) == []
        for told in commands(text):
            if told[0] != "run":
                continue
            dag = bag.dags[told[1]]
            conf = json.loads(told[told.index("--conf") + 1]) if "--conf" in told else {}
            assert set(conf) <= set(dag.params)
            for name, value in conf.items():
                dag.params.get_param(name).resolve(value)
            asked += 1
    assert asked >= 8


def test_tasks_and_pools_that_they_name_exist(known: Known, bag) -> None:
    text = "".join(runbooks(known).values())
    assert "`restore_store` of `restore__certify`" in text
    assert "restore_store" in bag.dags["restore__certify"].task_dict
    assert "`store_certify` to 0 slots (4 else)" in text
    assert bag.dags["restore__certify"].get_task("restore_store").pool == "default_pool", "that one may be closed"
    assert bag.dags["backup__certify"].get_task("take_backup").pool == "store_certify"


def test_they_name_this_estate_and_whom_to_call_first(known: Known) -> None:
    for text in runbooks(known).values():
        assert text.index("1. Ada, leads: +49 30 1") < text.index("2. Grace, knows it: #db")
        assert re.search(r"\| `certify` \| postgres \| 5 min \| .* \| 30 s \| 13 s \| 2026-01-01 04:14 \|", text)
    assert "`sluice-vault`" in runbooks(known)["region-failure.md"]
    assert (
        "only what was copied elsewhere is left: nothing, no store has `elsewhere`."
        in runbooks(known)["region-failure.md"]
    )
    assert "`pg_certify_backup`" in runbooks(known)["breach.md"]
    nobody = replace(known, estate=known.estate.model_copy(update={"contacts": ()}))
    assert "Nobody is named" in runbooks(nobody)["breach.md"]


def test_each_step_says_which_drill_does_it_and_when_that_last_passed_or_that_none_does(known: Known) -> None:
    for text in runbooks(known).values():
        steps = re.findall(r"^\d+\. (?!Ada|Grace).*?(?=^\d+\. |^## |\Z)", text, re.M | re.S)
        assert len(steps) > 4
        for step in steps:
            assert ("*Drilled by `restore_drill__certify`" in step) is not (UNDRILLED in step)
    region, corruption = runbooks(known)["region-failure.md"], runbooks(known)["corruption.md"]
    assert "as it is now: last passed 2026-01-01 04:00 UTC, available after 38 s." in region
    assert "as of a drawn moment: last passed 2026-01-01 04:14 UTC, available after 71 s." in corruption


def test_a_drill_that_is_red_is_not_taken_for_a_proof(known: Known) -> None:
    broken = replace(WHOLE, differences=("public.notes: 1 row fewer",))
    red = certificate(1, 9, compared=broken)
    later = replace(known, certificates={"certify": (LATEST, red)})
    region, corruption = runbooks(later)["region-failure.md"], runbooks(later)["corruption.md"]
    assert "last passed 2026-01-01 04:00 UTC, available after 38 s. Red since: 1." in region
    assert "as of a drawn moment: it has never passed." in corruption


def test_a_store_without_a_backup_is_promised_nothing(known: Known) -> None:
    for text in runbooks(known).values():
        own = text.split("## The store `tyler`")[1].split("## Then")[0]
        assert "nothing of this project brings it back" in own
        assert "./sluice" not in own


def region_of(known: Known, text: str, folder: Path, store: str) -> str:
    """Give what the page of a lost region says of a store, where the estate's file is that text."""
    estate = folder / "include/estate/estate.yaml"
    estate.write_text(text)
    page = runbooks(replace(known, estate=read_stores(folder)))["region-failure.md"]
    return re.sub(r"(?m)^ {3}", "", page.split(f"## The store `{store}`")[1].split("\n## ")[0])


def test_where_a_region_is_gone_a_replica_that_is_ours_to_promote_is_named_before_any_backup(
    known: Known, bag, tmp_path: Path
) -> None:
    text = (tmp_path / "include/estate/estate.yaml").read_text()
    backed_up = text.replace("    rto: 5m          # back", f"    {REPLICAS}\n    rto: 5m          # back")
    own = region_of(known, backed_up, tmp_path, "certify")
    asked = [json.loads(words[3]) for words in commands(own) if words[1] == "promote_replica"]
    assert asked == [
        {"store": "certify", "confirm": "certify", "dry_run": True},
        {"store": "certify", "confirm": "certify"},
    ]
    assert own.index("(`b`, `c`)") < own.index("restore__certify")
    assert own.count("*Drilled by `failover_drill` each Sunday") == 1
    for name, value in [told for conf in asked for told in conf.items()]:
        bag.dags["promote_replica"].params.get_param(name).resolve(value)

    alone = region_of(known, text + FOLLOWED, tmp_path, "followed")
    assert alone.index("promote_replica") < alone.index("It has no `backup`")
    assert "failover_drill" not in alone, "that one makes its servers of a backup"
    pooler = FOLLOWED.replace("failover: sluice", "failover: sluice, pooler: {connection: p, file: /a, database: b}")
    assert '"switch_name": true' in region_of(known, text + pooler, tmp_path, "followed")
    platform = FOLLOWED.replace("failover: sluice", "failover: platform")
    assert "promote_replica" not in region_of(known, text + platform, tmp_path, "followed"), "it is refused"


def test_of_a_store_in_rds_they_say_no_port_and_the_regions_that_its_snapshots_are_in(
    known: Known, bag, tmp_path: Path
) -> None:
    estate = tmp_path / "include/estate/estate.yaml"
    estate.write_text(estate.read_text() + SERVED)
    pages = runbooks(replace(known, estate=read_stores(tmp_path)))
    told = [
        words
        for page in pages.values()
        for words in commands(re.sub(r"(?m)^ {3}", "", page))
        if words[:2] == ["run", "restore__in_rds"]
    ]
    params = bag.dags["restore__in_rds"].params
    asked = [json.loads(words[words.index("--conf") + 1]) for words in told]
    assert len(asked) == 5
    for conf in asked:
        assert set(conf) <= set(params)
        for name, value in conf.items():
            params.get_param(name).resolve(value)
    assert [conf["region"] for conf in asked if "region" in conf] == ["eu-central-1"]
    assert "sluice_log_in_rds" not in pages["degradation.md"]
