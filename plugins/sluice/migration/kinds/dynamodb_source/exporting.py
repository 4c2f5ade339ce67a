"""Export a DynamoDB table to the vault, in the layout of the service's own exports, a bounded file at a time.

    retired/<migration>/AWSDynamoDB/<export>/data/0000-00000.json.gz    items, one a line
    retired/<migration>/AWSDynamoDB/<export>/manifest-files.json        each file with its count and checksum
    retired/<migration>/AWSDynamoDB/<export>/manifest-summary.json      written last: without it there is no export
    retired/<migration>/parts/<export>/0000-00000.json                  how far it has come, for whoever goes on

Layout: docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html. So ImportTable and other tools read it.
A file is stored, then its part: a run that died goes on behind the last part, and what it writes again is the same to the byte.
Where it is not, the table was written meanwhile: a new export begins, and the old one never gets a manifest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.export_lines import Tally, line_of
from sluice.stores.dynamodb.identity import TableIdentity
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, key_from_text, key_text
from sluice.stores.objects import AlreadyThere, NoSuchKey, Vault

SEGMENTS = 4
FILE_BYTES = 16_000_000
"""Compressed bytes after which a file ends: what one thread keeps in memory, and a page of the scan beside it."""
GZIP, JSON = "application/gzip", "application/json"
Seen = Callable[[Item], Item | None]
"""An item as its application knows it; None for one that is none of its."""


class Written(Terminal):
    """The table was written while it was exported: what was exported before is not what it holds now."""


@dataclass(frozen=True)
class Part:
    """One file of an export, and where the next one begins (`after`, None at the end of a segment)."""

    key: str
    segment: int
    number: int
    items: int
    digest: str
    md5: str
    etag: str
    after: str | None


@dataclass(frozen=True)
class Export:
    """One export of one table: `id` is its own, `prefix` where all exports of the migration lie."""

    client: Any
    vault: Vault
    table: TableIdentity
    prefix: str
    id: str
    seen: Seen

    @property
    def folder(self) -> str:
        """Where the export lies in the vault."""
        return f"{self.prefix}/AWSDynamoDB/{self.id}"

    @property
    def summary_key(self) -> str:
        """The manifest that makes it one."""
        return f"{self.folder}/manifest-summary.json"

    def run(self) -> dict[str, Any]:
        """Write what is missing of it; give its summary. Raises Written, VaultDown, Throttled, DynamoDown."""
        if (done := self._get(self.summary_key)) is not None:
            return self._sealed(done)
        try:
            self.vault.put_once(f"{self.folder}/_started", b"", "application/octet-stream")
            with ThreadPoolExecutor(SEGMENTS) as pool:
                segments = list(pool.map(self._segment, range(SEGMENTS)))
            parts = [part for segment in segments for part in segment]
            failpoint("export.data_written")
            self._put(f"{self.folder}/manifest-files.json", self._files(parts))
        except AlreadyThere as other:
            raise Written(f"{self.table.name} was written while it was exported ({other}).") from other
        failpoint("export.listed")
        return self._sealed(self._put_first(self.summary_key, self._summary(parts)))

    def parts(self) -> list[Part]:
        """Every file that is stored, in order. Read-only."""
        return [Part(**json.loads(self.vault.get(key))) for key in self.vault.list(f"{self.prefix}/parts/{self.id}/")]

    # ---- data ----

    def _segment(self, segment: int) -> list[Part]:
        parts = [part for part in self.parts() if part.segment == segment]
        while not parts or parts[-1].after is not None:
            parts.append(self._file(segment, len(parts), parts[-1].after if parts else None))
        return parts

    def _file(self, segment: int, number: int, after: str | None) -> Part:
        body, tally, after = self._filled(segment, after)
        name = f"{segment:04}-{number:05}"
        key = f"{self.folder}/data/{name}.json.gz"
        self.vault.put_once(key, body, GZIP)
        failpoint("export.file_written")
        md5 = hashlib.md5(body, usedforsecurity=False)
        part = Part(
            key, segment, number, tally.items, tally.text, b64encode(md5.digest()).decode(), self.vault.etag(key), after
        )
        self._put(f"{self.prefix}/parts/{self.id}/{name}.json", _canonical(asdict(part)))
        failpoint("export.part_noted")
        return part

    def _filled(self, segment: int, after: str | None) -> tuple[bytes, Tally, str | None]:
        """One file's content: pages of the scan until it is full or the segment is at its end."""
        body, tally = io.BytesIO(), Tally()
        with gzip.GzipFile(fileobj=body, mode="wb", mtime=0) as file:  # no time in it: the same items, the same bytes
            while True:
                page = scan_page(
                    self.client, self.table.name, segment, SEGMENTS, key_from_text(after) if after else None
                )
                for item in filter(None, map(self.seen, page.items)):
                    file.write(line_of(item))
                    tally.add(item, lambda _: False)
                after = key_text(page.next_key) if page.next_key else None
                if after is None or body.tell() >= FILE_BYTES:
                    break
        return body.getvalue(), tally, after

    # ---- manifests ----

    def _files(self, parts: Sequence[Part]) -> bytes:
        lines = (
            {"itemCount": part.items, "md5Checksum": part.md5, "etag": part.etag, "dataFileS3Key": part.key}
            for part in parts
        )
        return b"".join(_canonical(line) + b"\n" for line in lines)

    def _summary(self, parts: Sequence[Part]) -> bytes:
        ended = store_clock(self.client, self.table.name)
        started = begun(self.id)
        return _canonical(
            {
                "version": "2020-06-30",
                "exportArn": f"{self.table.arn}/export/{self.id}",
                "startTime": _moment(started),
                "endTime": _moment(ended),
                "exportTime": _moment(started),
                "tableArn": self.table.arn,
                "tableId": self.table.id,
                "s3Bucket": self.vault.bucket,
                "s3Prefix": self.prefix,
                "s3SseAlgorithm": None,
                "s3SseKmsKeyId": None,
                "manifestFilesS3Key": f"{self.folder}/manifest-files.json",
                "billedSizeBytes": 0,
                "itemCount": sum(part.items for part in parts),
                "outputFormat": "DYNAMODB_JSON",
            }
        )

    def _sealed(self, summary: bytes) -> dict[str, Any]:
        """Store the manifests' checksums; give the summary."""
        files = self.vault.get(f"{self.folder}/manifest-files.json")
        for name, body in (("files", files), ("summary", summary)):
            checksum = b64encode(hashlib.md5(body, usedforsecurity=False).digest())
            self.vault.put_once(f"{self.folder}/manifest-{name}.checksum", checksum, "text/plain")
        told: dict[str, Any] = json.loads(summary)
        return told

    # ---- the vault ----

    def _put(self, key: str, body: bytes) -> None:
        self.vault.put_once(key, body, JSON)

    def _put_first(self, key: str, body: bytes) -> bytes:
        """Store it unless another run has; give what is there."""
        try:
            self._put(key, body)
        except AlreadyThere:
            return self.vault.get(key)
        return body

    def _get(self, key: str) -> bytes | None:
        try:
            return self.vault.get(key)
        except NoSuchKey:
            return None


def new_id(now: datetime, nonce: str) -> str:
    """Name an export as the service does: milliseconds since 1970 in 14 digits, and eight characters of its own."""
    return f"{int(now.timestamp() * 1000):014}-{nonce[:8]}"


def begun(export: str) -> datetime:
    """Tell when an export was begun, from its name."""
    return datetime.fromtimestamp(int(export.partition("-")[0]) / 1000, UTC)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def data_files(vault: Vault, summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Read an export's list of files: count, checksum and key of each. Raises NoSuchKey, VaultDown."""
    for line in vault.get(summary["manifestFilesS3Key"]).splitlines():
        yield json.loads(line)
