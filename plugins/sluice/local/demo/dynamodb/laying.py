"""The sample migrations, laid into the estate while the demo needs them.

They lie in include/samples until then: six migrations without a table would be in everybody's way, and for their sake Airflow
would look for changes to deliver, round after round, on machines that have no such migration.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import Terminal
from sluice.estate.read import MIGRATIONS as FOLDER
from sluice.local.settings import ROOT
from sluice.local.tyler.shape import MIGRATIONS

SAMPLES = Path("include/samples/tyler")


class FileInTheWay(Terminal):
    """Somebody's own file has the name of a sample."""


@contextmanager
def samples_laid(stays: bool, root: Path = ROOT) -> Iterator[None]:
    """Lay the files, and take them away again unless it `stays`. One that somebody changed is left alone. Raises FileInTheWay."""
    files = {root / FOLDER / f"{name}.yaml": (root / SAMPLES / f"{name}.yaml").read_bytes() for name in MIGRATIONS}
    for file, text in files.items():
        if file.exists() and file.read_bytes() != text:
            raise FileInTheWay(
                f"{file.relative_to(root)} is not as in {SAMPLES}: it is yours, and the demo needs its own. Nothing was changed."
                " Give yours another name, or take it out of the folder, and run the demo again."
            )
    for file, text in files.items():
        file.write_bytes(text)
    try:
        yield
    finally:
        for file, text in files.items():
            if not stays and file.exists() and file.read_bytes() == text:
                file.unlink()
