"""Killed at each edge on the way out of a DynamoDB table and back: a record is there or in a verified object."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from random import Random

import pytest
from sluice.failpoints import EDGES, Broken, armed
from sluice.stores.dynamodb.values import Item, key_of, key_text
from sluice.stores.objects import Vault
from sluice.upkeep.items import deleting

from tests.archived_items import MONTHS, Trail, laid_trail, to_the_end
from tests.chaos.items_archivist import Told, work
from tests.conftest import ScratchVault
from tests.documents import Documents

OURS = [edge.name for edge in EDGES if edge.where.startswith("upkeep/items/")]
BACK = "items.brought_back"
OUT = [name for name in OURS if name != BACK]
RECORDS = 30


@pytest.fixture
def trail(
    documents: Documents, vault: ScratchVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trail]:
    # What the processes are forked from finds its modules by the environment alone; else each of them reads all of it again.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    with laid_trail(documents, Vault(vault.client(), vault.bucket), tmp_path) as made:
        yield made


def test_at_every_edge_each_record_is_in_the_table_or_in_a_verified_object(
    trail: Trail, documents: Documents, vault: ScratchVault
) -> None:
    every = trail.fill(RECORDS)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.chaos.items_archivist", "boto3"])
    seen = (vault.endpoint, vault.store.key, vault.store.secret)
    engine = (documents.endpoint, documents.key, documents.secret, documents.region)

    def run(armed: str, restores: bool = False) -> int | None:
        told = Told(engine, seen, vault.bucket, trail.archive.items, trail.archive.prefix)
        process = context.Process(target=work, args=(told, armed, restores))
        process.start()
        process.join(60)
        return process.exitcode

    for edge in OUT:
        if edge == "items.noted":
            trail.put(
                trail.record("one more", f"{MONTHS[0]}-15T00:00:00Z")
            )  # another round: all files of the first are done
        assert run(f"{edge}=kill@1") == -signal.SIGKILL, f"nobody passed {edge}"
        here, kept = list(trail.there().values()), trail.in_verified_objects()
        assert all(one in here or one in kept for one in every), edge
    assert run("") == 0
    assert trail.there() == {}
    trail.rewritten("cooling: 0s", "cooling: 0s, holds: [{from: 2024-01, because: an audit}]")
    assert run(f"{BACK}=kill@1", restores=True) == -signal.SIGKILL
    assert run("", restores=True) == 0
    back = list(trail.there().values())
    assert all(one in back for one in every)


def test_the_list_of_edges_is_whole() -> None:
    assert len(OUT) == 8
    assert BACK in OURS
    assert deleting.AT_ONCE > RECORDS, "a file is deleted in one go: its edge lies behind the first of them"


SEEDS = (1, 2)
TURNS = 20


def turn(random: Random, trail: Trail, known: dict[str, Item]) -> str:
    """Do one thing that may happen: the application writes, changes or deletes, or a night begins, and may break off."""
    often = ("change", "change", "half a night", "night", "broken night")
    what = random.choice((*often, *often, "write", "delete"))
    if what == "half a night":  # stored and read back, and not deleted yet: then the application does what it likes
        for month in trail.archive.list_due():
            trail.archive.advance(month.round.month, str)
        what = random.choice(("write", "change", "change", "delete"))
    if what == "write":
        name = f"r{len(known)}-{random.random():.6f}"
        made = trail.record(name, f"{MONTHS[0]}-{random.randint(1, 28):02}T10:00:00Z")
        known[key_text(key_of(made, "PK", "SK"))] = made
        trail.put(made)
    elif known and what in ("change", "delete"):
        key = random.choice(sorted(known))
        if what == "delete":
            old = known.pop(key)
            trail.client.delete_item(TableName=trail.table, Key=key_of(old, "PK", "SK"))
        else:
            added = {random.choice(("action", "note", "mark")): {"S": str(random.random())}}
            known[key] = {**known[key], **added}
            trail.put(known[key])
    elif what.endswith("night"):
        edge = random.choice(OUT) if what.startswith("broken") else ""
        with suppress(Broken), armed(f"{edge}=raise@{random.randint(1, 2)}") if edge else nullcontext():
            to_the_end(trail.archive)
    return what


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_in_whichever_order_no_record_is_lost(trail: Trail, seed: int) -> None:
    """What the application wrote last is in the table; or it is not there, and a verified object holds just that."""
    random, done = Random(seed), list[str]()
    known = {key_text(key_of(item, "PK", "SK")): item for item in trail.fill(6)}
    for _ in range(TURNS):
        done.append(turn(random, trail, known))
        there, kept = trail.there(), trail.in_verified_objects()
        for key, item in known.items():
            assert there.get(key, item) == item, (done, key)
            assert key in there or item in kept, (done, key)
    to_the_end(trail.archive)
    to_the_end(trail.archive)  # what a night that broke off had stored and not deleted makes a round of its own
    assert trail.there() == {}
    kept = trail.in_verified_objects()
    assert all(item in kept for item in known.values())
