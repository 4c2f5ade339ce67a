"""Which other versions of PostgreSQL the tests find here."""

from __future__ import annotations

from pathlib import Path

from sluice.local.versions import installed


def test_servers_of_the_system_are_found_by_their_version(tmp_path: Path) -> None:
    for folder in ("usr/lib/postgresql/15/bin", "usr/lib/postgresql/9.6/bin", "usr/pgsql-16/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "postgres").touch()
    (tmp_path / "usr/lib/postgresql/17/bin").mkdir(parents=True)  # a client alone
    assert installed(tmp_path) == {
        "15": tmp_path / "usr/lib/postgresql/15/bin",
        "16": tmp_path / "usr/pgsql-16/bin",
    }
