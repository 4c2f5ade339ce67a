"""Installing is redone when it was interrupted or the lock changed, and costs nothing otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sluice.local import venvs


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lock = tmp_path / "requirements.txt"
    lock.write_text("# nothing to install\n")
    return lock


def test_a_finished_installation_is_left_alone(tmp_path, lock):
    python = venvs.ensure(tmp_path / "venv", lock)
    assert subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "venv").iterdir()}
    venvs.ensure(tmp_path / "venv", lock)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "venv").iterdir()} == before


def test_an_interrupted_one_is_done_again(tmp_path, lock):
    venvs.ensure(tmp_path / "venv", lock)
    stamp = tmp_path / "venv" / "installed-requirements"
    stamp.unlink()
    venvs.ensure(tmp_path / "venv", lock)
    assert stamp.exists()


def test_a_changed_lock_is_installed(tmp_path, lock):
    venvs.ensure(tmp_path / "venv", lock)
    lock.write_text("this is no requirement\n")
    with pytest.raises(venvs.CannotInstall, match="run it again"):
        venvs.ensure(tmp_path / "venv", lock)


def test_an_environment_whose_interpreter_is_gone_is_made_anew(tmp_path, lock):
    python = venvs.ensure(tmp_path / "venv", lock)
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    assert os.access(venvs.ensure(tmp_path / "venv", lock), os.X_OK)


def test_an_unsupported_python_is_refused_with_what_to_type(monkeypatch, tmp_path, lock):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(venvs.CannotInstall, match=r"3\.11, 3\.12 or 3\.13"):
        venvs.ensure(tmp_path / "venv", lock)


def test_bytecode_is_compiled_whatever_the_shell_says(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in venvs.environment()


def pins(name: str) -> dict[str, str]:
    lines = (venvs.ROOT / name).read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith((" ", "#")))


def test_what_workers_need_changes_nothing_of_what_is_there():
    base, more = pins("requirements.txt"), pins("requirements-celery.txt")
    assert {name: version for name, version in more.items() if base.get(name, version) != version} == {}
    assert {"celery", "redis", "apache-airflow-providers-celery"} <= set(more) - set(base)
