"""Failpoints: named places in the code where a drill may kill, break or slow down whoever passes.

    SLUICE_FAILPOINTS="chunk.filled=kill@3, tables.compared=sleep:2"

kills the process when a chunk has been filled for the third time, and rests two seconds at every comparison. Not armed, a
failpoint is one look into an empty dictionary. `SLUICE_FAILPOINTS_ONCE` names a folder in which each leaves a note when it
fires, and does not fire again: so a task that was killed is killed once, and its retry gets through.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sluice.errors import Terminal, Transient

log = logging.getLogger(__name__)

VARIABLE, ONCE_VARIABLE = "SLUICE_FAILPOINTS", "SLUICE_FAILPOINTS_ONCE"


class Edge(NamedTuple):
    """A place where dying could matter: its name, where it stands (below plugins/sluice), and what it lies between."""

    name: str
    where: str
    what: str


_KIND = "migration/kinds/same_cluster"
_ITEMS = "migration/kinds/single_table"
_PHYSICAL = "safety/physical"
_DOCUMENTS = "safety/documents"
_REPLICAS = "safety/replicas"
_KEEPING = "safety/keeping"
_LOGICAL = "safety/logical"
_SOURCE = "migration/kinds/dynamodb_source"
_ROWS = "migration/kinds/into_postgres"
_ENGINE = "migration/engine"

EDGES = (
    Edge("schema.ready", "ledger/marks.py Marks.prepare", "the marks' schema is there, and nothing else yet"),
    Edge("fence.wanted", "ledger/marks.py Marks.alone", "before a change of phase takes the fence alone"),
    Edge("fence.taken", "ledger/marks.py Marks.alone", "the fence is held alone, nothing is written"),
    Edge("fence.committing", "ledger/marks.py Marks.alone", "everything is written, nothing committed"),
    Edge("fence.committed", "ledger/marks.py Marks.alone", "committed, and the fence is free; nobody was told"),
    Edge("fence.shared", "ledger/marks.py Marks.shared", "a worker shares the fence, and has not looked yet"),
    Edge("phase.moving", "ledger/marks.py Marks.move", "before the phase is written"),
    Edge("phase.moved", "ledger/marks.py Marks.move", "the phase is written; what it stands for is not"),
    Edge("expansion.named", f"{_KIND}/kind.py SameCluster._expand", "the migration has its row, and no target"),
    Edge("expansion.statement", f"{_KIND}/expand.py apply_expand", "between any two statements that build the target"),
    Edge("expansion.built", f"{_KIND}/kind.py SameCluster._expand", "the target stands; the marks do not know it"),
    Edge("expansion.recorded", f"{_KIND}/kind.py SameCluster._expand", "the marks know both tables, not committed"),
    Edge("trigger.function", f"{_KIND}/capture.py _install", "the function of capture is there, no trigger calls it"),
    Edge("trigger.half", f"{_KIND}/capture.py _install", "after each of the two triggers of capture"),
    Edge("trigger.half_off", f"{_KIND}/capture.py remove", "after each trigger that is taken off"),
    Edge("trigger.off", f"{_KIND}/capture.py remove", "capture is off in this transaction"),
    Edge(
        "layout.stale", f"{_KIND}/backfill.py plan_chunks", "the old chunks are deleted or were none, no new ones laid"
    ),
    Edge("layout.planned", f"{_KIND}/backfill.py plan_chunks", "chunks are laid out, not committed"),
    Edge("lane.begun", f"{_ENGINE}/lanes.py work_lane", "a lane has its slot and has done nothing"),
    Edge("chunk.claimed", f"{_KIND}/backfill.py copy_chunk", "a lane holds a chunk, nothing is copied"),
    Edge("chunk.filled", f"{_KIND}/backfill.py _fill_unmoved", "rows are written; the fence is not looked at again"),
    Edge("chunk.rechecked", f"{_KIND}/backfill.py copy_chunk", "rows are written, the chunk is not checked off"),
    Edge("chunk.checked_off", f"{_KIND}/backfill.py copy_chunk", "checked off with its rows, not committed"),
    Edge("chunk.committed", f"{_KIND}/backfill.py copy_chunk", "committed, and the lane does not know it"),
    Edge("chunk.shortened", f"{_KIND}/backfill.py halve", "a busy chunk lost its second half, which is no chunk yet"),
    Edge("chunk.halved", f"{_KIND}/backfill.py halve", "a busy chunk is two, committed"),
    Edge(
        "window.filled",
        f"{_KIND}/backfill.py fill_window.fill_pages",
        "a window's holes are filled, not noted as a copy",
    ),
    Edge("window.remembered", f"{_KIND}/backfill.py _in_halves", "filled or renewed and noted, not committed"),
    Edge("lane.copied", f"{_ENGINE}/lanes.py work_lane", "between two chunks"),
    Edge("lane.finished", f"{_ENGINE}/lanes.py work_lane", "nothing is pending; the lane has not said so"),
    Edge(
        "statistics.partition",
        "migration/kinds/postgres_target/statistics.py refresh_statistics",
        "after the vacuum of each partition",
    ),
    Edge("statistics.refreshed", f"{_KIND}/kind.py SameCluster.finish_backfill", "vacuumed; the phase is as before"),
    Edge("verifier.seen_to_fail", f"{_ENGINE}/steps.py verify", "planted faults were found, nothing is compared"),
    Edge("tables.compared", f"{_ENGINE}/steps.py compare", "a comparison is made, and nobody has judged it"),
    Edge("proof.recorded", f"{_KIND}/kind.py SameCluster.verify", "the proof is written with its phase, not committed"),
    Edge("proof.forgotten", f"{_KIND}/kind.py SameCluster.forget_proof", "the proof is taken back, not committed"),
    Edge("reads.compared", f"{_KIND}/kind.py SameCluster.shadow", "reads were compared, the phase is as before"),
    Edge("snapshots.gone", f"{_ENGINE}/steps.py _drain", "nobody sees the time before the copy; no lock is asked for"),
    Edge("cutover.analyzed", f"{_KIND}/cutover.py Cutover.over", "the target has statistics, under the shared fence"),
    Edge("attempt.wanted", f"{_KIND}/swap.py patiently", "before each try for the locks"),
    Edge("attempt.failed", f"{_KIND}/swap.py patiently", "a try got no lock, and let go of what it had"),
    Edge("attempt.committing", f"{_KIND}/swap.py patiently", "everything is done under the locks, nothing committed"),
    Edge("attempt.committed", f"{_KIND}/swap.py patiently", "committed, the locks are free; nobody was told"),
    Edge("cutover.locked", f"{_KIND}/cutover.py Cutover.over.apply", "both tables locked, all checks passed"),
    Edge("cutover.half_renamed", f"{_KIND}/cutover.py Cutover.over.apply", "nobody has the table's name"),
    Edge("cutover.renamed", f"{_KIND}/cutover.py Cutover.over.apply", "names are swapped, sequences are behind"),
    Edge("cutover.sequenced", f"{_KIND}/cutover.py Cutover.over.apply", "sequences are carried, no capture is on"),
    Edge(
        "cutover.turned", f"{_KIND}/cutover.py Cutover.over.apply", "capture runs in reverse, the marks do not say so"
    ),
    Edge("cutback.locked", f"{_KIND}/cutover.py Cutover.back.apply", "both tables locked, all checks passed"),
    Edge("cutback.half_renamed", f"{_KIND}/cutover.py Cutover.back.apply", "nobody has the table's name"),
    Edge("cutback.sequenced", f"{_KIND}/cutover.py Cutover.back.apply", "names are back, no capture is on"),
    Edge("cutback.turned", f"{_KIND}/cutover.py Cutover.back.apply", "capture runs forward, the proof still stands"),
    Edge("names.swapped", f"{_ENGINE}/steps.py _swapped", "swapped and committed, not compared once more"),
    Edge("attic.moved", f"{_KIND}/kind.py SameCluster.retire.apply", "the old table is put away, not committed"),
    Edge("abort.asked", f"{_KIND}/kind.py SameCluster.abort", "before the one statement that takes everything back"),
    Edge("abort.done", f"{_KIND}/kind.py SameCluster.abort", "taken back and committed; nobody was told"),
    Edge(
        "item_marks.ready",
        "ledger/item_marks.py ItemMarks.prepare",
        "the table of marks is there, and nothing else yet",
    ),
    Edge(
        "state.moving",
        "ledger/item_marks.py ItemMarks.move",
        "before the state, its fences and what goes with them are written",
    ),
    Edge("state.moved", "ledger/item_marks.py ItemMarks.move", "they are written, all of them; nobody was told"),
    Edge("segment.read", f"{_ITEMS}/backfill.py Copying._copy_page", "a page is read, nothing of it is written"),
    Edge("segment.written", f"{_ITEMS}/backfill.py Copying._copy_page", "a page is written, its place is not"),
    Edge(
        "segment.place_written",
        f"{_ITEMS}/backfill.py Copying._copy_page",
        "a page and its place are written; the lane does not know it",
    ),
    Edge(
        "leading.compared", f"{_ITEMS}/comparing.py compare", "what leads was compared, what follows was not looked at"
    ),
    Edge("following.compared", f"{_ITEMS}/comparing.py compare", "all was looked at once, nothing is settled"),
    Edge("stream.read", f"{_ITEMS}/following.py Follower._deliver", "changes are read, nothing of them is written"),
    Edge("stream.applied", f"{_ITEMS}/following.py Follower._apply", "changes are written, the shard's place is not"),
    Edge(
        "stream.place_written",
        f"{_ITEMS}/following.py Follower._apply",
        "changes and place are written; nobody was told",
    ),
    Edge("retired.export_named", f"{_SOURCE}/retiring.py Retiring._export", "an export has a name, and nothing in it"),
    Edge("export.file_written", f"{_SOURCE}/exporting.py Export._file", "a file is in the vault, nobody has noted it"),
    Edge("export.part_noted", f"{_SOURCE}/exporting.py Export._file", "a file and its note are in the vault"),
    Edge("export.data_written", f"{_SOURCE}/exporting.py Export.run", "all items are exported, there is no manifest"),
    Edge(
        "export.listed", f"{_SOURCE}/exporting.py Export.run", "the files are listed, and no summary makes it an export"
    ),
    Edge("retired.exported", f"{_SOURCE}/retiring.py Retiring._proven", "exported whole, nothing is read back"),
    Edge("retired.proven", f"{_SOURCE}/retiring.py Retiring.settle", "read back and noted, the old table is there"),
    Edge(
        "retired.looked",
        f"{_SOURCE}/retiring.py Retiring._check_no_strays",
        "what came past the route is noted, nobody was told",
    ),
    Edge(
        "retired.deleting", f"{_SOURCE}/retiring.py Retiring.delete", "the proof was looked at, the old table is there"
    ),
    Edge("retired.deleted", f"{_SOURCE}/retiring.py Retiring.delete", "the old table is gone; nobody was told"),
    Edge(
        "gap.noted", f"{_ITEMS}/gap.py GapMender.begin", "a new epoch has begun; nobody was told that changes were lost"
    ),
    Edge(
        "design.built",
        f"{_ITEMS}/kind.py SingleTable.expand",
        "the tables of the design are there; the marks do not know it",
    ),
    Edge(
        "stream.on",
        f"{_ITEMS}/kind.py SingleTable.start_capture",
        "the source has a stream that nobody reads; the phase is as before",
    ),
    Edge(
        "items.proven", f"{_ITEMS}/kind.py SingleTable.verify", "the proof is written with its phase; nobody was told"
    ),
    Edge("route.frozen", f"{_ITEMS}/routing.py Route.frozen", "nobody may write, and nothing is switched"),
    Edge(
        "switch.drained",
        f"{_ITEMS}/switching.py Switching._switch",
        "all has arrived, nobody may write, nothing is switched",
    ),
    Edge("heads.found", f"{_ITEMS}/heads.py begin_at_head", "it is known where the way back begins, and not noted"),
    Edge("heads.noted", f"{_ITEMS}/heads.py begin_at_head", "the way back would begin here; nothing is switched"),
    Edge("switch.made", f"{_ITEMS}/switching.py Switching._switch", "the other side leads; nobody was told"),
    Edge("records.written", f"{_ITEMS}/writing.py Writer._write_pack", "after each transaction of records"),
    Edge("changes.followed", f"{_ENGINE}/following.py follow", "changes were delivered; nobody looked how late"),
    Edge("rows.told", f"{_ROWS}/following.py Follower._deliver", "changes are read, nothing of them is written"),
    Edge("rows.applied", f"{_ROWS}/following.py Follower._apply", "rows are written, the shard's place is not moved"),
    Edge("rows.place_moved", f"{_ROWS}/following.py Follower._apply", "rows and place are written, not committed"),
    Edge("rows.committed", f"{_ROWS}/following.py Follower._apply", "rows and place are committed; nobody was told"),
    Edge(
        "rows.scanned",
        f"{_ROWS}/copying.py Copying.copy",
        "a lane holds a segment and a page of it; nothing is written",
    ),
    Edge("rows.copied", f"{_ROWS}/copying.py Copying.copy", "a page is written, its segment is not moved on"),
    Edge("rows.segment_moved", f"{_ROWS}/copying.py Copying.copy", "a page and its segment's place, not committed"),
    Edge(
        "rows.window_read", f"{_ROWS}/windows.py fill", "a page of the source is read, nothing of its window is written"
    ),
    Edge("rows.window_filled", f"{_ROWS}/windows.py fill", "holes of a window are filled, not committed"),
    Edge("rows.target_built", f"{_ROWS}/expanding.py expand", "table and partitions stand; the marks do not know them"),
    Edge("rows.stream_on", f"{_ROWS}/kind.py IntoPostgres.start_capture", "the stream is on; the phase is as before"),
    Edge("rows.proof_recorded", f"{_ROWS}/proving.py record", "the proof is written, not committed"),
    Edge("rows.items_compared", f"{_ROWS}/comparing.py compare", "every item was looked at, rows without one were not"),
    Edge("rows.orphans_found", f"{_ROWS}/comparing.py _orphans", "all was looked at once, nothing is settled"),
    Edge("rows.gap_noted", f"{_ROWS}/gap.py begin_gap", "a new epoch has begun, not committed"),
    Edge("rows.frozen", f"{_ROWS}/routing.py Route.frozen", "nobody may write; their leases run still"),
    Edge("rows.drained", f"{_ROWS}/switching.py Switching._switch", "the last change has come; nothing is switched"),
    Edge("rows.turned", f"{_ROWS}/switching.py Switching._switch", "the switch is made in the marks, not committed"),
    Edge("rows.switched", f"{_ROWS}/switching.py Switching._switch", "committed; applications were told nothing yet"),
    Edge("step.taken", "flow/steps.py TakeStep.execute", "the marks have moved, control has not followed"),
    Edge("step.noted", "flow/steps.py TakeStep.execute", "control has the transition and the facts; no answer yet"),
    Edge("gate.judged", "flow/gate.py FactsGate.execute", "a verdict, of which nothing is kept"),
    Edge("gate.kept", "flow/gate.py FactsGate.execute", "evidence lies in the vault, the ledger does not know it"),
    Edge("ahead.attached", "upkeep/partitions/making.py _take", "a partition is made and attached, not committed"),
    Edge("ahead.made", "upkeep/partitions/making.py _take", "one partition is there, those after it are not"),
    Edge("month.detaching", "upkeep/archive/detaching.py detach", "a month is to be detached, and stands in its table"),
    Edge("month.detached", "upkeep/archive/detaching.py detach", "a month is detached; the ledger does not know it"),
    Edge(
        "month.part_stored", "upkeep/archive/exporting.py Exporter._parts", "a file of a month is in the vault, not all"
    ),
    Edge(
        "month.parts_stored", "upkeep/archive/exporting.py Exporter.run", "all files are stored, there is no manifest"
    ),
    Edge(
        "month.stored", "upkeep/archive/exporting.py Exporter.run", "the manifest is stored; the ledger knows nothing"
    ),
    Edge("month.exported", "upkeep/archive/archiving.py Archive._export", "the ledger names it, nothing is read back"),
    Edge(
        "month.read_back", "upkeep/archive/archiving.py Archive._verify", "read back well; the ledger does not know it"
    ),
    Edge("month.cooling", "upkeep/archive/archiving.py Archive._store", "a month cools; nobody was told"),
    Edge("month.dropping", "upkeep/archive/dropping.py drop", "read back once more, the month is there"),
    Edge(
        "month.dropped", "upkeep/archive/dropping.py drop", "the month is gone and the ledger says so; nobody was told"
    ),
    Edge("month.loaded", "upkeep/archive/restoring.py restore", "a month is built, loaded and attached, not committed"),
    Edge("month.brought_back", "upkeep/archive/restoring.py restore", "a month is back; nobody was told"),
    Edge("backup.part_stored", "upkeep/metadata/backing_up.py _parts", "a piece of a dump is in the vault, not all"),
    Edge(
        "backup.stored", "upkeep/metadata/backing_up.py take_backup", "the whole dump is stored, nobody has restored it"
    ),
    Edge("backup.tried", "upkeep/metadata/backing_up.py take_backup", "it was restored well; there is no manifest"),
    Edge("history.dropped", "upkeep/metadata/pruning.py prune", "what was put aside is dropped, nothing new is"),
    Edge("history.cleaned", "upkeep/metadata/pruning.py prune", "old history is gone; nobody has looked what is left"),
    Edge("beside.loaded", "upkeep/archive/copying.py copy_month", "a copy is built, loaded and noted, not committed"),
    Edge("beside.made", "upkeep/archive/copying.py copy_month", "a copy is there; nobody was told"),
    Edge("beside.dropping", "upkeep/archive/copies.py drop_copy", "the vault has what a copy holds, the copy is there"),
    Edge("beside.dropped", "upkeep/archive/copies.py drop_copy", "a copy is gone and noted so; nobody was told"),
    Edge("items.file_stored", "upkeep/items/storing.py _store_partition", "a file of records is in the vault, not all"),
    Edge("items.files_stored", "upkeep/items/storing.py store_month", "all records are stored, there is no manifest"),
    Edge("items.stored", "upkeep/items/storing.py store_month", "the manifest is stored, nothing is read back"),
    Edge("items.read_back", "upkeep/items/archiving.py ItemArchive._proven", "read back well; no note says so"),
    Edge(
        "items.deleting", "upkeep/items/deleting.py _delete_file", "a file is read back, its records are in the table"
    ),
    Edge("items.deleted", "upkeep/items/deleting.py _delete_file", "some records of a file are deleted"),
    Edge(
        "items.file_deleted", "upkeep/items/deleting.py delete_month", "a file's records are deleted; no note says so"
    ),
    Edge("items.noted", "upkeep/items/archiving.py ItemArchive.delete", "a month is deleted; nobody was told"),
    Edge("items.brought_back", "upkeep/items/bringing_back.py bring_back", "some records are back in the table"),
    Edge("base.part_read", f"{_PHYSICAL}/taking.py _pieces", "a piece of a backup has come, not all is in the vault"),
    Edge("base.stored", f"{_PHYSICAL}/taking.py take", "a whole backup is in the vault, its manifests are not"),
    Edge("base.kept", f"{_PHYSICAL}/taking.py take", "a backup is kept; nobody was told"),
    Edge(
        "log.stored",
        f"{_PHYSICAL}/shipping.py Shipper._store",
        "a file of the log is stored, the server keeps it still",
    ),
    Edge(
        "log.let_go", f"{_PHYSICAL}/shipping.py Shipper._store", "the server may let it go, it lies on our disk still"
    ),
    Edge(
        "log.stored_now", f"{_PHYSICAL}/shipping.py Shipper._store_now", "the file that is written is stored as it is"
    ),
    Edge("restore.part_unpacked", f"{_PHYSICAL}/fetching.py unpack", "a backup is unpacked in part"),
    Edge("restore.configured", f"{_PHYSICAL}/recovering.py recover", "all is fetched, no server was started"),
    Edge("documents.log_begun", f"{_DOCUMENTS}/shipping.py TableShipper.begin", "a log has a name, and no round"),
    Edge(
        "documents.round_read",
        f"{_DOCUMENTS}/shipping.py TableShipper.step",
        "a round is read, nothing of it is stored",
    ),
    Edge("documents.round_stored", f"{_DOCUMENTS}/shipping.py TableShipper.step", "a round is stored; nobody was told"),
    Edge(
        "documents.part_stored", f"{_DOCUMENTS}/taking.py _Begun._segment", "a part of a table is in the vault, not all"
    ),
    Edge("documents.base_stored", f"{_DOCUMENTS}/taking.py take", "all items are in the vault, there is no manifest"),
    Edge("documents.base_kept", f"{_DOCUMENTS}/taking.py take", "a base is kept; nobody was told"),
    Edge("documents.made", f"{_DOCUMENTS}/driver.py Documents._create", "a copy is there, and nothing in it"),
    Edge("documents.loaded", f"{_DOCUMENTS}/replaying.py load", "the base is loaded, nothing that was changed since"),
    Edge("documents.replayed", f"{_DOCUMENTS}/replaying.py _bring_in", "some of what was changed is brought in"),
    Edge("documents.restored", f"{_DOCUMENTS}/driver.py Documents._restore", "every copy is whole; nobody was told"),
    Edge(
        "promotion.fenced", f"{_REPLICAS}/promoting.py promote", "nobody can acknowledge a write, nothing is promoted"
    ),
    Edge("promotion.promoted", f"{_REPLICAS}/promoting.py promote", "a replica leads; nothing of it is proven yet"),
    Edge("promotion.followed", f"{_REPLICAS}/promoting.py promote", "the others follow it; nobody was told"),
    Edge("verify.read", f"{_KEEPING}/verifying.py verify", "a backup is read back; no note says so"),
    Edge("expiry.manifest_gone", f"{_KEEPING}/dropping.py _drop", "a backup has no manifest, all else of it is there"),
    Edge("expiry.part_gone", f"{_KEEPING}/dropping.py _drop", "a part is gone of a backup that has no manifest"),
    Edge(
        "expiry.log_file_gone",
        f"{_KEEPING}/dropping.py apply_expiry",
        "a file of the log is gone, not all of its range",
    ),
    Edge(
        "expiry.service_backup_gone",
        f"{_KEEPING}/services.py let_go",
        "a service has deleted one of many; nobody was told",
    ),
    Edge("sweep.part_gone", f"{_KEEPING}/sweeping.py sweep", "an object of half a backup is gone, not all are"),
    Edge("lock.object_locked", f"{_KEEPING}/locking.py apply_locks", "an object of a backup is locked, not all are"),
    Edge("elsewhere.part_stored", f"{_KEEPING}/elsewhere.py _copy_part", "a part is stored elsewhere, not all are"),
    Edge("elsewhere.stored", f"{_KEEPING}/elsewhere.py copy_backup", "all is stored elsewhere, there is no manifest"),
    Edge("dump.exported", f"{_LOGICAL}/dumping.py _begin", "a snapshot is held for a dump, nothing is read in it"),
    Edge(
        "dump.dumped", f"{_LOGICAL}/dumping.py Dumping.take", "a dump lies on a disk of ours, nothing is in the vault"
    ),
    Edge("dump.part_read", f"{_LOGICAL}/dumping.py Dumping._pieces", "a piece of a dump is on its way to the vault"),
    Edge("dump.stored", f"{_LOGICAL}/dumping.py Dumping._store", "a whole dump is in the vault, its manifest is not"),
    Edge("dump.kept", f"{_LOGICAL}/dumping.py Dumping.take", "a dump is kept; it lies on a disk of ours still"),
    Edge("dump.fetched", f"{_LOGICAL}/restoring.py bring_back", "a dump is fetched, there is no room for a copy"),
    Edge("dump.room_made", f"{_LOGICAL}/restoring.py bring_back", "a copy is there, and nothing in it but roles"),
    Edge("gate.recorded", "flow/gate.py FactsGate.execute", "the ledger names the evidence; the task has not answered"),
)
"""Every failpoint there is. `tests/unit/test_failpoints.py` holds that each stands where it says, and no other anywhere."""

NAMES = frozenset(edge.name for edge in EDGES)


class Broken(Transient):
    """What the action `raise` raises: a drill, not a fault."""


class NoFailpoint(Terminal):
    """The drill asks for something that is not there."""


def _kill(name: str, argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(name: str, argument: str) -> None:
    raise Broken(f"failpoint {name}: a drill broke this off. It is tried again by itself.")


def _sleep(name: str, argument: str) -> None:
    time.sleep(float(argument or 1))


def _terminate(name: str, argument: str) -> None:
    raise NoFailpoint(f"{name}=terminate: nobody here knows the session to end. Set ACTIONS['terminate'] first.")


Action = Callable[[str, str], None]

ACTIONS: dict[str, Action] = {"kill": _kill, "raise": _raise, "sleep": _sleep, "terminate": _terminate}
"""What a failpoint can do, each given the failpoint's name and what stands behind the colon. A drill may add its own."""


