"""The migrations that are the project's own. A person's files lie beside them, and are no business of the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIGRATIONS = ("audit_log", "user_sessions")


def copy_estate(root: Path) -> Path:
    """Copy include/estate and the suites below `root`, without a person's migrations; give the folder of migrations."""
    shutil.copytree(ROOT / "include/estate", root / "include/estate")
    shutil.copytree(ROOT / "include/health", root / "include/health")
    shutil.copytree(ROOT / "expectations", root / "expectations")
    return only_ours(root)


def only_ours(root: Path) -> Path:
    """Take a person's migrations out of a copy; give the folder of migrations."""
    folder = root / "include/estate/migrations"
    for path in folder.iterdir():
        if path.name not in {f"{name}.yaml" for name in MIGRATIONS}:
            path.unlink()
    return folder
