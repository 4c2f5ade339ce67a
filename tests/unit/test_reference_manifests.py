"""The page of the backups' manifests is what the code writes: every field, and a word for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from sluice.safety.backup import Backup, seal_of
from sluice.safety.reference import PAGE, Unsaid, manifests_page, words_of, write_page
from sluice.stores.objects import Stored
from sluice.stores.parts import Part

ROOT = Path(__file__).parents[2]
PART = Part("backups/a", 1, "ab", None, 2)


class Shelf:
    """Keeps what is put into it."""

    def put_once(self, key: str, body: bytes, kind: str) -> Stored:
        """Keep it."""
        self.told = json.loads(body)
        return Stored(key, "", None)


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    assert (ROOT / PAGE).read_text() == manifests_page(), "run python -m sluice.safety.reference"
    (tmp_path / PAGE).parent.mkdir(parents=True)
    write_page(tmp_path)
    assert (tmp_path / PAGE).read_text() == manifests_page()


def test_what_is_really_stored_is_what_the_page_tells_of() -> None:
    shelf = Shelf()
    Backup(
        "shop", "20260101T020000000Z-full", None, "7", "18.0", "postgres", "shop", 1, 1 << 24, "0/1", "0/2", "a", "b",
        {"max_connections": "100"}, (PART,), PART, {"shared_buffers": "1GB"},
    ).keep(shelf)  # type: ignore[arg-type]  # fmt: skip
    section = manifests_page().partition("## A server")[2].partition("\n## ")[0]
    assert shelf.told.pop("seal") == seal_of(shelf.told)
    assert "`format` is `sluice-backup`, `version` 1." in section
    told = {*shelf.told, *shelf.told["parts"][0]} - {"format", "version"}
    assert all(f"| `{name}` |" in section for name in told)


def test_a_field_without_a_word_is_refused() -> None:
    @dataclass
    class Silent:
        """Nothing."""

        a: int
        """Said."""
        b: int

    with pytest.raises(Unsaid, match="nobody says what b means"):
        words_of(Silent)