@dataclass
class _Armed:
    """One failpoint with an action; `at` is the only hit at which it fires, or None for every one."""

    name: str
    action: str
    argument: str
    at: int | None
    hits: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def hit(self) -> None:
        number = next(self.hits)
        if self.at in (None, number) and _first_time(self.name):
            log.warning("failpoint %s, hit %d: %s %s", self.name, number, self.action, self.argument)
            ACTIONS[self.action](self.name, self.argument)


_armed: dict[str, _Armed] = {}
_WRITTEN = re.compile(r"(?P<name>[\w.]+)=(?P<action>\w+)(:(?P<argument>[\w.]+))?(@(?P<at>[1-9]\d*))?")


def failpoint(name: str) -> None:
    """Do here what a drill asks for; nothing, ever, outside a drill."""
    armed = _armed.get(name)
    if armed is not None:
        armed.hit()


def arm(text: str) -> None:
    """Arm `name=action[:argument][@hit]`, several separated by commas. Raises NoFailpoint: a drill that never fires is none."""
    for written in filter(None, map(str.strip, text.split(","))):
        read = _WRITTEN.fullmatch(written)
        if read is None or read["name"] not in NAMES or read["action"] not in ACTIONS:
            raise NoFailpoint(
                f"{VARIABLE}: {written!r} names no failpoint of plugins/sluice/failpoints.py, or no action of"
                f" {', '.join(ACTIONS)}. Write name=action, name=sleep:2 or name=kill@3."
            )
        at = int(read["at"]) if read["at"] else None
        _armed[read["name"]] = _Armed(read["name"], read["action"], read["argument"] or "", at)


def disarm() -> None:
    """Let everybody pass again."""
    _armed.clear()


@contextmanager
def armed(text: str) -> Iterator[None]:
    """Arm for a while. For tests in one process."""
    arm(text)
    try:
        yield
    finally:
        disarm()


def _first_time(name: str) -> bool:
    folder = os.environ.get(ONCE_VARIABLE)
    if not folder:
        return True
    try:
        (Path(folder) / name).touch(exist_ok=False)  # one file, one winner: also between processes
    except FileExistsError:
        return False
    return True


arm(os.environ.get(VARIABLE, ""))
