"""The manifest of an archived month: what is in its files, for us and for whoever reads them without us.

docs/reference/archive-manifest.md describes it. It tells no time and no version of the database that would differ from one
export of the same rows to the next: a second export is the same to the byte, and is done.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sluice.errors import Terminal
from sluice.upkeep.archive.columns import Stored

FORMAT, VERSION = "sluice-archive", 1
HASHED = (
    "sum over the rows of the first 64 bits, signed, of md5 over each column's text behind its length in bytes and a colon;"
    " NULL is a minus sign"
)


def folder_of(store: str, table: object) -> str:
    """Name the folder of a table in the vault. `table` is written as it is printed."""
    return f"archive/{store}/{urllib.parse.quote(str(table), safe='.')}"


class Unreadable(Terminal):
    """A manifest that this version does not read."""


@dataclass(frozen=True)
class Part:
    """One Parquet file."""

    key: str
    rows: int
    bytes: int
    sha256: str
    version: str | None


@dataclass(frozen=True)
class Manifest:
    """All there is to know of a month."""

    store: str
    table: str
    partition: tuple[str, str]
    bounds: str
    time: str
    """The column that it is cut by."""
    columns: tuple[Stored, ...]
    key: tuple[str, ...]
    ddl: tuple[str, ...]
    """Columns and checks, as they stand between the brackets of CREATE TABLE."""
    written: tuple[str, ...]
    """The columns that an INSERT gives a value: the others make their own."""
    rows: int
    hash: str
    least: str | None
    most: str | None
    tenant: str | None
    tenants: Mapping[str, int] | None
    parts: tuple[Part, ...]
    supplement_of: Mapping[str, Any] | None = None
    """What was stored of the same bounds before, where these are the rows that came late: an Export's fields."""

    def body(self) -> bytes:
        """Write it, the same each time."""
        told = {"format": FORMAT, "version": VERSION, "hash_is": HASHED, **asdict(self)}
        if self.supplement_of is None:
            del told["supplement_of"]
        return json.dumps(told, indent=1, ensure_ascii=False).encode()

    @classmethod
    def of(cls, body: bytes, key: str) -> Manifest:
        """Read one. Raises Unreadable."""
        try:
            told: dict[str, Any] = json.loads(body)
            if (told.pop("format"), told.pop("version")) != (FORMAT, VERSION):
                raise Unreadable(f"{key} is no manifest of version {VERSION}. Bring this installation up to date.")
            del told["hash_is"]
            told["columns"] = tuple(Stored(**one) for one in told["columns"])
            told["parts"] = tuple(Part(**one) for one in told["parts"])
            for name in ("partition", "key", "ddl", "written"):
                told[name] = tuple(told[name])
            return cls(**told)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unreadable(f"{key} cannot be read as a manifest: {error!r}.") from error
