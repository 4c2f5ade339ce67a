"""Sample files, laid into the estate while a demo needs them.

They lie in include/samples until then: migrations and datasets without a table would be in everybody's way, and for their sake
Airflow would look for changes to deliver, or months to archive, on machines that have no such table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import Terminal
from sluice.local.settings import ROOT

SAMPLES = Path("include/samples")


class FileInTheWay(Terminal):
    """Somebody's own file has the name of a sample."""


@contextmanager
def samples_laid(story: str, names: Sequence[str], folder: Path, stays: bool, root: Path = ROOT) -> Iterator[None]:
    """Lay files of a story into a folder of the estate, and take them away again unless it `stays`.

    One that somebody changed is left alone. Raises FileInTheWay.
    """
    samples = [root / SAMPLES / story / f"{name}.yaml" for name in names]
    files = {root / folder / file.name: file.read_bytes() for file in samples}
    for file, text in files.items():
        if file.exists() and file.read_bytes() != text:
            raise FileInTheWay(
                f"{file.relative_to(root)} is not as in {SAMPLES / story}: it is yours, and the demo needs its own. Nothing was"
                " changed. Give yours another name, or take it out of the folder, and run the demo again."
            )
    for file, text in files.items():
        file.write_bytes(text)
    try:
        yield
    finally:
        for file, text in files.items():
            if not stays and file.exists() and file.read_bytes() == text:
                file.unlink()
