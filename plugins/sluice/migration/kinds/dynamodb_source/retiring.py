"""The end of the old table: backed up, exported to the vault, read back, and only then deleted.

Each step may be taken again. What was proven is noted beside the data, and counts for this very table and for a while only. Where
there is no vault, or the YAML says `keep`, the table is kept as it is, and said to be.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.estate.single_table import SingleTableMigration
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Diff, Facts, NotYet
from sluice.migration.kinds.dynamodb_source.bringing_back import creation_of
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.dynamodb_source.exporting import JSON, Export, Seen, Written, new_id
from sluice.migration.kinds.dynamodb_source.last_look import LastLook, Looked
from sluice.migration.kinds.dynamodb_source.notes import Notes
from sluice.migration.kinds.dynamodb_source.reading_back import Proof, Unproven, check_proof, prove
from sluice.stores.dynamodb.backups import Backup, NoBackups, back_up, check_backups
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.identity import TableIdentity, delete_table, identify
from sluice.stores.dynamodb.streams import Change, Stream, StreamGone
from sluice.stores.dynamodb.tables import describe
from sluice.stores.objects import AlreadyThere, Damaged, Vault

EXPORT, PROOF, BACKUP = "retired_export", "retired_proof", "retired_backup"
DIFF, LOOKED = "retired_diff", "retired_looked"
"""What is noted beside the data."""
UNTOUCHED = "Nothing was changed."


@dataclass(frozen=True)
class Retiring:
    """What becomes of the old table once nothing follows any more. `table` is its name, `stream` gives its changes."""

    client: Any
    notes: Notes
    migration: SingleTableMigration | IntoPostgresMigration
    table: str
    vault: Callable[[], Vault] | None
    stream: Callable[[], Stream]
    is_stray: Callable[[Change], bool]
    """Whose change came past the route."""
    seen: Seen
    """An item of the old table as its application knows it."""

    @property
    def why_kept(self) -> str:
        """Why the old table is to be kept; empty where it is to go."""
        if self.migration.retire.old_table == "keep":
            return "the YAML says so (retire: old_table: keep)"
        return "" if self.vault else "there is no vault to export it to"

    def check(self) -> None:
        """Raise NotYet when what is about to be done cannot be, before anything is changed."""
        if self.why_kept:
            return
        found, way = self._identified(), self.migration.retire.backup
        if found.protected:
            raise NotYet(
                f"{self.table} has deletion protection. Switch that off, or say `retire: {{old_table: keep}}`. {UNTOUCHED}"
            )
        try:
            if way != "none":
                check_backups(self.client, self.table, way)
        except NoBackups as none:
            raise NotYet(
                f"{none} Say `retire: {{backup: none}}` to go without, or `retire: {{old_table: keep}}`. {UNTOUCHED}"
            ) from none
        assert self.vault is not None
        self.vault().list(f"{self.prefix}/")

    @property
    def prefix(self) -> str:
        """Where the migration's exports lie in the vault."""
        return f"retired/{self.migration.name}"

    def settle(self) -> Facts:
        """Do what is left to do, and say what became of the old table. Raises Unproven, and then it is kept."""
        found = identify(self.client, self.table)
        if self.why_kept:
            return self._said(found, kept_because=self.why_kept)
        if found is not None:
            self._back_up(found)
            proof = self._proven(found)
            self.notes.keep(**{PROOF: proof.text()})
            failpoint("retired.proven")
            self._check_no_strays(proof.export)
            self.delete(found)
            found = identify(self.client, self.table)
        return self._said(found)

    def delete(self, found: TableIdentity) -> None:
        """Delete the old table. Raises Unproven unless it was proven, lately, that its export holds it."""
        proof = self._noted_proof()
        now = self._now()
        check_proof(proof, found, now, self.migration.gates.freshness)
        failpoint("retired.deleting")
        delete_table(self.client, found)
        failpoint("retired.deleted")

    # ---- within ----

    def _check_no_strays(self, export: str) -> None:
        """Raise Unproven where somebody wrote to the old table after it was compared, and nobody has said to have seen to it.

        A task may be tried again by itself, wherever it died. So to have been told proves nothing; the file says the word.
        """
        looked = self._looked(export)
        self.notes.keep(**{LOOKED: looked.text()})
        failpoint("retired.looked")
        said = self.migration.retire.strays
        if looked.strays and said != looked.word:
            other = f" The word in the file, {said}, is of other ones." if said else ""
            raise Unproven(
                f"{self.table} was not deleted: {looked.strays} writes came to it past the route after it was compared, or may"
                f" have: {'; '.join(looked.named)}. Stop who writes there. What was written is in the export alone: bring it"
                f" over by hand, say so in the migration's file (`retire: {{strays: {looked.word}}}`), then clear this task."
                + other
            )

    def _looked(self, export: str) -> Looked:
        """Look at the stream, from where it was looked at before."""
        definition = describe(self.client, self.table) or _gone(self.table)
        try:
            stream = self.stream()
        except StreamGone:
            stream = None
        before = Looked.of(self.notes.read().get(LOOKED, ""))
        return LastLook(Canaries(self.client, definition), self.is_stray).on(stream, before, self._now(), export)

    def is_there(self) -> bool:
        """Whether the old table is there. Read-only."""
        return identify(self.client, self.table) is not None

    def _back_up(self, found: TableIdentity) -> None:
        way = self.migration.retire.backup
        if way != "none":
            backup = back_up(self.client, found, way, f"sluice-{self.migration.name}-{found.id[:8]}")
            self.notes.keep(**{BACKUP: json.dumps(asdict(backup))})

    def _proven(self, found: TableIdentity) -> Proof:
        """Export what is missing, and read all of it back. What turned out to be stale or damaged is begun anew next time."""
        export = self._export(found)
        try:
            summary = export.run()
            failpoint("retired.exported")
            ttl = (describe(self.client, self.table) or _gone(self.table)).ttl
            proof = prove(export, summary, ttl, self._now)
            return check_proof(proof, found, datetime.fromisoformat(proof.at), self.migration.gates.freshness)
        except (Written, Damaged, Unproven):
            self.notes.keep(**{EXPORT: ""})
            raise

    def _export(self, found: TableIdentity) -> Export:
        assert self.vault is not None
        noted = json.loads(self.notes.read().get(EXPORT) or "{}")
        if noted.get("table_id") != found.id:
            noted = {"id": new_id(self._now(), uuid.uuid4().hex), "table_id": found.id}
            self.notes.keep(**{EXPORT: json.dumps(noted)})
            failpoint("retired.export_named")
        export = Export(self.client, self.vault(), found, self.prefix, noted["id"], self.seen)
        self._describe(export)
        return export

    def _describe(self, export: Export) -> None:
        """Keep beside the items what it takes to make such a table again."""
        with speaking("describe", self.table):
            described = self.client.describe_table(TableName=self.table)["Table"]
            ttl = self.client.describe_time_to_live(TableName=self.table)["TimeToLiveDescription"]
        for name, told in (("table", creation_of(described)), ("described", {"Table": described, "TimeToLive": ttl})):
            body = json.dumps(told, sort_keys=True, default=str).encode()
            try:
                export.vault.put_once(f"{export.folder}/{name}.json", body, JSON)
            except AlreadyThere:
                continue  # counts and sizes move; the first look is as good

    def _said(self, found: TableIdentity | None, kept_because: str = "") -> Facts:
        noted, proof, backup = self.notes.read(), self._noted_proof(), self._noted_backup()
        deleted = found is None
        return {
            "old_table": self.table,
            "old_deleted": int(deleted),
            "old_kept": int(not deleted),
            "old_unsettled": int(not deleted and not kept_because),
            "deleted_unproven": int(deleted and not (proof and proof.same)),
            "old_kept_because": kept_because,
            "exported_items": proof.exported if proof else 0,
            "read_back_items": proof.read_back if proof else 0,
            "digests_differ": int(bool(proof) and not proof.same) if proof else 0,
            "backup_taken": int(bool(backup)),
            "backup_lacking": int(deleted and not backup),
            "backup": f"{backup.way}: {backup.name}" if backup else "",
            "export": self._address(noted) if proof else "",
        }

    def _address(self, kept: Mapping[str, str]) -> str:
        noted = json.loads(kept.get(EXPORT) or "{}")
        bucket = self.vault().bucket if self.vault else ""
        return f"s3://{bucket}/{self.prefix}/AWSDynamoDB/{noted.get('id', '')}"

    def _noted_proof(self) -> Proof | None:
        told = self.notes.read().get(PROOF)
        return Proof.of(told) if told else None

    def _noted_backup(self) -> Backup | None:
        told = self.notes.read().get(BACKUP)
        return Backup(**json.loads(told)) if told else None

    def _now(self) -> datetime:
        return store_clock(self.client, self.notes.table)

    def _identified(self) -> TableIdentity:
        return identify(self.client, self.table) or _gone(self.table)


def diff_noted(compared: tuple[Diff, Looked] | None) -> dict[str, str]:
    """What to keep of the last comparison, and where the stream stood: taken again, the step has nothing to compare any more."""
    return {DIFF: json.dumps(compared[0].facts()), LOOKED: compared[1].text()} if compared else {}


def noted_diff(noted: Mapping[str, str]) -> Facts:
    """The facts of the last comparison."""
    told: Facts = json.loads(noted.get(DIFF) or "{}")
    return told


def _gone(table: str) -> Any:
    raise NotYet(f"There is no table {table} any more. {UNTOUCHED}")
