"""Virtual environments that are complete or made again. Standard library only: `./sluice` calls this before any exists.

uv does the work where it can be had (on the PATH, or installed below `.sluice`), pip where it cannot. A stamp with a
hash of the lock is written last, so an interrupted installation is redone and a finished one costs nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / ".venv"
TOOLS = ROOT / ".sluice"
_UV = "uv==0.13.8"
_SUPPORTED = ((3, 11), (3, 14))


class CannotInstall(Exception):
    """What is missing, and how to get it."""


def ensure_project(*, development: bool = False) -> Path:
    """Make `.venv` hold what the locks name; give its Python."""
    python = ensure(VENV, ROOT / "requirements.txt")
    return ensure(VENV, ROOT / "requirements-dev.txt") if development else python


def ensure(folder: Path, lock: Path) -> Path:
    """Make the environment in `folder` hold what `lock` names; give its Python.

    Raises CannotInstall with what to do.
    """
    python, stamp = folder / "bin" / "python", folder / f"installed-{lock.stem}"
    wanted = hashlib.sha256(f"{folder}\n{lock.read_text()}".encode()).hexdigest()
    with _one_at_a_time():
        # access(), not exists(): the interpreter behind a copied environment may lie in another user's closed home.
        if not os.access(python, os.X_OK):
            shutil.rmtree(folder, ignore_errors=True)
        if not (stamp.exists() and stamp.read_text() == wanted):
            print(f"Installing {lock.name} into {folder} …", file=sys.stderr, flush=True)
            _install(folder, lock)
            stamp.write_text(wanted)
    return python


def environment() -> dict[str, str]:
    """Give our environment without the switch that would make every process compile everything again."""
    # uv trusts only its own list of authorities; a company's network is often signed by the system's.
    system = {"UV_SYSTEM_CERTS": "1"} if ssl.get_default_verify_paths().cafile else {}
    return {name: value for name, value in {**system, **os.environ}.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _install(folder: Path, lock: Path) -> None:
    python, uv = folder / "bin" / "python", _find_uv()
    if not python.exists():
        _require_supported()
        base = getattr(sys, "_base_executable", sys.executable)
        _run(*([uv, "venv", "--quiet", "--python", base] if uv else [base, "-m", "venv"]), str(folder))
    with_uv = [uv or "", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    with_pip = [str(python), "-m", "pip", "install", "--quiet"]
    _run(*(with_uv if uv else with_pip), "-r", str(lock))


def _find_uv() -> str | None:
    """Give a uv that works, installing one of our own if need be; None where it cannot be had."""
    own = TOOLS / "bootstrap" / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(own)):
        if candidate and _succeeds(candidate, "--version"):
            return candidate
    base = getattr(sys, "_base_executable", sys.executable)
    made = _succeeds(base, "-m", "venv", "--clear", str(own.parents[1]))
    if made and _succeeds(str(own.with_name("python")), "-m", "pip", "install", "--quiet", _UV):
        return str(own)
    return None


def _require_supported() -> None:
    lowest, too_new = _SUPPORTED
    if not lowest <= sys.version_info[:2] < too_new:
        raise CannotInstall(
            f"This is Python {sys.version.split()[0]}; Sluice needs 3.11, 3.12 or 3.13: `python3.12 ./sluice …`"
        )


def _run(*command: str) -> None:
    if subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL).returncode != 0:
        raise CannotInstall(
            f"`{' '.join(command)}` failed, see above. Nothing is half installed: run it again. "
            "On Debian or Ubuntu, `python3 -m venv` needs the package python3-venv."
        )


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, env=environment(), capture_output=True).returncode == 0
    except OSError:
        return False


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    TOOLS.mkdir(mode=0o700, exist_ok=True)
    with (TOOLS / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
